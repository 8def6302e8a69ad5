"use strict";

const byId = (id) => document.getElementById(id);
const make = (tag, text, properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);

let mails = [];

function facts(list, entries) {
  list.replaceChildren();
  for (const [name, value] of entries) list.append(make("dt", name), make("dd", value));
}

function show(index) {
  const mail = mails[index];
  if (!mail) return;
  byId("mail").hidden = false;
  byId("subject").textContent = mail.subject || "(no subject)";
  facts(byId("facts"), [["From", mail.from], ["To", mail.to], ["Sent", mail.sent_at]]);
  // Links in the sandboxed mail open beside it; they couldn't navigate this page.
  byId("html").srcdoc = `<base target="_blank">${mail.html}`;
  byId("text").textContent = mail.text;
  facts(byId("headers"), Object.entries(mail.headers));
  byId("raw").textContent = mail.raw;
  for (const button of document.querySelectorAll("#list button")) {
    button.setAttribute("aria-pressed", String(button.dataset.index === String(index)));
  }
  history.replaceState(null, "", `#${index}`);
}

async function look() {
  try {
    const now = await (await fetch("/_local/outbox")).json();
    for (let index = mails.length; index < now.length; index += 1) {
      const row = document.createElement("li");
      const button = make("button", `${now[index].subject || "(no subject)"} `, { type: "button" });
      button.dataset.index = index;
      button.append(document.createElement("br"), make("small", `to ${now[index].to}, ${now[index].sent_at}`));
      button.addEventListener("click", () => show(index));
      row.append(button);
      byId("list").prepend(row);
    }
    const first = mails.length === 0 && now.length > 0;
    mails = now;
    byId("none").hidden = mails.length > 0;
    if (first) show(location.hash ? Number(location.hash.slice(1)) : mails.length - 1);
  } catch {
    return;
  }
  setTimeout(look, 1000);
}

look();

"use strict";

const byId = (id) => document.getElementById(id);
const make = (tag, text, properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);
const ask = async (path) => (await fetch(path)).json();

function link(url, text) {
  const entry = document.createElement("li");
  entry.append(make("a", text, { href: url }));
  return entry;
}

async function showLinks(about) {
  const list = byId("links");
  for (const brand of about.brands) {
    list.append(link(`/s/${brand}`, `Subscribe form of ${brand}`));
  }
  list.append(link("/_local/preview/", "Every page in every state, in every language"));
  const answer = await fetch("/v1/links", {
    method: "POST",
    headers: { Authorization: `Bearer ${about.api_keys[about.brand]}`, "Content-Type": "application/json" },
    body: JSON.stringify({ topic: about.sample_topic, recipients: [{ email: about.sample_address }] }),
  });
  if (!answer.ok) {
    byId("links-note").textContent = `No links for ${about.sample_address}: POST /v1/links answers ${answer.status}.`;
    return;
  }
  const [minted] = (await answer.json()).links;
  list.append(
    link(minted.unsubscribe_url, `Unsubscribe ${about.sample_address} from ${about.sample_topic}`),
    link(minted.preferences_url, `Preferences of ${about.sample_address}`),
  );
  byId("links-note").textContent = "The last two were minted by the API a moment ago.";
  const mailto = /<mailto:([^?>]+)\?subject=([^>]+)>/.exec(minted.headers["List-Unsubscribe"]);
  if (mailto) {
    const mail = `From: ${about.sample_address}\\nTo: ${mailto[1]}\\nSubject: ${mailto[2]}\\n\\n`;
    showCurl("Leave by mail, as the List-Unsubscribe header offers", `printf '${mail}' | curl -s ${about.inbound_url} --data-binary @-`);
  }
}

function showCurl(title, command) {
  byId("curls").append(make("h3", title), make("pre", command));
}

function showCurls(about) {
  const auth = `-H 'Authorization: Bearer ${about.api_keys[about.brand]}'`;
  const json = (path, body) => `curl -s ${about.base_url}${path} ${auth} \\\n  -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`;
  const emails = [about.sample_address];
  const examples = {
    "May I mail this person?": json("/v1/decisions", { topic: about.sample_topic, emails }),
    "Ask for a double opt-in": json("/v1/subscriptions", { email: about.sample_address, topics: [about.sample_topic] }),
    "Links for a campaign": json("/v1/links", { topic: about.sample_topic, recipients: [{ email: about.sample_address }] }),
    "Everything about a subscriber": json("/v1/subscribers/lookup", { email: about.sample_address }),
    "The API's description": `curl -s ${about.base_url}/v1/openapi.json`,
    "The outbox": `curl -s ${about.outbox_url}`,
  };
  for (const [title, command] of Object.entries(examples)) {
    showCurl(title, command);
  }
}

let mailsShown = 0;
function showMails(mails) {
  byId("mail-count").textContent = mails.length ? `${mails.length} sent` : "";
  byId("no-mails").hidden = mails.length > 0;
  for (const [index, mail] of [...mails.entries()].slice(mailsShown)) {
    const entry = make("li", "", { className: mailsShown ? "fresh" : "" });
    entry.append(make("a", mail.subject || "(no subject)", { href: `/_local/mails#${index}` }), ` to ${mail.to} `, make("small", mail.sent_at));
    byId("latest-mails").prepend(entry);
  }
  while (byId("latest-mails").children.length > 5) byId("latest-mails").lastChild.remove();
  mailsShown = mails.length;
}

const rows = new Map();
let firstLook = true;
function showItems(items) {
  byId("no-items").textContent = items.error ? `DynamoDB doesn't answer: ${items.error}` : "Empty.";
  byId("no-items").hidden = !items.error && rows.size + items.length > 0;
  if (items.error) return;
  const present = new Set();
  for (const item of items) {
    const key = JSON.stringify([item.pk, item.sk]);
    const content = JSON.stringify(item);
    present.add(key);
    const known = rows.get(key);
    if (known && known.content === content) continue;
    const { pk, sk, ...rest } = item;
    const row = make("li", "", { className: firstLook ? "" : "fresh" });
    row.append(make("strong", `${pk} · ${sk}`), document.createElement("br"), make("code", JSON.stringify(rest)));
    if (known) known.row.remove();
    byId("items").prepend(row);
    rows.set(key, { content, row });
  }
  for (const [key, { row }] of rows) {
    if (!present.has(key)) {
      row.remove();
      rows.delete(key);
    }
  }
  firstLook = false;
}

async function look() {
  if (!document.hidden) {
    try {
      showMails(await ask("/_local/outbox"));
      showItems(await ask("/_local/items"));
    } catch {
      byId("table-name").textContent = "the stack doesn't answer";
      return;
    }
  }
  setTimeout(look, 1000);
}

(async () => {
  const about = await ask("/_local/about");
  byId("table-name").textContent = about.table_name;
  showCurls(about);
  look();
  await showLinks(about);
})();

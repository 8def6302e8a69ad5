// Consentry's form, version 1: sends <form data-consentry> without leaving the page.
(() => {
	let busy, number = 0;
	const make = (role, id) => {
		const made = document.createElement("p");
		made.setAttribute("role", role);
		made.id = `consentry-${id}-${++number}`;
		return made;
	};
	const say = (form, { field, detail }) => {
		const named = form.querySelectorAll(`[name="${field}"]`), first = named[0] || form.elements[0];
		let note = form.querySelector(`[data-of="${field}"]`);
		if (!note) {
			note = make("alert", field);
			note.dataset.of = field;
			note.className = "consentry-error";
			const legend = named[1] && first.closest("fieldset")?.querySelector("legend");
			(legend || first.closest("label") || first).after(note);
		}
		note.textContent = detail;
		for (const each of named) {
			const by = each.getAttribute("aria-describedby") || "";
			each.setAttribute("aria-invalid", true);
			if (!by.includes(note.id)) each.setAttribute("aria-describedby", `${by} ${note.id}`.trim());
		}
		return first;
	};
	addEventListener("submit", async (event) => {
		const form = event.target;
		if (event.defaultPrevented || !form.matches("form[data-consentry]")) return;
		event.preventDefault();
		if (busy) return;
		busy = true;
		for (const note of form.querySelectorAll("[data-of]")) note.textContent = "";
		for (const each of form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
		const status = form.querySelector("[role=status]") || form.appendChild(make("status", "status"));
		status.textContent = "";
		try {
			const answer = await fetch(form.getAttribute("action"), {
				method: "POST",
				headers: { accept: "application/json" },
				body: new URLSearchParams(new FormData(form)),
			});
			if (answer.status == 400) (await answer.json()).errors.map((each) => say(form, each))[0].focus();
			else if (answer.ok) {
				form.reset();
				status.textContent = form.dataset.accepted || "Check your inbox.";
				form.dispatchEvent(new Event("consentry:accepted", { bubbles: true }));
			} else throw 0;
		} catch {
			HTMLFormElement.prototype.submit.call(form);
		}
		busy = false;
	});
})();

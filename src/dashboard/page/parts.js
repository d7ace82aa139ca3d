// What several pages have: errors, instants, badges, questions, notices, and acts on all that match.

import { act, parameters } from "./client.js";
import { h, render } from "./dom.js";
import { count, exact, relative } from "./format.js";

// A moment: how far away it is, and exactly on hover.
export function moment(instant) {
	if (instant === null || instant === undefined || Number.isNaN(instant)) return "–";
	return h("time", { datetime: new Date(instant).toISOString(), title: exact(instant) }, relative(instant));
}

export const badge = (text, kind) => h("span", { class: `badge ${kind || ""}` }, text);

export const button = (text, click, properties) =>
	h("button", { type: "button", ...properties, on: { click } }, text);

// What could not be done, and what to do next.
export const failure = (error) =>
	h("div", { class: "failure", role: "alert" }, h("p", {}, error.message), error.help ? h("p", { class: "quiet" }, error.help) : null);

export const empty = (text, ...help) => h("div", { class: "empty" }, h("p", {}, text), help.length ? h("p", { class: "quiet" }, ...help) : null);

export const code = (text) => h("code", {}, text);

export function facts(rows) {
	const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
	return h("dl", { class: "facts" }, known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

// A line at the end of the page that says what was done.
export function notify(text, kind) {
	const notice = h("div", { class: `notice ${kind || ""}` }, h("span", {}, text));
	notice.append(button("Close", () => notice.remove(), { class: "plain" }));
	document.getElementById("notices").append(notice);
	if (kind !== "bad") setTimeout(() => notice.remove(), 6000);
}

// Asks before something is done; answers whether it is to be done, or what was typed.
export function ask({ title, text, yes, danger, field }) {
	const dialog = document.getElementById("dialog");
	return new Promise((answer) => {
		const input = field && h("textarea", { id: "dialog-field", rows: "10", spellcheck: "false", value: field.value, "aria-label": field.label });
		const close = (given) => {
			dialog.close();
			answer(given);
		};
		render(
			dialog,
			h("h2", { id: "dialog-title" }, title),
			text ? h("p", {}, text) : null,
			input || null,
			h(
				"div",
				{ class: "actions" },
				button("Cancel", () => close(null)),
				button(yes, () => close(field ? dialog.querySelector("textarea").value : true), { class: danger ? "danger" : "primary", "data-yes": true }),
			),
		);
		dialog.onclose = () => answer(null);
		dialog.showModal();
	});
}

// Acts on what is chosen, or on all that match, a part at a time; says how far it is.
export async function actOn(name, body, { tell, cursor, doneOf }) {
	let done = 0;
	let stayed = 0;
	let reasons = [];
	let next = null;
	// All of it is for the driver that is shown now.
	const driver = parameters().driver;
	do {
		const answer = await act(name, { driver, ...body, ...(next ? { [cursor]: next } : {}) });
		done += doneOf(answer);
		stayed += answer.stayed || 0;
		reasons = reasons.concat(answer.reasons || []).slice(0, 5);
		next = body.all ? answer.next : null;
		if (next) tell(done);
	} while (next);
	return { done, stayed, reasons };
}

export const plural = (many, one) => `${count(many)} ${one}${many === 1 ? "" : "s"}`;

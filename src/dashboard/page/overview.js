// The overview: what is wrong, how much there is, and the queues.

import { act, link, to } from "./client.js";
import { h } from "./dom.js";
import { count, span } from "./format.js";
import { perform } from "./live.js";
import { badge, button, code, empty } from "./parts.js";

export const page = {
	title: () => "Overview",
	load: async () => ({}),
	view: ({ overview, readOnly }) => [
		h("h1", {}, "Overview"),
		problems(overview),
		totals(overview.queues),
		queues(overview.queues, readOnly),
		readOnly ? null : restart(),
	],
};

function problems({ problems: found }) {
	if (found.length === 0) return null;
	const problem = ({ text, help, queue }) =>
		h("li", { "data-key": text }, h("strong", {}, text), " ", h("span", { class: "quiet" }, help), queue ? [" ", link(to("/jobs", { queue }), "Its jobs")] : null);
	return h("section", { class: "problems", "aria-label": "Problems" }, h("ul", {}, found.map(problem)));
}

// The sum of a count over all queues, and whether one of them stopped.
function sum(all, name) {
	const known = all.filter((queue) => queue[name] !== null);
	if (known.length === 0) return [null, false];
	const isCapped = all.some((queue) => (queue.capped || []).includes(name));
	return [known.reduce((total, queue) => total + queue[name], 0), isCapped];
}

function totals(all) {
	const tile = (text, [value, isCapped], href, kind) =>
		h("a", { class: `tile ${value ? kind || "" : ""}`, href }, h("span", { class: "value" }, count(value, isCapped)), h("span", { class: "label" }, text));
	const waits = all.map((queue) => queue.oldest_wait_s).filter((wait) => wait !== null);
	return h(
		"section",
		{ class: "tiles", "aria-label": "In all" },
		tile("waiting", sum(all, "waiting"), to("/jobs", { state: "waiting" })),
		tile("running", sum(all, "running"), to("/jobs", { state: "running" })),
		tile("delayed", sum(all, "delayed"), to("/jobs", { state: "delayed" })),
		tile("failed", sum(all, "failed"), to("/failed"), "bad"),
		h("div", { class: "tile" }, h("span", { class: "value" }, waits.length ? span(Math.max(...waits)) : "–"), h("span", { class: "label" }, "oldest wait")),
	);
}

function queues(all, readOnly) {
	if (all.length === 0) return empty("No queue has a job.", "Push one: ", code("craft queue:push Echo"));
	const is = (queue, name) => (queue.capped || []).includes(name);
	const cell = (queue, name, href) => {
		const text = count(queue[name], is(queue, name));
		return h("td", { class: "number", "data-label": name }, href && queue[name] ? link(href, text, { class: name === "failed" ? "bad" : null }) : text);
	};
	const row = (queue) =>
		h(
			"tr",
			{ "data-key": queue.queue },
			h("th", { scope: "row" }, link(to("/jobs", { queue: queue.queue }), queue.queue), " ", queue.paused ? badge("paused", "warning") : null),
			cell(queue, "waiting", to("/jobs", { queue: queue.queue, state: "waiting" })),
			cell(queue, "running", to("/jobs", { queue: queue.queue, state: "running" })),
			cell(queue, "delayed", to("/jobs", { queue: queue.queue, state: "delayed" })),
			cell(queue, "failed", to("/failed", { queue: queue.queue })),
			h("td", { class: "number", "data-label": "oldest wait" }, span(queue.oldest_wait_s)),
			readOnly || queue.paused === null ? null : h("td", { class: "act" }, toggle(queue)),
		);
	const heads = ["queue", "waiting", "running", "delayed", "failed", "oldest wait"];
	return h(
		"section",
		{},
		h("h2", {}, "Queues"),
		h(
			"table",
			{ class: "stacked" },
			h("thead", {}, h("tr", {}, heads.map((name, at) => h("th", { scope: "col", class: at ? "number" : null }, name)), readOnly ? null : h("th", {}, h("span", { class: "unseen" }, "act")))),
			h("tbody", {}, all.map(row)),
		),
	);
}

function toggle({ queue, paused }) {
	if (paused) {
		const resume = () => perform(null, async () => ((await act("resume", { queue })).changed ? `Queue ${queue} goes on.` : `Queue ${queue} was not paused.`));
		return button("Resume", resume, { "aria-label": `Resume queue ${queue}` });
	}
	const question = {
		title: `Pause queue ${queue}?`,
		text: "Workers take nothing new from it. Running jobs finish, and pushes go on.",
		yes: "Pause",
	};
	const pause = () => perform(question, async () => ((await act("pause", { queue })).changed ? `Queue ${queue} is paused.` : `Queue ${queue} was paused already.`));
	return button("Pause", pause, { "aria-label": `Pause queue ${queue}` });
}

function restart() {
	const question = {
		title: "Restart all workers?",
		text: "Each worker finishes what it runs and ends, for its supervisor to start it again. A worker without a supervisor stays away.",
		yes: "Restart all",
	};
	const ask = () => perform(question, async () => (await act("restart"), "All workers are asked to restart."));
	return h("p", { class: "actions" }, button("Restart all workers", ask));
}

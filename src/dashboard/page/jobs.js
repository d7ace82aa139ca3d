// Jobs that wait or run: a page of them, and one of them.

import { boxes } from "./choice.js";
import { act, get, link, parameters, to } from "./client.js";
import { h } from "./dom.js";
import { pretty, span } from "./format.js";
import { go, perform } from "./live.js";
import { actOn, badge, button, code, empty, facts, moment, notify, plural } from "./parts.js";

const KINDS = { waiting: "", delayed: "quiet", running: "good" };

export const list = {
	title: () => "Jobs",
	load: () => {
		const { queue, job, state, after } = parameters();
		return get("jobs", { queue, job, state, after });
	},
	view: ({ overview, data, chosen, readOnly }) => [
		h("h1", {}, "Jobs"),
		filters(overview),
		data.jobs.length === 0 ? nothing() : [table(data.jobs, chosen, readOnly), pages(data)],
		readOnly || data.jobs.length === 0 ? null : acts(data, chosen),
	],
};

function filters(overview) {
	const { queue, job, state } = parameters();
	const find = (event, form) => {
		event.preventDefault();
		const given = Object.fromEntries(new FormData(form));
		go(to("/jobs", { queue: given.queue, state: given.state, job: given.job.trim() }));
	};
	const now = (event, field) => find(event, field.form);
	const names = [...new Set([...overview.queues.map((one) => one.queue), queue || ""])].filter(Boolean).sort();
	const option = (value, text) => h("option", { value }, text);
	return h(
		"form",
		{ class: "filters", role: "search", on: { submit: find } },
		h("label", {}, "Queue", h("select", { name: "queue", value: queue || "", on: { change: now } }, option("", "all"), names.map((name) => option(name, name)))),
		h("label", {}, "State", h("select", { name: "state", value: state || "", on: { change: now } }, option("", "all"), Object.keys(KINDS).map((name) => option(name, name)))),
		h("label", {}, "Job", h("input", { name: "job", value: job || "", placeholder: "its whole name", autocomplete: "off" })),
		h("button", { type: "submit" }, "Find"),
	);
}

function nothing() {
	const { queue, job, state, after } = parameters();
	if (queue || job || state || after) return empty("No job matches.", link(to("/jobs"), "Show all jobs"));
	return empty("No job waits or runs.", "Push one: ", code("craft queue:push Echo"));
}

function table(jobs, chosen, readOnly) {
	const box = boxes(jobs, chosen);
	const row = (job) =>
		h(
			"tr",
			{ "data-key": job.id },
			readOnly ? null : h("td", { class: "choose" }, box.one(job.id, `Choose job ${job.id}`)),
			h("th", { scope: "row" }, link(to(`/jobs/${encodeURIComponent(job.id)}`), job.job), " ", h("span", { class: "id" }, `#${job.id}`)),
			h("td", { "data-label": "state" }, states(job)),
			h("td", { "data-label": "queue" }, job.queue),
			h("td", { class: "number", "data-label": "attempts" }, String(job.attempts)),
			h("td", { class: "number", "data-label": "priority" }, String(job.priority)),
			h("td", { "data-label": "due" }, moment(job.due_at)),
			h("td", { "data-label": "pushed" }, moment(Date.parse(job.created_at))),
		);
	return h(
		"table",
		{ class: "stacked" },
		h(
			"thead",
			{},
			h(
				"tr",
				{},
				readOnly ? null : h("th", { class: "choose" }, box.all()),
				["job", "state", "queue"].map((name) => h("th", { scope: "col" }, name)),
				["attempts", "priority"].map((name) => h("th", { scope: "col", class: "number" }, name)),
				["due", "pushed"].map((name) => h("th", { scope: "col" }, name)),
			),
		),
		h("tbody", {}, jobs.map(row)),
	);
}

function states(job) {
	const isDead = job.hold_ends_at !== null && job.hold_ends_at < Date.now();
	return [
		badge(job.state, KINDS[job.state]),
		isDead ? [" ", badge("its worker is silent", "warning")] : null,
		job.suspect ? [" ", badge("its worker died", "warning")] : null,
		job.unknown_for_ms === null ? null : [" ", badge(`no worker knows its name for ${span(job.unknown_for_ms / 1000)}`, "warning")],
	];
}

function pages({ next }) {
	const { queue, job, state, after } = parameters();
	const filter = { queue, job, state };
	return h(
		"p",
		{ class: "pages" },
		after ? link(to("/jobs", filter), "First page") : null,
		next ? link(to("/jobs", { ...filter, after: next }), "Next page", { rel: "next" }) : null,
	);
}

const removed = (answer) => answer.removed;

function acts(data, chosen) {
	const { queue, job, state } = parameters();
	const many = chosen.size;
	const some = { title: `Remove ${plural(many, "job")}?`, text: "They do not run. A job that a worker holds stays.", yes: "Remove", danger: true };
	const isAll = !data.next && !parameters().after;
	const matching = isAll ? plural(data.jobs.length, "job") : "all jobs";
	const every = {
		title: `Remove ${matching} that match?`,
		text: `${[queue && `Queue ${queue}.`, state && `State ${state}.`, job && `Job ${job}.`].filter(Boolean).join(" ") || "All queues."} They do not run. A job that a worker holds stays.`,
		yes: "Remove all",
		danger: true,
	};
	const told = ({ done }) => `Removed ${plural(done, "job")}.`;
	const options = { tell: (done) => notify(`Removed ${plural(done, "job")} so far.`), cursor: "after", doneOf: removed };
	return h(
		"p",
		{ class: "actions" },
		button(many ? `Remove ${plural(many, "chosen job")}` : "Remove the chosen", () => perform(some, async () => told(await actOn("cancel", { ids: [...chosen] }, options))), { disabled: many === 0 }),
		button("Remove all that match", () => perform(every, async () => told(await actOn("cancel", { all: { queue, job, state } }, options)))),
	);
}

export const job = {
	title: ({ data, id }) => (data ? `${data.job} #${id}` : `Job ${id}`),
	load: ({ id }) => get(`jobs/${encodeURIComponent(id)}`),
	view: ({ data, readOnly }) => {
		const question = { title: `Remove job ${data.id}?`, text: "It does not run. If a worker holds it by now, it stays.", yes: "Remove", danger: true };
		const remove = async () => {
			const { removed: gone, held } = await act("cancel", { ids: [data.id] });
			if (gone) {
				history.replaceState(null, "", to("/jobs", { queue: data.queue }));
				return `Removed job ${data.id}.`;
			}
			return { text: held ? `Job ${data.id} stays: a worker holds it.` : `Job ${data.id} is gone already.`, kind: "bad" };
		};
		return [
			h("p", { class: "trail" }, link(to("/jobs", { queue: data.queue }), `Jobs of queue ${data.queue}`)),
			h("h1", {}, data.job, " ", h("span", { class: "id" }, `#${data.id}`)),
			h("p", {}, states(data)),
			readOnly ? null : h("p", { class: "actions" }, button("Remove", () => perform(question, remove), { class: "danger" })),
			facts([
				["queue", data.queue],
				["due", moment(data.due_at)],
				["pushed", moment(Date.parse(data.created_at))],
				["attempts", String(data.attempts)],
				["priority", String(data.priority)],
				["unique key", data.unique_key],
				["hold ends", data.hold_ends_at === null ? null : moment(data.hold_ends_at)],
				["options", data.options && code(data.options)],
				["uuid", data.uuid && code(data.uuid)],
			]),
			data.last_error ? [h("h2", {}, "Last error"), h("pre", { class: "error", tabindex: "0" }, data.last_error)] : null,
			h("h2", {}, "Payload"),
			data.masked ? h("p", { class: "quiet" }, "Some fields are hidden by the configuration.") : null,
			h("pre", { tabindex: "0" }, pretty(data.payload)),
		];
	},
};

// Failed jobs: by what went wrong, a page of them, and one of them.

import { boxes } from "./choice.js";
import { get, link, parameters, to } from "./client.js";
import { h } from "./dom.js";
import { count, pretty } from "./format.js";
import { go, perform } from "./live.js";
import { actOn, button, code, empty, facts, moment, notify, plural } from "./parts.js";

const NAMES = ["queue", "job", "first_line", "search"];

const filter = () => Object.fromEntries(NAMES.map((name) => [name, parameters()[name]]));

const isFiltered = () => NAMES.some((name) => parameters()[name] !== undefined);

export const list = {
	title: () => "Failed jobs",
	load: async () => {
		const { before } = parameters();
		const wantsGroups = !isFiltered() && !before;
		const [page, groups] = await Promise.all([get("failed", { ...filter(), before }), wantsGroups ? get("failed-groups") : []]);
		return { ...page, groups };
	},
	view: ({ overview, data, chosen, readOnly }) => [
		h("h1", {}, "Failed jobs"),
		overview.keeps_failed ? null : h("p", { class: "quiet" }, "Failed jobs are not kept: set failed_table in queue.toml."),
		filters(overview),
		data.groups.length > 0 ? groups(data.groups, readOnly) : null,
		data.groups.length > 0 && data.failed.length > 0 ? h("h2", {}, "The newest") : null,
		data.failed.length === 0 ? nothing(data) : table(data.failed, chosen, readOnly),
		pages(data),
		readOnly || data.failed.length === 0 ? null : acts(chosen),
	],
};

function filters(overview) {
	const { queue, job, first_line: firstLine, search } = parameters();
	const find = (event, form) => {
		event.preventDefault();
		const given = Object.fromEntries(new FormData(form));
		go(to("/failed", { ...filter(), queue: given.queue, search: given.search.trim() }));
	};
	const names = [...new Set([...overview.queues.filter((one) => one.failed).map((one) => one.queue), queue || ""])].filter(Boolean).sort();
	const option = (value, text) => h("option", { value }, text);
	const chip = (name, text) => h("span", { class: "chip" }, text, " ", link(to("/failed", { ...filter(), [name]: undefined }), "×", { "aria-label": `Without ${text}` }));
	return [
		h(
			"form",
			{ class: "filters", role: "search", on: { submit: find } },
			h("label", { class: "wide" }, "Search", h("input", { name: "search", type: "search", value: search || "", placeholder: "in error, payload, name, options, uuid", autocomplete: "off" })),
			h("label", {}, "Queue", h("select", { name: "queue", value: queue || "", on: { change: (event, field) => find(event, field.form) } }, option("", "all"), names.map((name) => option(name, name)))),
			h("button", { type: "submit" }, "Find"),
		),
		job || firstLine !== undefined ? h("p", { class: "chips" }, job ? chip("job", job) : null, firstLine !== undefined ? chip("first_line", firstLine || "no error text") : null) : null,
	];
}

function nothing(data) {
	if (data.next) return empty("Nothing here matches.", "The search goes through the failed jobs by pages: ", link(to("/failed", { ...filter(), before: data.next }), "go on"));
	if (isFiltered() || parameters().before) return empty("No failed job matches.", link(to("/failed"), "Show all failed jobs"));
	return empty("No job has failed.", "A job that fails for good is shown here with its error.");
}

const options = (verb) => ({ tell: (done) => notify(`${verb} ${plural(done, "failed job")} so far.`), cursor: "before", doneOf: (answer) => answer.done });

async function work(name, body) {
	const verb = name === "retry" ? "Retried" : "Forgot";
	const { done, stayed, reasons } = await actOn(name, body, options(verb));
	const stay = stayed > reasons.length ? `${count(stayed)} stay, for example:` : "";
	const text = [`${verb} ${plural(done, "failed job")}.`, stay, ...reasons].filter(Boolean).join(" ");
	return { text, kind: stayed ? "bad" : "" };
}

const FORGETS = "They are removed, with their payloads and errors.";
const RETRIES = "Each goes back onto its own queue, with all its attempts.";

function question(name, what) {
	const isRetry = name === "retry";
	return { title: `${isRetry ? "Retry" : "Forget"} ${what}?`, text: isRetry ? RETRIES : FORGETS, yes: isRetry ? "Retry" : "Forget", danger: !isRetry };
}

function groups(all, readOnly) {
	const row = (group) => {
		const matching = { job: group.job, first_line: group.first_line };
		const href = to("/failed", matching);
		const what = `${plural(group.count, "failed job")} ${group.job}`;
		const on = (name) => () => perform(question(name, what), () => work(name, { all: matching }));
		return h(
			"li",
			{ class: "group", "data-key": JSON.stringify([group.job, group.first_line]) },
			h("span", { class: "many" }, count(group.count)),
			h("div", { class: "what" }, h("strong", {}, link(href, group.job)), h("p", { class: "reason" }, group.first_line)),
			readOnly ? null : h("div", { class: "actions" }, button("Retry", on("retry"), { class: "primary", "aria-label": `Retry ${what}` }), button("Forget", on("forget"), { "aria-label": `Forget ${what}` })),
		);
	};
	return h("section", {}, h("h2", {}, "By what went wrong"), h("ul", { class: "groups" }, all.map(row)));
}

function table(failed, chosen, readOnly) {
	const box = boxes(failed, chosen);
	const row = (one) =>
		h(
			"tr",
			{ "data-key": one.id },
			readOnly ? null : h("td", { class: "choose" }, box.one(one.id, `Choose failed job ${one.id}`)),
			h("th", { scope: "row" }, link(to(`/failed/${encodeURIComponent(one.id)}`), one.job), " ", h("span", { class: "id" }, `#${one.id}`)),
			h("td", { class: "reason", "data-label": "error" }, one.first_line),
			h("td", { "data-label": "queue" }, one.queue),
			h("td", { class: "number", "data-label": "attempts" }, String(one.attempts)),
			h("td", { "data-label": "failed" }, moment(Date.parse(one.failed_at))),
			readOnly ? null : h("td", { class: "act" }, button("Retry", () => perform(null, () => work("retry", { ids: [one.id] })), { "aria-label": `Retry failed job ${one.id}` })),
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
				["job", "error", "queue"].map((name) => h("th", { scope: "col" }, name)),
				h("th", { scope: "col", class: "number" }, "attempts"),
				h("th", { scope: "col" }, "failed"),
				readOnly ? null : h("th", {}, h("span", { class: "unseen" }, "act")),
			),
		),
		h("tbody", {}, failed.map(row)),
	);
}

function pages({ next }) {
	const { before } = parameters();
	if (!before && !next) return null;
	return h(
		"p",
		{ class: "pages" },
		before ? link(to("/failed", filter()), "First page") : null,
		next ? link(to("/failed", { ...filter(), before: next }), "Next page", { rel: "next" }) : null,
	);
}

function acts(chosen) {
	const many = chosen.size;
	const what = plural(many, "failed job");
	const some = (name, text) => button(many ? `${text} ${plural(many, "chosen")}` : `${text} the chosen`, () => perform(question(name, what), () => work(name, { ids: [...chosen] })), { disabled: many === 0 });
	const matching = filter();
	const every = (name, text) => button(text, () => perform(question(name, isFiltered() ? "all that match" : "all failed jobs"), () => work(name, { all: matching })));
	return h("p", { class: "actions" }, some("retry", "Retry"), some("forget", "Forget"), every("retry", isFiltered() ? "Retry all that match" : "Retry all"), every("forget", isFiltered() ? "Forget all that match" : "Forget all"));
}

export const job = {
	title: ({ data, id }) => (data ? `${data.job} #${id}` : `Failed job ${id}`),
	load: ({ id }) => get(`failed/${encodeURIComponent(id)}`),
	view: ({ data, readOnly }) => [
		h("p", { class: "trail" }, link(to("/failed"), "Failed jobs")),
		h("h1", {}, data.job, " ", h("span", { class: "id" }, `#${data.id}`)),
		h("h2", {}, "Error"),
		h("pre", { class: "error", tabindex: "0" }, data.exception),
		readOnly ? null : single(data),
		facts([
			["queue", data.queue],
			["failed", moment(Date.parse(data.failed_at))],
			["attempts", String(data.attempts)],
			["connection", data.connection],
			["options", data.options && code(data.options)],
			["uuid", data.uuid && code(data.uuid)],
		]),
		h("h2", {}, "Payload"),
		data.masked ? h("p", { class: "quiet" }, "Some fields are hidden by the configuration, so it can't be edited here.") : null,
		h("pre", { tabindex: "0" }, pretty(data.payload)),
	],
};

function single(data) {
	const leave = (told) => {
		if (told.kind !== "bad") history.replaceState(null, "", to("/failed"));
		return told;
	};
	const retry = async () => leave(await work("retry", { ids: [data.id] }));
	const forget = async () => leave(await work("forget", { ids: [data.id] }));
	const edit = async (payload) => leave(await work("retry", { ids: [data.id], payload }));
	const form = { title: "Edit the payload and retry", yes: "Retry", field: { label: "Payload, as JSON", value: pretty(data.payload) } };
	return h(
		"p",
		{ class: "actions" },
		button("Retry", () => perform(null, retry), { class: "primary" }),
		data.masked ? null : button("Edit and retry", () => perform(form, edit)),
		button("Forget", () => perform({ ...question("forget", `failed job ${data.id}`), text: "It is removed, with its payload and error." }, forget)),
	);
}


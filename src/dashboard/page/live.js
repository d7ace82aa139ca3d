// Loads what the page of an address shows, shows it, and does so again every two seconds.

import { act, base, get, link, to } from "./client.js";
import { h, render } from "./dom.js";
import { ask, failure, notify } from "./parts.js";

const EVERY = 2000;

// The pages: patterns of addresses, each with a page. The first one is shown where none matches.
let pages = [];

// What is shown: the last look at the queues, what the page itself has loaded, what went wrong, what is chosen.
const shown = { address: null, overview: null, data: null, error: null, chosen: new Set() };

// Goes to an address without loading the page anew.
export function go(href) {
	history.pushState(null, "", href);
	arrive();
}

function arrive() {
	// A question is about the page that was left: it is answered by no.
	document.getElementById("dialog").close();
	shown.data = null;
	shown.error = null;
	shown.chosen.clear();
	window.scrollTo(0, 0);
	refresh().then(() => document.getElementById("main").focus({ preventScroll: true }));
}

// An address that somebody has typed may not be encoded as ours are.
function decoded(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

function find() {
	const path = location.pathname.slice(base.length);
	for (const [pattern, page] of pages) {
		const match = pattern.exec(path);
		if (match) return { page, id: match[1] && decoded(match[1]) };
	}
	return { page: pages[0][1] };
}

// Of two looks under way only the later one is shown.
let looks = 0;

export async function refresh() {
	const look = ++looks;
	const { page, id } = find();
	// What is loaded belongs to the address that it was loaded for.
	if (shown.address !== location.href) Object.assign(shown, { address: location.href, data: null, error: null });
	try {
		const [seen, data] = await Promise.all([get("overview"), page.load({ id })]);
		if (look !== looks) return;
		Object.assign(shown, { overview: seen, data, error: null });
	} catch (error) {
		if (look !== looks) return;
		if (error.status === 401) return signIn();
		shown.error = error;
	}
	draw();
}

// Shows what is loaded.
export function draw() {
	const { page, id } = find();
	header();
	const context = { overview: shown.overview, data: shown.data, chosen: shown.chosen, id, readOnly: shown.overview?.read_only };
	const title = page.title(context);
	document.title = `${title} · craft-queue`;
	render(
		document.getElementById("main"),
		shown.error ? failure(shown.error) : null,
		shown.data && shown.overview ? page.view(context) : shown.error ? null : h("p", { class: "quiet" }, "Loading…"),
	);
}

function header() {
	const seen = shown.overview;
	const path = location.pathname.slice(base.length);
	const item = (href, text, isHere, extra) =>
		link(to(href), [text, extra], { class: "item", "aria-current": isHere ? "page" : null });
	const failedJobs = seen ? seen.queues.reduce((sum, queue) => sum + (queue.failed || 0), 0) : 0;
	render(
		document.getElementById("header"),
		h("a", { class: "name", href: to("/") }, "craft-queue"),
		h(
			"nav",
			{ "aria-label": "Pages" },
			item("/", "Overview", path === "/" || path === ""),
			item("/jobs", "Jobs", path.startsWith("/jobs")),
			item("/failed", "Failed", path.startsWith("/failed"), failedJobs > 0 ? h("span", { class: "dot", title: "There are failed jobs" }) : null),
		),
		seen && seen.drivers.length > 1
			? h(
					"select",
					{ "aria-label": "Driver", class: "driver", value: seen.driver, on: { change: (_, select) => go(`${base}/?driver=${encodeURIComponent(select.value)}`) } },
					seen.drivers.map((name) => h("option", { value: name }, name)),
				)
			: null,
	);
	render(
		document.getElementById("footer"),
		seen ? h("span", {}, `${seen.driver}: ${seen.back_end}`) : null,
		seen ? h("span", {}, `craft-queue ${seen.version}`) : null,
		seen?.read_only ? h("span", {}, "read-only") : null,
		seen?.signs_in ? h("button", { type: "button", class: "plain", on: { click: signOut } }, "Sign out") : null,
	);
}

let isSigningIn = false;

async function signIn() {
	if (isSigningIn) return;
	isSigningIn = true;
	const failed = shown.error;
	render(document.getElementById("header"), h("span", { class: "name" }, "craft-queue"));
	render(
		document.getElementById("main"),
		h(
			"form",
			{ class: "sign-in", on: { submit: tryToken } },
			h("h1", {}, "Sign in"),
			h("label", { for: "token" }, "Token"),
			h("input", { id: "token", type: "password", autocomplete: "current-password", required: true }),
			h("button", { type: "submit", class: "primary" }, "Sign in"),
			failed ? failure(failed) : h("p", { class: "quiet" }, "The token is in the file that craft dashboard was started with."),
		),
	);
	document.getElementById("token").focus();
}

async function tryToken(event) {
	event.preventDefault();
	const field = document.getElementById("token");
	try {
		await act("sign-in", { token: field.value, driver: undefined });
	} catch (error) {
		// What is typed next is the next try.
		field.value = "";
		shown.error = error;
		isSigningIn = false;
		return signIn();
	}
	isSigningIn = false;
	arrive();
}

async function signOut() {
	await act("sign-out").catch((error) => notify(error.message, "bad"));
	shown.overview = null;
	arrive();
}

// Asks, acts, says what came of it, and looks again.
export async function perform(question, work) {
	const given = question ? await ask(question) : true;
	if (given === null) return;
	try {
		const told = await work(given);
		if (told) notify(told.text || told, told.kind);
	} catch (error) {
		notify([error.message, error.help].filter(Boolean).join(" — "), "bad");
	}
	shown.chosen.clear();
	await refresh();
}

// Begins, with these pages.
export function start(all) {
	pages = all;
	document.addEventListener("click", follow);
	window.addEventListener("popstate", arrive);
	document.addEventListener("visibilitychange", () => {
		if (!document.hidden && !isSigningIn) refresh();
	});
	tick();
}

// Goes where a link leads without loading the page anew.
function follow(event) {
	const anchor = event.target.closest && event.target.closest("a[href]");
	const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
	if (!anchor || !isPlain || event.defaultPrevented || anchor.classList.contains("skip")) return;
	if (anchor.origin !== location.origin) return;
	event.preventDefault();
	go(anchor.href);
}

// A page that nobody sees asks for nothing.
async function tick() {
	try {
		if (!document.hidden && !isSigningIn && !document.getElementById("dialog").open) await refresh();
	} finally {
		setTimeout(tick, EVERY);
	}
}

// Speaks with the server, and makes addresses.

import { h } from "./dom.js";

export const base = document.documentElement.dataset.base;

// An error as the server tells it.
class Told extends Error {
	constructor({ error, help }, status) {
		super(error);
		this.help = help;
		this.status = status;
	}
}

async function answer(response) {
	const text = await response.text();
	if (response.ok) return JSON.parse(text);
	let told;
	try {
		told = JSON.parse(text);
	} catch {
		told = { error: `the dashboard answered ${response.status}`, help: text };
	}
	throw new Told(told, response.status);
}

async function send(path, options) {
	try {
		return await answer(await fetch(base + path, { cache: "no-store", credentials: "same-origin", ...options }));
	} catch (error) {
		if (error instanceof Told) throw error;
		throw new Told({ error: "The dashboard does not answer.", help: "Is craft dashboard still running? This page tries again by itself." }, 0);
	}
}

// An empty first line is that of an empty error; another empty value asks for nothing.
const isGiven = (name, value) => Boolean(value) || (name === "first_line" && value === "");

// Asks for what a page shows.
export function get(path, parameters = {}) {
	const query = new URLSearchParams();
	const driver = new URLSearchParams(location.search).get("driver");
	for (const [name, value] of Object.entries({ driver, ...parameters })) if (isGiven(name, value)) query.set(name, value);
	return send(`/api/${path}${query.size ? `?${query}` : ""}`);
}

// Does what a button says.
export function act(name, body = {}) {
	const driver = new URLSearchParams(location.search).get("driver") || undefined;
	return send(`/api/${name}`, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ driver, ...body }),
	});
}

// The address of a page, with the driver that is shown.
export function to(path, parameters = {}) {
	const query = new URLSearchParams();
	const driver = new URLSearchParams(location.search).get("driver");
	for (const [name, value] of Object.entries({ driver, ...parameters })) if (isGiven(name, value)) query.set(name, value);
	return `${base}${path}${query.size ? `?${query}` : ""}`;
}

export const parameters = () => Object.fromEntries(new URLSearchParams(location.search));

export const link = (href, text, properties) => h("a", { href, ...properties }, text);

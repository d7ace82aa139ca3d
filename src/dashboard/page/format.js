// How numbers, spans, instants and JSON are written.

const numbers = new Intl.NumberFormat("en");

// 12,345; with a + where the count stopped; a dash for what the back end cannot know.
export function count(value, isCapped) {
	if (value === null || value === undefined) return "–";
	return numbers.format(value) + (isCapped ? "+" : "");
}

// 3m 20s: the two largest units.
export function span(seconds) {
	if (seconds === null || seconds === undefined) return "–";
	if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
	const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
	const first = units.findIndex(([, size]) => seconds >= size);
	let rest = Math.floor(seconds);
	const parts = [];
	for (const [unit, size] of units.slice(first, first + 2)) {
		const many = Math.floor(rest / size);
		rest -= many * size;
		if (many > 0) parts.push(`${many}${unit}`);
	}
	return parts.join(" ");
}

// "3m ago", "in 20s".
export function relative(instant, now = Date.now()) {
	const seconds = (instant - now) / 1000;
	if (Math.abs(seconds) < 1) return "now";
	return seconds < 0 ? `${span(-seconds)} ago` : `in ${span(seconds)}`;
}

// The instant in the viewer's zone, to the second.
export function exact(instant) {
	const date = new Date(instant);
	return date.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
}

// JSON with a line a value, each as it is written: a number keeps all its digits. Another text stays as it is.
export function pretty(text) {
	try {
		JSON.parse(text);
	} catch {
		return text;
	}
	const tokens = text.match(/"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s{}[\],:"]+/g) || [];
	let depth = 0;
	let out = "";
	const line = () => "\n" + "  ".repeat(depth);
	tokens.forEach((token, at) => {
		const before = tokens[at - 1];
		if (token === "}" || token === "]") {
			depth -= 1;
			out += before === "{" || before === "[" ? token : line() + token;
		} else {
			if (before === "{" || before === "[" || before === ",") out += line();
			if (token === "{" || token === "[") depth += 1;
			out += token === ":" ? ": " : token;
		}
	});
	return out;
}

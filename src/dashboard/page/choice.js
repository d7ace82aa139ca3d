// The boxes by which rows of a table are chosen.

import { h } from "./dom.js";
import { draw } from "./live.js";

// The box of a row, and the one for all rows of the page.
export function boxes(rows, chosen) {
	const set = (id, isChosen) => (isChosen ? chosen.add(id) : chosen.delete(id));
	const box = (checked, label, ids) => {
		const change = (event) => {
			ids.forEach((id) => set(id, event.target.checked));
			draw();
		};
		return h("input", { type: "checkbox", checked, "aria-label": label, on: { change } });
	};
	const ids = rows.map(({ id }) => id);
	return {
		one: (id, label) => box(chosen.has(id), label, [id]),
		all: () => box(ids.every((id) => chosen.has(id)), "Choose all on this page", ids),
	};
}

// Builds elements, and changes a page into another one without a flicker: what has the focus keeps it.

// An element. Text is always text, never markup. `on` has the handlers, by the name of their event.
export function h(tag, properties, ...children) {
	const element = document.createElement(tag);
	const { on, value, checked, disabled, ...attributes } = properties || {};
	for (const [name, content] of Object.entries(attributes)) {
		if (content !== null && content !== undefined && content !== false) {
			element.setAttribute(name, content === true ? "" : String(content));
		}
	}
	if (disabled) element.disabled = true;
	element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
	// After the options of a select are there.
	if (value !== undefined) element.value = value;
	if (checked !== undefined) element.checked = checked;
	element.handlers = on;
	return element;
}

// Makes the children of an element like these.
export function render(parent, ...children) {
	const wanted = document.createElement("div");
	wanted.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
	morphChildren(parent, wanted);
}

function morphChildren(parent, wanted) {
	const keyed = new Map();
	for (const child of parent.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
	let at = parent.firstChild;
	for (const next of [...wanted.childNodes]) {
		const key = next.nodeType === Node.ELEMENT_NODE && next.dataset.key;
		let old = key ? keyed.get(key) : at;
		// An element with a key is none for one that has another key, or none.
		if (old && !key && old.nodeType === Node.ELEMENT_NODE && old.dataset.key) old = null;
		if (!old || !isAlike(old, next)) {
			parent.insertBefore(next, at);
			continue;
		}
		if (old === at) at = at.nextSibling;
		else parent.insertBefore(old, at);
		morph(old, next);
	}
	while (at) {
		const after = at.nextSibling;
		at.remove();
		at = after;
	}
}

const isAlike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName;

function morph(old, next) {
	if (old.nodeType !== Node.ELEMENT_NODE) {
		if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
		return;
	}
	old.handlers = next.handlers;
	for (const { name } of [...old.attributes]) {
		// What a person has unfolded stays so.
		if (!next.hasAttribute(name) && name !== "open") old.removeAttribute(name);
	}
	for (const { name, value } of [...next.attributes]) {
		if (old.getAttribute(name) !== value) old.setAttribute(name, value);
	}
	if (old.disabled !== next.disabled) old.disabled = next.disabled;
	// Before the options of a select move away.
	const value = next.value;
	const isField = "value" in old && old.tagName !== "BUTTON" && old.tagName !== "LI";
	morphChildren(old, next);
	// What a person types, or has chosen and not sent, stays.
	if (isField && old !== document.activeElement && !old.dataset.keeps) {
		if (old.type === "checkbox") old.checked = next.checked;
		else if (old.value !== value) old.value = value;
	}
}

// Calls the handlers of elements: one listener an event for the whole page, as elements come and go.
for (const event of ["click", "change", "input", "submit"]) {
	document.addEventListener(event, (happened) => {
		for (let element = happened.target; element && element !== document; element = element.parentElement) {
			if (element.handlers && element.handlers[event]) {
				element.handlers[event](happened, element);
				return;
			}
		}
	});
}

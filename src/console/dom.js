// dom.js: elements, and texts in them. Whatever comes from the database becomes a text or an attribute's value, never markup.

const svgTags = new Set(['svg', 'path', 'rect', 'line', 'title']);

// h('td', {class: 'right', onclick: f}, 'text', element, ...): attributes that are false or null are left out.
export function h(tag, attributes, ...children) {
	const element = svgTags.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
	for (const [name, value] of Object.entries(attributes ?? {})) {
		if (value === null || value === undefined || value === false)
			continue;
		if (typeof value === 'function')
			element.addEventListener(name.slice(2), value);
		else
			element.setAttribute(name, value === true ? '' : String(value));
	}
	put(element, ...children);
	return element;
}

// What is not seen, or turns what follows around, is named: nobody hides anything in a user's name.
const visible = (text) => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
	(sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);

// Adds children; texts and numbers as texts, nothing for what is not there.
export function put(element, ...children) {
	for (const child of children.flat(Infinity)) {
		if (child === null || child === undefined || child === false)
			continue;
		element.append(child instanceof Node ? child : document.createTextNode(visible(String(child))));
	}
	return element;
}

export function fill(element, ...children) {
	element.replaceChildren();
	return put(element, ...children);
}

// Tells those who do not see the page what happened.
export function say(text) {
	fill(document.getElementById('status'), text);
}

export function brand(...more) {
	return h('div', { class: 'brand' },
		h('svg', { viewBox: '0 0 24 24', fill: 'none', stroke: 'currentColor', 'stroke-width': 2, 'stroke-linejoin': 'round', 'aria-hidden': 'true' },
			h('path', { d: 'M12 2.5 4 5.5v6c0 5 3.4 8.6 8 10 4.600-1.400 8-5 8-10v-6z' }), h('path', { d: 'm8.500 12 2.500 2.500 4.500-5', 'stroke-linecap': 'round' })),
		h('span', null, 'Security console', ...more));
}

// A question with two answers; whether it was the first.
export function ask(question, answer, ...more) {
	return new Promise((resolve) => {
		let agreed = false;
		const close = (yes) => () => { agreed = yes; dialog.close(); };
		const dialog = h('dialog', { 'aria-labelledby': 'question' },
			h('h2', { id: 'question' }, question), ...more,
			h('div', { class: 'row' },
				h('button', { class: 'main', type: 'button', onclick: close(true) }, answer),
				h('button', { type: 'button', onclick: close(false), autofocus: true }, 'Cancel')));
		dialog.addEventListener('close', () => { dialog.remove(); resolve(agreed); });
		document.body.append(dialog);
		dialog.showModal();
	});
}

export const severity = (level) => h('span', { class: 'severity', 'data-level': level }, level);

// ---- numbers and times ----

const whole = new Intl.NumberFormat('en');
export const number = (value) => value === null || value === undefined ? '–' : whole.format(value);

const two = (value) => String(value).padStart(2, '0');
const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

// A moment: the time of day, with the date when it is another day's.
export function moment(text) {
	if (!text)
		return '–';
	const date = new Date(text);
	const shown = day(date) === day(new Date()) ? clock(date) : `${day(date)} ${clock(date)}`;
	return h('time', { datetime: date.toISOString(), title: date.toISOString(), class: 'nowrap number' }, shown);
}

const units = [['y', 31557600], ['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];

// A length of time, in its largest unit and the next where that says more.
export function duration(seconds) {
	if (seconds === null || seconds === undefined || Number.isNaN(seconds))
		return '–';
	const at = units.findIndex(([, size]) => seconds >= size);
	if (at < 0)
		return '0 s';
	const count = Math.floor(seconds / units[at][1]);
	const rest = at + 1 < units.length ? Math.floor((seconds - count * units[at][1]) / units[at + 1][1]) : 0;
	return count < 10 && rest > 0 ? `${count} ${units[at][0]} ${rest} ${units[at + 1][0]}` : `${count} ${units[at][0]}`;
}

export const since = (text) => (Date.now() - new Date(text).getTime()) / 1000;

// ---- tables ----

// columns: [{name, of: (row) => child, class, head}]; head: the cell names its row.
export function table(caption, columns, rows, { rowClass } = {}) {
	return h('div', { class: 'scroll' }, h('table', { class: 'cards' },
		h('caption', { class: 'unseen' }, caption),
		h('thead', null, h('tr', null, columns.map((column) => h('th', { scope: 'col', class: column.class }, column.name)))),
		h('tbody', null, rows.map((row) => h('tr', { class: rowClass?.(row) }, cells(columns, row))))));
}

const none = '–';

function cell(column, row) {
	const shown = column.of(row);
	if (column.head)
		return h('th', { scope: 'row', class: column.class }, shown);
	return h('td', { class: [column.class, shown === none && 'none'].filter(Boolean).join(' ') || null, 'data-name': column.name }, shown);
}

export const cells = (columns, row) => columns.map((column) => cell(column, row));

export const facts = (pairs) => h('dl', { class: 'facts' }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== '')
	.map(([name, value]) => [h('dt', null, name), h('dd', null, value)]));

export const json = (value) => JSON.stringify(value, null, 2);

// events.js: events as they are sealed, the newest first.

import { facts, fill, h, json, moment, number, severity, table, cells } from './dom.js';
import { events, readOlder } from './live.js';

const SHOWN = 200;
const levels = ['info', 'low', 'medium', 'high', 'critical'];

const who = (row) => row.username ?? row.session_user_name ?? '–';
const what = (row) => [row.action, row.resource].filter((text) => text !== null && text !== '').join(' · ') || '–';

export const eventColumns = [
	{ name: 'Time', of: (row) => moment(row.event_time) },
	{ name: 'Event', head: true, of: (row) => [row.event_type, row.events > 1 && h('span', { class: 'badge' }, `× ${number(row.events)}`)] },
	{ name: 'Severity', of: (row) => severity(row.severity) },
	{ name: 'Outcome', class: 'nowrap', of: (row) => row.outcome },
	{ name: 'User', of: who },
	{ name: 'What', class: 'wide', of: what },
	{ name: 'Address', class: 'nowrap', of: (row) => row.client_address ?? '–' },
];

function details(row) {
	return [
		facts([['Event id', String(row.event_id)], ['Leaf', number(row.leaf_index)], ['Database login', row.session_user_name], ['Application', row.application_name],
			['Action', row.action], ['Resource', row.resource], ['Record', row.record_id]]),
		row.details !== null && Object.keys(row.details).length > 0 && h('pre', null, json(row.details)),
	];
}

// Rows that open: the type of the event is a button.
function rowsOf(row, columns, opened, change) {
	const isOpen = opened.has(row.leaf_index);
	const opening = columns.map((column) => column.head ? { ...column, of: (one) => h('button', { class: 'opener', type: 'button', 'aria-expanded': String(isOpen),
		'data-leaf': row.leaf_index, onclick: () => change(row.leaf_index) }, column.of(one)) } : column);
	return [h('tr', { class: row.fresh ? 'fresh' : null }, cells(opening, row)),
		isOpen && h('tr', { class: 'more' }, h('td', { colspan: columns.length }, details(row)))];
}

export function show(main, context) {
	const body = h('div', null);
	const note = h('p', { class: 'muted' });
	const opened = new Set();
	let list = events.list;
	let isPaused = false;
	let missed = 0;
	let text = '';
	let least = 'info';

	const matches = (row) => levels.indexOf(row.severity) >= levels.indexOf(least) && (text === '' ||
		[row.event_type, row.outcome, who(row), row.action, row.resource, row.client_address].some((one) => one?.toLowerCase().includes(text)));
	const change = (leaf) => {
		if (!opened.delete(leaf))
			opened.add(leaf);
		draw();
	};
	const draw = () => {
		const focused = document.activeElement?.dataset?.leaf;
		const found = list.filter(matches);
		const rows = found.slice(0, isPaused ? found.length : Math.max(SHOWN, older));
		const frame = table('Events, the newest first', eventColumns, []);
		frame.querySelector('tbody').append(...rows.flatMap((row) => rowsOf(row, eventColumns, opened, change)).filter(Boolean));
		fill(body, rows.length > 0 ? frame : h('p', { class: 'empty' }, list.length > 0 ? 'No event fits.' : 'No events yet.'));
		fill(note, events.skipped ? 'More events came than are shown: the list begins anew. ' : null, missed > 0 && `${number(missed)} new events wait. `,
			`${number(rows.length)} of ${number(list.length)} read events are shown.`);
		if (focused !== undefined)
			body.querySelector(`[data-leaf="${focused}"]`)?.focus();
	};
	let older = 0;
	const pause = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => {
		isPaused = !isPaused;
		pause.setAttribute('aria-pressed', String(isPaused));
		fill(pause, isPaused ? 'Go on' : 'Pause');
		missed = 0;
		list = events.list;
		draw();
	} }, 'Pause');
	const more = h('button', { type: 'button', onclick: () => context.run(async () => {
		const count = await readOlder();
		list = events.list;
		older = list.length;
		more.disabled = count === 0;
		draw();
	}) }, 'Read older events');

	fill(main,
		h('div', { class: 'title' }, h('h1', { tabindex: -1 }, 'Events'), pause),
		h('section', { class: 'panel flush', 'aria-label': 'Events' },
			h('div', { class: 'head row end' },
				h('div', { class: 'grow' }, h('label', { for: 'filter' }, 'Type, user, address or resource'),
					h('input', { id: 'filter', type: 'search', size: 40, autocomplete: 'off', spellcheck: 'false', oninput: (event) => {
						text = event.currentTarget.value.trim().toLowerCase();
						draw();
					} })),
				h('div', null, h('label', { for: 'least' }, 'Severity'),
					h('select', { id: 'least', onchange: (event) => {
						least = event.currentTarget.value;
						draw();
					} }, levels.map((level) => h('option', { value: level }, level === 'info' ? 'all' : `${level} and above`))))),
			body),
		h('div', { class: 'row' }, more, note));
	draw();
	context.onEvents((fresh) => {
		for (const row of fresh)
			row.fresh = true;
		if (isPaused)
			missed += fresh.length;
		else
			list = events.list;
		if (!isPaused || fresh.length > 0)
			draw();
		for (const row of fresh)
			row.fresh = false;
	});
}

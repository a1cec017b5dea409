// overview.js: how it stands, in one look.

import { bars, stepLabel } from './chart.js';
import { duration, fill, h, number, table } from './dom.js';
import { events } from './live.js';
import { eventColumns } from './events.js';
import { read } from './session.js';

let hours = 24;

// of more alerts the database counts the newest
const COUNTED = 10000;

const levels = ['critical', 'high', 'medium', 'low', 'info'];

function tile(href, name, value, note, tone) {
	return h('a', { class: 'tile', href, 'data-tone': tone }, h('div', { class: 'name' }, name), h('div', { class: 'value' }, value), h('div', { class: 'note' }, note));
}

function tiles({ alerts, open, waiting, blocked, audit }) {
	const raised = levels.filter((level) => alerts[level] > 0);
	const total = raised.reduce((sum, level) => sum + alerts[level], 0);
	const isCut = total >= COUNTED;
	const lag = audit.seal_lag > 10 ? `${duration(audit.seal_lag)} behind` : 'up to date';
	return [
		tile('#incidents', 'Open incidents', number(open), waiting > 0 ? `${waiting} waiting for approval` : 'none waiting for approval', open > 0 ? 'bad' : null),
		tile('#alerts', 'Alerts in 24 hours', `${number(total)}${isCut ? ' or more' : ''}`,
			`${isCut ? 'the newest: ' : ''}${raised.map((level) => `${number(alerts[level])} ${level}`).join(', ') || 'none'}`),
		tile('#alerts', 'Blocked addresses', number(blocked), blocked > 0 ? 'turned away until their time is over' : 'none'),
		tile('#audit', 'Events sealed', number(audit.sealed), `${lag}, ${number(audit.dropped)} lost`, audit.dropped > 0 || audit.seal_lag > 60 ? 'bad' : null),
	];
}

function charts(rows) {
	const columns = [
		{ name: 'From', head: true, of: (row) => stepLabel(row.began_at, hours) },
		{ name: 'Logins', of: (row) => number(row.logins) },
		{ name: 'Failed logins', of: (row) => number(row.failures) },
		{ name: 'Refusals', of: (row) => number(row.denials) },
	];
	return [
		h('div', { class: 'charts' }, bars('Logins', rows, 'logins', 1, hours), bars('Failed logins', rows, 'failures', 2, hours),
			bars('Refusals', rows, 'denials', 3, hours)),
		h('details', null, h('summary', null, 'The same as a table'), table('Logins, failed logins and refusals over time', columns, rows)),
	];
}

export function show(main, context) {
	const numbers = h('div', { class: 'tiles' });
	const activity = h('div', null);
	const latest = h('div', null);
	const choose = (value, name) => h('button', { type: 'button', 'aria-pressed': String(hours === value), onclick: (event) => {
		hours = value;
		for (const button of event.currentTarget.parentElement.children)
			button.setAttribute('aria-pressed', String(button === event.currentTarget));
		context.run(drawActivity);
	} }, name);
	const drawActivity = async () => fill(activity, charts(await read('activity', { hours })));
	const drawNumbers = async () => fill(numbers, tiles(await read('overview')));
	const drawLatest = () => fill(latest, events.list.length === 0 ? h('p', { class: 'empty' }, 'No events yet.')
		: table('The newest events', eventColumns, events.list.slice(0, 10)));

	fill(main,
		h('div', { class: 'title' }, h('h1', { tabindex: -1 }, 'Overview')),
		numbers,
		h('section', { class: 'panel', 'aria-labelledby': 'activity' },
			h('div', { class: 'head' }, h('h2', { id: 'activity' }, 'Logins and refusals'),
				h('div', { class: 'segments', role: 'group', 'aria-label': 'Time shown' }, choose(24, '24 hours'), choose(168, '7 days'), choose(720, '30 days'))),
			activity),
		h('section', { class: 'panel flush', 'aria-labelledby': 'latest' },
			h('div', { class: 'head' }, h('h2', { id: 'latest' }, 'Latest events'), h('a', { href: '#events' }, 'All events')),
			latest));
	drawLatest();
	context.run(drawNumbers);
	context.run(drawActivity);
	/* what counts many events is asked for less often */
	let times = 0;
	context.slowly(async () => {
		await drawNumbers();
		if (++times % (hours === 24 ? 4 : 40) === 0)
			await drawActivity();
	});
	context.onEvents(drawLatest);
}


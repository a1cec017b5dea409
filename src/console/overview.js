// overview.js: how it stands, in one look.

import { bars, stepLabel } from './chart.js';
import { duration, fill, h, moment, number, severity, table } from './dom.js';
import { events } from './live.js';
import { eventColumns } from './events.js';
import { read } from './session.js';

let hours = 24;

const DAY = 86400000;
const levels = ['critical', 'high', 'medium', 'low', 'info'];

function tile(href, name, value, note, tone) {
	return h('a', { class: 'tile', href, 'data-tone': tone }, h('div', { class: 'name' }, name), h('div', { class: 'value' }, value), h('div', { class: 'note' }, note));
}

function alertNote(alerts) {
	const counts = levels.map((level) => [level, alerts.filter((alert) => alert.severity === level).length]).filter(([, count]) => count > 0);
	return counts.length > 0 ? counts.map(([level, count]) => `${count} ${level}`).join(', ') : 'none';
}

function tiles(incidents, alerts, blocked, audit) {
	const open = incidents.filter((incident) => incident.closed_at === null);
	const waiting = open.filter((incident) => incident.status === 'awaiting_approval').length;
	const today = alerts.filter((alert) => Date.now() - new Date(alert.raised_at).getTime() < DAY);
	return [
		tile('#incidents', 'Open incidents', number(open.length), waiting > 0 ? `${waiting} waiting for approval` : 'none waiting for approval', open.length > 0 ? 'bad' : null),
		tile('#alerts', 'Alerts in 24 hours', `${number(today.length)}${today.length === 500 ? '+' : ''}`, alertNote(today)),
		tile('#alerts', 'Blocked addresses', number(blocked.length), blocked.length > 0 ? `${number(blocked.reduce((sum, one) => sum + one.refusals, 0))} refusals` : 'none'),
		tile('#audit', 'Events sealed', number(audit.sealed), `${audit.seal_lag > 10 ? `${duration(audit.seal_lag)} behind` : 'up to date'}, ${number(audit.dropped)} lost`,
			audit.dropped > 0 || audit.seal_lag > 60 ? 'bad' : null),
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
	const drawNumbers = async () => {
		const [incidents, alerts, blocked, audit] = await Promise.all([read('incidents', { max_rows: 500 }), read('alerts', { max_rows: 500 }), read('blocked', { max_rows: 500 }), read('audit')]);
		fill(numbers, tiles(incidents, alerts, blocked, audit));
	};
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
	context.slowly(async () => { await drawNumbers(); await drawActivity(); });
	context.onEvents(drawLatest);
}


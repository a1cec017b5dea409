// alerts.js: alerts that rules raised, and addresses that are blocked.

import { ask, fill, h, json, moment, number, severity, table } from './dom.js';
import { act, read } from './session.js';

// An alert that was learned, not counted: an analyst may say that it was none.
const isLearned = (row) => row.rule_name === 'unusual_access_patterns';

const alertColumns = [
	{ name: 'Raised', of: (row) => moment(row.raised_at) },
	{ name: 'Rule', head: true, of: (row) => [row.rule_name, row.is_false && [' ', h('span', { class: 'badge' }, 'marked false')]] },
	{ name: 'Severity', of: (row) => severity(row.severity) },
	{ name: 'About', of: (row) => row.subject ?? 'anybody' },
	{ name: 'Events', class: 'right', of: (row) => number(row.count) },
	{ name: 'Incident', class: 'nowrap', of: (row) => row.incident_id === null ? '–' : h('a', { href: `#incidents/${row.incident_id}` }, row.incident_id) },
	{ name: 'Delivered', of: (row) => row.delivered_at === null ? 'not yet' : moment(row.delivered_at) },
	{ name: 'Details', class: 'wide', of: (row) => Object.keys(row.details ?? {}).length === 0 ? '–'
		: h('details', null, h('summary', null, 'Show'), h('pre', null, json({ ...row.details, event_ids: row.event_ids }))) },
];

export function show(main, context) {
	const alerts = h('div', null);
	const blocks = h('div', null);
	const unblock = (row) => async () => await ask(`Unblock ${row.address}?`, 'Unblock') && context.run(async () => {
		await act('unblock_address', { address: row.address });
		await load();
		context.done(`${row.address} is unblocked`);
	});
	const excuse = (row) => async () => await ask(`Was alert ${row.alert_id} false?`, 'It was', h('p', null, `Such access of ${row.subject} raises no alert from now on.`))
		&& context.run(async () => {
			await act('mark_alert_false', { alert_id: row.alert_id });
			await load();
			context.done(`Alert ${row.alert_id} is marked false`);
		});
	const judged = [...alertColumns, ...context.mayAct ? [{ name: '', of: (row) => isLearned(row) && !row.is_false
		? h('button', { class: 'small nowrap', type: 'button', 'aria-label': `Alert ${row.alert_id} was false`, onclick: excuse(row) }, 'False alarm') : null }] : []];
	const blockColumns = [
		{ name: 'Address', head: true, of: (row) => row.address },
		{ name: 'Since', of: (row) => moment(row.blocked_at) },
		{ name: 'Until', of: (row) => row.blocked_until === null || row.blocked_until === 'infinity' ? 'for good' : moment(row.blocked_until) },
		{ name: 'Reason', class: 'wide', of: (row) => row.reason ?? '–' },
		{ name: 'By', of: (row) => row.blocked_by ?? '–' },
		{ name: 'Refused', class: 'right', of: (row) => number(row.refusals) },
		...context.mayAct ? [{ name: '', of: (row) => h('button', { class: 'small', type: 'button', 'aria-label': `Unblock ${row.address}`, onclick: unblock(row) }, 'Unblock') }] : [],
	];
	const load = async () => {
		const [raised, blocked] = await Promise.all([read('alerts', { max_rows: 200 }), read('blocked', { max_rows: 500 })]);
		fill(alerts, raised.length > 0 ? table('Alerts, the newest first', raised.some(isLearned) ? judged : alertColumns, raised) : h('p', { class: 'empty' }, 'No alert was raised.'));
		fill(blocks, blocked.length > 0 ? table('Blocked addresses', blockColumns, blocked) : h('p', { class: 'empty' }, 'No address is blocked.'));
	};

	fill(main, h('div', { class: 'title' }, h('h1', { tabindex: -1 }, 'Alerts')),
		h('section', { class: 'panel flush', 'aria-label': 'Alerts' }, alerts),
		h('section', { class: 'panel flush', 'aria-labelledby': 'blocked' }, h('div', { class: 'head' }, h('h2', { id: 'blocked' }, 'Blocked addresses')), blocks));
	context.run(load);
	context.onEvents((fresh) => fresh.some((event) => /^(alert|address|incident)_/.test(event.event_type)) && context.quietly(load));
}

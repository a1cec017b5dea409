// incidents.js: incidents, what happened to each, what was done about it; administrators decide here.

import { ask, facts, fill, h, json, moment, number, severity } from './dom.js';
import { act, read } from './session.js';

const words = { open: 'open', awaiting_approval: 'waits for approval', contained: 'contained', reverted: 'reverted', closed: 'closed' };
const tones = { open: 'bad', awaiting_approval: 'wait', contained: 'good' };

const badge = (status) => h('span', { class: 'badge', 'data-tone': tones[status] }, words[status] ?? status);
const isOpen = (incident) => incident.closed_at === null;
const isUndecided = (action) => ['pending', 'refused', 'failed'].includes(action.state);
const total = (counts, states) => states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);

function entry(item) {
	return h('li', null,
		h('div', null, h('strong', null, item.entry), item.note ? ` ${item.note}` : null),
		h('div', { class: 'when' }, moment(item.at), item.by ? ` by ${item.by}` : null),
		item.details !== undefined && item.details !== null && Object.keys(item.details).length > 0
			&& h('details', null, h('summary', null, 'Details'), h('pre', null, json(item.details))));
}

function actionsOf(incident) {
	const actions = incident.actions;
	const others = total(incident.action_states, Object.keys(incident.action_states)) - actions.length;
	return actions.length > 0 && h('section', null, h('h3', null, 'Actions'),
		h('ul', null, actions.map((one) => h('li', null, [one.action, one.target].filter(Boolean).join(' '), ' ',
			h('span', { class: 'badge', 'data-tone': one.state === 'pending' ? 'wait' : null }, one.state), one.note ? ` ${one.note}` : null)), others > 0 && h('li', { class: 'muted' }, `and ${number(others)} others`)));
}

// A text and a button; what it does clears the text.
function form(id, label, button, send, value = '') {
	const input = h('input', { id, value, maxlength: 2000, autocomplete: 'off', required: true });
	return h('form', { onsubmit: (event) => {
		event.preventDefault();
		send(input.value.trim());
	} }, h('label', { for: id }, label), h('div', { class: 'row' }, h('div', { class: 'grow' }, input), h('button', { type: 'submit' }, button)));
}

function decisions(incident, context, decide) {
	const id = incident.incident_id;
	const pending = incident.actions.filter(isUndecided);
	const others = total(incident.action_states, ['pending', 'refused', 'failed']) - pending.length;
	const planned = pending.length > 0 && h('ul', null, pending.map((one) => h('li', null, [one.action, one.target].filter(Boolean).join(' '))), others > 0 && h('li', null, `and ${number(others)} others`));
	const approve = async () => await ask(`Approve ${id}?`, 'Approve', h('p', null, 'What its playbook does is done at once.'), planned)
		&& decide('approve_incident', { incident_id: id }, `${id} is approved`);
	const revert = async () => await ask(`Revert ${id}?`, 'Revert', h('p', null, 'What was done for it is undone: addresses and users may come again.'))
		&& decide('revert_incident', { incident_id: id }, `${id} is reverted`);
	return h('div', { class: 'forms' },
		h('div', { class: 'row' },
			pending.length > 0 && h('button', { class: 'main', type: 'button', onclick: approve }, pending.some((one) => one.state === 'pending') ? 'Approve' : 'Try again'),
			total(incident.action_states, ['done']) > 0 && h('button', { type: 'button', onclick: revert }, 'Revert')),
		form('note', 'Note', 'Add note', (note) => decide('note_incident', { incident_id: id, note }, 'The note is added')),
		form('owner', 'Owner', 'Assign', (owner) => decide('assign_incident', { incident_id: id, owner }, `${id} is assigned`), incident.owner ?? ''),
		form('resolution', 'Resolution', 'Close incident', (resolution) => decide('close_incident', { incident_id: id, resolution }, `${id} is closed`)));
}

function detail(incident, context, decide, readOlder) {
	return [
		h('div', { class: 'head' }, h('h2', { id: 'chosen', tabindex: -1 }, incident.incident_id), h('div', { class: 'row' }, severity(incident.severity), badge(incident.status))),
		facts([['Type', incident.incident_type], ['Opened', moment(incident.opened_at)], ['Closed', incident.closed_at && moment(incident.closed_at)],
			['Owner', incident.owner ?? 'nobody'], ['Alerts', number(incident.alerts)], ['Resolution', incident.resolution]]),
		incident.details !== null && Object.keys(incident.details).length > 0 && h('details', null, h('summary', null, 'Details'), h('pre', null, json(incident.details))),
		actionsOf(incident),
		context.mayAct && isOpen(incident) && decisions(incident, context, decide),
		h('section', null, h('h3', null, 'Timeline, the newest first'), h('ol', { class: 'timeline', reversed: true }, incident.timeline.map(entry)),
			incident.goes_on && h('button', { type: 'button', class: 'small', id: 'older', onclick: readOlder }, 'Older entries')),
	];
}

// An incident as it is now, with what was read of its timeline before where that joins.
function join(fresh, old) {
	const last = fresh.timeline.at(-1)?.id;
	if (!fresh.goes_on || old?.incident_id !== fresh.incident_id || !old.timeline.some((one) => one.id === last))
		return fresh;
	return { ...fresh, timeline: [...fresh.timeline, ...old.timeline.filter((one) => one.id < last)], goes_on: old.goes_on };
}

export function show(main, context) {
	const side = h('ul', { class: 'list' });
	const panel = h('section', { class: 'panel', 'aria-labelledby': 'chosen' });
	let incidents = [];
	let chosen = context.argument;
	let incident = null;

	const choose = (id) => context.run(async () => {
		chosen = id;
		history.replaceState(null, '', `#incidents/${id}`);
		await readChosen();
		draw();
		panel.querySelector('h2')?.focus();
	});
	const drawList = () => {
		const focused = side.contains(document.activeElement) ? document.activeElement.dataset.incident : undefined;
		fill(side, incidents.map((one) => h('li', null, h('button', { type: 'button', 'aria-current': one.incident_id === chosen ? 'true' : null, 'data-incident': one.incident_id,
			onclick: () => choose(one.incident_id) },
		h('span', { class: 'first' }, h('strong', null, one.incident_id), badge(one.status)),
		h('span', { class: 'first' }, h('span', null, one.incident_type), severity(one.severity)),
		h('span', { class: 'muted' }, moment(one.opened_at))))), incidents.length === 0 && h('li', null, h('p', { class: 'empty' }, 'There are no incidents.')));
		if (focused !== undefined)
			side.querySelector(`[data-incident="${CSS.escape(focused)}"]`)?.focus();
	};
	const draw = () => {
		drawList();
		// nobody's half written note is taken from him
		if (panel.contains(document.activeElement) && document.activeElement.value)
			return;
		panel.hidden = incident === null;
		if (incident !== null)
			fill(panel, detail(incident, context, decide, readOlder));
	};
	const readChosen = async () => {
		const wanted = chosen;
		const fresh = wanted === undefined || wanted === null ? null : await read('incident', { incident_id: wanted });
		// somebody may have chosen another meanwhile
		if (wanted === chosen)
			incident = fresh === null ? null : join(fresh, incident);
	};
	const readOlder = () => context.run(async () => {
		const from = incident;
		const older = await read('incident', { incident_id: from.incident_id, before: from.timeline.at(-1).id });
		if (incident !== from)
			return;
		incident = { ...from, timeline: [...from.timeline, ...older.timeline], goes_on: older.goes_on };
		draw();
		(panel.querySelector('#older') ?? panel.querySelector('h2')).focus();
	});
	const load = async () => {
		incidents = await read('incidents', { max_rows: 200 });
		// a newer one does not take its place: nobody approves what he did not see
		chosen ??= incidents[0]?.incident_id;
		drawList();
		await readChosen();
		draw();
	};
	const decide = (name, values, done) => context.run(async () => {
		await act(name, values);
		document.activeElement?.blur?.();
		await load();
		panel.querySelector('h2')?.focus();
		context.done(done);
	});

	fill(main, h('div', { class: 'title' }, h('h1', { tabindex: -1 }, 'Incidents')),
		h('div', { class: 'sides' }, h('section', { class: 'panel flush', 'aria-label': 'All incidents' }, side), panel));
	panel.hidden = true;
	context.run(load);
	context.onEvents((fresh) => fresh.some((event) => /^(incident|alert)_/.test(event.event_type)) && context.quietly(load));
}

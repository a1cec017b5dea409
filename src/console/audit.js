// audit.js: whether the log is whole: what is sealed and signed, and verification of all of it, step by step.

import { duration, facts, fill, h, number, say } from './dom.js';
import { read } from './session.js';

export function show(main, context) {
	const state = h('div', null);
	const note = h('pre', null, '…');
	const result = h('div', { 'aria-live': 'polite' });
	const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Verified so far', hidden: true });
	let stopped = false;
	const stop = h('button', { type: 'button', hidden: true, onclick: () => { stopped = true; } }, 'Stop');
	const button = h('button', { class: 'main', type: 'button', onclick: () => context.run(verify) }, 'Verify the log');

	const load = async () => {
		const audit = await read('audit');
		fill(state, facts([['Events sealed', number(audit.sealed)], ['Waiting to be sealed', audit.seal_lag > 0 ? `for ${duration(audit.seal_lag)}` : 'none'],
			['Newest checkpoint', audit.checkpoint_age === null ? 'none: the log is not signed' : `${duration(audit.checkpoint_age)} old`],
			['Since the server started', `${number(audit.emitted)} emitted, ${number(audit.written)} written, ${number(audit.dropped)} lost`],
			['Memory for events', `${Math.round((audit.ring_fill ?? 0) * 100)} % taken`]]));
		fill(note, audit.checkpoint ?? 'none yet');
		return audit;
	};

	async function verify() {
		const { sealed } = await load();
		const steps = await read('verification_steps');
		let checked = 0;
		stopped = false;
		button.disabled = true;
		stop.hidden = bar.hidden = false;
		fill(result);
		say('Verification has begun');
		try {
			for (const [place, step] of steps.entries()) {
				bar.value = place / steps.length;
				const [said] = await read('verify', step);
				checked += said.checked;
				if (!said.ok) {
					fill(result, h('p', { class: 'message' }, h('strong', null, 'The log is not as it was sealed. '), said.reason,
						said.first_bad !== null ? `; the first event that is not: ${said.first_bad}` : null, `. ${number(checked)} events before it are good.`));
					return;
				}
				if (stopped || !bar.isConnected) {
					fill(result, h('p', { class: 'message' }, `Stopped: ${number(checked)} events were looked at and are good.`));
					return;
				}
			}
			fill(result, h('p', { class: 'message good' }, h('strong', null, 'The log is whole. '),
				`${number(sealed)} events are as they were sealed, and every checkpoint is of this log.`));
		} finally {
			bar.hidden = stop.hidden = true;
			button.disabled = false;
		}
	}

	fill(main, h('div', { class: 'title' }, h('h1', { tabindex: -1 }, 'Audit log'), h('div', { class: 'row' }, stop, button)),
		bar, result,
		h('section', { class: 'panel', 'aria-labelledby': 'standing' }, h('div', { class: 'head' }, h('h2', { id: 'standing' }, 'How it stands')), state),
		h('section', { class: 'panel', 'aria-labelledby': 'checkpoint' }, h('div', { class: 'head' }, h('h2', { id: 'checkpoint' }, 'Newest checkpoint')),
			h('p', { class: 'muted' }, 'Signed; who keeps it elsewhere can prove later that nothing before it was changed.'), note));
	context.run(load);
	context.slowly(load);
}

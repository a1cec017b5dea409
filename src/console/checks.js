// checks.js: what security_check() finds, what is wrong first.

import { fill, h, severity, table } from './dom.js';
import { read } from './session.js';

const tones = { fail: 'bad', warn: 'wait', pass: 'good' };
const order = ['fail', 'warn', 'pass', 'not_applicable'];

const columns = [
	{ name: 'Result', of: (row) => h('span', { class: 'badge', 'data-tone': tones[row.status] }, row.status.replaceAll('_', ' ')) },
	{ name: 'Check', head: true, of: (row) => row.title },
	{ name: 'Severity', of: (row) => severity(row.severity) },
	{ name: 'Object', of: (row) => row.object ?? '–' },
	{ name: 'Found', class: 'wide', of: (row) => row.detail ?? '–' },
	{ name: 'What to do', class: 'wide', of: (row) => row.status === 'pass' ? '–' : row.remediation ?? '–' },
];

export function show(main, context) {
	const body = h('div', null, h('p', { class: 'empty' }, 'Checking …'));

	fill(main, h('div', { class: 'title' }, h('h1', { tabindex: -1 }, 'Security checks')), h('section', { class: 'panel flush', 'aria-label': 'Security checks' }, body));
	context.run(async () => {
		const checks = await read('security_check');
		checks.sort((one, other) => order.indexOf(one.status) - order.indexOf(other.status));
		fill(body, table('Security checks', columns, checks));
	});
}

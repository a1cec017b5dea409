// keys.js: keys, how old they are and how much they were used.

import { duration, fill, h, moment, number, since, table } from './dom.js';
import { read } from './session.js';

const YEAR = 31557600;

const isActive = (row) => row.state === 'primary';

const columns = [
	{ name: 'Key', head: true, of: (row) => row.key_name },
	{ name: 'Version', class: 'right', of: (row) => number(row.version) },
	{ name: 'State', of: (row) => h('span', { class: 'badge', 'data-tone': isActive(row) ? 'good' : null }, row.state) },
	{ name: 'Algorithm', of: (row) => row.algorithm ?? '–' },
	{ name: 'Made', of: (row) => moment(row.created_at) },
	{ name: 'Age', class: 'nowrap', of: (row) => [duration(since(row.created_at)), isActive(row) && since(row.created_at) > YEAR && h('span', { class: 'severity', 'data-level': 'high' }, 'over a year')] },
	{ name: 'Messages', class: 'right', of: (row) => number(row.messages) },
	{ name: 'Opened', class: 'right', of: (row) => number(row.opens) },
	{ name: 'Not intact', class: 'right', of: (row) => row.integrity_failures > 0 ? h('span', { class: 'severity', 'data-level': 'critical' }, number(row.integrity_failures)) : number(row.integrity_failures) },
];

export function show(main, context) {
	const body = h('div', null);

	fill(main, h('div', { class: 'title' }, h('h1', { tabindex: -1 }, 'Keys')),
		h('p', { class: 'muted' }, 'Messages are counted for each version; how often values were opened, or were not intact, for the key since the server started. A key rotates with twin.rotate_key().'),
		h('section', { class: 'panel flush', 'aria-label': 'Keys' }, body));
	const load = async () => {
		const keys = await read('keys');
		fill(body, keys.length > 0 ? table('Keys and their versions', columns, keys) : h('p', { class: 'empty' }, 'There is no key.'));
	};
	context.run(load);
	context.slowly(load);
}

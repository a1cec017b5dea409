// chart.js: bars over time, one series to a chart, each with its own scale; the numbers stand in a table beside, for who does not see them.

import { h, number } from './dom.js';

const HEIGHT = 100;
const STEP = 10;

const two = (value) => String(value).padStart(2, '0');

function label(text, hours) {
	const date = new Date(text);
	const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
	return hours > 24 ? `${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}` : time;
}

// rows: [{began_at, [field]: number}], the oldest first; hours: how long all of it is.
export function bars(name, rows, field, series, hours) {
	const values = rows.map((row) => Number(row[field]));
	const most = Math.max(1, ...values);
	const sum = values.reduce((one, other) => one + other, 0);
	const width = rows.length * STEP;
	return h('figure', null,
		h('figcaption', null, h('span', null, name), h('span', { class: 'value' }, number(sum))),
		h('svg', { class: 'chart', 'data-series': series, viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img',
			'aria-label': `${name}: ${sum} in the last ${hours} hours, at most ${most} in one step` },
			h('line', { class: 'base', x1: 0, x2: width, y1: HEIGHT, y2: HEIGHT, 'stroke-width': 1, 'vector-effect': 'non-scaling-stroke' }),
			rows.map((row, place) => {
				const height = values[place] === 0 ? 0 : Math.max(2, values[place] / most * (HEIGHT - 2));
				return h('rect', { class: 'bar', x: place * STEP + 1, width: STEP - 2, y: HEIGHT - height, height, rx: 1 },
					h('title', null, `${label(row.began_at, hours)}: ${values[place]}`));
			})),
		h('div', { class: 'scale', 'aria-hidden': 'true' }, h('span', null, rows.length > 0 ? label(rows[0].began_at, hours) : ''),
			h('span', null, `highest ${number(sum === 0 ? 0 : most)}`), h('span', null, 'now')));
}

export const stepLabel = label;

// live.js: what is new in the log. The WebSocket says that there is something; it is read by a request, so the page shows nothing that its user may not
// read, and a flood of events is one request a second. When the line breaks it is made again, with growing rests.

import { config, read, refresh } from './session.js';

const TOPIC = 'admin.log';
const KEPT = 1000;
const AT_ONCE = 200;
const REST_MS = 700;

export const events = { list: [], skipped: false };
const watchers = new Set();
let socket = null;
let wanted = false;
let rest = 1000;
let timer = null;
let reading = false;
let again = false;
let state = 'off';

// Calls with the new events, the newest first, whenever there are some; and with none when the line goes or comes.
export function watch(call) {
	watchers.add(call);
	return () => watchers.delete(call);
}

const tell = (fresh) => watchers.forEach((call) => call(fresh, state));

export const lineState = () => state;

function become(next) {
	if (state === next)
		return;
	state = next;
	tell([]);
}

async function readNew() {
	const last = events.list[0]?.leaf_index ?? null;
	const fresh = await read('events', { after: last, max_rows: AT_ONCE });
	if (!wanted || fresh.length === 0)
		return;
	// of more than one answer holds the oldest are left out: the list begins anew
	events.skipped = last !== null && fresh.length === AT_ONCE;
	events.list = events.skipped ? fresh : [...fresh, ...events.list].slice(0, KEPT);
	tell(fresh);
}

// Reads what is new: one request at a time, and a rest between two.
export async function catchUp() {
	if (reading) {
		again = true;
		return;
	}
	reading = true;
	try {
		do {
			again = false;
			await readNew();
			await new Promise((resolve) => { setTimeout(resolve, REST_MS); });
		} while (again && wanted);
	} catch {
		// the next message, or the line made anew, brings it
	} finally {
		reading = false;
	}
}

export async function readOlder() {
	const last = events.list.at(-1)?.leaf_index;
	const older = last === undefined ? [] : await read('events', { before: last, max_rows: AT_ONCE });
	events.list = [...events.list, ...older];
	return older.length;
}

function heard(message) {
	if (message.type === 'welcome')
		socket?.send(JSON.stringify({ type: 'subscribe', topics: [TOPIC] }));
	else if (message.type === 'subscribed') {
		rest = 1000;
		become('on');
		catchUp();
	} else if (message.type === 'message' || message.type === 'lost')
		catchUp();
}

function connect() {
	const url = new URL(config().websocket, location.href);
	url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
	const own = new WebSocket(url, ['twin.v1']);
	socket = own;
	own.addEventListener('message', ({ data }) => heard(JSON.parse(data)));
	own.addEventListener('close', () => {
		if (own !== socket || !wanted)
			return;
		become('off');
		timer = setTimeout(async () => {
			// the token may have expired, which is why it closed
			await read('who').catch(() => refresh().catch(() => false));
			if (wanted)
				connect();
		}, rest * (0.75 + Math.random() / 2));
		rest = Math.min(rest * 2, 30000);
	});
}

export function start() {
	wanted = true;
	events.list = [];
	rest = 1000;
	connect();
	return catchUp();
}

export function stop() {
	wanted = false;
	clearTimeout(timer);
	socket?.close();
	socket = null;
	events.list = [];
	watchers.clear();
	state = 'off';
}

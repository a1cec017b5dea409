// websocket.test.mjs: the feed of twin.publish(), as clients of WebSockets see it.
// GATEWAY_URL is where the gateway answers, GATEWAY_PASSWORD everybody's password; PGHOST and so on lead to the database.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { before, test } from 'node:test';
import WebSocket from 'ws';

const url = process.env.GATEWAY_URL;
const feed = `${url.replace('http', 'ws')}/ws`;
const host = new URL(url).host;

async function login(username, options = {}) {
	const response = await fetch(`${url}/api/auth/login`, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ username, password: process.env.GATEWAY_PASSWORD, ...options }),
	});
	assert.equal(response.status, 200);
	return options.use_cookies ? response.headers.getSetCookie().map((cookie) => cookie.split(';')[0]).join('; ') : (await response.json()).access_token;
}

const sql = (text) => execFileSync('psql', ['-XAtqc', text], { encoding: 'utf8' }).trim();
const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });
const call = (token, name, body) => fetch(`${url}/rpc/${name}`, {
	method: 'POST',
	headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
	body: JSON.stringify(body),
});

// A socket that was let in, with what it says as a queue.
function open(options, protocols = []) {
	return new Promise((resolve, reject) => {
		const socket = new WebSocket(feed, protocols, options);
		const queue = [];
		const waiting = [];
		socket.on('message', (data) => {
			const said = JSON.parse(data);
			if (waiting.length > 0) waiting.shift()(said);
			else queue.push(said);
		});
		socket.ended = new Promise((done) => socket.on('close', (code, reason) => done({ code, reason: reason.toString() })));
		socket.next = () => (queue.length > 0 ? Promise.resolve(queue.shift()) : new Promise((done) => waiting.push(done)));
		socket.say = (what) => socket.send(JSON.stringify(what));
		socket.queue = queue;
		socket.on('error', reject);
		socket.on('unexpected-response', (request, response) => reject(Object.assign(new Error('refused'), { status: response.statusCode })));
		socket.on('open', async () => {
			socket.welcome = await socket.next();
			resolve(socket);
		});
	});
}

const refused = async (status, options, protocols, address = feed) => {
	const got = await new Promise((resolve) => {
		const socket = new WebSocket(address, protocols ?? [], options);
		socket.on('unexpected-response', (request, response) => { socket.terminate(); resolve(response.statusCode); });
		socket.on('open', () => resolve(101));
		socket.on('error', () => {});
	});
	assert.equal(got, status);
};

let vera, vito, oleg;
before(async () => {
	[vera, vito, oleg] = await Promise.all(['vera', 'vito', 'oleg'].map((name) => login(name)));
});

test('nobody comes in without a token', async () => {
	await refused(401);
	await refused(401, bearer('nonsense'));
	await refused(401, bearer(vera.replace(/.{8}$/, 'AAAAAAAA')));
	await refused(401, {}, [], `${feed}?access_token=${vera}`);
	await refused(401, {}, ['twin.v1', 'bearer.nonsense']);
});

test('a header, a subprotocol or a cookie with the right origin let in', async () => {
	const one = await open(bearer(vera));
	assert.equal(one.welcome.type, 'welcome');
	assert.equal(one.welcome.role, 'twin_viewer');
	assert.match(one.welcome.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
	const two = await open({}, ['twin.v1', `bearer.${vera}`]);
	assert.equal(two.protocol, 'twin.v1');
	const Cookie = await login('vera', { use_cookies: true });
	await refused(403, { headers: { Cookie } });
	await refused(403, { headers: { Cookie, Origin: 'https://evil.example' } });
	const three = await open({ headers: { Cookie, Origin: `http://${host}` } });
	for (const socket of [one, two, three]) socket.close();
});

test('what is no handshake is told so', async () => {
	assert.equal((await fetch(`${url}/ws`, { headers: { Authorization: `Bearer ${vera}` } })).status, 426);
	assert.equal((await fetch(`${url}/ws`, { method: 'POST' })).status, 405);
});

test('messages reach those who may have them, after commit', async () => {
	const [mine, theirs] = [await open(bearer(vera)), await open(bearer(vito))];
	for (const socket of [mine, theirs]) {
		socket.say({ type: 'subscribe', topics: ['units.1'], ref: 'a' });
		assert.deepEqual(await socket.next(), { type: 'subscribed', topics: ['units.1'], ref: 'a' });
	}
	assert.equal((await call(oleg, 'announce', { topic: 'units.1', payload: { celsius: 71.5, text: 'grün "x"' } })).status, 204);
	const message = await mine.next();
	assert.equal(message.type, 'message');
	assert.equal(message.topic, 'units.1');
	assert.deepEqual(message.payload, { celsius: 71.5, text: 'grün "x"' });
	assert.match(message.published_at, /^\d{4}-.*Z$/);
	// in another tenant's name the same topic
	sql(`SELECT twin.publish('units.1', '"south"', (SELECT tenant_id FROM twin.tenants WHERE tenant_name = 'South'))`);
	assert.equal((await theirs.next()).payload, 'south');
	assert.equal(mine.queue.length, 0);
	// a transaction that is rolled back
	sql(`BEGIN; SELECT twin.publish('units.1', '"never"', 1); ROLLBACK; SELECT twin.publish('units.1', '"after"', 1)`);
	assert.equal((await mine.next()).payload, 'after');
	mine.say({ type: 'unsubscribe', topics: ['units.1'] });
	assert.equal((await mine.next()).type, 'unsubscribed');
	sql(`SELECT twin.publish('units.1', '"unheard"', 1)`);
	await new Promise((done) => setTimeout(done, 300));
	assert.equal(mine.queue.length, 0);
	mine.close();
	theirs.close();
});

test('changes of a table are seen as each may read them', async () => {
	assert.equal(sql("SELECT twin.feed_table('api.units')"), 'changes.api.units');
	const [mine, theirs] = [await open(bearer(vera)), await open(bearer(vito))];
	for (const socket of [mine, theirs]) {
		socket.say({ type: 'subscribe', topics: ['changes.api.units'] });
		assert.equal((await socket.next()).type, 'subscribed');
	}
	const write = (method, query, body) => fetch(`${url}/units${query}`, {
		method,
		headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${oleg}` },
		body: body && JSON.stringify(body),
	});
	const made = await write('POST', '', { unit_id: 900, name: 'pump "ü"', celsius: 12.5 });
	assert.equal(made.status, 201);
	const { payload, topic } = await mine.next();
	assert.equal(topic, 'changes.api.units');
	assert.equal(payload.action, 'insert');
	assert.deepEqual(payload.key, { unit_id: 900 });
	assert.equal(payload.row.name, 'pump "ü"');
	assert.equal((await write('PATCH', '?unit_id=eq.900', { celsius: 13 })).status, 204);
	assert.equal((await mine.next()).payload.row.celsius, 13);
	sql('DELETE FROM api.units WHERE unit_id = 900');
	assert.deepEqual((await mine.next()).payload, { action: 'delete', key: { unit_id: 900 } });
	sql("UPDATE api.units SET celsius = 901 WHERE unit_id = 4");
	assert.equal((await theirs.next()).payload.row.celsius, 901);
	assert.equal(mine.queue.length + theirs.queue.length, 0, 'nobody sees a row of another tenant');
	sql("SELECT twin.unfeed_table('api.units')");
	assert.equal((await mine.next()).type, 'closed');
	mine.close();
	theirs.close();
});

test('a pattern and a topic inside it bring a message once', async () => {
	const socket = await open(bearer(vera));
	socket.say({ type: 'subscribe', topics: ['units.*', 'units.2'] });
	assert.equal((await socket.next()).type, 'subscribed');
	assert.equal((await socket.next()).type, 'subscribed');
	sql(`SELECT twin.publish('units.2', '1', 1), twin.publish('units.2', '2', 1)`);
	assert.equal((await socket.next()).payload, 1);
	assert.equal((await socket.next()).payload, 2);
	socket.close();
});

test('each topic needs its permission', async () => {
	const socket = await open(bearer(vera));
	socket.say({ type: 'subscribe', topics: ['control.1'], ref: 'b' });
	const answer = await socket.next();
	assert.equal(answer.type, 'refused');
	assert.equal(answer.code, '42501');
	assert.equal(answer.ref, 'b');
	socket.say({ type: 'subscribe', topics: ['no_such_topic'] });
	assert.equal((await socket.next()).type, 'refused');
	socket.say({ type: 'subscribe', topics: ['units.1"}\',x'] });
	assert.equal((await socket.next()).type, 'refused');
	socket.say({ type: 'dance' });
	assert.equal((await socket.next()).code, '22023');
	socket.close();
});

test('a session that ends closes its sockets', async () => {
	const token = await login('vera');
	const socket = await open(bearer(token));
	const other = await open(bearer(vera));
	await fetch(`${url}/api/auth/logout`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
	assert.equal((await socket.ended).code, 1008);
	assert.equal(other.readyState, WebSocket.OPEN);
	other.close();
});

test('a token that expires closes its socket', async () => {
	const id = sql(`SELECT user_id FROM twin.users WHERE username = 'vera'`);
	const token = sql(`SELECT twin.issue_token(jsonb_build_object('user_id', '${id}', 'role', 'viewer', 'tenant_id', 1), '2 s')`);
	const began = Date.now();
	const socket = await open(bearer(token));
	assert.equal((await socket.ended).code, 1008);
	assert.ok(Date.now() - began < 20000);
});

test('what is too large, binary or without a mask ends the connection', async () => {
	const large = await open(bearer(vera));
	large.send('x'.repeat(1 << 20));
	assert.equal((await large.ended).code, 1009);
	const binary = await open(bearer(vera));
	binary.send(Buffer.from([1, 2, 3]));
	assert.equal((await binary.ended).code, 1003);
	const answer = await new Promise((resolve) => {
		const raw = connect(new URL(url).port, '127.0.0.1');
		let got = Buffer.alloc(0);
		raw.write(`GET /ws HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer ${vera}\r\n\r\n`);
		raw.on('data', (data) => {
			const first = got.length === 0;
			got = Buffer.concat([got, data]);
			if (first) raw.write(Buffer.from([0x81, 0x02, 0x68, 0x69]));
		});
		raw.on('close', () => resolve(got));
		raw.on('error', () => resolve(got));
	});
	assert.match(answer.toString('latin1'), /s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/);
	// a close frame that says 1002
	assert.ok(answer.includes(Buffer.from([0x03, 0xea])));
});

test('a ping is answered', async () => {
	const socket = await open(bearer(vera));
	await new Promise((resolve) => { socket.on('pong', resolve); socket.ping('x'); });
	socket.close();
});

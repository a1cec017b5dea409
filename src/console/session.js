// session.js: who is logged in, and requests in his name. Tokens are in cookies that no script reads; what a script reads is the CSRF token
// that writes must repeat. An access token that has expired is exchanged once, for all requests that wait for it.

let settings = null;
let refreshing = null;
let ended = () => {};

export class Refusal extends Error {
	constructor(status, said) {
		super(said?.message ?? `The gateway answered ${status}`);
		this.status = status;
		this.code = said?.code ?? said?.error ?? null;
		this.details = said?.details ?? null;
		this.hint = said?.hint ?? null;
	}
}

export const onEnd = (call) => { ended = call; };
export const config = () => settings;

export async function begin() {
	const response = await fetch('/console/settings.json');
	if (!response.ok)
		throw new Refusal(response.status);
	settings = await response.json();
}

const csrf = () => document.cookie.split('; ').find((cookie) => cookie.startsWith('__Host-twin_csrf='))?.slice('__Host-twin_csrf='.length) ?? '';

// Whether somebody seems to be logged in.
export const mayBe = () => csrf() !== '';

async function send(path, body) {
	const options = { headers: { Accept: 'application/json' }, cache: 'no-store', redirect: 'error' };
	if (body !== undefined) {
		options.method = 'POST';
		options.headers['Content-Type'] = 'application/json';
		options.headers['X-CSRF-Token'] = csrf();
		options.body = JSON.stringify(body);
	}
	return fetch(path, options);
}

async function answer(response) {
	const text = await response.text();
	let said = null;
	try {
		said = text === '' ? null : JSON.parse(text);
	} catch {
		// an answer of somebody between us and the gateway
	}
	if (!response.ok)
		throw new Refusal(response.status, said);
	return said;
}

export async function login(username, password) {
	return answer(await send(`${settings.sessions}/login`, { username, password, use_cookies: true }));
}

// Ends the session, which takes a token that holds; the cookies go with it.
export async function logout() {
	const response = await send(`${settings.sessions}/logout`, {});
	if (response.status === 401 && await refresh())
		await send(`${settings.sessions}/logout`, {});
}

// Whether there are new tokens.
export function refresh() {
	refreshing ??= (!mayBe() ? Promise.resolve(false) : send(`${settings.sessions}/refresh`, {}).then((response) => response.ok))
		.finally(() => { refreshing = null; });
	return refreshing;
}

// A function of twin_console: read(name, {argument: value}) by GET, act(...) by POST.
async function call(name, values, isRead) {
	const query = new URLSearchParams(Object.entries(values ?? {}).filter(([, value]) => value !== null && value !== undefined));
	const path = `/console/api/${name}${isRead && query.size > 0 ? `?${query}` : ''}`;
	const once = () => send(path, isRead ? undefined : values ?? {});
	let response = await once();
	if (response.status === 401 && await refresh())
		response = await once();
	if (response.status === 401)
		ended();
	return answer(response);
}

export const read = (name, values) => call(name, values, true);
export const act = (name, values) => call(name, values, false);

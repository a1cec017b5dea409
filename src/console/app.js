// app.js: the frame: logging in and out, the views and their addresses, the theme.

import { brand, fill, h, say } from './dom.js';
import * as live from './live.js';
import * as session from './session.js';
import * as alerts from './alerts.js';
import * as audit from './audit.js';
import * as checks from './checks.js';
import * as events from './events.js';
import * as incidents from './incidents.js';
import * as keys from './keys.js';
import * as overview from './overview.js';

const SLOW_MS = 15000;

const views = [
	['overview', 'Overview', overview], ['events', 'Events', events], ['incidents', 'Incidents', incidents], ['alerts', 'Alerts', alerts],
	['keys', 'Keys', keys], ['audit', 'Audit log', audit], ['checks', 'Checks', checks],
];

const page = document.getElementById('page');
let person = null;
let leave = () => {};

// ---- light and dark: as the system says, unless somebody chose ----

const system = matchMedia('(prefers-color-scheme: dark)');
const themes = { auto: 'system', light: 'light', dark: 'dark' };
const themeName = () => [h('span', { class: 'wide' }, 'Theme: '), themes[theme]];

function storedTheme() {
	try {
		return localStorage.getItem('twin-console-theme') ?? 'auto';
	} catch {
		return 'auto';
	}
}

let theme = Object.hasOwn(themes, storedTheme()) ? storedTheme() : 'auto';

function applyTheme() {
	document.documentElement.dataset.theme = theme === 'auto' ? (system.matches ? 'dark' : 'light') : theme;
}

function themeButton() {
	const button = h('button', { class: 'plain small', type: 'button', id: 'theme', onclick: () => {
		const names = Object.keys(themes);
		theme = names[(names.indexOf(theme) + 1) % names.length];
		try {
			localStorage.setItem('twin-console-theme', theme);
		} catch {
			// it holds for this page
		}
		applyTheme();
		fill(button, themeName());
		say(`Theme: ${themes[theme]}`);
	} }, themeName());
	return button;
}

system.addEventListener('change', applyTheme);
applyTheme();

// ---- logging in ----

function showLogin(message) {
	leave();
	leave = () => {};
	live.stop();
	person = null;
	document.title = 'Log in – Security console';
	const complaint = h('p', { class: 'message', role: 'alert', hidden: !message }, message);
	const username = h('input', { id: 'username', name: 'username', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true });
	const password = h('input', { id: 'password', name: 'password', type: 'password', autocomplete: 'current-password', required: true });
	const button = h('button', { class: 'main', type: 'submit' }, 'Log in');
	const submit = async (event) => {
		event.preventDefault();
		button.disabled = true;
		complaint.hidden = true;
		try {
			await session.login(username.value, password.value);
			password.value = '';
			await enter(true);
		} catch (refusal) {
			complaint.hidden = false;
			fill(complaint, refusal.message);
			password.value = '';
			password.focus();
		} finally {
			button.disabled = false;
		}
	};
	fill(page, h('main', { class: 'login', id: 'main' }, h('div', { class: 'panel' }, brand(),
		h('h1', { class: 'unseen' }, 'Log in'),
		complaint,
		window.isSecureContext ? null : h('p', { class: 'message' }, 'Logging in needs HTTPS: this page came without it.'),
		h('form', { onsubmit: submit },
			h('div', { class: 'field' }, h('label', { for: 'username' }, 'Username'), username),
			h('div', { class: 'field' }, h('label', { for: 'password' }, 'Password'), password),
			button)),
	h('div', { class: 'row' }, themeButton())));
	username.focus();
}

async function enter(focus) {
	try {
		person = await session.read('who');
	} catch (refusal) {
		if (refusal.status === 403) {
			await session.logout();
			throw new session.Refusal(403, { message: 'This account may not use the security console.' });
		}
		throw refusal;
	}
	showFrame(focus);
	await live.start().catch(() => null);
}

// ---- the frame ----

function context(main, place, argument) {
	const timers = [];
	const ends = [];
	const complaint = h('p', { class: 'message', role: 'alert', hidden: true });
	const complain = (refusal) => {
		if (person === null)
			return;
		complaint.className = 'message';
		fill(complaint, refusal.message, refusal.details ? ` ${refusal.details}` : null, refusal.hint ? ` ${refusal.hint}` : null);
		complaint.hidden = false;
	};
	const quietly = (work) => work().catch(() => null);
	leave = () => {
		timers.forEach(clearInterval);
		ends.forEach((end) => end());
	};
	return {
		complaint,
		argument,
		mayAct: person.may_act,
		quietly,
		run: (work) => {
			complaint.hidden = true;
			return work().catch(complain);
		},
		done: (text) => {
			complaint.className = 'message good';
			complaint.hidden = false;
			fill(complaint, `${text}.`);
			say(text);
		},
		slowly: (work) => timers.push(setInterval(() => document.hidden || quietly(work), SLOW_MS)),
		onEvents: (call) => ends.push(live.watch((fresh) => fresh.length > 0 && call(fresh))),
	};
}

function route(focus) {
	const [name, argument] = location.hash.slice(1).split('/');
	const [place, title, view] = views.find(([one]) => one === name) ?? views[0];
	const main = document.getElementById('view');
	leave();
	const own = context(main, place, argument ?? null);
	for (const link of document.querySelectorAll('nav a')) {
		if (link.getAttribute('href') === `#${place}`)
			link.setAttribute('aria-current', 'page');
		else
			link.removeAttribute('aria-current');
	}
	document.title = `${title} – Security console`;
	view.show(main, own);
	main.querySelector('.title').after(own.complaint);
	if (focus)
		main.querySelector('h1').focus();
}

function showFrame(focus) {
	const line = h('span', { class: 'live', 'data-state': 'wait', id: 'line' }, h('span', null, 'connecting'));
	const showLine = () => {
		line.dataset.state = live.lineState();
		fill(line, h('span', null, live.lineState() === 'on' ? 'live' : 'not live'));
	};
	let newest = 0;
	const out = h('button', { class: 'small', type: 'button', id: 'logout', onclick: async () => {
		await session.logout().catch(() => null);
		location.hash = '';
		showLogin();
		say('You are logged out');
	} }, 'Log out');
	fill(page,
		h('header', { class: 'top' }, h('div', { class: 'inner' }, brand(h('span', { class: 'where' }, ` · ${person.database}`)),
			h('nav', { 'aria-label': 'Views' }, h('ul', null, views.map(([name, title]) => h('li', null, h('a', { href: `#${name}` }, title))))),
			h('div', { class: 'aside' }, line, themeButton(), h('span', { class: 'who muted' }, `${person.username} (${person.role})`), out))),
		h('main', { id: 'main', tabindex: -1 }, h('div', { id: 'view' })));
	live.watch((fresh, state) => {
		showLine(state);
		const serious = fresh.filter((event) => ['high', 'critical'].includes(event.severity));
		if (newest > 0 && fresh.length > 0)
			say(`${fresh.length} new events${serious.length > 0 ? `, ${serious.length} of them of severity high or critical` : ''}`);
		newest = Math.max(newest, fresh[0]?.leaf_index ?? 0);
	});
	route(focus);
}

document.getElementById('skip').addEventListener('click', (event) => {
	event.preventDefault();
	document.getElementById('main')?.focus();
});
addEventListener('hashchange', () => person !== null && route(true));

session.onEnd(() => person !== null && showLogin('Your session has ended. Log in again.'));

try {
	await session.begin();
	/* who has no session asks for nothing: it would be a refusal in the log */
	if (session.mayBe())
		await enter(false).catch(() => showLogin());
	else
		showLogin();
} catch (refusal) {
	fill(page, h('p', { class: 'empty' }, `The gateway cannot be reached: ${refusal.message}`));
}

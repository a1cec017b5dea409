// console.mjs: the security console in a browser, as people use it; prints "ok" or "not ok" and a name for each thing looked at.
// CONSOLE_URL is the gateway, CONSOLE_PASSWORD everybody's in fixture.sql, CHROMIUM the program, PGHOST and PGPORT the server; SCREENSHOTS a folder to keep some in.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Browser } from './browser.mjs';

const { CONSOLE_URL: url, CONSOLE_PASSWORD: password, CHROMIUM: program, SCREENSHOTS: screenshots } = process.env;

function check(passed, name) {
	console.log(`${passed ? 'ok' : 'not ok'} - ${name}`);
	return passed;
}

const sql = (statement) => execFileSync('psql', ['-XqAt', '-d', 'postgres', '-v', 'ON_ERROR_STOP=1', '-c', statement], { encoding: 'utf8' }).trim();
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
// whatever would become markup or script, somewhere
const canary = (place) => `<img src=x onerror="window.planted='${place}'"><script>window.planted='${place}'</script>"'\u202e{{7*7}}`;
const shown = (place) => canary(place).replace('\u202e', '⟨U+202E⟩');

const browser = await Browser.open(program);
const active = () => browser.value('document.activeElement.tagName + " " + (document.activeElement.id || document.activeElement.innerText.trim())');
const keep = async (name) => screenshots && browser.screenshot(`${screenshots}/${name}.png`);
const view = async (name) => {
	await browser.value(`location.hash = ${JSON.stringify(`#${name}`)}`);
	await browser.until(`document.querySelector('nav a[aria-current]')?.getAttribute('href') === '#${name.split('/')[0]}'`);
};

async function login(username, secret = password) {
	await browser.until('document.getElementById("username")');
	await browser.value('document.getElementById("username").value = ""; document.getElementById("username").focus()');
	await browser.type(username);
	await browser.press('Tab');
	await browser.type(secret);
	await browser.press('Enter');
}

async function logout() {
	await browser.click('#logout');
	await browser.until('document.getElementById("username")');
}

try {
	await browser.size(1280, 900);
	await browser.scheme('light');

	// ---- logging in ----

	await browser.go(`${url}/console`);
	check(await browser.until('document.activeElement?.id === "username"'), 'the page begins at the username');
	await keep('login-light');
	check(sql("SELECT count(*) FROM twin.audit_log WHERE event_type = 'permission_denied'") === '0', 'who only looks at it is refused nothing');
	await login('ada', 'wrong-password');
	check(await browser.until('document.querySelector("[role=alert]:not([hidden])")'), 'a wrong password is told');
	check(await browser.value('document.getElementById("password").value === "" && document.activeElement.id === "password"'), '... and asked for again');
	for (const [who, why] of [['vera', 'a viewer'], ['nora', "a tenant's administrator"]]) {
		await login(who);
		check(await browser.has('may not use the security console'), `${why} is turned away`);
		check(await browser.value('document.cookie') === '', '... and no session stays');
	}
	await login('ada');
	check(await browser.has('Overview', 'main h1'), 'an administrator is let in');
	check(await browser.has('live', '#line') && await browser.until('document.getElementById("line").dataset.state === "on"'), 'the line is live');
	check(await browser.until('document.querySelectorAll(".tile").length === 4'), 'it begins with four numbers');
	check(await browser.until('document.querySelectorAll("svg.chart .bar").length === 3 * 48'), '... three charts');
	check(await browser.value('[...document.querySelectorAll("svg.chart")].every((one) => one.getAttribute("aria-label").includes("24 hours"))'), '... that say what they show');
	check(await browser.has('login_success', 'main'), '... and the latest events');
	check(await browser.value('document.cookie.includes("twin_csrf") && !document.cookie.includes("access") && !document.cookie.includes("refresh")'), 'no script can read the tokens');
	check(await browser.value('Object.keys(localStorage).length + Object.keys(sessionStorage).length') === 0, '... and none is stored');

	// ---- what happens is seen ----

	await view('events');
	await browser.has('login_success', 'main');
	const before = browser.requests.length;
	const began = Date.now();
	sql(`SELECT twin.record_event('thing_happened', 'high', 'failure', ${quoted(canary('action'))}, ${quoted(canary('resource'))}, ${quoted(canary('user'))}, '203.0.113.7', NULL, jsonb_build_object(${quoted(canary('key'))}, ${quoted(canary('details'))}))`);
	check(await browser.has('thing_happened', 'main table'), `an event is seen as it is sealed (after ${Date.now() - began} ms)`);
	// whatever else happened meanwhile is above it
	check(await browser.until(`[...document.querySelectorAll('main table tbody tr')].some((row) => ['thing_happened', '203.0.113.7', ${JSON.stringify(shown('resource'))}].every((one) => row.innerText.includes(one)))`), '... with what it says, to the letter, and what turns letters around named');
	check(browser.requests.length - before <= 6, `... by few requests (${browser.requests.length - before})`);
	check(await browser.until('/[1-9]/.test(document.getElementById("status").innerText)'), '... and said to who does not see the page');
	await browser.clickText('thing_happened', 'main');
	check(await browser.has('window.planted', 'tr.more pre'), 'its details open');
	await keep('events-light');
	const idle = browser.requests.length;
	await sleep(4000);
	check(browser.requests.length - idle <= 3, `reading the log makes no events of its own (${browser.requests.length - idle} requests in four seconds)`);
	await browser.value('document.getElementById("filter").focus()');
	await browser.type('thing_');
	check(await browser.until('[...document.querySelectorAll("main table tbody tr:not(.more) .opener")].every((one) => one.innerText.startsWith("thing_"))'), 'events are searched');

	// ---- alerts, blocks, incidents ----

	sql(`SELECT twin_internal.raise_alert('console_rule', 'high', ${quoted(canary('subject'))}, 5, '{1000,2000}', jsonb_build_object('why', ${quoted(canary('alert'))}))`);
	sql(`SELECT twin.block_address('198.51.100.4', '1 hour', ${quoted(canary('reason'))})`);
	await view('alerts');
	check(await browser.has('console_rule', 'main'), 'an alert is shown');
	check(await browser.has('198.51.100.4', 'main'), 'a blocked address is shown');
	await keep('alerts-light');
	sql("SELECT twin_internal.raise_alert('token_reuse', 'critical', 'vera', 1, '{3000}')");
	check(await browser.has('token_reuse', 'main'), 'an alert that is raised now appears');
	const incident = sql("SELECT incident_id FROM twin.alerts WHERE rule_name = 'token_reuse'");
	await browser.clickText('Unblock', 'main');
	await browser.until('document.querySelector("dialog[open]")');
	check(await active() === 'BUTTON Cancel', 'what is done is asked about, and the harmless answer is the first');
	await browser.press('Escape');
	check(await browser.until('!document.querySelector("dialog")') && sql("SELECT count(*) FROM twin.blocked_addresses WHERE address = '198.51.100.4'") === '1', 'Escape does nothing');
	await browser.clickText('Unblock', 'main');
	await browser.until('document.querySelector("dialog[open]")');
	await browser.clickText('Unblock', 'dialog');
	check(await browser.has('is unblocked', 'main') && sql("SELECT count(*) FROM twin.blocked_addresses WHERE address = '198.51.100.4'") === '0', 'an address is unblocked');

	sql(`SELECT twin_internal.raise_alert('unusual_access_patterns', 'medium', 'vera', 1, '{4000}', '{"subject_is": "user", "window_hour": 500000, "features": {}}')`);
	await browser.has('False alarm', 'main');
	await browser.clickText('False alarm', 'main');
	await browser.until('document.querySelector("dialog[open]")');
	await browser.clickText('It was', 'dialog');
	check(await browser.has('marked false', 'main') && sql("SELECT is_false FROM twin.alerts WHERE rule_name = 'unusual_access_patterns'") === 't', 'an alert that was none is marked');

	await view(`incidents/${incident}`);
	check(await browser.has(incident, 'main .list'), 'an incident is shown');
	check(await browser.has('opened', '.timeline'), '... with its timeline');
	check(await browser.has('waits for approval', 'main'), '... and that it waits for approval');
	await keep('incidents-light');
	sql("SELECT twin.open_incident('other')");
	await browser.until('document.querySelectorAll("main .list li").length > 1', 3000);
	check(await browser.has(incident, 'main .panel h2'), 'one that is opened now does not take its place');
	await browser.clickText('Approve', 'main');
	await browser.until('document.querySelector("dialog[open]")');
	check(await browser.has('disable_user vera', 'dialog'), 'who approves sees what will be done');
	await browser.clickText('Approve', 'dialog');
	check(await browser.has('is approved', 'main') && await browser.has('approved', '.timeline'), 'it is approved');
	await browser.value('document.getElementById("note").focus()');
	await browser.type(canary('note'));
	await browser.press('Enter');
	check(await browser.has('window.planted=\'note\'', '.timeline'), 'a note is added, and shown to the letter');
	await browser.value('document.getElementById("owner").focus()');
	await browser.type('ada');
	await browser.press('Enter');
	check(await browser.until('[...document.querySelectorAll("main dd")].some((one) => one.innerText === "ada")'), 'it is assigned');
	await browser.clickText('Revert', 'main');
	await browser.until('document.querySelector("dialog[open]")');
	await browser.clickText('Revert', 'dialog');
	check(await browser.has('is reverted', 'main'), 'it is reverted');
	await browser.value('document.getElementById("resolution").focus()');
	await browser.type('a false alarm');
	await browser.press('Enter');
	check(await browser.has('is closed', 'main') && await browser.has('a false alarm', 'main'), 'it is closed');
	check(sql(`SELECT status FROM twin.incidents WHERE incident_id = ${quoted(incident)}`) === 'closed', '... in the database');
	check(await browser.until('!document.getElementById("resolution")'), 'of one that is closed nothing is decided');

	// ---- a long incident ----

	const long = sql("SELECT twin.open_incident('other')");
	sql(`SELECT twin.note_incident('${long}', 'entry ' || i) FROM generate_series(1, 120) i`);
	await view(`incidents/${long}`);
	check(await browser.has('entry 120', '.timeline') && await browser.value('document.querySelectorAll(".timeline > li").length') === 50, 'of a long timeline the newest entries are read');
	check(await browser.value('document.querySelectorAll(".timeline details").length') === 0, '... without details where there are none');
	await keep('incidents-long');
	await browser.clickText('Older entries', 'main');
	check(await browser.has('entry 21', '.timeline') && await browser.value('document.activeElement.id') === 'older', '... then, when they are asked for, older ones');
	sql(`SELECT twin.note_incident('${long}', 'entry 121')`);
	check(await browser.has('entry 121', '.timeline') && (await browser.text('.timeline')).includes('entry 21'), '... which stay when there is something new');
	await browser.clickText('Older entries', 'main');
	check(await browser.has('opened', '.timeline') && await browser.until('!document.getElementById("older")'), '... to the first');
	check(await browser.value('new Set([...document.querySelectorAll(".timeline > li")].map((one) => one.innerText)).size') === 122, '... each once');

	// ---- keys, the log, checks ----

	await view('keys');
	check(await browser.has('aes-256-gcm', 'main') && await browser.has('primary', 'main'), 'keys are shown');
	await keep('keys-light');
	await view('audit');
	check(await browser.has('Events sealed', 'main') && await browser.until('/\\d+\\n/.test(document.querySelector("#checkpoint").closest("section").innerText)'), 'the newest checkpoint is shown');
	await browser.clickText('Verify', 'main');
	check(await browser.has('The log is whole', 'main'), 'the log is verified');
	await keep('audit-light');
	await keep('audit-light');
	await view('checks');
	check(await browser.until('/Result[^]*(fail|warn)[^]*pass/.test(document.querySelector("main").innerText)'), 'security checks are shown, what is wrong first');

	// ---- the line breaks, and comes again ----

	await view('events');
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'twin_gateway'");
	check(await browser.until('document.getElementById("line").dataset.state === "off"'), 'that the line is gone is shown');
	sql("SELECT twin.record_event('while_away')");
	check(await browser.until('document.getElementById("line").dataset.state === "on"') && await browser.has('while_away', 'main table'), 'it comes again by itself, and what happened meanwhile with it');

	// ---- by keyboard alone ----

	await browser.go(`${url}/console`);
	await browser.has('Overview', 'main h1');
	await browser.until('document.querySelectorAll(".tile").length === 4');
	await browser.press('Tab');
	check((await active()) === 'A skip', 'the first stop skips to the content');
	check(await browser.value('document.getElementById("skip").getBoundingClientRect().top >= 0'), '... and is seen when it has the focus');
	const stops = [];
	for (let i = 0; i < 12; i++) {
		await browser.press('Tab');
		stops.push(await active());
	}
	check(stops.slice(0, 7).join() === 'A Overview,A Events,A Incidents,A Alerts,A Keys,A Audit log,A Checks', 'then the views, in their order');
	check(stops.slice(7, 9).join() === 'BUTTON theme,BUTTON logout', '... the theme and the way out');
	check(stops[9].startsWith('A Open incidents'), '... and the content');
	check(await browser.value('getComputedStyle(document.activeElement).outlineStyle !== "none" && parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2'), 'where one is can be seen');
	await browser.press('Tab');
	await browser.value('document.querySelector(\'nav a[href="#keys"]\').focus()');
	await browser.press('Enter');
	check(await browser.until('document.activeElement.tagName === "H1" && document.activeElement.innerText === "Keys"'), 'Enter opens a view, and its heading has the focus');
	check(await browser.value('["header", "nav[aria-label]", "main", "h1"].every((one) => document.querySelectorAll(one).length === 1)'), 'landmarks and one heading');
	check(await browser.value('[...document.querySelectorAll("input, select, textarea")].every((one) => one.labels.length > 0 || one.ariaLabel) && [...document.querySelectorAll("button, a")].every((one) => one.innerText.trim() !== "" || one.ariaLabel)'), 'everything has a name');
	check(await browser.value('document.documentElement.lang') === 'en', 'the language is told');

	// ---- light and dark, wide and narrow ----

	const ground = () => browser.value('getComputedStyle(document.body).backgroundColor');
	const light = await ground();
	await browser.scheme('dark');
	check(await browser.until(`getComputedStyle(document.body).backgroundColor !== ${JSON.stringify(light)}`), 'it is dark where the system is');
	const contrast = (selector) => browser.value(`(() => {
		const channels = (color) => color.match(/[\\d.]+/g).map(Number);
		const luminance = ([red, green, blue]) => [red, green, blue].map((one) => one / 255).map((one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
			.reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
		const groundOf = (element) => { for (; element; element = element.parentElement) { const color = channels(getComputedStyle(element).backgroundColor); if (color.length < 4 || color[3] > 0.9) return color; } return [255, 255, 255]; };
		return Math.min(...[...document.querySelectorAll(${JSON.stringify(selector)})].filter((one) => one.offsetParent && one.innerText && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')).map((one) => {
			const [low, high] = [luminance(channels(getComputedStyle(one).color)), luminance(groundOf(one))].sort((a, b) => a - b);
			return (high + 0.05) / (low + 0.05);
		}));
	})()`);
	for (const name of ['overview', 'events', 'incidents', 'alerts', 'audit']) {
		await view(name);
		await browser.until('document.querySelectorAll("main *").length > 20');
		await sleep(300);
		const least = await contrast('body *');
		check(least >= 4.5, `texts of ${name} can be read in the dark (contrast ${least.toFixed(1)})`);
		await keep(`${name}-dark`);
		await browser.scheme('light');
		await sleep(300);
		const other = await contrast('body *');
		check(other >= 4.5, `... and in the light (contrast ${other.toFixed(1)})`);
		await keep(`${name}-light`);
		await browser.scheme('dark');
	}
	await browser.click('#theme');
	check(await browser.until(`getComputedStyle(document.body).backgroundColor === ${JSON.stringify(light)}`), 'a switch says otherwise');
	await browser.go(`${url}/console`);
	await browser.has('Overview', 'main h1');
	check(await ground() === light, '... and is remembered');
	await browser.size(390, 844);
	for (const name of ['overview', 'events', 'incidents', 'alerts', 'keys', 'audit']) {
		await view(name);
		await browser.until('document.querySelectorAll("main *").length > 15');
		await sleep(500);
		check(await browser.value('document.documentElement.scrollWidth <= innerWidth'), `${name} fits a narrow screen`);
		await keep(`${name}-narrow`);
	}
	await browser.size(1280, 900);

	// ---- an auditor ----

	await logout();
	check(await browser.value('document.cookie') === '', 'logging out takes the cookies away');
	check(!(await browser.text()).includes('thing_happened'), '... and what was shown');
	const answered = 'fetch("/console/api/events").then((answer) => answer.status)';
	check(await browser.value(answered) === 401, '... and the session is over');
	sql("ALTER DATABASE postgres SET twin_security.token_lifetime = '4s'");
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'twin_gateway'");
	for (let i = 0; i < 50 && await browser.value(answered) !== 401; i++)
		await sleep(100);
	await login('audrey');
	await browser.has('Overview', 'main h1');
	check(await browser.until('document.getElementById("line").dataset.state === "on"'), 'an auditor is let in, and his line is live');
	await sleep(6000);
	await view('keys');
	check(await browser.has('primary', 'main') && browser.requests.some((one) => one.endsWith('/refresh')), 'a token that expires is exchanged, and nobody notices');
	const second = sql("SELECT twin.open_incident('other')");
	await view(`incidents/${second}`);
	check(await browser.has(second, 'main .panel h2'), 'he sees incidents');
	check(await browser.value('document.querySelectorAll("main form, main .forms").length') === 0, '... and is offered no decision');
	const csrf = 'decodeURIComponent(document.cookie.match(/twin_csrf=([^;]*)/)[1])';
	check(await browser.value(`fetch("/console/api/close_incident", {method: "POST", headers: {"Content-Type": "application/json", "X-CSRF-Token": ${csrf}}, body: ${JSON.stringify(JSON.stringify({ incident_id: second, resolution: 'mine' }))}}).then((answer) => answer.status)`) === 403, '... nor may he make one');

	// ---- what comes from whom ----

	check(await browser.value('window.planted === undefined'), 'nothing that was planted ran');
	sql("SELECT twin.end_sessions('audrey')");
	await view('keys');
	check(await browser.has('session has ended'), 'a session that somebody ended ends here');
	check((await browser.value('window.violations')).length === 0, 'nothing breaks the security policy');
	const origin = new URL(url).host;
	const elsewhere = browser.requests.filter((one) => !one.startsWith('data:') && !one.startsWith('about:') && new URL(one).host !== origin);
	check(elsewhere.length === 0, `nothing is asked of anybody else ${elsewhere.join(' ')}`);
	check(browser.complaints.length === 0, `no script failed ${browser.complaints.join(' | ')}`);
} catch (error) {
	console.log(`not ok - the browser: ${error.stack.replaceAll('\n', ' ')}`);
	await keep('failed');
} finally {
	await browser.close();
}

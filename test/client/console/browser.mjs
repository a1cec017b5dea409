// browser.mjs: Chromium without a window, driven by its own protocol (Chrome DevTools) over a pipe: no package is needed.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const WAIT_MS = 20000;
const keys = { Tab: ['Tab', 9], Enter: ['Enter', 13, '\r'], Escape: ['Escape', 27], Space: ['Space', 32, ' '], Home: ['Home', 36] };

export class Browser {
	#number = 0;
	#asked = new Map();
	#session;

	static async open(program) {
		const browser = new Browser();
		browser.folder = mkdtempSync(join(tmpdir(), 'twin_browser.'));
		browser.process = spawn(program, ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
			'--disable-component-update', '--disable-sync', '--disable-default-apps', '--disable-extensions', '--hide-scrollbars', '--force-color-profile=srgb',
			`--user-data-dir=${browser.folder}`, '--remote-debugging-pipe', 'about:blank'],
		{ stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: browser.folder } });
		let rest = '';
		browser.process.stdio[4].setEncoding('utf8').on('data', (text) => {
			const messages = (rest + text).split('\0');
			rest = messages.pop();
			messages.forEach((message) => browser.#heard(JSON.parse(message)));
		});
		const { targetId } = await browser.#send('Target.createTarget', { url: 'about:blank' });
		browser.#session = (await browser.#send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
		browser.requests = [];
		browser.complaints = [];
		for (const domain of ['Page', 'Runtime', 'Network', 'Log'])
			await browser.call(`${domain}.enable`);
		await browser.call('Page.addScriptToEvaluateOnNewDocument', { source: 'window.violations = []; addEventListener("securitypolicyviolation", (event) => '
			+ 'window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));' });
		return browser;
	}

	#heard(message) {
		const asked = this.#asked.get(message.id);
		if (asked) {
			this.#asked.delete(message.id);
			if (message.error)
				asked.reject(new Error(`${asked.method}: ${message.error.message}`));
			else
				asked.resolve(message.result);
		} else if (message.method === 'Network.requestWillBeSent')
			this.requests.push(message.params.request.url);
		else if (message.method === 'Network.webSocketCreated')
			this.requests.push(message.params.url);
		else if (message.method === 'Runtime.exceptionThrown')
			this.complaints.push(message.params.exceptionDetails.exception?.description ?? message.params.exceptionDetails.text);
		else if (message.method === 'Log.entryAdded' && message.params.entry.level === 'error' && message.params.entry.source !== 'network')
			this.complaints.push(message.params.entry.text);
		else if (message.method === 'Page.javascriptDialogOpening') {
			this.complaints.push(`a dialog: ${message.params.message}`);
			this.call('Page.handleJavaScriptDialog', { accept: false }).catch(() => null);
		}
	}

	#send(method, params = {}, sessionId = undefined) {
		const id = ++this.#number;
		return new Promise((resolve, reject) => {
			this.#asked.set(id, { resolve, reject, method });
			this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
		});
	}

	call(method, params) {
		return this.#send(method, params, this.#session);
	}

	async go(url) {
		await this.call('Page.navigate', { url });
		await this.until('document.readyState === "complete"');
	}

	// The value of an expression in the page.
	async value(expression) {
		const { result, exceptionDetails } = await this.call('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
		if (exceptionDetails)
			throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
		return result.value;
	}

	// Waits until an expression is true; whether it became so.
	async until(expression, milliseconds = WAIT_MS) {
		const end = Date.now() + milliseconds;
		for (;;) {
			if (await this.value(`!!(${expression})`).catch(() => false))
				return true;
			if (Date.now() > end)
				return false;
			await sleep(50);
		}
	}

	text(selector = 'body') {
		return this.value(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`);
	}

	has(text, selector = 'body') {
		return this.until(`document.querySelector(${JSON.stringify(selector)})?.innerText.includes(${JSON.stringify(text)})`);
	}

	async press(name, { shift = false } = {}) {
		const [code, windowsVirtualKeyCode, text] = keys[name];
		const event = { key: name === 'Space' ? ' ' : name, code, windowsVirtualKeyCode, modifiers: shift ? 8 : 0 };
		await this.call('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', text, ...event });
		await this.call('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
	}

	type(text) {
		return this.call('Input.insertText', { text });
	}

	click(selector) {
		return this.value(`document.querySelector(${JSON.stringify(selector)}).click()`);
	}

	// The button with a text in a part of the page.
	clickText(text, within = 'body') {
		return this.value(`[...document.querySelectorAll(${JSON.stringify(`${within} button, ${within} a`)})].find((one) => one.innerText.trim().startsWith(${JSON.stringify(text)})).click()`);
	}

	async size(width, height) {
		await this.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
	}

	async scheme(scheme) {
		await this.call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }] });
	}

	async screenshot(file) {
		const { data } = await this.call('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true });
		writeFileSync(file, Buffer.from(data, 'base64'));
	}

	async close() {
		const gone = new Promise((resolve) => { this.process.once('exit', resolve); });
		this.#send('Browser.close').catch(() => null);
		await Promise.race([gone, sleep(5000)]);
		this.process.kill('SIGKILL');
		rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
	}
}

// whole_values.mjs: twin.encrypt_data and twin.decrypt_data exchange values with Node's own AES-256-GCM, both ways.
// Needs a running server (test/with_server) and ENCRYPTION_KEY; prints TAP.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';

const key = Buffer.from(process.env.ENCRYPTION_KEY, 'base64');
let count = 0;
let failed = 0;

function ok(condition, name) {
	count++;
	if (!condition) failed++;
	console.log(`${condition ? 'ok' : 'not ok'} ${count} - ${name}`);
}

// Runs SQL from standard input, so that no shell ever quotes the value.
function sql(statement, value = '') {
	const escaped = value.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n');
	const run = spawnSync('psql', ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose'],
		{ input: `${statement.replaceAll('$1', "E'" + escaped + "'")};\n`, encoding: 'utf8' });
	return { text: run.stdout.replace(/\n$/, ''), error: run.stderr, status: run.status };
}

function seal(plain) {
	const nonce = randomBytes(12);
	const cipher = createCipheriv('aes-256-gcm', key, nonce);
	const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
	return Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64');
}

function open(base64) {
	const bytes = Buffer.from(base64, 'base64');
	const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
	decipher.setAuthTag(bytes.subarray(bytes.length - 16));
	return Buffer.concat([decipher.update(bytes.subarray(12, bytes.length - 16)), decipher.final()]).toString('utf8');
}

ok(sql('CREATE EXTENSION IF NOT EXISTS twin_security').status === 0, 'the extension is there');
sql("SELECT twin.grant_key('environment', current_user::regrole, p) FROM unnest(ARRAY['encrypt', 'decrypt']) p");

for (const plain of ['', 'x', 'grüße 漢字 😀', "quote ' and \\ backslash", 'x'.repeat(100000)]) {
	const label = plain.length > 40 ? `${plain.length} characters` : JSON.stringify(plain);
	ok(open(sql('SELECT twin.encrypt_data($1)', plain).text) === plain, `sealed here, opened by Node: ${label}`);
	ok(sql('SELECT twin.decrypt_data($1)', seal(plain)).text === plain, `sealed by Node, opened here: ${label}`);
}

// every byte of Node's value matters
const sealed = Buffer.from(seal('tamper with me'), 'base64');
let refused = 0;
for (let i = 0; i < sealed.length; i++) {
	const altered = Buffer.from(sealed);
	altered[i] ^= 1;
	const answer = sql('SELECT twin.decrypt_data($1)', altered.toString('base64'));
	if (answer.status !== 0 && answer.error.includes('TW201') && answer.text === '') refused++;
}
ok(refused === sealed.length, 'a changed byte anywhere raises TW201 and gives nothing');

const nonce = randomBytes(12);
const cipher = createCipheriv('aes-256-gcm', key, nonce);
const body = Buffer.concat([cipher.update(Buffer.from([0xff, 0xfe, 0x00])), cipher.final()]);
const foreign = sql('SELECT twin.decrypt_data($1)', Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64'));
ok(foreign.status !== 0 && foreign.error.includes('22021'), 'bytes that are no text are refused');
ok(!foreign.error.includes('0xff'), 'and not quoted');

console.log(`1..${count}`);
process.exit(failed ? 1 : 0);

// process.test.mjs: what the gateway's process has given up; GATEWAY_PID is it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const pid = process.env.GATEWAY_PID;
const status = Object.fromEntries(readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n').map((line) => line.split(/:\s+/)));

test('root was left behind', { skip: process.getuid() !== 0 && 'was not started as root' }, () => {
	const [user, ...others] = status.Uid.split('\t');
	assert.notEqual(user, '0');
	assert.deepEqual(others, [user, user, user]);
	assert.ok(!status.Gid.split('\t').includes('0'));
	assert.ok(!status.Groups.split(' ').includes('0'));
	assert.equal(BigInt(`0x${status.CapEff}`), 0n);
	assert.equal(BigInt(`0x${status.CapPrm}`), 0n);
});
test('no new privileges', () => assert.equal(status.NoNewPrivs, '1'));
test('system calls are filtered', { skip: process.env.GATEWAY_UNFILTERED && 'is a build without the filter' }, () => assert.equal(status.Seccomp, '2'));
test('arguments and environment hold no secret', () => {
	assert.doesNotMatch(readFileSync(`/proc/${pid}/cmdline`, 'latin1'), /password/);
	if (process.getuid() === 0) assert.doesNotMatch(readFileSync(`/proc/${pid}/environ`, 'latin1'), /^(ENCRYPTION_KEY|JWT_SECRET_KEY)=/m);
});

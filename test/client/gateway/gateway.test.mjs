// gateway.test.mjs: the standard client of PostgREST's users against twin_gateway, unchanged.
// GATEWAY_URL is where it answers, GATEWAY_PASSWORD the password of everybody in fixture.sql.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import postgrest from '@supabase/postgrest-js';

const { PostgrestClient } = postgrest;
const url = process.env.GATEWAY_URL;
const password = process.env.GATEWAY_PASSWORD;

async function login(username) {
	const response = await fetch(`${url}/api/auth/login`, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ username, password }),
	});
	assert.equal(response.status, 200, `${username} logs in`);
	return (await response.json()).access_token;
}

const client = (token) => new PostgrestClient(url, { schema: 'api', headers: token ? { Authorization: `Bearer ${token}` } : {} });
const names = (answer) => {
	assert.equal(answer.error, null);
	return answer.data.map((row) => row.name);
};
let vera, oleg, ada, vito, otto, nobody, tokens;

before(async () => {
	tokens = Object.fromEntries(await Promise.all(['vera', 'oleg', 'ada', 'vito', 'otto'].map(async (name) => [name, await login(name)])));
	[vera, oleg, ada, vito, otto] = ['vera', 'oleg', 'ada', 'vito', 'otto'].map((name) => client(tokens[name]));
	nobody = client();
});

describe('who is asking', () => {
	test('each tenant sees its own rows', async () => {
		assert.deepEqual(names(await vera.from('units').select('name').order('unit_id')), ['boiler', 'chiller', 'pump, "big"']);
		assert.deepEqual(names(await vito.from('units').select('name')), ['furnace']);
	});
	test('nobody sees what anybody may see', async () => {
		const { data } = await nobody.from('notices').select().order('notice_id');
		assert.equal(data.length, 2);
		const { error, status } = await nobody.from('units').select();
		assert.equal(status, 401);
		assert.equal(error.code, '42501');
	});
	test('the database knows role, user and tenant', async () => {
		const { data } = await oleg.rpc('who');
		assert.equal(data.role, 'twin_operator');
		assert.equal(data.user, 'oleg');
		assert.equal(data.method, 'POST');
		assert.equal(data.path, '/rpc/who');
		assert.equal((await nobody.rpc('who')).data.role, 'twin_anonymous');
	});
	test('a viewer reads and does not write', async () => {
		const { error, status } = await vera.from('units').insert({ name: 'mine' });
		assert.equal(status, 403);
		assert.equal(error.code, '42501');
	});
	test('a token with another signature is refused', async () => {
		const forged = tokens.ada.replace(/.{10}$/, 'AAAAAAAAAA');
		const response = await fetch(`${url}/units`, { headers: { Authorization: `Bearer ${forged}` } });
		assert.equal(response.status, 401);
		assert.match(response.headers.get('www-authenticate'), /^Bearer/);
	});
	test('the role cannot be changed from within', async () => {
		const { error } = await vera.rpc('become', { name: 'twin_admin' });
		assert.equal(error.code, '42501');
	});
	test('another tenant is out of reach for writing', async () => {
		assert.equal((await otto.from('units').update({ name: 'x' }).eq('unit_id', 1).select()).data.length, 0);
		assert.equal((await otto.from('units').insert({ name: 'theirs', tenant_id: 1 })).status, 403);
	});
});

describe('reading', () => {
	const one = async (query) => names(await query);
	test('comparisons', async () => {
		const units = () => vera.from('units').select('name').order('unit_id');
		assert.deepEqual(await one(units().eq('name', 'boiler')), ['boiler']);
		assert.deepEqual(await one(units().neq('name', 'boiler')), ['chiller', 'pump, "big"']);
		assert.deepEqual(await one(units().gt('celsius', 4.25)), ['boiler']);
		assert.deepEqual(await one(units().gte('celsius', 4.25)), ['boiler', 'chiller']);
		assert.deepEqual(await one(units().lt('celsius', 71.5)), ['chiller']);
		assert.deepEqual(await one(units().lte('celsius', 71.5)), ['boiler', 'chiller']);
		assert.deepEqual(await one(units().like('name', '%iller')), ['chiller']);
		assert.deepEqual(await one(units().ilike('name', 'BOIL%')), ['boiler']);
		assert.deepEqual(await one(units().is('celsius', null)), ['pump, "big"']);
		assert.deepEqual(await one(units().in('name', ['boiler', 'chiller'])), ['boiler', 'chiller']);
		assert.deepEqual(await one(units().filter('name', 'in', '(boiler,"pump, \\"big\\"")')), ['boiler', 'pump, "big"']);
		assert.deepEqual(await one(units().contains('tags', ['hot'])), ['boiler']);
		assert.deepEqual(await one(units().overlaps('tags', ['cold', 'old'])), ['boiler', 'chiller']);
		assert.deepEqual(await one(units().not('celsius', 'is', null)), ['boiler', 'chiller']);
		assert.deepEqual(await one(units().or('celsius.gt.50,name.eq.chiller')), ['boiler', 'chiller']);
		assert.deepEqual(await one(units().or('celsius.gt.50,and(is_active.is.true,name.like.pump*)')), ['boiler', 'pump, "big"']);
		assert.deepEqual(await one(units().likeAnyOf('name', ['boil%', 'chill%'])), ['boiler', 'chiller']);
		assert.deepEqual(await one(units().eq('details->maker->>name', 'Frio')), ['chiller']);
		assert.deepEqual(await one(units().filter('name', 'match', '^b')), ['boiler']);
		assert.deepEqual(await one(units().textSearch('name', 'boiler')), ['boiler']);
	});
	test('columns, casts, JSON and aliases', async () => {
		const { data } = await vera.from('units').select('id:unit_id,celsius::text,maker:details->maker->>name,details->codes->1').eq('unit_id', 1).single();
		assert.deepEqual(data, { id: 1, celsius: '71.5', maker: 'Thermo', codes: 2 });
	});
	test('order, limit and range', async () => {
		assert.deepEqual(await one(vera.from('units').select('name').order('celsius', { ascending: false, nullsFirst: false }).limit(2)), ['boiler', 'chiller']);
		assert.deepEqual(await one(vera.from('units').select('name').order('unit_id').range(1, 2)), ['chiller', 'pump, "big"']);
	});
	test('counts', async () => {
		const { count, status, data } = await vera.from('readings').select('*', { count: 'exact' }).limit(5);
		assert.equal(count, 30);
		assert.equal(status, 206);
		assert.equal(data.length, 5);
		assert.equal((await vera.from('readings').select('*', { count: 'exact', head: true })).count, 30);
		assert.ok((await vera.from('readings').select('*', { count: 'planned', head: true })).count >= 0);
		assert.ok((await vera.from('readings').select('*', { count: 'estimated', head: true })).count >= 0);
	});
	test('one, perhaps one, and as CSV', async () => {
		assert.equal((await vera.from('units').select('name').eq('unit_id', 1).single()).data.name, 'boiler');
		assert.equal((await vera.from('units').select('name').eq('unit_id', -1).maybeSingle()).data, null);
		const { error, status } = await vera.from('units').select('name').single();
		assert.equal(status, 406);
		assert.equal(error.code, 'PGRST116');
		assert.equal((await vera.from('units').select('unit_id,name').eq('unit_id', 1).csv()).data, 'unit_id,name\n1,boiler');
	});
	test('what is not there', async () => {
		assert.equal((await vera.from('unit').select()).error.code, 'PGRST205');
		assert.equal((await vera.from('units').select('nam')).error.code, '42703');
		assert.equal((await vera.from('units').select('name,groupies(*)')).error.code, 'PGRST200');
		assert.equal((await vera.rpc('no_such')).error.code, 'PGRST202');
	});
});

describe('embedding', () => {
	test('to one, to many, many to many, spread', async () => {
		const { data, error } = await vera.from('units')
			.select('name,site:sites(name),sensors(kind),groups(name),...sites(site_name:name)')
			.eq('unit_id', 1).order('kind', { referencedTable: 'sensors' }).order('name', { referencedTable: 'groups' }).single();
		assert.equal(error, null);
		assert.deepEqual(data, {
			name: 'boiler', site: { name: 'Harbour' }, sensors: [{ kind: 'inlet' }, { kind: 'outlet' }],
			groups: [{ name: 'cheap' }, { name: 'critical' }], site_name: 'Harbour',
		});
	});
	test('inner joins and conditions on what is embedded', async () => {
		const { data } = await vera.from('units').select('name,sites!inner(name)').eq('sites.name', 'Hill');
		assert.deepEqual(data, [{ name: 'pump, "big"', sites: { name: 'Hill' } }]);
		const limited = await vera.from('sensors').select('kind,readings(value)').eq('sensor_id', 1).limit(2, { referencedTable: 'readings' }).order('at', { referencedTable: 'readings', ascending: false }).single();
		assert.deepEqual(limited.data.readings, [{ value: 9 }, { value: 8 }]);
	});
	test('through a view, and by a foreign key', async () => {
		const { data, error } = await vera.from('active_units').select('name,sites(name)').eq('unit_id', 2).single();
		assert.equal(error, null);
		assert.equal(data.sites.name, 'Harbour');
		assert.equal((await vera.from('units').select('name,sites!units_site_id_fkey(name)').eq('unit_id', 2).single()).data.sites.name, 'Harbour');
	});
	test('deep, of one tenant only', async () => {
		const { data } = await vito.from('sites').select('name,units(name,sensors(kind,readings(value)))').single();
		assert.equal(data.units[0].sensors[0].readings.length, 10);
	});
});

describe('writing', () => {
	test('insert, read back, update, delete', async () => {
		const made = await oleg.from('units').insert({ name: 'valve', celsius: 20 }).select('unit_id,name,tenant_id').single();
		assert.equal(made.status, 201);
		const id = made.data.unit_id;
		const changed = await oleg.from('units').update({ celsius: 21.5 }).eq('unit_id', id).select('celsius');
		assert.deepEqual(changed.data, [{ celsius: 21.5 }]);
		assert.equal((await oleg.from('units').update({ celsius: 22 }).eq('unit_id', id)).status, 204);
		assert.equal((await oleg.from('units').delete().eq('unit_id', id)).error.code, '42501');
		const gone = await ada.from('units').delete().eq('unit_id', id).select('name');
		assert.deepEqual(gone.data, [{ name: 'valve' }]);
	});
	test('many at once, with defaults', async () => {
		const { data, error } = await oleg.from('units').insert([{ name: 'fan 1', celsius: 1 }, { name: 'fan 2' }], { defaultToNull: false }).select('name,celsius,is_active').order('name');
		assert.equal(error, null);
		assert.deepEqual(data, [{ name: 'fan 1', celsius: 1, is_active: true }, { name: 'fan 2', celsius: null, is_active: true }]);
		assert.equal((await ada.from('units').delete().like('name', 'fan %')).status, 204);
	});
	test('upsert', async () => {
		const first = await oleg.from('groups').upsert({ group_id: 50, name: 'new' }).select();
		assert.equal(first.status, 201);
		const second = await oleg.from('groups').upsert([{ group_id: 50, name: 'renamed' }]).select('name');
		assert.equal(second.status, 200);
		assert.deepEqual(second.data, [{ name: 'renamed' }]);
		const kept = await oleg.from('groups').upsert([{ group_id: 50, name: 'ignored' }], { ignoreDuplicates: true }).select();
		assert.deepEqual(kept.data, []);
		await ada.from('groups').delete().eq('group_id', 50);
	});
	test('conflicts and constraints say so', async () => {
		assert.equal((await oleg.from('groups').insert({ group_id: 1, name: 'again' })).error.code, '23505');
		assert.equal((await oleg.from('groups').insert({ group_id: 1, name: 'again' })).status, 409);
		assert.equal((await oleg.from('sensors').insert({ unit_id: 999, kind: 'x' })).status, 409);
		assert.equal((await oleg.from('units').insert({ name: null })).error.code, '23502');
		assert.equal((await oleg.from('units').insert({ nam: 'x' })).error.code, 'PGRST204');
	});
	test('without a condition nothing is changed', async () => {
		assert.equal((await ada.from('units').delete()).status, 400);
		assert.equal((await vera.from('units').select('*', { count: 'exact', head: true })).count, 3);
	});
	test('an encrypted column', async () => {
		const made = await oleg.from('contacts').insert({ name: 'Ute', phone: '+49 30 1234' }).select('contact_id,phone::text').single();
		assert.equal(made.error, null);
		assert.equal(made.data.phone, '+49 30 1234');
		assert.equal((await oleg.from('contacts').select('name').eq('phone', '+49 30 1234').single()).data.name, 'Ute');
		assert.doesNotMatch((await vera.from('contacts').select('phone').single()).data.phone, /1234/);
	});
});

describe('functions', () => {
	test('scalars, rows, defaults, variadic, void', async () => {
		assert.equal((await vera.rpc('add', { a: 2, b: 3 })).data, 5);
		assert.equal((await vera.rpc('add', { a: 2 })).data, 3);
		assert.equal((await vera.rpc('add', { a: 2, b: 3 }, { get: true })).data, 5);
		assert.deepEqual(names(await vera.rpc('units_above', { celsius: 50 }).select('name')), ['boiler']);
		assert.deepEqual((await vera.rpc('one_unit', { unit_id: 2 }).select('name,sites(name)')).data, { name: 'chiller', sites: { name: 'Harbour' } });
		assert.equal((await vera.rpc('sum_all', { numbers: [1, 2, 3] })).data, 6);
		assert.equal((await oleg.rpc('rename_unit', { unit_id: 2, name: 'cooler' })).status, 204);
		assert.equal((await oleg.rpc('rename_unit', { unit_id: 2, name: 'chiller' })).status, 204);
		assert.deepEqual((await vera.rpc('echo', { any: ['thing', 1.50] })).data, { any: ['thing', 1.5] });
	});
	test('what they raise', async () => {
		const asked = async (code) => (await vera.rpc('raise', { code })).status;
		assert.equal(await asked('P0001'), 400);
		assert.equal(await asked('PT402'), 402);
		assert.equal(await asked('23505'), 409);
		assert.equal(await asked('42501'), 403);
		const own = await vera.rpc('raise', { code: 'PGRST', message: '{"code":"77","message":"own"}', detail: '{"status":422,"headers":{"X-Own":"yes"}}' });
		assert.equal(own.status, 422);
		assert.equal(own.error.code, '77');
		const { error } = await vera.rpc('raise', { code: 'P0001', message: 'no', detail: 'because', hint: 'try' });
		assert.deepEqual({ ...error }, { code: 'P0001', message: 'no', details: 'because', hint: 'try' });
	});
	test('status and headers of their own', async () => {
		const response = await fetch(`${url}/rpc/teapot`, { method: 'POST', headers: { Authorization: `Bearer ${tokens.vera}` } });
		assert.equal(response.status, 418);
		assert.equal(response.headers.get('x-pot'), 'short');
		assert.equal(response.headers.get('cache-control'), 'max-age=60');
	});
	test('headers they cannot set', async () => {
		for (const given of ['[{"X-A": "b\\r\\nX-Injected: yes"}]', '[{"X A": "b"}]', '{"X-A": "b"}', 'nonsense'])
			assert.equal((await vera.rpc('headers', { given })).status, 500, given);
	});
});

-- Order, sorting and aggregates of encrypted values agree with those of the plain ones.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION twin_security;
SELECT no_plan();
CREATE ROLE reader;
CREATE ROLE stranger;
SELECT twin.grant_key('main', 'reader', 'decrypt');
GRANT reader TO CURRENT_USER;
SELECT twin.grant_key('main', CURRENT_USER::regrole, 'decrypt');
SET client_min_messages = warning;

-- every type, with duplicates, nulls and the values where orders go wrong
CREATE TABLE plain (id integer, text text, bytea bytea, jsonb jsonb, numeric numeric, bigint bigint, float8 float8, date date,
	timestamptz timestamptz, boolean boolean, uuid uuid, inet inet);
INSERT INTO plain SELECT i, chr(97 + i % 7) || repeat('x', i % 3) || (i * 31 % 50), decode(lpad(to_hex(i * 37 % 60), 4, '0'), 'hex'),
	jsonb_build_object('a', i * 13 % 40, 'b', i % 2 = 0), (i * 7 % 60 - 30)::numeric / 8, (i * 11 % 90 - 45)::bigint * 100000000003,
	(i * 17 % 80 - 40) / 3.0, date '2000-01-01' + i * 19 % 70 - 35, timestamptz '2000-01-01 UTC' + (i * 23 % 70 - 35) * interval '7 hours',
	i % 2 = 0, md5((i % 60)::text)::uuid, ('10.' || i % 3 || '.0.' || i * 29 % 50)::inet FROM generate_series(1, 200) i;
INSERT INTO plain SELECT 1000 + i FROM generate_series(1, 3) i;
INSERT INTO plain (id, float8, numeric, bigint, inet, text) VALUES (2001, 'NaN', 'NaN', -9223372036854775808, '::1', ''),
	(2002, '-0', '-Infinity', 9223372036854775807, '10.0.0.0/8', 'Ä'), (2003, '0', '1.50', 0, '10.0.0.0/16', 'z'), (2004, '-Infinity', '1.5', 1, 'fe80::1/64', 'Z'),
	(2005, 'Infinity', 'Infinity', 2, '0.0.0.0/0', 'a b');
INSERT INTO plain (id, date, timestamptz) VALUES (3001, 'infinity', 'infinity'), (3002, '-infinity', '-infinity');

CREATE TABLE kinds AS SELECT a.attname AS name, suffix FROM pg_attribute a CROSS JOIN unnest(ARRAY['', '_eq']) suffix
	WHERE a.attrelid = 'plain'::regclass AND a.attnum > 1;
DO $$
DECLARE
	k record;
BEGIN
	FOR k IN SELECT * FROM kinds LOOP
		EXECUTE format('CREATE TABLE %I (id integer, v twin.%I(main), p %s)', 'enc_' || k.name || k.suffix, 'encrypted_' || k.name || k.suffix, k.name);
		EXECUTE format('INSERT INTO %I SELECT id, %I, %I FROM plain', 'enc_' || k.name || k.suffix, k.name, k.name);
	END LOOP;
END
$$;

-- the same rows in the same order; ties by id
CREATE FUNCTION agrees(relation text, tail text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	of_v integer[];
	of_p integer[];
BEGIN
	EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM %I ' || replace(tail, '?', 'v') || ') q', relation) INTO of_v;
	EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM %I ' || replace(tail, '?', 'p') || ') q', relation) INTO of_p;
	RETURN of_v = of_p;
END
$$;
SELECT ok(agrees('enc_' || name || suffix, tail), 'encrypted_' || name || suffix || ': ' || tail)
	FROM kinds CROSS JOIN unnest(ARRAY['ORDER BY ?, id', 'ORDER BY ? DESC NULLS LAST, id', 'ORDER BY id %% 3, ? DESC, id', 'ORDER BY ?, id LIMIT 7 OFFSET 3']) tail;

-- one column alone is sorted as a datum, and by DISTINCT aggregates
CREATE FUNCTION same_answer(relation text, query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	of_v text;
	of_p text;
BEGIN
	EXECUTE replace(format(query, relation), '?', 'v') INTO of_v;
	EXECUTE replace(format(query, relation), '?', 'p') INTO of_p;
	RETURN of_v IS NOT DISTINCT FROM of_p;
END
$$;
SELECT ok(same_answer('enc_' || name || suffix, 'SELECT count(DISTINCT ?) FROM %I'), 'encrypted_' || name || suffix || ': count(DISTINCT)') FROM kinds;
SELECT ok(same_answer('enc_' || name || suffix, 'SELECT count(*) FROM (SELECT ? FROM %I GROUP BY ?) q'), 'encrypted_' || name || suffix || ': GROUP BY') FROM kinds;
SELECT ok(same_answer('enc_' || name || suffix, 'SELECT array_agg(id) FROM (SELECT DISTINCT ON (?) id FROM %I ORDER BY ?, id) q'),
	'encrypted_' || name || suffix || ': DISTINCT ON') FROM kinds;
SELECT ok(same_answer('enc_' || name || suffix, 'SELECT array_agg(id ORDER BY ? DESC, id) FROM %I'), 'encrypted_' || name || suffix || ': array_agg(ORDER BY)') FROM kinds;
SELECT ok(same_answer('enc_' || name || suffix, 'SELECT array_agg(r) FROM (SELECT rank() OVER (ORDER BY ?) r FROM %I ORDER BY id) q'),
	'encrypted_' || name || suffix || ': rank()') FROM kinds;
SELECT ok(same_answer('enc_' || name || suffix, 'SELECT array_agg(o.id) FROM (SELECT a.id, b.id AS other FROM %1$I a JOIN %1$I b ON a.? ' || sign || ' b.? AND a.id < 20 AND b.id < 20 ORDER BY 1, 2) o'),
	'encrypted_' || name || suffix || ' ' || sign || ' encrypted') FROM kinds CROSS JOIN unnest(ARRAY['<', '<=', '>', '>=']) sign;
SELECT ok(same_answer('enc_' || name || suffix, 'SELECT array_agg(id ORDER BY id) FROM %1$I WHERE ? ' || sign || ' (SELECT p FROM %1$I WHERE id = 17)'),
	'encrypted_' || name || suffix || ' ' || sign || ' plain') FROM kinds CROSS JOIN unnest(ARRAY['<', '<=', '>', '>=']) sign;
SELECT ok(same_answer('enc_' || name || suffix, 'SELECT array_agg(id ORDER BY id) FROM %1$I WHERE (SELECT p FROM %1$I WHERE id = 17) ' || sign || ' ?'),
	'plain ' || sign || ' encrypted_' || name || suffix) FROM kinds CROSS JOIN unnest(ARRAY['<', '<=', '>', '>=']) sign;
SELECT is((SELECT count(*) FROM enc_numeric WHERE v == 1.5), 3::bigint + (SELECT count(*) - 3 FROM plain WHERE numeric = 1.5), '== opens both sides, also of storage-only types');

-- aggregates: whatever the server has for the base type
SELECT ok(same_answer('enc_' || name || suffix, 'SELECT ' || f || '(?) FROM %I WHERE id < 2000'), f || '(encrypted_' || name || suffix || ')')
	FROM kinds CROSS JOIN unnest(ARRAY['min', 'max', 'sum', 'avg']) f
	WHERE f IN ('min', 'max') AND name IN ('text', 'numeric', 'bigint', 'float8', 'date', 'timestamptz', 'inet') OR name IN ('numeric', 'bigint', 'float8');
SELECT ok(same_answer('enc_' || name, 'SELECT array_agg(s) FROM (SELECT id, sum(?) OVER (ORDER BY id ROWS 3 PRECEDING) s FROM %I ORDER BY id) q'), 'sum(encrypted_' || name || ') OVER')
	FROM kinds WHERE suffix = '' AND name IN ('numeric', 'bigint');
SELECT ok(same_answer('enc_bigint', 'SELECT sum(?) IS NULL AND min(?) IS NULL AND avg(?) IS NULL FROM %I WHERE id BETWEEN 1001 AND 1003'), 'nothing but nulls');
SELECT ok(same_answer('enc_bigint', 'SELECT string_agg(id || ''='' || s, '' '' ORDER BY id) FROM (SELECT id %% 5 AS id, sum(?) s FROM %I GROUP BY 1 HAVING max(?) > 0) q'), 'grouped');
SELECT is(pg_typeof(sum(v)), 'numeric'::regtype) FROM enc_bigint;

-- literals, quoted or not, and BETWEEN
SELECT is((SELECT count(*) FROM enc_bigint WHERE v > 5), (SELECT count(*) FROM plain WHERE bigint > 5), 'v > 5');
SELECT is((SELECT count(*) FROM enc_bigint WHERE v > '5'), (SELECT count(*) FROM plain WHERE bigint > 5), 'v > ''5''');
SELECT is((SELECT count(*) FROM enc_bigint_eq WHERE 5 >= v), (SELECT count(*) FROM plain WHERE 5 >= bigint), '5 >= v');
SELECT is((SELECT count(*) FROM enc_date WHERE v BETWEEN '1999-12-20' AND date '2000-01-10'), (SELECT count(*) FROM plain WHERE date BETWEEN '1999-12-20' AND '2000-01-10'), 'BETWEEN');
SELECT is((SELECT count(*) FROM enc_text_eq WHERE v < 'c'), (SELECT count(*) FROM plain WHERE text < 'c'), 'text below a literal');

-- text by collation
CREATE TABLE words (id integer, c twin.encrypted_text(main) COLLATE "C", e twin.encrypted_text(main), p text);
INSERT INTO words SELECT o, w, w, w FROM unnest(ARRAY['b', 'A', 'a', 'B', 'ä', 'Z', 'z', 'aa', '']) WITH ORDINALITY u (w, o);
SELECT is((SELECT array_agg(c::text) FROM (SELECT c FROM words ORDER BY c) q), (SELECT array_agg(p) FROM (SELECT p FROM words ORDER BY p COLLATE "C") q), 'the column''s collation');
SELECT is((SELECT array_agg(e::text) FROM (SELECT e FROM words ORDER BY e COLLATE "en-x-icu") q), (SELECT array_agg(p) FROM (SELECT p FROM words ORDER BY p COLLATE "en-x-icu") q), 'the expression''s collation');
SELECT is((SELECT max(e COLLATE "en-x-icu") FROM words), (SELECT max(p COLLATE "en-x-icu") FROM words), 'max by collation');
CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT is((SELECT count(DISTINCT e COLLATE no_case) FROM words), (SELECT count(DISTINCT p COLLATE no_case) FROM words), 'texts that differ and are equal');
SELECT is((SELECT array_agg(e::text) FROM (SELECT e FROM words ORDER BY e COLLATE no_case, id) q), (SELECT array_agg(p) FROM (SELECT p FROM words ORDER BY p COLLATE no_case, id) q), 'and their order');

-- values outside their tuples; many of them equal
CREATE TABLE long (id integer, v twin.encrypted_text(main), p text);
INSERT INTO long SELECT i, t, t FROM (SELECT i, repeat(md5((i % 20)::text), 300) || i % 40 AS t FROM generate_series(1, 200) i) q;
SELECT ok(pg_relation_size((SELECT reltoastrelid FROM pg_class WHERE oid = 'long'::regclass)) > 0, 'there are toasted values');
SELECT ok(agrees('long', 'ORDER BY ?, id'), 'toasted values are sorted');
SELECT is((SELECT count(DISTINCT v) FROM long), 40::bigint, 'and told apart');
SELECT is((SELECT max(v) FROM long), (SELECT max(p) FROM long), 'and aggregated');

-- a sort that spills, in every form
CREATE TABLE many (id integer, n twin.encrypted_bigint(main), t twin.encrypted_text(main), q twin.encrypted_numeric(main), pn bigint, pt text, pq numeric);
INSERT INTO many SELECT i, hashint8(i) % 5000, 'customer ' || md5((i % 3000)::text), hashint8(i)::numeric / 16, hashint8(i) % 5000, 'customer ' || md5((i % 3000)::text),
	hashint8(i)::numeric / 16 FROM generate_series(1, 20000) i;
ANALYZE many;
CREATE FUNCTION spills(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
	found_it boolean := false;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ' || query LOOP
		found_it := found_it OR line ~ 'external merge';
	END LOOP;
	RETURN found_it;
END
$$;
SET work_mem = '64kB';
SELECT ok(spills('SELECT id FROM many ORDER BY n'), 'the sort spills');
SELECT is((SELECT array_agg(id) FROM (SELECT id FROM many ORDER BY n, id) q), (SELECT array_agg(id) FROM (SELECT id FROM many ORDER BY pn, id) q), 'numbers, spilled');
SELECT is((SELECT array_agg(id) FROM (SELECT id FROM many ORDER BY t DESC, id) q), (SELECT array_agg(id) FROM (SELECT id FROM many ORDER BY pt DESC, id) q), 'texts, spilled');
SELECT is((SELECT array_agg(id) FROM (SELECT id FROM many ORDER BY q, id) q), (SELECT array_agg(id) FROM (SELECT id FROM many ORDER BY pq, id) q), 'numerics, spilled');
SELECT is((SELECT array_agg(t::text) FROM (SELECT t FROM many ORDER BY t) q), (SELECT array_agg(pt) FROM (SELECT pt FROM many ORDER BY pt) q), 'one column, spilled');
SELECT is((SELECT count(DISTINCT t) FROM many), 3000::bigint, 'distinct, spilled');
SELECT is((SELECT array_agg(id) FROM (SELECT id FROM long ORDER BY v, id) q), (SELECT array_agg(id) FROM (SELECT id FROM long ORDER BY p, id) q), 'toasted, in little memory');
RESET work_mem;
SELECT is((SELECT count(DISTINCT t) FROM many), 3000::bigint, 'distinct, in memory');

-- parallel: workers open, the leader merges
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
SELECT is((SELECT ROW(sum(n), avg(n), min(t), max(t), sum(q), avg(q))::text FROM many), (SELECT ROW(sum(pn), avg(pn), min(pt), max(pt), sum(pq), avg(pq))::text FROM many), 'parallel aggregates');
SELECT is((SELECT array_agg(id) FROM (SELECT id FROM many ORDER BY t, id) q), (SELECT array_agg(id) FROM (SELECT id FROM many ORDER BY pt, id) q), 'gathered and merged');
RESET ALL;
SET client_min_messages = warning;

-- who may not decrypt cannot compare, sort or aggregate, and GROUP BY and UNIQUE on searchable columns need no key
GRANT SELECT ON enc_bigint, enc_bigint_eq, enc_text_eq TO stranger, reader;
SET ROLE stranger;
SELECT throws_ok('SELECT id FROM enc_bigint ORDER BY v', '42501');
SELECT throws_ok('SELECT id FROM enc_bigint_eq ORDER BY v', '42501');
SELECT throws_ok('SELECT id FROM enc_bigint WHERE v < 5', '42501');
SELECT throws_ok('SELECT a.id FROM enc_bigint a JOIN enc_bigint b ON a.id <> b.id AND a.v == b.v', '42501');
SELECT throws_ok('SELECT sum(v) FROM enc_bigint', '42501');
SELECT throws_ok('SELECT max(v) FROM enc_text_eq', '42501');
SELECT throws_ok('SELECT DISTINCT v FROM enc_bigint', '42501');
SELECT lives_ok('SELECT v, count(*) FROM enc_bigint_eq GROUP BY v');
SELECT lives_ok('SELECT DISTINCT v FROM enc_bigint_eq');
SELECT lives_ok('SELECT count(*) FROM enc_text_eq a JOIN enc_text_eq b USING (v)');
SELECT is((SELECT twin.decrypt('41'::twin.encrypted_bigint) < '42'::twin.encrypted_bigint), true, 'literals are everybody''s');
RESET ROLE;

-- a value under another key than its column's is refused by aggregates too
SELECT twin.create_key('other');
SELECT twin.grant_key('other', CURRENT_USER::regrole, 'decrypt');
CREATE TABLE moved (v twin.encrypted_bigint(main), o twin.encrypted_bigint(other));
INSERT INTO moved VALUES (1, 2);
UPDATE pg_attribute SET atttypmod = (SELECT atttypmod FROM pg_attribute WHERE attrelid = 'moved'::regclass AND attname = 'o')
	WHERE attrelid = 'moved'::regclass AND attname = 'v';
SELECT throws_ok('SELECT sum(v) FROM moved', 'TW201');
SELECT throws_ok('SELECT count(*) FROM moved WHERE v < 5', 'TW201');
SELECT throws_ok('SELECT count(*) FROM moved WHERE v <= o', 'TW201');

SELECT * FROM finish();
ROLLBACK;

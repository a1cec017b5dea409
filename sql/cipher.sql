-- cipher: encrypted column types
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset
CREATE ROLE cipher_reader LOGIN;
CREATE ROLE cipher_writer LOGIN;
CREATE SCHEMA cipher AUTHORIZATION :superuser;
GRANT USAGE ON SCHEMA cipher TO cipher_reader, cipher_writer;
SET search_path = cipher;
SELECT twin.create_key('k1') IS NOT NULL AS k1, twin.create_key('k2') IS NOT NULL AS k2;
SELECT count(twin.grant_key(k, r::regrole, p))
FROM unnest(ARRAY['k1', 'k2', 'main']) k, unnest(ARRAY[:'superuser', 'cipher_reader']) r, unnest(ARRAY['encrypt', 'decrypt']) p;
SELECT twin.grant_key('k1', 'cipher_writer', 'encrypt'), twin.grant_key('k2', 'cipher_writer', 'encrypt'),
	twin.grant_key('k2', 'cipher_writer', 'decrypt');

-- ---- modifiers ----
CREATE TABLE modifiers (a twin.encrypted_text(k1), b twin.encrypted_text(K1), c twin.encrypted_text('K1'), d twin.encrypted_text("k1"));
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'modifiers'::regclass AND attnum > 0;
SELECT ('twin.encrypted_text(''#' || to_hex(twin_internal.key_modifier('k1')) || ''')') AS hex \gset
CREATE TABLE modifiers_hex (a :hex);
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'modifiers_hex'::regclass AND attnum > 0;
CREATE TABLE modifiers_unknown (a twin.encrypted_text('#00000001'));
INSERT INTO modifiers_unknown VALUES ('x');
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'modifiers_unknown'::regclass AND attnum > 0;
SELECT 'x'::twin.encrypted_text('#1');
SELECT 'x'::twin.encrypted_text('#fffffff0');
SELECT 'x'::twin.encrypted_text(a, b);
SELECT 'x'::twin.encrypted_text('');
CREATE TABLE refused (a twin.encrypted_text(literal));
CREATE TABLE refused (a twin.encrypted_text(environment));
DROP TABLE modifiers, modifiers_hex, modifiers_unknown;

-- ---- no column without a key ----
CREATE TABLE refused (a twin.encrypted_text);
CREATE TABLE refused (a twin.encrypted_bigint_eq[]);
CREATE TABLE refused AS SELECT 'x'::twin.encrypted_text AS a;
SELECT 'x'::twin.encrypted_text AS a INTO refused;
CREATE MATERIALIZED VIEW refused AS SELECT 'x'::twin.encrypted_text AS a;
CREATE DOMAIN refused AS twin.encrypted_text;
CREATE TYPE refused AS (a twin.encrypted_text);
CREATE TYPE refused AS RANGE (subtype = twin.encrypted_bigint_eq);
CREATE TABLE altered (id integer);
ALTER TABLE altered ADD COLUMN a twin.encrypted_text;
ALTER TABLE altered ALTER COLUMN id TYPE twin.encrypted_bigint;
CREATE SCHEMA refused CREATE TABLE inside (a twin.encrypted_text);
SELECT count(*) FROM pg_class WHERE relname IN ('refused', 'inside');
CREATE DOMAIN keyed_domain AS twin.encrypted_bigint_eq(k1);
CREATE TYPE refused AS RANGE (subtype = keyed_domain);
DROP DOMAIN keyed_domain;
CREATE TABLE refused (a twin.encrypted_text("index.text"));
-- a view stores nothing, but a column of its row type would
CREATE VIEW allowed AS SELECT 'x'::twin.encrypted_text AS a;
CREATE TABLE refused (a allowed);
CREATE TABLE refused AS SELECT v FROM allowed v;
DROP VIEW allowed;
-- a check that needs a key would fail while a dump is restored
CREATE TABLE refused (a twin.encrypted_text_eq(k1) CHECK (a <> 'x'::text));
CREATE TABLE refused (a twin.encrypted_bigint_eq(k1), CHECK (a IN (1, 2)));
CREATE TABLE refused (a twin.encrypted_text_eq(k1), CHECK (a IS DISTINCT FROM 'x'::text));
CREATE TABLE refused (a twin.encrypted_text_eq(k1), CHECK (nullif(a, 'x'::text) IS NULL));
CREATE TABLE allowed (a twin.encrypted_text_eq(k1) CHECK (a <> 'x'));
DROP TABLE allowed;
DROP TABLE altered;

-- ---- every way in seals under the column's key ----
CREATE TABLE ways (id serial PRIMARY KEY, way text, v twin.encrypted_text_eq(k1) DEFAULT 'the default');
INSERT INTO ways (way, v) VALUES ('literal', 'a'), ('multi-row', 'b');
INSERT INTO ways (way) VALUES ('default');
PREPARE bound(text, twin.encrypted_text_eq) AS INSERT INTO ways (way, v) VALUES ($1, $2);
EXECUTE bound('parameter', 'p');
SET plan_cache_mode = force_generic_plan;
EXECUTE bound('generic plan', 'g');
RESET plan_cache_mode;
PREPARE typed(text) AS INSERT INTO ways (way, v) VALUES ('text parameter', $1);
EXECUTE typed('t');
COPY ways (way, v) FROM stdin;
copy	from copy
\.
INSERT INTO ways (way, v) SELECT 'select', 'from select ' || i FROM generate_series(1, 2) i;
INSERT INTO ways (way, v) SELECT 'other key', 'o'::twin.encrypted_text_eq(k2);
INSERT INTO ways (id, way, v) VALUES (1, 'x', 'x') ON CONFLICT (id) DO UPDATE SET way = 'on conflict', v = 'upserted';
UPDATE ways SET way = 'update', v = 'updated' WHERE way = 'multi-row';
MERGE INTO ways USING (VALUES ('merge', 'merged')) s (way, v) ON ways.way = s.way
	WHEN NOT MATCHED THEN INSERT (way, v) VALUES (s.way, s.v);
CREATE FUNCTION through(v twin.encrypted_text_eq) RETURNS void LANGUAGE sql AS $$ INSERT INTO cipher.ways (way, v) VALUES ('function', v) $$;
SELECT through('f');
CREATE FUNCTION through_plpgsql(plain text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	row cipher.ways;
BEGIN
	row.id := nextval('cipher.ways_id_seq');
	row.way := 'plpgsql record';
	row.v := plain;
	INSERT INTO cipher.ways SELECT row.*;
END $$;
SELECT through_plpgsql('r');
INSERT INTO ways SELECT * FROM json_populate_record(NULL::ways, '{"id": 100, "way": "json", "v": "j"}');
INSERT INTO ways (way, v) SELECT 'one literal, many rows', 'same' FROM generate_series(1, 3);
SELECT way, v::text FROM ways ORDER BY id;
SELECT * FROM twin.key_census('ways');
-- one literal spread over rows: each sealed anew
SELECT count(DISTINCT twin_internal.encrypted_text_eq_send(v)) AS stored, count(DISTINCT v) AS equal FROM ways WHERE way LIKE 'one literal%';

-- binary COPY carries the stored bytes
SELECT pg_backend_pid() AS pid \gset
\set file '/tmp/twin_cipher_' :pid '.bin'
COPY ways TO :'file' (FORMAT binary);
CREATE TABLE ways_copy (LIKE ways INCLUDING DEFAULTS);
COPY ways_copy FROM :'file' (FORMAT binary);
SELECT count(*) AS rows, bool_and(twin_internal.encrypted_text_eq_send(a.v) = twin_internal.encrypted_text_eq_send(b.v)) AS same_bytes
FROM ways a JOIN ways_copy b USING (id);
\setenv FILE :file
\! rm -f "$FILE"

-- ALTER COLUMN TYPE
CREATE TABLE altered (id integer, v text);
INSERT INTO altered VALUES (1, 'once plain'), (2, NULL);
ALTER TABLE altered ALTER COLUMN v TYPE twin.encrypted_text(k1) USING v::twin.encrypted_text(k1);
SELECT id, v::text FROM altered ORDER BY id;
ALTER TABLE altered ALTER COLUMN v TYPE twin.encrypted_text_eq(k2) USING v::twin.encrypted_text_eq(k2);
SELECT id FROM altered WHERE v = 'once plain';
SELECT * FROM twin.key_census('altered');

-- arrays, domains, composites, partitions
CREATE DOMAIN secret AS twin.encrypted_text_eq(k1) CHECK (VALUE <> 'forbidden');
CREATE TYPE pair AS (a twin.encrypted_text(k1), b integer);
CREATE TABLE shapes (id integer, arr twin.encrypted_bigint_eq(k1)[], dom secret, comp pair) PARTITION BY LIST (id);
CREATE TABLE shapes_1 PARTITION OF shapes FOR VALUES IN (1);
INSERT INTO shapes VALUES (1, '{1,2,NULL}', 'd', ROW('c', 7));
INSERT INTO shapes VALUES (1, ARRAY[3, 4]::bigint[], 'forbidden', NULL);
INSERT INTO shapes VALUES (1, ARRAY[3, 4]::bigint[], 'fine', NULL);
SELECT id, (SELECT array_agg(u::bigint) FROM unnest(arr) u), dom::text, (comp).a::text FROM shapes ORDER BY dom::text;
SELECT * FROM twin.key_census('shapes');

-- ---- values ----
CREATE TABLE vals (id serial, t twin.encrypted_text(k1), b twin.encrypted_bytea(k1), j twin.encrypted_jsonb(k1), n twin.encrypted_numeric(k1),
	i twin.encrypted_bigint(k1), f twin.encrypted_float8(k1), d twin.encrypted_date(k1), ts twin.encrypted_timestamptz(k1),
	bo twin.encrypted_boolean(k1), u twin.encrypted_uuid(k1), a twin.encrypted_inet(k1));
SET timezone = 'UTC';
INSERT INTO vals (t, b, j, n, i, f, d, ts, bo, u, a) VALUES
	('', '', '{}', 0, 0, 0, 'epoch', 'epoch', false, '00000000-0000-0000-0000-000000000000', '0.0.0.0/0'),
	('grüße 漢字 😀', '\x00ff', '{"a": [1, 1.0, null, true, "ü"], "b": {}}', 1.50, 9223372036854775807, '-0', 'infinity', 'infinity', true,
		'ffffffff-ffff-ffff-ffff-ffffffffffff', '::1/128'),
	(NULL, NULL, NULL, 'NaN', -9223372036854775808, 'NaN', '-infinity', '-infinity', NULL, NULL, '2001:db8::/32'),
	(E'tab\tline\n', '\xdeadbeef', '"scalar"', 'Infinity', 1, 'Infinity', '4713-01-01 BC', '294276-12-31 23:59:59.999999+00', true,
		gen_random_uuid(), '192.168.1.5/24'),
	('x', 'x', '[]', '-12345678901234567890123456789.000000000123456789', -1, 1.7976931348623157e308, '5874897-12-31',
		'2000-01-01 00:00:00.000001+00', false, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.0.0.1');
SELECT id, t::text, b::bytea, j::jsonb, n::numeric, i::bigint, f::float8 FROM vals ORDER BY id;
SELECT id, d::date, ts::timestamptz, bo::boolean, u::uuid IS NOT NULL AS u, a::inet FROM vals ORDER BY id;
-- as text, varchar and bpchar, whatever the base type
SELECT n::text, i::varchar, f::text, d::text, bo::text, a::text, j::text, t::varchar(3), t::char(3) FROM vals WHERE id = 2;
SELECT twin.decrypt(n), twin.decrypt(a), twin.decrypt(t) FROM vals WHERE id = 5;
-- from related types, as the base type takes them
INSERT INTO vals (t, n, i, f, ts, a) VALUES ('v'::varchar, 5::smallint, 6::integer, 1.5, '2026-01-02'::date, '10.0.0.0/8'::cidr);
INSERT INTO vals (t, n, f) VALUES ('padded'::char(10), 2.5::float8, 7);
SELECT t::text, n::numeric, i::bigint, f::float8, ts::timestamptz, a::inet FROM vals WHERE id > 5 ORDER BY id;
-- one length for every value of a fixed-width type, and for short numerics
SELECT count(DISTINCT octet_length(twin_internal.encrypted_bigint_send(i))) AS bigint,
	count(DISTINCT octet_length(twin_internal.encrypted_float8_send(f))) AS float8,
	count(DISTINCT octet_length(twin_internal.encrypted_date_send(d))) AS date,
	count(DISTINCT octet_length(twin_internal.encrypted_inet_send(a))) AS inet,
	count(DISTINCT octet_length(twin_internal.encrypted_boolean_send(bo))) AS boolean FROM vals;
SELECT DISTINCT octet_length(twin_internal.encrypted_numeric_send(x::text::numeric::twin.encrypted_numeric(k1)))
FROM unnest(ARRAY['0', '1', '99999999', '0.0001', '-1', 'NaN', 'Infinity', '1234567890123456']) x;
-- large
CREATE TABLE large (v twin.encrypted_text_eq(k1), w twin.encrypted_bytea(k1));
INSERT INTO large SELECT repeat('1 MB of text ...', 65536), convert_to(repeat('x', 1048576), 'UTF8');
SELECT length(v::text), length(w::bytea), v = repeat('1 MB of text ...', 65536) AS found, length(v::text::bytea) FROM large;
SELECT count(*) FROM large a JOIN large b ON a.v = b.v;
CREATE INDEX ON large USING btree (v);
CREATE INDEX ON large USING hash (v);
CREATE UNIQUE INDEX ON large (twin.blind_tag(v));
\set VERBOSITY terse
INSERT INTO large (v) SELECT repeat('1 MB of text ...', 65536);
\set VERBOSITY default
DROP TABLE large;
CREATE TABLE huge (v twin.encrypted_text(k1));
INSERT INTO huge SELECT repeat('0123456789', 10485760);
SELECT length(v::text), md5(v::text) = md5(repeat('0123456789', 10485760)) AS same FROM huge;
DROP TABLE huge;

-- ---- input ----
SELECT 'abc'::twin.encrypted_bigint;
SELECT 'abc'::twin.encrypted_date_eq;
SELECT '{"a":'::twin.encrypted_jsonb;
SELECT 'tsec1:'::twin.encrypted_text;
SELECT 'tsec1:looks like armor'::twin.encrypted_text;
INSERT INTO vals (t) VALUES ('tsec1:looks like armor'::text);
SELECT v AS armor FROM ways WHERE way = 'parameter' \gset
SELECT (:'armor'::twin.encrypted_text_eq)::text;
\set VERBOSITY terse
SELECT :'armor'::twin.encrypted_text;
\set VERBOSITY default
SELECT left(:'armor', 30)::twin.encrypted_text_eq;
SELECT (:'armor' || '=')::twin.encrypted_text_eq;
SELECT (:'armor' || ' ')::twin.encrypted_text_eq;
SELECT :'armor'::text::twin.encrypted_text_eq::text AS text_of_armor;
SELECT 'tsec1:AwAAAAAA'::twin.encrypted_text;
SELECT 'tsec1:AQMAAAAAJrJHpeMYMvrl9CfbhcOOnw'::twin.encrypted_text_eq;
-- COPY of a bad value shows it nowhere
COPY vals (i) FROM stdin;
a canary that must not be shown
\.

-- ---- equality ----
CREATE TABLE people (id integer PRIMARY KEY, email twin.encrypted_text_eq(k1) UNIQUE, n twin.encrypted_numeric_eq(k1), b twin.encrypted_bigint_eq(k1),
	f twin.encrypted_float8_eq(k1), j twin.encrypted_jsonb_eq(k1), d twin.encrypted_date_eq(k1), u twin.encrypted_uuid_eq(k1),
	a twin.encrypted_inet_eq(k1), by twin.encrypted_bytea_eq(k1), ts twin.encrypted_timestamptz_eq(k1), bo twin.encrypted_boolean_eq(k1));
INSERT INTO people VALUES
	(1, 'ann@x', 1.0, 5, 0, '{"a": 1, "b": [1.50]}', '2026-01-01', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.0.0.1', '\x01', '2026-01-01 00:00+00', true),
	(2, 'bob@x', 2.50, 6, 'NaN', '[1, 2]', '2026-01-02', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.0.0.0/8', '\x02', '2026-01-02 00:00+00', false),
	(3, NULL, 'NaN', 7, '-0', '"1"', 'infinity', NULL, '::1', '', 'infinity', NULL);
CREATE TABLE orders (id integer PRIMARY KEY, email twin.encrypted_text_eq(k2));
INSERT INTO orders VALUES (10, 'ann@x'), (11, 'ann@x'), (12, 'bob@x'), (13, 'nobody@x');
SELECT id FROM people WHERE email = 'ann@x';
SELECT id FROM people WHERE email = 'ann@x'::text;
SELECT id FROM people WHERE 'ann@x'::varchar = email;
SELECT id FROM people WHERE email <> 'ann@x';
SELECT id FROM people WHERE email <> 'ann@x'::text;
SELECT id FROM people WHERE email IN ('ann@x', 'bob@x') ORDER BY id;
SELECT id FROM people WHERE email = ANY (ARRAY['ann@x', 'bob@x']) ORDER BY id;
SELECT id FROM people WHERE email NOT IN ('ann@x'::text, 'x'::text) ORDER BY id;
SELECT id FROM people WHERE email = 'ANN@X';
SELECT id FROM people WHERE email IS NOT DISTINCT FROM 'bob@x';
SELECT id FROM people WHERE b = 5 OR b IN (6, 8) ORDER BY id;
-- equal by the base type's own equality
SELECT id FROM people WHERE n = 1 AND n = 1.000 AND n = '1.00';
SELECT id FROM people WHERE n = 'NaN'::numeric;
SELECT id FROM people WHERE f = 0 ORDER BY id;
SELECT id FROM people WHERE f = 'NaN'::float8;
SELECT id FROM people WHERE j = '{"b": [1.5], "a": 1.0}'::jsonb;
SELECT id FROM people WHERE j = '1'::jsonb OR j = '["1"]'::jsonb;
SELECT id FROM people WHERE j = '"1"';
SELECT id FROM people WHERE d = DATE '2026-01-02' OR d = 'infinity' ORDER BY id;
SELECT id FROM people WHERE u = 'A0EEBC999C0B4EF8BB6D6BB9BD380A11'::uuid;
SELECT id FROM people WHERE a = '10.0.0.0/8'::cidr OR a = '10.0.0.1/32' ORDER BY id;
SELECT id FROM people WHERE by = '' OR by = '\x02'::bytea ORDER BY id;
SELECT id FROM people WHERE ts = '2026-01-01 01:00+01' AND bo = true;
-- between columns under different keys
SELECT p.id, o.id FROM people p JOIN orders o ON p.email = o.email ORDER BY 2;
SELECT count(*), count(DISTINCT email) FROM orders;
SELECT count(*) FROM orders GROUP BY email ORDER BY 1;
-- UNIQUE, ON CONFLICT, foreign key; the messages show armor
\set VERBOSITY terse
INSERT INTO people (id, email) VALUES (4, 'ann@x');
\set VERBOSITY default
INSERT INTO people (id, email) VALUES (4, 'ann@x') ON CONFLICT (email) DO NOTHING;
INSERT INTO people (id, email) VALUES (4, 'ann@x') ON CONFLICT (email) DO UPDATE SET id = 40;
SELECT id FROM people WHERE email = 'ann@x';
CREATE TABLE keyed (email twin.encrypted_text_eq(k1) PRIMARY KEY);
CREATE TABLE referring (email twin.encrypted_text_eq(k2) REFERENCES keyed ON DELETE CASCADE);
INSERT INTO keyed VALUES ('a'), ('b');
INSERT INTO referring VALUES ('a'), ('b');
\set VERBOSITY terse
INSERT INTO referring VALUES ('c');
\set VERBOSITY default
DELETE FROM keyed WHERE email = 'a';
SELECT email::text FROM referring;
-- storage only: no equality at all
SELECT * FROM vals WHERE t = 'x';
SELECT * FROM vals WHERE t = t;
SELECT count(*) FROM vals WHERE t IN ('x');
CREATE INDEX ON vals (t);
CREATE INDEX ON vals ((t::text));
CREATE TABLE refused (t twin.encrypted_text(k1), g text GENERATED ALWAYS AS (t::text) STORED);
-- what sorts builds no index, under no name
CREATE INDEX ON people (email twin.encrypted_text_eq_order_ops);
CREATE UNIQUE INDEX CONCURRENTLY never_made ON vals (t);
SELECT to_regclass('never_made');
ALTER TABLE vals ADD UNIQUE (t);
CREATE TABLE refused (t twin.encrypted_text(k1)) PARTITION BY RANGE (t);
CREATE TABLE refused (t twin.encrypted_text_eq(k1)) PARTITION BY RANGE (t twin.encrypted_text_eq_order_ops);
CREATE TABLE listed (t twin.encrypted_text(k1)[], e twin.encrypted_text_eq(k1)[]);
CREATE INDEX ON listed (t);
CREATE INDEX ON listed (e);
CREATE INDEX ON listed USING gin (t);
SELECT least(email, 'x') FROM people;
CREATE STATISTICS kept_values (mcv) ON id, email FROM people;

-- ---- plans ----
CREATE TABLE planned (id integer, email twin.encrypted_text_eq(k1), tenant integer);
INSERT INTO planned SELECT i, 'user' || i || '@x', i % 2 FROM generate_series(1, 2000) i;
CREATE INDEX planned_email ON planned (email);
CREATE INDEX planned_hash ON planned USING hash (email);
ANALYZE planned;
SET enable_bitmapscan = off;
CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		RETURN NEXT regexp_replace(line, 'tsec1:[A-Za-z0-9_-]+', 'ARMOR', 'g');
	END LOOP;
END $$;
DROP INDEX planned_hash;
SELECT plan_of($$SELECT id FROM planned WHERE email = 'user7@x'$$);
SELECT plan_of($$SELECT id FROM planned WHERE email = 'user7@x'::text$$);
SELECT plan_of($$SELECT id FROM planned WHERE email IN ('user7@x', 'user8@x')$$);
PREPARE by_text(text) AS SELECT id FROM planned WHERE email = $1;
SET plan_cache_mode = force_generic_plan;
SELECT plan_of($$EXECUTE by_text('user7@x')$$);
EXECUTE by_text('user7@x');
EXECUTE by_text('user8@x');
RESET plan_cache_mode;
CREATE INDEX planned_hash ON planned USING hash (email);
DROP INDEX planned_email;
SELECT plan_of($$SELECT id FROM planned WHERE email = 'user7@x'::text$$);
SELECT id FROM planned WHERE email = 'user7@x';
CREATE INDEX planned_email ON planned (email);
DROP INDEX planned_hash;
-- the same plan under row security, as somebody else
CREATE POLICY tenants ON planned USING (tenant = 1);
ALTER TABLE planned ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON planned, people, orders, vals, ways TO cipher_reader;
GRANT SELECT, INSERT, UPDATE ON ways, vals TO cipher_writer;
GRANT USAGE ON SEQUENCE ways_id_seq, vals_id_seq TO cipher_writer;
\c - cipher_reader
SET search_path = cipher;
SET enable_bitmapscan = off;
SELECT plan_of($$SELECT id FROM planned WHERE email = 'user7@x'$$);
SELECT plan_of($$SELECT id FROM planned WHERE email = 'user7@x'::text$$);
SELECT id, email::text FROM planned WHERE email IN ('user7@x', 'user8@x');
-- where the plain side stays an expression
SET plan_cache_mode = force_generic_plan;
PREPARE by_text(text) AS SELECT id FROM planned WHERE email = $1;
EXECUTE by_text('user7@x');
SELECT plan_of($$EXECUTE by_text('user7@x')$$);
RESET plan_cache_mode;
SELECT id, e FROM planned JOIN (VALUES ('user7@x'), ('user9@x'), ('nobody')) v (e) ON email = e ORDER BY id;
SELECT id FROM planned WHERE email = 'user' || length('seven!!') || '@x';
SELECT id FROM planned WHERE email = ANY (ARRAY['user7@x', 'user9@x']::text[]) ORDER BY id;
\c - :superuser
SET search_path = cipher;
-- merge and hash joins, hash aggregates, parallel plans
SET enable_nestloop = off;
SET enable_hashjoin = off;
SELECT count(*) FROM planned a JOIN planned b USING (email);
RESET enable_hashjoin;
SET enable_mergejoin = off;
SELECT count(*) FROM planned a JOIN planned b USING (email);
RESET enable_mergejoin;
RESET enable_nestloop;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT plan_of('SELECT sum(length(email::text)) FROM planned');
SELECT sum(length(email::text)) FROM planned;
SELECT count(*) FROM planned WHERE email <> 'user7@x'::text;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
-- statistics without values
SELECT attname, null_frac, avg_width > 50 AS wide, n_distinct, most_common_vals IS NULL AS no_values, histogram_bounds IS NULL AS no_bounds, correlation
FROM pg_stats WHERE tablename = 'planned' AND attname = 'email';
INSERT INTO orders SELECT 1000 + i, 'customer' || i % 20 FROM generate_series(1, 1000) i;
ANALYZE orders;
SELECT n_distinct FROM pg_stats WHERE tablename = 'orders' AND attname = 'email';

ANALYZE shapes_1;
SELECT attname, most_common_elems IS NULL AS no_elements, most_common_vals IS NULL AS no_values
FROM pg_stats WHERE tablename = 'shapes_1' AND attname IN ('arr', 'dom') ORDER BY 1;

-- ---- who may read ----
\c - cipher_writer
SET search_path = cipher;
INSERT INTO ways (way, v) VALUES ('by the writer', 'w');
SELECT v IS NOT NULL FROM ways WHERE way = 'by the writer';
SELECT v::text FROM ways;
SELECT v::varchar(5) FROM ways;
SELECT twin.decrypt(v) FROM ways;
SELECT i::bigint FROM vals;
SELECT i::text FROM vals;
-- no way round: by a key of one's own, by literals, by the other type, by COPY
SELECT v::twin.encrypted_text_eq(k2)::text FROM ways;
SELECT v::twin.encrypted_text FROM ways;
CREATE TEMP TABLE own (v twin.encrypted_text_eq(k2), w twin.encrypted_text(k2));
INSERT INTO own (v) SELECT v FROM ways;
SELECT v AS stolen FROM ways WHERE way = 'by the writer' \gset
INSERT INTO own (v) VALUES (:'stolen');
\set VERBOSITY terse
INSERT INTO own (w) VALUES (:'stolen');
\set VERBOSITY default
SELECT format('{%s}', :'stolen')::twin.encrypted_text_eq[]::text[] IS NULL;
UPDATE ways SET v = 'changed without reading' WHERE way = 'by the writer';
\c - cipher_reader
SET search_path = cipher;
SELECT v::text FROM ways WHERE way = 'by the writer';
INSERT INTO ways (way, v) VALUES ('reader', 'r');
\c - :superuser
SET search_path = cipher;
SELECT twin.revoke_key('k1', :'superuser', 'decrypt');
SELECT v::text FROM ways;
SELECT v::varchar(5) FROM ways;
SELECT twin.decrypt(v) FROM ways;
SELECT v::twin.encrypted_text_eq(k2) FROM ways;
SELECT count(*) FROM ways WHERE v = 'updated';
SELECT twin.grant_key('k1', :'superuser', 'decrypt');

-- another type without a modifier keeps the key: the literal key would open the value to everybody
SELECT twin_internal.armor_key_id(format('%s', v::twin.encrypted_text)) = (SELECT key_id FROM twin.keys WHERE key_name = 'k1' AND state = 'primary') AS kept
FROM ways WHERE way = 'update';
-- text that is armor is no value: an application's parameter must not open what a client copied
SELECT v AS copied FROM ways WHERE way = 'update' \gset
PREPARE smuggle(text) AS INSERT INTO ways (way, v) VALUES ('smuggled', $1);
EXECUTE smuggle(:'copied');
-- a conversion that fails shows no value
INSERT INTO vals (f) VALUES (1234567890123e400::numeric);
-- a function that says it is parallel safe and seals is stopped in the worker
CREATE FUNCTION seals_in_parallel() RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS $$
DECLARE
	v twin.encrypted_text(k1);
BEGIN
	v := 'x';
	RETURN v::text;
END $$;
SELECT count(set_config(name, 'on', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT seals_in_parallel();
SELECT count(set_config(name, 'off', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');

-- ---- moved and altered values ----
CREATE TABLE moved (id integer, a twin.encrypted_text(k1), b twin.encrypted_text(k2), c twin.encrypted_bytea(k1), e twin.encrypted_text_eq(k1));
INSERT INTO moved VALUES (1, 'a of k1', 'b of k2', 'c', 'e');
-- as a superuser would with the catalog: the column under k2 now declares k1
UPDATE pg_attribute SET atttypmod = twin_internal.key_modifier('k1') WHERE attrelid = 'moved'::regclass AND attname = 'b';
SELECT b::text FROM moved;
SELECT integrity_failures FROM twin.stat_keyring WHERE key_name = 'k2';
UPDATE pg_attribute SET atttypmod = twin_internal.key_modifier('k2') WHERE attrelid = 'moved'::regclass AND attname = 'b';
SELECT b::text FROM moved;
UPDATE pg_attribute SET atttypid = 'twin.encrypted_bytea'::regtype WHERE attrelid = 'moved'::regclass AND attname = 'a';
SELECT a::bytea FROM moved;
UPDATE pg_attribute SET atttypid = 'twin.encrypted_text_eq'::regtype WHERE attrelid = 'moved'::regclass AND attname = 'a';
SELECT a::text FROM moved;
SELECT integrity_failures FROM twin.stat_keyring WHERE key_name = 'k1';
UPDATE pg_attribute SET atttypid = 'twin.encrypted_text'::regtype WHERE attrelid = 'moved'::regclass AND attname = 'a';
SELECT a::text FROM moved;

-- ---- census, retirement, constants ----
SELECT twin.rotate_key('k2') - twin.rotate_key('k2') AS same_version;
CREATE TABLE counted (id integer, v twin.encrypted_text(k2) DEFAULT 'd', e twin.encrypted_text_eq(k2) CHECK (e <> 'no'));
INSERT INTO counted VALUES (1, 'new', 'new');
SELECT * FROM twin.key_census('counted');
SELECT * FROM twin.key_census('moved');
SELECT twin.retire_key('k2', 1);
SELECT b AS of_version_1 FROM moved \gset
DROP TABLE moved, ways_copy, referring;
DELETE FROM altered;
DELETE FROM orders;
SELECT twin.retire_key('k2', 1);
SELECT state FROM twin.keys WHERE key_name = 'k2' AND version = 1;
-- what was kept outside does not come back: it could not be opened
\set VERBOSITY terse
INSERT INTO counted (id, v) VALUES (9, :'of_version_1');
\set VERBOSITY default
SELECT twin.rotate_key('k2') - twin.rotate_key('k2') AS same_version;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT twin.retire_key('k2', 2);
ROLLBACK;
SELECT v::text FROM counted;
-- a literal that stands in the catalog keeps its version of the literal key in use
SELECT twin.rotate_key('literal') - twin.rotate_key('literal') AS same_version;
SELECT twin.retire_key('literal', 1);

-- ---- dropping the key: what is left of the values ----
SELECT twin.destroy_key('k2');
SELECT v::text FROM counted;
SELECT count(*) FROM counted WHERE e = 'new';
INSERT INTO counted VALUES (2, 'x', 'x');

\c - :superuser
-- a column that was dropped has type 0, and whether it is looked at the planner decides
SELECT twin_internal.base_of_domain(0), twin_internal.holds_type(0, 'text'::regtype);
SET client_min_messages = warning;
DROP SCHEMA cipher CASCADE;
DROP ROLE cipher_reader, cipher_writer;

-- mask.sql: what a role sees that may only mask, masks of columns' own, and what such a role may try.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

-- the tester is a member of these, so that acting as them counts; none inherits another's grants
CREATE ROLE mask_clerk NOINHERIT; CREATE ROLE mask_reader NOINHERIT; CREATE ROLE mask_nobody NOINHERIT; CREATE ROLE mask_owner NOINHERIT;
CREATE ROLE mask_boss;
GRANT twin_admin TO mask_boss;
GRANT mask_clerk, mask_reader, mask_nobody, mask_owner, mask_boss TO CURRENT_USER;
SELECT twin.create_key('mask.a'), twin.create_key('mask.b');
SELECT lives_ok(format('SELECT twin.grant_key(%L, %L, %L)', key, role, privilege), format('%s may %s with %s', role, privilege, key))
	FROM (VALUES ('mask_clerk', 'mask'), ('mask_owner', 'mask'), ('mask_reader', 'decrypt')) r (role, privilege),
		unnest(ARRAY['main', 'mask.a', 'mask.b']) key;
CREATE SCHEMA mask_test;
GRANT USAGE, CREATE ON SCHEMA mask_test TO PUBLIC;
SET search_path = mask_test, public;

-- ---- every type, every way of masking it; $1 type, $2 value, $3 pattern, $4 mask, $5 reveal ----

CREATE TABLE samples (n serial, type text, value text, pattern text, mask text, reveal text);
INSERT INTO samples (type, value, pattern, mask, reveal) VALUES
	('text', 'john@example.com', NULL, 'j***@example.com', 'j***@example.com'),
	('text', '4111 1111 1111 1111', NULL, '**** **** **** 1111', '**** **** **** 1111'),
	('text', '+49 170 1234567', NULL, '+49 *** 67', '+49 *** 67'),
	('text', '203.0.113.77', NULL, '203.0.113.***', '203.0.113.***'),
	('text', 'John Doe', NULL, '***', '***'),
	('text', '', NULL, '***', '***'),
	('text', repeat('x', 100000), NULL, '***', '***'),
	('text', 'übermut@example.com', 'email', 'ü***@example.com', 'ü***@example.com'),
	('text', 'j@example.com', 'email', '***', '***'),
	('text', '4111-1111-1111-1112', 'card', '****-****-****-1112', '****-****-****-1112'),
	('text', '4111', 'card', '***', '***'),
	('text', '030 1234567', 'phone', '*** 67', '*** 67'),
	('text', 'Özil Müller', 'name', 'Ö. M.', 'Ö. M.'),
	('text', '2001:db8:1::5', 'ip', '2001:db8:1:***', '2001:db8:1:***'),
	('text', '43210', 'number(5000)', '40000-44999', '40000-44999'),
	('text', '1985-05-17', 'date(month)', '1985-05', '1985-05'),
	('text', '漢字漢字漢字漢字漢字漢字', 'partial(2,4)', '漢字***漢字漢字', '漢字***漢字漢字'),
	('text', '123', 'partial(2,4)', '***', '***'),
	('text', 'john@example.com', 'full', '***', '***'),
	('bigint', '43210', NULL, '40000-49999', '40000'),
	('bigint', '7', NULL, '0-9', '0'),
	('bigint', '-43210', 'number', '-49999--40000', '-49999'),
	('bigint', '43210', 'number(5000)', '40000-44999', '40000'),
	('bigint', '9223372036854775807', NULL, '9000000000000000000-9999999999999999999', '9000000000000000000'),
	('bigint', '-9223372036854775808', NULL, '-9999999999999999999--9000000000000000000', '-9223372036854775808'),
	('bigint', '43210', 'full', '***', NULL),
	('numeric', '43210.55', NULL, '40000-49999', '40000'),
	('numeric', '0.000', NULL, '0-9', '0'),
	('numeric', '-0.001', NULL, '-9-0', '-9'),
	('numeric', '100000000', NULL, '100000000-199999999', '100000000'),
	('numeric', '12345678901234567890123456789.5', 'number(5000)', '12345678901234567890123455000-12345678901234567890123459999', '12345678901234567890123455000'),
	('numeric', 'NaN', NULL, '***', NULL),
	('numeric', 'Infinity', NULL, '***', NULL),
	('numeric', '1e1000', NULL, '***', NULL),
	('numeric', '1e-1000', NULL, '0-9', '0'),
	('numeric', '1', 'full', '***', NULL),
	('float8', '21.75', NULL, '20-29', '20'),
	('float8', '-0.25', NULL, '-9-0', '-9'),
	('float8', '123456', 'number(1000)', '123000-123999', '123000'),
	('float8', 'NaN', NULL, '***', NULL),
	('float8', '-Infinity', NULL, '***', NULL),
	('float8', '1e300', NULL, '***', NULL),
	('float8', '5e-324', NULL, '0-9', '0'),
	('date', '1985-05-17', NULL, '1985', '1985-01-01'),
	('date', '1985-05-17', 'date(month)', '1985-05', '1985-05-01'),
	('date', '1985-05-17', 'full', '***', NULL),
	('date', 'infinity', NULL, '***', NULL),
	('date', '0044-03-15 BC', NULL, '***', NULL),
	('date', '5874897-12-31', NULL, '5874897', '5874897-01-01'),
	('timestamptz', '1985-05-17 10:00:00+00', NULL, '1985', '1985-01-01 00:00:00+00'),
	('timestamptz', '1985-05-17 10:00:00+00', 'date(month)', '1985-05', '1985-05-01 00:00:00+00'),
	('timestamptz', '1999-12-31 23:59:59.999999+00', NULL, '1999', '1999-01-01 00:00:00+00'),
	('timestamptz', '294276-12-31 23:59:59+00', NULL, '294276', '294276-01-01 00:00:00+00'),
	('timestamptz', '-infinity', NULL, '***', NULL),
	('boolean', 'true', NULL, '***', NULL),
	('boolean', 'false', NULL, '***', NULL),
	('uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', NULL, '***', '00000000-0000-0000-0000-000000000000'),
	('inet', '192.168.1.5', NULL, '192.168.1.***', '192.168.1.0/24'),
	('inet', '10.1.2.3/8', 'ip', '10.1.2.***', '10.1.2.0/24'),
	('inet', '2001:db8:1:2::5', NULL, '2001:db8:1:***', '2001:db8:1::/48'),
	('inet', '192.168.1.5', 'full', '***', NULL),
	('jsonb', '{"a": [1, null, {"b": "secret"}], "c": true}', NULL, '{"a": ["***", null, {"b": "***"}], "c": "***"}', '{"a": ["***", null, {"b": "***"}], "c": "***"}'),
	('jsonb', '"secret"', NULL, '"***"', '"***"'),
	('jsonb', '{"a\"\\": "b\":c"}', NULL, '{"a\"\\": "***"}', '{"a\"\\": "***"}'),
	('jsonb', '{"a": 1}', 'full', '***', '"***"'),
	('bytea', '\xdeadbeef', NULL, '***', '\x');
GRANT SELECT ON samples TO PUBLIC;
SET TimeZone = 'UTC';

-- Stores a sample in a column with its pattern and says what a role gets of it: reveal, mask, and what its type is.
CREATE FUNCTION seen(s samples, suffix text, role text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	answer text[];
BEGIN
	EXECUTE format('CREATE TABLE one (v twin.encrypted_%s%s("mask.b"))', s.type, suffix);
	EXECUTE format('INSERT INTO one VALUES (%L::%s)', s.value, s.type);
	IF s.pattern IS NOT NULL THEN
		PERFORM twin.set_mask('one', 'v', s.pattern);
	END IF;
	GRANT SELECT ON one TO PUBLIC;
	EXECUTE format('SET LOCAL ROLE %I', role);
	EXECUTE 'SELECT ARRAY[twin.mask(v), twin.reveal(v)::text, pg_typeof(twin.reveal(v))::text] FROM one' INTO answer;
	RESET ROLE;
	DROP TABLE one;
	RETURN answer;
END
$$;
SELECT is(seen(s, suffix, 'mask_clerk'), ARRAY[s.mask, s.reveal, s.type::regtype::text],
	format('%s%s %s: %s', s.type, suffix, coalesce(s.pattern, 'without a pattern'), left(s.value, 40)))
	FROM samples s, unnest(ARRAY['', '_eq']) suffix ORDER BY n;
CREATE FUNCTION plain(s samples) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text; BEGIN EXECUTE format('SELECT %L::%s::text', s.value, s.type) INTO answer; RETURN answer; END $$;
SELECT is(seen(s, '', 'mask_reader'), ARRAY[s.mask, plain(s), s.type::regtype::text], format('who may decrypt: %s %s', s.type, left(s.value, 40)))
	FROM samples s ORDER BY n;

SELECT is((SELECT count(*) FROM pg_proc WHERE pronamespace = 'twin'::regnamespace AND proname = f AND provolatile = 's' AND proisstrict
	AND proparallel = 's' AND NOT proleakproof), 22::bigint, f || ' is there for 22 types, stable, strict, parallel safe, not leakproof') FROM unnest(ARRAY['mask', 'reveal']) f;
SELECT is(pg_get_function_arguments('twin.set_mask'::regproc) || ' ' || pg_get_function_result('twin.set_mask'::regproc),
	'rel regclass, column_name name, pattern text void', 'set_mask');

-- ---- who may ----

CREATE TABLE people (id int, email twin.encrypted_text_eq("mask.a"), card twin.encrypted_text("mask.a"), salary twin.encrypted_bigint("mask.a"),
	free twin.encrypted_text(main), seen twin.encrypted_timestamptz(main));
INSERT INTO people VALUES (1, 'john@example.com', '4111-1111-1111-1111', 43210, 'jane@example.com', '2024-01-01 00:30+00'),
	(2, 'mary@example.org', '5500-0000-0000-0004', 61000, 'john@example.com', NULL);
GRANT SELECT ON people TO PUBLIC;
SET ROLE mask_nobody;
SELECT throws_ok('SELECT twin.mask(email) FROM people', '42501', 'permission denied to mask with key "mask.a"', 'mask needs a grant');
SELECT throws_ok('SELECT twin.reveal(email) FROM people', '42501', 'permission denied to mask with key "mask.a"', 'reveal needs one too');
SELECT is(twin.mask('john@example.com'::twin.encrypted_text), 'j***@example.com', 'a literal is everybody''s to mask');
SELECT is(twin.reveal('john@example.com'::twin.encrypted_text), 'john@example.com', 'and to reveal, as to decrypt');
SET ROLE mask_clerk;
SELECT throws_ok('SELECT twin.decrypt(email) FROM people', '42501', NULL, 'mask is not decrypt');
SELECT throws_ok('SELECT email::text FROM people', '42501', NULL, 'nor is it a cast');
SELECT is(twin.mask(NULL::twin.encrypted_text), NULL, 'null has no mask');
RESET ROLE;

-- ---- the counter ----

SELECT opens AS before FROM twin.stat_keyring WHERE key_name = 'mask.a' \gset
SET ROLE mask_clerk;
SELECT count(twin.mask(email)), count(twin.reveal(card)) FROM people;
RESET ROLE;
SELECT is((SELECT opens FROM twin.stat_keyring WHERE key_name = 'mask.a'), (:before + 4)::bigint, 'opening for a mask counts as an opening');

-- ---- masks of columns' own ----

SET ROLE mask_boss;
SELECT lives_ok($$SELECT twin.set_mask('people', 'card', 'partial(2,4)')$$, 'a member of twin_admin sets a mask on anybody''s table');
RESET ROLE;
SELECT is(label, 'mask=partial(2,4)', 'it is a security label') FROM pg_seclabels WHERE objname LIKE '%people.card' AND provider = 'twin_security';
SET ROLE mask_clerk;
SELECT is(twin.mask(card), '41***1111', 'and in force') FROM people WHERE id = 1;
SELECT is(twin.reveal(card), '41***1111', 'for reveal too') FROM people WHERE id = 1;
SELECT throws_ok($$SELECT twin.set_mask('people', 'card', NULL)$$, '42501', 'permission denied for function set_mask', 'others do not set masks');
RESET ROLE;
ALTER TABLE people RENAME COLUMN card TO pan;
ALTER TABLE people RENAME TO persons;
SET ROLE mask_clerk;
SELECT is(twin.mask(pan), '41***1111', 'a mask survives renames') FROM persons WHERE id = 1;
RESET ROLE;
ALTER TABLE persons RENAME TO people;
ALTER TABLE people RENAME COLUMN pan TO card;
SELECT lives_ok($$SECURITY LABEL FOR twin_security ON COLUMN people.card IS 'mask=card'$$, 'the label itself may be set');
SET ROLE mask_clerk;
SELECT is(twin.mask(card), '****-****-****-1111', 'and counts') FROM people WHERE id = 1;
RESET ROLE;

SET ROLE mask_owner;
CREATE TABLE owned (v twin.encrypted_text("mask.a"), w twin.encrypted_text("mask.a"));
SELECT throws_ok($$SECURITY LABEL FOR twin_security ON COLUMN owned.v IS 'mask=partial(16,16)'$$, '42501', 'permission denied to set a column''s mask',
	'a table''s owner chooses no mask');
SELECT throws_ok($$SECURITY LABEL FOR twin_security ON COLUMN owned.v IS NULL$$, '42501', NULL, 'and removes none');
RESET ROLE;

CREATE DOMAIN address AS twin.encrypted_text_eq("mask.b");
CREATE TABLE things (plain text, address address, list twin.encrypted_text(main)[], n twin.encrypted_bigint("mask.b"), d twin.encrypted_date(main), b twin.encrypted_boolean(main));
CREATE VIEW things_view AS SELECT address FROM things;
SELECT throws_ok(format('SELECT twin.set_mask(%L, %L, %L)', rel, col, pattern), state, message, format('%s.%s takes no mask %L', rel, col, pattern))
	FROM (VALUES ('things', 'plain', 'full', '42809', 'only columns of encrypted types in tables have masks'),
		('things', 'list', 'full', '42809', 'only columns of encrypted types in tables have masks'),
		('things_view', 'address', 'full', '42809', 'only columns of encrypted types in tables have masks'),
		('things', 'nothing', 'full', '42703', 'column "nothing" of relation "mask_test.things" does not exist'),
		('things', 'tableoid', 'full', '42703', 'column "tableoid" of relation "mask_test.things" does not exist'),
		('things', NULL, 'full', '22004', 'a mask is set on a column of a table'),
		(NULL, 'address', 'full', '22004', 'a mask is set on a column of a table'),
		('things', 'address', 'hash', '22023', 'invalid mask "hash"'),
		('things', 'address', '', '22023', 'invalid mask ""'),
		('things', 'address', 'partial(2)', '22023', 'invalid mask "partial(2)"'),
		('things', 'address', 'partial(100,100)', '22023', 'invalid mask "partial(100,100)"'),
		('things', 'n', 'email', '22023', 'invalid mask "email"'),
		('things', 'n', 'number(1)', '22023', 'invalid mask "number(1)"'),
		('things', 'n', 'number(0)', '22023', 'invalid mask "number(0)"'),
		('things', 'd', 'number', '22023', 'invalid mask "number"'),
		('things', 'd', 'date(day)', '22023', 'invalid mask "date(day)"'),
		('things', 'b', 'partial(1,1)', '22023', 'invalid mask "partial(1,1)"')) v (rel, col, pattern, state, message);
SELECT throws_ok($$SECURITY LABEL FOR twin_security ON TABLE things IS 'mask=full'$$, '42809', NULL, 'a table has no mask');
SELECT throws_ok($$SECURITY LABEL FOR twin_security ON ROLE mask_clerk IS 'mask=full'$$, '42809', NULL, 'nor has a role');
SELECT throws_ok($$SECURITY LABEL FOR twin_security ON COLUMN things.address IS 'full'$$, '22023', 'invalid mask "full"', 'other labels are refused');
SELECT lives_ok(format('SELECT twin.set_mask(%L, %L, %L)', 'things', col, pattern), col || ' takes ' || pattern)
	FROM (VALUES ('address', 'email'), ('n', 'number(5000)'), ('d', 'date(month)'), ('b', 'full')) v (col, pattern);
INSERT INTO things (address) VALUES ('john@example.com');
GRANT SELECT ON things, things_view TO PUBLIC;
SET ROLE mask_clerk;
SELECT is(twin.mask(address), 'j***@example.com', 'a column of a domain has its mask') FROM things;
RESET ROLE;
SELECT count(*) AS labels FROM pg_seclabel WHERE objoid = 'things'::regclass \gset
ALTER TABLE things DROP COLUMN address CASCADE;
SELECT is((SELECT count(*) FROM pg_seclabel WHERE objoid = 'things'::regclass), (:labels - 1)::bigint, 'a mask goes with its column');
SELECT twin.set_mask('things', 'n', NULL), twin.set_mask('things', 'd', NULL), twin.set_mask('things', 'b', NULL);
SELECT is_empty($$SELECT FROM pg_seclabel WHERE objoid = 'things'::regclass$$, 'null takes a mask away');

-- ---- which column a value is of ----

SELECT twin.set_mask('people', 'email', 'full'), twin.set_mask('people', 'card', 'card'), twin.set_mask('people', 'salary', 'number(50000)');
CREATE VIEW straight AS SELECT id, email AS e, twin.reveal(card) AS card, twin.mask(salary) AS salary FROM people;
CREATE VIEW barrier WITH (security_barrier) AS SELECT id, email AS e, card FROM people WHERE id > 0;
CREATE VIEW both_sides AS SELECT card FROM people UNION ALL SELECT free::twin.encrypted_text(main) FROM people;
CREATE FUNCTION masked_in_plpgsql(v twin.encrypted_text_eq) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN twin.mask(v); END $$;
CREATE FUNCTION masked_in_sql(v twin.encrypted_text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT twin.mask(v) $$;
GRANT SELECT ON straight, barrier, both_sides TO PUBLIC;
SET ROLE mask_clerk;
SELECT is(twin.mask(email) || ' ' || twin.mask(card) || ' ' || twin.mask(salary), '*** ****-****-****-1111 0-49999', 'columns') FROM people WHERE id = 1;
SELECT is(twin.mask(e) || ' ' || card || ' ' || salary, '*** ****-****-****-1111 0-49999', 'of a view') FROM straight WHERE id = 1;
SELECT is(twin.mask(e) || ' ' || twin.mask(card), '*** ****-****-****-1111', 'of a security barrier view') FROM barrier WHERE id = 1;
SELECT is(twin.mask(c), '****-****-****-1111', 'of a subquery that is pulled up') FROM (SELECT card AS c, id FROM people) s WHERE id = 1;
SELECT is(twin.mask(c), '****-****-****-1111', 'of a subquery that is not') FROM (SELECT card AS c, id FROM people OFFSET 0) s WHERE id = 1;
WITH s AS (SELECT card AS c, id FROM people) SELECT is(twin.mask(c), '****-****-****-1111', 'of a common table expression') FROM s WHERE id = 1;
WITH s AS MATERIALIZED (SELECT card AS c, id FROM people) SELECT is(twin.mask(c), '****-****-****-1111', 'of a materialized one') FROM s WHERE id = 1;
SELECT is(twin.mask(a.card), '****-****-****-1111', 'of a join') FROM people a LEFT JOIN people b USING (id) WHERE id = 1;
SELECT is(twin.mask(j.card), '****-****-****-1111', 'of a named join') FROM (people a JOIN (SELECT 1 AS id) b USING (id)) AS j;
SELECT is(m, '****-****-****-1111', 'of a lateral subquery') FROM people, LATERAL (SELECT twin.mask(people.card) AS m) s WHERE id = 1;
SELECT is(max(twin.mask(card)), '****-****-****-1111', 'in an aggregate') FROM people WHERE id = 1;
SELECT is(twin.mask(email), '***', 'of a grouped column') FROM people WHERE id = 1 GROUP BY email;
SELECT is(masked_in_sql(card), '****-****-****-1111', 'through a function the planner inlines') FROM people WHERE id = 1;

-- where it is not known, a value under a key with masked columns is masked fully
SELECT is((SELECT twin.mask(p.card)), '***', 'not found: in a correlated subquery') FROM people p WHERE id = 1;
SELECT is(twin.mask(coalesce(card, card)), '***', 'an expression') FROM people WHERE id = 1;
SELECT is(twin.mask((ARRAY[card])[1]), '***', 'an array''s element') FROM people WHERE id = 1;
SELECT is(masked_in_plpgsql(email), '***', 'a function''s argument') FROM people WHERE id = 1;
SELECT is_empty($$SELECT m FROM (SELECT twin.mask(card) AS m FROM both_sides) s WHERE m NOT IN ('***', '****-****-****-1111', '****-****-****-0004', 'j***@example.com')$$, 'sides of a union');
SELECT is(twin.mask(card), '***', 'a returning recursive one')
	FROM (WITH RECURSIVE r AS (SELECT card, 1 AS n FROM people WHERE id = 1 UNION ALL SELECT card, n + 1 FROM r WHERE n < 2) SELECT card FROM r LIMIT 1) s;
-- copies
CREATE TEMP TABLE copy AS SELECT email, card, salary FROM people WHERE id = 1;
SELECT is(ROW(twin.mask(email), twin.mask(card), twin.mask(salary), twin.reveal(email), twin.reveal(card), twin.reveal(salary))::text,
	ROW('***', '***', '***', '***', '***', NULL::bigint)::text, 'a copy in a temporary table shows nothing') FROM copy;
CREATE TABLE mask_test.copy AS SELECT email, card, salary FROM people WHERE id = 1;
SELECT is(twin.mask(email) || twin.mask(card) || twin.mask(salary), '*********', 'nor does one in a table of one''s own') FROM mask_test.copy;
GRANT SELECT ON mask_test.copy TO PUBLIC;
RESET ROLE;
SET ROLE mask_owner;
SELECT is(twin.mask(email) || twin.mask(card) || twin.mask(salary), '*********', 'nor for an accomplice') FROM mask_test.copy;
RESET ROLE;
SET ROLE mask_clerk;
SELECT is(twin.mask(free), 'j***@example.com', 'under a key without masked columns the default holds') FROM people WHERE id = 1;
CREATE TEMP TABLE other_copy AS SELECT free FROM people WHERE id = 1;
SELECT is(twin.mask(free), 'j***@example.com', 'also in a copy') FROM other_copy;
RESET ROLE;
ALTER TABLE people ADD note twin.encrypted_text("mask.a");
UPDATE people SET note = 'note@example.com';
SET ROLE mask_clerk;
SELECT is(twin.mask(note), 'n***@example.com', 'a column without a mask, in an administrator''s table, has the default') FROM people WHERE id = 1;
RESET ROLE;
ALTER TABLE people OWNER TO mask_owner;
SET ROLE mask_clerk;
SELECT is(twin.mask(note) || ' ' || twin.mask(card), '*** ****-****-****-1111', 'in anybody else''s it is masked fully, beside masked columns') FROM people WHERE id = 1;
RESET ROLE;
ALTER TABLE people OWNER TO CURRENT_USER;

-- what looks like another column
ALTER TABLE people ADD hidden twin.encrypted_text("mask.a");
UPDATE people SET hidden = '4111-1111-1111-1111';
CREATE TABLE decoy (LIKE people);
INSERT INTO decoy (id) VALUES (1);
GRANT SELECT ON decoy TO PUBLIC;
SELECT twin.set_mask('people', 'hidden', 'full'), twin.set_mask('decoy', 'hidden', 'partial(2,4)');
CREATE MATERIALIZED VIEW stored AS SELECT hidden, hidden AS shown FROM people;
SELECT twin.set_mask('stored', 'shown', 'card');
CREATE VIEW written AS SELECT id, hidden FROM people;
CREATE FUNCTION write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER write INSTEAD OF UPDATE ON written FOR EACH ROW EXECUTE FUNCTION write();
GRANT SELECT, UPDATE ON stored, written TO PUBLIC;
CREATE TEMP TABLE testers_copy AS SELECT hidden FROM people;
SELECT results_eq('SELECT DISTINCT twin.mask(hidden) FROM testers_copy', $$VALUES ('***')$$, 'a temporary table is nobody''s to trust, not even a superuser''s');
SET ROLE mask_clerk;
SELECT results_eq('SELECT DISTINCT twin.mask(hidden) || twin.mask(shown) FROM stored', $$VALUES ('***' || '****-****-****-1111')$$,
	'a materialized view is a copy, which may have masks of its own');
SELECT results_eq('UPDATE written SET id = 1 WHERE id = 1 RETURNING twin.mask(hidden)', $$VALUES ('***')$$, 'what a view''s trigger gives back is no column');
SELECT results_eq('SELECT DISTINCT twin.mask(v) FROM (SELECT card AS v FROM people UNION ALL SELECT hidden FROM people OFFSET 0) s', $$VALUES ('***')$$,
	'a union is no column, not even its first one''s');
SELECT results_eq('SELECT DISTINCT (SELECT twin.mask(p.hidden) FROM decoy LIMIT 1) FROM people p', $$VALUES ('***')$$, 'an outer query''s column is not the inner one''s');
SELECT results_eq('SELECT DISTINCT s.m FROM people p, LATERAL (SELECT f AS m FROM decoy, twin.mask(p.hidden) f) s', $$VALUES ('***')$$, 'nor in a lateral function');
SELECT results_eq('SELECT DISTINCT twin.mask(v) FROM (SELECT p.hidden AS v FROM decoy d RIGHT JOIN people p USING (id)) s', $$VALUES ('***')$$, 'nor in a join');
RESET ROLE;

-- partitions and children
CREATE TABLE parted (id int, pan twin.encrypted_text("mask.b")) PARTITION BY RANGE (id);
CREATE TABLE parted_1 (pan twin.encrypted_text("mask.b"), id int);
ALTER TABLE parted ATTACH PARTITION parted_1 FOR VALUES FROM (0) TO (10);
CREATE TABLE parent (pan twin.encrypted_text("mask.b"));
CREATE TABLE child () INHERITS (parent);
INSERT INTO parted VALUES (1, '4111-1111-1111-1111');
INSERT INTO child VALUES ('4111-1111-1111-1111');
GRANT SELECT ON parted, parted_1, parent, child TO PUBLIC;
PREPARE of_partition AS SELECT twin.mask(pan) FROM parted_1;
SET plan_cache_mode = force_generic_plan;
SET ROLE mask_clerk;
SELECT results_eq('of_partition', $$VALUES ('****-****-****-1111')$$, 'a partition without a mask');
RESET ROLE;
SELECT twin.set_mask('parted', 'pan', 'partial(1,1)'), twin.set_mask('parent', 'pan', 'partial(0,1)');
SET ROLE mask_clerk;
SELECT is(twin.mask(pan), '4***1', 'through the partitioned table') FROM parted;
SELECT is(twin.mask(pan), '4***1', 'a partition has the mask of its table') FROM parted_1;
SELECT results_eq('of_partition', $$VALUES ('4***1')$$, 'its plan was made anew');
SELECT is(twin.mask(pan), '***1', 'through the parent') FROM parent;
SELECT is(twin.mask(pan), '***', 'a child of plain inheritance has none and shows nothing') FROM child;
RESET ROLE;
SELECT twin.set_mask('parted_1', 'pan', 'full');
SET ROLE mask_clerk;
SELECT is(twin.mask(pan), '***', 'or one of its own') FROM parted_1;
SELECT is(twin.mask(pan), '4***1', 'which counts when it is named itself') FROM parted;
RESET ROLE;

-- ---- plans ----

PREPARE cached AS SELECT twin.mask(card) FROM people WHERE id = 1;
CREATE FUNCTION cached_in_plpgsql() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT twin.reveal(card) FROM people WHERE id = 1); END $$;
CREATE FUNCTION unknown_in_plpgsql() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE v twin.encrypted_text; BEGIN SELECT free INTO v FROM people WHERE id = 1; RETURN twin.mask(v); END $$;
SET ROLE mask_clerk;
SELECT results_eq('cached', $$VALUES ('****-****-****-1111')$$, 'a generic plan');
SELECT is(cached_in_plpgsql(), '****-****-****-1111', 'a plan in a function');
SELECT is(unknown_in_plpgsql(), 'j***@example.com', 'a variable');
RESET ROLE;
SELECT twin.set_mask('people', 'card', 'full'), twin.set_mask('people', 'seen', 'full');
SET ROLE mask_clerk;
SELECT results_eq('cached', $$VALUES ('***')$$, 'a new mask is in force in a generic plan');
SELECT is(cached_in_plpgsql(), '***', 'and in a function');
SELECT is(unknown_in_plpgsql(), '***', 'and for a variable, whose key has a masked column now');
RESET ROLE;
SELECT twin.set_mask('people', 'card', 'card'), twin.set_mask('people', 'seen', NULL);
SET ROLE mask_clerk;
SELECT results_eq('cached', $$VALUES ('****-****-****-1111')$$, 'and back');
SELECT is(unknown_in_plpgsql(), 'j***@example.com', 'here too');
RESET ROLE;
SELECT is(custom_plans, 0::bigint, 'all by generic plans') FROM pg_prepared_statements WHERE name = 'cached';

-- ---- what a role may try that holds only mask ----

CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; lines text := ''; BEGIN FOR line IN EXECUTE 'EXPLAIN (VERBOSE, ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP lines := lines || line || E'\n'; END LOOP; RETURN lines; END $$;
SET ROLE mask_clerk;
SELECT unalike(plan_of($$SELECT twin.mask(email), twin.reveal(salary) FROM people WHERE twin.reveal(card) LIKE '%1' ORDER BY twin.mask(card)$$), '%john%', 'EXPLAIN shows no plaintext');
SELECT throws_ok(format($$SELECT twin_internal.%s(email, 'partial(16,16)') FROM people$$, f), '42501', 'permission denied for schema twin_internal', f || ' cannot be named')
	FROM unnest(ARRAY['mask_as', 'reveal_as']) f;
SELECT throws_ok($$SELECT twin.mask(email, 'partial(16,16)') FROM people$$, '42883', NULL, 'no pattern can be given');
SELECT throws_ok($$SELECT twin.mask(email::twin.encrypted_text) FROM people$$, '42501', NULL, 'another encrypted type needs decrypt');
SELECT throws_ok($$SELECT twin.mask(card::twin.encrypted_text(main)) FROM people$$, '42501', NULL, 'another key does, too');
SELECT throws_ok($$SELECT twin.mask(email::text::twin.encrypted_text) FROM people$$, '42501', NULL, 'a way through text as well');
SELECT is_empty($$SELECT id FROM people WHERE twin.reveal(salary) BETWEEN 43000 AND 44000$$, 'a filter on reveal() sees the range');
SELECT results_eq($$SELECT id FROM people WHERE twin.reveal(salary) = 50000$$, 'VALUES (2)', 'and finds its begin');
SELECT is_empty($$SELECT id FROM people WHERE twin.reveal(card) LIKE '4%' OR twin.reveal(email) LIKE 'j%'$$, 'so it does with text');
SELECT results_eq($$SELECT sum(twin.reveal(salary)) FROM people$$, $$VALUES (50000::numeric)$$, 'aggregates add up masks');
SELECT results_eq($$SELECT id FROM people ORDER BY twin.reveal(email), id DESC$$, 'VALUES (2), (1)', 'an order by reveal() is one of masks');
SET TimeZone = 'Pacific/Honolulu';
SELECT is(twin.mask(seen), '2024', 'the session''s time zone moves no time into another year') FROM people WHERE id = 1;
SELECT is(twin.reveal(seen), '2024-01-01 00:00+00'::timestamptz, 'with reveal neither') FROM people WHERE id = 1;
SET TimeZone = 'UTC';
SELECT throws_ok($$CREATE INDEX ON copy (twin.mask(card))$$, '42P17', NULL, 'no index of masks');
SELECT throws_ok($$CREATE TABLE g (c twin.encrypted_text("mask.a"), m text GENERATED ALWAYS AS (twin.reveal(c)) STORED)$$, '42P17', NULL, 'nor a generated column');
-- a row of this type without its column's name
SELECT is(twin.mask((people).card), '****-****-****-1111', 'a field of a row is its column') FROM people WHERE id = 1;
SELECT is(twin.mask((r).card), '***', 'a field of a record that was made is not') FROM (SELECT people AS r FROM people WHERE id = 1 OFFSET 0) s;
SELECT throws_ok($$SECURITY LABEL FOR twin_security ON COLUMN copy.card IS 'mask=partial(16,16)'$$, '42501', NULL, 'nobody masks his own copy more weakly');
RESET ROLE;
-- a mask is the same for who sees it through a function that runs as its owner
CREATE FUNCTION definer() RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT twin.reveal(card) FROM people WHERE id = 1 $$;
ALTER FUNCTION definer() OWNER TO mask_clerk;
SET ROLE mask_nobody;
SELECT results_eq('SELECT definer()', $$VALUES ('****-****-****-1111')$$, 'a function that runs as a role that may mask gives masks');
RESET ROLE;
-- revoked at once
SELECT twin.revoke_key('mask.a', 'mask_clerk', 'mask');
SET ROLE mask_clerk;
SELECT throws_ok('EXECUTE cached', '42501', NULL, 'a revoked grant ends masking at once');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;

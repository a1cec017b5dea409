-- xaes.sql: keys of XAES-256-GCM beside keys of AES-256-GCM: made, used, joined, re-keyed, tampered with, counted.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
CREATE ROLE xaes_admin IN ROLE twin_admin;
CREATE ROLE xaes_user;

-- ---- creating ----

SELECT isnt(twin.create_key('long', 'xaes-256-gcm'), NULL, 'a key of the other algorithm');
SELECT isnt(twin.create_key('short'), NULL, 'a key of the one it always was');
SELECT isnt(twin.create_key(key_name => 'named', algorithm => 'aes-256-gcm'), NULL, 'stated by name');
SELECT is((SELECT string_agg(key_name || ' ' || algorithm, ', ' ORDER BY key_name) FROM twin.keys WHERE key_name IN ('long', 'short', 'named', 'main', 'literal')),
	'literal aes-256-gcm, long xaes-256-gcm, main aes-256-gcm, named aes-256-gcm, short aes-256-gcm', 'twin.keys tells the algorithm');
SELECT throws_ok(format('SELECT twin.create_key(''wrong'', %L)', algorithm), '22023', NULL, 'no algorithm: ' || coalesce(algorithm, 'NULL'))
	FROM unnest(ARRAY['', 'XAES-256-GCM', 'aes-128-gcm', 'xaes-256-gcm ', '2', NULL]) algorithm;
DO $$
DECLARE
	hint text;
BEGIN
	PERFORM twin.create_key('wrong', 'rot13');
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	PERFORM set_config('xaes.hint', hint, true);
END $$;
SELECT matches(current_setting('xaes.hint'), '\maes-256-gcm\M.*\mxaes-256-gcm\M', 'the hint lists both');
SELECT is_empty($$SELECT FROM twin_internal.keys WHERE key_name = 'wrong'$$, 'no refused key is left behind');
SELECT is(twin.create_key(NULL, 'xaes-256-gcm'), NULL, 'no name, no key');
SELECT throws_ok($$SELECT twin.create_key('long')$$, '42710', NULL, 'a name is taken whatever the algorithm');
SET ROLE xaes_user;
SELECT throws_ok($$SELECT twin.create_key('mine', 'xaes-256-gcm')$$, '42501', NULL, 'who may not create keys may not create these');
SET ROLE xaes_admin;
SELECT lives_ok($$SELECT twin.create_key('of_admin', 'xaes-256-gcm')$$, 'an administrator may');
RESET ROLE;

-- ---- every type ----

SELECT twin.grant_key(k, current_user::regrole, 'decrypt') FROM unnest('{long,short,main}'::text[]) k;

CREATE FUNCTION bytes_of(armor text) RETURNS bytea LANGUAGE sql AS
	$$ SELECT decode(rpad(b, (length(b) + 3) / 4 * 4, '='), 'base64') FROM (SELECT translate(substr(armor, 7), '-_', '+/')) s (b) $$;
CREATE FUNCTION armor_of(value bytea) RETURNS text LANGUAGE sql AS
	$$ SELECT 'tsec1:' || translate(encode(value, 'base64'), E'+/=\n', '-_') $$;

CREATE TEMP TABLE samples (name text, base text, literal text);
INSERT INTO samples VALUES
	('text', 'text', ''), ('text', 'text', 'grüße 漢字 😀'), ('text', 'text', repeat('long ', 100000)), ('bytea', 'bytea', '\xff00ff'), ('bytea', 'bytea', ''),
	('jsonb', 'jsonb', '{"a": [1, 2.50, {"b": "c"}], "d": false}'), ('numeric', 'numeric', '-1.50'), ('numeric', 'numeric', 'NaN'),
	('bigint', 'bigint', '-9223372036854775808'), ('float8', 'float8', '-0'), ('date', 'date', '2026-02-28'),
	('timestamptz', 'timestamptz', '2026-02-28 12:00:00.123456+00'), ('boolean', 'boolean', 'true'), ('boolean', 'boolean', 'false'),
	('uuid', 'uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'), ('inet', 'inet', '2001:db8::1/64');
SELECT is((SELECT count(DISTINCT name) FROM samples), 11::bigint, 'a sample of every base type');

-- Stores a sample by each way in and says what went wrong.
CREATE FUNCTION ways(name text, base text, suffix text, literal text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	type text := 'twin.encrypted_' || name || suffix;
	armor text;
	bad text;
BEGIN
	EXECUTE format('CREATE TEMP TABLE way (way text, v %1$s(long), s %1$s(short))', type);
	EXECUTE format('INSERT INTO way (way, v, s) VALUES (''literal'', %1$L, %1$L)', literal);
	EXECUTE format('INSERT INTO way (way, v, s) VALUES (''base value'', %1$L::%2$s, %1$L::%2$s)', literal, base);
	INSERT INTO way (way, v, s) SELECT 'stored', v, s FROM way WHERE way.way = 'literal';
	SELECT format('INSERT INTO way (way, v, s) VALUES (''armor'', %L, %L)', w.v, w.s) INTO armor FROM way w WHERE w.way = 'literal';
	EXECUTE armor;
	INSERT INTO way (way, v, s) SELECT 'crossed', s, v FROM way WHERE way.way = 'base value';
	EXECUTE format('SELECT string_agg(way, '', '') FROM way WHERE v::%2$s::text IS DISTINCT FROM %1$L::%2$s::text
		OR s::%2$s::text IS DISTINCT FROM %1$L::%2$s::text', literal, base) INTO bad;
	SELECT concat_ws(', ', bad, string_agg(w.way, ', ')) INTO bad FROM way w, bytes_of(format('%s', w.v)) vb, bytes_of(format('%s', w.s)) sb
		WHERE get_byte(vb, 0) <> 2 OR get_byte(sb, 0) <> 1 OR length(vb) <> length(sb) + 12;
	IF suffix <> '' THEN
		EXECUTE format('SELECT concat_ws('', '', $1, CASE WHEN count(*) <> 5 THEN ''equality finds '' || count(*) END)
			FROM way WHERE v = %1$L AND s = %1$L AND v = %1$L::%2$s AND v = s', literal, base) INTO bad USING bad;
	END IF;
	DROP TABLE way;
	RETURN bad;
EXCEPTION WHEN others THEN
	RETURN SQLSTATE || ' ' || left(SQLERRM, 200);
END $$;
SELECT is(ways(s.name, s.base, suffix, s.literal), '', 'encrypted_' || s.name || suffix || ': ' || left(s.literal, 40))
	FROM samples s CROSS JOIN unnest(ARRAY['', '_eq']) suffix;

-- ---- grants ----

CREATE TABLE people (id int PRIMARY KEY, email twin.encrypted_text_eq(long) UNIQUE, note twin.encrypted_text(long));
GRANT SELECT, INSERT ON people TO xaes_user;
SET ROLE xaes_user;
SELECT throws_ok($$INSERT INTO people VALUES (0, 'zero', 'none')$$, '42501', NULL, 'sealing needs a grant');
RESET ROLE;
SELECT twin.grant_key('long', 'xaes_user', 'encrypt');
SET ROLE xaes_user;
SELECT lives_ok($$INSERT INTO people SELECT i, 'user ' || i, 'note ' || i FROM generate_series(1, 50) i$$, 'encrypt is enough to seal');
SELECT throws_ok('SELECT email::text FROM people', '42501', NULL, 'and opens nothing');
SELECT is((SELECT id FROM people WHERE email = 'user 7'), 7, 'searching opens nothing and finds');
RESET ROLE;
SELECT is((SELECT count(*) FROM people WHERE email::text = 'user ' || id AND note::text = 'note ' || id), 50::bigint, 'decrypt opens');
SELECT is((SELECT count(DISTINCT substr(bytes_of(format('%s', note)), 7, 24)) FROM people), 50::bigint, 'every nonce is another');
SELECT is((SELECT count(DISTINCT substr(bytes_of(format('%s', note)), 7, 12)) FROM people), 50::bigint, 'so is every first half');
SELECT throws_ok($$INSERT INTO people VALUES (51, 'user 1', '')$$, '23505', NULL, 'UNIQUE holds');

-- ---- columns under keys of different algorithms ----

CREATE TABLE visits (n int, email twin.encrypted_text_eq(short));
INSERT INTO visits SELECT i, 'user ' || i FROM generate_series(26, 75) i;
SELECT is((SELECT count(*) FROM people JOIN visits USING (email)), 25::bigint, 'a join across algorithms');
SET enable_hashjoin = off;
SELECT is((SELECT count(*) FROM people p JOIN visits v ON p.email = v.email), 25::bigint, 'by merge or index as well');
SET enable_mergejoin = off;
SELECT is((SELECT count(*) FROM people p JOIN visits v ON v.email = p.email), 25::bigint, 'by nested loop as well');
RESET enable_hashjoin;
RESET enable_mergejoin;
SELECT is((SELECT count(*) FROM (SELECT email FROM people UNION SELECT email FROM visits) s), 75::bigint, 'UNION sees equal values as one');
SELECT is((SELECT count(*) FROM people p JOIN visits v USING (email) WHERE twin.blind_tag(p.email) = twin.blind_tag(v.email)), 25::bigint,
	'the tags are the same bytes');
ALTER TABLE visits ADD FOREIGN KEY (email) REFERENCES people (email) NOT VALID;
SELECT throws_ok($$INSERT INTO visits VALUES (99, 'nobody')$$, '23503', NULL, 'a foreign key across algorithms refuses');
SELECT lives_ok($$INSERT INTO visits VALUES (1, 'user 1')$$, 'and accepts');

-- ---- re-keying ----

CREATE TABLE moved (id int, s twin.encrypted_text_eq(short), l twin.encrypted_text_eq(long));
INSERT INTO moved (id, s) SELECT id, email FROM people;
UPDATE moved SET l = s;
SELECT is((SELECT count(*) FROM moved m JOIN people p USING (id) WHERE m.s::text = p.email::text AND m.l::text = p.email::text
	AND get_byte(bytes_of(format('%s', m.s)), 0) = 1 AND get_byte(bytes_of(format('%s', m.l)), 0) = 2), 50::bigint, 'values move between algorithms both ways');
SELECT is((SELECT count(*) FROM moved m JOIN people p ON m.s = p.email AND m.l = p.email), 50::bigint, 'and keep their tags');
ALTER TABLE moved ALTER s TYPE twin.encrypted_text_eq(long);
SELECT is((SELECT count(*) FROM moved WHERE get_byte(bytes_of(format('%s', s)), 0) = 2 AND s::text = 'user ' || id), 50::bigint,
	'a column changes its key and with it the algorithm');
ALTER TABLE moved ALTER s TYPE twin.encrypted_text(short) USING s::twin.encrypted_text(short);
SELECT is((SELECT count(*) FROM moved WHERE get_byte(bytes_of(format('%s', s)), 0) = 1 AND s::text = 'user ' || id), 50::bigint,
	'and back, without tags');

-- ---- rotation ----

SELECT twin.rotate_key('long');
SELECT twin.rotate_key('long');
INSERT INTO people SELECT i, 'user ' || i, 'note ' || i FROM generate_series(51, 60) i;
SELECT results_eq($$SELECT version, state, algorithm FROM twin.keys WHERE key_name = 'long' ORDER BY 1$$,
	$$VALUES (1, 'decrypt-only', 'xaes-256-gcm'), (2, 'primary', 'xaes-256-gcm')$$, 'both versions are of the key''s algorithm');
SELECT is((SELECT count(*) FROM people WHERE get_byte(bytes_of(format('%s', email)), 0) = 2 AND email::text = 'user ' || id), 60::bigint,
	'what both sealed opens');
SELECT results_eq($$SELECT version, "values" FROM twin.key_census('people') WHERE column_name = 'note' ORDER BY 1$$,
	$$VALUES (1, 50::bigint), (2, 10::bigint)$$, 'the census counts both');

-- ---- a changed value ----

-- What armor comes to when it is stored and opened: an SQLSTATE, or the plaintext.
CREATE TABLE kept (t twin.encrypted_text(long), e twin.encrypted_text_eq(long), s twin.encrypted_text(short), se twin.encrypted_text_eq(short));
CREATE FUNCTION verdict(armor text, c name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plain text;
BEGIN
	EXECUTE format('INSERT INTO kept (%I) VALUES (%L)', c, armor);
	EXECUTE format('SELECT %I::text FROM kept', c) INTO plain;
	DELETE FROM kept;
	RETURN plain;
EXCEPTION WHEN others THEN
	RETURN SQLSTATE;
END $$;
CREATE TEMP TABLE values_ (c name, plain text, b bytea);
INSERT INTO kept VALUES ('canary', 'canary', 'canary', 'canary');
INSERT INTO values_ SELECT c, 'canary', b FROM kept,
	LATERAL (VALUES ('t', bytes_of(format('%s', t))), ('e', bytes_of(format('%s', e))), ('s', bytes_of(format('%s', s))), ('se', bytes_of(format('%s', se)))) v (c, b);
DELETE FROM kept;
SELECT is(verdict(armor_of(b), c), 'canary', c || ': untouched') FROM values_;
SELECT is((SELECT string_agg(DISTINCT v, ' ' ORDER BY v) FROM generate_series(0, 8 * length(b) - 1) i,
		verdict(armor_of(set_bit(b, i, 1 - get_bit(b, i))), c) v WHERE v !~ '^(22P02|22P03|0A000|TW201|TW105)$'), NULL,
	format('%s: none of the %s bits can be changed', c, 8 * length(b))) FROM values_ WHERE c IN ('t', 'e');
SELECT is((SELECT count(*) FROM generate_series(48, 8 * length(b) - 1) i, verdict(armor_of(set_bit(b, i, 1 - get_bit(b, i))), c) v
	WHERE v = 'TW201'), 8 * length(b)::bigint - 48, c || ': behind the key id all fail the integrity check') FROM values_ WHERE c IN ('t', 'e');
SELECT is(verdict(armor_of(substr(b, 1, n)), c), CASE WHEN n >= length(b) - 6 THEN 'TW201' ELSE '22P02' END, c || ' cut to ' || n)
	FROM values_, generate_series(0, length(b) - 1) n WHERE c IN ('t', 'e');
-- 1 and 2 differ by two bits: that is no flip of one
SELECT is(verdict(armor_of(set_byte(b, 0, 3 - get_byte(b, 0))), c), CASE WHEN c IN ('s', 'se') THEN '22P02' ELSE 'TW201' END,
	c || ': the other algorithm''s number; six bytes of plaintext are too few where the nonce grows by twelve') FROM values_;
SELECT is(verdict(armor_of(set_byte(b, 0, n)), c), '0A000', c || ': algorithm ' || n) FROM values_, unnest(ARRAY[0, 3, 4, 128, 255]) n;
INSERT INTO kept VALUES (repeat('x', 100), repeat('x', 100), repeat('x', 100), repeat('x', 100));
UPDATE values_ SET b = (SELECT bytes_of(format('%s', CASE c WHEN 's' THEN format('%s', s) ELSE format('%s', se) END)) FROM kept) WHERE c IN ('s', 'se');
DELETE FROM kept;
SELECT is(verdict(armor_of(set_byte(b, 0, 2)), c), 'TW201', c || ': a longer value under the other algorithm''s number') FROM values_ WHERE c IN ('s', 'se');

SELECT throws_ok(format('INSERT INTO kept (%I) VALUES (%L)', c, armor_of(set_byte(b, 0, 3 - get_byte(b, 0)))), 'TW201', NULL,
	c || ': refused already on its way in, where the key is known') FROM values_;

-- The same in a table: it came while the key was unknown, as in a restore, and the key came later.
CREATE TEMP TABLE hidden AS SELECT * FROM twin_internal.key_versions WHERE key_name IN ('long', 'short');
DELETE FROM twin_internal.key_versions WHERE key_name IN ('long', 'short');
SELECT lives_ok(format('INSERT INTO kept (%I) VALUES (%L)', c, armor_of(set_byte(b, 0, 3 - get_byte(b, 0)))), c || ': kept while its key is unknown') FROM values_;
SELECT throws_ok('SELECT t::text FROM kept WHERE t IS NOT NULL', 'TW105', NULL, 'it does not open then');
INSERT INTO twin_internal.key_versions SELECT * FROM hidden;
SELECT throws_ok(format('SELECT %1$I::text FROM kept WHERE %1$I IS NOT NULL', c), 'TW201', NULL, c || ': nor when the key is there') FROM values_;
SELECT throws_ok(format('UPDATE kept SET %1$I = %2$I WHERE %2$I IS NOT NULL', CASE c WHEN 't' THEN 's' ELSE 't' END, c), 'TW201', NULL,
	c || ': nor does it move to another column') FROM values_ WHERE c IN ('t', 's');
SELECT lives_ok('SELECT count(*) FROM kept a JOIN kept b ON a.e = b.se', 'comparing raises nothing');
SELECT cmp_ok((SELECT sum(integrity_failures) FROM twin.stat_keyring WHERE key_name IN ('long', 'short')), '>', 0::numeric, 'failures are counted');
DELETE FROM kept;

-- ---- a changed table ----

SELECT throws_ok($$UPDATE twin_internal.keys SET algorithm = 3 WHERE key_name = 'long'$$, '23514', NULL, 'the table knows two algorithms');
CREATE FUNCTION pretending(key name, number int, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE twin_internal.keys SET algorithm = number WHERE key_name = key;
	EXECUTE statement;
	RAISE 'succeeded' USING ERRCODE = 'P0001';
EXCEPTION WHEN others THEN
	RETURN SQLSTATE;
END $$;
SELECT is(pretending('long', 1, 'SELECT email::text FROM people'), 'TW106', 'a key said to be of AES-256-GCM does not open');
SELECT is(pretending('long', 1, $$INSERT INTO people VALUES (100, 'x', 'x')$$), 'TW106', 'nor seal');
SELECT is(pretending('short', 2, 'SELECT email::text FROM visits'), 'TW106', 'a key said to be of XAES-256-GCM does not open');
SELECT is(pretending('short', 2, $$INSERT INTO visits VALUES (100, 'user 1')$$), 'TW106', 'nor seal');
SELECT is(pretending('literal', 2, $$SELECT 'x'::twin.encrypted_text::text$$), 'TW106', 'the key of literals neither');
SELECT is(pretending('index.text', 2, $$SELECT FROM people WHERE email = 'tag it'$$), 'TW106', 'nor an index key');
ALTER TABLE twin_internal.keys DROP CONSTRAINT keys_algorithm_check;
SELECT is(pretending('long', n, 'SELECT email::text FROM people'), 'TW106', 'without the check: ' || n) FROM unnest(ARRAY[0, -1, 3, 256, 257, 258]) n;
SELECT is(pretending('short', n, 'SELECT email::text FROM visits'), 'TW106', 'without the check: ' || n) FROM unnest(ARRAY[0, -1, 3, 256, 257, 258]) n;
SELECT is((SELECT count(email::text) FROM people), 60::bigint, 'as it was, everything opens');
SELECT is((SELECT count(email::text) FROM visits), 51::bigint, 'here as well');

-- ---- counts ----

SELECT twin.create_key('counted', 'xaes-256-gcm'), twin.create_key('limited');
SELECT twin.grant_key(k, current_user::regrole, 'decrypt') FROM unnest('{counted,limited}'::text[]) k;
CREATE TABLE counted (v twin.encrypted_text(counted));
CREATE TABLE limited (v twin.encrypted_text(limited));
CREATE FUNCTION messages(of_key text) RETURNS bigint LANGUAGE sql AS $$ SELECT messages FROM twin.keys WHERE key_name = of_key $$;
CREATE FUNCTION pretend_messages(of_key text, n bigint) RETURNS void LANGUAGE sql AS
	$$ UPDATE twin_internal.key_usage SET messages = n WHERE key_id = (SELECT key_id FROM twin.keys WHERE key_name = of_key) $$;
SELECT is(messages('counted'), 0::bigint, 'a new key has sealed nothing');
INSERT INTO counted SELECT i::text FROM generate_series(1, 300) i;
SELECT cmp_ok(messages('counted'), '>=', 300::bigint, 'messages are counted');
SELECT pretend_messages(k, 4294967296) FROM unnest('{counted,limited}'::text[]) k;
SELECT throws_ok($$INSERT INTO limited VALUES ('x')$$, 'TW104', NULL, 'AES-256-GCM ends at 2^32 messages');
SELECT lives_ok($$INSERT INTO counted SELECT i::text FROM generate_series(1, 3000) i$$, 'XAES-256-GCM does not');
SELECT cmp_ok(messages('counted'), '>=', 4294967296 + 2700, 'and goes on counting');
SELECT pretend_messages('counted', 4611686018427387904 - 1000);
SELECT lives_ok($$INSERT INTO counted SELECT i::text FROM generate_series(1, 20000) i$$, 'nor at the end of its count');
SELECT is(messages('counted'), 4611686018427387904, 'which stays at 2^62');
SELECT pretend_messages('counted', 9223372036854775807);
SELECT lives_ok($$INSERT INTO counted SELECT i::text FROM generate_series(1, 70000) i$$, 'nor where somebody wrote the largest number');
SELECT is(messages('counted'), 9223372036854775807, 'which does not wrap');
SELECT is((SELECT count(*) FROM counted WHERE v::text::int > 0), 93300::bigint, 'all of it opens');

SELECT * FROM finish();
ROLLBACK;

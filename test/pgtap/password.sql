-- password.sql: random passwords are uniform, nothing is hashed while a query is planned, and what plain SQL around the
-- functions may get wrong stays safe.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

-- ---- generate_password: chi-square over 70 letters, 69 degrees of freedom: beyond 150 once in ten million times ----

CREATE TEMP TABLE generated AS SELECT twin.generate_password(16) AS p FROM generate_series(1, 20000);
CREATE FUNCTION pg_temp.chi_square(letters text[]) RETURNS double precision LANGUAGE sql AS $$
	WITH observed AS (SELECT count(l) AS n FROM
			regexp_split_to_table('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*', '') a
			LEFT JOIN unnest(letters) l ON l = a COLLATE "C" GROUP BY a)
	SELECT sum((n - cardinality(letters) / 70.0) ^ 2 / (cardinality(letters) / 70.0)) FROM observed
$$;
SELECT cmp_ok(pg_temp.chi_square(array_agg(l)), '<', 150::double precision, 'all letters are equally likely')
	FROM generated, regexp_split_to_table(p, '') l;
SELECT cmp_ok(pg_temp.chi_square(array_agg(substr(p, at, 1))), '<', 150::double precision, 'so they are in place ' || at)
	FROM generated, unnest(ARRAY[1, 2, 8, 15, 16]) at GROUP BY at;
SELECT cmp_ok(pg_temp.chi_square(array_agg(substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*', 1 + i % 256 % 70, 1))),
	'>', 300::double precision, 'a byte taken modulo 70 would be seen') FROM generate_series(1, 20000) i;
SELECT cmp_ok((SELECT max(n) FROM (SELECT count(*) AS n FROM generated GROUP BY substr(p, 1, 2)) s), '<', 40::bigint,
	'pairs of letters do not pile up');	-- 4 expected
SELECT is((SELECT count(DISTINCT p) FROM generated), 20000::bigint, 'none comes twice');

-- ---- nothing is hashed, or shown, by planning alone ----

CREATE TEMP TABLE users (name text PRIMARY KEY, hash text);
INSERT INTO users SELECT 'user' || i, '$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW' FROM generate_series(1, 1000) i;
INSERT INTO users VALUES ('joe', twin.hash_password('right', 4));
ANALYZE users;
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SET LOCAL statement_timeout = '1s';	-- a hash at cost 15 takes longer
SELECT lives_ok($$SELECT pg_temp.plan('SELECT * FROM users WHERE twin.verify_password(''x'', hash)')$$, 'planning a filter hashes nothing');
SELECT lives_ok($$SELECT pg_temp.plan('SELECT twin.verify_password(''x'', ''$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'')')$$,
	'nor does planning constants');
SELECT results_eq($$SELECT name FROM users WHERE twin.verify_password('right', hash) AND name = 'joe'$$, ARRAY['joe'],
	'the dear filter comes last, whatever the order');
SELECT is_empty($$SELECT name FROM users WHERE twin.verify_password('wrong', hash) AND name = 'joe'$$, 'a wrong password finds nobody');
RESET statement_timeout;
SELECT throws_ok($$CREATE INDEX ON users (twin.verify_password('x', hash))$$, '42P17', NULL, 'no index');
SELECT throws_ok($$CREATE TABLE g (h text, ok boolean GENERATED ALWAYS AS (twin.verify_password('x', h)) STORED)$$, '42P17', NULL,
	'no generated column');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'twin'::regnamespace AND proname IN ('hash_password', 'verify_password', 'password_needs_rehash', 'check_password_strength', 'generate_password')
	AND (proleakproof OR prosecdef OR provolatile = 'i')$$, 'none is leakproof, security definer or immutable');

-- ---- a login written in PL/pgSQL: NULL never lets anybody in ----

CREATE FUNCTION pg_temp.login(username text, password text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF NOT twin.verify_password(password, (SELECT hash FROM users u WHERE u.name = username)) THEN
		RETURN 'refused';
	END IF;
	RETURN 'welcome';
END
$$;
SELECT is(pg_temp.login('joe', 'right'), 'welcome', 'the right password');
SELECT is(pg_temp.login('joe', 'wrong'), 'refused', 'a wrong one');
SELECT is(pg_temp.login('nobody', 'right'), 'refused', 'an unknown user');
SELECT is(pg_temp.login('joe', NULL), 'refused', 'no password');
SELECT is(pg_temp.login(NULL, NULL), 'refused', 'nothing at all');

-- ---- strength: more is never worse where it should not be, and never raises ----

SELECT is_empty($$SELECT i FROM generate_series(0, 300) i, twin.check_password_strength(repeat('x', i)) s
	WHERE s.acceptable IS NULL OR s.score NOT BETWEEN 0 AND 4 OR s.reasons IS NULL OR s.acceptable <> (s.reasons = '{}')$$,
	'any length has an answer, and reasons exactly where it is not acceptable');
SELECT is_empty($$SELECT i FROM generate_series(1, 2000) i,
	LATERAL (SELECT string_agg(chr(1 + (i * 7919 + k * 104729) % 55000), '') AS p FROM generate_series(1, i % 80) k) r,
	LATERAL twin.check_password_strength(p, left(p, 5), p) s
	WHERE s.acceptable IS NULL OR s.acceptable <> (s.reasons = '{}') OR (length(p) < 8 AND s.acceptable) OR (octet_length(p) > 72 AND s.acceptable)$$,
	'so has any text');
SELECT is_empty($$SELECT name FROM unnest('{password,Password,PASSWORD,P@SSWORD,drowssap}'::text[]) name, twin.check_password_strength(name) s
	WHERE s.acceptable$$, 'spellings of one word');

SELECT * FROM finish();
ROLLBACK;

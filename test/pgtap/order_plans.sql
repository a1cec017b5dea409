-- Where the server plans around an order: duplicates dropped along it, functions put into the query, statistics of rows.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT plan(15);
SELECT twin.create_key('ordering');
CREATE ROLE ordering_app;
SELECT twin.grant_key('ordering', role, privilege) FROM unnest(ARRAY[current_user, 'ordering_app']::regrole[]) role,
	unnest('{encrypt,decrypt}'::text[]) privilege WHERE role <> 'ordering_app'::regrole OR privilege = 'encrypt';

CREATE TABLE plain (id integer, x bigint, y bigint);
INSERT INTO plain SELECT i, i % 4, i * 7919 % 50 FROM generate_series(1, 200) i;
CREATE TABLE sealed (id integer, x twin.encrypted_bigint_eq(ordering), y twin.encrypted_bigint_eq(ordering), z twin.encrypted_bigint(ordering));
INSERT INTO sealed SELECT id, x, y, y FROM plain;
CREATE INDEX ON sealed (x);
ANALYZE plain, sealed;

-- ---- DISTINCT beside ORDER BY, where a condition makes one of the columns the same everywhere ----

SELECT results_eq(
	'SELECT x::bigint, y::bigint FROM (SELECT DISTINCT x, y FROM sealed WHERE x = 3 ORDER BY x, y DESC) s',
	'SELECT DISTINCT x, y FROM plain WHERE x = 3 ORDER BY x, y DESC', 'a column that is constant loses no rows');
SELECT results_eq(
	'SELECT x::bigint, y::bigint FROM (SELECT DISTINCT x, y FROM sealed WHERE x = y ORDER BY x, y) s',
	'SELECT DISTINCT x, y FROM plain WHERE x = y ORDER BY x, y', 'nor do two columns that are equal');
SET LOCAL enable_hashagg = off;
SELECT results_eq(
	'SELECT x::bigint, y::bigint FROM (SELECT DISTINCT x, y FROM sealed WHERE x IN (1, 2) ORDER BY y, x LIMIT 20) s',
	'SELECT DISTINCT x, y FROM plain WHERE x IN (1, 2) ORDER BY y, x LIMIT 20', 'DISTINCT by sorting agrees with its ORDER BY');
RESET enable_hashagg;

-- ---- functions in FROM, whose bodies the planner puts into the query ----

CREATE FUNCTION smallest(n integer) RETURNS TABLE (id integer, y bigint) LANGUAGE sql STABLE AS
	'SELECT s.id, s.y::bigint FROM sealed s ORDER BY s.y, s.id LIMIT n';
CREATE FUNCTION smallest_of_smallest() RETURNS SETOF integer LANGUAGE sql STABLE AS
	'SELECT s.id FROM sealed s WHERE s.id IN (SELECT t.id FROM smallest(7) t) ORDER BY s.y DESC, s.id LIMIT 2';
SELECT results_eq('SELECT * FROM smallest(5)', 'SELECT id, y FROM plain ORDER BY y, id LIMIT 5', 'a function''s ORDER BY is by contents');
SELECT results_eq('SELECT * FROM smallest_of_smallest()',
	'SELECT id FROM (SELECT * FROM plain ORDER BY y, id LIMIT 7) p ORDER BY y DESC, id LIMIT 2', 'also that of one inside another');
SELECT results_eq('SELECT v.n, s.id FROM (VALUES (1), (2)) v(n), LATERAL smallest(v.n) s ORDER BY 1, 2',
	'SELECT v.n, s.id FROM (VALUES (1), (2)) v(n), LATERAL (SELECT id FROM plain ORDER BY y, id LIMIT v.n) s ORDER BY 1, 2', 'with arguments of the row');
PREPARE by_function(integer) AS SELECT id FROM smallest($1);
SELECT results_eq('EXECUTE by_function(3)', 'SELECT id FROM plain ORDER BY y, id LIMIT 3', 'in a prepared statement');
CREATE OR REPLACE FUNCTION smallest(n integer) RETURNS TABLE (id integer, y bigint) LANGUAGE sql STABLE AS
	'SELECT s.id, s.y::bigint FROM sealed s ORDER BY s.y DESC, s.id LIMIT n';
SELECT results_eq('EXECUTE by_function(3)', 'SELECT id FROM plain ORDER BY y DESC, id LIMIT 3', 'which notices that the function is another');
CREATE FUNCTION endless() RETURNS SETOF integer LANGUAGE sql STABLE AS 'SELECT 1';
CREATE OR REPLACE FUNCTION endless() RETURNS SETOF integer LANGUAGE sql STABLE AS 'SELECT * FROM endless()';
SELECT throws_ok('SELECT * FROM endless()', '54001', NULL, 'a function that calls itself ends with an error');

-- ---- texts that are equal although their bytes differ ----

CREATE COLLATION either_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE FUNCTION count_two(integer, anyelement, integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 + 1';
CREATE AGGREGATE count_pairs(anyelement, integer) (SFUNC = count_two, STYPE = integer, INITCOND = '0');
CREATE TABLE cases (id integer, t twin.encrypted_text(ordering) COLLATE either_case);
INSERT INTO cases VALUES (1, 'a'), (1, 'A'), (1, 'b'), (2, 'a');
SELECT is(count_pairs(DISTINCT t, id), 3, 'DISTINCT of several arguments goes by the collation') FROM cases;
CREATE TABLE cases_eq (p text COLLATE either_case, t twin.encrypted_text_eq(ordering) COLLATE either_case);
INSERT INTO cases_eq SELECT p, p FROM unnest('{a,A,b,a}'::text[]) p;
SELECT is((SELECT count(*) FROM (SELECT DISTINCT t FROM cases_eq ORDER BY t) c), (SELECT count(*) FROM (SELECT DISTINCT p FROM cases_eq ORDER BY p) c),
	'so does DISTINCT beside ORDER BY, whatever the plan');

-- ---- statistics of rows with encrypted values in them ----

CREATE TYPE pair AS (x twin.encrypted_bigint(ordering), y twin.encrypted_bigint_eq(ordering));
CREATE DOMAIN pairs AS pair[];
CREATE TABLE holder (id integer, one pair, many pair[], listed pairs);
INSERT INTO holder SELECT id, ROW(z, x)::pair, ARRAY[ROW(z, x)::pair], ARRAY[ROW(z, x)::pair] FROM sealed;
ALTER TABLE holder OWNER TO ordering_app;
SELECT lives_ok('ANALYZE holder', 'ANALYZE needs no decrypt for rows with encrypted values in them');
SELECT is((SELECT count(*) FROM pg_statistic WHERE starelid = 'holder'::regclass), 1::bigint, 'and keeps nothing of them');
ALTER TABLE holder ALTER COLUMN one SET STATISTICS 100;
ALTER TABLE holder ADD COLUMN later pair;
SELECT is((SELECT count(*) FROM pg_attribute WHERE attrelid = 'holder'::regclass AND attnum > 0 AND attstattarget = 0), 4::bigint,
	'whatever is asked for');
SELECT is((SELECT attstattarget FROM pg_attribute WHERE attrelid = 'holder'::regclass AND attname = 'id') IS DISTINCT FROM 0, true, 'other columns are left alone');

SELECT * FROM finish();
ROLLBACK;

-- token.sql: tokens that are seen for the first time, beside libjwt's own decode and beside one bare verification of
-- OpenSSL; the same token again; and all of it beside many revoked tokens.
-- Variables: rows (revocations), program (the built bench/token.c), file (where tokens for it go), secret.
\set ON_ERROR_STOP on
SET max_parallel_workers_per_gather = 0;
SET client_min_messages = warning;
-- more than any cache keeps, so that each pass sees all of them anew
CREATE TABLE hs256 AS SELECT twin.issue_token(jsonb_build_object('user_id', i, 'role', 'viewer', 'tenant_id', i % 10 + 1, 'sid', gen_random_uuid()), '1 day') AS t
	FROM generate_series(1, 20000) i;
SELECT twin.use_signing_key(twin.create_signing_key('ES256')) \g /dev/null
CREATE TABLE es256 AS SELECT twin.issue_token(jsonb_build_object('user_id', i, 'role', 'viewer', 'tenant_id', i % 10 + 1, 'sid', gen_random_uuid()), '1 day') AS t
	FROM generate_series(1, 3000) i;
-- the key has 3072 bits, so the bare verification has as well
SELECT twin.use_signing_key(twin.create_signing_key('RS256')) \g /dev/null
CREATE TABLE rs256 AS SELECT twin.issue_token(jsonb_build_object('user_id', i, 'role', 'viewer', 'tenant_id', i % 10 + 1, 'sid', gen_random_uuid()), '1 day') AS t
	FROM generate_series(1, 1000) i;
CREATE TABLE one AS SELECT t FROM hs256 LIMIT 1;
CREATE TABLE bare (what text, ns double precision);
VACUUM ANALYZE hs256, es256, rs256;
COPY hs256 TO :'file';

-- the statements above a scan that fetches the token, in CPU time; as many tokens as make a few hundred milliseconds
-- (one pass after the other: a token twice in a row would be the same again)
CREATE TABLE passes (name text, tokens integer, source text);
INSERT INTO passes SELECT n, rows * passes, format('(%sSELECT t FROM %s) x', repeat(format('SELECT t FROM %s UNION ALL ', n), passes - 1), n)
	FROM (VALUES ('hs256', 20000, 2), ('es256', 3000, 2), ('rs256', 1000, 6)) x (n, rows, passes);
INSERT INTO passes VALUES ('same', 400000, 'one, generate_series(1, 400000)');
CREATE FUNCTION pg_temp.add(grp text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO bench.cases (grp, name, statement) SELECT grp, name || k, format(CASE k WHEN '_scan' THEN 'SELECT count(t) FROM %s' ELSE 'SELECT count(twin.verify_token(t)) FROM %s' END, source)
	FROM passes, unnest('{_scan,_verify}'::text[]) k $$;
SELECT pg_temp.add('token') \g /dev/null
INSERT INTO bench.cases (grp, name, statement) SELECT 'token', 'bare ' || p, format('COPY bare (what, ns) FROM PROGRAM %L (DELIMITER '' '')', :'program' || p)
	FROM unnest(ARRAY[' libjwt ''' || :'secret' || ''' < ' || :'file', ' RS256', ' ES256']) p;
CALL bench.run('token', 5);
CREATE FUNCTION pg_temp.each(of_group text, of_name text) RETURNS double precision LANGUAGE sql AS $$
	SELECT (bench.cpu(of_group, of_name || '_verify') - coalesce(bench.cpu(of_group, of_name || '_scan'), 0)) * 1000 / tokens FROM passes WHERE name = of_name $$;
CREATE FUNCTION pg_temp.bare(of_what text) RETURNS double precision LANGUAGE sql AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ns) / 1000 FROM bare WHERE what = of_what $$;
SELECT round(pg_temp.each('token', 'hs256')::numeric, 2) AS hs256, round(pg_temp.each('token', 'same')::numeric, 2) AS same, round(pg_temp.each('token', 'rs256')::numeric, 1) AS rs256,
	round(pg_temp.each('token', 'es256')::numeric, 1) AS es256, round(pg_temp.bare('libjwt')::numeric, 2) AS libjwt, round(pg_temp.bare('RS256')::numeric, 1) AS bare_rs256,
	round(pg_temp.bare('ES256')::numeric, 1) AS bare_es256 \gset
\echo microseconds a token: HS256 :hs256, again :same, RS256 :rs256, ES256 :es256; libjwt HS256 :libjwt; bare OpenSSL RS256 :bare_rs256, ES256 :bare_es256
CALL bench.report('fresh HS256 token in SQL / libjwt decode in C', pg_temp.each('token', 'hs256') / pg_temp.bare('libjwt'), 0.7);
CALL bench.report('fresh RS256 token (3072 bits) in SQL / bare verification', pg_temp.each('token', 'rs256') / pg_temp.bare('RS256'), 1.3);
CALL bench.report('fresh ES256 token in SQL / bare verification', pg_temp.each('token', 'es256') / pg_temp.bare('ES256'), 1.3);
CALL bench.report('fresh HS256 token / the same again', pg_temp.each('token', 'hs256') / pg_temp.each('token', 'same'), NULL, 10);

-- without revocations and with, in turn
SELECT pg_temp.add('none'), pg_temp.add('many') \g /dev/null
ALTER TABLE twin_internal.revocations DISABLE TRIGGER revocations_changed;
\set fill 'INSERT INTO twin_internal.revocations SELECT \'t:\' || gen_random_uuid(), NULL, now() + interval \'1 day\' FROM generate_series(1, ' :rows ')'
CALL bench.run('none', 3);
:fill;
VACUUM ANALYZE twin_internal.revocations;
CALL bench.run('many', 3);
TRUNCATE twin_internal.revocations;
CALL bench.run('none', 3);
:fill;
VACUUM ANALYZE twin_internal.revocations;
CALL bench.run('many', 3);
ALTER TABLE twin_internal.revocations ENABLE ALWAYS TRIGGER revocations_changed;
CALL bench.report('fresh HS256 token with many revoked / with none', pg_temp.each('many', 'hs256') / pg_temp.each('none', 'hs256'), 1.2);
CALL bench.report('fresh ES256 token with many revoked / with none', pg_temp.each('many', 'es256') / pg_temp.each('none', 'es256'), 1.2);
CALL bench.report('the same token again with many revoked / with none', pg_temp.each('many', 'same') / pg_temp.each('none', 'same'), 1.2);
TRUNCATE twin_internal.revocations;
DROP TABLE hs256, es256, rs256, one, bare, passes;

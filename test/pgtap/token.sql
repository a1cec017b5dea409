-- token.sql: tokens inside of transactions, functions and plans.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION twin_security;
SELECT no_plan();
SET client_min_messages = warning;

CREATE TEMP TABLE t AS SELECT twin.issue_token('{"user_id": 7, "role": "viewer", "tenant_id": 3, "sid": "s"}') AS token;
GRANT SELECT ON t TO PUBLIC;

-- what may be asked where
SELECT is(concat(provolatile, proparallel, proisstrict), 'sst', 'verify_token is stable, parallel safe and strict') FROM pg_proc WHERE oid = 'twin.verify_token(text)'::regprocedure;
SELECT is(twin.verify_token(NULL), NULL, 'null in, null out');
CREATE FUNCTION pg_temp.user_of(text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT twin.verify_token($1) ->> 'user_id' $$;
SELECT is((SELECT pg_temp.user_of(token) FROM t), '7', 'in a STABLE function');
CREATE FUNCTION pg_temp.as_definer(text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$ SELECT twin.verify_token($1) ->> 'user_id' $$;
SELECT is((SELECT pg_temp.as_definer(token) FROM t), '7', 'in a SECURITY DEFINER function');
PREPARE generic(text) AS SELECT twin.verify_token($1) ->> 'role';
SET plan_cache_mode = force_generic_plan;
SELECT results_eq(format('EXECUTE generic(%L)', token), ARRAY['viewer'], 'in a generic plan') FROM t;
SAVEPOINT s;
SET TRANSACTION READ ONLY;
SELECT is((SELECT twin.verify_token(token) ->> 'tenant_id' FROM t), '3', 'in a read-only transaction');
ROLLBACK TO s;

-- a planted schema, operator, function or cast is not found
CREATE SCHEMA planted;
CREATE FUNCTION planted.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2000-01-01'::timestamptz $$;
CREATE FUNCTION planted.octet_length(text) RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$;
CREATE FUNCTION planted.planted(jsonb, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE OPERATOR planted.? (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = planted.planted);
CREATE TABLE planted.token_keys (kid text);
CREATE TABLE planted.revocations (name text);
SET LOCAL search_path = planted, pg_temp, pg_catalog, public, twin;
SELECT public.is((SELECT twin.verify_token(token) ->> 'user_id' FROM t), '7', 'verification looks nowhere but where it belongs');
SELECT public.lives_ok($$SELECT twin.revoke_token((SELECT token FROM t))$$);
SELECT public.throws_ok('SELECT twin.verify_token(token) FROM t', 'TW510', NULL, 'and so does a revocation');
RESET search_path;
SELECT cmp_ok((SELECT expires_at FROM twin.revocations), '>', now(), 'it is remembered as long as the token could live');

-- a savepoint that is rolled back takes a key with it
SAVEPOINT s;
SELECT twin.add_verification_key('{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}', claim_map => '{"roles": []}') AS kid;
SELECT throws_ok($$SELECT twin.verify_token('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg')$$,
	'TW501', NULL, 'the key of RFC 8037 verifies its signature; the text is no JSON');
ROLLBACK TO s;
SELECT throws_ok($$SELECT twin.verify_token('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg')$$,
	'TW505', NULL, 'rolled back, nobody knows it');

-- an error in the middle of many tokens leaves nothing behind
CREATE TEMP TABLE many AS SELECT twin.issue_token(jsonb_build_object('user_id', i)) AS token FROM generate_series(1, 100) i;
CREATE FUNCTION pg_temp.refusals() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	n integer := 0;
	m record;
BEGIN
	FOR m IN SELECT token FROM many LOOP
		BEGIN
			PERFORM twin.verify_token(m.token);
			PERFORM twin.verify_token(overlay(m.token PLACING 'AAAA' FROM length(m.token) - 20));
		EXCEPTION WHEN SQLSTATE 'TW506' THEN
			n := n + 1;
		END;
	END LOOP;
	RETURN n;
END $$;
SELECT is(pg_temp.refusals(), 100, 'a hundred refusals, caught');
SELECT is((SELECT count(DISTINCT twin.verify_token(token) ->> 'user_id') FROM many), 100::bigint, 'and all tokens are good still');

-- nothing the extension made for tokens may be called by the wrong role
CREATE ROLE token_stranger;
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'twin'::regnamespace
	AND p.proname IN ('issue_token', 'revoke_token', 'add_verification_key', 'remove_verification_key', 'create_signing_key', 'use_signing_key', 'rotate_signing_key', 'retire_signing_key', 'purge_revocations')
	AND has_function_privilege('token_stranger', p.oid, 'EXECUTE')$$, 'a stranger issues, revokes and changes nothing');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE p.prosrc ~ 'token|revocation|signing' AND p.pronamespace = 'twin_internal'::regnamespace
	AND has_function_privilege('token_stranger', p.oid, 'EXECUTE')$$, 'and reaches nothing inside');

-- whatever an administrator does to tokens is told when it commits: counted here, read in test/t/034_token_revocation.pl
CREATE FUNCTION pg_temp.told(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	failed bigint;
BEGIN
	/* the events of a subtransaction that is undone are told at once, as failures */
	SELECT emitted INTO failed FROM twin.stat_audit;
	BEGIN
		EXECUTE statement;
		RAISE SQLSTATE 'ZZ001';
	EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
		NULL;
	END;
	RETURN (SELECT emitted FROM twin.stat_audit) - failed;
END $$;
SET client_min_messages = warning;
SELECT twin.create_signing_key('HS256') AS own, twin.add_verification_key('{"kty":"oct","alg":"HS256","kid":"told","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}') AS theirs \gset
SELECT is(pg_temp.told(format(s, :'own', :'theirs')), 1::bigint, 'told: ' || s) FROM unnest(ARRAY['SELECT twin.create_signing_key()', 'SELECT twin.use_signing_key(%1$L)', 'SELECT twin.retire_signing_key(%1$L)',
	'SELECT twin.remove_verification_key(%2$L)', 'SELECT twin.revoke_token(''some-jti'')', 'SELECT twin.purge_revocations()',
	'SELECT twin.add_verification_key(''{"kty":"oct","alg":"HS256","kid":"other","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}'')']) s;
SELECT throws_ok($$SELECT twin.add_verification_key(jsonb_build_object('kty', 'oct', 'alg', 'HS256', 'k', translate(encode('tests sign with this, and nobody else'::bytea, 'base64'), '+/=', '-_')))$$,
	'42710', 'this secret signs our own tokens already', 'JWT_SECRET_KEY is no key of somebody else''s');
-- within one second a user's revocations reach one second ahead, and no token is made that is void already
SELECT count(twin_internal.revoke_user('hasty')) FROM generate_series(1, 40);
SELECT ok(issued_until <= clock_timestamp() + interval '1 second', 'forty revocations at once are no more than two') FROM twin.revocations WHERE subject = 'hasty';
SELECT is(twin.verify_token(twin.issue_token('{"user_id": "hasty"}')) ->> 'user_id', 'hasty', 'the next token is good');
UPDATE twin_internal.revocations SET last_second = last_second + 3600 WHERE name = 'u:hasty';
SELECT throws_ok($$SELECT twin.issue_token('{"user_id": "hasty"}')$$, '55000', 'a token issued now would be refused', 'no token is issued that would be refused');

SELECT * FROM finish();
ROLLBACK;

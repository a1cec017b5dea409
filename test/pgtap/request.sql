-- request: what a client, a function or a compromised gateway tries around begin_request() and pre_request()
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
GRANT ALL ON SCHEMA public TO PUBLIC;
SELECT no_plan();
SET LOCAL client_min_messages = warning;
CREATE ROLE tap_gate LOGIN NOINHERIT;
GRANT twin_anonymous, twin_viewer, twin_operator, twin_admin TO tap_gate;
CREATE ROLE tap_app LOGIN IN ROLE twin_viewer;
INSERT INTO twin.token_only_logins VALUES ('tap_gate');
CREATE SCHEMA tap_test; GRANT USAGE ON SCHEMA tap_test TO PUBLIC; CREATE SCHEMA tap_api; GRANT USAGE ON SCHEMA tap_api TO PUBLIC;
CREATE TABLE tap_api.unit (id int PRIMARY KEY, tenant_id bigint NOT NULL);
INSERT INTO tap_api.unit SELECT i, 1 + i % 2 FROM generate_series(1, 10) i;
SELECT twin.protect_table('tap_api.unit', 'tenant_id', read_permission => 'read_units');
CREATE TABLE tap_tokens AS SELECT twin.issue_token('{"user_id": "11", "role": "viewer", "tenant_id": 1}') AS viewer,
	twin.issue_token('{"user_id": "12", "role": "viewer", "tenant_id": 2}') AS other, twin.issue_token('{"user_id": "13", "role": "admin", "tenant_id": 2}') AS admin,
	twin.issue_token('{"user_id": "14", "role": "viewer"}') AS revoked;
GRANT SELECT ON tap_tokens TO PUBLIC;
SELECT twin.revoke_token(revoked) FROM tap_tokens;

-- a request in a savepoint that is rolled back, so that the next one begins with nothing; says what it found
CREATE FUNCTION tap_test.begun(headers jsonb, cookies jsonb DEFAULT '{}', method text DEFAULT 'GET', schema_name text DEFAULT 'tap_api',
	query text DEFAULT 'SELECT format(''%s %s %s'', current_user, coalesce(twin.current_user_id()::text, ''nobody''), (SELECT count(*) FROM tap_api.unit))') RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	BEGIN
		PERFORM * FROM twin.begin_request(method, '/unit', headers, cookies, '192.0.2.1', schema_name);
		EXECUTE query INTO answer;
		RAISE EXCEPTION USING ERRCODE = 'P9999', MESSAGE = coalesce(answer, 'null');
	EXCEPTION WHEN SQLSTATE 'P9999' THEN RETURN SQLERRM;
		WHEN OTHERS THEN RETURN SQLSTATE;
	END;
END $$;
CREATE FUNCTION tap_test.told(headers text, claims text, role text DEFAULT 'twin_anonymous', cookies text DEFAULT '{}', method text DEFAULT 'GET') RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	BEGIN
		PERFORM set_config('role', role, true), set_config('request.jwt.claims', claims, true), set_config('request.method', method, true), set_config('request.path', '/unit', true),
			set_config('request.headers', headers, true), set_config('request.cookies', cookies, true);
		PERFORM twin.pre_request();
		SELECT format('%s %s %s', current_user, coalesce(twin.current_user_id()::text, 'nobody'), (SELECT count(*) FROM tap_api.unit)) INTO answer;
		RAISE EXCEPTION USING ERRCODE = 'P9999', MESSAGE = answer;
	EXCEPTION WHEN SQLSTATE 'P9999' THEN RETURN SQLERRM;
		WHEN OTHERS THEN RETURN SQLSTATE;
	END;
END $$;
CREATE FUNCTION tap_test.bearer(token text) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('authorization', 'Bearer ' || token) $$;
GRANT SELECT ON tap_api.unit TO twin_anonymous;
GRANT twin_anonymous TO tap_app;
SET SESSION AUTHORIZATION tap_gate;

-- tenants by their tokens
SELECT is(tap_test.begun(tap_test.bearer(viewer)), 'twin_viewer 11 5', 'a tenant''s rows') FROM tap_tokens;
SELECT is(tap_test.begun(tap_test.bearer(other), query => 'SELECT string_agg(DISTINCT tenant_id::text, '','') FROM tap_api.unit'), '2', 'another''s') FROM tap_tokens;
SELECT is(tap_test.begun('{}'), 'twin_anonymous nobody 0', 'nobody''s: none');
SELECT is(tap_test.begun(tap_test.bearer(admin)), 'twin_admin 13 5', 'an administrator of a tenant is in it too') FROM tap_tokens;

-- tokens that do not hold, and headers that are none
SELECT is(tap_test.begun(tap_test.bearer(revoked)), 'TW510', 'revoked') FROM tap_tokens;
SELECT is(tap_test.begun(tap_test.bearer(left(viewer, -2))), 'TW501', 'cut') FROM tap_tokens;
SELECT is(tap_test.begun(tap_test.bearer(left(viewer, -4) || 'AAAA')), 'TW506', 'of another signature') FROM tap_tokens;
SELECT is(tap_test.begun(tap_test.bearer('')), 'TW501', 'an empty one is not nobody');
SELECT is(tap_test.begun('{"authorization": "Bearer"}'), 'TW501', '... nor is the scheme alone');
SELECT is(tap_test.begun(tap_test.bearer(repeat('x', 8193))), 'TW502', 'too long');
SELECT is(tap_test.begun('{"authorization": "Basic eDp5"}'), 'twin_anonymous nobody 0', 'another scheme is for somebody else');
SELECT is(tap_test.begun('{"authorization": "Bearerx y"}'), 'twin_anonymous nobody 0', '... also one that begins alike');
SELECT is(tap_test.begun(jsonb_build_object('AUTHORIZATION', 'bEARER  ' || viewer)), 'twin_viewer 11 5', 'names and schemes know no case') FROM tap_tokens;
SELECT is(tap_test.begun('{"authorization": ["Bearer x"]}'), '22023', 'a list of them');
SELECT is(tap_test.begun(jsonb_build_array('authorization')), '22023', 'a list of headers');
SELECT is(tap_test.begun(to_jsonb('authorization'::text)), '22023', 'a string of headers');
SELECT is(tap_test.begun(jsonb_build_object('Authorization', 'Bearer ' || viewer, 'authorization', 'Bearer ' || other)), '22023', 'two of them') FROM tap_tokens;
SELECT is(tap_test.begun(jsonb_build_object('x', repeat('y', 70000))), '54000', 'a huge one');
SELECT is(tap_test.begun((SELECT jsonb_object_agg('x' || i, '') FROM generate_series(1, 600) i)), '54000', 'many');
SELECT is(tap_test.begun(jsonb_build_object(repeat('x', 257), '')), '54000', 'a long name');
SELECT is(tap_test.begun(jsonb_build_object('x', E'a"b\\c\n\x01\u00fc'), query => 'SELECT current_setting(''request.headers'')::json ->> ''x'' = E''a"b\\c\n\x01\u00fc'''), 'true', 'any text comes through');
SELECT is(tap_test.begun('{}', method => repeat('X', 33)), '54000', 'a long method');

-- the schema
SELECT is(tap_test.begun('{}', schema_name => s), '3F000', 'no schema: ' || s)
	FROM unnest(ARRAY['', '$user', 'pg_temp', 'pg_temp_3', 'pg_toast', 'tap_api, public', 'tap_api", "twin_internal', 'nowhere', E'tap_api\n', repeat('x', 64)]) s;
SELECT is(tap_test.begun('{}', query => 'SELECT current_setting(''search_path'')'), '"tap_api"', 'the one that is, is quoted');

-- cookies
SELECT is(tap_test.begun('{}', jsonb_build_object('__Host-twin_access', viewer)), 'twin_viewer 11 5', 'reading by cookie') FROM tap_tokens;
SELECT is(tap_test.begun('{}', jsonb_build_object('__Host-twin_access', viewer), m), 'TW802', 'a cookie without CSRF token: ' || m)
	FROM tap_tokens, unnest('{POST,PATCH,PUT,DELETE,TRACE,get,""}'::text[]) m;
SELECT is(tap_test.begun('{"x-csrf-token": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}', jsonb_build_object('__Host-twin_access', viewer), 'POST'), 'TW802', '... with a wrong one') FROM tap_tokens;
SELECT is(tap_test.begun('{}', '{"__Host-twin_access": ""}', 'POST'), 'twin_anonymous nobody 0', 'an empty cookie is none');
SELECT is(tap_test.begun('{}', '{"__Host-twin_access": "x"}'), 'TW501', 'a cookie that is no token');
SELECT is(tap_test.begun('{}', '{"__Host-twin_access": {"a": "b"}}'), '22023', '... or no string');
SELECT is(tap_test.begun('{}', '{"__host-twin_access": "x"}'), 'twin_anonymous nobody 0', 'cookies know case');

-- what may not be seen
SELECT ok(position(viewer IN tap_test.begun(tap_test.bearer(viewer), jsonb_build_object('__Host-twin_access', viewer, '__Host-twin_refresh', viewer),
	query => 'SELECT string_agg(current_setting(s, true), '' '') FROM unnest(''{request.headers,request.cookies,request.jwt.claims,request.path,request.id}''::text[]) s')) = 0,
	'no setting shows a token') FROM tap_tokens;
SELECT is(tap_test.begun(tap_test.bearer(viewer), query => 'SELECT current_setting(''twin_security.token'')'), '42501', 'nor its own') FROM tap_tokens;

-- the role, once begun
SELECT is(tap_test.begun(h, query => q), '42501', 'sealed: ' || q)
	FROM (SELECT tap_test.bearer(viewer) FROM tap_tokens UNION ALL SELECT '{}') t (h),
		unnest(ARRAY['SET LOCAL ROLE twin_admin', 'SET ROLE NONE', 'RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT', $$SELECT set_config('role', 'twin_admin', true)$$,
			$$SELECT set_config('role', 'none', false)$$, 'SET LOCAL ROLE tap_gate']) q;
SELECT is(tap_test.begun(h, query => $$SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'tap_api')$$), '25001', 'a request begins once')
	FROM (SELECT tap_test.bearer(viewer) FROM tap_tokens UNION ALL SELECT '{}') t (h);
SELECT is(tap_test.begun('{}', query => 'SELECT twin.pre_request()'), '25001', '... whichever way');
SELECT is(tap_test.begun('{}', query => 'SELECT twin.check_rate_limit(''/unit'', ''11'')'), '42501', 'nobody spends the limits of others');
SELECT is(tap_test.begun(tap_test.bearer(admin), query => 'UPDATE twin.rate_limits SET burst = 1'), '42501', 'a tenant''s administrator does not change what holds for all') FROM tap_tokens;
RESET SESSION AUTHORIZATION;

-- who may begin
SET SESSION AUTHORIZATION tap_app;
SELECT is(tap_test.begun(tap_test.bearer(viewer)), '42501', 'a login that is no gateway''s') FROM tap_tokens;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION tap_api.planted() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN tap_test.begun('{}'); END $$;
CREATE FUNCTION tap_api.planted_too() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM twin.pre_request(); RETURN 'begun'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$;
SET SESSION AUTHORIZATION tap_gate;
SELECT is(tap_api.planted(), '42501', 'not within a SECURITY DEFINER function');
SELECT is(tap_api.planted_too(), '42501', '... neither way');
SAVEPOINT s;
SET LOCAL ROLE twin_viewer;
SELECT throws_ok($$SELECT * FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'tap_api')$$, '25001', NULL, 'not in a role that was set');
ROLLBACK TO s;
SELECT throws_ok($$SELECT twin.authenticate(viewer), (SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'tap_api')) FROM tap_tokens$$, '25001', NULL, 'not after a token');

-- PostgREST's way: what is told is not believed
SELECT is(tap_test.told('{}', '{"role": "twin_anonymous"}'), 'twin_anonymous nobody 0', 'nobody');
SELECT is(tap_test.told(tap_test.bearer(viewer)::text, (twin.verify_token(viewer) || '{"role": "twin_anonymous"}')::text), 'twin_viewer 11 5', 'a token') FROM tap_tokens;
SELECT is(tap_test.told('{}', '{"role": "twin_admin", "user_id": "13", "tenant_id": 2}', 'twin_admin'), 'PT401', 'forged claims');
SELECT is(tap_test.told('{}', '{"role": "twin_admin"}', 'twin_admin'), 'twin_admin nobody 0', 'a role alone opens nothing that is protected');
SELECT is(tap_test.told('{}', '{"role": "twin_admin"}'), 'PT401', 'a role that is not in force');
SELECT is(tap_test.told(tap_test.bearer(other)::text, (twin.verify_token(viewer) || '{"role": "twin_anonymous"}')::text), 'PT401', 'two tokens') FROM tap_tokens;
SELECT is(tap_test.told(tap_test.bearer(viewer)::text, (twin.verify_token(viewer) || c)::text), 'PT401', 'claims that are another''s: ' || c::text)
	FROM tap_tokens, unnest(ARRAY['{"role": "twin_anonymous", "jti": "x"}', '{"role": "twin_anonymous", "tenant_id": 2}', '{"role": "twin_anonymous", "tenant_id": "1"}',
		'{"role": "twin_anonymous", "sub": null}', '{"role": "twin_anonymous", "exp": 1}']::jsonb[]) c;
SELECT is(tap_test.told(h, '{"role": "twin_anonymous"}'), s, 'headers: ' || left(h, 40))
	FROM (VALUES ('', 'twin_anonymous nobody 0'), ('null', '22023'), ('{', '22023'), ('[]', '22023'), ('{"authorization": 1}', '22023'), ('{"authorization": "Bearer x", "authorization": "y"}', '22023'),
		('{"a": "' || repeat('x', 70000) || '"}', '54000'), (repeat('[', 100000), '54000')) t (h, s);
SELECT is(tap_test.told('{}', '{"role": "twin_anonymous"}', cookies => jsonb_build_object('__Host-twin_access', viewer)::text), 'twin_viewer 11 5', 'a cookie') FROM tap_tokens;
SELECT is(tap_test.told('{}', '{"role": "twin_anonymous"}', cookies => jsonb_build_object('__Host-twin_access', viewer)::text, method => 'POST'), 'PT403', '... without CSRF token') FROM tap_tokens;
SELECT is(tap_test.told('{}', '{"role": "twin_anonymous"}', cookies => jsonb_build_object('__Host-twin_access', viewer)::text, method => ''), 'PT403', '... and without method') FROM tap_tokens;
SELECT is(tap_test.told(tap_test.bearer(revoked)::text, ''), 'PT401', 'revoked') FROM tap_tokens;
SELECT is(tap_test.told('{"authorization": "Bearer x", "x-forwarded-for": "192.0.2.1"}', ''), 'PT401', 'malformed');
RESET SESSION AUTHORIZATION;

-- limits
INSERT INTO twin.rate_limits VALUES ('/unit', 'user', 1, '1 hour', 2);
SET SESSION AUTHORIZATION tap_gate;
SELECT is((SELECT string_agg(tap_test.begun(tap_test.bearer(other)), ' ') FROM tap_tokens, generate_series(1, 3)), 'twin_viewer 12 5 twin_viewer 12 5 TW803', 'a user''s limit, across savepoints that were rolled back');
RESET SESSION AUTHORIZATION;
SELECT throws_ok($$SELECT * FROM twin.check_rate_limit('/unit', NULL) WHERE allowed IS NULL; INSERT INTO twin.rate_limits VALUES ('unit', 'user', 1, '1 hour', 2)$$, '23514', NULL, 'a route begins with a slash');
SELECT * FROM finish();
ROLLBACK;

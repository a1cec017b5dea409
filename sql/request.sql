-- request: its surface as outside users see it, the seeds, and what a table of limits does not take
CREATE EXTENSION IF NOT EXISTS twin_security;
\set SHOW_CONTEXT never
SELECT p.oid::regprocedure AS function, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result, p.provolatile AS volatile,
	p.proisstrict AS strict, p.proparallel AS parallel, p.prosecdef AS definer
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'twin' AND p.proname IN ('begin_request', 'pre_request', 'check_rate_limit') ORDER BY p.proname COLLATE "C" \gx
SELECT name, setting, context FROM pg_settings WHERE name = 'twin_security.trusted_proxies';
SELECT route, scope, requests, period, burst FROM twin.rate_limits ORDER BY route, scope;
-- a login and a schema of requests
CREATE ROLE request_gate LOGIN NOINHERIT;
GRANT twin_anonymous, twin_viewer TO request_gate;
INSERT INTO twin.token_only_logins VALUES ('request_gate');
CREATE SCHEMA request_api;
SELECT current_user AS tester, twin.issue_token('{"user_id": "11", "role": "viewer", "tenant_id": 3}') AS token \gset
\c - request_gate
SELECT '{"Accept": "*/*", "authorization": "Bearer ' || :'token' || '"}' AS headers \gset
BEGIN READ ONLY;
SELECT role_name, user_id, request_id ~ '^[0-9a-f]{32}$' AS has_id FROM twin.begin_request('GET', '/units', :'headers', '{"theme": "dark"}', '192.0.2.1', 'request_api');
SELECT current_user, twin.current_user_id(), twin.current_tenant_id(), current_setting('search_path') AS search_path, current_setting('request.method') AS method,
	current_setting('request.path') AS path, current_setting('request.headers') AS headers, current_setting('request.cookies') AS cookies,
	current_setting('request.jwt.claims')::jsonb - '{iat,exp,jti}'::text[] AS claims \gx
COMMIT;
BEGIN;
SELECT role_name, user_id FROM twin.begin_request('POST', '/rpc/f', NULL, NULL, NULL, 'request_api', 'twin_anonymous', '{public,"Mixed \"Case"}', '{timezone,Asia/Tokyo}', '/rpc/g');
SELECT current_setting('search_path') AS search_path, current_setting('TimeZone') AS timezone, current_setting('request.jwt.claims') AS claims;
COMMIT;
SELECT current_user, current_setting('search_path') AS search_path, current_setting('request.id') AS id;
-- refusals
SELECT role_name FROM twin.begin_request(NULL, '/', '{}', '{}', NULL, 'request_api');
SELECT role_name FROM twin.begin_request('GET', NULL, '{}', '{}', NULL, 'request_api');
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, NULL);
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'nowhere');
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, '$user');
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'pg_temp');
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'request_api", "twin_internal');
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'request_api', extra_search_path => '{pg_temp}');
SELECT role_name FROM twin.begin_request('GET', '/', '[]', '{}', NULL, 'request_api');
SELECT role_name FROM twin.begin_request('GET', '/', '{"a": 1}', '{}', NULL, 'request_api');
SELECT role_name FROM twin.begin_request('GET', '/', '{"a": {"b": "c"}}', '{}', NULL, 'request_api');
SELECT role_name FROM twin.begin_request('GET', '/', '{"Authorization": "Bearer a", "authorization": "Bearer b"}', '{}', NULL, 'request_api');
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{"a": null}', NULL, 'request_api');
SELECT role_name FROM twin.begin_request('GET', '/', '{"authorization": "Bearer x"}', '{}', NULL, 'request_api');
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'request_api', NULL);
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'request_api', 'none');
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'request_api', 'twin_admin');
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'request_api', settings => '{role,twin_viewer}');
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'request_api', settings => '{timezone}');
SELECT twin.check_rate_limit('/x', 'y');
TABLE twin.rate_limits;
\c - :tester
\set SHOW_CONTEXT never
SELECT role_name FROM twin.begin_request('GET', '/', '{}', '{}', NULL, 'request_api');
-- limits of applications
INSERT INTO twin.rate_limits VALUES ('/export', 'user', 2, '1 hour', 2), ('/export', 'address', 1, '1 hour', 1);
SELECT n, allowed, remaining, retry_after BETWEEN '29 min' AND '30 min' AS in_half_an_hour FROM generate_series(1, 3) n, twin.check_rate_limit('/export/' || left(n::text, 0), '42') ORDER BY n;
SELECT allowed, remaining FROM twin.check_rate_limit('/export', '192.0.2.1');
SELECT allowed, remaining FROM twin.check_rate_limit('/export', '::ffff:192.0.2.1');
SELECT allowed, remaining > 1000 AS far FROM twin.check_rate_limit('/other', '42');
-- what is no limit
INSERT INTO twin.rate_limits VALUES ('export', 'user', 2, '1 hour', 2);
INSERT INTO twin.rate_limits VALUES ('/a*b', 'user', 2, '1 hour', 2);
INSERT INTO twin.rate_limits VALUES ('/a', 'tenant', 2, '1 hour', 2);
INSERT INTO twin.rate_limits VALUES ('/a', 'user', 0, '1 hour', 2);
INSERT INTO twin.rate_limits VALUES ('/a', 'user', 2, '0', 2);
INSERT INTO twin.rate_limits VALUES ('/a', 'user', 2, '1 hour', 0);
INSERT INTO twin.rate_limits VALUES ('/export', 'user', 2, '1 hour', 2);
-- a seed is a row like any other
INSERT INTO twin.rate_limits VALUES ('/rpc/login', 'address', 5, '1 minute', 9);
INSERT INTO twin.rate_limits AS l VALUES ('/rpc/login', 'address', 5, '1 minute', 9) ON CONFLICT (route, scope) DO UPDATE SET burst = excluded.burst;
DELETE FROM twin.rate_limits WHERE route = '/api/auth/login';
SELECT route, scope, requests, burst FROM twin.rate_limits ORDER BY route, scope;
DELETE FROM twin.token_only_logins WHERE role_name::text = 'request_gate';
DROP ROLE request_gate;
DROP SCHEMA request_api;

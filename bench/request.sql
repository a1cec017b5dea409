-- request.sql: what a request costs beside PostgREST's set_config() calls and beside authenticate() alone. Transactions of
-- one session, committed in a loop, so that neither the network nor the scheduler is measured; rounds interleaved.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT current_user AS bench_user \gset
CREATE ROLE bench_gate LOGIN NOINHERIT;
GRANT twin_anonymous, twin_viewer TO bench_gate;
INSERT INTO twin.token_only_logins VALUES ('bench_gate');
GRANT USAGE ON SCHEMA bench TO bench_gate;
CREATE TABLE bench.request_token AS
	SELECT twin.issue_token('{"user_id": "1", "role": "viewer", "tenant_id": 1, "sid": "7c3cf0ab-6d38-4bd7-8a3c-51d9b4a3f0b5"}') AS token;
CREATE TABLE bench.request_times (kind text, round integer, microseconds double precision);
GRANT SELECT ON bench.request_token TO bench_gate;
GRANT INSERT ON bench.request_times TO bench_gate;
ALTER ROLE twin_viewer SET statement_timeout = '1min';

CREATE PROCEDURE bench.request_round(of_kind text, of_round integer, transactions integer) LANGUAGE plpgsql AS $$
DECLARE
	secret text := (SELECT token FROM bench.request_token);
	headers jsonb := '{"host": "twin.example.org", "accept": "application/json", "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
		"accept-language": "en", "accept-encoding": "gzip, deflate, br", "x-client-info": "postgrest-js/1.16"}';
	headers_text text := headers::text;
	with_token jsonb := headers || jsonb_build_object('authorization', 'Bearer ' || secret);
	claims text := (twin.verify_token(secret) || '{"role": "twin_viewer"}')::text;
	cookies jsonb := '{}';
	extra text[] := '{public}';
	address inet := '192.0.2.1';
	began timestamptz;
BEGIN
	COMMIT;
	began := clock_timestamp();
	FOR i IN 1..transactions LOOP
		CASE of_kind
			WHEN 'nothing' THEN PERFORM 1;
			WHEN 'settings' THEN PERFORM set_config('search_path', '"bench", "public"', true), set_config('statement_timeout', '1min', true), set_config('role', 'twin_viewer', true),
				set_config('request.jwt.claims', claims, true), set_config('request.method', 'GET', true), set_config('request.path', '/units', true),
				set_config('request.headers', headers_text, true), set_config('request.cookies', '{}', true);
			WHEN 'authenticate' THEN PERFORM twin.authenticate(secret);
			WHEN 'anonymous' THEN PERFORM role_name FROM twin.begin_request('GET', '/units', headers, cookies, address, 'bench', extra_search_path => extra);
			WHEN 'token' THEN PERFORM role_name FROM twin.begin_request('GET', '/units', with_token, cookies, address, 'bench', extra_search_path => extra);
		END CASE;
		COMMIT;
	END LOOP;
	INSERT INTO bench.request_times VALUES (of_kind, of_round, 1e6 * extract(epoch FROM clock_timestamp() - began) / transactions);
END $$;

\c - bench_gate
SET client_min_messages = warning;
SELECT format('CALL bench.request_round(%L, %s, 4000)', kind, round)
	FROM generate_series(0, 9) round, unnest('{nothing,settings,authenticate,anonymous,token}'::text[]) kind ORDER BY round, kind \gexec
\c - :bench_user
CREATE TEMP TABLE medians AS
	SELECT kind, percentile_cont(0.5) WITHIN GROUP (ORDER BY microseconds) AS us FROM bench.request_times WHERE round > 0 GROUP BY kind;
SELECT kind, round(us::numeric, 1) AS microseconds FROM medians ORDER BY us;
SELECT max(us) FILTER (WHERE kind = 'nothing') AS nothing, max(us) FILTER (WHERE kind = 'settings') AS settings, max(us) FILTER (WHERE kind = 'authenticate') AS authenticate,
	max(us) FILTER (WHERE kind = 'anonymous') AS anonymous, max(us) FILTER (WHERE kind = 'token') AS token FROM medians \gset
CALL bench.report('begin_request() with a token, microseconds more than the set_config() calls', :token - :settings, 60);
CALL bench.report('begin_request() for nobody, microseconds more than the set_config() calls', :anonymous - :settings, 60);
CALL bench.report('begin_request() with a token / set_config() calls and authenticate(), each beside an empty transaction',
	(:token - :nothing) / ((:settings - :nothing) + (:authenticate - :nothing)), NULL);
ALTER ROLE twin_viewer RESET statement_timeout;
DELETE FROM twin.token_only_logins WHERE role_name::text = 'bench_gate';

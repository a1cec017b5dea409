-- account.sql: 200 refused logins, interleaved: who measures them must not learn why. And what else happens often.
\set ON_ERROR_STOP on
\set QUIET on
SELECT twin.create_tenant('closed') AS tenant \gset
SELECT count(twin.create_user(u, 'correct horse battery staple')) FROM unnest('{wrong,locked,disabled,frequent}'::text[]) u \g /dev/null
SELECT twin.create_user('tenant', 'correct horse battery staple', tenant_id => :tenant) \g /dev/null
SELECT twin.disable_user('disabled'), twin.disable_tenant(:tenant) \g /dev/null
-- the lock holds for the whole run
SET twin_security.login_lockout = 3600;
SELECT count(twin_api.login('locked', 'wrong')) FROM generate_series(1, 5) \g /dev/null
INSERT INTO bench.cases (grp, name, setup, statement) VALUES
	('login', 'unknown user', NULL, $$SELECT twin_api.login('nobody', 'correct horse battery staple')$$),
	('login', 'wrong password', $$SELECT twin.unlock_user('wrong')$$, $$SELECT twin_api.login('wrong', 'wrong horse battery staple')$$),
	('login', 'locked', NULL, $$SELECT twin_api.login('locked', 'correct horse battery staple')$$),
	('login', 'disabled', $$SELECT twin.unlock_user('disabled')$$, $$SELECT twin_api.login('disabled', 'correct horse battery staple')$$),
	('login', 'inactive tenant', $$SELECT twin.unlock_user('tenant')$$, $$SELECT twin_api.login('tenant', 'correct horse battery staple')$$);
CALL bench.run('login', 40);
SELECT max(bench.wall('login', name)) / min(bench.wall('login', name)) AS ratio FROM bench.cases WHERE grp = 'login' \gset
CALL bench.report('refused logins, medians of 40 each: slowest reason / fastest', :ratio, 1.05);
SELECT max(used) / min(used) AS ratio FROM (SELECT sum(cpu) AS used FROM bench.times WHERE grp = 'login' GROUP BY name) t \gset
CALL bench.report('refused logins: slowest reason / fastest (CPU time), which a busy machine does not blur', :ratio, 1.05);

-- a refresh of a session: two tokens signed, a row rotated
CREATE TABLE bench.refreshed (token text, read bigint);
INSERT INTO bench.refreshed SELECT twin_api.login('frequent', 'correct horse battery staple') ->> 'refresh_token', 0;
INSERT INTO bench.cases (grp, name, setup, statement) VALUES
	-- a session has 60 refreshes a minute
	('refresh', 'refresh', $$SELECT twin_internal.forget_limits()$$, $$UPDATE bench.refreshed SET token = twin_api.refresh(token) ->> 'refresh_token' WHERE token IS NOT NULL$$),
	('refresh', 'update', NULL, $$UPDATE bench.refreshed SET read = read + 1$$);
CALL bench.run('refresh', 200);

-- metrics.sql: who may ask, what the text is made of, and that neither a source that fails nor one that gives too much
-- spoils it. (With the gateway and Prometheus: test/t/121_metrics.pl.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

-- other files may have run on this server before
CREATE TEMP TABLE at_first AS SELECT metric, labels, value FROM twin.stat_metrics;
CREATE TEMP TABLE events_at_first AS SELECT sum(events) FILTER (WHERE event_type = 'application') AS events, count(*) AS kinds FROM twin.stat_events;

-- ---- who ----

CREATE ROLE metrics_monitor IN ROLE pg_monitor;
CREATE ROLE metrics_stranger;
SELECT function_privs_are('twin', 'metrics', ARRAY['text'], r,
	CASE WHEN r IN ('twin_admin', 'twin_auditor', 'twin_gateway', 'metrics_monitor') THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and metrics()')
	FROM unnest('{twin_admin,twin_operator,twin_viewer,twin_auditor,twin_anonymous,twin_gateway,metrics_monitor,metrics_stranger}'::name[]) r;
SELECT table_privs_are('twin', v, r, CASE WHEN r IN ('twin_admin', 'twin_auditor') THEN ARRAY['SELECT'] ELSE '{}' END, r || ' and ' || v)
	FROM unnest('{twin_admin,twin_operator,twin_auditor,twin_anonymous,twin_gateway,metrics_monitor}'::name[]) r, unnest('{stat_metrics,stat_events,stat_workers}'::name[]) v;
SELECT table_privs_are('twin_internal', t, r, '{}', r || ' and ' || t)
	FROM unnest('{twin_admin,twin_auditor,twin_gateway}'::name[]) r, unnest('{metric_sources,metric_families,tallies}'::name[]) t;
SET ROLE metrics_monitor;
SELECT matches(twin.metrics(), '^# HELP .*# EOF$', 'who monitors the server asks');
SET ROLE twin_auditor;
SELECT isnt_empty('SELECT * FROM twin.stat_metrics', 'an auditor sees rows');
RESET ROLE;

-- a tenant's administrator is told nothing of all; one of none is
SELECT twin.create_tenant('north');
SELECT twin.create_user('tess', 'a long enough word 1', role_name => 'admin', tenant_id => (SELECT tenant_id FROM twin.tenants WHERE tenant_name = 'north'));
SELECT twin.create_user('wanda', 'a long enough word 2', role_name => 'admin');
CREATE FUNCTION token_of(username text) RETURNS text LANGUAGE sql AS $$
	SELECT twin.issue_token(jsonb_strip_nulls(jsonb_build_object('user_id', u.user_id::text, 'role', u.role_name, 'tenant_id', u.tenant_id))) FROM twin.users u WHERE u.username = $1 $$;
CREATE TEMP TABLE tokens AS SELECT name, token_of(name) AS token FROM unnest('{tess,wanda}'::text[]) name;
GRANT SELECT ON tokens TO twin_admin;
SAVEPOINT nobody;
SELECT twin.authenticate(token) FROM tokens WHERE name = 'tess';
SET LOCAL ROLE twin_admin;
SELECT throws_ok(q, '42501', NULL, 'a tenant''s administrator: ' || q) FROM unnest('{SELECT twin.metrics(),TABLE twin.stat_metrics,TABLE twin.stat_events}'::text[]) q;
ROLLBACK TO nobody;
SELECT twin.authenticate(token) FROM tokens WHERE name = 'wanda';
SET LOCAL ROLE twin_admin;
SELECT lives_ok(q, 'an administrator of the whole: ' || q) FROM unnest('{SELECT twin.metrics(),TABLE twin.stat_metrics,TABLE twin.stat_events}'::text[]) q;
ROLLBACK TO nobody;

-- ---- the text ----

CREATE FUNCTION metric(name text, wanted jsonb DEFAULT '{}') RETURNS double precision LANGUAGE sql VOLATILE AS
	$$ SELECT m.value FROM twin.stat_metrics m WHERE m.metric = name AND m.labels @> wanted $$;
CREATE FUNCTION metric_since(name text, wanted jsonb) RETURNS double precision LANGUAGE sql VOLATILE AS
	$$ SELECT metric(name, wanted) - coalesce((SELECT a.value FROM at_first a WHERE a.metric = name AND a.labels @> wanted), 0) $$;

SELECT throws_ok(format('SELECT twin.metrics(%L)', f), '22023', 'unknown format of metrics', 'no format: ' || f) FROM unnest('{"",OpenMetrics,json}'::text[]) f;
SELECT is((SELECT count(*) FROM regexp_matches(twin.metrics(f), '^# EOF$', 'gn'))::int, 1, 'it ends once: ' || coalesce(f, 'both'))
	FROM unnest('{NULL,openmetrics,prometheus}'::text[]) f;
SELECT matches(twin.metrics(), '\n# HELP twin_security_seal_lag_seconds [^\n]+\n# TYPE twin_security_seal_lag_seconds gauge\n# UNIT twin_security_seal_lag_seconds seconds\ntwin_security_seal_lag_seconds ', 'a gauge');
SELECT matches(twin.metrics(), '\n# HELP twin_security_logins_total [^\n]+\ntwin_security_logins_total\{outcome="failure",reporter="application"\} [0-9]+\n', 'a counter, in both formats at once');
SELECT matches(twin.metrics('openmetrics'), '\n# HELP twin_security_logins [^\n]+\n# TYPE twin_security_logins counter\ntwin_security_logins_total\{', 'in OpenMetrics');
SELECT matches(twin.metrics('prometheus'), '\n# HELP twin_security_logins_total [^\n]+\n# TYPE twin_security_logins_total counter\ntwin_security_logins_total\{', 'in Prometheus'' own');
SELECT is(twin.metrics() ~ 'tess|wanda|north', false, 'nobody is named');
SELECT is((SELECT string_agg(labels ->> 'source', ' ') FROM twin.stat_metrics WHERE metric = 'twin_security_scrape_error' AND value <> 0), NULL, 'every source can be read');
SELECT is((SELECT count(*) FROM twin_internal.metric_sources)::int, (SELECT count(*) FROM twin.stat_metrics WHERE metric = 'twin_security_scrape_error')::int, '... and says so');
SELECT is(metric('twin_security_scrape_dropped_series'), 0::double precision, 'nothing is left out');
SELECT is((SELECT string_agg(DISTINCT metric, ' ') FROM twin.stat_metrics WHERE kind = 'counter' AND (metric !~ '_total$' OR value <> trunc(value) OR value < 0)), NULL, 'counters count');
SELECT is((SELECT string_agg(f.family, ' ') FROM twin_internal.metric_families f WHERE NOT EXISTS (SELECT FROM twin_internal.stat_metrics() m WHERE m.family = f.family AND m.value IS NOT NULL)
	AND f.family NOT IN ('twin_security_checkpoint_age_seconds', 'twin_security_events_sealed', 'twin_security_alerts', 'twin_security_retention_last_success_timestamp_seconds')), NULL, 'every family has a value (but these: nothing is sealed in this transaction, there may be no rules, and no policy was applied)');

-- ---- what is counted ----

SELECT is((SELECT count(twin.record_event('made_up_' || i)) FROM generate_series(1, 700) i)::int, 700, 'an application makes up types');
SELECT is((SELECT events FROM twin.stat_events WHERE event_type = 'application') - (SELECT coalesce(events, 0) FROM events_at_first), 700::numeric, '... which are one');
SELECT cmp_ok((SELECT count(*) FROM twin.stat_events)::int - (SELECT kinds FROM events_at_first)::int, '<', 60, '... and take no place');
SELECT twin.record_event('login_failure', outcome => 'failure');
SELECT is(metric_since('twin_security_logins_total', '{"outcome": "failure", "reporter": "application"}'), 1::double precision, 'what it reports of logins is its own');
SELECT is(metric_since('twin_security_logins_total', '{"outcome": "failure", "reporter": "database"}'), 0::double precision, '... and not the database''s');
SELECT is(metric_since('twin_security_denials_total', '{"type": "permission_denied"}'), 3::double precision, 'the tenant''s administrator was refused');
SELECT twin.record_event('permission_denied', outcome => 'denied');
SELECT is(metric_since('twin_security_denials_total', '{"type": "permission_denied"}'), 3::double precision, 'refusals of an application are not the database''s');
SELECT is(metric_since('twin_security_tokens_issued_total', '{"type": "access"}'), 2::double precision, 'tokens issued, also where the transaction may come to nothing');
SELECT is(metric_since('twin_security_tokens_issued_total', '{"type": "refresh"}'), 0::double precision, '... by type');
CREATE TEMP TABLE before AS SELECT metric('twin_security_key_encryptions_total', '{"key": "main"}') AS sealed, metric('twin_security_key_decryptions_total', '{"key": "main"}') AS opened;
CREATE TABLE sealed (v twin.encrypted_text(main));
SELECT twin.grant_key('main', current_user::regrole, p) FROM unnest('{encrypt,decrypt}'::text[]) p;
INSERT INTO sealed SELECT i::text FROM generate_series(1, 10) i;
SELECT count(twin.decrypt(v)) FROM sealed;
SELECT is(metric('twin_security_key_encryptions_total', '{"key": "main"}') - b.sealed, 10::double precision, 'values sealed, by key') FROM before b;
SELECT is(metric('twin_security_key_decryptions_total', '{"key": "main"}') - b.opened, 10::double precision, 'values opened, by key') FROM before b;
SELECT twin_internal.raise_alert('some_rule', s, NULL, 1, '{}') FROM unnest('{high,high,low}'::text[]) s;
SELECT is(metric('twin_security_alerts_total', '{"rule": "some_rule", "severity": "high"}'), 2::double precision, 'alerts are counted');
DELETE FROM twin_internal.alerts;
SELECT is(metric('twin_security_alerts_total', '{"rule": "some_rule", "severity": "high"}'), 2::double precision, '... also when their rows are gone');

-- ---- a source that fails, and one that gives too much ----

INSERT INTO twin_internal.metric_families VALUES ('twin_security_test', 'gauge', NULL, 'A test.'), ('twin_security_test_many', 'gauge', NULL, 'A test.');
INSERT INTO twin_internal.metric_sources VALUES ('broken'), ('nasty');
CREATE FUNCTION twin_internal.metrics_of_broken() RETURNS TABLE(family text, labels text[], value double precision) LANGUAGE sql AS
	$$ SELECT 'twin_security_test', ARRAY['label', 'broken'], 1 / (random() * 0) $$;
CREATE FUNCTION twin_internal.metrics_of_nasty() RETURNS TABLE(family text, labels text[], value double precision) LANGUAGE sql AS $$
	VALUES ('twin_security_test', ARRAY['label', E'a"b\\c\nd'], 1.5), ('twin_security_test', ARRAY['label', 'null'], NULL), ('twin_security_test', ARRAY['label', 'nan'], 'NaN'),
		('twin_security_test', ARRAY['label', 'inf'], '-Infinity'), ('twin_security_test', ARRAY['label', 'huge'], 1e300), ('twin_security_test', ARRAY['label', 'twice'], 1),
		('twin_security_test', ARRAY['label', 'twice'], 1), ('twin_security_unknown', '{}', 1), ('twin_security_test', ARRAY['label', repeat('x', 5000)], 7)
	UNION ALL SELECT 'twin_security_test_many', ARRAY['label', i::text], 1 FROM generate_series(1, 1500) i $$;
SET client_min_messages = error;
SELECT is(metric('twin_security_scrape_error', '{"source": "broken"}'), 1::double precision, 'a source that fails says so');
SELECT is(metric('twin_security_scrape_error', '{"source": "nasty"}'), 0::double precision, '... and the next is read');
SELECT isnt(metric('twin_security_worker_up', '{"worker": "event_launcher"}'), NULL, '... as are all');
SELECT is(metric('twin_security_scrape_dropped_series'), 502::double precision, 'what is too much, unknown or there twice is counted');
SELECT is((SELECT count(*) FROM twin.stat_metrics WHERE metric = 'twin_security_test_many')::int, 1000, '... and left out');
SELECT is(array_to_string(ARRAY(SELECT m[1] FROM regexp_matches(twin.metrics(), '^(twin_security_test\{.*)$', 'gn') m), ' ; '),
	'twin_security_test{label="a\"b\\c\nd"} 1.5 ; twin_security_test{label="huge"} 1e+300 ; twin_security_test{label="inf"} -Infinity ; twin_security_test{label="nan"} NaN ; twin_security_test{label="twice"} 1 ; twin_security_test{label="'
	|| repeat('x', 200) || '"} 7', 'labels and values as the formats want them');
RESET client_min_messages;
SELECT throws_ok($$ INSERT INTO twin_internal.metric_families VALUES ('twin_security_x_total', 'counter', NULL, 'A test.') $$, '23514', NULL, 'a suffix that the formats keep');
SELECT throws_ok($$ INSERT INTO twin_internal.metric_families VALUES ('twin_security_x', 'gauge', 'seconds', 'A test.') $$, '23514', NULL, 'a unit that the name does not say');
SELECT throws_ok($$ INSERT INTO twin_internal.metric_families VALUES ('twin_security_x', 'gauge', NULL, 'A "test".') $$, '23514', NULL, 'help that would need escapes');
-- a part for each statement, added up now and then
DO $$ BEGIN FOR i IN 1..1000 LOOP PERFORM twin_internal.raise_alert('counted', 'low', NULL, 1, '{}'); END LOOP; END $$;
SELECT is(metric('twin_security_alerts_total', '{"rule": "counted", "severity": "low"}'), 1000::double precision, 'alerts are counted');
SELECT twin_internal.add_up_tallies();
SELECT cmp_ok((SELECT count(*) FROM twin_internal.tallies)::int, '<', 500, '... without a row for each');
SELECT is(metric('twin_security_alerts_total', '{"rule": "counted", "severity": "low"}'), 1000::double precision, '... as before');

-- retention, by its policies
SET client_min_messages = error;	-- of the source that is broken
INSERT INTO twin_internal.retention_items (policy_name, relation, partition_name, from_time, to_time, state, failure, changed_at)
	VALUES ('access_logs', 'a.b', 'a.d', '2000-01-01', '2000-02-01', 'due', 'no room', now());
DELETE FROM twin_internal.retention_successes;
INSERT INTO twin_internal.retention_successes (policy_name, known_since, succeeded_at)
	VALUES ('audit_logs', '2000-01-01', '2001-09-09 01:46:40Z'), ('access_logs', now() - interval '1000 s', NULL);
SELECT is(metric('twin_security_retention_last_success_timestamp_seconds', '{"policy": "audit_logs"}'), 1e9::double precision, 'when a policy was applied last');
SELECT is(metric('twin_security_retention_last_success_timestamp_seconds', '{"policy": "access_logs"}'), NULL, '... and of one that never did there is no time');
CREATE FUNCTION lag(policy text) RETURNS double precision LANGUAGE sql AS $$ SELECT metric('twin_security_retention_lag_seconds', jsonb_build_object('policy', policy)) - extract(epoch FROM clock_timestamp() - now()) $$;
SELECT is(trunc((lag('audit_logs') - extract(epoch FROM now()) + 1e9) / 10), 0::double precision, 'how long ago that is');
SELECT is(trunc((lag('access_logs') - 1000) / 10), 0::double precision, '... of one that never was, since it is known');
SELECT is(trunc((lag('error_logs') - (SELECT extract(epoch FROM now() - installed_at)::double precision FROM twin_internal.installation)) / 10), 0::double precision, '... and of one that nobody ever looked at, since there is an extension');
UPDATE twin_internal.retention_policies SET enabled = false WHERE policy_name = 'error_logs';
SELECT is(metric('twin_security_retention_lag_seconds', '{"policy": "error_logs"}'), NULL, '... and none of one that is not to be applied');
SELECT is(metric('twin_security_retention_interval_seconds', '{}'), extract(epoch FROM current_setting('twin_security.retention_interval')::interval)::double precision, 'how often they should be');
SELECT is((SELECT string_agg(labels ->> 'policy' || ' ' || value, ', ' ORDER BY labels ->> 'policy') FROM twin.stat_metrics WHERE metric = 'twin_security_retention_failures'),
	'access_logs 1, audit_logs 0, error_logs 0', 'what could not be taken out');

-- deliveries, by their state
CREATE FUNCTION deliveries() RETURNS text LANGUAGE sql AS
	$$ SELECT string_agg(value::text, ' ' ORDER BY labels ->> 'state') FROM twin.stat_metrics WHERE metric = 'twin_security_alert_deliveries' $$;
CREATE FUNCTION deliveries_counted() RETURNS text LANGUAGE sql AS
	$$ SELECT string_agg((SELECT count(*) FROM twin_internal.alert_deliveries d WHERE d.state = s)::text, ' ' ORDER BY s) FROM unnest('{pending,delivered,dead}'::text[]) s $$;
SELECT twin.register_alert_channels('metrics', '[{"channel": "metrics", "kind": "syslog", "min_severity": "info", "max_age": "1 day", "is_on": true}]');
SELECT is(deliveries(), '0 0 1000', 'deliveries are counted: of a channel that is new');
UPDATE twin_internal.alert_deliveries SET state = CASE WHEN alert_id % 2 = 0 THEN 'dead' ELSE 'delivered' END WHERE alert_id % 5 <> 0;
SELECT is(deliveries(), deliveries_counted(), '... when they are settled');
DELETE FROM twin_internal.alerts WHERE alert_id % 3 = 0;
SELECT is(deliveries(), deliveries_counted(), '... when they go with their alerts');
SELECT count(twin_internal.raise_alert('counted', 'low', NULL, 1, '{}')) FROM generate_series(1, 1000);
SELECT twin_internal.add_up_tallies();
SELECT is(deliveries(), deliveries_counted(), '... and when they are added up');
SELECT cmp_ok((SELECT count(*) FROM twin_internal.tallies)::int, '<', 500, '... to few rows');
SAVEPOINT all_of_them;
TRUNCATE twin_internal.alert_deliveries;
SELECT is(deliveries(), '0 0 0', '... and when nothing is left');
ROLLBACK TO all_of_them;

-- what was settled long ago goes
UPDATE twin_internal.alert_deliveries SET worth_since = now() - CASE WHEN alert_id % 4 < 2 THEN interval '91 days' ELSE interval '366 days' END;
SELECT is(twin_internal.forget_deliveries() > now() + interval '100 days', true, 'the next to go is known') FROM generate_series(1, 3);
SELECT is((SELECT string_agg(DISTINCT d.state || ' ' || date_trunc('day', now() - d.worth_since), ',') FROM twin_internal.alert_deliveries d),
	'dead 91 days,pending 366 days,pending 91 days', 'delivered deliveries go after ninety days, dead ones after a year, and none that waits');
SELECT is(deliveries(), deliveries_counted(), '... and the numbers say so');

SELECT * FROM finish();

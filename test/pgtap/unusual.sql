-- unusual.sql: who may look at what was learned of people's access, and who may say that an alert was none.
-- (The extension is not committed here, so nothing is learned: see test/t/120_unusual.pl.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;

-- ---- who may what ----

SELECT function_privs_are('twin', 'mark_alert_false', '{bigint}', r, CASE WHEN r = 'twin_admin' THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and mark_alert_false')
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,pg_monitor}'::name[]) r;
SELECT table_privs_are('twin', 'access_profiles', r, CASE WHEN r IN ('twin_admin', 'twin_auditor') THEN ARRAY['SELECT'] ELSE '{}' END, r || ' and access_profiles')
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway,pg_monitor}'::name[]) r;
SELECT table_privs_are('twin_internal', t, r, '{}', r || ' and ' || t)
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer}'::name[]) r, unnest('{access_profiles,access_model}'::name[]) t;
SELECT function_privs_are('twin_internal', 'excuse_access', '{bytea,jsonb}', r, '{}', r || ' and excuse_access')
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer}'::name[]) r;
SELECT columns_are('twin', 'access_profiles', '{username,is_role,since,windows,last_active,last_score}', 'the view shows nothing of what was learned');

-- ---- marking ----

CREATE FUNCTION pg_temp.alert(rule text, details jsonb) RETURNS bigint LANGUAGE sql
	AS $$ SELECT twin_internal.raise_alert(rule, 'high', 'somebody', 1, '{1}', details) $$;
CREATE ROLE analyst IN ROLE twin_admin;
CREATE TEMP TABLE raised AS SELECT
	pg_temp.alert('unusual_access_patterns', '{"subject_is": "user", "window_hour": 400000, "features": {"hour": 5}}') AS of_nobody_known,
	pg_temp.alert('failed_login_threshold', '{}') AS counted,
	pg_temp.alert('unusual_access_patterns', '{"subject_is": "role"}') AS without_features;
GRANT SELECT ON raised TO PUBLIC;
INSERT INTO twin_internal.access_profiles VALUES ('somebody', true, '\x01', '{}', now(), 1, now(), 0);

SET ROLE analyst;
SELECT throws_ok('SELECT twin.mark_alert_false(NULL)', '22004', 'no alert is named', 'no alert');
SELECT throws_ok('SELECT twin.mark_alert_false(0)', '42704', 'alert 0 does not exist', 'an unknown alert');
SELECT throws_ok(format('SELECT twin.mark_alert_false(%s)', counted), '55000', format('alert %s was not learned, but raised by rule "failed_login_threshold"', counted), 'an alert of another rule') FROM raised;
SELECT throws_ok(format('SELECT twin.mark_alert_false(%s)', without_features), '22000', 'an alert of unusual access names no features', 'an alert without features') FROM raised;
SELECT lives_ok(format('SELECT twin.mark_alert_false(%s)', of_nobody_known), 'an alert about somebody whose profile gave way') FROM raised;
SELECT lives_ok(format('SELECT twin.mark_alert_false(%s)', of_nobody_known), '... twice') FROM raised;
RESET ROLE;
SELECT results_eq('SELECT a.rule_name, a.is_false FROM twin.alerts a ORDER BY a.alert_id',
	$$VALUES ('unusual_access_patterns', true), ('failed_login_threshold', false), ('unusual_access_patterns', false)$$, 'what was refused changed nothing');

UPDATE twin_internal.alerts SET details = '{"subject_is": "role", "window_hour": 1e400, "features": {"hour": "x", "rows_read": 1e99, "denials": -5}}'
	WHERE alert_id = (SELECT without_features FROM raised);
SELECT throws_ok(format('SELECT twin.mark_alert_false(%s)', without_features), 'XX001', 'a profile of somebody''s access is damaged', 'a damaged profile') FROM raised;
SELECT throws_ok(format('SELECT twin_internal.excuse_access(%L, %L)', p, d), state, NULL, label) FROM (VALUES
	('\x', '{"features": {}}', 'XX001', 'an empty profile'), ('\x01', '[]', '22000', 'details that are none'), ('\x01', '{"features": []}', '22000', 'features that are none'),
	('\x01', '{"features": 7}', '22000', 'a number for features'), ('\x01', '"features"', '22000', 'a text for details')) v (p, d, state, label);
SELECT is(twin_internal.excuse_access(NULL, '{}'), NULL, 'no profile');

SELECT finish();
ROLLBACK;

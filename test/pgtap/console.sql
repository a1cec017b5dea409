-- What the console reads and does, as SQL: by grants for who has no token, by a warrant for a gateway's login, and never beyond the caller's own rights.
-- (Answers over HTTP, tenants and permissions: test/t/124_console.pl.)
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT plan(29);

CREATE ROLE console_admin LOGIN IN ROLE twin_admin;
CREATE ROLE console_auditor LOGIN IN ROLE twin_auditor;
CREATE ROLE console_stranger LOGIN;

SELECT is(array_agg(p.proname::text ORDER BY p.proname), '{approve_incident,assign_incident,close_incident,mark_alert_false,note_incident,revert_incident,unblock_address}',
	'what changes something is for administrators alone')
	FROM pg_proc p WHERE p.pronamespace = 'twin_console'::regnamespace AND has_function_privilege('twin_admin', p.oid, 'EXECUTE') AND NOT has_function_privilege('twin_auditor', p.oid, 'EXECUTE');
SELECT is(count(*), 0::bigint, '... and all else does not write')
	FROM pg_proc p WHERE p.pronamespace = 'twin_console'::regnamespace AND has_function_privilege('twin_auditor', p.oid, 'EXECUTE') AND p.provolatile = 'v' AND p.proname <> 'security_check';	-- it looks at the clock and the machine
SELECT is(array_agg(p.proname::text ORDER BY p.proname), '{events,incident,verification_steps}', 'only what reads tables that nobody else does runs in the owner''s name')
	FROM pg_proc p WHERE p.pronamespace = 'twin_console'::regnamespace AND p.prosecdef;
SELECT is(count(*), 0::bigint, 'nobody else may call any')
	FROM pg_proc p, unnest(ARRAY['twin_viewer', 'twin_operator', 'twin_anonymous', 'twin_gateway', 'console_stranger']) r
	WHERE p.pronamespace = 'twin_console'::regnamespace AND has_function_privilege(r, p.oid, 'EXECUTE');
SELECT is((SELECT r.database_role::text || ' ' || coalesce(r.inherits, 'alone') FROM twin.roles r WHERE r.role_name = 'auditor'), 'twin_auditor alone', 'the role auditor stands for twin_auditor');
SELECT is((SELECT array_agg(p.permission_name) FROM twin.role_permissions p WHERE p.role_name = 'auditor'), '{admin_panel}', '... and may use the administration pages');
SELECT ok(pg_has_role('twin_gateway', 'twin_auditor', 'MEMBER'), '... in which the gateway may act');

SET LOCAL ROLE console_admin;
SELECT is(twin_console.who() ->> 'may_act', 'true', 'a DBA who is a member of twin_admin may act');
SELECT lives_ok('SELECT * FROM twin_console.events()', '... and read');
SET LOCAL ROLE console_auditor;
SELECT is(twin_console.who() ->> 'may_act', 'false', 'a member of twin_auditor may not');
SELECT lives_ok('SELECT * FROM twin_console.alerts(), twin_console.keys() LIMIT 1', '... but read');
SELECT throws_ok($$SELECT twin_console.close_incident('INC-20260101-0001', 'mine')$$, '42501', NULL, '... and is refused what changes something');
SET LOCAL ROLE console_stranger;
SELECT throws_ok('SELECT twin_console.who()', '42501', NULL, 'a stranger is refused');
RESET ROLE;

SELECT is(count(*), 48::bigint, 'activity has 48 steps') FROM twin_console.activity(24);
SELECT is(max(began_at) - min(began_at), interval '23:30', '... of the hours that were asked for') FROM twin_console.activity(24);
SELECT ok(max(began_at) <= now() AND max(began_at) > now() - interval '31 min', '... up to now') FROM twin_console.activity(24);

/* what is answered is bounded, whatever an attack makes of it */
INSERT INTO twin_internal.alerts (rule_name, severity, count, event_ids, details, raised_at)
	SELECT 'flood', CASE WHEN i > 4000 THEN 'low' ELSE 'high' END, 1, '{}', '{}', clock_timestamp() - i * interval '1 second' FROM generate_series(1, 12000) i;
SELECT is(twin_console.overview() -> 'alerts', '{"low": 6000, "high": 4000}', 'of a flood of alerts the newest ten thousand are counted');
DELETE FROM twin_internal.alerts WHERE rule_name = 'flood';
INSERT INTO twin_internal.incidents (incident_id, incident_type, status, severity, steps, is_automatic, details)
	SELECT 'INC-20000101-' || i, 'other', 'open', 'high', '[]', true, jsonb_build_object('long', repeat('x', 100000)) FROM generate_series(1001, 1050) i;
INSERT INTO twin_internal.incident_entries (incident_id, kind, made_by, note, details)
	SELECT 'INC-20000101-' || i, 'alert', 'twin_security', 'alert ' || j, jsonb_build_object('addresses', jsonb_build_array(repeat('y', 600)))
	FROM generate_series(1001, 1050) i, generate_series(1, 1000) j;
INSERT INTO twin_internal.incident_entries (incident_id, kind, made_by, note, details)
	SELECT 'INC-20000101-1001', 'noted', 'ada', repeat('z', 10000), jsonb_build_object('long', repeat('x', 100000)) FROM generate_series(1, 50) j;
INSERT INTO twin_internal.incident_actions (incident_id, step, action, target, argument, state)
	SELECT 'INC-20000101-1001', 1, 'block_address', '192.0.2.' || j, '{}', CASE WHEN j < 5 THEN 'pending' ELSE 'done' END FROM generate_series(999, 0, -1) j;
SELECT cmp_ok(sum(length(i::text))::int, '<', 100000, 'a list of incidents with long timelines is short') FROM twin_console.incidents(500) i;
SELECT cmp_ok(length(twin_console.incident('INC-20000101-1001')::text), '<', 1000000, 'one of them is bounded');
SELECT is((c ->> 'alerts', jsonb_array_length(c -> 'timeline'), jsonb_array_length(c -> 'actions'), c -> 'action_states', c #>> '{actions,4,state}', length(c #>> '{details,cut}'))::text,
	('1000', 50, 200, '{"done": 995, "pending": 5}'::jsonb, 'pending', 1000)::text, '... with what there is of it') FROM twin_console.incident('INC-20000101-1001') c;
SELECT is((twin_console.incident('INC-20000101-1002') #> '{timeline,0}') - 'id' - 'at', jsonb_build_object('entry', 'alert', 'by', 'twin_security', 'note', 'alert 1000', 'details', jsonb_build_object('addresses', jsonb_build_array(repeat('y', 600)))), '... an entry as it is');
SELECT is((SELECT array_agg(c.key ORDER BY c.key) FROM jsonb_each(twin_console.incident('INC-20000101-1002')) c),
	'{action_states,actions,alerts,closed_at,details,goes_on,incident_id,incident_type,is_automatic,opened_at,owner,resolution,severity,status,timeline}', '... and no more');
SELECT is((count(*), count(DISTINCT id), max(page))::text, '(1050,1050,21)', 'page by page it is all there is') FROM (
	WITH RECURSIVE pages (page, shown) AS (
		SELECT 1, twin_console.incident('INC-20000101-1001')
		UNION ALL SELECT page + 1, twin_console.incident('INC-20000101-1001', (shown #>> '{timeline,-1,id}')::bigint) FROM pages WHERE (shown -> 'goes_on')::boolean)
	SELECT page, jsonb_array_elements(shown -> 'timeline') ->> 'id' AS id FROM pages) p;
INSERT INTO twin_internal.incident_entries (incident_id, kind, made_by, note) VALUES ('INC-20000101-1002', 'noted', 'ada', 'plain');
SELECT is(twin_console.incident('INC-20000101-1002') #> '{timeline,0,details}', 'null', 'an entry without details has none');
SELECT throws_ok(format('SELECT twin_console.incident(%L)', i), '42704', NULL, 'no incident: ' || coalesce(i, 'none')) FROM unnest('{NULL,"",INC-20000101-9999}'::text[]) i;

/* a login of a gateway that was taken over names any role, and no token warrants it */
SET SESSION AUTHORIZATION twin_gateway;
SET LOCAL ROLE twin_admin;
SELECT throws_ok('SELECT twin_console.who()', '42501', 'permission denied for an administrative function of twin_security', 'without a token a gateway''s login is refused in an administrator''s role');
SET LOCAL ROLE twin_auditor;
SELECT throws_ok('SELECT * FROM twin_console.events()', '42501', NULL, '... and in an auditor''s');
RESET SESSION AUTHORIZATION;
SELECT * FROM finish();
ROLLBACK;

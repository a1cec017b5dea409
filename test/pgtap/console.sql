-- What the console reads and does, as SQL: by grants for who has no token, by a warrant for a gateway's login, and never beyond the caller's own rights.
-- (Answers over HTTP, tenants and permissions: test/t/124_console.pl.)
BEGIN;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT plan(18);

CREATE ROLE console_admin LOGIN IN ROLE twin_admin;
CREATE ROLE console_auditor LOGIN IN ROLE twin_auditor;
CREATE ROLE console_stranger LOGIN;

SELECT is(array_agg(p.proname::text ORDER BY p.proname), '{approve_incident,assign_incident,close_incident,mark_alert_false,note_incident,revert_incident,unblock_address}',
	'what changes something is for administrators alone')
	FROM pg_proc p WHERE p.pronamespace = 'twin_console'::regnamespace AND has_function_privilege('twin_admin', p.oid, 'EXECUTE') AND NOT has_function_privilege('twin_auditor', p.oid, 'EXECUTE');
SELECT is(count(*), 0::bigint, '... and all else does not write')
	FROM pg_proc p WHERE p.pronamespace = 'twin_console'::regnamespace AND has_function_privilege('twin_auditor', p.oid, 'EXECUTE') AND p.provolatile = 'v' AND p.proname <> 'security_check';	-- it looks at the clock and the machine
SELECT is(array_agg(p.proname::text ORDER BY p.proname), '{events,verification_steps}', 'only what reads the tables of the tree runs in the owner''s name')
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

/* a login of a gateway that was taken over names any role, and no token warrants it */
SET SESSION AUTHORIZATION twin_gateway;
SET LOCAL ROLE twin_admin;
SELECT throws_ok('SELECT twin_console.who()', '42501', 'permission denied for an administrative function of twin_security', 'without a token a gateway''s login is refused in an administrator''s role');
SET LOCAL ROLE twin_auditor;
SELECT throws_ok('SELECT * FROM twin_console.events()', '42501', NULL, '... and in an auditor''s');
RESET SESSION AUTHORIZATION;
SELECT * FROM finish();
ROLLBACK;

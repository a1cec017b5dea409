-- playbooks.sql: playbooks as rows: who may edit them, which steps there are, and which rows a dump has.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

SELECT table_privs_are('twin', 'playbooks', r, CASE r WHEN 'twin_admin' THEN '{SELECT,INSERT,UPDATE,DELETE}' WHEN 'twin_auditor' THEN '{SELECT}' ELSE '{}' END::text[], r || ' and playbooks')
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway}'::name[]) r;
SELECT results_eq($$ SELECT playbook, severity, (SELECT string_agg(s ->> 'step', ' ' ORDER BY o) FROM jsonb_array_elements(steps) WITH ORDINALITY u(s, o)) FROM twin.playbooks ORDER BY 1 $$,
	$$ VALUES ('brute_force_attack' COLLATE "C", 'high', 'block_addresses'), ('data_breach', 'critical', 'enhance_monitoring'), ('privilege_escalation', 'critical', 'disable_users end_sessions') $$, 'three come with the extension');

-- steps
SET ROLE twin_admin;
SELECT lives_ok(format('INSERT INTO twin.playbooks (playbook, steps) VALUES (%L, %L)', 'good_' || n, jsonb_build_array(s)), 'a step: ' || s::text) FROM unnest(ARRAY['{"step": "block_addresses"}',
	'{"step": "block_addresses", "duration": "366 days", "end_sessions": false}', '{"step": "disable_users"}', '{"step": "end_sessions"}', '{"step": "enhance_monitoring", "duration": "31 days"}',
	'{"step": "enhance_monitoring", "duration": "1 second"}', '{"step": "record_event", "event_type": "drill", "severity": "info"}', '{"step": "notify", "message": "look"}']::jsonb[]) WITH ORDINALITY u (s, n);
SELECT throws_ok(format('INSERT INTO twin.playbooks (playbook, steps) VALUES (%L, %L)', 'bad', jsonb_build_array('{"step": "end_sessions"}'::jsonb, s)), '22023', 'invalid step 2 of playbook "bad"', 'no step: ' || left(s::text, 60))
	FROM unnest(ARRAY['{}', '[]', 'null', '5', '"disable_users"', '{"step": null}', '{"step": ["notify"]}', '{"step": "drop_database"}', '{"step": "Notify"}',
	'{"step": "disable_users", "users": ["a"]}', '{"step": "block_addresses", "duration": "-1 hour"}', '{"step": "block_addresses", "duration": "0"}', '{"step": "block_addresses", "duration": "1000 years"}',
	'{"step": "block_addresses", "duration": 3600}', '{"step": "block_addresses", "duration": "soon"}', '{"step": "block_addresses", "duration": null}', '{"step": "block_addresses", "duration": "999999999999999 years"}',
	'{"step": "block_addresses", "end_sessions": "yes"}', '{"step": "enhance_monitoring", "duration": "32 days"}', '{"step": "record_event"}', '{"step": "record_event", "event_type": "Bad Type"}',
	'{"step": "record_event", "event_type": "x", "severity": "worst"}', '{"step": "record_event", "event_type": "x", "severity": 5}', '{"step": "notify", "message": ""}', '{"step": "notify", "message": 5}']::jsonb[]
	|| jsonb_build_object('step', 'notify', 'message', repeat('x', 1001)) || jsonb_build_object('step', 'block_addresses', 'duration', repeat('1', 200))) s;
SELECT throws_ok(format('INSERT INTO twin.playbooks (playbook, steps) VALUES (%L, %L)', 'bad', s), e, NULL, 'no steps: ' || left(coalesce(s::text, 'null'), 40))
	FROM (VALUES ('{}'::jsonb, '22023'), ('"notify"', '22023'), (NULL, '22023'), ((SELECT jsonb_agg('{"step": "notify"}'::jsonb) FROM generate_series(1, 21)), '22023')) v (s, e);
SELECT throws_ok(format('INSERT INTO twin.playbooks (playbook) VALUES (%L)', n), '23514', NULL, 'no name: ' || n) FROM unnest(ARRAY['other', 'Big', 'a b', '', repeat('x', 64)]) n;
SELECT throws_ok($$ UPDATE twin.playbooks SET steps = '[{"step": "no"}]' WHERE playbook = 'data_breach' $$, '22023', 'invalid step 1 of playbook "data_breach"', 'nor by an update');
SELECT throws_ok($$ TRUNCATE twin.playbooks $$, '42501', NULL, 'an administrator does not truncate');
RESET ROLE;
SET ROLE twin_auditor;
SELECT throws_ok($$ DELETE FROM twin.playbooks $$, '42501', NULL, 'an auditor reads');
RESET ROLE;

-- what a dump has
CREATE FUNCTION dumped() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(p.playbook, ' ' ORDER BY p.playbook) FROM twin.playbooks p WHERE ARRAY[p.playbook] NOT IN (SELECT s.key FROM twin_internal.seeds s WHERE s.table_name = 'twin.playbooks' AND s.is_untouched) $$;
CREATE FUNCTION dropped() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(d.key[1], ' ' ORDER BY d.key) FROM twin_internal.dropped_seeds d WHERE d.table_name = 'twin.playbooks' $$;
DELETE FROM twin.playbooks WHERE playbook LIKE 'good_%';
SELECT is(dumped(), NULL, 'untouched seeds are not dumped');
SELECT is(dropped(), NULL, '... nor is what nobody had from the extension');
UPDATE twin.playbooks SET description = 'mine' WHERE playbook = 'data_breach';
SELECT is(dumped(), 'data_breach', 'a changed one is');
DELETE FROM twin.playbooks WHERE playbook = 'data_breach';
SELECT is(dropped(), 'data_breach', 'one that was changed and then deleted is remembered as well');
SELECT throws_ok($$ SELECT twin.open_incident('data_breach') $$, '22023', NULL, '... it is gone');
DELETE FROM twin.playbooks WHERE playbook = 'brute_force_attack';
UPDATE twin.playbooks SET playbook = 'renamed' WHERE playbook = 'privilege_escalation';
SELECT is(dropped(), 'brute_force_attack data_breach privilege_escalation', 'deleted seeds are remembered, renamed ones too');
INSERT INTO twin.playbooks (playbook) VALUES ('brute_force_attack');
SELECT is(dropped() || ', ' || dumped(), 'data_breach privilege_escalation, brute_force_attack renamed', '... until somebody brings one of the name');
SELECT * FROM finish();
ROLLBACK;

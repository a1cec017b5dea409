-- incidents.sql: incidents from their opening to their end: what is done, refused, undone and left, and by whom. (Time, crashes, concurrency: test/t/113_incidents.pl.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

CREATE FUNCTION blocked() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(abbrev(b.address), ' ' ORDER BY b.address) FROM twin.blocked_addresses b $$;
-- "STATE ACTION TARGET" of an incident's actions; its status; kinds of its entries
CREATE FUNCTION actions(id text) RETURNS text LANGUAGE sql AS
	$$ SELECT string_agg(concat_ws(' ', a ->> 'state', a ->> 'action', a ->> 'target'), ', ' ORDER BY o) FROM twin.incidents i, jsonb_array_elements(i.actions) WITH ORDINALITY u(a, o) WHERE i.incident_id = id $$;
CREATE FUNCTION status(id text) RETURNS text LANGUAGE sql AS $$ SELECT i.status FROM twin.incidents i WHERE i.incident_id = id $$;
CREATE FUNCTION timeline(id text) RETURNS text LANGUAGE sql AS
	$$ SELECT string_agg(e ->> 'entry', ' ' ORDER BY o) FROM twin.incidents i, jsonb_array_elements(i.timeline) WITH ORDINALITY u(e, o) WHERE i.incident_id = id $$;
CREATE FUNCTION active() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(u.username, ' ' ORDER BY u.username) FROM twin.users u WHERE u.is_active $$;
CREATE TABLE ids (name text PRIMARY KEY, id text);
CREATE FUNCTION opened(name text, type text, details jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$ INSERT INTO ids VALUES (name, twin.open_incident(type, details)) RETURNING id $$;
CREATE FUNCTION id(name text) RETURNS text LANGUAGE sql AS $$ SELECT i.id FROM ids i WHERE i.name = $1 $$;

SELECT twin.create_role('fire_axe', 'admin', NULL, true);
SELECT twin.create_user(n, 'Umbrella-Gravel-77!' || n, role_name => r) FROM (VALUES ('boss', 'admin'), ('second', 'admin'), ('mallory', 'viewer'), ('trent', 'operator'), ('glass', 'fire_axe')) v (n, r);

-- who may
SELECT function_privs_are('twin', f, a, r, CASE r WHEN 'twin_admin' THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and ' || f)
	FROM (VALUES ('open_incident', ARRAY['text', 'jsonb', 'boolean']), ('approve_incident', ARRAY['text']), ('revert_incident', ARRAY['text']),
		('close_incident', ARRAY['text', 'text']), ('note_incident', ARRAY['text', 'text']), ('assign_incident', ARRAY['text', 'text'])) v (f, a),
	unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway}'::name[]) r;
SELECT table_privs_are('twin', v, r, CASE WHEN r IN ('twin_admin', 'twin_auditor') THEN ARRAY['SELECT'] ELSE '{}' END, r || ' and ' || v)
	FROM unnest('{incidents,enhanced_monitoring}'::name[]) v, unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway}'::name[]) r;
SELECT is(columns, 'incident_id,incident_type,status,severity,opened_at,closed_at,owner,timeline,details', 'the first columns of twin.incidents stay as they are')
	FROM (SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = 'twin.incidents'::regclass AND a.attnum BETWEEN 1 AND 9) v (columns);

-- what cannot be opened
SELECT throws_ok($$ SELECT twin.open_incident('flood') $$, '22023', 'unknown type of incident "flood"', 'no such type');
SELECT throws_ok($$ SELECT twin.open_incident(NULL) $$, '22023', NULL, 'no type');
SELECT throws_ok($$ SELECT twin.open_incident('other', dry_run => NULL) $$, '22004', NULL, 'neither a dry run nor none');
SELECT throws_ok(format('SELECT twin.open_incident(%L, %L)', 'brute_force_attack', d), '22023', NULL, 'details are not ' || coalesce(d, 'null')) FROM unnest(ARRAY[NULL, '[]', '"x"', 'null',
	'{"addresses": "192.0.2.1"}', '{"addresses": [1]}', '{"addresses": [null]}', '{"addresses": ["nowhere"]}', '{"addresses": ["192.0.2.1/33"]}', '{"address": "1.2.3.4; DROP"}', '{"address": 5}',
	'{"users": [""]}', '{"users": {"a": 1}}', '{"user": ["x"]}']) d;
SELECT throws_ok(format('SELECT twin.open_incident(%L, %L)', 'brute_force_attack', jsonb_build_object('users', array_agg('u' || n))), '54000', NULL, 'too many users') FROM generate_series(1, 1001) n;
SELECT throws_ok(format('SELECT twin.open_incident(%L, %L)', 'other', jsonb_build_object('x', repeat('x', 66000))), '54000', NULL, 'details that are too long');
SELECT throws_ok(format('SELECT twin.%s', c), '42704', NULL, c || ' finds nothing') FROM unnest(ARRAY['close_incident(''INC-20260101-0001'', ''x'')', 'approve_incident(NULL)', 'revert_incident(''x'')',
	'note_incident(repeat(''x'', 100000), ''x'')', 'assign_incident('''', NULL)']) c;
SELECT is_empty('SELECT FROM twin.incidents', 'nothing was opened');

-- foreseen
SELECT is(twin.open_incident('brute_force_attack', '{"addresses": ["192.0.2.1", "127.0.0.1"], "address": "2001:db8::7/64"}', true) ~
	E'^would open an incident of type brute_force_attack, severity high\nwould not block_address 127.0.0.1 \\(duration: 1 hour\\): [^\n]+\nwould block_address 192.0.2.1 \\(duration: 1 hour\\)\nwould block_address 2001:db8::/64 \\(duration: 1 hour\\)$',
	true, 'a dry run says what would be blocked, and what never is');
SELECT is(twin.open_incident('brute_force_attack', '{"addresses": ["::ffff:203.0.113.77", "203.0.113.77", "0.0.0.0/4", "::/8", "198.51.100.9/24"]}', true),
	E'would open an incident of type brute_force_attack, severity high\nwould not block_address 0.0.0.0/4 (duration: 1 hour): the network is too wide to be blocked\nwould block_address 198.51.100.0/24 (duration: 1 hour)\n'
	'would block_address 203.0.113.77 (duration: 1 hour)\nwould not block_address ::/8 (duration: 1 hour): the network is too wide to be blocked', '... which is too wide, and each once');
SELECT opened('mapped', 'brute_force_attack', '{"addresses": ["::ffff:203.0.113.77", "0.0.0.0/4"]}');
SELECT is(actions(id('mapped')) || ', ' || blocked(), 'refused block_address 0.0.0.0/4, done block_address 203.0.113.77, 203.0.113.77', 'an address of IPv4 mapped into IPv6 is blocked');
SELECT twin.revert_incident(id('mapped'));
SELECT is(actions(id('mapped')) || coalesce(blocked(), ''), 'refused block_address 0.0.0.0/4, undone block_address 203.0.113.77', '... and let in again');
DELETE FROM twin_internal.incident_actions; DELETE FROM twin_internal.incident_entries; DELETE FROM twin_internal.incidents; DELETE FROM ids;
SELECT is(twin.open_incident('privilege_escalation', '{"users": ["boss", "glass", "mallory", "nobody", "second", "no\nname"]}', true),
	E'would open an incident of type privilege_escalation, severity critical\nwould disable_user boss\nwould not disable_user glass: a break-glass account is never disabled\nwould disable_user mallory\n'
	'would not disable_user no\nname: there is no such user\nwould not disable_user nobody: there is no such user\nwould disable_user second\nwould end_sessions boss\nwould end_sessions glass\n'
	'would end_sessions mallory\nwould not end_sessions no\nname: there is no such user\nwould not end_sessions nobody: there is no such user\nwould end_sessions second', 'a dry run says who would be disabled, and who never is');
SELECT is_empty('SELECT FROM twin.incidents', '... and opens nothing');
SELECT is(active(), 'boss glass mallory second trent', '... and does nothing');
SELECT is(blocked(), NULL, '... at all');
SELECT is_empty('SELECT FROM twin_internal.incident_actions', '... nor plans it');

-- blocks
SELECT is(opened('b1', 'brute_force_attack', '{"addresses": ["192.0.2.1", "192.0.2.1/32", "192.0.2.9"], "ticket": 7}'), to_char(clock_timestamp() AT TIME ZONE 'UTC', '"INC-"YYYYMMDD"-0001"'), 'an incident has a number of its day');
SELECT is(blocked(), '192.0.2.1 192.0.2.9', 'its addresses are blocked');
SELECT is(actions(id('b1')), 'done block_address 192.0.2.1, done block_address 192.0.2.9', '... each once');
SELECT is(status(id('b1')), 'contained', '... and it is contained');
SELECT is(timeline(id('b1')), 'opened action action contained', '... as its timeline tells');
SELECT is((SELECT details FROM twin.incidents WHERE incident_id = id('b1')), '{"users": [], "addresses": ["192.0.2.1", "192.0.2.9"], "ticket": 7}', '... whose details are kept');
SELECT alike(opened('b2', 'brute_force_attack', '{"addresses": ["192.0.2.1", "127.0.0.1"]}'), '%-0002', 'the next number');
SELECT is(actions(id('b2')), 'refused block_address 127.0.0.1, done block_address 192.0.2.1', 'loopback is not blocked');
SELECT is(status(id('b2')), 'open', '... and that is left to a person');
SELECT lives_ok(format('SELECT twin.revert_incident(%L)', id('b1')), 'an incident is reverted');
SELECT is(actions(id('b1')), 'kept block_address 192.0.2.1, undone block_address 192.0.2.9', 'but for what another one holds');
SELECT is(blocked(), '192.0.2.1', '... which is still blocked');
SELECT throws_ok(format('SELECT twin.revert_incident(%L)', id('b1')), '55000', NULL, 'not twice');
SELECT throws_ok(format('SELECT twin.approve_incident(%L)', id('b1')), '55000', NULL, 'what was reverted is not approved');
SELECT lives_ok(format('SELECT twin.revert_incident(%L)', id('b2')), 'the other is reverted');
SELECT is(blocked(), NULL, '... and nothing is blocked, though the first had begun it');
SELECT twin.block_address('192.0.2.1', '1 minute', 'by hand'), twin.block_address('192.0.2.2', '2 hours', 'by hand'), twin.block_address('192.0.2.3', '1 minute', 'by hand');
SELECT opened('b3', 'brute_force_attack', '{"addresses": ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]}');
SELECT is((SELECT count(*) FROM twin.blocked_addresses WHERE blocked_until > clock_timestamp() + interval '59 minutes'), 4::bigint, 'a shorter block by hand is made longer, a longer one is not touched');
SELECT twin.unblock_address('192.0.2.3'), twin.block_address('192.0.2.3', '3 hours', 'by hand again'), twin.unblock_address('192.0.2.4');
SELECT twin.revert_incident(id('b3'));
SELECT is(actions(id('b3')), 'undone block_address 192.0.2.1, undone block_address 192.0.2.2, kept block_address 192.0.2.3, undone block_address 192.0.2.4', 'reverting looks at what somebody did before and since');
SELECT results_eq($$ SELECT abbrev(address), reason, blocked_until - clock_timestamp() < interval '1 minute' FROM twin.blocked_addresses ORDER BY address $$,
	$$ VALUES ('192.0.2.1', 'by hand', true), ('192.0.2.2', 'by hand', false), ('192.0.2.3', 'by hand again', false) $$, '... and brings back what there was by hand');
SELECT twin.unblock_address(address) FROM twin.blocked_addresses;

-- users
SELECT opened('p1', 'privilege_escalation', '{"users": ["mallory", "trent", "glass", "nobody"]}');
SELECT is(active(), 'boss glass second', 'users are disabled, and a break-glass account is not');
SELECT is(actions(id('p1')), 'refused disable_user glass, done disable_user mallory, refused disable_user nobody, done disable_user trent, done end_sessions glass, done end_sessions mallory, refused end_sessions nobody, done end_sessions trent', '... and logged out, all who are there');
SELECT opened('p2', 'privilege_escalation', '{"user": "Mallory"}');
SELECT is(actions(id('p2')), 'done disable_user Mallory, done end_sessions Mallory', 'who was disabled by an incident is held by the next, too');
SELECT twin.enable_user('trent'), twin.disable_user('trent');
SELECT twin.revert_incident(id('p1'));
SELECT is(active(), 'boss glass second', 'whom another incident holds stays disabled, and whom somebody disabled since');
SELECT is(actions(id('p1')), 'refused disable_user glass, kept disable_user mallory, refused disable_user nobody, changed disable_user trent, kept end_sessions glass, kept end_sessions mallory, refused end_sessions nobody, kept end_sessions trent', '... as is told');
SELECT twin.revert_incident(id('p2'));
SELECT is(active(), 'boss glass mallory second', 'the last that holds him lets him go');
SELECT opened('p3', 'privilege_escalation', '{"users": ["trent", "mallory"]}');
SELECT is(actions(id('p3')), 'done disable_user mallory, already disable_user trent, done end_sessions mallory, done end_sessions trent', 'whom a person had disabled is no incident''s');
SELECT is(status(id('p3')), 'contained', '... and nothing is left to do');
SELECT is(twin.open_incident('privilege_escalation', '{"user": "trent"}', true), E'would open an incident of type privilege_escalation, severity critical\nwould not disable_user trent: is disabled already\nwould end_sessions trent', '... as a dry run foresees');
SELECT twin.enable_user('mallory'), twin.disable_user('mallory'), twin.disable_user('mallory');
SELECT twin.revert_incident(id('p3'));
SELECT is(active(), 'boss glass second', 'none of them is enabled');
SELECT opened('p4', 'privilege_escalation', '{"users": ["boss", "second", "glass"]}');
SELECT is(actions(id('p4')), 'done disable_user boss, refused disable_user glass, done disable_user second, done end_sessions boss, done end_sessions glass, done end_sessions second', 'administrators are disabled while one who may log in is left: here who breaks glass');
SELECT twin.revert_incident(id('p4'));
SELECT twin.assign_role('glass', 'viewer');
SELECT opened('p5', 'privilege_escalation', '{"users": ["boss", "second"]}');
SELECT is(actions(id('p5')), 'done disable_user boss, refused disable_user second, done end_sessions boss, done end_sessions second', 'the last administrator is not disabled');
SELECT twin.enable_user('boss');
SELECT twin.approve_incident(id('p5'));
SELECT is(actions(id('p5')), 'changed disable_user boss, done disable_user second, done end_sessions boss, done end_sessions second', 'what was refused is done when it may be; whom somebody enabled is let be');
SELECT is(status(id('p5')), 'contained', '... and the incident is contained');
SELECT twin.revert_incident(id('p5'));

-- alerts
INSERT INTO twin.alert_rules (rule_name, event_types, subject, playbook, is_automatic) VALUES ('tap_quick', '{login_failure}', 'address', 'brute_force_attack', true),
	('tap_slow', '{login_failure}', 'address', 'brute_force_attack', false), ('tap_user', '{permission_denied}', 'user', 'privilege_escalation', false),
	('tap_none', '{login_failure}', 'address', NULL, true), ('tap_odd', '{login_failure}', 'any', 'no_such_playbook', true);
SELECT throws_ok($$ INSERT INTO twin.alert_rules (rule_name, event_types, playbook) VALUES ('incident', '{login_failure}', 'brute_force_attack') $$, '42939', 'alert rule "incident" cannot be made', 'no rule has the name of notices, which run no playbook');
SELECT throws_ok($$ UPDATE twin.alert_rules SET rule_name = 'incident' WHERE rule_name = 'tap_quick' $$, '42939', NULL, '... nor is one renamed so');
CREATE FUNCTION alerted(rule text, subject text, details jsonb DEFAULT '{}', severity text DEFAULT 'high') RETURNS text LANGUAGE plpgsql AS
	$$ DECLARE made bigint := twin_internal.raise_alert(rule, severity, subject, 5, '{}', details); BEGIN RETURN (SELECT a.incident_id FROM twin.alerts a WHERE a.alert_id = made); END $$;
SELECT is(alerted('tap_none', '203.0.113.9'), NULL, 'an alert of a rule without playbook opens nothing');
SELECT is(alerted('no_such_rule', '203.0.113.9'), NULL, '... nor one of no rule');
INSERT INTO ids VALUES ('a1', alerted('tap_quick', '203.0.113.1'));
SELECT is(actions(id('a1')), 'done block_address 203.0.113.1', 'an alert opens an incident whose playbook runs by itself');
SELECT is(timeline(id('a1')), 'opened alert action contained', '... as its timeline tells');
SELECT is(timeline -> 1 ->> 'by', 'twin_security', '... and who did it') FROM twin.incidents WHERE incident_id = id('a1');
SELECT is(alerted('tap_quick', '203.0.113.2', '{"addresses": ["203.0.113.3", "nonsense", 5, "127.0.0.1"]}', 'critical'), id('a1'), 'another joins it, with the addresses that can be read');
SELECT is(actions(id('a1')), 'done block_address 203.0.113.1, refused block_address 127.0.0.1, done block_address 203.0.113.2, done block_address 203.0.113.3', '... and they are blocked');
SELECT results_eq($$ SELECT severity, alerts, status, details -> 'addresses' FROM twin.incidents WHERE incident_id = id('a1') $$,
	$$ VALUES ('critical', 2::bigint, 'open', '["127.0.0.1", "203.0.113.1", "203.0.113.2", "203.0.113.3"]'::jsonb) $$, '... the incident is as grave, and names them');
SELECT is(alerted('tap_quick', 'local'), id('a1'), 'what is no address joins');
SELECT is(actions(id('a1')), 'done block_address 203.0.113.1, refused block_address 127.0.0.1, done block_address 203.0.113.2, done block_address 203.0.113.3', '... and nothing more is done, nor tried again');
INSERT INTO ids VALUES ('a2', alerted('tap_slow', '203.0.113.20'));
SELECT isnt(id('a2'), id('a1'), 'one of a rule that waits for approval does not join what runs by itself');
SELECT is(status(id('a2')) || ': ' || actions(id('a2')), 'awaiting_approval: pending block_address 203.0.113.20', '... it waits');
UPDATE twin.playbooks SET steps = '[{"step": "notify"}]' WHERE playbook = 'brute_force_attack';
SELECT is(alerted('tap_slow', '203.0.113.21'), id('a2'), 'another waits with it');
SELECT doesnt_match(blocked(), '113[.]2[01]', 'nothing is blocked');
SELECT lives_ok(format('SELECT twin.approve_incident(%L)', id('a2')), 'somebody approves');
SELECT is(status(id('a2')) || ': ' || actions(id('a2')), 'contained: done block_address 203.0.113.20, done block_address 203.0.113.21', '... and what he saw is done, whatever the playbook says now');
SELECT throws_ok(format('SELECT twin.approve_incident(%L)', id('a2')), '55000', NULL, 'nothing is left to approve');
SELECT is(alerted('tap_slow', '203.0.113.22'), id('a2'), 'one more joins');
SELECT is(status(id('a2')) || ': ' || actions(id('a2')), 'awaiting_approval: done block_address 203.0.113.20, done block_address 203.0.113.21, pending block_address 203.0.113.22', '... and waits again');
UPDATE twin_internal.incidents SET last_alert_at = clock_timestamp() - interval '2 hours' WHERE incident_id = id('a1');
SELECT twin.unblock_address('203.0.113.1');
SELECT is(alerted('tap_quick', '203.0.113.1'), id('a1'), 'hours later, the same subject joins');
SELECT matches(blocked(), '203[.]0[.]113[.]1 ', '... and is blocked again, as it was not any more');
SELECT is(alerted('tap_quick', '203.0.113.2'), id('a1'), 'one who is blocked still');
SELECT is((SELECT count(*) FROM twin.incidents i, jsonb_array_elements(i.timeline) e WHERE i.incident_id = id('a1') AND e ->> 'note' LIKE 'block_address 203.0.113.%'), 4::bigint, '... is not blocked again');
UPDATE twin_internal.incidents SET last_alert_at = clock_timestamp() - interval '2 hours' WHERE incident_id = id('a1');
INSERT INTO ids VALUES ('a3', alerted('tap_quick', '203.0.113.50'));
SELECT isnt(id('a3'), id('a1'), '... and another does not');
SELECT is(actions(id('a3')), 'done notify', '... whose playbook is the one of today');
SELECT is((SELECT count(*) FROM twin.alerts WHERE rule_name = 'incident' AND incident_id = id('a3') AND details ->> 'incident_id' = id('a3')), 1::bigint, '... which tells people by an alert of its own, and that is no reason for another incident');
UPDATE twin_internal.incidents SET last_alert_at = clock_timestamp() - interval '25 hours' WHERE incident_id = id('a1');
UPDATE twin_internal.incidents SET last_alert_at = clock_timestamp() - interval '2 hours' WHERE incident_id = id('a3');
INSERT INTO ids VALUES ('a4', alerted('tap_quick', '203.0.113.1'));
SELECT ok(id('a4') NOT IN (id('a1'), id('a3')), 'a day later, neither does the same');
SELECT twin.close_incident(id('a4'), 'false alarm');
SELECT isnt(alerted('tap_quick', '203.0.113.1'), id('a4'), 'what is closed is not joined');
SELECT alike(alerted('tap_odd', NULL), 'INC-%', 'a rule whose playbook is not there opens an incident all the same');
SELECT is(status || (timeline -> 0 ->> 'note'), 'openopened by an alert; there is no such playbook', '... which says so') FROM twin.incidents WHERE incident_type = 'no_such_playbook';
INSERT INTO ids VALUES ('u1', alerted('tap_user', 'mallory', '{"users": "not a list", "addresses": {"a": 1}}'));
SELECT is(actions(id('u1')), 'pending disable_user mallory, pending end_sessions mallory', 'an alert about a user is about that user');
SELECT twin.enable_user('mallory'), twin.approve_incident(id('u1')), twin.enable_user('mallory');
SELECT is(actions(id('u1')), 'changed disable_user mallory, done end_sessions mallory', 'who was disabled and enabled again');
SELECT is(alerted('tap_user', 'mallory'), id('u1'), '... and does it again');
SELECT is(status(id('u1')) || ': ' || actions(id('u1')), 'awaiting_approval: pending disable_user mallory, pending end_sessions mallory', '... is met as at first');
ALTER TABLE twin_internal.incidents RENAME COLUMN last_alert_at TO elsewhere;
SELECT is(alerted('tap_quick', '203.0.113.1'), NULL, 'where no incident can be opened the alert stays');
ALTER TABLE twin_internal.incidents RENAME COLUMN elsewhere TO last_alert_at;
SELECT is((SELECT count(*) FROM twin.alerts WHERE rule_name = 'tap_quick' AND incident_id IS NULL), 1::bigint, '... as it was raised');
INSERT INTO twin_internal.alerts (rule_name, severity, subject, count, event_ids, details) VALUES ('tap_quick', 'high', '203.0.113.77', 5, '{}', '{}');
SELECT is((SELECT incident_id FROM twin.alerts WHERE subject = '203.0.113.77'), NULL, 'an alert that a restore brings opens nothing');

-- a step that fails stops no other
INSERT INTO twin.playbooks (playbook, steps) VALUES ('tap_fails', '[{"step": "block_addresses"}, {"step": "disable_users"}, {"step": "record_event", "event_type": "drill_held", "severity": "low"}]');
SELECT twin.enable_user('mallory');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE OF is_active ON twin_internal.users FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT opened('f1', 'tap_fails', '{"user": "mallory", "address": "198.51.100.1"}');
SELECT is(status(id('f1')) || ': ' || actions(id('f1')), 'open: done block_address 198.51.100.1, failed disable_user mallory, done record_event', 'a step that fails stops no other');
SELECT alike(actions #>> '{1,note}', 'not now%', '... and why is noted') FROM twin.incidents WHERE incident_id = id('f1');
DROP TRIGGER refuse ON twin_internal.users;
SELECT twin.approve_incident(id('f1'));
SELECT is(status(id('f1')) || ': ' || actions(id('f1')), 'contained: done block_address 198.51.100.1, done disable_user mallory, done record_event', '... until it is done');

-- people
SELECT throws_ok(format('SELECT twin.assign_incident(%L, %L)', id('f1'), 'no such'), '42704', NULL, 'nobody of that name');
SELECT twin.assign_incident(id('f1'), 'BOSS');
SELECT is((SELECT owner FROM twin.incidents WHERE incident_id = id('f1')), 'boss', 'an owner, as he is called');
SELECT twin.assign_incident(id('f1'), session_user), twin.assign_incident(id('f1'), NULL);
SELECT is((SELECT owner FROM twin.incidents WHERE incident_id = id('f1')), NULL, '... and none');
SELECT throws_ok(format('SELECT twin.note_incident(%L, %L)', id('f1'), n), '22023', NULL, 'no note') FROM unnest(ARRAY['', E' \n\t', NULL, repeat('x', 10001)]) n;
SELECT throws_ok(format('SELECT twin.close_incident(%L, %L)', id('f1'), n), '22023', NULL, 'no resolution') FROM unnest(ARRAY['', NULL, repeat('x', 10001)]) n;
SELECT is(status(id('f1')), 'contained', 'it is not closed without');
SELECT twin.note_incident(id('f1'), 'looked at the logs'), twin.close_incident(id('f1'), 'a drill'), twin.note_incident(id('f1'), 'afterthought');
SELECT is(timeline(id('f1')), 'opened action action action approved action contained assigned assigned assigned noted closed noted', 'the timeline has it all');
SELECT ok(closed_at IS NOT NULL AND resolution = 'a drill' AND status = 'closed', 'it is closed') FROM twin.incidents WHERE incident_id = id('f1');
SELECT throws_ok(format('SELECT twin.%s_incident(%L%s)', f, id('f1'), a), '55000', NULL, 'a closed one: ' || f) FROM (VALUES ('close', ', ''again'''), ('approve', ''), ('assign', ', NULL')) v (f, a);
SELECT lives_ok(format('SELECT twin.revert_incident(%L)', id('f1')), 'what it did can still be undone');
SELECT is(status(id('f1')) || ': ' || actions(id('f1')), 'closed: undone block_address 198.51.100.1, undone disable_user mallory, kept record_event', '... and it stays closed');
SELECT twin.close_incident(id('u1'), 'nothing of it');
SELECT is(actions(id('u1')), 'cancelled disable_user mallory, cancelled end_sessions mallory', 'what waited for approval is given up');
SELECT opened('o1', 'other', '{"what": "somebody left the door open"}');
SELECT is(status(id('o1')) || ' ' || timeline(id('o1')), 'open opened', 'an incident without playbook is what a person makes of it');

-- numbers
INSERT INTO twin_internal.incidents (incident_id, incident_type, status, severity, steps, is_automatic, details)
	VALUES (to_char(clock_timestamp() AT TIME ZONE 'UTC', '"INC-"YYYYMMDD"-9998"'), 'other', 'open', 'low', '[]', false, '{}');
SELECT alike(twin.open_incident('other'), '%-9999', 'the last of four digits'); SELECT alike(twin.open_incident('other'), '%-10000', '... and more'); SELECT alike(twin.open_incident('other'), '%-10001', '... and more');
SELECT * FROM finish();
ROLLBACK;

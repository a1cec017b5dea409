-- event.sql: who may record and read events, what an application may not claim, and when an event is told.
-- (The extension is not committed here, so nothing is written: what is emitted is seen in the counters.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

CREATE ROLE event_operator IN ROLE twin_operator;
CREATE ROLE event_auditor IN ROLE twin_auditor;
CREATE ROLE event_stranger;
CREATE FUNCTION emitted() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER AS 'SELECT emitted FROM twin.stat_audit';

-- who
SELECT function_privs_are('twin', 'record_event', ARRAY['text', 'text', 'text', 'text', 'text', 'text', 'inet', 'timestamptz', 'jsonb'], r,
	CASE WHEN r IN ('twin_admin', 'twin_operator', 'twin_viewer', 'event_operator') THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and record_event()')
	FROM unnest('{twin_admin,twin_operator,twin_viewer,twin_auditor,twin_anonymous,twin_gateway,event_operator,event_stranger}'::name[]) r;
SELECT table_privs_are('twin', v, r, CASE WHEN r IN ('twin_admin', 'twin_auditor', 'event_auditor') THEN ARRAY['SELECT'] ELSE '{}' END, r || ' and ' || v)
	FROM unnest('{twin_admin,twin_operator,twin_viewer,twin_auditor,twin_anonymous,twin_gateway,event_auditor,event_stranger}'::name[]) r,
		unnest('{audit_log,stat_audit}'::name[]) v;
SET ROLE event_auditor;
SELECT throws_ok($$ INSERT INTO twin.audit_log (event_id) VALUES (1) $$, '55000', NULL, 'an auditor adds nothing to the log');
SELECT throws_ok($$ UPDATE twin.audit_log SET outcome = 'success' $$, '55000', NULL, 'changes nothing');
SELECT throws_ok($$ DELETE FROM twin.audit_log $$, '55000', NULL, 'deletes nothing');
SELECT throws_ok(format('SELECT * FROM twin_internal.%I', t), '42501', NULL, 'and reads it through the view only: ' || t)
	FROM unnest('{events,events_audit,events_overflow,event_state}'::text[]) t;
SELECT throws_ok($$ SELECT nextval('twin_internal.event_id_seq') $$, '42501', NULL, 'the sequence is out of reach');
RESET ROLE;

-- what
SET ROLE event_operator;
SELECT throws_ok(format('SELECT twin.record_event(%L)', t), '22023', NULL, 'an application cannot claim ' || t)
	FROM unnest('{integrity_failure,events_dropped,key_created,key_anything,audit_disabled,master_key_rotated,wrong_key,create,read,update,delete,truncate,decrypt,ddl,grant,configuration_change,extension_dropped,server_program,library_loaded}'::text[]) t;
SELECT lives_ok(format('SELECT twin.record_event(%L)', t), 'it may report ' || t) FROM unnest('{login_failure,login_success,permission_denied,user_created,x,a.b-c_9}'::text[]) t;
SELECT throws_ok(format('SELECT twin.record_event(%L)', t), '22023', NULL, 'no type: ' || t) FROM unnest(ARRAY['', ' x', 'X', '1x', '_x', E'x\n', 'x;y', 'ä']) t;
SELECT throws_ok($$ SELECT twin.record_event(NULL) $$, '22004', NULL, 'a type is needed');
SELECT throws_ok(format('SELECT twin.record_event(%L, %L)', 'x', s), '22023', NULL, 'no severity: ' || s) FROM unnest('{"",INFO,debug,warning}'::text[]) s;
SELECT throws_ok(format('SELECT twin.record_event(%L, outcome => %L)', 'x', s), '22023', NULL, 'no outcome: ' || s) FROM unnest('{"",ok,Success}'::text[]) s;
SELECT throws_ok($$ SELECT twin.record_event('x', event_time => '-infinity') $$, '22023', NULL, 'no time');
SELECT throws_ok(format('SELECT twin.record_event(%L, details => %L)', 'x', d), '22023', 'details of a security event are a JSON object', 'no details: ' || d)
	FROM unnest('{"null","\"x\"",7,true,[],"[{}]"}'::text[]) d;
SELECT throws_ok($$ SELECT twin.record_event('x', severity => repeat('s', 100000)) $$, '54000', NULL, 'a word that is far too long is not looked at');
SELECT throws_ok($$ SELECT twin.record_event(repeat('x', 100000000)) $$, '54000', NULL, 'nor is such a type');
SELECT throws_ok($$ SELECT twin.record_event('x', details => jsonb_build_object('a', repeat('x', 5120))) $$, '54000', NULL, 'details are bounded');
RESET ROLE;

-- when: record_event() at once; events of keys when it is known what became of them
CREATE TEMP TABLE seen AS SELECT emitted() AS before;
SELECT twin.record_event('x') > 0;
SELECT is(emitted() - before, 1::bigint, 'an event of an application is told at once') FROM seen;
SAVEPOINT s;
SELECT twin.record_event('x') > 0;
ROLLBACK TO s;
SELECT is(emitted() - before, 2::bigint, 'and stays told') FROM seen;
SELECT twin.create_key('told') <> 0;
SELECT is(emitted() - before, 2::bigint, 'a key that is not there for others yet is not told') FROM seen;
SAVEPOINT s;
SELECT twin.create_key('never') <> 0;
SAVEPOINT inner_one;
SELECT twin.rotate_key('never');
RELEASE inner_one;
SELECT is(emitted() - before, 2::bigint, 'nor in a subtransaction') FROM seen;
ROLLBACK TO s;
SELECT is(emitted() - before, 4::bigint, 'until it is rolled back, with what its children did') FROM seen;
DO $$ BEGIN PERFORM twin_internal.emit_event('key_created', 'x', NULL, jsonb_build_object('long', repeat('"', 100000))); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
SELECT is(emitted() - before, 5::bigint, 'details of the extension that are too long are cut, not refused') FROM seen;

SELECT * FROM finish();
ROLLBACK;

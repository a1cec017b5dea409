-- holds.sql: legal holds: who places and releases them, what they cover, and that nobody edits them. (Races, dumps, events: test/t/147_holds.pl.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET LOCAL client_min_messages = 'error';

-- who may
SELECT function_privs_are('twin', f, a, r, CASE r WHEN 'twin_admin' THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and ' || f)
	FROM (VALUES ('place_legal_hold', ARRAY['text', 'text', 'timestamptz', 'timestamptz', 'text']), ('release_legal_hold', ARRAY['bigint', 'text'])) v (f, a),
	unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway}'::name[]) r;
SELECT table_privs_are('twin', 'legal_holds', r, CASE WHEN r IN ('twin_admin', 'twin_auditor') THEN ARRAY['SELECT'] ELSE '{}' END, r || ' and legal_holds')
	FROM unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway}'::name[]) r;
SELECT is(string_agg(a.attname, ',' ORDER BY a.attnum), 'hold_id,case_ref,policy_name,from_time,to_time,subject,placed_by,placed_at,released_by,released_at,reason', 'columns of twin.legal_holds')
	FROM pg_attribute a WHERE a.attrelid = 'twin.legal_holds'::regclass;

-- what is no hold
SELECT throws_ok(format('SELECT twin.place_legal_hold(%L)', c), '22023', 'a legal hold names its case', 'no case: ' || coalesce(left(c, 5), 'null')) FROM unnest(ARRAY[NULL, '', '  ', repeat('x', 256)]) c;
SELECT throws_ok($$ SELECT twin.place_legal_hold('c', 'no_such_policy') $$, '42704', 'retention policy "no_such_policy" does not exist', 'no such policy');
SELECT throws_ok($$ SELECT twin.place_legal_hold('c', '') $$, '42704', NULL, 'a policy without a name');
SELECT throws_ok($$ SELECT twin.place_legal_hold('c', 'audit_logs'' OR true --') $$, '42704', NULL, 'a policy that is SQL');
SELECT throws_ok(format('SELECT twin.place_legal_hold(%L, NULL, %L, %L)', 'c', f, t), '22023', 'a legal hold ends after it begins', f || ' to ' || t)
	FROM (VALUES ('2026-01-02', '2026-01-01'), ('2026-01-01', '2026-01-01'), ('infinity', '2026-01-01')) v (f, t);
SELECT throws_ok(format('SELECT twin.place_legal_hold(%L, subject => %L)', 'c', s), '22023', 'a subject has 1 to 1000 bytes', 'no subject') FROM unnest(ARRAY['', ' ', repeat('x', 1001)]) s;
SELECT throws_ok($$ SELECT twin.place_legal_hold('c', subject => repeat('x', 10000000)) $$, '22023', NULL, 'ten megabytes name nobody');
SELECT is_empty('SELECT FROM twin.legal_holds', 'nothing is held');

-- placed and released
CREATE TABLE holds (name text PRIMARY KEY, id bigint);
CREATE FUNCTION id(text) RETURNS bigint LANGUAGE sql AS $$ SELECT h.id FROM holds h WHERE h.name = $1 $$;
SET ROLE twin_admin;
SELECT twin.place_legal_hold('by an administrator') AS id \gset
RESET ROLE;
SELECT is((case_ref, policy_name, from_time, to_time, subject, placed_by, released_at)::text, ('by an administrator', NULL, NULL, NULL, NULL, session_user, NULL)::text, 'a hold on everything') FROM twin.legal_holds;
SELECT throws_ok(format('SELECT twin.release_legal_hold(%s, %L)', :id, r), '22023', 'a legal hold is released for a reason', 'no reason') FROM unnest(ARRAY[NULL, '', '  ', repeat('x', 1001)]) r;
SELECT throws_ok($$ SELECT twin.release_legal_hold(-1, 'x') $$, '42704', 'legal hold -1 does not exist', 'no such hold');
SELECT throws_ok($$ SELECT twin.release_legal_hold(NULL, 'x') $$, '42704', NULL, 'no hold');
SELECT lives_ok(format('SELECT twin.release_legal_hold(%s, %L)', :id, 'settled'), 'a hold is released');
SELECT throws_ok(format('SELECT twin.release_legal_hold(%s, %L)', :id, 'again'), '55000', format('legal hold %s was released already', :id), 'once');
SELECT is((released_by, reason, released_at >= placed_at)::text, (session_user, 'settled', true)::text, 'who released it, and why') FROM twin.legal_holds;

-- nobody edits them
SELECT throws_ok(c, '42501', NULL, 'refused even to a superuser: ' || c)
	FROM unnest(ARRAY['DELETE FROM twin_internal.legal_holds', 'TRUNCATE twin_internal.legal_holds', 'UPDATE twin_internal.legal_holds SET reason = ''x''',
		'UPDATE twin_internal.legal_holds SET released_at = NULL, released_by = NULL, reason = NULL']) c;
SELECT twin.place_legal_hold('kept', 'audit_logs', '2026-01-01', '2026-02-01') AS id \gset
SELECT throws_ok(c, '42501', 'legal holds are not edited', 'refused: ' || c)
	FROM unnest(ARRAY['UPDATE twin_internal.legal_holds SET to_time = ''2026-01-15'' WHERE released_at IS NULL', 'UPDATE twin_internal.legal_holds SET policy_name = ''error_logs'' WHERE released_at IS NULL',
		'UPDATE twin_internal.legal_holds SET placed_by = ''x'', released_at = now(), released_by = ''x'', reason = ''x'' WHERE released_at IS NULL']) c;
CREATE ROLE tap_writer IN ROLE pg_write_all_data, pg_read_all_data;
SET ROLE tap_writer;
SELECT throws_ok(c, '42501', NULL, 'refused to who may write into any table: ' || c)
	FROM unnest(ARRAY['DELETE FROM twin_internal.legal_holds', 'INSERT INTO twin_internal.legal_holds (case_ref, placed_by) VALUES (''x'', ''y'')',
		'UPDATE twin_internal.legal_holds SET released_at = now(), released_by = ''x'', reason = ''x'' WHERE released_at IS NULL']) c;
RESET ROLE;

-- what they cover
CREATE TABLE readings (at timestamptz NOT NULL, sensor int, person text) PARTITION BY RANGE (at);
CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE readings_2 PARTITION OF readings FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO readings VALUES ('2026-01-10', 1, 'bob'), ('2026-02-10', 1, 'alice');
CREATE TABLE plain (at timestamptz NOT NULL, person int, note text);
INSERT INTO plain VALUES ('2026-01-10', 7), ('2026-02-10', 8);
INSERT INTO twin_internal.retention_policies (policy_name, relation, time_column, keep) VALUES ('tap_readings', 'readings', 'at', '1 day'), ('tap_plain', 'plain', 'at', '1 day');
CREATE FUNCTION held(policy text, part regclass, f timestamptz, t timestamptz) RETURNS text LANGUAGE sql AS
	$$ SELECT string_agg(h.case_ref, ' ' ORDER BY h.hold_id) FROM twin.legal_holds h WHERE h.hold_id = ANY (twin_internal.holds_on(policy, part, f, t)) $$;
SELECT is(twin_internal.holds_on('tap_readings', 'readings_1', '2026-01-01', '2026-02-01'), '{}', 'what another policy holds is not held');
SELECT twin.place_legal_hold('c1', 'tap_readings', '2026-01-15', '2026-01-20') AS c1 \gset
SELECT twin.place_legal_hold('c2', 'tap_readings', '2026-01-18') AS c2 \gset
SELECT is(held('tap_readings', 'readings_1', '2026-01-01', '2026-02-01'), 'c1 c2', 'overlapping holds');
SELECT is(held('tap_readings', 'readings_2', '2026-02-01', '2026-03-01'), 'c2', 'one without an end');
SELECT is(held('tap_plain', 'plain', '2026-01-01', '2026-03-01'), NULL, 'of a policy alone');
SELECT is(held('tap_readings', 'readings_1', NULL, '2026-01-16'), 'c1', 'a batch without beginning');
SELECT is(held('tap_readings', 'readings_1', '2026-01-01', '2026-01-15'), NULL, 'what ends where a hold begins is not held');
SELECT is(held('tap_readings', 'readings_1', '2026-01-20', NULL), 'c2', 'nor what begins where one ends');
SELECT twin.release_legal_hold(:c1, 'over');
SELECT is(held('tap_readings', 'readings_1', '2026-01-01', '2026-02-01'), 'c2', 'what is held stays held until the last is released');
SELECT twin.release_legal_hold(:c2, 'over');
SELECT is(held('tap_readings', 'readings_1', '2026-01-01', '2026-02-01'), NULL, '... and no longer');
SELECT twin.place_legal_hold('all') AS c3 \gset
SELECT is(held(p, r, '1900-01-01', '1900-01-02'), 'all', 'a hold on everything holds ' || p) FROM (VALUES ('tap_readings', 'readings_1'::regclass), ('tap_plain', 'plain'), ('audit_logs', 'plain')) v (p, r);
SELECT twin.release_legal_hold(:c3, 'over');

-- about somebody
SELECT twin.place_legal_hold('bob', subject => 'bob') AS c4 \gset
SELECT is(held('tap_readings', 'readings_1', '2026-01-01', '2026-02-01'), 'bob', 'where nobody said which column names persons, it may be about him');
SELECT twin.register_subject_column('readings', 'person', 'person');
SELECT is(held('tap_readings', 'readings_1', '2026-01-01', '2026-02-01'), 'bob', 'a partition with rows about him');
SELECT is(held('tap_readings', 'readings_2', '2026-02-01', '2026-03-01'), NULL, '... and one without');
SELECT twin.register_subject_column('plain', 'note', 'person');
SELECT is(held('tap_plain', 'plain', '2026-01-01', '2026-03-01'), NULL, 'no number names him');
SELECT twin.place_legal_hold('seven', subject => '7') AS c5 \gset
SELECT is(held('tap_plain', 'plain', '2026-01-01', '2026-02-01'), 'seven', 'a batch with rows about a number');
SELECT is(held('tap_plain', 'plain', '2026-02-01', '2026-03-01'), NULL, '... and the next, of the same table, without');
SELECT twin.place_legal_hold('quotes', subject => E'o''neill"\\ $1 %I {}') AS c6 \gset
SELECT is(held('tap_readings', 'readings_2', '2026-02-01', '2026-03-01'), NULL, 'a subject is no SQL');
INSERT INTO readings VALUES ('2026-02-11', 1, E'o''neill"\\ $1 %I {}');
SELECT is(held('tap_readings', 'readings_2', '2026-02-01', '2026-03-01'), 'quotes', '... and is found as it is');
-- of the log: whoever did it, and whom it names
SELECT is(twin_internal.log_mentions('twin_internal.events_overflow', 'mallory'), false, 'the log does not name him');
SELECT twin_internal.open_log();
INSERT INTO twin_internal.events_overflow (event_id, event_time, recorded_at, class, event_type, severity, outcome, application_made, details, origin, writer_xid, username, resource)
	VALUES (-1, now(), now(), 'audit', 'x', 'info', 'success', true, '{"who": "na\"me", "n": 1}', 0, '1', 'mallory', 'trent');
SELECT is(twin_internal.log_mentions('twin_internal.events_overflow', s), true, 'the log names ' || s) FROM unnest(ARRAY['mallory', 'trent', 'na"me']) s;
SELECT is(twin_internal.log_mentions('twin_internal.events_overflow', s), false, 'the log does not name ' || s) FROM unnest('{mallor,trend,eve}'::text[]) s;
SELECT twin_internal.open_log();
INSERT INTO twin_internal.events_overflow (event_id, event_time, recorded_at, class, event_type, severity, outcome, application_made, details, origin, writer_xid, resource, row_count, rows)
	VALUES (-2, now(), now(), 'audit', 'x', 'info', 'success', true, '{}', 0, '1', 'public.plain', 1, 'xx victor xx');
SELECT is(twin_internal.log_mentions('twin_internal.events_overflow', s), s = 'victor', 'images of rows: ' || s) FROM unnest('{victor,oscar}'::text[]) s;

-- what cannot be told is held
SELECT twin.register_subject_column('plain', 'person', 'person');
SELECT is(twin_internal.log_mentions('twin_internal.events_overflow', 'oscar'), true, 'rows of a table that names persons by digests in the log may be about anybody');
CREATE TABLE odd (at timestamptz, person text);
INSERT INTO twin_internal.retention_policies (policy_name, relation, time_column, keep) VALUES ('tap_odd', 'odd', 'at', '1 day');
SELECT twin.register_subject_column('odd', 'person', 'person');
SELECT is(held('tap_odd', 'odd', NULL, '2026-01-01'), NULL, 'no rows about anybody');
REVOKE ALL ON odd FROM CURRENT_USER;
CREATE ROLE tap_owner;
GRANT CREATE ON SCHEMA public TO tap_owner;
ALTER TABLE odd OWNER TO tap_owner;
REVOKE SELECT ON odd FROM tap_owner;
SELECT is(held('tap_odd', 'odd', NULL, '2026-01-01'), 'bob seven quotes', 'a table that its owner may not read');

-- what is gone already
INSERT INTO twin_internal.retention_items (policy_name, relation, partition_name, from_time, to_time, state, archive_file)
	VALUES ('tap_readings', 'public.readings', 'public.readings_0', '2025-12-01', '2026-01-01', 'dropped', 'public.readings_0.tsarc'), ('tap_readings', 'public.readings', 'public.readings_00', '2025-11-01', '2025-12-01', 'dropped', NULL);
SELECT lives_ok($$ SELECT twin.place_legal_hold('late', 'tap_readings', '2025-11-15', '2025-12-15') $$, 'a hold on what is gone is placed, with a warning');

SELECT * FROM finish();
ROLLBACK;

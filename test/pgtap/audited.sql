-- audited.sql: what becomes of every way to change an audited table, and of whoever would change what is audited.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET TimeZone = 'Asia/Tokyo';

CREATE ROLE audited_admin IN ROLE twin_admin;
CREATE ROLE audited_owner;
CREATE ROLE audited_auditor IN ROLE twin_auditor;
CREATE ROLE audited_operator IN ROLE twin_operator;
CREATE SCHEMA plant;
GRANT ALL ON SCHEMA plant TO PUBLIC;

-- the newest events of a table, oldest first, one line each
CREATE FUNCTION told(wanted text, last integer DEFAULT 1000) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(string_agg(line, E'\n' ORDER BY event_id), '') FROM (SELECT event_id, concat_ws(' ', event_type, coalesce(record_id, '-'),
			CASE WHEN event_type = 'create' THEN new WHEN event_type = 'delete' THEN old ELSE diff END) AS line
		FROM twin.audit_log WHERE resource = wanted AND event_type IN ('create', 'update', 'delete', 'truncate') ORDER BY event_id DESC LIMIT last) e
$$;
-- what a statement adds to it
CREATE FUNCTION tells(statement text, wanted text DEFAULT 'plant.units') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before bigint;
BEGIN
	SELECT count(*) INTO before FROM twin.audit_log WHERE resource = wanted AND event_type IN ('create', 'update', 'delete', 'truncate');
	EXECUTE statement;
	RETURN told(wanted, ((SELECT count(*) FROM twin.audit_log WHERE resource = wanted AND event_type IN ('create', 'update', 'delete', 'truncate')) - before)::integer);
END $$;

CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
-- who
CREATE TABLE plant.units (id integer PRIMARY KEY, name text, level float8);
ALTER TABLE plant.units OWNER TO audited_owner;
SELECT function_privs_are('twin', f, a, r, CASE WHEN r IN ('twin_admin', 'audited_admin') THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and ' || f)
	FROM unnest('{twin_admin,audited_admin,twin_auditor,twin_operator,twin_viewer,twin_gateway,audited_owner}'::name[]) r,
		(VALUES ('audit_table', '{regclass,name[],name[],text,boolean}'::name[]), ('unaudit_table', '{regclass}')) f (f, a);
SET ROLE audited_owner;
SELECT throws_ok($$ SELECT twin.audit_table('plant.units') $$, '42501', NULL, 'a table''s owner does not decide what is audited');
SET ROLE audited_admin;
SELECT lives_ok($$ SELECT twin.audit_table('plant.units') $$, 'an administrator does, of others'' tables');
SELECT throws_ok(format('SELECT twin.audit_table(%s)', a), c, NULL, 'not ' || a) FROM (VALUES ('NULL', '22004'), ($$'plant.units', NULL$$, '22004'),
	($$'plant.units', mode => 'half'$$, '22023'), ($$'plant.units', '{no}'$$, '42703'), ($$'plant.units', digest_columns => '{ctid}'$$, '42703'),
	($$'plant.units', '{id}'$$, '22023'), ($$'pg_class'$$, '42501'), ($$'twin.audit_log'$$, '42809'), ('0::regclass', '42P01')) v (a, c);
RESET ROLE;
SELECT throws_ok($$ SELECT twin.audit_table('twin_internal.events_overflow') $$, '42501', NULL, 'not the log itself');
CREATE TEMP TABLE passing (id int);
SELECT throws_ok($$ SELECT twin.audit_table('passing') $$, '42809', NULL, 'not a temporary table');
SET ROLE audited_owner;
SELECT throws_ok($$ DROP TRIGGER twin_audit_update ON plant.units $$, '42501', 'trigger "twin_audit_update" audits a table', 'its owner takes no trigger away');
SELECT throws_ok($$ SELECT twin.unaudit_table('plant.units') $$, '42501', NULL, 'nor all');
SELECT lives_ok($$ CREATE TABLE plant.own (id integer); ALTER TABLE plant.own ADD b integer; CREATE VIEW plant.owns AS SELECT * FROM plant.own; DROP VIEW plant.owns; DROP TABLE plant.own $$, 'with his other tables he goes on as ever');
SELECT throws_ok($$ CREATE TRIGGER mine AFTER INSERT ON plant.units EXECUTE FUNCTION twin_internal.audit_statement() $$, '42501', NULL, 'nobody fires ours for what he likes');
INSERT INTO plant.units VALUES (1, 'boiler', 1.5);
RESET ROLE;
SELECT is((SELECT effective_user_name || ' ' || (xid = pg_current_xact_id())::text || ' ' || class || ' ' || outcome || ' ' || (leaf_index IS NULL)::text
	FROM twin.audit_log WHERE resource = 'plant.units' AND event_type = 'create'), 'audited_owner true audit success true', 'who, and in which transaction');
SET ROLE audited_auditor;
SELECT is((SELECT new FROM twin.audit_log WHERE resource = 'plant.units' AND event_type = 'create'), '{"id": 1, "name": "boiler", "level": 1.5}', 'an auditor reads it');
RESET ROLE;

-- every way to change rows
SELECT is(tells($$ INSERT INTO plant.units VALUES (2, 'b', NULL), (3, 'c', 'NaN') $$), E'create 2 {"id": 2, "name": "b", "level": null}\ncreate 3 {"id": 3, "name": "c", "level": "NaN"}', 'INSERT');
SELECT is(tells($$ UPDATE plant.units SET level = 2, name = name WHERE id < 3 $$), E'update 1 {"level": {"new": 2, "old": 1.5}}\nupdate 2 {"level": {"new": 2, "old": null}}', 'UPDATE: what differs');
SELECT is(tells($$ UPDATE plant.units SET id = 30 WHERE id = 3 $$), 'update 3 {"id": {"new": 30, "old": 3}}', 'a key that changes: known as before');
SELECT is(tells($$ UPDATE plant.units SET name = name WHERE id = 1 $$), 'update 1 {}', 'an update that changes nothing was one');
SELECT is(tells($$ UPDATE plant.units SET name = 'x' WHERE false $$), '', 'a statement without rows tells nothing');
SELECT is(tells($$ INSERT INTO plant.units VALUES (1, 'up', 9), (4, 'd', 4) ON CONFLICT (id) DO UPDATE SET name = excluded.name $$),
	E'update 1 {"name": {"new": "up", "old": "boiler"}}\ncreate 4 {"id": 4, "name": "d", "level": 4}', 'INSERT ON CONFLICT: which of them were inserted');
SELECT is(tells($$ INSERT INTO plant.units VALUES (1, 'no') ON CONFLICT DO NOTHING $$), '', 'and nothing of what was not');
SELECT is(tells($$ MERGE INTO plant.units u USING (VALUES (4, 'm'), (5, 'new'), (30, NULL)) s (id, name) ON u.id = s.id
	WHEN MATCHED AND s.name IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name) $$),
	E'delete 30 {"id": 30, "name": "c", "level": "NaN"}\nupdate 4 {"name": {"new": "m", "old": "d"}}\ncreate 5 {"id": 5, "name": "new", "level": null}', 'MERGE');
SELECT is(tells($$ WITH gone AS (DELETE FROM plant.units WHERE id = 5 RETURNING *) INSERT INTO plant.units SELECT id + 1, name FROM gone $$),
	E'delete 5 {"id": 5, "name": "new", "level": null}\ncreate 6 {"id": 6, "name": "new", "level": null}', 'a WITH that changes');
CREATE VIEW plant.high AS SELECT * FROM plant.units WHERE id > 3;
SELECT is(tells($$ UPDATE plant.high SET level = 1 WHERE id = 6 $$), 'update 6 {"level": {"new": 1, "old": null}}', 'through a view');
CREATE TABLE plant.sensors (id integer PRIMARY KEY, unit integer REFERENCES plant.units ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE plant.marks (id integer PRIMARY KEY, unit integer REFERENCES plant.units ON DELETE SET NULL ON UPDATE CASCADE);
SELECT twin.audit_table('plant.sensors'), twin.audit_table('plant.marks');
INSERT INTO plant.sensors SELECT i, CASE WHEN i < 4 THEN 4 ELSE 6 END FROM generate_series(1, 5) i;
INSERT INTO plant.marks VALUES (1, 4);
SELECT is(tells($$ UPDATE plant.units SET id = 40 WHERE id = 4 $$, 'plant.sensors'),
	E'update 1 {"unit": {"new": 40, "old": 4}}\nupdate 2 {"unit": {"new": 40, "old": 4}}\nupdate 3 {"unit": {"new": 40, "old": 4}}', 'ON UPDATE CASCADE');
SELECT is(tells($$ DELETE FROM plant.units WHERE id IN (40, 6) $$, 'plant.sensors'), E'delete 4 {"id": 4, "unit": 6}\ndelete 5 {"id": 5, "unit": 6}\ndelete 1 {"id": 1, "unit": 40}\ndelete 2 {"id": 2, "unit": 40}\ndelete 3 {"id": 3, "unit": 40}', 'ON DELETE CASCADE');
SELECT is(told('plant.marks', 1), 'update 1 {"unit": {"new": null, "old": 40}}', 'ON DELETE SET NULL');
CREATE TABLE plant.more (id integer PRIMARY KEY REFERENCES plant.marks);
SELECT twin.audit_table('plant.more');
SELECT is(tells($$ TRUNCATE plant.marks CASCADE $$, 'plant.more'), 'truncate -', 'TRUNCATE ... CASCADE');
SELECT is(told('plant.marks', 1), 'truncate -', 'of both');
COPY plant.units FROM PROGRAM 'printf "7\tseven\t7\n8\teight\t\\\\N\n"';
SELECT is(told('plant.units', 2), E'create 7 {"id": 7, "name": "seven", "level": 7}\ncreate 8 {"id": 8, "name": "eight", "level": null}', 'COPY');
CREATE FUNCTION plant.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := NEW.name || '!'; RETURN CASE WHEN NEW.id > 99 THEN NULL ELSE NEW END; END $$;
CREATE TRIGGER stamp BEFORE INSERT ON plant.units FOR EACH ROW EXECUTE FUNCTION plant.stamp();
SELECT is(tells($$ INSERT INTO plant.units VALUES (9, 'n'), (100, 'not') $$), 'create 9 {"id": 9, "name": "n!", "level": null}', 'what other triggers made of it');
SAVEPOINT s;
INSERT INTO plant.units VALUES (10, 'gone');
ROLLBACK TO s;
SELECT is((SELECT count(*) FROM twin.audit_log WHERE resource = 'plant.units' AND record_id = '10'), 0::bigint, 'what is rolled back was not done');
SELECT is(tells($$ PREPARE p (integer) AS UPDATE plant.units SET level = $1 WHERE id = 9; EXECUTE p (1); EXECUTE p (2) $$), E'update 9 {"level": {"new": 1, "old": null}}\nupdate 9 {"level": {"new": 2, "old": 1}}', 'prepared statements');
SELECT is(tells($$ SET LOCAL session_replication_role = replica; UPDATE plant.units SET level = 3 WHERE id = 9; DELETE FROM plant.units WHERE id = 9; INSERT INTO plant.units VALUES (9, 'r', 0); TRUNCATE plant.units CASCADE; SET LOCAL session_replication_role = origin $$),
	E'update 9 {"level": {"new": 3, "old": 2}}\ndelete 9 {"id": 9, "name": "n!", "level": 3}\ncreate 9 {"id": 9, "name": "r", "level": 0}\ntruncate -', 'where only the triggers of replication fire');
SELECT is((SELECT count(*) FROM plant.units), 0::bigint, '(emptied)');

-- many rows: none twice, none left out, ids a row's own
CREATE TABLE plant.many (id integer PRIMARY KEY, note text);
SELECT twin.audit_table('plant.many');
INSERT INTO plant.many SELECT i, repeat('x', i % 300) FROM generate_series(1, 12345) i;
SELECT is((SELECT count(*) || ' ' || count(DISTINCT event_id) || ' ' || count(DISTINCT record_id) || ' ' || sum(length(new ->> 'note')) FROM twin.audit_log WHERE resource = 'plant.many' AND event_type = 'create'),
	'12345 12345 12345 ' || (SELECT sum(length(note)) FROM plant.many), '12345 rows are as many events');
SELECT is((SELECT count(*) FROM twin.audit_log l, twin.audit_event(l.event_id) e WHERE l.resource = 'plant.units' AND e = l), (SELECT count(*) FROM twin.audit_log WHERE resource = 'plant.units'), 'each is found by its id');
SELECT is((SELECT new ->> 'id' FROM twin.audit_event((SELECT event_id FROM twin.audit_log WHERE resource = 'plant.many' AND record_id = '777'))), '777', 'also in the middle of a row of the log');
SET LOCAL enable_seqscan = off;
SELECT is((SELECT count(*) FROM twin.audit_event(-1)), 0::bigint, 'another id is none');
SELECT unalike((SELECT string_agg(l, ' ') FROM plan_of('SELECT * FROM twin_internal.audit_records WHERE stored_id IN (1, 2) AND event_id = 2') l), '%Seq Scan on events%', 'without reading the others');
RESET enable_seqscan;
SELECT ok((SELECT max(pg_column_size(e.*)) < 8200 AND max(e.row_count) <= 1000 AND sum(e.row_count) = 12345 AND avg(pg_column_size(e.*)) > 7000 FROM twin_internal.event_records e WHERE resource = 'plant.many' AND rows IS NOT NULL),
	'in rows of the log that fill a page each and no more');
SELECT ok((SELECT count(*) = 0 FROM twin_internal.event_records e, pg_class c WHERE c.oid = 'twin_internal.events_overflow'::regclass AND pg_relation_size(c.reltoastrelid) > 0), 'and in none beside it');
CREATE TABLE plant.short (id smallint PRIMARY KEY);
SELECT twin.audit_table('plant.short');
INSERT INTO plant.short SELECT generate_series(1, 3000);
SELECT is((SELECT string_agg(row_count::text, ' ' ORDER BY event_id) FROM twin_internal.event_records WHERE resource = 'plant.short' AND rows IS NOT NULL), '1000 1000 1000', 'a thousand at most');
DELETE FROM plant.many;
SELECT is((SELECT count(DISTINCT old ->> 'id') FROM twin.audit_log WHERE resource = 'plant.many' AND event_type = 'delete'), 12345::bigint, 'nor of a DELETE');

-- values
CREATE TYPE plant.mood AS ENUM ('calm', 'hot');
CREATE DOMAIN plant.percent AS integer CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE plant.pair AS (a integer, b timestamptz);
CREATE TABLE plant.kinds (k text PRIMARY KEY, i2 smallint, i4 integer, i8 bigint, f4 real, f8 float8, n numeric, b boolean, d date, t timestamp, tz timestamptz, u uuid, by bytea, j json, jb jsonb,
	e plant.mood, p plant.percent, a text[], at timestamptz[], r plant.pair, iv interval, ip inet, m money, x xml, c char(5), ranged tstzrange);
SELECT twin.audit_table('plant.kinds');
INSERT INTO plant.kinds VALUES ('all', -2, 2147483647, -9223372036854775808, 0.1, 1e308, 12345678901234567890.123456789, true, '2024-02-29', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789+09',
	'00112233-4455-6677-8899-aabbccddeeff', '\x00ff', '{"a": 1, "a": 2}', '{"z": [1, null, "\"q\""]}', 'hot', 7, '{a,"b c",NULL}', '{2024-02-29 12:00+09}', '(1,2024-02-29 12:00+09)', '1 day 02:00', '10.0.0.1/8', 12.34, '<a/>', 'x', '[2024-02-29 12:00+09,)');
SELECT is((SELECT new - '{a,at,r,iv,m,x,ranged}'::text[] FROM twin.audit_log WHERE record_id = 'all'), '{"k": "all", "i2": -2, "i4": 2147483647, "i8": -9223372036854775808, "f4": 0.1, "f8": 1e308, "n": 12345678901234567890.123456789, "b": true,
	"d": "2024-02-29", "t": "2024-02-29T12:34:56.789", "tz": "2024-02-29T03:34:56.789+00:00", "u": "00112233-4455-6677-8899-aabbccddeeff", "by": "\\x00ff", "j": {"a": 2}, "jb": {"z": [1, null, "\"q\""]}, "e": "hot", "p": 7,
	"ip": "10.0.0.1/8", "c": "x    "}'::jsonb, 'numbers are numbers, JSON is JSON, times are in UTC');
SELECT is((SELECT new ->> 'at' || (new ->> 'r') || (new ->> 'ranged') || (new ->> 'a') FROM twin.audit_log WHERE record_id = 'all'),
	'{"2024-02-29 03:00:00+00"}(1,"2024-02-29 03:00:00+00")["2024-02-29 03:00:00+00",){a,"b c",NULL}', 'also inside of other types, whatever the session''s settings are');
SELECT is(current_setting('TimeZone'), 'Asia/Tokyo', 'which stay as they were');
SET LOCAL DateStyle = 'German'; SET LOCAL extra_float_digits = -10; SET LOCAL bytea_output = 'escape'; SET LOCAL IntervalStyle = 'sql_standard';
INSERT INTO plant.kinds SELECT 'again', i2, i4, i8, f4, f8, n, b, d, t, tz, u, by, j, jb, e, p, a, at, r, iv, ip, m, x, c, ranged FROM plant.kinds WHERE k = 'all';
SELECT is((SELECT new - 'k' FROM twin.audit_log WHERE record_id = 'again'), (SELECT new - 'k' FROM twin.audit_log WHERE record_id = 'all'), 'the same row is the same bytes in every session');
SET LOCAL DateStyle = 'ISO'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex';
INSERT INTO plant.kinds (k, f8, d, tz, n, j) VALUES ('odd', '-Infinity', 'infinity', '-infinity', 'NaN', '"\u0000"');
SELECT is((SELECT jsonb_strip_nulls(new) FROM twin.audit_log WHERE record_id = 'odd'), '{"k": "odd", "f8": "-Infinity", "d": "infinity", "tz": "-infinity", "n": "NaN", "j": "\"\\u0000\""}', 'what JSON has no number or text for');
INSERT INTO plant.kinds (k, by) VALUES ('long', decode(repeat('ab', 256 * 1024 + 1), 'hex'));
SELECT is((SELECT new -> 'by' FROM twin.audit_log WHERE record_id = 'long'), jsonb_build_object('digest', encode(sha256(decode(repeat('ab', 256 * 1024 + 1), 'hex')), 'hex'), 'length', 256 * 1024 + 1), 'long values as length and SHA-256');
INSERT INTO plant.kinds (k, by) VALUES ('toasted', decode(repeat(md5('1') || md5('2') || md5('3'), 4000), 'hex'));
SELECT is(tells($$ UPDATE plant.kinds SET i2 = 5 WHERE k = 'toasted' $$, 'plant.kinds'), 'update toasted {"i2": {"new": 5, "old": null}}', 'values outside of the row are as they were');
SELECT is((SELECT md5(decode(substr(old ->> 'by', 3), 'hex')) FROM twin.audit_log WHERE record_id = 'toasted' AND event_type = 'update'), (SELECT md5(by) FROM plant.kinds WHERE k = 'toasted'), 'and are read');
CREATE TABLE plant.two_keys (b text, a integer, PRIMARY KEY (a, b));
SELECT twin.audit_table('plant.two_keys');
SELECT is(tells($$ INSERT INTO plant.two_keys VALUES ('x, y', 1) $$, 'plant.two_keys'), 'create ["x, y", 1] {"a": 1, "b": "x, y"}', 'a key of two columns');
CREATE TABLE plant.keyless (v integer);
SELECT twin.audit_table('plant.keyless');
SELECT is(tells($$ INSERT INTO plant.keyless VALUES (1); DELETE FROM plant.keyless $$, 'plant.keyless'), E'create - {"v": 1}\ndelete - {"v": 1}', 'a table without one');
CREATE TABLE plant."odd ""name" ();
SELECT twin.audit_table('plant."odd ""name"');
SELECT is(tells($$ INSERT INTO plant."odd ""name" DEFAULT VALUES $$, 'plant."odd ""name"'), 'create - {}', 'one without columns, of an odd name');

-- the user by name
CREATE TABLE plant.named (id integer PRIMARY KEY);
SELECT twin.audit_table('plant.named');
SELECT twin.create_user('Ada Åkesson', 'correct horse battery staple') AS ada, twin.create_user('brook', 'purple monkey dishwasher 9') AS brook \gset
SELECT twin.authenticate(twin.issue_token(jsonb_build_object('user_id', :'ada', 'role', 'viewer')));
INSERT INTO plant.named VALUES (1);
SELECT twin.authenticate(twin.issue_token(jsonb_build_object('user_id', :'brook', 'role', 'viewer')));
INSERT INTO plant.named VALUES (2);
SELECT twin.authenticate(twin.issue_token('{"user_id": "999999999", "role": "viewer"}'));
INSERT INTO plant.named VALUES (3);
SELECT set_config('twin_security.token', '', true);
INSERT INTO plant.named VALUES (4);
UPDATE twin_internal.users SET username = 'renamed' WHERE user_id = :ada;
SELECT twin.authenticate(twin.issue_token(jsonb_build_object('user_id', :'ada', 'role', 'viewer')));
INSERT INTO plant.named VALUES (5);
SELECT twin.issue_token('{"user_id": "42", "role": "viewer", "tenant_id": 5}') AS bound \gset
SELECT twin.authenticate(:'bound');
INSERT INTO plant.named VALUES (6);
SELECT set_config('twin_security.token', '', true);
SELECT is((SELECT concat_ws(' ', user_id, tenant_id, token_id = twin.verify_token(:'bound') ->> 'jti', client_address IS NOT DISTINCT FROM inet_client_addr(), application_name) FROM twin.audit_log WHERE resource = 'plant.named' AND record_id = '6'),
	concat_ws(' ', 42, 5, true, true, current_setting('application_name')), 'a change has the user, the tenant, the token and where it came from');
SELECT twin.delete_user('brook');
SELECT is((SELECT string_agg(concat_ws(' ', record_id, replace(replace(user_id::text, :'ada', 'a'), :'brook', 'b'), coalesce(username, 'nobody')), ', ' ORDER BY event_id) FROM twin.audit_log WHERE resource = 'plant.named' AND event_type = 'create' AND record_id <> '6'),
	'1 a Ada Åkesson, 2 b brook, 3 999999999 nobody, 4 nobody, 5 a renamed', 'users of tokens of ours are named as they were called then');

-- what is not kept
CREATE TABLE plant.people (id integer PRIMARY KEY, name text, password text, api_token text, ssn text, note text, email twin.encrypted_text_eq(main), born twin.encrypted_date(main));
SELECT twin.audit_table('plant.people', '{note}', '{ssn}');
INSERT INTO plant.people VALUES (1, 'ann', 'canary-password', 'canary-token', 'canary-ssn', 'canary-note', 'canary@example.org', '2000-01-01'), (2, 'bob', NULL, NULL, 'canary-ssn', NULL, NULL, NULL), (3, 'cid', '', '', 'other', NULL, NULL, NULL);
SELECT is((SELECT new - '{ssn,email,born}'::text[] FROM twin.audit_log WHERE resource = 'plant.people' AND record_id = '1'), '{"id": 1, "name": "ann", "password": "[redacted]", "api_token": "[redacted]"}', 'secrets by their names are redacted, what is skipped is not there');
SELECT ok((SELECT bool_and(new #>> '{ssn,digest}' ~ '^[0-9a-f]{64}$') AND count(DISTINCT new #>> '{ssn,digest}') = 2 FROM twin.audit_log WHERE resource = 'plant.people' AND event_type = 'create'), 'digests tell equal values from others');
SELECT ok((SELECT new #>> '{email,digest}' ~ '^[0-9a-f]{64}$' AND new #>> '{born,digest}' ~ '^[0-9a-f]{64}$' FROM twin.audit_log WHERE resource = 'plant.people' AND record_id = '1'), 'encrypted columns are digests by themselves');
SELECT isnt((SELECT new #>> '{ssn,digest}' FROM twin.audit_log WHERE resource = 'plant.people' AND record_id = '3'), encode(sha256('other'), 'hex'), 'nobody without the key computes them');
SELECT is((SELECT string_agg(event_id::text, ' ') FROM twin.audit_log e WHERE e::text LIKE '%canary-%'), NULL, 'no value of these is in the log');
SELECT is((SELECT count(*) FROM twin_internal.event_records e WHERE position('canary-'::bytea IN coalesce(e.rows, '')) > 0), 0::bigint, 'nor in its bytes');
UPDATE plant.people SET password = 'canary-new' WHERE id = 1;
SELECT is(told('plant.people', 1), 'update 1 {"password": {"new": "[redacted]", "old": "[redacted]"}}', 'that a password was changed is seen');
UPDATE plant.people SET name = 'anne' WHERE id = 1;
SELECT is(told('plant.people', 1), 'update 1 {"name": {"new": "anne", "old": "ann"}}', '... and that it was not');
UPDATE plant.people SET note = 'canary-note-2' WHERE id = 1;
SELECT is(told('plant.people', 1), 'update 1 {}', 'a change of a skipped column is one');
ALTER TABLE plant.people RENAME ssn TO number;
ALTER TABLE plant.people RENAME note TO remark;
INSERT INTO plant.people (id, number, remark) VALUES (4, 'canary-ssn', 'canary-note');
SELECT ok((SELECT new #>> '{number,digest}' ~ '^[0-9a-f]{64}$' AND NOT new ? 'remark' FROM twin.audit_log WHERE resource = 'plant.people' AND record_id = '4'), 'a column that is renamed is treated as before');
ALTER TABLE plant.people DROP remark, ADD extra integer DEFAULT 5;
SELECT is((SELECT skip_columns::text || digest_columns::text FROM twin.audited_tables WHERE relation = 'plant.people'::regclass), '{}{number}', 'one that is dropped is forgotten');
DELETE FROM plant.people WHERE id = 3;
SELECT is((SELECT old - '{number}'::text[] FROM twin.audit_log WHERE resource = 'plant.people' AND event_type = 'delete'), '{"id": 3, "name": "cid", "password": "[redacted]", "api_token": "[redacted]", "email": null, "born": null, "extra": 5}', 'a column that was added later has its value');

-- partitions
CREATE TABLE plant.readings (sensor integer, at date, v float8, PRIMARY KEY (sensor, at)) PARTITION BY RANGE (at);
CREATE TABLE plant.r1 PARTITION OF plant.readings FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE plant.r2 (v float8, at date NOT NULL, dropped integer, sensor integer NOT NULL);
ALTER TABLE plant.r2 DROP dropped;
SELECT twin.audit_table('plant.readings');
ALTER TABLE plant.readings ATTACH PARTITION plant.r2 FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE plant.r3 PARTITION OF plant.readings FOR VALUES FROM ('2024-03-01') TO ('2024-05-01') PARTITION BY RANGE (at);
CREATE TABLE plant.r4 PARTITION OF plant.r3 FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
SELECT is(tells($$ INSERT INTO plant.readings VALUES (1, '2024-01-05', 1), (1, '2024-02-05', 2), (1, '2024-03-05', 3) $$, 'plant.readings'),
	E'create [1, "2024-01-05"] {"v": 1, "at": "2024-01-05", "sensor": 1}\ncreate [1, "2024-02-05"] {"v": 2, "at": "2024-02-05", "sensor": 1}\ncreate [1, "2024-03-05"] {"v": 3, "at": "2024-03-05", "sensor": 1}', 'into all partitions, attached later or not');
SELECT is(tells($$ INSERT INTO plant.r2 (sensor, at, v) VALUES (2, '2024-02-06', 4); UPDATE plant.r4 SET v = 5; DELETE FROM plant.r1 $$, 'plant.readings'),
	E'create ["2024-02-06", 2] {"v": 4, "at": "2024-02-06", "sensor": 2}\nupdate [1, "2024-03-05"] {"v": {"new": 5, "old": 3}}\ndelete [1, "2024-01-05"] {"v": 1, "at": "2024-01-05", "sensor": 1}', 'into partitions by name: part of the same table');
SELECT is((SELECT details FROM twin.audit_log WHERE resource = 'plant.readings' AND event_type = 'delete'), '{"partition": "plant.r1"}', 'the partition that was named is told');
SELECT is(tells($$ UPDATE plant.readings SET at = '2024-01-06' WHERE sensor = 2 $$, 'plant.readings'), 'update [2, "2024-02-06"] {"at": {"new": "2024-01-06", "old": "2024-02-06"}}', 'a row that moves is updated');
CREATE FUNCTION plant.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER stop BEFORE INSERT ON plant.r4 FOR EACH ROW EXECUTE FUNCTION plant.stop();
INSERT INTO plant.readings VALUES (3, '2024-01-07', 0), (4, '2024-02-08', 0);
UPDATE plant.readings SET at = at + 28 WHERE sensor IN (3, 4);
SELECT is((SELECT string_agg(concat_ws(' ', old ->> 'sensor', old ->> 'at', '>', new ->> 'sensor', new ->> 'at'), ', ' ORDER BY event_id) FROM (SELECT * FROM twin.audit_log WHERE resource = 'plant.readings' AND event_type = 'update' ORDER BY event_id DESC LIMIT 3) e),
	'3 2024-01-07 >, 4 2024-02-08 >, > 3 2024-02-04', 'where a trigger kept a row from arriving no old side is paired with another row''s new one');
DROP TRIGGER stop ON plant.r4;
SELECT is(tells($$ SET LOCAL session_replication_role = replica; INSERT INTO plant.readings VALUES (9, '2024-02-09', 9); SET LOCAL session_replication_role = origin $$, 'plant.readings'), 'create ["2024-02-09", 9] {"v": 9, "at": "2024-02-09", "sensor": 9}', 'as a subscription would');
ALTER TABLE plant.readings DETACH PARTITION plant.r2;
SELECT matches(tells($$ DELETE FROM plant.r2 WHERE sensor = 9 $$, 'plant.r2'), '"sensor": 9', 'a partition that is detached stays audited, by itself');
ALTER TABLE plant.readings ATTACH PARTITION plant.r2 FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
SELECT throws_ok($$ SELECT twin.unaudit_table('plant.r1') $$, '42704', NULL, 'a partition is not taken out');
SELECT lives_ok($$ SELECT twin.unaudit_table('plant.readings') $$, 'the table is');
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'twin\_audit\_%' AND tgrelid IN (SELECT relid FROM pg_partition_tree('plant.readings') WHERE relid <> 'plant.r2'::regclass)), 0::bigint, 'with all its triggers');

-- whether it is in force
CREATE FUNCTION problems(rel regclass) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT in_force || array_to_string(problems, '; ') FROM twin.audited_tables WHERE relation = rel $$;
CREATE TABLE plant.forced (id integer PRIMARY KEY, at date) PARTITION BY RANGE (id);
CREATE TABLE plant.forced1 PARTITION OF plant.forced FOR VALUES FROM (1) TO (10);
SET ROLE audited_admin;
SELECT twin.audit_table('plant.forced', digest_columns => '{at}', reads => true);
SET ROLE audited_auditor;
SELECT is((SELECT concat_ws(' ', mode, skip_columns, digest_columns, reads, audited_since BETWEEN now() AND clock_timestamp(), in_force, problems) FROM twin.audited_tables WHERE relation = 'plant.forced'::regclass),
	'image {} {at} t t t {}', 'which tables are audited, how and since when');
RESET ROLE;
SELECT audited_since AS since FROM twin.audited_tables WHERE relation = 'plant.forced'::regclass \gset
SELECT twin.audit_table('plant.forced', mode => 'digest');
SELECT is((SELECT mode || audited_since FROM twin.audited_tables WHERE relation = 'plant.forced'::regclass), 'digest' || :'since', '... also after other settings');
SELECT ok(bool_and(in_force), 'everything audited so far is in force') FROM twin.audited_tables;
SAVEPOINT forced;
ALTER EVENT TRIGGER twin_security_follow_audited DISABLE;
ALTER TABLE ONLY plant.forced DISABLE TRIGGER twin_audit_update;
ALTER TABLE plant.forced1 ENABLE TRIGGER twin_audit_row;
ALTER TABLE ONLY plant.forced ENABLE TRIGGER twin_audit_truncate;
SELECT is(problems('plant.forced'), 'falsetrigger twin_audit_row of plant.forced1 is altered; trigger twin_audit_truncate of plant.forced is altered; trigger twin_audit_update of plant.forced is disabled', 'triggers that are weakened are seen');
ROLLBACK TO forced;
ALTER EVENT TRIGGER twin_security_audited_dropped DISABLE;
ALTER EVENT TRIGGER twin_security_follow_audited DISABLE;
DROP TRIGGER twin_audit_delete ON plant.forced1;
DROP TRIGGER twin_audit_insert ON plant.forced;
CREATE TRIGGER twin_audit_insert AFTER INSERT ON plant.forced REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION twin_internal.audit_statement();
SELECT is(problems('plant.forced'), 'falsetrigger twin_audit_delete of plant.forced1 is missing; trigger twin_audit_insert of plant.forced is altered', '... that are missing, or another under their name');
DROP TRIGGER twin_audit_insert ON plant.forced;
DROP TRIGGER twin_audit_update ON plant.forced;
CREATE TRIGGER twin_audit_insert AFTER UPDATE ON plant.forced REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.audit_statement();
CREATE TRIGGER twin_audit_update AFTER UPDATE OF at ON plant.forced FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.audit_statement();
SELECT is(problems('plant.forced'), 'falsetrigger twin_audit_delete of plant.forced1 is missing; trigger twin_audit_insert of plant.forced is altered; trigger twin_audit_update of plant.forced is altered', '... for other events, for some columns');
ROLLBACK TO forced;
ALTER EVENT TRIGGER twin_security_audited_dropped DISABLE;
DROP TABLE plant.forced;
SELECT is((SELECT in_force || array_to_string(problems, '; ') FROM twin.audited_tables WHERE relation::text ~ '^[0-9]'), 'falsethe table is gone', 'a table that went unseen');
ROLLBACK TO forced;
SET ROLE audited_operator;
SELECT throws_ok('SELECT * FROM twin.audited_tables', '42501', NULL, 'others do not see what is audited');
RESET ROLE;

-- digests
CREATE TABLE plant.bulk (sensor integer, at timestamptz, v float8, PRIMARY KEY (sensor, at));
SELECT twin.audit_table('plant.bulk', mode => 'digest');
INSERT INTO plant.bulk SELECT i % 7, '2024-01-01 00:00+00'::timestamptz + i * interval '1 minute', i FROM generate_series(1, 2500) i;
SELECT is((SELECT details - 'root' FROM twin.audit_log WHERE resource = 'plant.bulk' AND event_type = 'create'), '{"rows": 2500, "least": ["0", "2024-01-01 00:07:00+00"], "greatest": ["6", "2024-01-02 17:38:00+00"]}', 'a statement is one event: rows and range');
-- the root anew from the table, as docs/audit.md says
CREATE FUNCTION node(a bytea, b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT sha256('\x01' || a || b) $$;
CREATE TABLE plant.chunks AS SELECT (n - 1) / 1000 AS chunk, sha256('\x00' || string_agg('\x18'::bytea || '\x02' || '\x04' || int4send(sensor) || '\x08' || timestamptz_send(at) || '\x08' || float8send(v), '' ORDER BY n)) AS leaf
	FROM (SELECT row_number() OVER (ORDER BY ctid) AS n, * FROM plant.bulk) r GROUP BY 1;
SELECT is((SELECT details ->> 'root' FROM twin.audit_log WHERE resource = 'plant.bulk' AND event_type = 'create'),
	(SELECT encode(node(node(a.leaf, b.leaf), c.leaf), 'hex') FROM plant.chunks a, plant.chunks b, plant.chunks c WHERE a.chunk = 0 AND b.chunk = 1 AND c.chunk = 2), 'the root is that of the table''s rows');
UPDATE plant.bulk SET v = 0 WHERE sensor = 3;
SELECT is((SELECT (details -> 'rows')::text || (details ->> 'least') FROM twin.audit_log WHERE resource = 'plant.bulk' AND event_type = 'update'), '357["3", "2024-01-01 00:03:00+00"]', 'of an update, too');
SELECT lives_ok($$ SELECT twin.audit_table('plant.bulk') $$, 'another mode by calling it again');
SELECT is((SELECT count(*) FROM twin.audited_tables WHERE relation = 'plant.bulk'::regclass), 1::bigint, 'it is audited once');
DELETE FROM plant.bulk WHERE sensor = 3 AND at < '2024-01-01 00:11+00';
SELECT matches(told('plant.bulk', 2), '"v": 0', 'with images from now on');

-- ways past the triggers, of a table's owner
GRANT twin_auditor TO audited_owner;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO audited_owner', current_database()); END $$;
CREATE TABLE plant.safe (id integer PRIMARY KEY, amount integer, note text);
CREATE TABLE plant.split (id integer, v integer) PARTITION BY LIST (id);
CREATE TABLE plant.split1 PARTITION OF plant.split FOR VALUES IN (1);
ALTER TABLE plant.safe OWNER TO audited_owner;
ALTER TABLE plant.split OWNER TO audited_owner;
ALTER TABLE plant.split1 OWNER TO audited_owner;
SELECT throws_ok($$ SELECT twin.audit_table('plant.split1') $$, '55000', '"plant.split1" is audited and "plant.split", of which it is a part, is not', 'a partition alone: what names its table would go unseen');
SELECT twin.audit_table('plant.safe', '{}', '{note}'), twin.audit_table('plant.split');
SET ROLE audited_owner;
INSERT INTO plant.safe VALUES (1, 1, 'a'), (2, 2, 'b');
CREATE SCHEMA hidden CREATE TABLE split3 PARTITION OF plant.split FOR VALUES IN (3);
SELECT is(tells('INSERT INTO hidden.split3 VALUES (3, 3)', 'plant.split'), 'create - {"v": 3, "id": 3}', 'a partition that CREATE SCHEMA makes');
SELECT is(tells('SET LOCAL quote_all_identifiers = on; UPDATE plant.safe SET amount = 3 WHERE id = 1; SET LOCAL quote_all_identifiers = off', 'plant.safe'), 'update 1 {"amount": {"new": 3, "old": 1}}', 'the table''s name is the same whatever the session quotes');
SELECT throws_ok(c, '42501', 'trigger "twin_audit_update" audits a table', c) FROM unnest(ARRAY['ALTER TRIGGER twin_audit_update ON plant.safe RENAME TO mine', 'ALTER TABLE plant.safe DISABLE TRIGGER twin_audit_update']) c;
CREATE FUNCTION plant.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
SELECT throws_ok('CREATE OR REPLACE TRIGGER twin_audit_update AFTER UPDATE ON plant.safe EXECUTE FUNCTION plant.nothing()', '42501', 'trigger "twin_audit_update" audits a table', 'put another in a trigger''s place');
SELECT throws_ok('ALTER TABLE plant.safe DISABLE TRIGGER USER', '42501', NULL, 'disable all');
SELECT lives_ok('CREATE TRIGGER own AFTER UPDATE ON plant.safe EXECUTE FUNCTION plant.nothing(); ALTER TABLE plant.safe DISABLE TRIGGER own; ALTER TRIGGER own ON plant.safe RENAME TO own2; CREATE OR REPLACE TRIGGER own2 AFTER INSERT ON plant.safe EXECUTE FUNCTION plant.nothing(); DROP TRIGGER own2 ON plant.safe', 'with his own triggers he does as he likes');
CREATE TABLE plant.over (id integer NOT NULL, amount integer, note text);
SELECT throws_ok('ALTER TABLE plant.safe INHERIT plant.over', '55000', '"plant.safe" is audited and "plant.over", of which it is a part, is not', 'a table above it, by whose name rows are changed');
CREATE TABLE plant.root (id integer NOT NULL, amount integer, note text) PARTITION BY RANGE (id);
SELECT throws_ok('ALTER TABLE plant.root ATTACH PARTITION plant.safe FOR VALUES FROM (0) TO (9)', '55000', '"plant.safe" is audited and "plant.root", of which it is a part, is not', 'or a partitioned one');
ALTER VIEW plant.safe RENAME COLUMN note TO remark;
RESET ROLE;
SELECT is((SELECT digest_columns FROM twin_internal.audited_tables WHERE relation = 'plant.safe'::regclass), '{remark}', 'a table''s column that ALTER VIEW renames is digested still');
CREATE TABLE plant.child () INHERITS (plant.over);
SELECT throws_ok($$ SELECT twin.audit_table('plant.child') $$, '55000', NULL, 'a child alone is not audited either');
SELECT twin.audit_table('plant.over'), twin.audit_table('plant.child', '{amount}', '{note}');
SELECT is(tells('INSERT INTO plant.child VALUES (1, 1, NULL)', 'plant.child') || tells('UPDATE plant.over SET id = 2', 'plant.over'), 'create - {"id": 1, "note": null}update - {"id": {"new": 2, "old": 1}}', 'with its parent it is: each by the name that the statement has');
ALTER TABLE plant.over RENAME note TO remark;
ALTER TABLE plant.over RENAME amount TO note;
SELECT is((SELECT skip_columns::text || digest_columns::text FROM twin_internal.audited_tables WHERE relation = 'plant.child'::regclass), '{note}{remark}', 'columns that are renamed through the parent are followed');
SELECT throws_ok($$ SELECT twin.unaudit_table('plant.over') $$, '55000', NULL, 'what is above stays audited as long as what is below');
SELECT lives_ok($$ SELECT twin.unaudit_table('plant.child'), twin.unaudit_table('plant.over') $$, 'one after the other');
-- ... of who may write into any table
CREATE ROLE audited_writer IN ROLE pg_write_all_data, pg_read_all_data;
SET ROLE audited_writer;
SELECT throws_ok(c, '42501', 'what is audited is not edited', c) FROM unnest(ARRAY['DELETE FROM twin_internal.audited_tables', $$ UPDATE twin_internal.audited_tables SET skip_columns = '{amount}' $$]) c;
RESET ROLE;
-- all triggers off and on around a load
ALTER TABLE plant.safe DISABLE TRIGGER ALL;
ALTER TABLE plant.safe ENABLE TRIGGER ALL;
SELECT is(tells('INSERT INTO plant.safe (id) VALUES (5)', 'plant.safe'), 'create 5 {"id": 5, "amount": null, "remark": null}', 'after all triggers were off and on again a row is recorded once');
SELECT is((SELECT string_agg(concat_ws(' ', tgname, tgenabled), ', ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'plant.safe'::regclass AND NOT tgisinternal),
	'twin_audit_delete O, twin_audit_insert O, twin_audit_row R, twin_audit_truncate A, twin_audit_update O', '... and they fire when they should');
ALTER TABLE plant.safe ENABLE ALWAYS TRIGGER twin_audit_insert;
ALTER TABLE plant.safe ENABLE REPLICA TRIGGER twin_audit_truncate;
SELECT is((SELECT string_agg(concat_ws(' ', tgname, tgenabled), ', ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'plant.safe'::regclass AND tgname ~ 'insert|truncate'), 'twin_audit_insert O, twin_audit_truncate A', 'also one by one');
ALTER EVENT TRIGGER twin_security_follow_audited DISABLE;
ALTER TABLE plant.safe ENABLE ALWAYS TRIGGER twin_audit_insert, ENABLE TRIGGER twin_audit_row;
SELECT is(tells('INSERT INTO plant.safe (id) VALUES (6); SET LOCAL session_replication_role = replica; INSERT INTO plant.safe (id) VALUES (7); SET LOCAL session_replication_role = origin', 'plant.safe'),
	'create 6 {"id": 6, "amount": null, "remark": null}', 'where they do not, no row is recorded twice');
ALTER TABLE plant.safe ENABLE TRIGGER twin_audit_insert, ENABLE REPLICA TRIGGER twin_audit_row;
ALTER EVENT TRIGGER twin_security_follow_audited ENABLE ALWAYS;

-- the end
DROP TABLE plant.more, plant.marks;
SELECT is((SELECT count(*) FROM twin.audited_tables t WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.relation)), 0::bigint, 'tables that are dropped are forgotten');
SELECT throws_ok($$ DROP EXTENSION twin_security $$, '2BP01', NULL, 'the extension does not go while tables are audited');
SELECT * FROM finish();
ROLLBACK;

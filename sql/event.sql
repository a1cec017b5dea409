-- event: what applications record, what the extension emits itself, who may read it, and that no rollback takes it back
\set SHOW_CONTEXT never
SET client_min_messages = warning;
-- what the test does not ask for: its own commands and sessions are recorded, too
\set asked_for 'event_type !~ ''^(login_success|audit_enabled|audit_epoch|heartbeat|decrypt|user_|role_|grant|ddl|configuration|extension_|alert_|incident_)'' AND NOT (event_type = ''permission_denied'' AND details ? ''sqlstate'')'
CREATE ROLE event_app LOGIN IN ROLE twin_operator;
GRANT event_app TO CURRENT_USER;	-- a superuser who acts as a role he is no member of reads nothing
CREATE ROLE event_reader LOGIN IN ROLE twin_auditor;
CREATE ROLE event_nobody LOGIN IN ROLE twin_anonymous;

-- everything emitted so far is written; only the worker's own transactions end the wait
CREATE FUNCTION event_settled() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..1000 LOOP
		IF (SELECT ring_fill = 0 AND emitted = written + dropped FROM twin.stat_audit) THEN
			RETURN true;
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN false;
END
$$;

SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'twin.audit_log'::regclass AND attnum > 0 ORDER BY attnum;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'twin.stat_audit'::regclass AND attnum > 0 ORDER BY attnum;
SELECT pg_get_function_arguments('twin.record_event'::regproc), pg_get_function_result('twin.record_event'::regproc);
SELECT dropped FROM twin.stat_audit;

-- CREATE EXTENSION made keys, and that is no event
SELECT event_settled();
SELECT count(*) FROM twin.audit_log WHERE :asked_for;

-- an application records; what it claims and what the database knows are told apart
SET ROLE event_app;
SELECT twin.record_event('door_opened', 'medium', 'denied', 'open', 'door "7"', 'alice', '10.1.2.3', '2020-02-02 12:00+00', '{"badge": "b-1", "tries": 3}') AS id \gset
SELECT twin.record_event('plain') > :id AS ids_grow;
SELECT twin.record_event('login_failure', outcome => 'failure', username => 'bob', client_address => '2001:db8::5/64') > :id;
RESET ROLE;
SELECT event_settled();
SELECT event_type, class, severity, outcome, action, resource, username, client_address, details, application_made
FROM twin.audit_log WHERE :asked_for ORDER BY event_id;
DO $$ BEGIN FOR i IN 1..3000 LOOP EXIT WHEN (SELECT seal_lag = '0' FROM twin.stat_audit); PERFORM pg_sleep(0.01); END LOOP; END $$;
SELECT session_user_name = session_user AS session, outer_user_name, effective_user_name, application_name, event_time = '2020-02-02 12:00+00' AS claimed,
	recorded_at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS own_time, user_id, tenant_id, token_id, request_id, old, new, diff
FROM twin.audit_log WHERE event_id = :id;
DO $$
BEGIN
	FOR i IN 1..1000 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM twin.audit_log WHERE event_type = 'plain' AND leaf_index IS NULL);
		PERFORM pg_sleep(0.01);
	END LOOP;
END
$$;
SELECT leaf_index >= 0 AS sealed FROM twin.audit_log WHERE event_id = :id;
SELECT event_time BETWEEN now() - interval '1 minute' AND clock_timestamp() AS now_by_default FROM twin.audit_log WHERE event_type = 'plain';

-- what happens to the transaction is no matter
BEGIN;
SELECT twin.record_event('rolled_back') > 0 AS recorded;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT twin.record_event('rolled_back_to') > 0 AS recorded;
ROLLBACK TO s;
SELECT 1 / 0;
ROLLBACK;
SET statement_timeout = 200;
SELECT twin.record_event('timed_out'), pg_sleep(10);
RESET statement_timeout;
SELECT event_settled();
SELECT event_type FROM twin.audit_log WHERE event_type ~ '^(rolled|timed)' ORDER BY event_id;

-- refused: unknown words, what only the database knows, what is too long
SELECT twin.record_event(NULL);
SELECT twin.record_event('');
SELECT twin.record_event('Upper');
SELECT twin.record_event('a b');
SELECT twin.record_event(repeat('x', 64));
SELECT twin.record_event('x', 'warning');
SELECT twin.record_event('x', outcome => 'ok');
SELECT twin.record_event('x', event_time => 'infinity');
SELECT twin.record_event('integrity_failure');
SELECT twin.record_event('key_destroyed');
SELECT twin.record_event('events_dropped', outcome => 'denied');
SELECT twin.record_event('x', action => repeat('a', 129));
SELECT twin.record_event('x', resource => repeat('a', 1025));
SELECT twin.record_event('x', username => repeat('a', 257));
SELECT twin.record_event('x', details => jsonb_build_object('a', repeat('x', 5120)));
SELECT twin.record_event('x', details => jsonb_build_object('a', repeat('x', 1000000)));
-- the longest that is taken
SELECT twin.record_event('longest', 'critical', 'error', repeat('a', 128), repeat('r', 1024), repeat('u', 256), '10.0.0.1', now(),
	jsonb_build_object('a', repeat('x', 5120 - 9))) > 0 AS recorded;
SELECT twin.record_event('nothing', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) > 0 AS recorded;
SELECT event_settled();
SELECT event_type, class, severity, outcome, length(action), length(resource), length(username), length(details::text)
FROM twin.audit_log WHERE event_type IN ('longest', 'nothing', 'x') ORDER BY event_id;

-- who may what
SET ROLE event_nobody;
\set VERBOSITY sqlstate
SELECT twin.record_event('x');
SELECT * FROM twin.audit_log;
SET ROLE event_app;
SELECT * FROM twin.audit_log;
SELECT * FROM twin.stat_audit;
SELECT * FROM twin_internal.events;
SELECT twin_internal.emit_event('key_created', 'forged');
SET ROLE event_reader;
SELECT twin.record_event('x');
SELECT count(*) > 0 AS reads FROM twin.audit_log;
SELECT count(*) AS reads FROM twin.stat_audit;
INSERT INTO twin.audit_log (event_id) VALUES (1);
DELETE FROM twin.audit_log;
RESET ROLE;
\set VERBOSITY default

-- key operations: each once, with the key's name and nothing of the key; told as what became of the transaction
CREATE TEMP TABLE before AS SELECT coalesce(max(event_id), 0) AS id FROM twin.audit_log;
SET ROLE twin_admin;
SELECT twin.create_key('event') <> 0 AS made;
SELECT twin.grant_key('event', 'event_app', 'decrypt');
SELECT twin.grant_key('event', 'event_app', 'decrypt');
SELECT twin.rotate_key('event'), twin.rotate_key('event');
SELECT twin.retire_key('event', 1);
SELECT twin.revoke_key('event', 'event_app', 'decrypt');
SELECT twin.rotate_master_key();
SELECT twin.rotate_index_key('text');
BEGIN;
SELECT twin.create_key('event2') <> 0 AS made;
SAVEPOINT s;
SELECT twin.grant_key('event2', 'event_app', 'mask');
ROLLBACK TO s;
SAVEPOINT s;
SELECT twin.grant_key('event2', 'event_app', 'encrypt');
RELEASE s;
COMMIT;
BEGIN;
SELECT twin.destroy_key('event2');
ROLLBACK;
SELECT twin.destroy_key('event');
RESET ROLE;
SELECT event_settled();
SELECT e.event_type, e.class, e.severity, e.outcome, e.action, e.resource, e.details - 'algorithm' AS details, e.outer_user_name, e.application_made
FROM twin.audit_log e, before b WHERE e.event_id > b.id AND :asked_for ORDER BY e.event_id;

-- refusals of the keyring: whatever swallows the error
TRUNCATE before;
INSERT INTO before SELECT max(event_id) FROM twin.audit_log;
CREATE TABLE event_secret (v twin.encrypted_text(event2));
INSERT INTO event_secret VALUES ('canary');
GRANT ALL ON event_secret TO event_app, event_nobody;
SELECT twin.revoke_key('event2', 'event_app', 'encrypt');
SET ROLE event_app;
DO $$ BEGIN PERFORM v::text FROM event_secret; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;
INSERT INTO event_secret VALUES ('canary');
RESET ROLE;
SELECT twin.grant_key('event2', 'event_app', 'decrypt');
SELECT v AS armor FROM event_secret \gset
SELECT overlay(:'armor' PLACING CASE substr(:'armor', 40, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM 40) AS altered \gset
INSERT INTO event_secret VALUES (:'altered');
SET ROLE event_app;
\set VERBOSITY sqlstate
SELECT v::text FROM event_secret;
SELECT twin.decrypt_data('AAAA');
RESET ROLE;
SELECT twin.grant_key('environment', 'event_app', 'decrypt');
SET ROLE event_app;
SELECT twin.decrypt_data(encode(sha384('x'), 'base64'));
RESET ROLE;
\set VERBOSITY default
SELECT event_settled();
SELECT e.event_type, e.class, e.severity, e.outcome, e.action, e.resource, e.effective_user_name, e.details
FROM twin.audit_log e, before b WHERE e.event_id > b.id AND :asked_for ORDER BY e.event_id;
-- details of the extension that are too long become JSON that says so
DO $$ BEGIN
	PERFORM twin_internal.emit_event('key_test', repeat('r', 2000), NULL, jsonb_build_object('long', repeat('"ä', 10000)));
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN NULL;
END $$;
SELECT event_settled();
SELECT outcome, length(resource), details -> 'truncated' AS truncated, length(details ->> 'beginning') BETWEEN 1000 AND 5000 AS begins, details ->> 'beginning' LIKE '{"long": "%' AS as_it_was
FROM twin.audit_log WHERE event_type = 'key_test';
SELECT count(*) AS leaks FROM twin.audit_log e WHERE e::text LIKE '%canary%';

-- partitions: made where none covers, what lies in the overflow moves there, and the view stays the same
CREATE TEMP TABLE seen AS SELECT to_jsonb(e) - 'leaf_index' AS event FROM twin.audit_log e;	-- they may be sealed in between
SELECT count(*) = (SELECT count(*) FROM twin.audit_log) AS all_in_overflow FROM twin_internal.events_overflow;
SELECT twin_internal.maintain_event_partitions() > now() AS waits, count(*) AS partitions FROM pg_partition_tree('twin_internal.events') WHERE isleaf AND level = 2;
-- nobody edits the log but the extension; a superuser opens it, for one transaction, and that is an event
INSERT INTO twin_internal.events_overflow SELECT * FROM twin_internal.events_overflow;
UPDATE twin_internal.events_overflow SET class = 'error';
DELETE FROM twin_internal.events;
TRUNCATE twin_internal.events_audit;
UPDATE twin_internal.event_state SET created_at = now() - interval '2 hours';
BEGIN;
SELECT twin_internal.open_log();
UPDATE twin_internal.event_state SET created_at = now() - interval '2 hours';
INSERT INTO twin_internal.events_overflow SELECT (e).* FROM (SELECT e, generate_series(1, 2) FROM twin_internal.events_overflow e LIMIT 2) s;
UPDATE twin_internal.events_overflow SET recorded_at = '2021-05-31 23:59:59.999999+00', class = 'access' WHERE ctid = (SELECT max(ctid) FROM twin_internal.events_overflow);
SET client_min_messages = error;	-- of wal_level
CREATE PUBLICATION event_everything FOR ALL TABLES;	-- must not keep rows from moving
SET client_min_messages = warning;
SELECT event_settled();
SELECT twin_internal.maintain_event_partitions() BETWEEN now() + interval '59 minutes' AND now() + interval '61 minutes' AS comes_again;
COMMIT;
DROP PUBLICATION event_everything;
SELECT event_settled();
SELECT severity, application_made FROM twin.audit_log WHERE event_type = 'audit_log_opened';
SELECT count(*) AS left_over FROM twin_internal.events_overflow WHERE recorded_at < '2023-01-01';
SELECT tableoid::regclass, count(*) FROM twin_internal.events_access WHERE recorded_at < '2022-01-01' GROUP BY 1;
SELECT count(*) FROM (SELECT event FROM seen EXCEPT SELECT to_jsonb(e) - 'leaf_index' FROM twin.audit_log e) lost;
SELECT replace(replace(relid::text, to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM'), 'THIS'), to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month', 'YYYY_MM'), 'NEXT') AS part,
	obj_description(relid) IS NOT NULL AS comment, (SELECT count(*) FROM pg_index WHERE indrelid = relid) AS indexes
FROM pg_partition_tree('twin_internal.events') WHERE isleaf ORDER BY 1;
SELECT twin_internal.event_partition_covers(c, t) FROM (VALUES ('access', '2021-05-01 00:00+00'), ('access', '2021-04-30 23:59:59.999999+00'), ('access', '2021-06-01 00:00+00'),
	('audit', '2021-05-01 00:00+00'), ('audit', now()), ('overflow', now()), ('x"y', now())) v (c, t);
BEGIN;
SELECT twin_internal.open_log();
SELECT twin_internal.maintain_event_partitions() > now() AS nothing_to_do;
COMMIT;
-- somebody else's partition, or his table of that name: nothing fails, events stay in the overflow
BEGIN;
SELECT twin_internal.open_log();
CREATE TABLE twin_internal.mine PARTITION OF twin_internal.events_error FOR VALUES FROM ('2022-03-10') TO ('2022-03-20');
COMMIT;
CREATE TABLE twin_internal.events_error_2022_04 ();
BEGIN;
SELECT twin_internal.open_log();
INSERT INTO twin_internal.events_overflow SELECT (e).* FROM (SELECT e, generate_series(1, 3) FROM twin_internal.events e LIMIT 3) s;
UPDATE twin_internal.events_overflow o SET class = 'error', recorded_at = n.at FROM (SELECT ctid AS place, ('2022-03-05'::timestamptz + (row_number() OVER () - 1) * interval '15 days') AS at
	FROM twin_internal.events_overflow) n WHERE n.place = o.ctid;
SELECT twin_internal.maintain_event_partitions() > now() AS goes_on;
COMMIT;
SELECT recorded_at::date FROM twin_internal.events_overflow WHERE recorded_at < '2023-01-01' ORDER BY 1;
DROP TABLE twin_internal.events_error_2022_04;
-- whatever is the log's is neither altered nor dropped
ALTER TABLE twin_internal.events DETACH PARTITION twin_internal.events_access;
ALTER TABLE twin_internal.events_overflow DISABLE TRIGGER guard_log;
ALTER TABLE twin_internal.events_overflow RENAME TO elsewhere;
ALTER TABLE twin_internal.events_access_2021_05 SET SCHEMA public;
DROP TABLE twin_internal.events_access_2021_05;
DROP TRIGGER guard_log ON twin_internal.events_overflow;
CREATE RULE swallow AS ON INSERT TO twin_internal.events DO INSTEAD NOTHING;
CREATE TRIGGER swallow BEFORE INSERT ON twin_internal.events_overflow FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE ROLE event_owner;
BEGIN;
SELECT twin_internal.open_log();
ALTER TABLE twin_internal.events_access_2021_05 OWNER TO event_owner;
COMMIT;
DROP OWNED BY event_owner;
BEGIN;
SELECT twin_internal.open_log();
ALTER TABLE twin_internal.events_access_2021_05 OWNER TO CURRENT_USER;
COMMIT;
DROP ROLE event_owner;
-- neither by a session in which only the triggers of replication fire, which the months of a dump go through, too
SET session_replication_role = replica;
DELETE FROM twin_internal.events_access_2021_05;
RESET session_replication_role;
SELECT twin.record_event('into_a_partition') > 0 AS recorded;
SELECT event_settled();
SELECT tableoid::regclass::text ~ '^twin_internal.events_audit_\d{4}_\d\d$' AS partition FROM twin_internal.events WHERE event_type = 'into_a_partition';

DROP TABLE event_secret;
-- an extension is dropped with what it recorded, and one that is made anew begins with nothing
SELECT twin.record_event('pending') > 0 AS recorded;
DROP EXTENSION twin_security;
SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text LIKE 'twin%';
CREATE EXTENSION twin_security;
SELECT event_settled();
SELECT event_type FROM twin.audit_log WHERE event_type <> 'pending' AND :asked_for;
DROP FUNCTION event_settled();
DROP ROLE event_app, event_reader, event_nobody;

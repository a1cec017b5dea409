-- ledger: events become leaves of one tree, which is signed; what is changed afterwards is named
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE ledger_reader LOGIN IN ROLE twin_auditor;
CREATE ROLE ledger_nobody LOGIN IN ROLE twin_viewer;

-- everything committed so far has its leaf, and a checkpoint covers it
CREATE FUNCTION ledger_settled() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..3000 LOOP
		IF (SELECT s.ring_fill = 0 AND s.emitted = s.written + s.dropped AND s.seal_lag = '0' AND s.sealed = c.size
				FROM twin.stat_audit s, twin_internal.checkpoints c ORDER BY c.size DESC LIMIT 1) THEN
			RETURN true;
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN false;
END
$$;

SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid) FROM pg_proc p WHERE p.pronamespace = 'twin'::regnamespace
	AND p.proname IN ('audit_leaves', 'audit_checkpoint', 'audit_public_key', 'inclusion_proof', 'consistency_proof', 'verify_audit_log') ORDER BY 1;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'twin.stat_audit'::regclass AND attnum > 0 ORDER BY attnum;

-- none of its plans is compiled, which would take seconds
SELECT count(*) AS compiled FROM pg_proc WHERE pronamespace IN ('twin'::regnamespace, 'twin_internal'::regnamespace) AND 'enable_seqscan=off' = ANY (proconfig) AND NOT 'jit=off' = ANY (proconfig);

-- a log begins by saying so
SELECT ledger_settled();
SELECT l.leaf_index, a.event_type, a.outcome, a.details - '{origin,began_at}'::text[] FROM twin.audit_leaves(0, 0) l JOIN twin.audit_log a USING (event_id);
SELECT e.epoch, e.first_leaf, e.reason, e.origin ~ '^twin_security/audit/[^/]+/[0-9a-f]{32}$' AS origin FROM twin_internal.epochs e;
SELECT split_part(twin.audit_checkpoint(), E'\n', 1) = e.origin AS origin, split_part(twin.audit_public_key(), '+', 1) = e.origin AS key FROM twin_internal.epochs e;

-- events of applications, rows of many events
SELECT count(twin.record_event('door', 'low', 'success', 'open', 'hall', 'somebody', '10.1.2.3', '2026-01-01', jsonb_build_object('n', i))) FROM generate_series(1, 600) i;
CREATE TABLE ledger_units (id integer PRIMARY KEY, name text);
SELECT twin.audit_table('ledger_units');
INSERT INTO ledger_units SELECT i, 'unit ' || i FROM generate_series(1, 700) i;
UPDATE ledger_units SET name = 'other' WHERE id = 5;
SELECT ledger_settled();
SELECT count(*) > 1300 AS leaves, count(DISTINCT leaf) = count(*) AS distinct, count(*) = max(leaf_index) + 1 AS without_gap FROM twin.audit_leaves(0, 1000000);
SELECT a.event_type, count(*) FROM twin.audit_log a JOIN twin.audit_leaves(0, 1000000) l USING (event_id) WHERE a.resource = 'public.ledger_units' AND a.event_type IN ('create', 'update') GROUP BY 1 ORDER BY 1;
SELECT ok, checked = (SELECT sealed FROM twin.stat_audit) AS checked, first_bad, reason FROM twin.verify_audit_log();

-- the leaf and its hash, as RFC 6962 and leaf.h say
SELECT get_byte(leaf, 0) AS version, convert_from(substring(leaf FROM position('door'::bytea IN leaf) FOR 4), 'UTF8') AS type FROM twin.audit_log a
	JOIN twin.audit_leaves(0, 1000000) l USING (event_id) WHERE a.details = '{"n": 7}';
SELECT bool_and(sha256('\x00'::bytea || l.leaf) = substring(t.hashes FROM (l.leaf_index % 256)::integer * 32 + 1 FOR 32)) AS hashes
	FROM twin.audit_leaves(0, 1000000) l JOIN twin_internal.tiles t ON t.level = 0 AND t.tile = l.leaf_index / 256;

-- an auditor's own check of a proof, in SQL alone
CREATE FUNCTION ledger_root(leaf bytea, index bigint, size bigint, path bytea[]) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	fn bigint := index;
	sn bigint := size - 1;
	r bytea := sha256('\x00'::bytea || leaf);
	p bytea;
BEGIN
	FOREACH p IN ARRAY path LOOP
		IF fn % 2 = 1 OR fn = sn THEN
			r := sha256('\x01'::bytea || p || r);
			WHILE fn % 2 = 0 AND fn <> 0 LOOP
				fn := fn / 2; sn := sn / 2;
			END LOOP;
		ELSE
			r := sha256('\x01'::bytea || r || p);
		END IF;
		fn := fn / 2; sn := sn / 2;
	END LOOP;
	RETURN r;
END
$$;
SELECT count(*) > 10 AS many, bool_and(encode(ledger_root(l.leaf, p.leaf_index, p.tree_size, p.path), 'base64') = split_part(twin.audit_checkpoint(), E'\n', 3)
		AND p.tree_size::text = split_part(twin.audit_checkpoint(), E'\n', 2)) AS proved
	FROM twin.audit_leaves(0, 1000000) l, twin.inclusion_proof(l.event_id) p WHERE l.leaf_index % 37 = 0;
SELECT p.leaf_index, p.tree_size, array_length(p.path, 1) FROM twin.audit_leaves(3, 3) l, twin.inclusion_proof(l.event_id, 8) p;
SELECT twin.consistency_proof(4, 4), array_length(twin.consistency_proof(4, 8), 1), array_length(twin.consistency_proof(3, 7), 1);
\set VERBOSITY terse
SELECT * FROM twin.inclusion_proof(-1);
SELECT p.* FROM twin.audit_leaves(3, 3) l, twin.inclusion_proof(l.event_id, 3) p;
SELECT twin.consistency_proof(5, 4);
SELECT twin.consistency_proof(0, 100000000);
SELECT twin.consistency_proof(-1, 4);
\set VERBOSITY default
SELECT count(*) FROM twin.audit_leaves(5, 4);
SELECT count(*) FROM twin.audit_leaves(-10, 3);
SELECT * FROM twin.inclusion_proof(NULL);

-- what a superuser forces is named, each in a transaction that is taken back
CREATE FUNCTION ledger_tamper(deed text, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer record;
BEGIN
	PERFORM twin_internal.open_log();
	EXECUTE deed;
	SELECT v.ok, v.first_bad, v.reason INTO answer FROM twin.verify_audit_log(from_time, to_time) v;
	RAISE EXCEPTION USING MESSAGE = format('%s, %s: %s', CASE WHEN answer.ok THEN 'NOT FOUND' ELSE 'found' END,
		CASE WHEN answer.first_bad IS NULL THEN 'no event' WHEN answer.first_bad BETWEEN (SELECT id FROM ledger_victim) AND (SELECT id + 699 FROM ledger_victim)
			THEN 'the event' ELSE 'another event' END,
		regexp_replace(answer.reason, '\d+', 'N', 'g')), ERRCODE = 'TT000';
EXCEPTION WHEN SQLSTATE 'TT000' THEN
	RETURN SQLERRM;
END
$$;
CREATE TABLE ledger_victim (id bigint);
INSERT INTO ledger_victim SELECT event_id FROM twin_internal.events_overflow WHERE details = '{"n": 300}';
SELECT ledger_tamper($$SELECT 1$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET outcome = 'denied' WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET outcome = 'denied' WHERE event_id = (SELECT id FROM ledger_victim)$$, now() - interval '1 hour', now());
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET outcome = 'denied' WHERE event_id = (SELECT id FROM ledger_victim)$$, now() - interval '2 hours', now() - interval '1 hour');
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET details = '{"n": 301}' WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET client_address = NULL WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET recorded_at = recorded_at - interval '1 day' WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET event_time = event_time - interval '1 microsecond' WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET row_count = 1 WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET event_id = event_id + 7 WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$DELETE FROM twin_internal.events_overflow WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET event_id = 2 * (SELECT id FROM ledger_victim) + 1000 - event_id WHERE event_id - (SELECT id FROM ledger_victim) IN (0, 1000)$$);
SELECT ledger_tamper($$INSERT INTO twin_internal.events_overflow SELECT (e).* FROM (SELECT e FROM twin_internal.events_overflow e WHERE event_id = (SELECT id FROM ledger_victim)) x$$);
SELECT ledger_tamper($$INSERT INTO twin_internal.events_overflow SELECT (jsonb_populate_record(e, '{"event_id": 777000000}')).* FROM twin_internal.events_overflow e WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$INSERT INTO twin_internal.events_overflow SELECT (jsonb_populate_record(e, '{"event_id": 777000000, "origin": 1}')).* FROM twin_internal.events_overflow e WHERE event_id = (SELECT id FROM ledger_victim)$$);
-- a row of many events: the one is named
UPDATE ledger_victim SET id = (SELECT event_id FROM twin_internal.events_overflow WHERE row_count > 10 ORDER BY event_id LIMIT 1);
SELECT count(*) FROM ledger_victim WHERE id IS NOT NULL;
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET rows = set_byte(rows, length(rows) - 1, 0) WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET rows = rows || '\x00'::bytea WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET row_count = row_count - 1 WHERE event_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.events_overflow SET row_count = NULL, rows = NULL WHERE event_id = (SELECT id FROM ledger_victim)$$);
-- the tree itself
SELECT ledger_tamper($$UPDATE twin_internal.tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE level = 0 AND tile = 2$$);
SELECT ledger_tamper($$UPDATE twin_internal.tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE level = 1$$);
SELECT ledger_tamper($$UPDATE twin_internal.tiles SET hashes = substring(hashes FROM 1 FOR 640) WHERE level = 0 AND tile = 2$$);
SELECT ledger_tamper($$DELETE FROM twin_internal.tiles WHERE level = 0 AND tile = 1$$);
SELECT ledger_tamper($$DELETE FROM twin_internal.sealed WHERE record_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$DELETE FROM twin_internal.sealed s USING twin_internal.events_overflow e WHERE s.record_id = e.event_id AND e.details = '{"n": 10}'; DELETE FROM twin_internal.events_overflow WHERE details = '{"n": 10}'$$);
SELECT ledger_tamper($$UPDATE twin_internal.sealed SET leaves = 3 WHERE record_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.sealed SET leaves = 2000000000 WHERE record_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.sealed SET leaves = -1 WHERE record_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.sealed SET first_leaf = first_leaf + 100000 WHERE record_id = (SELECT id FROM ledger_victim)$$);
SELECT ledger_tamper($$UPDATE twin_internal.ledger_state SET size = 5$$);
SELECT ledger_tamper($$UPDATE twin_internal.ledger_state SET size = size * 1000000$$);
SELECT ledger_tamper($$UPDATE twin_internal.ledger_state SET nodes = '\x00'$$);
SELECT ledger_tamper($$DELETE FROM twin_internal.ledger_state$$);
SELECT ledger_tamper($$UPDATE twin_internal.checkpoints SET size = 12 WHERE size = (SELECT max(size) FROM twin_internal.checkpoints)$$);
SELECT ledger_tamper($$UPDATE twin_internal.checkpoints SET note = convert_to(regexp_replace(convert_from(note, 'UTF8'), E'\n(\\d+)\n', E'\n9\\1\n'), 'UTF8')$$);
SELECT ledger_tamper($$UPDATE twin_internal.epochs SET public_key = sha256('x')$$);
SELECT ledger_tamper($$DELETE FROM twin_internal.epochs$$);
-- a leaf that was changed along with its event, and all nodes above it: the checkpoint is another
SELECT ledger_tamper($$DELETE FROM twin_internal.events_overflow WHERE recorded_at > now() - interval '1 hour'; DELETE FROM twin_internal.sealed; DELETE FROM twin_internal.tiles;
	UPDATE twin_internal.ledger_state SET size = 0, nodes = ''$$);
SELECT ledger_settled();
SELECT ok, first_bad, reason FROM twin.verify_audit_log();
-- times
SELECT ok, checked > 0 AS checked FROM twin.verify_audit_log(now() - interval '1 hour', now());
SELECT ok FROM twin.verify_audit_log(now() - interval '2 hours', now() - interval '1 hour');

-- the tables are the log's
\set VERBOSITY terse
DELETE FROM twin_internal.sealed;
UPDATE twin_internal.ledger_state SET size = 0;
TRUNCATE twin_internal.tiles;
INSERT INTO twin_internal.checkpoints SELECT size + 1, epoch, root, note, created_at FROM twin_internal.checkpoints;
-- an application cannot claim what the ledger says
SELECT twin.record_event('heartbeat');
SELECT twin.record_event('audit_epoch');

-- auditors and administrators, and nobody else
SET ROLE ledger_nobody;
SELECT twin.audit_checkpoint();
SELECT * FROM twin.audit_leaves(0, 1);
SELECT * FROM twin.verify_audit_log();
SET ROLE ledger_reader;
SELECT twin.audit_checkpoint() IS NOT NULL AS reads, (SELECT ok FROM twin.verify_audit_log()), (SELECT count(*) FROM twin.audit_leaves(0, 1)), (SELECT sealed > 0 FROM twin.stat_audit);
RESET ROLE;
\set VERBOSITY default
SELECT twin.unaudit_table('ledger_units');
DROP TABLE ledger_units, ledger_victim;
DROP FUNCTION ledger_settled, ledger_tamper, ledger_root;
DROP ROLE ledger_reader, ledger_nobody;

-- archive.sql: a month of the log is filled by hand, sealed and signed.
\set ON_ERROR_STOP on
SELECT count(twin.record_event('bench')) \g /dev/null
CALL bench.await_seal();
BEGIN;
SELECT twin_internal.open_log() \g /dev/null
SELECT twin_internal.add_event_partition('audit', '2016-01-01') \g /dev/null
INSERT INTO twin_internal.events (event_id, event_time, recorded_at, class, event_type, severity, outcome, action, resource, session_user_name,
		outer_user_name, effective_user_name, application_made, details, pid, origin, writer_xid, client_address, xid)
	SELECT nextval('twin_internal.event_id_seq'), t, t, 'audit', 'update', 'info', 'success', 'update', 'public.readings_' || n % 100,
		'app', 'app', 'app', false, jsonb_build_object('a', 'some text', 'b', n, 'c', md5(n::text)), 1000 + n % 999, o.origin, pg_current_xact_id(), '10.0.0.1', pg_current_xact_id()
	FROM generate_series(1, :rows) n, (SELECT origin FROM twin_internal.events_overflow UNION ALL SELECT origin FROM twin_internal.events LIMIT 1) o,
		LATERAL (SELECT '2016-01-01 00:00:00+00'::timestamptz + n * interval '1 second' / 2) m (t);
COMMIT;
SELECT count(twin.record_event('bench')) \g /dev/null
VACUUM ANALYZE twin_internal.events_audit_2016_01, twin_internal.sealed, twin_internal.tiles;
DO $$
DECLARE
	tries integer := 0;
BEGIN
	LOOP
		COMMIT;
		EXIT WHEN (SELECT max(c.size) FROM twin_internal.checkpoints c) > (SELECT max(s.first_leaf) FROM twin_internal.sealed s JOIN twin_internal.events_audit_2016_01 e ON e.event_id = s.record_id);
		tries := tries + 1;
		IF tries > 3000 THEN
			RAISE 'nothing is signed';
		END IF;
		PERFORM pg_sleep(0.1);
	END LOOP;
END $$;

-- ledger.sql: how fast committed events are sealed, and verified. The rows are put into the log by hand, as no writer is
-- as fast; the sealer's CPU time is its process's, so that what else the machine does does not count.
\set ON_ERROR_STOP on
-- user and system time of the event writer in milliseconds, of whichever there is
CREATE FUNCTION bench.sealer_cpu() RETURNS double precision LANGUAGE sql VOLATILE AS $$
	SELECT 10 * (f[12]::double precision + f[13]::double precision) FROM pg_stat_activity a,
		string_to_array(substring(pg_read_file('/proc/' || a.pid || '/stat') FROM '\) (.*)$'), ' ') f WHERE a.backend_type = 'twin_security event writer'
$$;
CREATE TABLE bench.seals (leaves bigint, cpu double precision);
SELECT count(twin.record_event('bench')) \g /dev/null
CALL bench.await_seal();
SELECT :rows / 2 AS half \gset
BEGIN;
SELECT twin_internal.open_log() \g /dev/null
INSERT INTO twin_internal.events_overflow (event_id, event_time, recorded_at, class, event_type, severity, outcome, action, resource, session_user_name,
		outer_user_name, effective_user_name, application_made, details, pid, origin, writer_xid, client_address, xid)
	SELECT nextval('twin_internal.event_id_seq'), clock_timestamp(), clock_timestamp(), 'audit', 'update', 'info', 'success', 'update', 'public.readings',
		'app', 'app', 'app', false, '{"a": "some text", "b": 12}', 1234, o.origin, pg_current_xact_id(), '10.0.0.1', pg_current_xact_id()
	FROM generate_series(1, :half), (SELECT origin FROM twin_internal.events_overflow UNION ALL SELECT origin FROM twin_internal.events LIMIT 1) o;
COMMIT;
SELECT count(twin.record_event('bench')) \g /dev/null
CREATE PROCEDURE bench.measure_seal(of_rows bigint) LANGUAGE plpgsql AS $$
DECLARE
	size bigint := (SELECT sealed FROM twin.stat_audit);
	began double precision;
	first bigint;
BEGIN
	LOOP
		COMMIT;
		SELECT s.sealed, bench.sealer_cpu() INTO first, began FROM twin.stat_audit s;
		EXIT WHEN first > size AND began IS NOT NULL;
		PERFORM pg_sleep(0.02);
	END LOOP;
	LOOP
		COMMIT;
		INSERT INTO bench.seals SELECT s.sealed - first, bench.sealer_cpu() - began FROM twin.stat_audit s;
		EXIT WHEN (SELECT s.sealed >= size + of_rows FROM twin.stat_audit s);
		PERFORM pg_sleep(0.1);
	END LOOP;
END $$;
CALL bench.measure_seal(:half);
SELECT coalesce(max(leaves / nullif(cpu, 0)), 0) AS sealed FROM bench.seals WHERE leaves > :half / 4 \gset
CALL bench.report('events sealed, thousands a second of CPU', :sealed, NULL, 100);
CREATE TABLE bench.verified (checked bigint, cpu double precision);
DO $$
DECLARE
	began double precision;
	n bigint;
BEGIN
	FOR i IN 1..3 LOOP
		began := bench.cpu();
		SELECT checked INTO STRICT n FROM twin.verify_audit_log() WHERE ok;
		INSERT INTO bench.verified VALUES (n, bench.cpu() - began);
	END LOOP;
END $$;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY checked / nullif(cpu, 0)) AS verified FROM bench.verified \gset
CALL bench.report('events verified in SQL, thousands a second of CPU', :verified, NULL, 100);

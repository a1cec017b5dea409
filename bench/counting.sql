-- counting.sql: what counting events for reports adds to COPY into an audited table, and how it is switched off (for counting_alerts.sql, too)
\set ON_ERROR_STOP on
CREATE TABLE bench.counting_function AS SELECT pg_get_functiondef('twin_internal.count_events(integer, integer)'::regprocedure) AS definition;
CREATE PROCEDURE bench.set_counting(is_on boolean) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM twin_internal.open_log();
	EXECUTE CASE WHEN is_on THEN (SELECT definition FROM bench.counting_function) ELSE
		'CREATE OR REPLACE FUNCTION twin_internal.count_events(max_rows integer, max_names integer DEFAULT 5000) RETURNS integer LANGUAGE plpgsql STRICT AS $body$ BEGIN RETURN 0; END $body$' END;
	COMMIT;
	PERFORM twin.record_event('wakes');
	WHILE is_on AND (SELECT l.size > p.next_leaf + 2000 FROM twin_internal.event_counts_position p, twin_internal.ledger_state l) LOOP
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;

CREATE TABLE bench.copied (id bigint, name text, level float8);
SELECT twin.audit_table('bench.copied') \g /dev/null
CREATE TABLE bench.copies (round integer, counted boolean, copied double precision, sealed double precision);
CREATE PROCEDURE bench.copy(round integer, counted boolean, rows bigint) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
	ended timestamptz;
BEGIN
	CALL bench.set_counting(counted);
	TRUNCATE bench.copied;
	COMMIT;
	CALL bench.await_seal();
	began := clock_timestamp();
	EXECUTE format('COPY bench.copied FROM PROGRAM %L (DELIMITER '' '')', 'seq -f "%.0f unit 1.5" ' || rows);
	COMMIT;
	ended := clock_timestamp();
	CALL bench.await_seal();
	INSERT INTO bench.copies VALUES (round, counted, extract(epoch FROM ended - began), extract(epoch FROM clock_timestamp() - began));
	COMMIT;
END $$;
SELECT format('CALL bench.copy(%s, %L, %s)', r, (r % 2 = 0) = is_first, :rows) FROM generate_series(0, 5) r, (VALUES (true), (false)) f (is_first) \gexec
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY c.copied / n.copied) AS copied, percentile_cont(0.5) WITHIN GROUP (ORDER BY c.sealed / n.sealed) AS sealed
	FROM bench.copies c JOIN bench.copies n USING (round) WHERE c.counted AND NOT n.counted AND round > 0 \gset
CALL bench.report('COPY into an audited table, events counted for reports / not (time)', :copied, NULL);
CALL bench.report('COPY into an audited table until it is sealed, events counted for reports / not (time)', :sealed, NULL);

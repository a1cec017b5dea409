-- monitor.sql: what rules cost on the way of an event into the log, how soon an alert comes, and a million subjects in the memory that there is.
\set ON_ERROR_STOP on
CREATE PROCEDURE bench.await_watch() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..600000 LOOP
		EXIT WHEN (SELECT s.ring_fill = 0 AND s.emitted = s.written + s.dropped AND s.seal_lag = '0' AND p.next_leaf = l.size
			FROM twin.stat_audit s, twin_internal.monitor_position p, twin_internal.ledger_state l);
		COMMIT;
		PERFORM pg_sleep(0.001);
	END LOOP;
END $$;
-- events of many addresses, one in ten a failed login, from the first call to the moment when the last is written
CREATE TABLE bench.paths (round integer, rules boolean, written double precision, watched double precision);
CREATE PROCEDURE bench.pass(round integer, rules boolean, events integer) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
	in_log timestamptz;
BEGIN
	UPDATE twin.alert_rules SET enabled = rules WHERE detector = 'threshold';
	COMMIT;
	CALL bench.await_watch();
	began := clock_timestamp();
	PERFORM twin.record_event(CASE WHEN i % 10 = 0 THEN 'login_failure' ELSE 'bench' END, client_address => '10.0.0.0'::inet + 100000 * round + i % 50000, username => 'u' || i % 1000) FROM generate_series(1, events) i;
	FOR i IN 1..600000 LOOP
		EXIT WHEN (SELECT s.ring_fill = 0 FROM twin.stat_audit s);
		COMMIT;
		PERFORM pg_sleep(0.001);
	END LOOP;
	in_log := clock_timestamp();
	CALL bench.await_watch();
	INSERT INTO bench.paths VALUES (round, rules, extract(epoch FROM in_log - began), extract(epoch FROM clock_timestamp() - began));
	COMMIT;
END $$;
CALL bench.pass(0, true, 20000);
CALL bench.pass(1, true, 50000); CALL bench.pass(1, false, 50000);
CALL bench.pass(2, false, 50000); CALL bench.pass(2, true, 50000);
CALL bench.pass(3, true, 50000); CALL bench.pass(3, false, 50000);
CALL bench.pass(4, false, 50000); CALL bench.pass(4, true, 50000);
CALL bench.pass(5, true, 50000); CALL bench.pass(5, false, 50000);
CREATE FUNCTION bench.path_ratio() RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY w.written / o.written) FROM bench.paths w JOIN bench.paths o USING (round) WHERE w.rules AND NOT o.rules AND round > 0
$$;
CREATE FUNCTION bench.watch_ratio() RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY w.watched / o.watched) FROM bench.paths w JOIN bench.paths o USING (round) WHERE w.rules AND NOT o.rules AND round > 0
$$;
CALL bench.report('events into the log, all rules on / off (time)', bench.path_ratio(), 1.1);
CALL bench.report('events until they are watched, all rules on / off (time)', bench.watch_ratio(), 1.1);

-- from the fifth failure to the moment when another session sees the alert
UPDATE twin.alert_rules SET enabled = true WHERE NOT enabled;
CREATE TABLE bench.latencies (beside text, ms double precision);
CREATE PROCEDURE bench.alert(round integer, beside text) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
BEGIN
	PERFORM pg_sleep(random() * 1.5);
	PERFORM twin.record_event('login_failure', client_address => '192.0.2.0'::inet + round) FROM generate_series(1, 5);
	began := clock_timestamp();
	FOR i IN 1..60000 LOOP
		COMMIT;
		EXIT WHEN EXISTS (SELECT FROM twin.alerts a WHERE a.subject = host('192.0.2.0'::inet + round));
		PERFORM pg_sleep(0.001);
	END LOOP;
	INSERT INTO bench.latencies VALUES (beside, 1000 * extract(epoch FROM clock_timestamp() - began));
	COMMIT;
END $$;
DO $$ BEGIN FOR i IN 1..30 LOOP CALL bench.alert(i, 'nothing'); END LOOP; END $$;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS alert_ms, max(ms) AS alert_ms_max FROM bench.latencies \gset
CALL bench.report('an alert after its event, seconds', :alert_ms / 1000, 2);
CALL bench.report('an alert after its event, at most of thirty, seconds', :alert_ms_max / 1000, 2);

-- so many addresses as rows, each once, among them thirty that come again and again: every 1000, 10,000 and 50,000 events
CREATE FUNCTION bench.address_of(i bigint) RETURNS inet LANGUAGE sql IMMUTABLE RETURN CASE
	WHEN i % 1000 < 10 THEN '198.18.1.0'::inet + i % 1000
	WHEN i % 10000 BETWEEN 10 AND 19 THEN '198.18.2.0'::inet + i % 10000
	WHEN i % 50000 BETWEEN 20 AND 29 THEN '198.18.3.0'::inet + i % 50000
	ELSE '10.0.0.0'::inet + i END;
CREATE FUNCTION bench.writer_memory() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT max((regexp_match(pg_read_file('/proc/' || a.pid || '/status'), 'RssAnon:\s+(\d+)'))[1]::bigint) FROM pg_stat_activity a
	WHERE a.backend_type = 'twin_security event writer' AND a.datname = current_database()
$$;
SELECT count(twin.record_event('login_failure', client_address => '10.0.0.0'::inet + i)) AS warm_up FROM generate_series(1, 10000) i;
SELECT bench.writer_memory() AS memory_before \gset
SELECT count(twin.record_event('login_failure', client_address => bench.address_of(i))) AS events, count(DISTINCT bench.address_of(i)) AS addresses FROM generate_series(1, :rows) i;
SELECT bench.writer_memory() AS memory_after \gset
CALL bench.await_watch();
SELECT n.every, 10 AS attackers, (SELECT count(DISTINCT a.subject) FROM twin.alerts a
	WHERE CASE WHEN a.rule_name = 'failed_login_threshold' AND a.subject <> 'local' THEN a.subject::inet END <<= n.network) AS found
FROM (VALUES (1000, '198.18.1.0/24'::inet), (10000, '198.18.2.0/24'), (50000, '198.18.3.0/24')) n (every, network) ORDER BY 1;
SELECT count(*) AS alerts_of_others FROM twin.alerts WHERE rule_name = 'failed_login_threshold' AND subject LIKE '10.%';
SELECT dropped AS dropped_by_the_ring, pg_size_pretty(m.allocated_size) AS memory_of_windows, pg_size_pretty(:memory_before * 1024::bigint) AS writer_before, pg_size_pretty(:memory_after * 1024::bigint) AS writer_after, r.subjects, r.room
FROM twin.stat_audit, pg_shmem_allocations m, twin.stat_rules r WHERE m.name = 'twin_security windows';
SELECT rules, round(1e6 * percentile_cont(0.5) WITHIN GROUP (ORDER BY written)::numeric / 50000, 1) AS us_until_written, round(1e6 * percentile_cont(0.5) WITHIN GROUP (ORDER BY watched)::numeric / 50000, 1) AS us_until_watched
FROM bench.paths WHERE round > 0 GROUP BY rules ORDER BY rules;

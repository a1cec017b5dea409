-- event.sql: what emitting a security event costs whoever does, and how fast the writer writes them.
-- An event of SQL takes an id from a sequence as well, which is measured beside it.
\set ON_ERROR_STOP on
CREATE PROCEDURE bench.settle() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..60000 LOOP
		EXIT WHEN (SELECT ring_fill = 0 AND emitted = written + dropped FROM twin.stat_audit);
		PERFORM pg_sleep(0.001);
	END LOOP;
END $$;
CREATE SEQUENCE bench.ids;
-- kept out of the writer's way, so that emitting is measured alone: twin_internal.events_overflow is locked meanwhile
CREATE TABLE bench.emits (round integer, what text, us double precision);
CREATE PROCEDURE bench.emit(round integer, events integer) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
BEGIN
	CALL bench.settle();
	COMMIT;
	began := clock_timestamp();
	PERFORM nextval('bench.ids') FROM generate_series(1, events);
	INSERT INTO bench.emits SELECT round, 'nextval', 1e6 * extract(epoch FROM clock_timestamp() - began) / events;
	COMMIT;
	PERFORM twin_internal.open_log(); -- which is an event itself
	CALL bench.settle();
	LOCK TABLE twin_internal.events_overflow IN SHARE MODE;
	began := clock_timestamp();
	PERFORM twin.record_event('bench', 'info', 'success', 'open', 'a door', 'somebody') FROM generate_series(1, events);
	INSERT INTO bench.emits SELECT round, 'record_event', 1e6 * extract(epoch FROM clock_timestamp() - began) / events;
	COMMIT;
END $$;
CREATE TABLE bench.writes (round integer, per_second double precision);
-- from the moment the writer may until the last is written; the writer may be waiting for its next try at first
CREATE PROCEDURE bench.write(round integer, events integer) LANGUAGE plpgsql AS $$
DECLARE
	before bigint := (SELECT written FROM twin.stat_audit);
	began timestamptz;
BEGIN
	FOR i IN 1..60000 LOOP
		EXIT WHEN (SELECT written > before FROM twin.stat_audit);
		PERFORM pg_sleep(0.001);
	END LOOP;
	before := (SELECT written FROM twin.stat_audit);
	began := clock_timestamp();
	CALL bench.settle();
	INSERT INTO bench.writes SELECT round, (s.written - before) / extract(epoch FROM clock_timestamp() - began) FROM twin.stat_audit s;
END $$;
CALL bench.emit(0, 20000); CALL bench.write(0, 20000);
CALL bench.emit(1, 20000); CALL bench.write(1, 20000);
CALL bench.emit(2, 20000); CALL bench.write(2, 20000);
CALL bench.emit(3, 20000); CALL bench.write(3, 20000);
CREATE FUNCTION bench.emit_us(of_what text) RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY us) FROM bench.emits WHERE what = of_what AND round > 0
$$;
CREATE FUNCTION bench.written() RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY per_second) / 1000 FROM bench.writes WHERE round > 0
$$;
CALL bench.report('record_event(), microseconds a call', bench.emit_us('record_event'), NULL);
CALL bench.report('record_event() less nextval(), microseconds a call', bench.emit_us('record_event') - bench.emit_us('nextval'), 2);
CALL bench.report('events written, thousands a second', bench.written(), NULL);
SELECT dropped AS dropped_by_the_ring FROM twin.stat_audit;

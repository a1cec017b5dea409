-- measure.sql: rounds of statements, interleaved, each timed by the wall clock and by this backend's CPU time, with
-- the number of values it opens.  What bench.report writes down is printed at the end.
\set ON_ERROR_STOP on
SELECT twin.grant_key('main', current_user::regrole, 'decrypt') \g /dev/null
CREATE SCHEMA bench;
CREATE TABLE bench.cases (grp text, name text, setup text, statement text, position serial);
CREATE TABLE bench.times (grp text, name text, round integer, wall double precision, cpu double precision, opens bigint);

-- user and system time of this backend in milliseconds (fields 14 and 15 of /proc/self/stat, in ticks of 10 ms)
CREATE FUNCTION bench.cpu() RETURNS double precision LANGUAGE sql VOLATILE AS $$
	SELECT 10 * (f[12]::double precision + f[13]::double precision)
	FROM string_to_array(substring(pg_read_file('/proc/self/stat') FROM '\) (.*)$'), ' ') f
$$;

-- a session's decryptions are counted when its transaction ends
CREATE FUNCTION bench.opens() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT sum(opens) FROM twin.stat_keyring $$;

-- The first round warms up and is not counted; what is long and warm already does without it.
CREATE PROCEDURE bench.run(of_group text, rounds integer, warms_up boolean DEFAULT true) LANGUAGE plpgsql AS $$
DECLARE
	c record;
	wall timestamptz;
	cpu double precision;
	used double precision[];
	opens bigint;
BEGIN
	FOR round IN CASE WHEN warms_up THEN 0 ELSE 1 END..rounds LOOP
		FOR c IN SELECT * FROM bench.cases WHERE grp = of_group ORDER BY position LOOP
			IF c.setup IS NOT NULL THEN
				EXECUTE c.setup;
				COMMIT;
			END IF;
			opens := bench.opens();
			cpu := bench.cpu();
			wall := clock_timestamp();
			EXECUTE c.statement;
			COMMIT;
			IF round > 0 THEN
				used := ARRAY[1000 * extract(epoch FROM clock_timestamp() - wall), bench.cpu() - cpu];
				INSERT INTO bench.times VALUES (of_group, c.name, round, used[1], used[2], bench.opens() - opens);
				COMMIT;
			END IF;
		END LOOP;
	END LOOP;
END $$;

CREATE FUNCTION bench.wall(of_group text, of_name text) RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY wall) FROM bench.times WHERE grp = of_group AND name = of_name
$$;
-- null for less than a tick
CREATE FUNCTION bench.cpu(of_group text, of_name text) RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT nullif(percentile_cont(0.5) WITHIN GROUP (ORDER BY cpu), 0) FROM bench.times WHERE grp = of_group AND name = of_name
$$;
CREATE FUNCTION bench.opens(of_group text, of_name text) RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY opens) FROM bench.times WHERE grp = of_group AND name = of_name
$$;

-- a name says what was measured and in which unit, and is the same whatever the number of rows: results are kept by it (bench/readme)
CREATE TABLE bench.results (position serial, part text, what text, reach text, reached numeric, holds boolean);
CREATE PROCEDURE bench.report(what text, reached double precision, at_most double precision, at_least double precision DEFAULT NULL, digits integer DEFAULT 2)
	LANGUAGE sql AS $$
	INSERT INTO bench.results (what, reach, reached, holds) VALUES (what,
		coalesce('at most ' || at_most, 'at least ' || at_least, 'none'),
		round(reached::numeric, digits), coalesce(reached <= at_most, reached >= at_least))
$$;

-- A speed that holds by itself or beside that of something else; both are written down.
CREATE PROCEDURE bench.report_speed(what text, reached double precision, at_least double precision, other text, others double precision,
	at_least_of_others double precision) LANGUAGE sql AS $$
	INSERT INTO bench.results (what, reach, reached, holds)
	SELECT r.line, 'at least ' || at_least || ', or ' || at_least_of_others || ' of ' || other, r.figure,
		reached >= at_least OR reached / others >= at_least_of_others
	FROM (VALUES (what || ', rows/s', round(reached::numeric)), (what || ' / ' || other || ' (rows/s)', round((reached / others)::numeric, 2)))
		r (line, figure)
$$;

-- returns when every event is written and sealed
CREATE PROCEDURE bench.await_seal() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..6000 LOOP
		EXIT WHEN (SELECT ring_fill = 0 AND emitted = written + dropped AND seal_lag = '0' FROM twin.stat_audit);
		COMMIT;
		PERFORM pg_sleep(0.1);
	END LOOP;
END $$;

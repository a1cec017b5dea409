-- measure.sql: rounds of statements, interleaved, each timed by the wall clock and by this backend's CPU time.
\set ON_ERROR_STOP on
CREATE SCHEMA bench;
CREATE TABLE bench.cases (grp text, name text, setup text, statement text, position serial);
CREATE TABLE bench.times (grp text, name text, round integer, wall double precision, cpu double precision);

-- user and system time of this backend in milliseconds (fields 14 and 15 of /proc/self/stat, in ticks of 10 ms)
CREATE FUNCTION bench.cpu() RETURNS double precision LANGUAGE sql VOLATILE AS $$
	SELECT 10 * (f[12]::double precision + f[13]::double precision)
	FROM string_to_array(substring(pg_read_file('/proc/self/stat') FROM '\) (.*)$'), ' ') f
$$;

CREATE PROCEDURE bench.run(of_group text, rounds integer) LANGUAGE plpgsql AS $$
DECLARE
	c record;
	wall timestamptz;
	cpu double precision;
BEGIN
	FOR round IN 0..rounds LOOP
		FOR c IN SELECT * FROM bench.cases WHERE grp = of_group ORDER BY position LOOP
			IF c.setup IS NOT NULL THEN
				EXECUTE c.setup;
				COMMIT;
			END IF;
			cpu := bench.cpu();
			wall := clock_timestamp();
			EXECUTE c.statement;
			COMMIT;
			IF round > 0 THEN	-- the first round warms up
				INSERT INTO bench.times VALUES (of_group, c.name, round,
					1000 * extract(epoch FROM clock_timestamp() - wall), bench.cpu() - cpu);
				COMMIT;
			END IF;
		END LOOP;
	END LOOP;
END $$;

CREATE FUNCTION bench.wall(of_group text, of_name text) RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY wall) FROM bench.times WHERE grp = of_group AND name = of_name
$$;
CREATE FUNCTION bench.cpu(of_group text, of_name text) RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY cpu) FROM bench.times WHERE grp = of_group AND name = of_name
$$;

CREATE TABLE bench.results (position serial, what text, reach text, reached numeric, holds boolean);
CREATE PROCEDURE bench.report(what text, reached double precision, at_most double precision, at_least double precision DEFAULT NULL)
	LANGUAGE sql AS $$
	INSERT INTO bench.results (what, reach, reached, holds) VALUES (what,
		CASE WHEN at_least IS NULL THEN 'at most ' || at_most ELSE 'at least ' || at_least END,
		round(reached::numeric, 2), CASE WHEN at_least IS NULL THEN reached <= at_most ELSE reached >= at_least END)
$$;

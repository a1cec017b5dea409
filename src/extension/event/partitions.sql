/*
 * partitions.sql
 *		Months as the event writer makes them: ordinary tables, so that a dump carries them and their rows.
 */

CREATE FUNCTION twin_internal.event_partition_covers(class text, at timestamptz) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_event_partition_covers';
COMMENT ON FUNCTION twin_internal.event_partition_covers(text, timestamptz) IS 'whether a class of events has a partition for a time';

/* A month that is covered in part, or whose name is taken by something else, is left alone: its events stay in the overflow. */
CREATE FUNCTION twin_internal.add_event_partition(class text, month timestamp) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
	SET DateStyle = 'ISO, YMD' SET TimeZone = 'UTC' AS $$	/* bounds are written as text */
DECLARE
	first timestamptz := date_trunc('month', month) AT TIME ZONE 'UTC';
	beyond timestamptz := (date_trunc('month', month) + interval '1 month') AT TIME ZONE 'UTC';
	parent text := 'events_' || class;
	part text := parent || to_char(month, '_YYYY_MM');
	columns text;
BEGIN
	IF twin_internal.event_partition_covers(class, first) OR twin_internal.event_partition_covers(class, beyond - interval '1 microsecond')
			OR EXISTS (SELECT FROM pg_class c WHERE c.relname = part AND c.relnamespace = 'twin_internal'::regnamespace) THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE twin_internal.%I (LIKE twin_internal.events INCLUDING STORAGE) WITH (toast_tuple_target = 8160)', part);
	EXECUTE format('COMMENT ON TABLE twin_internal.%I IS %L', part, 'security events of class ' || class || ', ' || to_char(month, 'YYYY-MM') || ' (UTC)');
	EXECUTE format('REVOKE ALL ON twin_internal.%I FROM PUBLIC', part);	/* whatever the default privileges are */
	FOREACH columns IN ARRAY ARRAY['event_id', 'event_time', 'event_type, event_time', 'username, event_time', 'origin, writer_xid, event_id'] LOOP
		EXECUTE format('CREATE INDEX ON twin_internal.%I (%s)', part, columns);
	END LOOP;
	PERFORM twin_internal.guard_log_table(format('twin_internal.%I', part)::regclass);
	EXECUTE format('ALTER TABLE twin_internal.%I ATTACH PARTITION twin_internal.%I FOR VALUES FROM (%L) TO (%L)', parent, part, first, beyond);
	RETURN true;
EXCEPTION WHEN invalid_object_definition THEN
	RETURN false;	/* a partition of somebody else's covers the middle of the month */
END
$$;
COMMENT ON FUNCTION twin_internal.add_event_partition(text, timestamp) IS 'makes the partition of a class for the month of a time in UTC; false when there is one, or one cannot be made';

CREATE FUNCTION twin_internal.maintain_event_partitions() RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wait_until timestamptz;
	place record;
	rows bigint := 0;
BEGIN
	SELECT s.created_at + interval '1 hour' INTO wait_until FROM twin_internal.event_state s;
	IF wait_until BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 hour' THEN
		RETURN wait_until;
	END IF;
	/* this month and the next, and whichever months restored events belong to */
	FOR place IN
		SELECT c.class, date_trunc('month', now() AT TIME ZONE 'UTC') + n.number * interval '1 month' AS month
			FROM unnest('{audit,access,error}'::text[]) c (class), generate_series(0, 1) n (number)
		UNION
		SELECT o.class, date_trunc('month', o.recorded_at AT TIME ZONE 'UTC') FROM ONLY twin_internal.events_overflow o
		ORDER BY 2, 1
	LOOP
		PERFORM twin_internal.add_event_partition(place.class, place.month);
	END LOOP;
	BEGIN
		/* some at a time: events go on being written in between */
		WITH moved AS (
			DELETE FROM ONLY twin_internal.events_overflow o WHERE o.ctid = ANY (ARRAY(
				SELECT w.ctid FROM ONLY twin_internal.events_overflow w WHERE twin_internal.event_partition_covers(w.class, w.recorded_at) LIMIT 5000)) RETURNING o.*
		)
		INSERT INTO twin_internal.events SELECT m.* FROM moved m;
		GET DIAGNOSTICS rows = ROW_COUNT;
	EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
		/* a constraint that somebody added to a partition refuses one of them: they stay, and the new months are kept */
		RAISE LOG 'security events stay in twin_internal.events_overflow: SQLSTATE %', SQLSTATE;
	END;
	RETURN CASE WHEN rows = 5000 THEN NULL ELSE clock_timestamp() + interval '1 hour' END;
END
$$;
COMMENT ON FUNCTION twin_internal.maintain_event_partitions() IS 'makes the partitions of this month and the next and moves there some of what lies in the overflow; says when to come again, NULL for at once';

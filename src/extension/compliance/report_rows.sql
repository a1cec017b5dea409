/*
 * report_rows.sql
 *		How many events there were within a time, exactly: what was counted when it was sealed, and the rest from the log itself, all in
 *		one snapshot.
 *
 * The rest is what lies in an hour that belongs to the time in part, and what was not counted yet.
 */

/* From 17 on an interval as long as all times that there are is an error. */
CREATE FUNCTION twin_internal.report_days(from_time timestamptz, to_time timestamptz) RETURNS numeric
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	RETURN (extract(epoch FROM to_time) - extract(epoch FROM from_time)) / 86400;
COMMENT ON FUNCTION twin_internal.report_days(timestamptz, timestamptz) IS 'how long a time is, however long';
REVOKE ALL ON FUNCTION twin_internal.report_days(timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION twin_internal.event_origin() RETURNS integer
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_event_origin';
COMMENT ON FUNCTION twin_internal.event_origin() IS 'whose transaction ids rows of the audit log have that are written now';

/*
 * Rows of the log that are beyond where counting is, and rows that have no leaf. These are looked up by transaction, first (OFFSET 0), then
 * by leaf. A report asks several times, so the plan is kept; and starting parallel workers would take longer than it does.
 */
CREATE FUNCTION twin_internal.events_since_counting() RETURNS TABLE (is_sealed boolean, fact twin_internal.event_facts)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 1000
	SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
	SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT u.is_sealed, f.fact
		FROM (SELECT s.record_id AS event_id, true AS is_sealed FROM twin_internal.sealed s
				WHERE s.first_leaf >= coalesce((SELECT p.next_leaf FROM twin_internal.event_counts_position p), 0)
			UNION ALL
			SELECT n.event_id, false FROM twin_internal.ledger_state s, LATERAL (
					(SELECT e.event_id FROM twin_internal.event_rows e WHERE e.origin = s.origin AND e.writer_xid >= pg_snapshot_xmax(s.snapshot) OFFSET 0)
					UNION ALL
					(SELECT w.event_id FROM pg_snapshot_xip(s.snapshot) x, LATERAL (
						SELECT e.event_id FROM twin_internal.event_rows e WHERE e.origin = s.origin AND e.writer_xid = x OFFSET 0) w)) n
				WHERE NOT EXISTS (SELECT FROM twin_internal.sealed l WHERE l.record_id = n.event_id)) u
			CROSS JOIN LATERAL (SELECT f FROM twin_internal.event_facts f WHERE f.event_id = u.event_id OFFSET 0) f (fact);
END
$$;
COMMENT ON FUNCTION twin_internal.events_since_counting() IS 'rows of the audit log that came after counting, and whether they have a leaf';

/* Only in a restored, or promoted, database is the whole log searched, until the sealer has looked through it. */
CREATE FUNCTION twin_internal.events_of_other_origin() RETURNS SETOF twin_internal.event_facts
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 10 SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
	IF coalesce((SELECT s.sweep_id IS NOT NULL OR s.sweep_again_at IS NOT NULL OR s.origin <> twin_internal.event_origin() FROM twin_internal.ledger_state s), true) THEN
		RETURN QUERY SELECT f.* FROM twin_internal.event_facts f
			WHERE f.origin IS DISTINCT FROM (SELECT s.origin FROM twin_internal.ledger_state s)
				AND NOT EXISTS (SELECT FROM twin_internal.sealed l WHERE l.record_id = f.event_id);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.events_of_other_origin() IS 'rows of the audit log that another server wrote and that have no leaf yet';

CREATE FUNCTION twin_internal.uncounted_events() RETURNS TABLE (is_sealed boolean, fact twin_internal.event_facts)
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 1000
BEGIN ATOMIC
	SELECT e.is_sealed, e.fact FROM twin_internal.events_since_counting() e
	UNION ALL SELECT false, o FROM twin_internal.events_of_other_origin() o;
END;
COMMENT ON FUNCTION twin_internal.uncounted_events() IS 'rows of the audit log that are not in twin_internal.event_counts, and whether they have a leaf';

/* Whether the log still has what was counted of an hour; where retention dropped some of it, part of the hour cannot be counted. */
CREATE FUNCTION twin_internal.hour_is_whole(hour timestamptz) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT coalesce((SELECT sum(c.events) FROM twin_internal.event_counts c WHERE c.span = 'hour' AND c.sort = 'type' AND c.since = hour), 0)
		<= coalesce((SELECT sum(f.events) FROM twin_internal.event_facts f WHERE f.event_time BETWEEN hour AND hour + interval '59 minutes 59.999999 seconds'
			AND f.event_id NOT IN (SELECT (u.fact).event_id FROM twin_internal.uncounted_events() u)), 0);
END;
COMMENT ON FUNCTION twin_internal.hour_is_whole(timestamptz) IS 'whether an hour of the audit log is still there, so that a part of it can be counted';

/* from_time and to_time as they can be counted exactly, and the whole hours in between; both the same where there are none. */
CREATE FUNCTION twin_internal.report_period(INOUT from_time timestamptz, INOUT to_time timestamptz, OUT whole_from timestamptz, OUT whole_to timestamptz) RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	first_hour timestamptz;
	last_hour timestamptz;
BEGIN
	to_time := coalesce(to_time, statement_timestamp());
	from_time := coalesce(from_time,
		(SELECT least(min(c.since), (SELECT min((u.fact).event_time) FROM twin_internal.uncounted_events() u))
			FROM twin_internal.event_counts c WHERE c.span = 'hour' AND c.sort = 'type'),
		to_time - interval '1 day');
	IF NOT isfinite(from_time) OR NOT isfinite(to_time) THEN
		RAISE EXCEPTION 'a report is of a finite time' USING ERRCODE = '22023', HINT = 'NULL as from_time begins with the first event, NULL as to_time ends now.';
	ELSIF from_time >= to_time THEN
		RAISE EXCEPTION 'from_time is not before to_time' USING ERRCODE = '22023',
			DETAIL = format('The report would be from %s to %s.', from_time, to_time);
	END IF;
	first_hour := date_trunc('hour', from_time, 'UTC');
	last_hour := date_trunc('hour', to_time, 'UTC');
	IF from_time > first_hour AND NOT twin_internal.hour_is_whole(first_hour) THEN
		from_time := first_hour;
	END IF;
	IF to_time > last_hour AND NOT twin_internal.hour_is_whole(last_hour) THEN
		to_time := last_hour + interval '1 hour';
		last_hour := to_time;
	END IF;
	whole_from := CASE WHEN from_time > first_hour THEN first_hour + interval '1 hour' ELSE first_hour END;
	whole_to := last_hour;
	IF whole_from >= whole_to THEN
		whole_from := to_time;
		whole_to := to_time;
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.report_period(timestamptz, timestamptz) IS
	'the time that a report is of: part of an hour that retention dropped becomes the whole hour; and which whole hours are within';

/*
 * Which counts add up to whole hours: months, the days at either end of them, and the hours at either end of those; or days, or hours alone.
 * (An hour more never is another day in UTC than it seems; the session's time zone has no say.)
 */
CREATE FUNCTION twin_internal.report_spans(whole_from timestamptz, whole_to timestamptz, coarsest text) RETURNS TABLE (span text, from_time timestamptz, to_time timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT ROWS 5 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	day_from timestamptz := whole_to;
	day_to timestamptz := whole_to;
	month_from timestamptz;
	month_to timestamptz;
BEGIN
	IF coarsest <> 'hour' AND twin_internal.report_days(whole_from, whole_to) >= 1 THEN
		day_from := date_trunc('day', whole_from + interval '23 hours', 'UTC');
		day_to := date_trunc('day', whole_to, 'UTC');
	END IF;
	month_from := day_to;
	month_to := day_to;
	IF coarsest = 'month' AND twin_internal.report_days(day_from, day_to) >= 62 THEN
		month_from := date_trunc('month', greatest(day_from, '4712-01-01 00:00:00+00 BC'), 'UTC');
		IF month_from < day_from THEN
			month_from := date_trunc('month', month_from + interval '744 hours', 'UTC');
		END IF;
		month_to := date_trunc('month', day_to, 'UTC');
	END IF;
	RETURN QUERY SELECT s.* FROM (VALUES ('hour', whole_from, day_from), ('day', day_from, month_from), ('month', month_from, month_to), ('day', month_to, day_to),
			('hour', day_to, whole_to)) s (span, from_time, to_time)
		WHERE s.from_time < s.to_time;
END
$$;
COMMENT ON FUNCTION twin_internal.report_spans(timestamptz, timestamptz, text) IS 'which hours, days and months a time of whole hours consists of';

/*
 * What was counted in whole hours, and the rest of the time from the log. Types have a row for each month, day or hour, as steps ask for;
 * all else is one sum of the whole time.
 */
CREATE FUNCTION twin_internal.report_counts(from_time timestamptz, to_time timestamptz, whole_from timestamptz, whole_to timestamptz, step text)
	RETURNS TABLE (since timestamptz, sort text, event_type text, outcome text, class text, severity text, username text, is_role boolean, object text, is_other boolean,
		events numeric, amount numeric)
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT ROWS 10000 SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	WITH spans AS MATERIALIZED (
		SELECT g.sort, s.span, s.from_time, s.to_time
		FROM (VALUES ('type', CASE WHEN step = 'hour' THEN 'hour' WHEN step IN ('day', 'week') THEN 'day' ELSE 'month' END),
				('user', 'month'), ('table', 'month'), ('key', 'month'), ('address', 'month')) g (sort, coarsest),
			LATERAL twin_internal.report_spans(whole_from, whole_to, g.coarsest) s
	), facts AS (
		SELECT f.* FROM twin_internal.event_facts f WHERE f.event_time >= report_counts.from_time AND f.event_time < least(whole_from, report_counts.to_time)
		UNION ALL SELECT f.* FROM twin_internal.event_facts f WHERE f.event_time >= whole_to AND f.event_time < report_counts.to_time
		UNION ALL SELECT (u.fact).* FROM twin_internal.uncounted_events() u WHERE (u.fact).event_time >= whole_from AND (u.fact).event_time < whole_to
	)
	SELECT c.since, c.sort, c.event_type, c.outcome, c.class, c.severity, c.username, c.is_role, c.object, c.is_other, sum(c.events), sum(c.amount)
	FROM (SELECT CASE WHEN n.sort = 'type' THEN n.since END AS since, n.sort, n.event_type, n.outcome, n.class, n.severity, n.username, n.is_role, n.object, n.is_other,
				n.events, n.amount
			FROM spans s CROSS JOIN LATERAL (SELECT o.* FROM twin_internal.event_counts o
				WHERE o.span = s.span AND o.sort = s.sort AND o.since >= s.from_time AND o.since < s.to_time OFFSET 0) n
		UNION ALL
		SELECT CASE WHEN n.sort = 'type' THEN date_trunc('hour', f.event_time, 'UTC') END, n.sort, n.event_type, n.outcome, n.class, n.severity, n.username, n.is_role,
				n.object, n.is_other, f.events, f.amount
			FROM facts f CROSS JOIN LATERAL twin_internal.fact_counts(f.event_type, f.outcome, f.class, f.severity, f.username, f.is_role, f.table_name, f.key_name, f.address) n) c
	GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
END;
COMMENT ON FUNCTION twin_internal.report_counts(timestamptz, timestamptz, timestamptz, timestamptz, text) IS
	'how many events there were within a time, in rows as those of twin_internal.event_counts';

REVOKE ALL ON FUNCTION twin_internal.event_origin(), twin_internal.events_since_counting(), twin_internal.events_of_other_origin(), twin_internal.uncounted_events(), twin_internal.hour_is_whole(timestamptz), twin_internal.report_period(timestamptz, timestamptz),
	twin_internal.report_spans(timestamptz, timestamptz, text),
	twin_internal.report_counts(timestamptz, timestamptz, timestamptz, timestamptz, text) FROM PUBLIC;

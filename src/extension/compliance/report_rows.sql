/*
 * report_rows.sql
 *		How many events there were within a time, exactly: what was counted when it was sealed, and the rest from the log itself, all in
 *		one snapshot.
 *
 * The rest is what lies in an hour that belongs to the time in part, and what was not counted yet.
 */

CREATE FUNCTION twin_internal.event_origin() RETURNS integer
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_event_origin';
COMMENT ON FUNCTION twin_internal.event_origin() IS 'whose transaction ids rows of the audit log have that are written now';

/*
 * Rows of the log that are beyond where counting is, and rows that have no leaf. These are looked up by transaction, first (OFFSET 0), then
 * by leaf; only in a restored, or promoted, database is the whole log searched, until the sealer has looked through it.
 */
CREATE FUNCTION twin_internal.uncounted_events() RETURNS TABLE (is_sealed boolean, fact twin_internal.event_facts)
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 1000
	SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
BEGIN ATOMIC
	SELECT u.is_sealed, f.fact
	FROM (SELECT s.record_id AS event_id, true AS is_sealed FROM twin_internal.sealed s
			WHERE s.first_leaf >= coalesce((SELECT p.next_leaf FROM twin_internal.event_counts_position p), 0)
		UNION ALL
		SELECT n.event_id, false FROM twin_internal.ledger_state s, LATERAL (
				(SELECT e.event_id FROM twin_internal.event_rows e WHERE e.origin = s.origin AND e.writer_xid >= pg_snapshot_xmax(s.snapshot) OFFSET 0)
				UNION ALL
				(SELECT w.event_id FROM pg_snapshot_xip(s.snapshot) x, LATERAL (
					SELECT e.event_id FROM twin_internal.event_rows e WHERE e.origin = s.origin AND e.writer_xid = x OFFSET 0) w)) n
			WHERE NOT EXISTS (SELECT FROM twin_internal.sealed l WHERE l.record_id = n.event_id)
		UNION ALL
		SELECT e.event_id, false FROM twin_internal.event_rows e
			WHERE coalesce((SELECT s.sweep_id IS NOT NULL OR s.sweep_again_at IS NOT NULL OR s.origin <> twin_internal.event_origin() FROM twin_internal.ledger_state s), true)
				AND e.origin IS DISTINCT FROM (SELECT s.origin FROM twin_internal.ledger_state s)
				AND NOT EXISTS (SELECT FROM twin_internal.sealed l WHERE l.record_id = e.event_id)) u
		CROSS JOIN LATERAL (SELECT f FROM twin_internal.event_facts f WHERE f.event_id = u.event_id OFFSET 0) f (fact);
END;
COMMENT ON FUNCTION twin_internal.uncounted_events() IS 'rows of the audit log that are not in twin_internal.event_counts, and whether they have a leaf';

/* Whether the log still has what was counted of an hour; where retention dropped some of it, part of the hour cannot be counted. */
CREATE FUNCTION twin_internal.hour_is_whole(hour timestamptz) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT coalesce((SELECT sum(c.events) FROM twin_internal.event_counts c WHERE NOT c.is_day AND c.since = hour AND c.sort = 'type'), 0)
		<= coalesce((SELECT sum(f.events) FROM twin_internal.event_facts f WHERE f.event_time >= hour AND f.event_time < hour + interval '1 hour'
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
			FROM twin_internal.event_counts c WHERE NOT c.is_day),
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

/* What was counted in whole hours, by days where it may be, and the rest of the time from the log. */
CREATE FUNCTION twin_internal.report_counts(from_time timestamptz, to_time timestamptz, whole_from timestamptz, whole_to timestamptz, by_day boolean)
	RETURNS TABLE (since timestamptz, sort text, event_type text, outcome text, class text, severity text, username text, is_role boolean, object text, is_other boolean,
		events numeric, amount numeric)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT ROWS 10000 SET search_path = pg_catalog, pg_temp SET jit = off AS $$
#variable_conflict use_column
DECLARE
	day_from timestamptz := date_trunc('day', whole_from, 'UTC');
	day_to timestamptz := date_trunc('day', whole_to, 'UTC');
BEGIN
	day_from := CASE WHEN whole_from > day_from THEN day_from + interval '24 hours' ELSE day_from END;
	IF NOT by_day OR day_from >= day_to THEN
		day_from := whole_to;
		day_to := whole_to;
	END IF;
	RETURN QUERY
		SELECT c.since, c.sort, c.event_type, c.outcome, c.class, c.severity, c.username, c.is_role, c.object, c.is_other, c.events::numeric, c.amount::numeric
			FROM (SELECT d.* FROM twin_internal.event_counts d WHERE d.is_day AND d.since >= day_from AND d.since < day_to
				UNION ALL SELECT h.* FROM twin_internal.event_counts h WHERE NOT h.is_day AND h.since >= whole_from AND h.since < day_from
				UNION ALL SELECT h.* FROM twin_internal.event_counts h WHERE NOT h.is_day AND h.since >= day_to AND h.since < whole_to) c
		UNION ALL
		SELECT date_trunc('hour', (r.fact).event_time, 'UTC'), c.sort, c.event_type, c.outcome, c.class, c.severity, c.username, c.is_role, c.object, c.is_other,
				sum((r.fact).events), sum((r.fact).amount)
			FROM (SELECT f FROM twin_internal.event_facts f WHERE f.event_time >= report_counts.from_time AND f.event_time < least(whole_from, report_counts.to_time)
				UNION ALL SELECT f FROM twin_internal.event_facts f WHERE f.event_time >= whole_to AND f.event_time < report_counts.to_time
				UNION ALL SELECT u.fact FROM twin_internal.uncounted_events() u WHERE (u.fact).event_time >= whole_from AND (u.fact).event_time < whole_to) r (fact)
				CROSS JOIN LATERAL twin_internal.fact_counts(r.fact) c
			GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
END
$$;
COMMENT ON FUNCTION twin_internal.report_counts(timestamptz, timestamptz, timestamptz, timestamptz, boolean) IS
	'how many events there were within a time, in rows as those of twin_internal.event_counts';

REVOKE ALL ON FUNCTION twin_internal.event_origin(), twin_internal.uncounted_events(), twin_internal.hour_is_whole(timestamptz), twin_internal.report_period(timestamptz, timestamptz),
	twin_internal.report_counts(timestamptz, timestamptz, timestamptz, timestamptz, boolean) FROM PUBLIC;

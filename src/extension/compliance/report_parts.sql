/*
 * report_parts.sql
 *		Members of the compliance report that are not counts of events. Lists are bounded: what is left out is said in numbers.
 */

/* The newest checkpoint, and which of the events of a time it does not cover: those sealed since, and those not sealed yet. */
CREATE FUNCTION twin_internal.report_log(from_time timestamptz, to_time timestamptz, total numeric) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off
BEGIN ATOMIC
	WITH signed AS (
		SELECT c.size, c.root, c.note, c.created_at FROM twin_internal.checkpoints_of_log c ORDER BY c.size DESC LIMIT 1
	), not_sealed AS (
		SELECT coalesce(sum((u.fact).events), 0) AS events FROM twin_internal.uncounted_events() u
			WHERE NOT u.is_sealed AND (u.fact).event_time >= from_time AND (u.fact).event_time < to_time
	), after_checkpoint AS (
		SELECT coalesce(sum(f.events), 0) AS events FROM twin_internal.sealed s
				CROSS JOIN LATERAL (SELECT e.events, e.event_time FROM twin_internal.event_facts e WHERE e.event_id = s.record_id OFFSET 0) f
			WHERE s.first_leaf >= (SELECT c.size FROM signed c) AND f.event_time >= from_time AND f.event_time < to_time
	)
	SELECT jsonb_build_object(
		'checkpoint', (SELECT jsonb_build_object('size', c.size, 'root', translate(encode(c.root, 'base64'), E'\n', ''), 'note', convert_from(c.note, 'UTF8'), 'created_at', c.created_at)
			FROM signed c),
		'leaves', coalesce((SELECT l.size FROM twin_internal.ledger_state l), 0),
		'covered_by_checkpoint', CASE WHEN EXISTS (SELECT FROM signed) THEN total - n.events - a.events ELSE 0 END,
		'after_checkpoint', CASE WHEN EXISTS (SELECT FROM signed) THEN a.events ELSE total - n.events END,
		'not_sealed', n.events)
	FROM not_sealed n, after_checkpoint a;
END;
COMMENT ON FUNCTION twin_internal.report_log(timestamptz, timestamptz, numeric) IS
	'the newest signed checkpoint of the audit log, and how many of a report''s events it covers';

CREATE FUNCTION twin_internal.report_incidents(from_time timestamptz, to_time timestamptz) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(jsonb_agg(to_jsonb(i) ORDER BY i.opened_at, i.incident_id), '[]')
	FROM (SELECT n.incident_id, n.incident_type, n.status, n.severity, n.opened_at, n.closed_at, left(n.owner, 128) AS owner, left(n.resolution, 500) AS resolution,
			(SELECT count(*) FROM twin_internal.incident_entries e WHERE e.incident_id = n.incident_id AND e.kind = 'alert') AS alerts
		FROM twin_internal.incidents n WHERE n.opened_at < to_time AND (n.closed_at IS NULL OR n.closed_at >= from_time)
		ORDER BY n.opened_at DESC, n.incident_id DESC LIMIT 200) i;
END;
COMMENT ON FUNCTION twin_internal.report_incidents(timestamptz, timestamptz) IS 'incidents that were open within a time, the newest two hundred';

CREATE FUNCTION twin_internal.report_alerts(from_time timestamptz, to_time timestamptz) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH raised AS MATERIALIZED (
		SELECT a.rule_name, a.severity, count(*) AS alerts, count(*) FILTER (WHERE a.is_false) AS marked_false, count(*) FILTER (WHERE a.delivered_at IS NOT NULL) AS delivered
			FROM twin_internal.alerts a WHERE a.raised_at >= from_time AND a.raised_at < to_time GROUP BY 1, 2
	)
	SELECT jsonb_build_object('total', (SELECT coalesce(sum(r.alerts), 0) FROM raised r),
		'marked_false', (SELECT coalesce(sum(r.marked_false), 0) FROM raised r), 'delivered', (SELECT coalesce(sum(r.delivered), 0) FROM raised r),
		'by_severity', (SELECT coalesce(jsonb_object_agg(s.severity, s.alerts), '{}') FROM (SELECT r.severity, sum(r.alerts) AS alerts FROM raised r GROUP BY 1) s),
		'by_rule', (SELECT coalesce(jsonb_object_agg(s.rule_name, s.alerts), '{}')
			FROM (SELECT r.rule_name, sum(r.alerts) AS alerts FROM raised r GROUP BY 1 ORDER BY 2 DESC LIMIT 100) s));
END;
COMMENT ON FUNCTION twin_internal.report_alerts(timestamptz, timestamptz) IS 'alerts that were raised within a time, by severity and by rule';

/* By what security_check() goes by, too: a year, and half of what random nonces bear. */
CREATE FUNCTION twin_internal.report_keys() RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(jsonb_agg(to_jsonb(d) ORDER BY d.created_at, d.key_name), '[]')
	FROM (SELECT v.key_name::text AS key_name, v.version, v.created_at, u.messages, floor(extract(epoch FROM now() - v.created_at) / 86400)::integer AS age_days,
			concat_ws('; ', CASE WHEN v.created_at < now() - interval '1 year' THEN 'older than a year' END,
				CASE WHEN k.algorithm = 1 AND u.messages > l.most THEN format('has sealed %s messages, more than %s', u.messages, l.most) END) AS reason
		FROM twin_internal.key_versions v JOIN twin_internal.keys k USING (key_name) LEFT JOIN twin_internal.key_usage u USING (key_id),
			(SELECT twin_internal.server_setting('twin_security.key_message_limit')::bigint) l (most)
		WHERE v.state = 'primary' AND k.kind IN ('data', 'environment')
			AND (v.created_at < now() - interval '1 year' OR k.algorithm = 1 AND u.messages > l.most)
		ORDER BY v.created_at LIMIT 200) d;
END;
COMMENT ON FUNCTION twin_internal.report_keys() IS 'keys whose rotation is due';

/* When nothing was captured, and what was dropped. */
CREATE FUNCTION twin_internal.report_gaps(from_time timestamptz, to_time timestamptz) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT coalesce(jsonb_agg(to_jsonb(g) ORDER BY g.from_time), '[]')
	FROM (SELECT a.from_time, a.to_time, left(a.switched_off_by, 128) AS switched_off_by, a.event_id FROM twin.audit_gaps a
		WHERE a.from_time < report_gaps.to_time AND (a.to_time IS NULL OR a.to_time > report_gaps.from_time) ORDER BY a.from_time DESC LIMIT 100) g;
END;
COMMENT ON FUNCTION twin_internal.report_gaps(timestamptz, timestamptz) IS 'times within a time in which the audit was switched off';

CREATE FUNCTION twin_internal.report_dropped(from_time timestamptz, to_time timestamptz) RETURNS numeric
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT coalesce(sum(twin_internal.detail_number(e.details, 'dropped')), 0) FROM twin_internal.event_rows e
		WHERE e.event_type = 'events_dropped' AND e.event_time >= from_time AND e.event_time < to_time AND NOT e.application_made;
END;
COMMENT ON FUNCTION twin_internal.report_dropped(timestamptz, timestamptz) IS 'how many events were dropped, as the log says, because memory was full';

CREATE FUNCTION twin_internal.report_security_check() RETURNS jsonb
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH found AS MATERIALIZED (SELECT c.* FROM twin.security_check() c)
	SELECT jsonb_build_object('by_status', (SELECT jsonb_object_agg(s.status, s.checks) FROM (SELECT f.status, count(DISTINCT f.check_id) AS checks FROM found f GROUP BY 1) s),
		'findings', (SELECT coalesce(jsonb_agg(jsonb_build_object('check_id', f.check_id, 'title', f.title, 'severity', f.severity, 'status', f.status, 'objects', f.objects)
				ORDER BY f.status, f.check_id), '[]')
			FROM (SELECT w.check_id, w.title, w.severity, w.status, count(*) AS objects FROM found w WHERE w.status IN ('fail', 'warn') GROUP BY 1, 2, 3, 4) f));
END;
COMMENT ON FUNCTION twin_internal.report_security_check() IS 'what twin.security_check() finds now, in numbers';

/* How long data is kept, and where what is over its time is on its way out. */
CREATE FUNCTION twin_internal.report_retention(from_time timestamptz, to_time timestamptz) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'policies', (SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.policy_name), '[]')
			FROM (SELECT r.policy_name, coalesce(r.relation::text, 'audit log: ' || r.event_class) AS relation, r.keep::text AS keep, r.archive, r.enabled
				FROM twin_internal.retention_policies r ORDER BY r.policy_name LIMIT 200) p),
		'items', (SELECT coalesce(jsonb_object_agg(s.state, s.items), '{}') FROM (SELECT i.state, count(*) AS items FROM twin_internal.retention_items i GROUP BY 1) s),
		'dropped', (SELECT coalesce(jsonb_agg(to_jsonb(d) ORDER BY d.changed_at), '[]')
			FROM (SELECT i.policy_name, i.partition_name, i.rows, i.from_time, i.to_time, i.changed_at, i.archive_file FROM twin_internal.retention_items i
				WHERE i.state = 'dropped' AND i.changed_at >= report_retention.from_time AND i.changed_at < report_retention.to_time ORDER BY i.changed_at DESC LIMIT 200) d),
		'failures', (SELECT coalesce(jsonb_agg(to_jsonb(f) ORDER BY f.failed_at), '[]')
			FROM (SELECT i.policy_name, i.partition_name, i.state, left(i.failure, 500) AS failure, i.failed_at FROM twin_internal.retention_items i
				WHERE i.failure IS NOT NULL ORDER BY i.failed_at DESC LIMIT 100) f));
END;
COMMENT ON FUNCTION twin_internal.report_retention(timestamptz, timestamptz) IS 'policies of retention, what it dropped within a time, and what does not go on';

REVOKE ALL ON FUNCTION twin_internal.report_log(timestamptz, timestamptz, numeric), twin_internal.report_incidents(timestamptz, timestamptz),
	twin_internal.report_alerts(timestamptz, timestamptz), twin_internal.report_keys(), twin_internal.report_gaps(timestamptz, timestamptz),
	twin_internal.report_dropped(timestamptz, timestamptz), twin_internal.report_retention(timestamptz, timestamptz), twin_internal.report_security_check() FROM PUBLIC;

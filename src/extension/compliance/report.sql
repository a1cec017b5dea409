/*
 * report.sql
 *		twin.compliance_report(): what an auditor asks of a time, as jsonb.
 */

--@include report_rows.sql
--@include report_parts.sql
--@include report_controls.sql

/* So that a chart has at most some hundred bars; weeks begin on Mondays, all of it in UTC. */
CREATE FUNCTION twin_internal.report_step(from_time timestamptz, to_time timestamptz) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN l.days <= 73 / 24.0 THEN 'hour' WHEN l.days <= 100 THEN 'day' WHEN l.days <= 800 THEN 'week' WHEN l.days <= 4000 THEN 'month' ELSE 'year' END
	FROM twin_internal.report_days(from_time, to_time) l (days);
END;
COMMENT ON FUNCTION twin_internal.report_step(timestamptz, timestamptz) IS 'in which steps a report shows a time';

CREATE FUNCTION twin_internal.report_events(from_time timestamptz, to_time timestamptz, whole_from timestamptz, whole_to timestamptz) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	WITH step AS (SELECT twin_internal.report_step(from_time, to_time) AS name
	), counted AS MATERIALIZED (
		SELECT c.* FROM step s, twin_internal.report_counts(from_time, to_time, whole_from, whole_to, s.name) c
	), types AS MATERIALIZED (
		SELECT c.event_type, c.is_other, sum(c.events) AS events, row_number() OVER (ORDER BY c.is_other, sum(c.events) DESC, c.event_type) AS place
			FROM counted c WHERE c.sort = 'type' GROUP BY 1, 2
	), users AS MATERIALIZED (
		SELECT c.username, c.is_role, c.is_other, sum(c.events) AS events, sum(c.events) FILTER (WHERE c.event_type = 'login_success') AS logins,
				sum(c.events) FILTER (WHERE c.event_type = 'login_failure') AS failed_logins, sum(c.events) FILTER (WHERE c.event_type = 'permission_denied') AS denied,
				sum(c.events) FILTER (WHERE c.event_type = 'data') AS data_access,
				row_number() OVER (ORDER BY c.is_other, sum(c.events) DESC, c.username, c.is_role) AS place
			FROM counted c WHERE c.sort = 'user' GROUP BY 1, 2, 3
	), tables AS MATERIALIZED (
		SELECT c.object, c.is_other, sum(c.events) AS events, sum(c.amount) AS rows_read, sum(c.events) FILTER (WHERE c.event_type = 'create') AS "create",
				sum(c.events) FILTER (WHERE c.event_type = 'read') AS read, sum(c.events) FILTER (WHERE c.event_type = 'update') AS update,
				sum(c.events) FILTER (WHERE c.event_type = 'delete') AS delete, sum(c.events) FILTER (WHERE c.event_type = 'truncate') AS truncate,
				row_number() OVER (ORDER BY c.is_other, sum(c.events) DESC, c.object) AS place
			FROM counted c WHERE c.sort = 'table' GROUP BY 1, 2
	), keys AS MATERIALIZED (
		SELECT c.object, sum(c.events) AS events, sum(c.amount) AS amount, row_number() OVER (ORDER BY sum(c.amount) DESC, c.object) AS place
			FROM counted c WHERE c.sort = 'key' GROUP BY 1
	), openers AS MATERIALIZED (
		SELECT c.username, c.is_role, c.is_other, sum(c.events) AS events, sum(c.amount) AS amount,
				row_number() OVER (ORDER BY c.is_other, sum(c.amount) DESC, c.username, c.is_role) AS place
			FROM counted c WHERE c.sort = 'key' GROUP BY 1, 2, 3
	), addresses AS MATERIALIZED (
		SELECT c.object, c.is_other, sum(c.events) AS events, row_number() OVER (ORDER BY c.is_other, sum(c.events) DESC, c.object) AS place
			FROM counted c WHERE c.sort = 'address' GROUP BY 1, 2
	), steps AS (
		SELECT date_trunc(s.name, greatest(c.since, '4712-01-01 00:00:00+00 BC'), 'UTC') AS at, sum(c.events) AS events, sum(c.events) FILTER (WHERE c.event_type = 'login_success') AS logins,
				sum(c.events) FILTER (WHERE c.event_type = 'login_failure') AS failed_logins, sum(c.events) FILTER (WHERE c.event_type = 'permission_denied') AS denied,
				sum(c.events) FILTER (WHERE c.event_type IN ('create', 'read', 'update', 'delete', 'truncate', 'decrypt')) AS data_access
			FROM step s, counted c WHERE c.sort = 'type' GROUP BY 1
	)
	SELECT jsonb_build_object(
		'total_audit_events', (SELECT coalesce(sum(t.events), 0) FROM types t),
		'authentication_events', (SELECT jsonb_object_agg(n.name, coalesce((SELECT sum(t.events) FROM types t WHERE t.event_type = n.name), 0))
			FROM unnest('{login_success,login_failure,logout,token_refresh,token_reuse,token_revoked}'::text[]) n (name)),
		'authorization_failures', (SELECT jsonb_build_object('total', coalesce(sum(t.events), 0), 'by_type', jsonb_build_object('permission_denied', coalesce(sum(t.events), 0)))
			FROM types t WHERE t.event_type = 'permission_denied'),
		'data_access_events', (SELECT jsonb_object_agg(n.name, coalesce((SELECT sum(t.events) FROM types t WHERE t.event_type = n.name), 0))
			FROM unnest('{create,read,update,delete,truncate,decrypt}'::text[]) n (name)),
		'events_by_type', (SELECT coalesce(jsonb_object_agg(CASE WHEN t.is_other OR t.place > 300 THEN '(others)' ELSE t.event_type END, t.events), '{}')
			FROM (SELECT min(y.event_type) AS event_type, bool_or(y.is_other) AS is_other, min(y.place) AS place, sum(y.events) AS events FROM types y
				GROUP BY CASE WHEN y.is_other THEN 301 ELSE least(y.place, 301) END) t),
		'events_by_class', (SELECT coalesce(jsonb_object_agg(g.class, g.events), '{}') FROM (SELECT c.class, sum(c.events) AS events FROM counted c WHERE c.sort = 'type' GROUP BY 1) g),
		'events_by_outcome', (SELECT coalesce(jsonb_object_agg(g.outcome, g.events), '{}') FROM (SELECT c.outcome, sum(c.events) AS events FROM counted c WHERE c.sort = 'type' GROUP BY 1) g),
		'events_by_severity', (SELECT coalesce(jsonb_object_agg(g.severity, g.events), '{}') FROM (SELECT c.severity, sum(c.events) AS events FROM counted c WHERE c.sort = 'type' GROUP BY 1) g),
		'events_by_user', jsonb_build_object(
			'top', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', u.username, 'is', CASE WHEN u.is_role THEN 'role' ELSE 'user' END, 'events', u.events, 'logins', coalesce(u.logins, 0),
					'failed_logins', coalesce(u.failed_logins, 0), 'denied', coalesce(u.denied, 0), 'data_access', coalesce(u.data_access, 0)) ORDER BY u.place), '[]')
				FROM users u WHERE u.place <= 100 AND NOT u.is_other),
			'others', (SELECT coalesce(sum(u.events), 0) FROM users u WHERE u.place > 100 OR u.is_other)),
		'events_by_table', jsonb_build_object(
			'top', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', t.object, 'events', t.events, 'create', coalesce(t.create, 0), 'read', coalesce(t.read, 0), 'update', coalesce(t.update, 0),
					'delete', coalesce(t.delete, 0), 'truncate', coalesce(t.truncate, 0), 'rows_read', t.rows_read) ORDER BY t.place), '[]')
				FROM tables t WHERE t.place <= 100 AND NOT t.is_other),
			'others', (SELECT coalesce(sum(t.events), 0) FROM tables t WHERE t.place > 100 OR t.is_other)),
		'decryptions', jsonb_build_object(
			'events', (SELECT coalesce(sum(k.events), 0) FROM keys k), 'values', (SELECT coalesce(sum(k.amount), 0) FROM keys k),
			'by_key', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', k.object, 'events', k.events, 'values', k.amount) ORDER BY k.place), '[]') FROM keys k WHERE k.place <= 100),
			'by_user', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', o.username, 'is', CASE WHEN o.is_role THEN 'role' ELSE 'user' END, 'events', o.events, 'values', o.amount)
				ORDER BY o.place), '[]') FROM openers o WHERE o.place <= 100 AND NOT o.is_other)),
		'failed_logins', jsonb_build_object(
			'by_address', (SELECT coalesce(jsonb_agg(jsonb_build_object('address', a.object, 'events', a.events) ORDER BY a.place), '[]') FROM addresses a WHERE a.place <= 50 AND NOT a.is_other),
			'other_addresses', (SELECT coalesce(sum(a.events), 0) FROM addresses a WHERE a.place > 50 OR a.is_other),
			'by_user', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', u.username, 'events', u.failed_logins) ORDER BY u.failed_logins DESC, u.username), '[]')
				FROM (SELECT n.* FROM users n WHERE n.failed_logins > 0 AND NOT n.is_other ORDER BY n.failed_logins DESC, n.username LIMIT 50) u),
			'of_nobody_known', (SELECT coalesce(sum(u.failed_logins), 0) FROM users u WHERE u.is_other)),
		'timeline', jsonb_build_object('step', (SELECT s.name FROM step s),
			'steps', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', t.at, 'events', t.events, 'logins', coalesce(t.logins, 0), 'failed_logins', coalesce(t.failed_logins, 0),
				'denied', coalesce(t.denied, 0), 'data_access', coalesce(t.data_access, 0)) ORDER BY t.at), '[]') FROM (SELECT x.* FROM steps x ORDER BY x.at DESC LIMIT 400) t)));
END;
COMMENT ON FUNCTION twin_internal.report_events(timestamptz, timestamptz, timestamptz, timestamptz) IS 'the members of the compliance report that count events';

CREATE FUNCTION twin.compliance_report(from_time timestamptz, to_time timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
	period record;
	report jsonb;
BEGIN
	SELECT p.* INTO period FROM twin_internal.report_period(from_time, to_time) p;
	report := twin_internal.report_events(period.from_time, period.to_time, period.whole_from, period.whole_to);
	report := report || jsonb_build_object(
		'reporting_period', jsonb_build_object('from', period.from_time, 'to', period.to_time,
			'is_widened', period.from_time < compliance_report.from_time IS TRUE OR period.to_time > compliance_report.to_time IS TRUE,
			'asked_from', compliance_report.from_time, 'asked_to', compliance_report.to_time),
		'report', jsonb_build_object('database', current_database(), 'generated_at', statement_timestamp(), 'generated_by', coalesce(twin.current_username(), session_user::text),
			'extension_version', (SELECT x.extversion FROM pg_extension x WHERE x.extname = 'twin_security'), 'server_version', current_setting('server_version')),
		'log', twin_internal.report_log(period.from_time, period.to_time, (report -> 'total_audit_events')::numeric),
		'security_incidents', twin_internal.report_incidents(period.from_time, period.to_time),
		'alerts', twin_internal.report_alerts(period.from_time, period.to_time),
		'key_rotations_due', twin_internal.report_keys(),
		'gaps', twin_internal.report_gaps(period.from_time, period.to_time),
		'events_dropped', twin_internal.report_dropped(period.from_time, period.to_time),
		'retention', twin_internal.report_retention(period.from_time, period.to_time),
		'legal_holds', twin_internal.report_holds(period.from_time, period.to_time),
		'security_check', twin_internal.report_security_check());
	RETURN report || jsonb_build_object('controls', twin_internal.report_evidence(report));
END
$$;
COMMENT ON FUNCTION twin.compliance_report(timestamptz, timestamptz) IS
	'what the audit log holds of a time (from_time <= event_time < to_time; NULL: the first event, now), in one snapshot, with the signed checkpoint that it can be checked against; where retention has dropped part of an hour, of the whole hour';

REVOKE ALL ON FUNCTION twin_internal.report_step(timestamptz, timestamptz), twin_internal.report_events(timestamptz, timestamptz, timestamptz, timestamptz),
	twin.compliance_report(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.compliance_report(timestamptz, timestamptz) TO twin_admin, twin_auditor;

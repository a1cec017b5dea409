/*
 * console.sql
 *		What the security console reads and does: functions that the gateway answers at /console/api, and nothing else.
 *
 * Whoever may use it acts as twin_admin or twin_auditor, holds admin_panel and belongs to no tenant: the calls are looked at as those of schema twin are
 * (identity/warrant.c, reach.c). All but what says otherwise run in the caller's name, so nobody does here what he could not do by SQL. What is answered is
 * bounded, whatever the tables hold.
 */

CREATE SCHEMA twin_console;
COMMENT ON SCHEMA twin_console IS 'twin_security: what the security console reads and does; the gateway answers it at /console/api';
GRANT USAGE ON SCHEMA twin_console TO twin_admin, twin_auditor;

CREATE FUNCTION twin_console.who() RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object('username', coalesce(twin.current_username(), session_user::text), 'role', coalesce(twin.current_claims() ->> 'role', current_user::text),
		'may_act', pg_has_role('twin_admin', 'USAGE'), 'database', current_database());
END;
COMMENT ON FUNCTION twin_console.who() IS 'who is asking, and whether he may act or only read';

/* By leaf, so that who goes on from the last one misses none: in the owner's name, for the tree's tables are nobody's. */
CREATE FUNCTION twin_console.events(after bigint DEFAULT NULL, before bigint DEFAULT NULL, max_rows integer DEFAULT 200)
	RETURNS TABLE (leaf_index bigint, event_id bigint, event_time timestamptz, event_type text, severity text, outcome text, action text, resource text,
		record_id text, username text, session_user_name text, client_address inet, application_name text, events integer, details jsonb)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 200 SET search_path = pg_catalog, pg_temp
	SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
	RETURN QUERY
		SELECT s.first_leaf, e.event_id, e.event_time, e.event_type::text, e.severity::text, e.outcome::text, e.action::text, e.resource::text,
			e.record_id::text, e.username::text, e.session_user_name::text, e.client_address, e.application_name::text, s.leaves,
			CASE WHEN octet_length(e.details::text) <= 2048 THEN e.details ELSE jsonb_build_object('cut', left(e.details::text, 1000)) END
		FROM (SELECT l.* FROM twin_internal.sealed l
				WHERE (events.after IS NULL OR l.first_leaf > events.after) AND (events.before IS NULL OR l.first_leaf < events.before)
				ORDER BY l.first_leaf DESC LIMIT least(greatest(coalesce(max_rows, 100), 1), 500)) s
			JOIN twin_internal.event_records e ON e.event_id = s.record_id
		ORDER BY s.first_leaf DESC;
END
$$;
COMMENT ON FUNCTION twin_console.events(bigint, bigint, integer) IS
	'sealed events between two leaves, the newest first; of what one statement did to many rows one, whose events says how many; long details are cut';

CREATE FUNCTION twin_console.activity(hours integer DEFAULT 24)
	RETURNS TABLE (began_at timestamptz, logins bigint, failures bigint, denials bigint)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 48 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	width interval := make_interval(secs => least(greatest(coalesce(hours, 24), 1), 720) * 75);	/* 48 of them */
	until timestamptz := date_bin(width, clock_timestamp(), timestamptz '2000-01-01 00:00Z') + width;
BEGIN
	RETURN QUERY
		WITH counted AS MATERIALIZED (
			SELECT date_bin(width, l.event_time, timestamptz '2000-01-01 00:00Z') AS at, l.event_type, count(*) AS times
			FROM twin.audit_log l
			WHERE l.event_type IN ('login_success', 'login_failure', 'permission_denied') AND l.event_time >= until - 48 * width AND l.event_time < until
			GROUP BY 1, 2)
		SELECT until - place * width, coalesce(sum(c.times) FILTER (WHERE c.event_type = 'login_success'), 0)::bigint,
			coalesce(sum(c.times) FILTER (WHERE c.event_type = 'login_failure'), 0)::bigint,
			coalesce(sum(c.times) FILTER (WHERE c.event_type = 'permission_denied'), 0)::bigint
		FROM generate_series(48, 1, -1) place LEFT JOIN counted c ON c.at = until - place * width
		GROUP BY place ORDER BY place DESC;
END
$$;
COMMENT ON FUNCTION twin_console.activity(integer) IS 'logins, failed logins and refusals of the last hours, 1 to 720, in 48 equal steps';

CREATE FUNCTION twin_console.alerts(max_rows integer DEFAULT 100)
	RETURNS TABLE (alert_id bigint, rule_name text, raised_at timestamptz, severity text, subject text, count bigint, event_ids bigint[], incident_id text,
		delivered_at timestamptz, is_false boolean, details jsonb)
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 100 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT a.alert_id, a.rule_name, a.raised_at, a.severity, a.subject, a.count, a.event_ids, a.incident_id, a.delivered_at, a.is_false,
			CASE WHEN octet_length(a.details::text) <= 2048 THEN a.details ELSE jsonb_build_object('cut', left(a.details::text, 1000)) END
		FROM twin.alerts a ORDER BY a.alert_id DESC LIMIT least(greatest(coalesce(max_rows, 100), 1), 500);
END;
COMMENT ON FUNCTION twin_console.alerts(integer) IS 'the newest alerts';

CREATE FUNCTION twin_console.incidents(max_rows integer DEFAULT 50)
	RETURNS TABLE (incident_id text, incident_type text, status text, severity text, opened_at timestamptz, closed_at timestamptz, owner text)
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 50 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT i.incident_id, i.incident_type, i.status, i.severity, i.opened_at, i.closed_at, left(i.owner, 200)
		FROM twin.incidents i ORDER BY i.closed_at IS NOT NULL, i.opened_at DESC LIMIT least(greatest(coalesce(max_rows, 100), 1), 500);
END;
COMMENT ON FUNCTION twin_console.incidents(integer) IS 'incidents: those that are open first, then the newest';

/* In the owner's name: the view has every timeline as a whole. */
CREATE FUNCTION twin_console.incident(incident_id text, before bigint DEFAULT NULL) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	page CONSTANT integer := 50;
	shown_actions CONSTANT integer := 200;
	found_incident twin_internal.incidents;
	timeline jsonb;
BEGIN
	SELECT i.* INTO found_incident FROM twin_internal.incidents i WHERE i.incident_id = incident.incident_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'incident "%" does not exist', left(coalesce(incident_id, ''), 64) USING ERRCODE = '42704';
	END IF;
	SELECT coalesce(jsonb_agg(jsonb_build_object('id', e.entry_id, 'at', e.made_at, 'entry', e.kind, 'by', e.made_by, 'note', e.note,
			'details', CASE WHEN octet_length(e.details::text) > 2048 THEN jsonb_build_object('cut', left(e.details::text, 1000)) ELSE e.details END)
			ORDER BY e.entry_id DESC), '[]') INTO timeline
		FROM (SELECT o.* FROM twin_internal.incident_entries o WHERE o.incident_id = incident.incident_id AND (incident.before IS NULL OR o.entry_id < incident.before)
			ORDER BY o.entry_id DESC LIMIT page + 1) e;
	RETURN to_jsonb(found_incident) - 'steps' - 'last_alert_at' || jsonb_build_object(
		'details', CASE WHEN octet_length(found_incident.details::text) <= 2048 THEN found_incident.details ELSE jsonb_build_object('cut', left(found_incident.details::text, 1000)) END,
		'alerts', (SELECT count(*) FROM twin_internal.incident_entries e WHERE e.incident_id = incident.incident_id AND e.kind = 'alert'),
		'actions', (SELECT coalesce(jsonb_agg(jsonb_build_object('action', a.action, 'target', nullif(a.target, ''), 'state', a.state, 'note', a.note)
				ORDER BY a.is_open DESC, a.step, a.action_id), '[]')
			FROM (SELECT o.*, o.state IN ('pending', 'refused', 'failed') AS is_open FROM twin_internal.incident_actions o WHERE o.incident_id = incident.incident_id
				ORDER BY is_open DESC, o.step, o.action_id LIMIT shown_actions) a),
		'action_states', (SELECT coalesce(jsonb_object_agg(c.state, c.times), '{}')
			FROM (SELECT a.state, count(*) AS times FROM twin_internal.incident_actions a WHERE a.incident_id = incident.incident_id GROUP BY a.state) c),
		'timeline', timeline - page,
		'goes_on', timeline -> page IS NOT NULL);
END
$$;
COMMENT ON FUNCTION twin_console.incident(text, bigint) IS
	'one incident, with fifty entries of its timeline (before one of them, or the newest), two hundred of its actions, those to be decided first, and how many there are by state';

CREATE FUNCTION twin_console.blocked(max_rows integer DEFAULT 200)
	RETURNS TABLE (address inet, blocked_at timestamptz, blocked_until timestamptz, reason text, blocked_by text, refusals bigint)
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 100 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT b.address, b.blocked_at, b.blocked_until, b.reason, b.blocked_by, b.refusals
		FROM twin.blocked_addresses b ORDER BY b.blocked_at DESC LIMIT least(greatest(coalesce(max_rows, 100), 1), 500);
END;
COMMENT ON FUNCTION twin_console.blocked(integer) IS 'addresses that are blocked now, the newest first';

CREATE FUNCTION twin_console.keys()
	RETURNS TABLE (key_name text, version integer, state text, algorithm text, created_at timestamptz, messages bigint, opens bigint, integrity_failures bigint)
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 20 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT k.key_name, k.version, k.state, k.algorithm, k.created_at, k.messages, s.opens, s.integrity_failures
		FROM twin.keys k LEFT JOIN twin.stat_keyring s ON s.key_name = k.key_name
		ORDER BY k.key_name LIKE 'index.%', k.key_name, k.version DESC LIMIT 500;
END;
COMMENT ON FUNCTION twin_console.keys() IS 'every version of every key, and how often the key was used since the server started';

CREATE FUNCTION twin_console.audit() RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object('emitted', s.emitted, 'written', s.written, 'dropped', s.dropped, 'ring_fill', s.ring_fill, 'sealed', s.sealed,
			'seal_lag', extract(epoch FROM s.seal_lag), 'checkpoint_age', extract(epoch FROM s.checkpoint_age), 'checkpoint', twin.audit_checkpoint())
		FROM twin.stat_audit s;
END;
COMMENT ON FUNCTION twin_console.audit() IS 'counters of the audit log, and its newest checkpoint';

CREATE FUNCTION twin_console.overview() RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'alerts', (SELECT coalesce(jsonb_object_agg(c.severity, c.times), '{}') FROM (
			SELECT n.severity, count(*) AS times FROM (	/* whoever attacks decides how many there are */
				SELECT a.severity FROM twin.alerts a WHERE a.raised_at > clock_timestamp() - interval '24 hours' ORDER BY a.raised_at DESC LIMIT 10000) n
			GROUP BY n.severity) c),
		'open', (SELECT count(*) FROM twin.incidents i WHERE i.closed_at IS NULL),
		'waiting', (SELECT count(*) FROM twin.incidents i WHERE i.status = 'awaiting_approval'),
		'blocked', (SELECT count(*) FROM twin.blocked_addresses b),
		'audit', (SELECT jsonb_build_object('sealed', s.sealed, 'seal_lag', extract(epoch FROM s.seal_lag), 'dropped', s.dropped) FROM twin.stat_audit s));
END;
COMMENT ON FUNCTION twin_console.overview() IS 'how many alerts of a day (of the newest ten thousand), incidents, blocked addresses, events there are';

/* A step ends with the first checkpoint after so many leaves: looked up one after the other, for there is one every few seconds of years. */
CREATE FUNCTION twin_console.verification_steps() RETURNS TABLE (from_time timestamptz, to_time timestamptz)
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 200 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE steps (size, ends_at, width) AS (
		SELECT 0::bigint, NULL::timestamptz, greatest(20000, l.size / 200) FROM twin_internal.ledger_state l
		UNION ALL
		SELECT c.size, c.created_at, s.width FROM steps s CROSS JOIN LATERAL (
			SELECT o.size, o.created_at FROM twin_internal.checkpoints_of_log o WHERE o.size >= s.size + s.width ORDER BY o.size LIMIT 1) c
	)
	SELECT s.ends_at, lead(s.ends_at) OVER (ORDER BY s.size) - interval '1 microsecond' FROM steps s ORDER BY s.size;	/* up to that checkpoint, and not the next */
END;
COMMENT ON FUNCTION twin_console.verification_steps() IS 'arguments for verify(), one after the other: some 20000 events each, or a two hundredth of all';

CREATE FUNCTION twin_console.verify(from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL)
	RETURNS TABLE (ok boolean, checked bigint, first_bad bigint, reason text)
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 1 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT v.ok, v.checked, v.first_bad, v.reason FROM twin.verify_audit_log(from_time, to_time) v;
END;
COMMENT ON FUNCTION twin_console.verify(timestamptz, timestamptz) IS 'twin.verify_audit_log()';

/* ---- what administrators do: each is the function of schema twin, in the name of who asks ---- */

CREATE FUNCTION twin_console.approve_incident(incident_id text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin.approve_incident($1);
END;
COMMENT ON FUNCTION twin_console.approve_incident(text) IS 'twin.approve_incident()';

CREATE FUNCTION twin_console.revert_incident(incident_id text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin.revert_incident($1);
END;
COMMENT ON FUNCTION twin_console.revert_incident(text) IS 'twin.revert_incident()';

CREATE FUNCTION twin_console.assign_incident(incident_id text, owner text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin.assign_incident($1, $2);
END;
COMMENT ON FUNCTION twin_console.assign_incident(text, text) IS 'twin.assign_incident()';

CREATE FUNCTION twin_console.note_incident(incident_id text, note text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin.note_incident($1, $2);
END;
COMMENT ON FUNCTION twin_console.note_incident(text, text) IS 'twin.note_incident()';

CREATE FUNCTION twin_console.close_incident(incident_id text, resolution text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin.close_incident($1, $2);
END;
COMMENT ON FUNCTION twin_console.close_incident(text, text) IS 'twin.close_incident()';

CREATE FUNCTION twin_console.unblock_address(address inet) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin.unblock_address($1);
END;
COMMENT ON FUNCTION twin_console.unblock_address(inet) IS 'twin.unblock_address()';

CREATE FUNCTION twin_console.mark_alert_false(alert_id bigint) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin.mark_alert_false($1);
END;
COMMENT ON FUNCTION twin_console.mark_alert_false(bigint) IS 'twin.mark_alert_false()';

REVOKE ALL ON FUNCTION twin_console.who(), twin_console.events(bigint, bigint, integer),
	twin_console.activity(integer), twin_console.alerts(integer), twin_console.incidents(integer), twin_console.incident(text, bigint),
	twin_console.blocked(integer), twin_console.keys(), twin_console.audit(), twin_console.overview(), twin_console.verification_steps(), twin_console.verify(timestamptz, timestamptz), twin_console.approve_incident(text), twin_console.revert_incident(text),
	twin_console.assign_incident(text, text), twin_console.note_incident(text, text), twin_console.close_incident(text, text),
	twin_console.unblock_address(inet), twin_console.mark_alert_false(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_console.who(), twin_console.events(bigint, bigint, integer), twin_console.activity(integer), twin_console.alerts(integer),
	twin_console.incidents(integer), twin_console.incident(text, bigint), twin_console.blocked(integer), twin_console.keys(), twin_console.audit(), twin_console.overview(),
	twin_console.verification_steps(), twin_console.verify(timestamptz, timestamptz) TO twin_admin, twin_auditor;
GRANT EXECUTE ON FUNCTION twin_console.approve_incident(text), twin_console.revert_incident(text), twin_console.assign_incident(text, text),
	twin_console.note_incident(text, text), twin_console.close_incident(text, text), twin_console.unblock_address(inet),
	twin_console.mark_alert_false(bigint) TO twin_admin;

/*
 * respond.sql
 *		Who opens incidents, and what people do with them: alerts whose rule names a playbook, and administrators.
 */

CREATE FUNCTION twin_internal.begin_incident(incident_type text, severity text, steps jsonb, is_automatic boolean, details jsonb, made_by text, note text) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	made text := twin_internal.add_incident($1, $2, $3, $4, $5);
BEGIN
	PERFORM twin_internal.add_incident_entry(made, 'opened', made_by, note);
	PERFORM twin_internal.emit_event('incident_opened', made, 'open', jsonb_build_object('incident_type', $1, 'by', made_by), severity);
	PERFORM twin_internal.plan_actions(made, details);
	RETURN made;
END
$$;
COMMENT ON FUNCTION twin_internal.begin_incident(text, text, jsonb, boolean, jsonb, text, text) IS 'an incident, its first entry, and its actions as they are planned';

/* Who comes back when a block is over, or when somebody let him in again, is met as he was at first. */
CREATE FUNCTION twin_internal.plan_actions(of_incident text, details jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO twin_internal.incident_actions AS a (incident_id, step, action, target, argument)
		SELECT i.incident_id, p.step, p.action, p.target, p.argument
		FROM twin_internal.incidents i CROSS JOIN LATERAL twin_internal.plan_incident(i.steps, plan_actions.details) p WHERE i.incident_id = of_incident
		ON CONFLICT (incident_id, step, target) DO UPDATE SET state = 'pending', changed_at = clock_timestamp()
			WHERE a.state NOT IN ('pending', 'refused', 'failed') AND NOT twin_internal.action_holds(a);
END
$$;
COMMENT ON FUNCTION twin_internal.plan_actions(text, jsonb) IS 'adds to an incident''s actions those that details ask for and that are not there yet, or hold no longer';

/* ---- alerts ---- */

CREATE FUNCTION twin_internal.graver(one text, other text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s FROM unnest(ARRAY['critical', 'high', 'medium', 'low', 'info']) WITH ORDINALITY u (s, n) WHERE s IN (one, other) ORDER BY n LIMIT 1;
END;
COMMENT ON FUNCTION twin_internal.graver(text, text) IS 'the graver of two severities';

CREATE FUNCTION twin_internal.is_address(given text) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN given::inet IS NOT NULL;
EXCEPTION WHEN data_exception THEN
	RETURN false;
END
$$;
COMMENT ON FUNCTION twin_internal.is_address(text) IS 'whether a text is an address or a network';

/* Whom an alert is about, as an incident's details: its subject and the lists in its details, as far as these can be read. */
CREATE FUNCTION twin_internal.details_of_alert(alert twin_internal.alerts, about text) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	lists jsonb := CASE jsonb_typeof(alert.details) WHEN 'object' THEN alert.details ELSE '{}' END;
	addresses text[];
	users text[];
BEGIN
	SELECT array_agg(e) INTO addresses FROM (SELECT e #>> '{}' AS e FROM jsonb_array_elements(CASE jsonb_typeof(lists -> 'addresses') WHEN 'array' THEN lists -> 'addresses' ELSE '[]' END) e
		UNION SELECT alert.subject WHERE about = 'address' ORDER BY 1 LIMIT 1000) l WHERE twin_internal.is_address(e);
	SELECT array_agg(e) INTO users FROM (SELECT e #>> '{}' AS e FROM jsonb_array_elements(CASE jsonb_typeof(lists -> 'users') WHEN 'array' THEN lists -> 'users' ELSE '[]' END) e
		UNION SELECT alert.subject WHERE about = 'user' ORDER BY 1 LIMIT 1000) l WHERE octet_length(e) BETWEEN 1 AND 256;
	RETURN twin_internal.incident_details(jsonb_build_object('addresses', coalesce(addresses, '{}'), 'users', coalesce(users, '{}')));
END
$$;
COMMENT ON FUNCTION twin_internal.details_of_alert(twin_internal.alerts, text) IS 'the addresses and users that an alert names';

/*
 * The incident that an alert joins: of the same playbook, opened by alerts and not settled, with one in the last hour, or one of the same rule and
 * subject in the last day. One that somebody is at work on is passed by rather than waited for.
 */
CREATE FUNCTION twin_internal.find_incident_of(alert twin_internal.alerts, playbook text, automatic boolean) RETURNS text
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT i.incident_id FROM twin_internal.incidents i
	WHERE i.incident_type = playbook AND i.status IN ('open', 'awaiting_approval', 'contained') AND i.is_automatic = automatic
		AND i.last_alert_at > clock_timestamp() - interval '1 day'
		AND (i.last_alert_at > clock_timestamp() - interval '1 hour' OR EXISTS (SELECT FROM twin_internal.alerts a
			WHERE a.incident_id = i.incident_id AND a.rule_name = (alert).rule_name AND a.subject IS NOT DISTINCT FROM (alert).subject))
		AND (SELECT count(*) FROM twin_internal.incident_entries e WHERE e.incident_id = i.incident_id AND e.kind = 'alert') < 1000
		AND (SELECT count(*) FROM twin_internal.incident_actions a WHERE a.incident_id = i.incident_id) < 1000
	ORDER BY i.last_alert_at DESC LIMIT 1 FOR UPDATE SKIP LOCKED;
END;
COMMENT ON FUNCTION twin_internal.find_incident_of(twin_internal.alerts, text, boolean) IS 'the incident that an alert joins, locked; null for none';

CREATE FUNCTION twin_internal.answer_alert(alert twin_internal.alerts, playbook text, about text, automatic boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET lock_timeout = '400ms' AS $$
DECLARE
	named jsonb := twin_internal.details_of_alert(alert, about);
	answer twin.playbooks;
	joined text := twin_internal.find_incident_of(alert, playbook, automatic);
BEGIN
	IF joined IS NULL THEN
		SELECT p.* INTO answer FROM twin.playbooks p WHERE p.playbook = answer_alert.playbook;
		joined := twin_internal.begin_incident(playbook, twin_internal.graver(alert.severity, coalesce(answer.severity, 'info')), coalesce(answer.steps, '[]'), automatic,
			named || jsonb_build_object('rule_name', alert.rule_name), 'twin_security',
			'opened by an alert' || CASE WHEN answer.playbook IS NULL THEN '; there is no such playbook' ELSE '' END);
	ELSE
		PERFORM twin_internal.plan_actions(joined, named);
	END IF;
	UPDATE twin_internal.incidents i SET severity = twin_internal.graver(i.severity, alert.severity), last_alert_at = clock_timestamp()
		WHERE i.incident_id = joined AND (i.severity <> twin_internal.graver(i.severity, alert.severity) OR (i.last_alert_at > clock_timestamp() - interval '1 minute') IS NOT TRUE);
	UPDATE twin_internal.alerts a SET incident_id = joined WHERE a.alert_id = alert.alert_id;
	PERFORM twin_internal.add_incident_entry(joined, 'alert', 'twin_security', concat_ws(' ', alert.rule_name, alert.subject),
		named || jsonb_build_object('alert_id', alert.alert_id, 'rule_name', alert.rule_name, 'subject', alert.subject, 'count', alert.count));
	IF NOT EXISTS (SELECT FROM twin_internal.incident_actions a WHERE a.incident_id = joined AND a.state = 'pending') THEN
		RETURN;
	ELSIF automatic THEN
		PERFORM twin_internal.take_actions(joined, 'twin_security', '{pending}');
	ELSE
		UPDATE twin_internal.incidents i SET status = 'awaiting_approval' WHERE i.incident_id = joined;
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.answer_alert(twin_internal.alerts, text, text, boolean) IS 'the incident of an alert: joined or opened, and its playbook run, or planned where it waits for approval';

CREATE FUNCTION twin_internal.answer_by_rule(alert twin_internal.alerts) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	rule record;
BEGIN
	SELECT r.playbook, r.subject, r.is_automatic INTO rule FROM twin.alert_rules r WHERE r.rule_name = alert.rule_name AND r.playbook IS NOT NULL;
	IF FOUND THEN
		PERFORM twin_internal.answer_alert(alert, rule.playbook, rule.subject, rule.is_automatic);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.answer_by_rule(twin_internal.alerts) IS 'the incident of an alert whose rule names a playbook';

CREATE FUNCTION twin_internal.tell_unanswered(alert twin_internal.alerts, state text, message text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RAISE WARNING 'no incident was opened for alert %: %', alert.alert_id, message USING ERRCODE = state;
	PERFORM twin_internal.emit_event('incident_failed', alert.rule_name, 'open', jsonb_build_object('alert_id', alert.alert_id, 'sqlstate', state, 'message', left(message, 200)), 'high');
END
$$;
COMMENT ON FUNCTION twin_internal.tell_unanswered(twin_internal.alerts, text, text) IS 'tells that an alert has no incident though it should';

/*
 * Whatever goes wrong here, the alert stays; what passes by itself, such as a lock, is tried again by the writer of events: see follow.sql. A restore
 * brings alerts whose incidents it brings, too.
 */
CREATE FUNCTION twin_internal.incident_of_alert() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	callers text;
BEGIN
	GET DIAGNOSTICS callers = PG_CONTEXT;
	/* a notice about an incident is no reason for another */
	IF callers !~ 'twin_internal"?[.]"?raise_alert"?[(]' OR NEW.rule_name = 'incident' THEN
		RETURN NULL;
	END IF;
	/* where something is in the way already, nobody waits for it once more */
	IF EXISTS (SELECT FROM twin_internal.alerts a WHERE a.answer_at IS NOT NULL) THEN
		UPDATE twin_internal.alerts a SET answer_at = clock_timestamp() WHERE a.alert_id = NEW.alert_id;
	ELSE
		PERFORM twin_internal.answer_by_rule(NEW);
	END IF;
	RETURN NULL;
EXCEPTION
	WHEN lock_not_available OR transaction_rollback OR insufficient_resources THEN
		UPDATE twin_internal.alerts a SET answer_at = clock_timestamp() WHERE a.alert_id = NEW.alert_id;
		RETURN NULL;
	WHEN OTHERS THEN
		PERFORM twin_internal.tell_unanswered(NEW, SQLSTATE, SQLERRM);
		RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.incident_of_alert() IS 'opens the incident of an alert whose rule names a playbook';
CREATE TRIGGER incident_of_alert AFTER INSERT ON twin_internal.alerts
	FOR EACH ROW EXECUTE FUNCTION twin_internal.incident_of_alert();

/* ---- people ---- */

CREATE FUNCTION twin.open_incident(incident_type text, details jsonb DEFAULT '{}', dry_run boolean DEFAULT false) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	named jsonb := twin_internal.incident_details(details);
	answer twin.playbooks;
	by_whom text := twin_internal.incident_actor();
	made text;
BEGIN
	IF dry_run IS NULL THEN
		RAISE EXCEPTION 'whether this is a dry run must be said' USING ERRCODE = '22004';
	END IF;
	SELECT p.* INTO answer FROM twin.playbooks p WHERE p.playbook = $1;
	IF NOT FOUND AND $1 IS DISTINCT FROM 'other' THEN
		RAISE EXCEPTION 'unknown type of incident "%"', left(coalesce($1, ''), 64) USING ERRCODE = '22023',
			HINT = format('It is other, or one of twin.playbooks: %s.', (SELECT left(string_agg(p.playbook, ', ' ORDER BY p.playbook), 1000) FROM twin.playbooks p));
	ELSIF dry_run THEN
		RETURN twin_internal.preview_incident($1, coalesce(answer.severity, 'medium'), coalesce(answer.steps, '[]'), named);
	END IF;
	made := twin_internal.begin_incident($1, coalesce(answer.severity, 'medium'), coalesce(answer.steps, '[]'), false, named, by_whom, 'opened by hand');
	IF answer.steps <> '[]' THEN
		PERFORM twin_internal.take_actions(made, by_whom, '{pending}');
	END IF;
	RETURN made;
END
$$;
COMMENT ON FUNCTION twin.open_incident(text, jsonb, boolean) IS
	'opens an incident about {"addresses": [...], "users": [...]}, runs the playbook of its type and returns its id; dry_run: changes nothing, and returns what it would do, one line per action';

CREATE FUNCTION twin.approve_incident(incident_id text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.incidents := twin_internal.hold_incident($1);
	by_whom text := twin_internal.incident_actor();
BEGIN
	IF held.status IN ('closed', 'reverted') THEN
		RAISE EXCEPTION 'incident % is %', held.incident_id, held.status USING ERRCODE = '55000';
	ELSIF NOT EXISTS (SELECT FROM twin_internal.incident_actions a WHERE a.incident_id = held.incident_id AND a.state IN ('pending', 'refused', 'failed')) THEN
		RAISE EXCEPTION 'nothing of incident % waits for approval', held.incident_id USING ERRCODE = '55000';
	END IF;
	PERFORM twin_internal.add_incident_entry(held.incident_id, 'approved', by_whom, 'the playbook was approved');
	PERFORM twin_internal.emit_event('incident_approved', held.incident_id, 'approve', severity => held.severity);
	PERFORM twin_internal.take_actions(held.incident_id, by_whom, '{pending,refused,failed}');
END
$$;
COMMENT ON FUNCTION twin.approve_incident(text) IS 'has what an incident''s playbook asks for done: what waited for it, and again what was refused or failed';

CREATE FUNCTION twin.revert_incident(incident_id text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.incidents := twin_internal.hold_incident($1);
	by_whom text := twin_internal.incident_actor();
	own twin_internal.incident_actions;
	undone record;
BEGIN
	IF NOT EXISTS (SELECT FROM twin_internal.incident_actions a WHERE a.incident_id = held.incident_id AND a.state = 'done') THEN
		RAISE EXCEPTION 'nothing was done for incident % that could be undone', held.incident_id USING ERRCODE = '55000';
	END IF;
	/* what was ended before a user was disabled comes after he is enabled */
	FOR own IN SELECT a.* FROM twin_internal.incident_actions a WHERE a.incident_id = held.incident_id AND a.state = 'done' ORDER BY a.step DESC, a.target LOOP
		SELECT u.* INTO undone FROM twin_internal.undo_action(own) u;
		PERFORM twin_internal.note_action(own, undone.state, undone.note, NULL, by_whom);
	END LOOP;
	PERFORM twin_internal.cancel_actions(held.incident_id);
	UPDATE twin_internal.incidents i SET status = 'reverted' WHERE i.incident_id = held.incident_id AND i.status <> 'closed';
	PERFORM twin_internal.add_incident_entry(held.incident_id, 'reverted', by_whom, 'what was done was undone');
	PERFORM twin_internal.emit_event('incident_reverted', held.incident_id, 'revert', severity => held.severity);
END
$$;
COMMENT ON FUNCTION twin.revert_incident(text) IS 'undoes what was done for an incident, and nothing that another incident holds or somebody decided before or since; sessions that ended stay ended';

CREATE FUNCTION twin_internal.cancel_actions(of_incident text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE twin_internal.incident_actions a SET state = 'cancelled', changed_at = clock_timestamp() WHERE a.incident_id = of_incident AND a.state = 'pending';
END;
COMMENT ON FUNCTION twin_internal.cancel_actions(text) IS 'gives up what an incident still waited for';

CREATE FUNCTION twin.close_incident(incident_id text, resolution text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.incidents := twin_internal.hold_incident($1);
BEGIN
	IF held.status = 'closed' THEN
		RAISE EXCEPTION 'incident % is closed already', held.incident_id USING ERRCODE = '55000';
	END IF;
	PERFORM twin_internal.check_incident_text('resolution', $2);
	PERFORM twin_internal.cancel_actions(held.incident_id);
	UPDATE twin_internal.incidents i SET status = 'closed', closed_at = clock_timestamp(), resolution = $2 WHERE i.incident_id = held.incident_id;
	PERFORM twin_internal.add_incident_entry(held.incident_id, 'closed', twin_internal.incident_actor(), $2);
	PERFORM twin_internal.emit_event('incident_closed', held.incident_id, 'close', jsonb_build_object('resolution', left($2, 200)), 'medium');
END
$$;
COMMENT ON FUNCTION twin.close_incident(text, text) IS 'ends an incident with what became of it; what was done stays done';

CREATE FUNCTION twin.note_incident(incident_id text, note text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.incidents := twin_internal.hold_incident($1);
BEGIN
	PERFORM twin_internal.check_incident_text('note', $2);
	PERFORM twin_internal.add_incident_entry(held.incident_id, 'noted', twin_internal.incident_actor(), $2);
	PERFORM twin_internal.emit_event('incident_noted', held.incident_id, 'note');
END
$$;
COMMENT ON FUNCTION twin.note_incident(text, text) IS 'adds a note to the timeline of an incident, a closed one too';

CREATE FUNCTION twin.assign_incident(incident_id text, owner text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.incidents := twin_internal.hold_incident($1);
	owning text := coalesce((twin_internal.incident_user($2)).username, (SELECT r.rolname FROM pg_roles r WHERE r.rolname = $2 AND r.rolcanlogin));
BEGIN
	IF held.status = 'closed' THEN
		RAISE EXCEPTION 'incident % is closed', held.incident_id USING ERRCODE = '55000';
	ELSIF owning IS NULL AND $2 IS NOT NULL THEN
		RAISE EXCEPTION 'neither a user nor a login is named "%"', left($2, 64) USING ERRCODE = '42704';
	END IF;
	UPDATE twin_internal.incidents i SET owner = owning WHERE i.incident_id = held.incident_id;
	PERFORM twin_internal.add_incident_entry(held.incident_id, 'assigned', twin_internal.incident_actor(), coalesce('to ' || owning, 'to nobody'));
	PERFORM twin_internal.emit_event('incident_assigned', held.incident_id, 'assign', jsonb_build_object('owner', owning));
END
$$;
COMMENT ON FUNCTION twin.assign_incident(text, text) IS 'gives an incident to a user or login; null takes it from whoever has it';

REVOKE ALL ON FUNCTION twin_internal.begin_incident(text, text, jsonb, boolean, jsonb, text, text), twin_internal.plan_actions(text, jsonb), twin_internal.graver(text, text),
	twin_internal.is_address(text), twin_internal.details_of_alert(twin_internal.alerts, text), twin_internal.find_incident_of(twin_internal.alerts, text, boolean),
	twin_internal.answer_alert(twin_internal.alerts, text, text, boolean), twin_internal.incident_of_alert(),
	twin_internal.answer_by_rule(twin_internal.alerts), twin_internal.tell_unanswered(twin_internal.alerts, text, text),
	twin_internal.cancel_actions(text), twin.open_incident(text, jsonb, boolean), twin.approve_incident(text), twin.revert_incident(text),
	twin.close_incident(text, text), twin.note_incident(text, text), twin.assign_incident(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.open_incident(text, jsonb, boolean), twin.approve_incident(text), twin.revert_incident(text),
	twin.close_incident(text, text), twin.note_incident(text, text), twin.assign_incident(text, text) TO twin_admin;

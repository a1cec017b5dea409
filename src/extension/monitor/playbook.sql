/*
 * playbook.sql
 *		Playbooks: what is done about an incident, as rows one may edit. Each is the type of incident that it answers.
 */

/* The steps there are, what each asks to be named in the incident's details, and what it does to each of these. */
CREATE FUNCTION twin_internal.playbook_steps() RETURNS TABLE (step text, action text, list text, arguments text[])
	LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT ROWS 6 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	VALUES ('block_addresses', 'block_address', 'addresses', ARRAY['duration', 'end_sessions']),
		('disable_users', 'disable_user', 'users', ARRAY[]::text[]),
		('end_sessions', 'end_sessions', 'users', ARRAY[]::text[]),
		('enhance_monitoring', 'enhance_monitoring', NULL, ARRAY['duration']),
		('record_event', 'record_event', NULL, ARRAY['event_type', 'severity']),
		('notify', 'notify', NULL, ARRAY['message']);
END;
COMMENT ON FUNCTION twin_internal.playbook_steps() IS 'steps of playbooks: what each does, to each member of which list of the incident''s details, and its arguments';

/* Why a duration cannot be one; null when it can. */
CREATE FUNCTION twin_internal.duration_complaint(given jsonb, longest interval) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF jsonb_typeof(given) <> 'string' OR octet_length(given #>> '{}') > 100 THEN
		RETURN 'is not an interval as text';
	ELSIF (given #>> '{}')::interval NOT BETWEEN interval '1 second' AND longest THEN
		RETURN format('is not between 1 second and %s', longest);
	END IF;
	RETURN NULL;
EXCEPTION WHEN data_exception THEN
	RETURN 'is not an interval';
END
$$;
COMMENT ON FUNCTION twin_internal.duration_complaint(jsonb, interval) IS 'why a value of JSON is no duration of at most so long; null when it is';

/* Why a step of a playbook cannot be one; null when it can. */
CREATE FUNCTION twin_internal.step_complaint(step jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp SET intervalstyle = postgres AS $$
DECLARE
	allowed text[];
	given record;
	complaint text;
BEGIN
	IF jsonb_typeof(step) <> 'object' OR jsonb_typeof(step -> 'step') IS DISTINCT FROM 'string' THEN
		RETURN 'it is not an object with the name of a step';
	END IF;
	SELECT s.arguments INTO allowed FROM twin_internal.playbook_steps() s WHERE s.step = step_complaint.step ->> 'step';
	IF NOT FOUND THEN
		RETURN format('there is no step "%s"', left(step ->> 'step', 64));
	END IF;
	FOR given IN SELECT j.key, j.value FROM jsonb_each(step - 'step') j LOOP
		complaint := CASE
			WHEN given.key <> ALL (allowed) THEN 'is not an argument of this step'
			WHEN given.key = 'duration' THEN
				twin_internal.duration_complaint(given.value, CASE WHEN step ->> 'step' = 'block_addresses' THEN interval '366 days' ELSE interval '31 days' END)
			WHEN given.key = 'end_sessions' AND jsonb_typeof(given.value) <> 'boolean' THEN 'is neither true nor false'
			WHEN given.key = 'event_type' AND (jsonb_typeof(given.value) <> 'string' OR given.value #>> '{}' !~ '^[a-z][a-z0-9_]{0,62}$') THEN 'is no type of event'
			WHEN given.key = 'severity' AND given.value #>> '{}' NOT IN ('info', 'low', 'medium', 'high', 'critical') THEN 'is not one of info, low, medium, high, critical'
			WHEN given.key = 'message' AND (jsonb_typeof(given.value) <> 'string' OR octet_length(given.value #>> '{}') NOT BETWEEN 1 AND 1000) THEN 'is not a text of 1 to 1000 bytes'
		END;
		IF complaint IS NOT NULL THEN
			RETURN format('"%s" %s', left(given.key, 64), complaint);
		END IF;
	END LOOP;
	RETURN CASE WHEN step ->> 'step' = 'record_event' AND step -> 'event_type' IS NULL THEN '"event_type" is missing' END;
END
$$;
COMMENT ON FUNCTION twin_internal.step_complaint(jsonb) IS 'why a value of JSON is no step of a playbook; null when it is';

CREATE TABLE twin.playbooks (
	playbook text COLLATE "C" PRIMARY KEY CHECK (playbook ~ '^[a-z][a-z0-9_]{0,62}$' AND playbook <> 'other'),
	description text,
	severity text NOT NULL DEFAULT 'high' CHECK (severity IN ('info', 'low', 'medium', 'high', 'critical')),
	steps jsonb NOT NULL DEFAULT '[]' CHECK (pg_catalog.jsonb_typeof(steps) = 'array' AND pg_catalog.octet_length(steps::text) <= 20000)
);
COMMENT ON TABLE twin.playbooks IS
	'what is done about incidents, a table one may edit: a playbook is the type of incident that it answers; steps, in order, as {"step": "block_addresses", "duration": "1 hour"}';

CREATE FUNCTION twin_internal.check_playbook() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	bad record;
BEGIN
	IF jsonb_typeof(NEW.steps) IS DISTINCT FROM 'array' THEN
		RAISE EXCEPTION 'steps of playbook "%" are not an array', NEW.playbook USING ERRCODE = '22023';
	ELSIF jsonb_array_length(NEW.steps) > 20 THEN
		RAISE EXCEPTION 'playbook "%" has more than 20 steps', NEW.playbook USING ERRCODE = '22023';
	END IF;
	SELECT s.ordinality, c.complaint INTO bad FROM jsonb_array_elements(NEW.steps) WITH ORDINALITY s
		CROSS JOIN LATERAL (SELECT twin_internal.step_complaint(s.value)) c (complaint) WHERE c.complaint IS NOT NULL ORDER BY 1 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'invalid step % of playbook "%"', bad.ordinality, NEW.playbook
			USING ERRCODE = '22023', DETAIL = bad.complaint || '.',
				HINT = format('Steps are: %s.', (SELECT string_agg(s.step || coalesce(' (' || nullif(array_to_string(s.arguments, ', '), '') || ')', ''), ', ') FROM twin_internal.playbook_steps() s));
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.check_playbook() IS 'refuses a playbook with a step that cannot be taken';
CREATE TRIGGER check_playbook BEFORE INSERT OR UPDATE ON twin.playbooks
	FOR EACH ROW EXECUTE FUNCTION twin_internal.check_playbook();
CREATE TRIGGER require_warrant BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin.playbooks
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.require_warrant();

INSERT INTO twin.playbooks (playbook, description, severity, steps) VALUES
	('brute_force_attack', 'blocks the addresses from which somebody guesses passwords', 'high',
		'[{"step": "block_addresses", "duration": "1 hour"}]'),
	('privilege_escalation', 'disables the users who tried, and ends their sessions', 'critical',
		'[{"step": "disable_users"}, {"step": "end_sessions"}]'),
	('data_breach', 'records every read and decryption of every audited table for a day', 'critical',
		'[{"step": "enhance_monitoring", "duration": "24 hours"}]');

SELECT twin_internal.keep_seeds('twin.playbooks', 'playbook');

CREATE FUNCTION twin_internal.tell_playbooks() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		PERFORM twin_internal.emit_event('playbook_changed', '*', 'truncate', severity => 'high');
	ELSIF TG_OP = 'DELETE' THEN
		PERFORM twin_internal.emit_event('playbook_changed', OLD.playbook, 'delete', severity => 'medium');
	ELSE
		PERFORM twin_internal.emit_event('playbook_changed', NEW.playbook, lower(TG_OP), jsonb_build_object('severity', NEW.severity,
			'steps', (SELECT jsonb_agg(s -> 'step') FROM jsonb_array_elements(NEW.steps) s)), 'medium');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.tell_playbooks() IS 'emits an event for each change of twin.playbooks';
CREATE TRIGGER tell_playbooks AFTER INSERT OR UPDATE OR DELETE ON twin.playbooks
	FOR EACH ROW EXECUTE FUNCTION twin_internal.tell_playbooks();
CREATE TRIGGER tell_playbooks_emptied AFTER TRUNCATE ON twin.playbooks
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tell_playbooks();

REVOKE ALL ON FUNCTION twin_internal.playbook_steps(), twin_internal.duration_complaint(jsonb, interval), twin_internal.step_complaint(jsonb), twin_internal.check_playbook(), twin_internal.tell_playbooks() FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON twin.playbooks TO twin_admin;
GRANT SELECT ON twin.playbooks TO twin_auditor;

/*
 * incident.sql
 *		Incidents: what they are about, what happened to them, what was done. All of it travels with a dump.
 *
 * Alerts open incidents in the writer's process, which must not wait for what somebody left open: so incidents refer to each other by value,
 * numbers are taken with locks that nobody waits for, and an incident that somebody holds is passed by.
 */

CREATE TABLE twin_internal.incidents (
	incident_id text COLLATE "C" PRIMARY KEY CHECK (incident_id ~ '^INC-[0-9]{8}-[0-9]{4,9}$'),
	incident_type text NOT NULL,
	status text NOT NULL CHECK (status IN ('open', 'awaiting_approval', 'contained', 'reverted', 'closed')),
	severity text NOT NULL CHECK (severity IN ('info', 'low', 'medium', 'high', 'critical')),
	opened_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	closed_at timestamptz,
	owner text,
	resolution text,
	steps jsonb NOT NULL,	/* of the playbook as it was then */
	is_automatic boolean NOT NULL,	/* alerts of rules that wait for approval do not join one of those that do not */
	last_alert_at timestamptz,	/* to a minute: an attack does not write this row over and over */
	details jsonb NOT NULL	/* as it was opened; what alerts add is in their entries */
);
COMMENT ON TABLE twin_internal.incidents IS 'incidents, and the steps that each began with';
SELECT twin_internal.keep_from_publishers('twin_internal.incidents');
CREATE INDEX incidents_unsettled ON twin_internal.incidents (incident_type, last_alert_at) WHERE status IN ('open', 'awaiting_approval', 'contained');

CREATE TABLE twin_internal.incident_entries (
	entry_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	incident_id text COLLATE "C" NOT NULL,
	made_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	kind text NOT NULL CHECK (kind IN ('opened', 'alert', 'action', 'approved', 'noted', 'assigned', 'contained', 'reverted', 'closed')),
	made_by text NOT NULL,
	note text NOT NULL,
	details jsonb
);
COMMENT ON TABLE twin_internal.incident_entries IS 'timelines of incidents';
SELECT twin_internal.keep_from_publishers('twin_internal.incident_entries');
COMMENT ON SEQUENCE twin_internal.incident_entries_entry_id_seq IS 'numbers of entries in timelines of incidents';
CREATE INDEX incident_entries_incident_id ON twin_internal.incident_entries (incident_id, entry_id);

/*
 * pending waits for approval; done holds; already: somebody else had done it; refused: it must not be done; failed: it could not be; cancelled: the incident
 * ended before; undone; kept: reverting left it, and note says why; changed: somebody decided otherwise since.
 */
CREATE TABLE twin_internal.incident_actions (
	action_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	incident_id text COLLATE "C" NOT NULL,
	step integer NOT NULL,
	action text NOT NULL,
	target text COLLATE "C" NOT NULL DEFAULT '',
	argument jsonb NOT NULL,
	state text NOT NULL DEFAULT 'pending'
		CHECK (state IN ('pending', 'done', 'already', 'refused', 'failed', 'cancelled', 'undone', 'kept', 'changed')),
	changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	note text,
	kept jsonb,	/* what undoing it needs */
	held jsonb GENERATED ALWAYS AS (coalesce(kept #> '{after,address}', kept -> 'user_id')) STORED,	/* the address or user that it holds */
	failures integer NOT NULL DEFAULT 0,
	again_at timestamptz,	/* when what failed by itself, or waited for it, is tried again by itself; -infinity: a dump brought it, and it is not */
	UNIQUE (incident_id, step, target)
);
COMMENT ON TABLE twin_internal.incident_actions IS 'what playbooks did for incidents, or will when somebody approves';
SELECT twin_internal.keep_from_publishers('twin_internal.incident_actions');
COMMENT ON SEQUENCE twin_internal.incident_actions_action_id_seq IS 'numbers of actions for incidents';
CREATE INDEX incident_actions_in_force ON twin_internal.incident_actions (action, target) WHERE state = 'done';
CREATE INDEX incident_actions_held ON twin_internal.incident_actions (held) WHERE held IS NOT NULL;
CREATE INDEX incident_actions_again ON twin_internal.incident_actions (again_at) WHERE again_at IS NOT NULL;
CREATE INDEX alerts_incident_id ON twin_internal.alerts (incident_id) WHERE incident_id IS NOT NULL;

SELECT pg_catalog.pg_extension_config_dump('twin_internal.incidents', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.incident_entries', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.incident_entries_entry_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.incident_actions', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.incident_actions_action_id_seq', '');

/* Members of an array, and of arrays in another, each once. */
CREATE FUNCTION twin_internal.join_lists(list jsonb, lists jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(jsonb_agg(u.e ORDER BY u.e), '[]') FROM (SELECT jsonb_array_elements(list)
		UNION SELECT jsonb_array_elements(l) FROM jsonb_array_elements(lists) l WHERE jsonb_typeof(l) = 'array') u (e);
END;
COMMENT ON FUNCTION twin_internal.join_lists(jsonb, jsonb) IS 'members of an array, and of the arrays in another, each once';

/* What a query does not ask for is not gathered. */
CREATE VIEW twin.incidents AS
	SELECT i.incident_id, i.incident_type, i.status, i.severity, i.opened_at, i.closed_at, i.owner,
		(SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('at', e.made_at, 'entry', e.kind, 'by', e.made_by, 'note', e.note,
			'details', e.details)) ORDER BY e.entry_id), '[]') FROM twin_internal.incident_entries e WHERE e.incident_id = i.incident_id) AS timeline,
		i.details || (SELECT jsonb_build_object('addresses', twin_internal.join_lists(i.details -> 'addresses', jsonb_agg(e.details -> 'addresses')),
			'users', twin_internal.join_lists(i.details -> 'users', jsonb_agg(e.details -> 'users')))
			FROM twin_internal.incident_entries e WHERE e.incident_id = i.incident_id AND e.kind = 'alert') AS details,
		i.resolution,
		(SELECT count(*) FROM twin_internal.incident_entries e WHERE e.incident_id = i.incident_id AND e.kind = 'alert') AS alerts,
		(SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('action', a.action, 'target', nullif(a.target, ''), 'state', a.state, 'note', a.note,
			'at', a.changed_at)) ORDER BY a.step, a.action_id), '[]') FROM twin_internal.incident_actions a WHERE a.incident_id = i.incident_id) AS actions
	FROM twin_internal.incidents i;
COMMENT ON VIEW twin.incidents IS
	'incidents: status open, awaiting_approval, contained, reverted or closed; timeline tells what happened, and actions what was done, and what would be if somebody approved';
GRANT SELECT ON twin.incidents TO twin_admin, twin_auditor;
/* what a view calls is asked of who reads it */
REVOKE ALL ON FUNCTION twin_internal.join_lists(jsonb, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_internal.join_lists(jsonb, jsonb) TO twin_admin, twin_auditor;

CREATE FUNCTION twin_internal.hold_incident_number(day integer, number integer) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_hold_incident_number';
COMMENT ON FUNCTION twin_internal.hold_incident_number(integer, integer) IS 'takes a number of a day for this transaction, unless another has it; never waits';

CREATE FUNCTION twin_internal.add_incident_entry(incident_id text, kind text, made_by text, note text, details jsonb DEFAULT NULL) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	INSERT INTO twin_internal.incident_entries (incident_id, kind, made_by, note, details) VALUES ($1, $2, $3, $4, $5);
END;
COMMENT ON FUNCTION twin_internal.add_incident_entry(text, text, text, text, jsonb) IS 'adds to the timeline of an incident';

/* The number after the day's last that nobody else is about to take: what is rolled back is given again. */
CREATE FUNCTION twin_internal.add_incident(incident_type text, severity text, steps jsonb, is_automatic boolean, details jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	day text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD');
	number integer;
	made text;
BEGIN
	SELECT coalesce(max(substr(i.incident_id, 14)::integer), 0) INTO number FROM twin_internal.incidents i
		WHERE i.incident_id >= 'INC-' || day || '-' AND i.incident_id < 'INC-' || day || '.';
	LOOP
		number := number + 1;
		CONTINUE WHEN NOT twin_internal.hold_incident_number(day::integer, number);
		made := format('INC-%s-%s', day, lpad(number::text, greatest(4, length(number::text)), '0'));
		INSERT INTO twin_internal.incidents (incident_id, incident_type, status, severity, steps, is_automatic, details)
			VALUES (made, $1, 'open', $2, $3, $4, $5) ON CONFLICT DO NOTHING;
		EXIT WHEN FOUND;
	END LOOP;
	RETURN made;
END
$$;
COMMENT ON FUNCTION twin_internal.add_incident(text, text, jsonb, boolean, jsonb) IS 'an incident with the next id of this day in UTC';

/* The row of an incident that somebody is about to change. */
CREATE FUNCTION twin_internal.hold_incident(named text) RETURNS twin_internal.incidents
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.incidents;
BEGIN
	SELECT i.* INTO held FROM twin_internal.incidents i WHERE i.incident_id = named FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'incident "%" does not exist', left(coalesce(named, ''), 64) USING ERRCODE = '42704', HINT = 'See twin.incidents.';
	END IF;
	RETURN held;
END
$$;
COMMENT ON FUNCTION twin_internal.hold_incident(text) IS 'an incident by its id, locked; raises 42704';

CREATE FUNCTION twin_internal.incident_actor() RETURNS text
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(nullif(twin.current_username(), 'twin_security'), nullif(session_user::text, 'twin_security'), '"twin_security"');
END;
COMMENT ON FUNCTION twin_internal.incident_actor() IS 'who is asking, by the name of the user, else of the login; nobody passes for the extension itself';

/* What somebody wrote: something, and not endless. */
CREATE FUNCTION twin_internal.check_incident_text(what text, given text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF given !~ '[^[:space:]]' IS NOT FALSE OR octet_length(given) > 10000 THEN
		RAISE EXCEPTION 'invalid % of an incident', what USING ERRCODE = '22023', HINT = 'A text is needed, of at most 10000 bytes.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_incident_text(text, text) IS 'raises 22023 for no text, and for one that is too long';

REVOKE ALL ON FUNCTION twin_internal.hold_incident_number(integer, integer), twin_internal.add_incident_entry(text, text, text, text, jsonb),
	twin_internal.add_incident(text, text, jsonb, boolean, jsonb), twin_internal.hold_incident(text), twin_internal.incident_actor(),
	twin_internal.check_incident_text(text, text) FROM PUBLIC;

/*
 * contain.sql
 *		What playbooks do, and how it is undone.
 *
 * Each action is a row before it is done, so what somebody approves is what he saw. Doing one is a subtransaction of its own: what fails is
 * noted, and stops neither the others nor the alert that began it.
 */

/* ---- done ---- */

/* The block that an address is under, with times that compare alike in every session. */
CREATE FUNCTION twin_internal.block_of(address inet) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET enable_seqscan = off SET jit = off AS $$
BEGIN
	/* each network that it lies in is looked for, of which there are a few; blocks may be very many, though there were none when this was planned */
	RETURN (SELECT jsonb_build_object('address', abbrev(b.network::inet), 'from', b.blocked_at, 'until', b.blocked_until, 'reason', b.reason)
		FROM twin_internal.blocks b
		WHERE b.network = ANY (ARRAY(SELECT network(set_masklen(block_of.address, m)) FROM generate_series(0, masklen(block_of.address)) m)) AND b.blocked_until > clock_timestamp()
		ORDER BY masklen(b.network) DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION twin_internal.block_of(inet) IS 'the narrowest block that holds an address; null for none';

/* Whether what an action is for is so, whoever brought it about. */
CREATE FUNCTION twin_internal.action_holds(own twin_internal.incident_actions) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN CASE
		WHEN own.action = 'block_address' THEN twin_internal.block_of(own.target::inet) IS NOT NULL
		WHEN own.action IN ('disable_user', 'end_sessions') THEN (twin_internal.incident_user(own.target)).is_active IS NOT TRUE
		WHEN own.action = 'enhance_monitoring' THEN EXISTS (SELECT FROM twin_internal.enhanced_reads e WHERE e.reason = own.incident_id AND e.until > clock_timestamp())
		ELSE true
	END;
END
$$;
COMMENT ON FUNCTION twin_internal.action_holds(twin_internal.incident_actions) IS 'whether an action need not be repeated for another alert';

/* Who does or undoes something waits for whoever does or undoes the same: of two that hold it, the last sees that he is. */
CREATE FUNCTION twin_internal.lock_incident_target(target text) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_lock_incident_target';
COMMENT ON FUNCTION twin_internal.lock_incident_target(text) IS 'keeps other transactions from doing or undoing to a user or address what incidents do, until this one ends';

CREATE FUNCTION twin_internal.lock_incident_address(address inet) RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	/* of IPv6, those of a /64 are one */
	SELECT twin_internal.lock_incident_target('address ' || text(network(set_masklen(address, least(masklen(address), CASE family(address) WHEN 4 THEN 32 ELSE 64 END)))));
END;
COMMENT ON FUNCTION twin_internal.lock_incident_address(inet) IS 'lock_incident_target() for an address';

/* Incidents that are not settled, but for one, whose action holds the same. */
CREATE FUNCTION twin_internal.other_holder(own twin_internal.incident_actions) RETURNS text
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT min(a.incident_id) FROM twin_internal.incident_actions a JOIN twin_internal.incidents i ON i.incident_id = a.incident_id
		WHERE a.state = 'done' AND a.action = (own).action AND a.incident_id <> (own).incident_id AND i.status NOT IN ('closed', 'reverted')
			AND a.held = (own).held;
END;
COMMENT ON FUNCTION twin_internal.other_holder(twin_internal.incident_actions) IS 'another incident that wants what an action did; null for none';

/* What was before the incidents came: of a block that is theirs, what was before that. */
CREATE FUNCTION twin_internal.block_before_incidents(now_there jsonb) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN a.action_id IS NULL THEN now_there ELSE a.kept -> 'before' END
	FROM (SELECT) one LEFT JOIN LATERAL (SELECT i.action_id, i.kept FROM twin_internal.incident_actions i
		WHERE i.held = now_there -> 'address' AND i.action = 'block_address' AND i.state IN ('done', 'kept') AND i.kept -> 'after' = now_there AND i.kept -> 'before' IS DISTINCT FROM now_there
		ORDER BY i.action_id DESC LIMIT 1) a ON true;
END;
COMMENT ON FUNCTION twin_internal.block_before_incidents(jsonb) IS 'the block that stood before incidents made this one; the same where somebody else did; null for none';

CREATE FUNCTION twin_internal.contain_address(own twin_internal.incident_actions, OUT state text, OUT note text, OUT kept jsonb) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	address inet := own.target::inet;
	duration interval := coalesce((own.argument ->> 'duration')::interval, interval '1 hour');
	before jsonb;
BEGIN
	PERFORM twin_internal.lock_incident_address(address);
	before := twin_internal.block_of(address);
	state := 'done';
	IF (before ->> 'until')::timestamptz >= clock_timestamp() + duration THEN
		note := format('was blocked until %s', before ->> 'until');
	ELSE
		PERFORM twin.block_address(address, duration, 'incident ' || own.incident_id, coalesce((own.argument -> 'end_sessions')::boolean, true));
		note := format('blocked for %s', duration);
	END IF;
	kept := jsonb_build_object('before', twin_internal.block_before_incidents(before), 'after', twin_internal.block_of(address));
END
$$;
COMMENT ON FUNCTION twin_internal.contain_address(twin_internal.incident_actions) IS 'blocks an address for an incident, for longer where it is blocked already';

CREATE FUNCTION twin_internal.contain_user(own twin_internal.incident_actions, OUT state text, OUT note text, OUT kept jsonb) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	disabled twin_internal.users := twin_internal.incident_user(own.target);
	earlier text;
BEGIN
	PERFORM twin_internal.lock_incident_target('user ' || disabled.user_id);
	disabled := twin_internal.incident_user(own.target);
	state := 'done';
	kept := jsonb_build_object('user_id', disabled.user_id);
	IF disabled.is_active THEN
		PERFORM twin.disable_user(own.target);
		note := 'disabled';
		RETURN;
	END IF;
	SELECT max(a.incident_id) INTO earlier FROM twin_internal.incident_actions a
		WHERE a.held = to_jsonb(disabled.user_id) AND a.action = 'disable_user' AND a.state = 'done';
	IF earlier IS NULL THEN
		state := 'already';
	END IF;
	note := 'was disabled' || coalesce(' for ' || earlier, '');
END
$$;
COMMENT ON FUNCTION twin_internal.contain_user(twin_internal.incident_actions) IS 'disables a user for an incident, and ends his sessions';

CREATE FUNCTION twin_internal.take_action(own twin_internal.incident_actions, OUT state text, OUT note text, OUT kept jsonb) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	of_incident twin_internal.incidents;
	told bigint;
BEGIN
	SELECT i.* INTO STRICT of_incident FROM twin_internal.incidents i WHERE i.incident_id = own.incident_id;
	state := 'done';
	note := twin_internal.refusal_of(own.action, own.target, '{}');
	IF note IS NOT NULL THEN
		state := 'refused';
	ELSIF own.action = 'block_address' THEN
		SELECT c.* INTO state, note, kept FROM twin_internal.contain_address(own) c;
	ELSIF own.action = 'disable_user' THEN
		SELECT c.* INTO state, note, kept FROM twin_internal.contain_user(own) c;
	ELSIF own.action = 'end_sessions' THEN
		PERFORM twin.end_sessions(own.target);
		note := 'logged out everywhere';
	ELSIF own.action = 'enhance_monitoring' THEN
		note := 'every read of every audited table is recorded until '
			|| twin_internal.enhance_reads(own.incident_id, coalesce((own.argument ->> 'duration')::interval, interval '24 hours'))::text;
	ELSIF own.action = 'record_event' THEN
		note := format('event %s', twin.record_event(own.argument ->> 'event_type', coalesce(own.argument ->> 'severity', of_incident.severity), action => 'playbook',
			resource => own.incident_id, details => jsonb_build_object('incident_type', of_incident.incident_type)));
	ELSIF own.action = 'notify' THEN
		told := twin_internal.raise_alert('incident', of_incident.severity, NULL, 1, '{}', jsonb_build_object('incident_id', own.incident_id,
			'incident_type', of_incident.incident_type, 'message', coalesce(own.argument ->> 'message', 'an incident was opened')));
		UPDATE twin_internal.alerts a SET incident_id = own.incident_id WHERE a.alert_id = told;
		note := format('alert %s', told);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.take_action(twin_internal.incident_actions) IS 'does what an action says, or says why it must not';

/*
 * By itself, which is in the writer of events, this waits for what somebody holds once, and works for a second: the rest is left for a round of its
 * own, which begins with what no round came to, so that nobody stops a playbook by holding what is first in it.
 */
CREATE FUNCTION twin_internal.take_actions(of_incident text, made_by text, states text[], only_due boolean DEFAULT false) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	own twin_internal.incident_actions;
	result_state text;
	result_note text;
	result_kept jsonb;
	began timestamptz := clock_timestamp();
	leaves_rest boolean := false;
BEGIN
	FOR own IN SELECT a.* FROM twin_internal.incident_actions a
		WHERE a.incident_id = of_incident AND a.state = ANY (states) AND (NOT only_due OR a.again_at <= clock_timestamp())
		ORDER BY a.state = 'failed' AND only_due, a.step, a.target
	LOOP
		BEGIN
			SELECT t.state, t.note, t.kept INTO result_state, result_note, result_kept FROM twin_internal.take_action(own) t;
		EXCEPTION WHEN OTHERS THEN
			result_state := 'failed';
			result_note := left(SQLERRM, 1000);
			result_kept := NULL;
			leaves_rest := made_by = 'twin_security' AND SQLSTATE IN ('55P03', '40P01');
		END;
		PERFORM twin_internal.note_action(own, result_state, result_note, result_kept, made_by);
		leaves_rest := leaves_rest OR made_by = 'twin_security' AND clock_timestamp() > began + interval '1 second';
		EXIT WHEN leaves_rest;
	END LOOP;
	IF leaves_rest THEN
		UPDATE twin_internal.incident_actions a SET again_at = clock_timestamp() WHERE a.incident_id = of_incident AND a.state = 'pending';
	END IF;
	PERFORM twin_internal.settle_incident(of_incident, made_by);
END
$$;
COMMENT ON FUNCTION twin_internal.take_actions(text, text, text[], boolean) IS 'does those actions of an incident that are in certain states, all or those that are due; by itself until it has to wait for somebody, or a second is over';

CREATE FUNCTION twin_internal.note_action(own twin_internal.incident_actions, state text, note text, kept jsonb, made_by text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE twin_internal.incident_actions a SET state = note_action.state, note = note_action.note, kept = coalesce(note_action.kept, a.kept), changed_at = clock_timestamp(),
			failures = a.failures + (note_action.state = 'failed')::integer,
			again_at = CASE WHEN note_action.state = 'failed' AND made_by = 'twin_security' AND a.failures < 5 THEN clock_timestamp() + interval '5 seconds' * 4 ^ a.failures END
		WHERE a.action_id = own.action_id;
	PERFORM twin_internal.add_incident_entry(own.incident_id, 'action', made_by, concat_ws(' ', own.action, nullif(own.target, '')) || ': ' || note,
		jsonb_build_object('action', own.action, 'target', nullif(own.target, ''), 'state', state));
	PERFORM twin_internal.emit_event('incident_action', own.incident_id, own.action, jsonb_build_object('target', own.target, 'state', state, 'note', left(note, 200)),
		CASE WHEN state IN ('refused', 'failed') THEN 'high' ELSE 'medium' END);
END
$$;
COMMENT ON FUNCTION twin_internal.note_action(twin_internal.incident_actions, text, text, jsonb, text) IS 'what became of an action: in its row, the timeline, and the log of events';

/* Contained is an incident of whose playbook nothing is left to a person. */
CREATE FUNCTION twin_internal.settle_incident(of_incident text, made_by text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	is_contained boolean := (SELECT bool_and(a.state IN ('done', 'already', 'undone', 'changed')) FROM twin_internal.incident_actions a WHERE a.incident_id = of_incident);
	was_contained boolean := (SELECT i.status = 'contained' FROM twin_internal.incidents i WHERE i.incident_id = of_incident);
BEGIN
	UPDATE twin_internal.incidents i SET status = CASE WHEN is_contained THEN 'contained' ELSE 'open' END
		WHERE i.incident_id = of_incident AND i.status <> CASE WHEN is_contained THEN 'contained' ELSE 'open' END;
	IF is_contained AND NOT was_contained THEN
		PERFORM twin_internal.add_incident_entry(of_incident, 'contained', made_by, 'everything that the playbook asks for is done');
		PERFORM twin_internal.emit_event('incident_contained', of_incident, 'contain', severity => 'medium');
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.settle_incident(text, text) IS 'the status of an incident whose actions were taken';

/*
 * Five times within half an hour: what a playbook could not do by itself, because somebody was in its way; and at once what it did not come to.
 * One incident at a time, events are written in between; one that somebody is at work on keeps no other waiting.
 */
CREATE FUNCTION twin_internal.take_actions_again() RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp SET lock_timeout = '400ms' AS $$
DECLARE
	held record;
BEGIN
	FOR held IN SELECT i.incident_id, i.status FROM twin_internal.incidents i JOIN (
			SELECT a.incident_id, min(a.again_at) AS at FROM twin_internal.incident_actions a WHERE a.again_at <= clock_timestamp() AND a.again_at > '-infinity'
			GROUP BY a.incident_id) due ON due.incident_id = i.incident_id
		ORDER BY due.at LIMIT 1 FOR UPDATE OF i SKIP LOCKED
	LOOP
		IF held.status IN ('closed', 'reverted') THEN
			UPDATE twin_internal.incident_actions a SET again_at = NULL WHERE a.incident_id = held.incident_id AND a.again_at IS NOT NULL;
		ELSE
			PERFORM twin_internal.take_actions(held.incident_id, 'twin_security', '{pending,failed}', only_due => true);
		END IF;
	END LOOP;
	RETURN (SELECT min(a.again_at) FROM twin_internal.incident_actions a WHERE a.again_at > '-infinity');
END
$$;
COMMENT ON FUNCTION twin_internal.take_actions_again() IS 'tries again what failed by itself and is due; returns when more will be';

/* ---- restored ---- */

/*
 * A dump brings what its database was about to try again: that database tries it, and its copy does not. Which is told when the timelines are
 * there, and the sequence that numbers their entries.
 */
CREATE FUNCTION twin_internal.leave_to_original() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF twin_internal.is_bringing_rows() THEN
		NEW.again_at := '-infinity';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.leave_to_original() IS 'marks what a dump brings that would be tried again by itself';
CREATE TRIGGER leave_to_original BEFORE INSERT ON twin_internal.incident_actions
	FOR EACH ROW WHEN (NEW.again_at IS NOT NULL) EXECUTE FUNCTION twin_internal.leave_to_original();
ALTER TABLE twin_internal.incident_actions ENABLE ALWAYS TRIGGER leave_to_original;

CREATE FUNCTION twin_internal.note_restored_actions() RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	own record;
BEGIN
	IF NOT EXISTS (SELECT FROM twin_internal.incident_actions a WHERE a.again_at = '-infinity') THEN
		RETURN NULL;
	END IF;
	FOR own IN SELECT i.incident_id FROM twin_internal.incidents i
		WHERE EXISTS (SELECT FROM twin_internal.incident_actions a WHERE a.incident_id = i.incident_id AND a.again_at = '-infinity')
			AND EXISTS (SELECT FROM twin_internal.incident_entries e WHERE e.incident_id = i.incident_id)
			AND (SELECT max(e.entry_id) FROM twin_internal.incident_entries e) <= (SELECT s.last_value FROM twin_internal.incident_entries_entry_id_seq s WHERE s.is_called)
		LIMIT 100 FOR UPDATE OF i SKIP LOCKED
	LOOP
		UPDATE twin_internal.incident_actions a SET again_at = NULL, state = CASE a.state WHEN 'pending' THEN 'failed' ELSE a.state END
			WHERE a.incident_id = own.incident_id AND a.again_at = '-infinity';
		PERFORM twin_internal.add_incident_entry(own.incident_id, 'noted', 'twin_security', 'a dump brought this incident: what failed is not tried again by itself');
	END LOOP;
	RETURN clock_timestamp() + interval '10 seconds';
END
$$;
COMMENT ON FUNCTION twin_internal.note_restored_actions() IS 'tells in the timelines of incidents that a dump brought what is not tried again; returns when to look again, null when there is nothing left';

/* ---- undone ---- */

CREATE FUNCTION twin_internal.release_address(own twin_internal.incident_actions, OUT state text, OUT note text) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	address inet := own.kept #>> '{after,address}';
	now_there jsonb := twin_internal.block_of(address);
	before jsonb := nullif(own.kept -> 'before', 'null');
	is_ours boolean := EXISTS (SELECT FROM twin_internal.incident_actions a
		WHERE a.held = now_there -> 'address' AND a.action = 'block_address' AND a.kept -> 'after' = now_there AND a.kept -> 'before' IS DISTINCT FROM now_there);
BEGIN
	state := 'undone';
	IF now_there IS NULL OR now_there -> 'address' <> own.kept #> '{after,address}' THEN
		note := 'the block is over';
	ELSIF now_there = before THEN
		note := 'stays blocked, as it was before';
	ELSIF NOT is_ours THEN
		state := 'kept';
		note := 'stays blocked: somebody changed the block since';
	ELSE
		PERFORM twin.unblock_address(address);
		note := 'unblocked';
		IF before -> 'address' = own.kept #> '{after,address}' AND (before ->> 'until')::timestamptz > clock_timestamp() + interval '1 second' THEN
			PERFORM twin.block_address(address, (before ->> 'until')::timestamptz - clock_timestamp(), before ->> 'reason', false);
			note := format('blocked until %s, as it was before', before ->> 'until');
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.release_address(twin_internal.incident_actions) IS 'undoes an incident''s block, and none that somebody else made before or since';

CREATE FUNCTION twin_internal.undo_action(own twin_internal.incident_actions, OUT state text, OUT note text) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	holder text;
	named text;
BEGIN
	PERFORM twin_internal.lock_incident_address((own.kept #>> '{after,address}')::inet), twin_internal.lock_incident_target('user ' || (own.kept ->> 'user_id'));
	holder := twin_internal.other_holder(own);
	state := 'kept';
	IF holder IS NOT NULL THEN
		note := format('left as it is for %s', holder);
	ELSIF own.action = 'block_address' THEN
		SELECT r.* INTO state, note FROM twin_internal.release_address(own) r;
	ELSIF own.action = 'disable_user' THEN
		SELECT u.username INTO named FROM twin_internal.users u WHERE u.user_id = (own.kept -> 'user_id')::bigint;
		IF NOT FOUND THEN
			note := 'the user is gone';
		ELSE
			PERFORM twin.enable_user(named);
			state := 'undone';
			note := 'enabled';
		END IF;
	ELSIF own.action = 'enhance_monitoring' THEN
		state := 'undone';
		note := CASE WHEN twin_internal.restore_reads(own.incident_id) THEN 'reads are recorded as they were before' ELSE 'was over' END;
	ELSE
		note := 'cannot be undone';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.undo_action(twin_internal.incident_actions) IS 'undoes an action, unless somebody else wants what it did';

/* What somebody decides of a user counts from then on, whatever incidents did before. */
CREATE FUNCTION twin_internal.note_user_decided() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE twin_internal.incident_actions a SET state = 'changed', note = CASE WHEN NEW.is_active THEN 'was enabled since' ELSE 'was disabled by somebody since' END, changed_at = clock_timestamp()
		WHERE a.held = to_jsonb(NEW.user_id) AND a.action = 'disable_user' AND a.state = 'done';
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.note_user_decided() IS 'notes where somebody enables or disables a user whom an incident disabled';
CREATE TRIGGER note_user_decided AFTER UPDATE OF is_active ON twin_internal.users
	FOR EACH ROW EXECUTE FUNCTION twin_internal.note_user_decided();

REVOKE ALL ON FUNCTION twin_internal.action_holds(twin_internal.incident_actions), twin_internal.block_of(inet), twin_internal.lock_incident_target(text), twin_internal.lock_incident_address(inet),
	twin_internal.other_holder(twin_internal.incident_actions), twin_internal.block_before_incidents(jsonb),
	twin_internal.contain_address(twin_internal.incident_actions), twin_internal.contain_user(twin_internal.incident_actions),
	twin_internal.take_action(twin_internal.incident_actions), twin_internal.take_actions(text, text, text[], boolean), twin_internal.take_actions_again(),
	twin_internal.leave_to_original(), twin_internal.note_restored_actions(),
	twin_internal.note_action(twin_internal.incident_actions, text, text, jsonb, text), twin_internal.settle_incident(text, text),
	twin_internal.release_address(twin_internal.incident_actions), twin_internal.undo_action(twin_internal.incident_actions), twin_internal.note_user_decided() FROM PUBLIC;

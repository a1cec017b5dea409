/*
 * follow.sql
 *		What becomes due by itself, for the writer's process to call: the end of enhanced monitoring, which the clock brought already and which
 *		is told here; what a playbook tries again; alerts that something kept from being answered; channels that came or went; deliveries that
 *		are forgotten.
 */

CREATE FUNCTION twin_internal.end_enhanced_monitoring() RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	reason text;
BEGIN
	FOR reason IN DELETE FROM twin_internal.enhanced_reads e USING (
			SELECT o.reason FROM twin_internal.enhanced_reads o WHERE o.until <= clock_timestamp() FOR UPDATE SKIP LOCKED) o
		WHERE e.reason = o.reason RETURNING e.reason
	LOOP
		UPDATE twin_internal.incident_actions a SET state = 'undone', note = 'the time was over', changed_at = clock_timestamp()
			WHERE a.incident_id = reason AND a.action = 'enhance_monitoring' AND a.state = 'done';
		IF FOUND THEN
			PERFORM twin_internal.add_incident_entry(reason, 'action', 'twin_security', 'enhance_monitoring: the time was over, reads are recorded as they were before');
		END IF;
	END LOOP;
	RETURN (SELECT min(e.until) FROM twin_internal.enhanced_reads e);
END
$$;
COMMENT ON FUNCTION twin_internal.end_enhanced_monitoring() IS 'notes for which incidents enhanced monitoring is over; returns when the next will be';

/* The first that still meets what was in the way ends the round. */
CREATE FUNCTION twin_internal.answer_alerts_again() RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	alert twin_internal.alerts;
BEGIN
	FOR alert IN SELECT a.* FROM twin_internal.alerts a WHERE a.answer_at <= clock_timestamp() ORDER BY a.answer_at, a.alert_id LIMIT 16 FOR UPDATE SKIP LOCKED LOOP
		BEGIN
			UPDATE twin_internal.alerts a SET answer_at = NULL WHERE a.alert_id = alert.alert_id;
			PERFORM twin_internal.answer_by_rule(alert);
		EXCEPTION
			WHEN lock_not_available OR transaction_rollback OR insufficient_resources THEN
				IF alert.raised_at > clock_timestamp() - interval '6 hours' THEN
					UPDATE twin_internal.alerts a SET answer_at = clock_timestamp() + least((clock_timestamp() - a.raised_at) / 2, interval '8 seconds')
						WHERE a.alert_id = alert.alert_id;
				ELSE
					UPDATE twin_internal.alerts a SET answer_at = NULL WHERE a.alert_id = alert.alert_id;
					PERFORM twin_internal.tell_unanswered(alert, SQLSTATE, SQLERRM);
				END IF;
				EXIT;
			WHEN OTHERS THEN
				UPDATE twin_internal.alerts a SET answer_at = NULL WHERE a.alert_id = alert.alert_id;
				PERFORM twin_internal.tell_unanswered(alert, SQLSTATE, SQLERRM);
		END;
	END LOOP;
	RETURN (SELECT min(a.answer_at) FROM twin_internal.alerts a WHERE a.answer_at IS NOT NULL);
END
$$;
COMMENT ON FUNCTION twin_internal.answer_alerts_again() IS 'opens incidents of alerts that something was in the way of, for six hours; returns when more will be due';

CREATE FUNCTION twin_internal.follow_incidents() RETURNS timestamptz
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT least(twin_internal.end_enhanced_monitoring(), twin_internal.note_restored_actions(), twin_internal.take_actions_again(),
		twin_internal.answer_alerts_again(), twin_internal.settle_channels());
END;
COMMENT ON FUNCTION twin_internal.follow_incidents() IS 'does what is due for incidents; returns when something will be again';

/* For people who ask they are kept longer than an alert can be worth telling; a dead one may be told yet. */
CREATE FUNCTION twin_internal.forget_deliveries() RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	kept record;
	next_at timestamptz;
BEGIN
	FOR kept IN SELECT * FROM (VALUES ('delivered', interval '90 days'), ('dead', interval '1 year')) k (state, time) LOOP
		DELETE FROM twin_internal.alert_deliveries d WHERE d.delivery_id = ANY (ARRAY(
			SELECT o.delivery_id FROM twin_internal.alert_deliveries o WHERE o.state = kept.state AND o.state <> 'pending' AND o.worth_since < clock_timestamp() - kept.time
				ORDER BY o.worth_since LIMIT 1000 FOR UPDATE SKIP LOCKED));
		next_at := least(next_at, (SELECT min(d.worth_since) FROM twin_internal.alert_deliveries d WHERE d.state = kept.state AND d.state <> 'pending') + kept.time);
	END LOOP;
	RETURN next_at;
END
$$;
COMMENT ON FUNCTION twin_internal.forget_deliveries() IS 'deletes delivered deliveries that were worth telling ninety days ago, and dead ones after a year, some at a time; returns when the next will be';

CREATE FUNCTION twin_internal.follow_deliveries() RETURNS timestamptz
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT least(twin_internal.forget_deliveries(), twin_internal.add_up_tallies());
END;
COMMENT ON FUNCTION twin_internal.follow_deliveries() IS 'does what is due for deliveries and for tallies; returns when something will be again';

REVOKE ALL ON FUNCTION twin_internal.end_enhanced_monitoring(), twin_internal.answer_alerts_again(), twin_internal.follow_incidents(),
	twin_internal.forget_deliveries(), twin_internal.follow_deliveries() FROM PUBLIC;

/*
 * follow.sql
 *		What becomes due by itself, for the writer's process to call: the end of enhanced monitoring, which the clock brought already and which
 *		is told here; and what a playbook tries again.
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

CREATE FUNCTION twin_internal.follow_incidents() RETURNS timestamptz
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT least(twin_internal.end_enhanced_monitoring(), twin_internal.note_restored_actions(), twin_internal.take_actions_again());
END;
COMMENT ON FUNCTION twin_internal.follow_incidents() IS 'does what is due for incidents; returns when something will be again';

REVOKE ALL ON FUNCTION twin_internal.end_enhanced_monitoring(), twin_internal.follow_incidents() FROM PUBLIC;

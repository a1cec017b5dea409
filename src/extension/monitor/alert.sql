/*
 * alert.sql
 *		How an alert comes into being, whoever finds the reason. Parts of the monitor that follow (deliveries, incidents)
 *		are triggers on twin_internal.alerts.
 *
 * NOTIFY takes a lock of the whole cluster when its transaction commits, and needs room in a queue that any session can
 * fill: so no alert depends on it. The writer of events announces alerts afterwards, in a transaction of its own. A queue that
 * was full stays so for NOTIFY, whoever has read it meanwhile, until somebody asks how full it is.
 */

/* Anybody may listen: no subject. */
CREATE FUNCTION twin_internal.announce_alert(alert twin_internal.alerts) RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pg_notify('twin_alerts', jsonb_build_object('alert_id', (alert).alert_id, 'rule_name', (alert).rule_name, 'severity', (alert).severity)::text);
END;
COMMENT ON FUNCTION twin_internal.announce_alert(twin_internal.alerts) IS 'NOTIFY twin_alerts';

CREATE FUNCTION twin_internal.raise_alert(rule_name text, severity text, subject text, count bigint, event_ids bigint[], details jsonb DEFAULT '{}',
	event_time timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	raised twin_internal.alerts%ROWTYPE;
BEGIN
	INSERT INTO twin_internal.alerts (rule_name, severity, subject, count, event_ids, details, event_time)
		VALUES (raise_alert.rule_name, raise_alert.severity, raise_alert.subject, raise_alert.count, raise_alert.event_ids, raise_alert.details,
			coalesce(raise_alert.event_time, clock_timestamp()))
		RETURNING * INTO raised;
	PERFORM twin_internal.emit_event('alert_raised', raised.rule_name, 'alert',
		jsonb_build_object('alert_id', raised.alert_id, 'subject', raised.subject, 'count', raised.count), raised.severity);
	IF twin_internal.is_preloaded() THEN
		INSERT INTO twin_internal.unannounced_alerts (alert_id) VALUES (raised.alert_id);
	ELSE
		PERFORM twin_internal.announce_alert(raised);
	END IF;
	RETURN raised.alert_id;
END
$$;
COMMENT ON FUNCTION twin_internal.raise_alert(text, text, text, bigint, bigint[], jsonb, timestamptz) IS 'an alert: its row, the event alert_raised, and that it is announced';

/* The lock is taken at the commit, after this function: the writer does not wait long for whoever has it. */
CREATE FUNCTION twin_internal.announce_alerts(max_alerts integer) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	first bigint;
	announced bigint := 0;
BEGIN
	PERFORM set_config('lock_timeout', '50ms', true);
	FOR first IN DELETE FROM twin_internal.unannounced_alerts u
		USING (SELECT w.alert_id FROM twin_internal.unannounced_alerts w ORDER BY w.alert_id LIMIT max_alerts FOR UPDATE SKIP LOCKED) w
		WHERE u.alert_id = w.alert_id RETURNING u.alert_id
	LOOP
		PERFORM twin_internal.announce_alert(a) FROM twin_internal.alerts a WHERE a.alert_id = first;
		announced := announced + 1;
	END LOOP;
	IF announced > 0 THEN
		PERFORM pg_notification_queue_usage();
	END IF;
	RETURN announced;
END
$$;
COMMENT ON FUNCTION twin_internal.announce_alerts(integer) IS 'announces the first alerts that were not; how many there were';

REVOKE ALL ON FUNCTION twin_internal.announce_alert(twin_internal.alerts), twin_internal.announce_alerts(integer),
	twin_internal.raise_alert(text, text, text, bigint, bigint[], jsonb, timestamptz) FROM PUBLIC;

/*
 * alert.sql
 *		How an alert comes into being, whoever finds the reason. Parts of the monitor that follow (deliveries, incidents)
 *		are triggers on twin_internal.alerts.
 */

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
	/* anybody may listen: no subject */
	PERFORM pg_notify('twin_alerts', jsonb_build_object('alert_id', raised.alert_id, 'rule_name', raised.rule_name, 'severity', raised.severity)::text);
	RETURN raised.alert_id;
END
$$;
COMMENT ON FUNCTION twin_internal.raise_alert(text, text, text, bigint, bigint[], jsonb, timestamptz) IS 'an alert: its row, the event alert_raised, NOTIFY twin_alerts';

REVOKE ALL ON FUNCTION twin_internal.raise_alert(text, text, text, bigint, bigint[], jsonb, timestamptz) FROM PUBLIC;

/* A publication of all tables has the publisher's alerts in it. */
CREATE FUNCTION twin_internal.keep_own_alerts() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_keep_own_alerts';
COMMENT ON FUNCTION twin_internal.keep_own_alerts() IS 'lets no subscription bring, change or remove alerts: a database has those of its own log';
CREATE TRIGGER keep_own_alerts BEFORE INSERT OR UPDATE OR DELETE ON twin_internal.alerts
	FOR EACH ROW EXECUTE FUNCTION twin_internal.keep_own_alerts();
ALTER TABLE twin_internal.alerts ENABLE ALWAYS TRIGGER keep_own_alerts;
REVOKE ALL ON FUNCTION twin_internal.keep_own_alerts() FROM PUBLIC;

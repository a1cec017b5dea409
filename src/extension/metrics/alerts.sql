/*
 * alerts.sql
 *		Alerts by rule and severity, counted as they are raised: nobody counts the rows of twin_internal.alerts, of which
 *		whoever attacks decides how many there are. Not dumped: a restore raises the alerts again that it brings.
 */

CREATE TABLE twin_internal.alert_counts (
	rule_name text NOT NULL,
	severity text NOT NULL,
	alerts bigint NOT NULL,
	PRIMARY KEY (rule_name, severity)
) WITH (fillfactor = 50);
COMMENT ON TABLE twin_internal.alert_counts IS 'how many alerts were ever raised';

CREATE FUNCTION twin_internal.count_alerts() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO twin_internal.alert_counts AS c (rule_name, severity, alerts)
		SELECT r.rule_name, r.severity, count(*) FROM raised r GROUP BY r.rule_name, r.severity ORDER BY r.rule_name, r.severity
		ON CONFLICT (rule_name, severity) DO UPDATE SET alerts = c.alerts + EXCLUDED.alerts;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.count_alerts() IS 'adds alerts that are being raised to twin_internal.alert_counts';
CREATE TRIGGER count_alerts AFTER INSERT ON twin_internal.alerts
	REFERENCING NEW TABLE AS raised FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.count_alerts();

CREATE FUNCTION twin_internal.metrics_of_alerts() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'twin_security_alerts', ARRAY['rule', rule_name, 'severity', coalesce(c.severity, r.severity)], coalesce(c.alerts, 0)::double precision
		FROM twin.alert_rules r FULL JOIN twin_internal.alert_counts c USING (rule_name);
END;
COMMENT ON FUNCTION twin_internal.metrics_of_alerts() IS 'alerts by rule and severity, rules that raised none included';

REVOKE ALL ON FUNCTION twin_internal.count_alerts(), twin_internal.metrics_of_alerts() FROM PUBLIC;

/*
 * alerts.sql
 *		Alerts by rule and severity, counted as they are raised: nobody counts the rows of twin_internal.alerts, of which
 *		whoever attacks decides how many there are. Not dumped: a restore raises the alerts again that it brings.
 *
 * Each statement adds a row of its own, so that nobody who raises an alert waits for somebody else's open transaction;
 * now and then one of them adds up those of before.
 */

CREATE TABLE twin_internal.alert_counts (
	rule_name text NOT NULL,
	severity text NOT NULL,
	alerts bigint NOT NULL
);
COMMENT ON TABLE twin_internal.alert_counts IS 'how many alerts were ever raised: of each rule and severity the sum of its rows';
SELECT twin_internal.keep_from_publishers('twin_internal.alert_counts');

CREATE FUNCTION twin_internal.count_alerts() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO twin_internal.alert_counts (rule_name, severity, alerts)
		SELECT r.rule_name, r.severity, count(*) FROM raised r GROUP BY r.rule_name, r.severity;
	/* elsewhere it could fail for what others did meanwhile */
	IF random() < 0.02 AND current_setting('transaction_isolation') = 'read committed' THEN
		WITH parts AS (
			DELETE FROM twin_internal.alert_counts c
				WHERE c.ctid = ANY (ARRAY(SELECT p.ctid FROM twin_internal.alert_counts p LIMIT 10000 FOR UPDATE SKIP LOCKED))
				RETURNING c.rule_name, c.severity, c.alerts)
		INSERT INTO twin_internal.alert_counts (rule_name, severity, alerts)
			SELECT p.rule_name, p.severity, sum(p.alerts) FROM parts p GROUP BY p.rule_name, p.severity;
	END IF;
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
		FROM twin.alert_rules r FULL JOIN
			(SELECT p.rule_name, p.severity, sum(p.alerts) AS alerts FROM twin_internal.alert_counts p GROUP BY p.rule_name, p.severity) c USING (rule_name);
END;
COMMENT ON FUNCTION twin_internal.metrics_of_alerts() IS 'alerts by rule and severity, rules that raised none included';

REVOKE ALL ON FUNCTION twin_internal.count_alerts(), twin_internal.metrics_of_alerts() FROM PUBLIC;

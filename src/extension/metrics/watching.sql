/*
 * watching.sql
 *		What the monitor's rooms did: alerts, blocks, incidents, deliveries, profiles. A source for each, so that one that
 *		fails takes no other along.
 */

INSERT INTO twin_internal.metric_sources VALUES ('alerts'), ('blocks'), ('deliveries'), ('incidents'), ('profiles');

INSERT INTO twin_internal.metric_families (family, kind, unit, help) VALUES
	('twin_security_alerts', 'counter', NULL, 'Alerts raised by rule and severity, since the extension was made.'),
	('twin_security_blocked_addresses', 'gauge', NULL, 'Addresses and networks that are blocked.'),
	('twin_security_incidents', 'gauge', NULL, 'Incidents by status.'),
	('twin_security_alert_deliveries', 'gauge', NULL, 'Deliveries of alerts by state, those that are kept.'),
	('twin_security_access_profiles', 'gauge', NULL, 'Users whose usual access has been learned.');

CREATE FUNCTION twin_internal.metrics_of_alerts() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'twin_security_alerts', coalesce(t.labels, ARRAY['rule', r.rule_name, 'severity', r.severity]), coalesce(t.alerts, 0)::double precision
		FROM twin.alert_rules r FULL JOIN
			(SELECT a.labels, sum(a.amount) AS alerts FROM twin_internal.tallies a WHERE a.tally = 'alerts' GROUP BY a.labels) t ON t.labels[2] = r.rule_name;
END;
COMMENT ON FUNCTION twin_internal.metrics_of_alerts() IS 'alerts by rule and severity, rules that raised none included';

CREATE FUNCTION twin_internal.metrics_of_blocks() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'twin_security_blocked_addresses', '{}'::text[], count(*)::double precision FROM twin.blocked_addresses;
END;
COMMENT ON FUNCTION twin_internal.metrics_of_blocks() IS 'blocked addresses';

CREATE FUNCTION twin_internal.metrics_of_incidents() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'twin_security_incidents', ARRAY['status', coalesce(i.status, s.status)], count(i.status)::double precision
		FROM unnest(ARRAY['open', 'awaiting_approval', 'contained', 'reverted', 'closed']) s(status) FULL JOIN twin.incidents i USING (status) GROUP BY coalesce(i.status, s.status);
END;
COMMENT ON FUNCTION twin_internal.metrics_of_incidents() IS 'incidents';

CREATE FUNCTION twin_internal.metrics_of_deliveries() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'twin_security_alert_deliveries', ARRAY['state', s.state], coalesce(t.deliveries, 0)::double precision
		FROM unnest(ARRAY['pending', 'delivered', 'dead']) s(state) LEFT JOIN
			(SELECT d.labels, sum(d.amount) AS deliveries FROM twin_internal.tallies d WHERE d.tally = 'deliveries' GROUP BY d.labels) t ON t.labels[2] = s.state;
END;
COMMENT ON FUNCTION twin_internal.metrics_of_deliveries() IS 'deliveries of alerts';

CREATE FUNCTION twin_internal.metrics_of_profiles() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'twin_security_access_profiles', '{}'::text[], count(*)::double precision FROM twin.access_profiles;
END;
COMMENT ON FUNCTION twin_internal.metrics_of_profiles() IS 'learned profiles of access';

REVOKE ALL ON FUNCTION twin_internal.metrics_of_alerts(), twin_internal.metrics_of_blocks(), twin_internal.metrics_of_incidents(), twin_internal.metrics_of_deliveries(),
	twin_internal.metrics_of_profiles() FROM PUBLIC;

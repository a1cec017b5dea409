/*
 * watching.sql
 *		What the monitor's rooms did: blocks, incidents, deliveries, profiles. A source for each, so that one that fails
 *		takes no other along.
 */

INSERT INTO twin_internal.metric_sources VALUES ('blocks'), ('deliveries'), ('incidents'), ('profiles');

INSERT INTO twin_internal.metric_families (family, kind, unit, help) VALUES
	('twin_security_blocked_addresses', 'gauge', NULL, 'Addresses and networks that are blocked.'),
	('twin_security_incidents', 'gauge', NULL, 'Incidents by status.'),
	('twin_security_alert_deliveries', 'gauge', NULL, 'Deliveries of alerts by state.'),
	('twin_security_access_profiles', 'gauge', NULL, 'Users whose usual access has been learned.');

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
		FROM unnest(ARRAY['open', 'contained', 'closed']) s(status) FULL JOIN twin.incidents i USING (status) GROUP BY coalesce(i.status, s.status);
END;
COMMENT ON FUNCTION twin_internal.metrics_of_incidents() IS 'incidents';

CREATE FUNCTION twin_internal.metrics_of_deliveries() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'twin_security_alert_deliveries', ARRAY['state', s.state], count(d.state)::double precision
		FROM unnest(ARRAY['pending', 'delivered', 'dead']) s(state) LEFT JOIN twin.alert_deliveries d USING (state) GROUP BY s.state;
END;
COMMENT ON FUNCTION twin_internal.metrics_of_deliveries() IS 'deliveries of alerts';

CREATE FUNCTION twin_internal.metrics_of_profiles() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'twin_security_access_profiles', '{}'::text[], count(*)::double precision FROM twin.access_profiles;
END;
COMMENT ON FUNCTION twin_internal.metrics_of_profiles() IS 'learned profiles of access';

REVOKE ALL ON FUNCTION twin_internal.metrics_of_blocks(), twin_internal.metrics_of_incidents(), twin_internal.metrics_of_deliveries(),
	twin_internal.metrics_of_profiles() FROM PUBLIC;

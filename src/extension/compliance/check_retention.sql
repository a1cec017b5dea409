/*
 * check_retention.sql
 *		What is over its time goes, and nothing else is said.
 */

/* Where policies are applied by hand alone, a month is enough. */
CREATE VIEW twin_internal.check_retention_1 AS
	SELECT 'fail' AS status, p.policy_name::text AS object,
		coalesce('last applied without a failure at ' || s.succeeded_at, 'never applied without a failure')
			|| coalesce(': ' || (SELECT left(i.failure, 200) FROM twin_internal.retention_items i WHERE i.policy_name = p.policy_name AND i.failure IS NOT NULL ORDER BY i.failed_at DESC LIMIT 1), '') AS detail
	FROM twin_internal.retention_policies p LEFT JOIN twin_internal.retention_successes s USING (policy_name)
	WHERE p.enabled AND coalesce(s.succeeded_at, s.known_since, (SELECT i.installed_at FROM twin_internal.installation i))
		< clock_timestamp() - 2 * coalesce(nullif(twin_internal.server_setting('twin_security.retention_interval')::interval, '0'), interval '31 days');
COMMENT ON VIEW twin_internal.check_retention_1 IS 'retention policies that were not applied, or fail';

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

CREATE VIEW twin_internal.check_retention_2 AS
	SELECT 'warn' AS status, 'twin_security.archive_directory' AS object, format('%s policies archive, and there is no folder: nothing goes', count(*)) AS detail,
		'-- ALTER SYSTEM SET twin_security.archive_directory = ''/srv/archives''; SELECT pg_reload_conf(); with a folder of the server''s user' AS remedy
	FROM twin_internal.retention_policies p WHERE p.enabled AND p.archive AND twin_internal.server_setting('twin_security.archive_directory') = '' HAVING count(*) > 0
	UNION ALL
	SELECT 'warn', p.policy_name::text, 'events of the audit log are dropped, and no archive is left of them', format('SELECT twin.set_retention_policy(%L, archive => true);', p.policy_name)
	FROM twin_internal.retention_policies p WHERE p.enabled AND NOT p.archive AND p.event_class IS NOT NULL;
COMMENT ON VIEW twin_internal.check_retention_2 IS 'policies that cannot archive, and events that go without';

CREATE VIEW twin_internal.check_retention_3 AS
	SELECT CASE WHEN s.directory = '' THEN 'not_applicable' WHEN s.key = '' THEN 'warn' ELSE 'pass' END AS status, 'twin_security.archive_key' AS object,
		CASE WHEN s.directory = '' THEN 'nothing is archived' WHEN s.key = '' THEN 'archives are not encrypted' ELSE format('archives are encrypted with the key "%s"', s.key) END AS detail
	FROM (SELECT twin_internal.server_setting('twin_security.archive_directory'), twin_internal.server_setting('twin_security.archive_key')) s (directory, key);
COMMENT ON VIEW twin_internal.check_retention_3 IS 'archives that whoever reads the folder reads';

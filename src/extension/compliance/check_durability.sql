/*
 * check_durability.sql
 *		What was committed survives, and there is a copy to go back to.
 */

CREATE VIEW twin_internal.check_backup_1 AS
	SELECT CASE WHEN pg_is_in_recovery() THEN 'not_applicable' WHEN a.mode <> 'off' THEN 'pass' ELSE 'fail' END AS status, 'archive_mode' AS object,
		CASE WHEN pg_is_in_recovery() THEN 'the primary archives' ELSE 'archive_mode is ' || a.mode END AS detail
	FROM twin_internal.server_setting('archive_mode') a (mode);
COMMENT ON VIEW twin_internal.check_backup_1 IS 'WAL is not archived: no backup leads up to the last moment';

CREATE VIEW twin_internal.check_backup_2 AS
	SELECT CASE WHEN twin_internal.server_setting('archive_mode') = 'off' OR pg_is_in_recovery() THEN 'not_applicable'
			WHEN s.last_failed_time > coalesce(s.last_archived_time, '-infinity') THEN 'fail'
			WHEN s.last_archived_time IS NULL OR s.last_archived_time < now() - interval '1 day' THEN 'warn' ELSE 'pass' END AS status, 'archive_command' AS object,
		CASE WHEN twin_internal.server_setting('archive_mode') = 'off' OR pg_is_in_recovery() THEN 'this server archives nothing'
			WHEN s.last_failed_time > coalesce(s.last_archived_time, '-infinity') THEN format('archiving has failed %s times, last at %s', s.failed_count, s.last_failed_time)
			ELSE coalesce('last archived at ' || s.last_archived_time, 'nothing was archived so far') END AS detail
	FROM pg_catalog.pg_stat_archiver s;
COMMENT ON VIEW twin_internal.check_backup_2 IS 'archiving fails, or has done nothing for a day';

/* The command is not shown: there may be a password in it. */
CREATE VIEW twin_internal.check_backup_3 AS
	SELECT CASE WHEN twin_internal.server_setting('archive_mode') = 'off' OR l.library <> '' THEN 'not_applicable' WHEN c.is_nothing THEN 'fail' ELSE 'pass' END AS status, 'archive_command' AS object,
		CASE WHEN twin_internal.server_setting('archive_mode') = 'off' THEN 'archive_mode is off' WHEN l.library <> '' THEN 'archive_library archives' WHEN c.is_nothing THEN 'archive_command keeps nothing'
			ELSE 'archive_command is set' END AS detail
	FROM (SELECT twin_internal.server_setting('archive_command') ~ '^ *([(]disabled[)]|:|(/usr)?(/bin/)?true|exit 0|echo .*|cd [.])? *$') c (is_nothing),
		(SELECT coalesce(twin_internal.server_setting('archive_library'), '')) l (library);
COMMENT ON VIEW twin_internal.check_backup_3 IS 'an archive_command that says yes and keeps nothing';

CREATE VIEW twin_internal.check_backup_4 AS
	SELECT 'warn' AS status, s.slot_name::text AS object, 'nobody reads from it, and WAL is kept for it' || CASE s.wal_status WHEN 'lost' THEN ' no longer' ELSE '' END AS detail
	FROM pg_catalog.pg_replication_slots s WHERE NOT s.active AND NOT s.temporary;
COMMENT ON VIEW twin_internal.check_backup_4 IS 'replication slots that fill the disk';

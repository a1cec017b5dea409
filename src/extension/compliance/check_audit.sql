/*
 * check_audit.sql
 *		The audit log runs, misses nothing, and is proved to somebody outside of the database.
 */

/* Of a list, each word is quoted by itself: one string with commas would be one library, and the server would not start. */
CREATE FUNCTION twin_internal.preload_remedy(library text) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT format('ALTER SYSTEM SET shared_preload_libraries = %s; -- and restart the server', string_agg(quote_literal(w.word), ', '))
		FROM (SELECT btrim(l, ' "') AS word FROM unnest(string_to_array(twin_internal.server_setting('shared_preload_libraries'), ',')) l UNION ALL SELECT library) w WHERE w.word <> '';
	END;
COMMENT ON FUNCTION twin_internal.preload_remedy(text) IS 'the command that preloads a library along with those that are preloaded';
REVOKE ALL ON FUNCTION twin_internal.preload_remedy(text) FROM PUBLIC;

CREATE VIEW twin_internal.check_audit_1 AS
	SELECT CASE WHEN twin_internal.is_preloaded() THEN 'pass' ELSE 'fail' END AS status, 'shared_preload_libraries' AS object,
		'shared_preload_libraries is ' || CASE s.libraries WHEN '' THEN 'empty' ELSE s.libraries END AS detail, twin_internal.preload_remedy('twin_security') AS remedy
	FROM twin_internal.server_setting('shared_preload_libraries') s (libraries);
COMMENT ON VIEW twin_internal.check_audit_1 IS 'twin_security is not preloaded: no events, no limits, no blocks';

CREATE VIEW twin_internal.check_audit_3 AS
	SELECT 'fail' AS status, t.relation::text AS object, array_to_string(t.problems, '; ') AS detail,
		concat_ws(' ', (SELECT string_agg(format('ALTER TABLE %s ENABLE %sTRIGGER %I;', g.tgrelid::regclass, CASE m.fires WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' END, g.tgname), ' ')
				FROM pg_catalog.pg_trigger g JOIN twin_internal.audit_triggers() m ON m.name = g.tgname AND m.calls = g.tgfoid
				WHERE g.tgenabled = 'D' AND (g.tgrelid = t.relation OR g.tgrelid IN (SELECT a.relid FROM pg_partition_tree(t.relation) a))),
			format('SELECT twin.audit_table(%L, %L, %L, %L, %L);', t.relation, t.skip_columns, t.digest_columns, t.mode, t.reads)) AS remedy FROM twin.audited_tables t WHERE NOT t.in_force;
COMMENT ON VIEW twin_internal.check_audit_3 IS 'audited tables whose changes are not recorded in truth';

/* There is a heartbeat, and so something to sign, within heartbeat_interval. */
CREATE VIEW twin_internal.check_audit_4 AS
	SELECT CASE WHEN NOT twin_internal.is_preloaded() THEN 'not_applicable' WHEN c.age <= l.most THEN 'pass' ELSE 'fail' END AS status, 'audit log' AS object,
		CASE WHEN NOT twin_internal.is_preloaded() THEN 'needs preloading' WHEN c.age IS NULL THEN 'no checkpoint was ever signed'
			ELSE format('the newest checkpoint was signed %s ago', date_trunc('second', c.age)) END AS detail
	FROM (SELECT clock_timestamp() - (SELECT max(p.created_at) FROM twin_internal.checkpoints_of_log p)) c (age),
		(SELECT make_interval(secs => 300 + 3 * (twin_internal.server_setting('twin_security.heartbeat_interval')::integer
			+ twin_internal.server_setting('twin_security.checkpoint_interval')::integer))) l (most);
COMMENT ON VIEW twin_internal.check_audit_4 IS 'the audit log was not signed for longer than it should take';

CREATE VIEW twin_internal.check_audit_5 AS
	SELECT CASE WHEN d.directory = '' THEN 'warn' ELSE 'pass' END AS status, 'twin_security.checkpoint_directory' AS object,
		CASE WHEN d.directory = '' THEN 'checkpoints stay in the database' ELSE 'checkpoints are written to ' || d.directory END AS detail
	FROM twin_internal.server_setting('twin_security.checkpoint_directory') d (directory);
COMMENT ON VIEW twin_internal.check_audit_5 IS 'checkpoints are nowhere but where they could be removed along with what they cover';

CREATE VIEW twin_internal.check_audit_6 AS
	SELECT CASE WHEN NOT twin_internal.is_preloaded() THEN 'not_applicable' WHEN s.dropped = 0 THEN 'pass' ELSE 'fail' END AS status, 'events' AS object,
		CASE WHEN NOT twin_internal.is_preloaded() THEN 'needs preloading' ELSE format('%s events were dropped since the server started', s.dropped) END AS detail
	FROM (SELECT CASE WHEN twin_internal.is_preloaded() THEN (SELECT a.dropped FROM twin_internal.stat_audit() a) END) s (dropped);
COMMENT ON VIEW twin_internal.check_audit_6 IS 'events that were lost for want of room';

CREATE VIEW twin_internal.check_audit_7 AS
	SELECT CASE WHEN s.libraries ~ '(^|[ ,"/])pgaudit($|[ ,".])' THEN 'pass' ELSE 'warn' END AS status, 'pgaudit' AS object,
		CASE WHEN s.libraries ~ '(^|[ ,"/])pgaudit($|[ ,".])' THEN 'pgaudit is loaded' ELSE 'pgaudit is not loaded; the audit log of twin_security is the only record' END AS detail,
		twin_internal.preload_remedy('pgaudit') AS remedy
	FROM twin_internal.server_setting('shared_preload_libraries') s (libraries);
COMMENT ON VIEW twin_internal.check_audit_7 IS 'no second record of statements by another program';

CREATE VIEW twin_internal.check_audit_8 AS
	SELECT 'fail' AS status, quote_ident(t.evtname) AS object, CASE t.evtenabled WHEN 'D' THEN 'is disabled' WHEN 'R' THEN 'fires for replication alone' ELSE 'does not fire for replication' END AS detail,
		format('ALTER EVENT TRIGGER %I ENABLE%s;', t.evtname, CASE WHEN g.guards THEN ' ALWAYS' END) AS remedy
	FROM pg_catalog.pg_event_trigger t JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e'
		JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'twin_security',
		LATERAL (SELECT t.evtname LIKE 'twin_security_guard_%') g (guards)
	WHERE t.evtenabled IN ('D', 'R') OR g.guards AND t.evtenabled <> 'A'
	UNION ALL
	/* from 17 on all of them have a switch */
	SELECT 'fail', s.name, 'event_triggers is ' || s.reset_val, 'ALTER SYSTEM SET event_triggers = ''on''; SELECT pg_reload_conf();'
	FROM pg_catalog.pg_settings s WHERE s.name = 'event_triggers' AND s.reset_val <> 'on';
COMMENT ON VIEW twin_internal.check_audit_8 IS 'event triggers that keep the extension''s promises and do not fire';

CREATE VIEW twin_internal.check_audit_9 AS
	SELECT CASE WHEN d.databases = '' OR current_database() = ANY (string_to_array(regexp_replace(d.databases, '[ "]', '', 'g'), ',')) THEN 'pass' ELSE 'fail' END AS status,
		'twin_security.databases' AS object, 'twin_security.databases is ' || CASE d.databases WHEN '' THEN 'empty: every database that has the extension' ELSE d.databases END AS detail
	FROM twin_internal.server_setting('twin_security.databases') d (databases);
COMMENT ON VIEW twin_internal.check_audit_9 IS 'events of this database are not recorded';

CREATE VIEW twin_internal.check_audit_10 AS
	SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_database b WHERE b.datname = d.name AND b.datallowconn) THEN 'pass' ELSE 'warn' END AS status, 'twin_security.cluster_database' AS object,
		format('twin_security.cluster_database is %s', quote_ident(d.name)) AS detail,
		format('ALTER SYSTEM SET twin_security.cluster_database = %L; SELECT pg_reload_conf();', current_database()) AS remedy
	FROM twin_internal.server_setting('twin_security.cluster_database') d (name);
COMMENT ON VIEW twin_internal.check_audit_10 IS 'events of no database have no place to go';

/* Tables of the extension itself: a trigger of theirs that is off. */
CREATE VIEW twin_internal.check_audit_11 AS
	SELECT 'fail' AS status, format('%I on %s', t.tgname, t.tgrelid::regclass) AS object, 'is disabled' AS detail
	FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
	WHERE c.relnamespace IN ('twin'::regnamespace, 'twin_internal'::regnamespace) AND t.tgenabled = 'D';
COMMENT ON VIEW twin_internal.check_audit_11 IS 'triggers of the extension''s tables that do not fire';

/*
 * check_grants.sql
 *		What everybody may do without having been granted it.
 */

CREATE VIEW twin_internal.check_grant_1 AS
	SELECT 'fail' AS status, quote_ident(n.nspname) AS object, 'PUBLIC may create in it' AS detail
	FROM twin_internal.own_schemas n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a WHERE a.grantee = 0 AND a.privilege_type = 'CREATE';
COMMENT ON VIEW twin_internal.check_grant_1 IS 'schemas in which everybody may plant functions that others run';

CREATE VIEW twin_internal.check_grant_2 AS
	SELECT 'fail' AS status, r.relation::text AS object, 'PUBLIC has ' || string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS detail
	FROM twin_internal.own_relations r, aclexplode(r.relacl) a WHERE a.grantee = 0 GROUP BY r.relation;
COMMENT ON VIEW twin_internal.check_grant_2 IS 'tables and views that everybody may use';

CREATE VIEW twin_internal.check_grant_3 AS
	SELECT 'warn' AS status, quote_ident(d.datname) AS object, 'PUBLIC has ' || string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS detail
	FROM pg_catalog.pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE d.datname = current_database() AND a.grantee = 0 GROUP BY d.datname;
COMMENT ON VIEW twin_internal.check_grant_3 IS 'everybody may connect to this database, or make tables in it';

CREATE VIEW twin_internal.check_grant_4 AS
	SELECT 'fail' AS status, f.function::text AS object, 'PUBLIC may run it as ' || quote_ident(pg_get_userbyid(f.proowner)) AS detail
	FROM twin_internal.own_functions f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a WHERE f.prosecdef AND a.grantee = 0;
COMMENT ON VIEW twin_internal.check_grant_4 IS 'SECURITY DEFINER functions that everybody may run';

/* The server's own two that are not trusted, internal and c, are usable by superusers alone. */
CREATE VIEW twin_internal.check_grant_5 AS
	SELECT 'warn' AS status, quote_ident(l.lanname) AS object, 'its functions are not kept from the operating system' AS detail
	FROM pg_catalog.pg_language l WHERE NOT l.lanpltrusted AND l.lanname NOT IN ('internal', 'c');
COMMENT ON VIEW twin_internal.check_grant_5 IS 'languages whose functions may do anything as the server''s user';

CREATE VIEW twin_internal.check_grant_6 AS
	SELECT 'warn' AS status, concat_ws(' in ', quote_ident(pg_get_userbyid(d.defaclrole)), quote_ident(n.nspname)) AS object,
		format('PUBLIC gets %s on what it makes there (%s)', string_agg(DISTINCT a.privilege_type, ', '), d.defaclobjtype) AS detail,
		format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %sREVOKE ALL ON %s FROM PUBLIC;', pg_get_userbyid(d.defaclrole), coalesce('IN SCHEMA ' || quote_ident(n.nspname) || ' ', ''),
			CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' ELSE 'SCHEMAS' END) AS remedy
	FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) a
	WHERE a.grantee = 0 AND d.defaclobjtype IN ('r', 'S', 'n') GROUP BY d.oid, d.defaclrole, n.nspname, d.defaclobjtype;
COMMENT ON VIEW twin_internal.check_grant_6 IS 'roles whose tables to come everybody may use';

CREATE VIEW twin_internal.check_grant_7 AS
	SELECT 'warn' AS status, r.relation::text AS object,
		format('%s may pass on %s', quote_ident(pg_get_userbyid(a.grantee)), string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)) AS detail,
		format('REVOKE GRANT OPTION FOR ALL ON %s FROM %I;', r.relation, pg_get_userbyid(a.grantee)) AS remedy
	FROM twin_internal.own_relations r, aclexplode(r.relacl) a WHERE a.is_grantable AND a.grantee NOT IN (0, r.relowner) GROUP BY r.relation, a.grantee;
COMMENT ON VIEW twin_internal.check_grant_7 IS 'tables on which somebody may pass on what he was granted';

CREATE VIEW twin_internal.check_grant_9 AS
	SELECT 'fail' AS status, p.oid::regprocedure::text AS object, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END || ' may run it' AS detail,
		format('REVOKE EXECUTE ON FUNCTION %s FROM %s;', p.oid::regprocedure, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) AS remedy
	FROM pg_catalog.pg_proc p, aclexplode(p.proacl) a
	WHERE p.pronamespace = 'pg_catalog'::regnamespace AND a.grantee <> p.proowner AND pg_get_userbyid(a.grantee) !~ '^pg_'
		AND p.proname IN ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file', 'lo_import', 'lo_export', 'pg_reload_conf', 'pg_rotate_logfile',
			'pg_promote', 'pg_switch_wal', 'pg_backup_start', 'pg_start_backup', 'pg_create_restore_point', 'pg_file_write', 'pg_logdir_ls');
COMMENT ON VIEW twin_internal.check_grant_9 IS 'functions that touch files or the server, granted to others than superusers';

CREATE VIEW twin_internal.check_grant_10 AS
	SELECT 'warn' AS status, format('%I for %s', u.srvname, quote_ident(u.usename)) AS object, 'a password for another server is stored in the clear' AS detail,
		format('ALTER USER MAPPING FOR %s SERVER %I OPTIONS (DROP %I);', CASE u.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END, u.srvname, split_part(o.option, '=', 1)) AS remedy
	FROM pg_catalog.pg_user_mappings u, unnest(u.umoptions) o (option) WHERE o.option ~ '^(password|passwd|sslpassword|secret|token)=';
COMMENT ON VIEW twin_internal.check_grant_10 IS 'user mappings with a secret';

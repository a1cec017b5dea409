/*
 * check_roles.sql
 *		Who may do more than his work needs, and how he proves who he is. Password hashes are looked at and never shown.
 */

CREATE VIEW twin_internal.check_password_2 AS
	SELECT 'fail' AS status, quote_ident(a.rolname) AS object, 'the stored password is an MD5 hash' AS detail
	FROM pg_catalog.pg_authid a WHERE a.rolpassword LIKE 'md5%';
COMMENT ON VIEW twin_internal.check_password_2 IS 'roles whose password is stored as MD5, which is as good as the password itself';

CREATE VIEW twin_internal.check_password_5 AS
	SELECT 'warn' AS status, quote_ident(a.rolname) AS object, format('logs in with a password that ended %s', to_char(a.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS detail
	FROM pg_catalog.pg_authid a WHERE a.rolcanlogin AND a.rolpassword IS NOT NULL AND a.rolvaliduntil < now();
COMMENT ON VIEW twin_internal.check_password_5 IS 'roles whose password has expired, and which still may log in by other means';

/* The one that initdb made is always there. */
CREATE VIEW twin_internal.check_role_1 AS
	SELECT 'fail' AS status, quote_ident(r.rolname) AS object, CASE WHEN r.rolcanlogin THEN 'a superuser that can log in' ELSE 'a superuser' END AS detail
	FROM pg_catalog.pg_roles r WHERE r.rolsuper AND r.oid <> 10;
COMMENT ON VIEW twin_internal.check_role_1 IS 'superusers besides the first';

CREATE VIEW twin_internal.check_role_2 AS
	SELECT 'fail' AS status, quote_ident(r.rolname) AS object, 'has BYPASSRLS' AS detail
	FROM pg_catalog.pg_roles r WHERE r.rolbypassrls AND NOT r.rolsuper;
COMMENT ON VIEW twin_internal.check_role_2 IS 'roles that no policy holds';

CREATE VIEW twin_internal.check_role_3 AS
	SELECT 'fail' AS status, quote_ident(r.rolname) AS object, 'has CREATEROLE' AS detail
	FROM pg_catalog.pg_roles r WHERE r.rolcreaterole AND NOT r.rolsuper;
COMMENT ON VIEW twin_internal.check_role_3 IS 'roles that may make roles, and give themselves what these have';

CREATE VIEW twin_internal.check_role_4 AS
	SELECT 'warn' AS status, quote_ident(r.rolname) AS object, 'has REPLICATION' AS detail
	FROM pg_catalog.pg_roles r WHERE r.rolreplication AND NOT r.rolsuper AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_replication s WHERE s.usesysid = r.oid);
COMMENT ON VIEW twin_internal.check_role_4 IS 'roles that may copy the cluster, and that no standby uses now';

CREATE VIEW twin_internal.check_role_5 AS
	SELECT 'warn' AS status, quote_ident(r.rolname) AS object, 'has CREATEDB' AS detail
	FROM pg_catalog.pg_roles r WHERE r.rolcreatedb AND NOT r.rolsuper;
COMMENT ON VIEW twin_internal.check_role_5 IS 'roles that may make databases';

/* The server's own roles are members of each other. */
CREATE VIEW twin_internal.check_role_6 AS
	SELECT CASE WHEN g.rolname LIKE '%data' THEN 'warn' ELSE 'fail' END AS status, quote_ident(m.rolname) AS object, 'is a member of ' || g.rolname AS detail,
		format('REVOKE %I FROM %I;', g.rolname, m.rolname) AS remedy
	FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles g ON g.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member
	WHERE g.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files', 'pg_read_all_data', 'pg_write_all_data', 'pg_maintain')
		AND m.rolname !~ '^pg_' AND NOT m.rolsuper;
COMMENT ON VIEW twin_internal.check_role_6 IS 'members of roles that run programs, touch files, step around grants, or (17) may lock every table';

/* A login that takes other roles for requests and has none of their rights by itself, such as PostgREST's authenticator. */
CREATE VIEW twin_internal.check_role_7 AS
	SELECT 'fail' AS status, quote_ident(r.rolname) AS object, 'may become twin_anonymous for requests, and is not on twin.token_only_logins' AS detail
	FROM pg_catalog.pg_roles r
	WHERE r.rolcanlogin AND NOT r.rolinherit AND NOT r.rolsuper
		AND EXISTS (SELECT FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles g ON g.oid = a.roleid WHERE a.member = r.oid AND g.rolname = 'twin_anonymous')
		AND NOT EXISTS (SELECT FROM twin.token_only_logins l WHERE pg_has_role(r.oid, l.role_name::oid, 'MEMBER'));
COMMENT ON VIEW twin_internal.check_role_7 IS 'logins of gateways that need no token to use grants on keys';

CREATE VIEW twin_internal.check_role_8 AS
	SELECT 'warn' AS status, quote_ident(m.rolname) AS object, format('holds %I WITH ADMIN OPTION', g.rolname) AS detail,
		format('REVOKE ADMIN OPTION FOR %I FROM %I;', g.rolname, m.rolname) AS remedy
	FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles g ON g.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member
	WHERE a.admin_option AND NOT m.rolsuper;
COMMENT ON VIEW twin_internal.check_role_8 IS 'roles that may pass on a membership';

CREATE VIEW twin_internal.check_role_9 AS
	SELECT 'warn' AS status, quote_ident(r.rolname) AS object, 'is a member of both twin_admin and twin_auditor' AS detail
	FROM pg_catalog.pg_roles r
	WHERE NOT r.rolsuper AND r.rolname NOT IN ('twin_admin', 'twin_auditor') AND pg_has_role(r.oid, 'twin_admin', 'MEMBER') AND pg_has_role(r.oid, 'twin_auditor', 'MEMBER');
COMMENT ON VIEW twin_internal.check_role_9 IS 'roles that judge what they do themselves';

CREATE VIEW twin_internal.check_role_10 AS
	SELECT 'fail' AS status, concat_ws(' in ', coalesce(quote_ident(r.rolname), 'all roles'), 'database ' || quote_ident(d.datname)) AS object, 'sets ' || c.line AS detail,
		CASE WHEN s.setrole = 0 THEN format('ALTER DATABASE %I RESET %s;', d.datname, split_part(c.line, '=', 1))
			ELSE format('ALTER ROLE %I %sRESET %s;', r.rolname, coalesce('IN DATABASE ' || quote_ident(d.datname) || ' ', ''), split_part(c.line, '=', 1)) END AS remedy
	FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,
		unnest(s.setconfig) c (line)
	WHERE split_part(c.line, '=', 1) IN ('row_security', 'session_replication_role', 'event_triggers', 'log_connections', 'log_disconnections', 'log_min_messages', 'log_min_error_statement',
			'password_encryption', 'allow_system_table_mods', 'zero_damaged_pages', 'ignore_checksum_failure', 'lo_compat_privileges', 'session_preload_libraries',
			'local_preload_libraries', 'dynamic_library_path', 'twin_security.allow_session_identity', 'twin_security.bcrypt_cost', 'twin_security.password_min_length',
			'twin_security.password_min_score', 'twin_security.login_max_failures', 'twin_security.login_max_failures_per_address', 'twin_security.login_lockout',
			'twin_security.session_max_lifetime', 'twin_security.refresh_token_lifetime', 'twin_security.session_idle_timeout', 'twin_security.token_lifetime')
		AND (d.oid IS NULL OR d.datname = current_database());
COMMENT ON VIEW twin_internal.check_role_10 IS 'roles and databases for which a setting that protects is another';

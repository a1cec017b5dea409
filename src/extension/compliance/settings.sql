/*
 * settings.sql
 *		Checks that are a setting and what it may be: one of some values, or a number within bounds. A check may have several.
 */

CREATE VIEW twin_internal.setting_checks AS
	SELECT k.check_id, k.setting, k.allowed::text[] AS allowed, k.least, k.most, k.otherwise, k.wanted
	FROM (VALUES
		('TLS-2', 'ssl_min_protocol_version', '{TLSv1.2,TLSv1.3}', NULL::bigint, NULL::bigint, 'fail', 'TLSv1.2'),
		('TLS-4', 'ssl_prefer_server_ciphers', '{on}', NULL, NULL, 'warn', 'on'),
		('PASSWORD-1', 'password_encryption', '{scram-sha-256}', NULL, NULL, 'fail', 'scram-sha-256'),
		('PASSWORD-3', 'twin_security.password_min_score', NULL, 3, 4, 'fail', '3'),
		('PASSWORD-4', 'twin_security.bcrypt_cost', NULL, 12, 15, 'warn', '12'),
		('GRANT-8', 'lo_compat_privileges', '{off}', NULL, NULL, 'fail', 'off'),
		('TOKEN-3', 'twin_security.session_max_lifetime', NULL, 60, 86400, 'warn', '12h'),
		('TOKEN-3', 'twin_security.refresh_token_lifetime', NULL, 60, 86400, 'warn', '12h'),
		('TOKEN-4', 'twin_security.session_idle_timeout', NULL, 60, 7200, 'warn', '2h'),
		('TOKEN-5', 'twin_security.allow_session_identity', '{off}', NULL, NULL, 'fail', 'off'),
		('ACCOUNT-5', 'twin_security.login_max_failures', NULL, 1, 10, 'fail', '5'),
		('ACCOUNT-5', 'twin_security.login_max_failures_per_address', NULL, 1, 100, 'fail', '20'),
		('ACCOUNT-5', 'twin_security.login_lockout', NULL, 30, 86400, 'warn', '1min'),
		('LOGGING-3', 'log_connections', '{on}', NULL, NULL, 'fail', 'on'),
		('LOGGING-4', 'log_disconnections', '{on}', NULL, NULL, 'fail', 'on'),
		('LOGGING-5', 'log_min_messages', '{debug5,debug4,debug3,debug2,debug1,info,notice,warning}', NULL, NULL, 'fail', 'warning'),
		('LOGGING-6', 'log_min_error_statement', '{debug5,debug4,debug3,debug2,debug1,info,notice,warning,error}', NULL, NULL, 'fail', 'error'),
		('LOGGING-8', 'twin_security.redact', '{on}', NULL, NULL, 'fail', 'on'),
		('LOGGING-9', 'log_hostname', '{off}', NULL, NULL, 'warn', 'off'),
		('LOGGING-11', 'debug_print_parse', '{off}', NULL, NULL, 'fail', 'off'),
		('LOGGING-11', 'debug_print_rewritten', '{off}', NULL, NULL, 'fail', 'off'),
		('LOGGING-11', 'debug_print_plan', '{off}', NULL, NULL, 'fail', 'off'),
		('AUDIT-2', 'twin_security.audit_enabled', '{on}', NULL, NULL, 'fail', 'on'),
		('DURABILITY-1', 'fsync', '{on}', NULL, NULL, 'fail', 'on'),
		('DURABILITY-2', 'full_page_writes', '{on}', NULL, NULL, 'fail', 'on'),
		('DURABILITY-3', 'data_checksums', '{on}', NULL, NULL, 'warn', NULL),
		('DURABILITY-4', 'synchronous_commit', '{on,local,remote_write,remote_apply}', NULL, NULL, 'warn', 'on'),
		('DURABILITY-5', 'zero_damaged_pages', '{off}', NULL, NULL, 'fail', 'off'),
		('DURABILITY-5', 'ignore_checksum_failure', '{off}', NULL, NULL, 'fail', 'off'),
		('DURABILITY-5', 'ignore_system_indexes', '{off}', NULL, NULL, 'fail', 'off'),
		('DURABILITY-5', 'allow_system_table_mods', '{off}', NULL, NULL, 'fail', 'off'),
		('TIMEOUT-1', 'idle_in_transaction_session_timeout', NULL, 1, 3600000, 'warn', '10min'),
		('TIMEOUT-2', 'authentication_timeout', NULL, 1, 60, 'warn', '1min'),
		('SERVER-3', 'session_preload_libraries', '{""}', NULL, NULL, 'warn', NULL),
		('SERVER-3', 'local_preload_libraries', '{""}', NULL, NULL, 'warn', NULL)
	) k (check_id, setting, allowed, least, most, otherwise, wanted);
COMMENT ON VIEW twin_internal.setting_checks IS 'what settings may be: one of allowed, or between least and most; else the check fails or warns, and what is wanted is told';

CREATE VIEW twin_internal.setting_findings AS
	SELECT k.check_id,
		CASE WHEN s.name IS NULL THEN 'not_applicable'
			WHEN s.value = ANY (k.allowed) OR k.least IS NOT NULL AND s.reset_val::bigint BETWEEN k.least AND k.most THEN 'pass'
			ELSE k.otherwise END AS status,
		k.setting AS object,
		CASE WHEN s.name IS NULL THEN format('%s does not exist in this server', k.setting)
			ELSE format('%s is %s', k.setting, CASE WHEN s.reset_val = '' THEN 'empty' ELSE concat_ws(' ', s.reset_val, s.unit) END) END AS detail,
		'ALTER SYSTEM SET ' || k.setting || ' = ' || quote_literal(k.wanted) || '; ' || CASE s.context WHEN 'postmaster' THEN '-- and restart the server' ELSE 'SELECT pg_reload_conf();' END AS remedy
	/* from 18 on log_connections lists what of a connection is logged, or has the words that it had before */
	FROM twin_internal.setting_checks k LEFT JOIN (SELECT c.*, CASE WHEN c.name = 'log_connections' AND c.vartype = 'string'
			AND lower(c.reset_val) ~ '^ *(on|true|yes|1|all|.*\m(authorization|all)\M.*) *$' THEN 'on' ELSE c.reset_val END AS value FROM pg_catalog.pg_settings c) s ON s.name = k.setting;
COMMENT ON VIEW twin_internal.setting_findings IS 'what setting_checks find: the values that sessions begin with';

/*
 * settings.sql
 *		Checks that are a setting and what it may be: one of some values, or a number within bounds. A check may have several.
 */

CREATE VIEW twin_internal.setting_checks AS
	SELECT k.check_id, k.setting, k.allowed::text[] AS allowed, k.least, k.most, k.otherwise
	FROM (VALUES
		('TLS-2', 'ssl_min_protocol_version', '{TLSv1.2,TLSv1.3}', NULL::bigint, NULL::bigint, 'fail'),
		('TLS-4', 'ssl_prefer_server_ciphers', '{on}', NULL, NULL, 'warn'),
		('PASSWORD-1', 'password_encryption', '{scram-sha-256}', NULL, NULL, 'fail'),
		('PASSWORD-3', 'twin_security.password_min_length', NULL, 8, 72, 'fail'),
		('PASSWORD-3', 'twin_security.password_min_score', NULL, 3, 4, 'fail'),
		('PASSWORD-4', 'twin_security.bcrypt_cost', NULL, 12, 15, 'warn'),
		('GRANT-8', 'lo_compat_privileges', '{off}', NULL, NULL, 'fail'),
		('TOKEN-3', 'twin_security.session_max_lifetime', NULL, 60, 86400, 'warn'),
		('TOKEN-3', 'twin_security.refresh_token_lifetime', NULL, 60, 86400, 'warn'),
		('TOKEN-4', 'twin_security.session_idle_timeout', NULL, 60, 7200, 'warn'),
		('TOKEN-5', 'twin_security.allow_session_identity', '{off}', NULL, NULL, 'fail'),
		('ACCOUNT-5', 'twin_security.login_max_failures', NULL, 1, 10, 'fail'),
		('ACCOUNT-5', 'twin_security.login_max_failures_per_address', NULL, 1, 100, 'fail'),
		('ACCOUNT-5', 'twin_security.login_lockout', NULL, 30, 86400, 'warn'),
		('LOGGING-3', 'log_connections', '{on}', NULL, NULL, 'fail'),
		('LOGGING-4', 'log_disconnections', '{on}', NULL, NULL, 'fail'),
		('LOGGING-5', 'log_min_messages', '{debug5,debug4,debug3,debug2,debug1,info,notice,warning}', NULL, NULL, 'fail'),
		('LOGGING-6', 'log_min_error_statement', '{debug5,debug4,debug3,debug2,debug1,info,notice,warning,error}', NULL, NULL, 'fail'),
		('LOGGING-8', 'twin_security.redact', '{on}', NULL, NULL, 'fail'),
		('LOGGING-9', 'log_hostname', '{off}', NULL, NULL, 'warn'),
		('LOGGING-11', 'debug_print_parse', '{off}', NULL, NULL, 'fail'),
		('LOGGING-11', 'debug_print_rewritten', '{off}', NULL, NULL, 'fail'),
		('LOGGING-11', 'debug_print_plan', '{off}', NULL, NULL, 'fail'),
		('AUDIT-2', 'twin_security.audit_enabled', '{on}', NULL, NULL, 'fail'),
		('DURABILITY-1', 'fsync', '{on}', NULL, NULL, 'fail'),
		('DURABILITY-2', 'full_page_writes', '{on}', NULL, NULL, 'fail'),
		('DURABILITY-3', 'data_checksums', '{on}', NULL, NULL, 'warn'),
		('DURABILITY-4', 'synchronous_commit', '{on,local,remote_write,remote_apply}', NULL, NULL, 'warn'),
		('DURABILITY-5', 'zero_damaged_pages', '{off}', NULL, NULL, 'fail'),
		('DURABILITY-5', 'ignore_checksum_failure', '{off}', NULL, NULL, 'fail'),
		('DURABILITY-5', 'ignore_system_indexes', '{off}', NULL, NULL, 'fail'),
		('DURABILITY-5', 'allow_system_table_mods', '{off}', NULL, NULL, 'fail'),
		('TIMEOUT-1', 'idle_in_transaction_session_timeout', NULL, 1, 3600000, 'warn'),
		('TIMEOUT-2', 'authentication_timeout', NULL, 1, 60, 'warn'),
		('SERVER-3', 'session_preload_libraries', '{""}', NULL, NULL, 'warn'),
		('SERVER-3', 'local_preload_libraries', '{""}', NULL, NULL, 'warn')
	) k (check_id, setting, allowed, least, most, otherwise);
COMMENT ON VIEW twin_internal.setting_checks IS 'what settings may be: one of allowed, or between least and most; else the check fails or warns';

CREATE VIEW twin_internal.setting_findings AS
	SELECT k.check_id,
		CASE WHEN s.name IS NULL THEN 'not_applicable'
			WHEN s.reset_val = ANY (k.allowed) OR k.least IS NOT NULL AND s.reset_val::bigint BETWEEN k.least AND k.most THEN 'pass'
			ELSE k.otherwise END AS status,
		k.setting AS object,
		CASE WHEN s.name IS NULL THEN format('%s does not exist in this server', k.setting)
			ELSE format('%s is %s', k.setting, CASE WHEN s.reset_val = '' THEN 'empty' ELSE concat_ws(' ', s.reset_val, s.unit) END) END AS detail
	FROM twin_internal.setting_checks k LEFT JOIN pg_catalog.pg_settings s ON s.name = k.setting;
COMMENT ON VIEW twin_internal.setting_findings IS 'what setting_checks find: the values that sessions begin with';

/*
 * account.sql
 *		Accounts: tenants, users, sessions; and twin_api, what a gateway or PostgREST may expose.
 */

--@include tables.sql

/* What logins ask. */
CREATE FUNCTION twin_internal.limits_began() RETURNS timestamptz
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_limits_began';
COMMENT ON FUNCTION twin_internal.limits_began() IS 'since when shared memory remembers failed logins of this server; now, on a standby; null without preloading';

CREATE FUNCTION twin_internal.recorded_failures(of_user bigint, since timestamptz, OUT failures integer, OUT locked_until timestamptz)
	RETURNS SETOF record
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT ROWS 1 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT a.failures, a.locked_until FROM twin_internal.login_attempts a
	WHERE a.user_id = of_user AND NOT a.succeeded AND a.failures IS NOT NULL
		AND a.attempted_at < greatest(twin_internal.limits_began(), (SELECT i.installed_at FROM twin_internal.installation i))
		AND a.attempted_at > greatest(since, (SELECT max(s.attempted_at) FROM twin_internal.login_attempts s WHERE s.user_id = of_user AND s.succeeded))
		AND greatest(a.attempted_at, a.locked_until) > clock_timestamp() - current_setting('twin_security.login_forget_after')::interval
	ORDER BY a.attempted_at DESC LIMIT 1;
END;
COMMENT ON FUNCTION twin_internal.recorded_failures(bigint, timestamptz) IS 'failed logins of a user that count, from before shared memory remembers';

--@include admin.sql

CREATE FUNCTION twin_internal.locked_until(user_id bigint) RETURNS timestamptz
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_locked_until';
COMMENT ON FUNCTION twin_internal.locked_until(bigint) IS 'the lock of a user in shared memory; null for none, and without preloading';

CREATE FUNCTION twin_internal.lock_of(of_user bigint, since timestamptz) RETURNS timestamptz
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT nullif(greatest(twin_internal.locked_until(of_user),
		(SELECT f.locked_until FROM twin_internal.recorded_failures(of_user, since) f WHERE f.locked_until > clock_timestamp())), '-infinity');
END;
COMMENT ON FUNCTION twin_internal.lock_of(bigint, timestamptz) IS 'until when a user is locked, as shared memory knows, or as was recorded before it began';

CREATE FUNCTION twin_internal.last_login_of(of_user bigint) RETURNS timestamptz
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT max(a.attempted_at) FROM twin_internal.login_attempts a WHERE a.user_id = of_user AND a.succeeded;
END;
COMMENT ON FUNCTION twin_internal.last_login_of(bigint) IS 'when a user last logged in';

/* Barriers: no condition of who reads looks at a row before ours do. */
CREATE VIEW twin.tenants WITH (security_barrier) AS
	SELECT t.tenant_id, t.tenant_name, t.is_active, t.created_at FROM twin_internal.tenants t
	WHERE (SELECT twin.current_tenant_id()) IS NULL OR t.tenant_id = (SELECT twin.current_tenant_id());
COMMENT ON VIEW twin.tenants IS 'tenants, or the one of whoever is asking when he has one; nobody of an inactive one can log in';

CREATE VIEW twin.users WITH (security_barrier) AS
	SELECT u.user_id, u.username, u.email, u.role_name, u.tenant_id, u.is_active,
		twin_internal.lock_of(u.user_id, u.unlocked_at) AS locked_until, u.created_at, twin_internal.last_login_of(u.user_id) AS last_login
	FROM twin_internal.users u
	WHERE (SELECT twin_internal.may('read_users')) AND ((SELECT twin.current_tenant_id()) IS NULL OR u.tenant_id = (SELECT twin.current_tenant_id()));
COMMENT ON VIEW twin.users IS 'accounts, to whoever is asking those of his tenant, with the permission read_users; email is encrypted: email::text opens it for whoever may decrypt with the key main, and WHERE email = ... finds it';

CREATE VIEW twin.sessions WITH (security_barrier) AS
	SELECT s.session_id, s.user_id, u.username, s.created_at, s.last_used_at, s.expires_at, ended.at AS ended_at,
		CASE WHEN s.revoked_at = ended.at THEN s.revoke_reason WHEN ended.at IS NOT NULL THEN 'revoked' END AS end_reason,
		s.client_address, s.user_agent
	FROM twin_internal.sessions s JOIN twin_internal.users u ON u.user_id = s.user_id
		LEFT JOIN twin_internal.tenants t ON t.tenant_id = u.tenant_id
		CROSS JOIN LATERAL (SELECT least(s.revoked_at,
			(SELECT min(e.ended_at) FROM twin_internal.session_ends e WHERE e.user_id = s.user_id AND e.ended_at > s.created_at),
			CASE WHEN s.created_at < u.sessions_since THEN u.sessions_since END,
			CASE WHEN s.created_at < t.sessions_since THEN t.sessions_since END)) ended (at)
	WHERE (SELECT twin_internal.may('read_users')) AND ((SELECT twin.current_tenant_id()) IS NULL OR u.tenant_id = (SELECT twin.current_tenant_id()));
COMMENT ON VIEW twin.sessions IS 'one row per login, shown as users are; ended_at is null for sessions that nobody ended, and these last until expires_at at most';

CREATE FUNCTION twin.current_username() RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_current_username';
COMMENT ON FUNCTION twin.current_username() IS 'the name of the user who is asking; as his token names him where an outside issuer does; NULL when nobody is';

--@include api.sql

/* Nobody's but those below: what a part above grants is its own affair. */
REVOKE ALL ON FUNCTION twin_internal.limits_began(), twin_internal.recorded_failures(bigint, timestamptz), twin_internal.keep_roles_of_users(),
	twin_internal.account_name(text), twin_internal.hash_new_password(text, text, text, bigint), twin_internal.lock_account(bigint, bigint),
	twin_internal.forget_failures_of(bigint), twin_internal.forget_failures_at(inet), twin_internal.tenant_name_acceptable(text), twin_internal.check_email(text),
	twin_internal.require_permission(text), twin_internal.find_user(text, text), twin_internal.hold_user(text, text), twin_internal.takes_last_admin(bigint, bigint), twin_internal.roles_including(text),
	twin_internal.keep_an_admin(bigint, bigint), twin_internal.end_sessions(bigint), twin_internal.leave_sessions(bigint), twin_internal.end_session(text, text),
	twin_internal.set_password(bigint, text), twin_internal.locked_until(bigint), twin_internal.lock_of(bigint, timestamptz),
	twin_internal.last_login_of(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION twin.create_tenant(text), twin.disable_tenant(bigint), twin.enable_tenant(bigint),
	twin.create_user(text, text, text, text, bigint), twin.set_password(text, text), twin.disable_user(text), twin.enable_user(text),
	twin.unlock_user(text), twin.assign_role(text, text), twin.end_sessions(text), twin.set_email(text, text),
	twin.delete_user(text), twin.unlock_address(inet), twin.purge_sessions(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.create_tenant(text), twin.disable_tenant(bigint), twin.enable_tenant(bigint),
	twin.create_user(text, text, text, text, bigint), twin.set_password(text, text), twin.disable_user(text), twin.enable_user(text),
	twin.unlock_user(text), twin.assign_role(text, text), twin.end_sessions(text), twin.set_email(text, text),
	twin.delete_user(text), twin.unlock_address(inet), twin.purge_sessions(interval) TO twin_admin;
GRANT SELECT ON twin.tenants, twin.users, twin.sessions TO twin_admin, twin_auditor;
/* called by the views in the name of who reads them; nobody can name them */
GRANT EXECUTE ON FUNCTION twin_internal.lock_of(bigint, timestamptz), twin_internal.last_login_of(bigint), twin_internal.may(text) TO twin_admin, twin_auditor;

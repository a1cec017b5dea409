/*
 * admin.sql
 *		Tenants and users, for members of twin_admin: whom each may act on, reach.sql says.
 *
 * Whoever changes what a login depends on (lock_account) first keeps logins of that account waiting until his
 * transaction ends, then changes it, ends its sessions and refuses its tokens: no login slips in between. A token
 * carries its role, so a new role ends sessions too. No function takes, returns or reports a hash. What handles a password
 * or a hash plans without its value, for auto_explain would show it as a constant.
 */

CREATE FUNCTION twin_internal.account_name(given text, OUT username text, OUT username_key text) RETURNS record
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_account_name';
COMMENT ON FUNCTION twin_internal.account_name(text) IS 'a username as it is stored (NFC) and as it is compared; raises 22023 for what cannot be one';

CREATE FUNCTION twin_internal.hash_new_password(password text, username text, email text, user_id bigint) RETURNS text
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_hash_new_password';
COMMENT ON FUNCTION twin_internal.hash_new_password(text, text, text, bigint) IS
	'the hash of a password that is strong enough, by an address or that of a user; raises 22023 with the reasons for any other';

CREATE FUNCTION twin_internal.tenant_name_acceptable(tenant_name text) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_tenant_name_acceptable';
COMMENT ON FUNCTION twin_internal.tenant_name_acceptable(text) IS 'whether all of a name can be seen, with no blank at either end, in 256 bytes';

CREATE FUNCTION twin_internal.forget_failures_at(address inet) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_forget_failures_at';
COMMENT ON FUNCTION twin_internal.forget_failures_at(inet) IS 'forgets failed logins and the lock of an address in shared memory; not undone by a rollback';

CREATE FUNCTION twin_internal.lock_account(user_id bigint, tenant_id bigint) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_lock_account';
COMMENT ON FUNCTION twin_internal.lock_account(bigint, bigint) IS 'to the end of the transaction no session of the user or tenant can begin';

CREATE FUNCTION twin_internal.forget_failures_of(user_id bigint) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_forget_failures_of';
COMMENT ON FUNCTION twin_internal.forget_failures_of(bigint) IS 'forgets failed logins and the lock of a user in shared memory; not undone by a rollback';

--@include reach.sql

CREATE FUNCTION twin_internal.roles_including(wanted text) RETURNS SETOF text
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE above (role_name, depth) AS (
		SELECT wanted, 0 UNION ALL
		SELECT r.role_name, a.depth + 1 FROM twin_internal.roles r JOIN above a ON r.inherits = a.role_name WHERE a.depth < 15
	)
	SELECT a.role_name FROM above a;
END;
COMMENT ON FUNCTION twin_internal.roles_including(text) IS 'a role of the twin and those that inherit from it';

CREATE FUNCTION twin_internal.takes_last_admin(leaving bigint, leaving_tenant bigint) RETURNS boolean
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_takes_last_admin';
COMMENT ON FUNCTION twin_internal.takes_last_admin(bigint, bigint) IS 'whether, in the newest committed state, no active user with the role admin remained without a user, or a tenant';

/* Refuses to take the last administrator who can log in. */
CREATE FUNCTION twin_internal.keep_an_admin(leaving bigint, leaving_tenant bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	/* two administrators who disable each other: the second waits, and then sees what the first did, whatever his snapshot */
	PERFORM twin_internal.lock_account(0, NULL);
	IF twin_internal.takes_last_admin(leaving, leaving_tenant) THEN
		RAISE EXCEPTION 'no administrator would be left who can log in'
			USING ERRCODE = '55000', DETAIL = 'One who belongs to a tenant does not take the place of one who belongs to none.',
				  HINT = 'Make another first, with twin.create_user() or twin.assign_role().';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.keep_an_admin(bigint, bigint) IS 'raises when without a user, or a tenant, no active user with the role admin remained; of no tenant, where the one who leaves has none';

CREATE FUNCTION twin_internal.end_sessions(of_user bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM twin_internal.lock_account(of_user, NULL);
	UPDATE twin_internal.users u SET sessions_since = clock_timestamp() WHERE u.user_id = of_user;
	PERFORM twin_internal.revoke_user(of_user::text);
END
$$;
COMMENT ON FUNCTION twin_internal.end_sessions(bigint) IS 'ends all sessions of a user and refuses all tokens that were issued to him up to now';

/* For the user himself: it takes no lock and changes no row, so nobody waits for his transaction. A login that commits later began its session before: that is over too. */
CREATE FUNCTION twin_internal.leave_sessions(of_user bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO twin_internal.session_ends (user_id) VALUES (of_user);
	PERFORM twin_internal.revoke_leaver(of_user::text);
END
$$;
COMMENT ON FUNCTION twin_internal.leave_sessions(bigint) IS 'ends all sessions of a user in his own name, and refuses all tokens that were issued to him up to now';

CREATE FUNCTION twin_internal.end_session(sid text, reason text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ends timestamptz;
BEGIN
	IF sid ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' THEN
		UPDATE twin_internal.sessions s SET revoked_at = coalesce(s.revoked_at, clock_timestamp()), revoke_reason = coalesce(s.revoke_reason, reason)
			WHERE s.session_id = sid::uuid RETURNING s.expires_at INTO ends;
	END IF;
	/* none of its tokens lives longer than the session; leeway and the second that a token may be ahead on top */
	PERFORM twin_internal.revoke('s:' || sid, NULL, coalesce(ends + interval '10 minutes', twin_internal.last_expiry()));
END
$$;
COMMENT ON FUNCTION twin_internal.end_session(text, text) IS 'ends one session and refuses its tokens';

CREATE FUNCTION twin_internal.set_password(of_user bigint, hash text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	named text;
BEGIN
	PERFORM twin_internal.end_sessions(of_user);
	UPDATE twin_internal.users u SET password_hash = hash, password_changed_at = clock_timestamp(), unlocked_at = clock_timestamp()
		WHERE u.user_id = of_user RETURNING u.username INTO STRICT named;
	PERFORM twin_internal.forget_failures_of(of_user);
	PERFORM twin_internal.emit_event('password_changed', named, 'set_password');
END
$$;
COMMENT ON FUNCTION twin_internal.set_password(bigint, text) IS 'stores a new hash, ends the user''s sessions and his lock';

CREATE FUNCTION twin.create_tenant(tenant_name text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	made bigint;
BEGIN
	IF twin_internal.tenant_name_acceptable($1) IS NOT TRUE THEN
		RAISE EXCEPTION 'invalid tenant name'
			USING ERRCODE = '22023', HINT = 'A name has 1 to 256 bytes of characters that can be seen, with no blank at either end.';
	ELSIF EXISTS (SELECT FROM twin_internal.tenants t WHERE t.tenant_name = $1) THEN
		RAISE EXCEPTION 'tenant "%" already exists', $1 USING ERRCODE = '42710';
	END IF;
	INSERT INTO twin_internal.tenants (tenant_name) VALUES ($1) RETURNING tenant_id INTO made;
	PERFORM twin_internal.emit_event('tenant_created', $1, 'create_tenant');
	RETURN made;
END
$$;
COMMENT ON FUNCTION twin.create_tenant(text) IS 'makes a tenant and returns its number';

CREATE FUNCTION twin.disable_tenant(tenant_id bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	named text;
BEGIN
	PERFORM twin_internal.lock_account(NULL, $1);
	SELECT t.tenant_name INTO named FROM twin_internal.tenants t WHERE t.tenant_id = $1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'tenant % does not exist', $1 USING ERRCODE = '42704';
	END IF;
	PERFORM twin_internal.keep_an_admin(NULL, $1);
	UPDATE twin_internal.tenants t SET is_active = false, sessions_since = clock_timestamp() WHERE t.tenant_id = $1;
	PERFORM twin_internal.revoke_user(u.user_id::text) FROM twin_internal.users u WHERE u.tenant_id = $1;
	PERFORM twin_internal.emit_event('tenant_disabled', named, 'disable_tenant');
END
$$;
COMMENT ON FUNCTION twin.disable_tenant(bigint) IS 'no user of the tenant can log in, and their tokens are refused, from the commit on';

CREATE FUNCTION twin.enable_tenant(tenant_id bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	named text;
BEGIN
	UPDATE twin_internal.tenants t SET is_active = true WHERE t.tenant_id = $1 RETURNING t.tenant_name INTO named;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'tenant % does not exist', $1 USING ERRCODE = '42704';
	END IF;
	PERFORM twin_internal.emit_event('tenant_enabled', named, 'enable_tenant');
END
$$;
COMMENT ON FUNCTION twin.enable_tenant(bigint) IS 'users of the tenant can log in again; earlier tokens stay refused';

CREATE FUNCTION twin_internal.check_email(email text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF email !~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$' OR octet_length(email) > 254 THEN
		RAISE EXCEPTION 'invalid e-mail address' USING ERRCODE = '22023', HINT = 'An address has one "@", no blanks, and 254 bytes at most.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_email(text) IS 'raises 22023 for what cannot be an e-mail address; none is fine';

CREATE FUNCTION twin.create_user(username text, password text, email text DEFAULT NULL, role_name text DEFAULT 'viewer',
	tenant_id bigint DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	own_tenant bigint := twin.current_tenant_id();
	of_tenant bigint := coalesce($5, own_tenant);
	named record;
	made bigint;
	violated text;
BEGIN
	PERFORM twin_internal.require_permission('write_users');
	SELECT n.username, n.username_key INTO STRICT named FROM twin_internal.account_name($1) n;
	IF EXISTS (SELECT FROM twin_internal.users u WHERE u.username_key = named.username_key) THEN
		RAISE EXCEPTION 'user "%" already exists', named.username USING ERRCODE = '42710', HINT = 'Names that differ only in case or width are the same.';
	ELSIF of_tenant <> own_tenant OR of_tenant IS NOT NULL AND NOT EXISTS (SELECT FROM twin_internal.tenants t WHERE t.tenant_id = of_tenant) THEN
		RAISE EXCEPTION 'tenant % does not exist', of_tenant USING ERRCODE = '42704', HINT = 'See twin.tenants.';
	END IF;
	PERFORM twin_internal.check_email($3), twin_internal.require_role($4), twin_internal.require_reach_of_role($4);
	/* it stays until this commits */
	PERFORM FROM twin_internal.roles r WHERE r.role_name = $4 FOR KEY SHARE;
	BEGIN
		INSERT INTO twin_internal.users (username, username_key, email, password_hash, role_name, tenant_id)
			VALUES (named.username, named.username_key, $3, twin_internal.hash_new_password($2, named.username, $3, NULL), $4, of_tenant)
			RETURNING user_id INTO made;
	EXCEPTION WHEN unique_violation THEN
		GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
		IF violated = 'users_email' THEN
			RAISE EXCEPTION 'another user has this e-mail address' USING ERRCODE = '23505';
		END IF;
		RAISE EXCEPTION 'user "%" already exists', named.username USING ERRCODE = '42710';
	END;
	PERFORM twin_internal.emit_event('user_created', named.username, 'create_user',
		jsonb_build_object('user_id', made, 'role', $4, 'tenant_id', of_tenant));
	RETURN made;
END
$$;
COMMENT ON FUNCTION twin.create_user(text, text, text, text, bigint) IS
	'makes a user and returns his number, in the tenant of whoever makes him when he has one; the name counts without regard to case, the password must be strong enough, the address is stored encrypted';

CREATE FUNCTION twin.set_password(username text, password text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	found_user twin_internal.users := twin_internal.find_user($1, 'write_users');
	hash text;
BEGIN
	/* hashing takes its time; logins wait only afterwards */
	hash := twin_internal.hash_new_password($2, found_user.username, NULL, found_user.user_id);
	PERFORM twin_internal.set_password((twin_internal.hold_user($1, 'write_users')).user_id, hash);
END
$$;
COMMENT ON FUNCTION twin.set_password(text, text) IS 'gives a user another password, unlocks him, ends his sessions and refuses his tokens';

CREATE FUNCTION twin.disable_user(username text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.users := twin_internal.hold_user($1, 'write_users');
BEGIN
	PERFORM twin_internal.keep_an_admin(held.user_id, NULL);
	UPDATE twin_internal.users u SET is_active = false WHERE u.user_id = held.user_id;
	PERFORM twin_internal.end_sessions(held.user_id);
	PERFORM twin_internal.emit_event('user_disabled', held.username, 'disable_user');
END
$$;
COMMENT ON FUNCTION twin.disable_user(text) IS 'the user cannot log in, and his sessions and tokens are refused, from the commit on';

CREATE FUNCTION twin.enable_user(username text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.users := twin_internal.hold_user($1, 'write_users');
BEGIN
	UPDATE twin_internal.users u SET is_active = true WHERE u.user_id = held.user_id;
	PERFORM twin_internal.emit_event('user_enabled', held.username, 'enable_user');
END
$$;
COMMENT ON FUNCTION twin.enable_user(text) IS 'the user can log in again; earlier tokens stay refused';

CREATE FUNCTION twin.unlock_user(username text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.users := twin_internal.hold_user($1, 'write_users');
BEGIN
	UPDATE twin_internal.users u SET unlocked_at = clock_timestamp() WHERE u.user_id = held.user_id;
	PERFORM twin_internal.forget_failures_of(held.user_id);
	PERFORM twin_internal.emit_event('user_unlocked', held.username, 'unlock_user');
END
$$;
COMMENT ON FUNCTION twin.unlock_user(text) IS 'forgets failed logins of a user and ends his lock';

CREATE FUNCTION twin.assign_role(username text, role_name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.users := twin_internal.hold_user($1, 'write_users');
BEGIN
	PERFORM twin_internal.require_role($2), twin_internal.require_reach_of_role($2);
	PERFORM FROM twin_internal.roles r WHERE r.role_name = $2 FOR KEY SHARE;
	IF held.role_name = $2 THEN
		RETURN;
	END IF;
	IF $2 NOT IN (SELECT twin_internal.roles_including('admin')) THEN
		PERFORM twin_internal.keep_an_admin(held.user_id, NULL);
	END IF;
	UPDATE twin_internal.users u SET role_name = $2 WHERE u.user_id = held.user_id;
	PERFORM twin_internal.end_sessions(held.user_id);
	PERFORM twin_internal.emit_event('role_assigned', held.username, 'assign_role', jsonb_build_object('from', held.role_name, 'to', $2));
END
$$;
COMMENT ON FUNCTION twin.assign_role(text, text) IS 'gives a user another role; his sessions end and his tokens are refused, because they carry the former';

CREATE FUNCTION twin.end_sessions(username text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.users := twin_internal.hold_user($1, 'write_users');
BEGIN
	PERFORM twin_internal.end_sessions(held.user_id);
	PERFORM twin_internal.emit_event('sessions_ended', held.username, 'end_sessions');
END
$$;
COMMENT ON FUNCTION twin.end_sessions(text) IS 'logs a user out everywhere; he can log in again';

CREATE FUNCTION twin.set_email(username text, email text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.users := twin_internal.hold_user($1, 'write_users');
BEGIN
	PERFORM twin_internal.check_email($2);
	BEGIN
		UPDATE twin_internal.users u SET email = $2 WHERE u.user_id = held.user_id;
	EXCEPTION WHEN unique_violation THEN
		RAISE EXCEPTION 'another user has this e-mail address' USING ERRCODE = '23505';
	END;
	PERFORM twin_internal.emit_event('user_changed', held.username, 'set_email', '{"field": "email"}');
END
$$;
COMMENT ON FUNCTION twin.set_email(text, text) IS 'gives a user another e-mail address, stored encrypted; null takes it away';

/* Rows that somebody has locked (a login whose transaction is open, a refresh) are left to purge_sessions(): they open nothing. */
CREATE FUNCTION twin.delete_user(username text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held twin_internal.users := twin_internal.hold_user($1, 'delete_users');
BEGIN
	PERFORM twin_internal.keep_an_admin(held.user_id, NULL), twin_internal.end_sessions(held.user_id), twin_internal.forget_failures_of(held.user_id);
	DELETE FROM twin_internal.sessions s WHERE s.session_id IN (
		SELECT o.session_id FROM twin_internal.sessions o WHERE o.user_id = held.user_id FOR UPDATE SKIP LOCKED);
	DELETE FROM twin_internal.login_attempts a WHERE a.ctid = ANY (ARRAY(
		SELECT o.ctid FROM twin_internal.login_attempts o WHERE o.user_id = held.user_id FOR UPDATE SKIP LOCKED));
	DELETE FROM twin_internal.session_ends e WHERE e.end_id IN (
		SELECT o.end_id FROM twin_internal.session_ends o WHERE o.user_id = held.user_id FOR UPDATE SKIP LOCKED);
	DELETE FROM twin_internal.users u WHERE u.user_id = held.user_id;
	PERFORM twin_internal.emit_event('user_deleted', held.username, 'delete_user',
		jsonb_build_object('user_id', held.user_id, 'role', held.role_name, 'tenant_id', held.tenant_id), 'medium');
END
$$;
COMMENT ON FUNCTION twin.delete_user(text) IS 'removes a user with his sessions; his tokens are refused from the commit on, and his number is nobody''s ever after';

CREATE FUNCTION twin.unlock_address(address inet) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF $1 IS NULL OR masklen($1) < (CASE family($1) WHEN 4 THEN 32 ELSE 64 END) THEN
		RAISE EXCEPTION 'an address must be named'
			USING ERRCODE = '22023', HINT = 'One IPv4 address, or an IPv6 address or its /64, which count as one.';
	END IF;
	PERFORM twin_internal.forget_failures_at($1);
	PERFORM twin_internal.emit_event('address_unlocked', host($1), 'unlock_address');
END
$$;
COMMENT ON FUNCTION twin.unlock_address(inet) IS 'forgets failed logins from an address (of IPv6, from its /64) and ends its lock, at once; needs preloading';

CREATE FUNCTION twin.purge_sessions(older_than interval DEFAULT '30 days') RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	purged bigint;
BEGIN
	IF $1 IS NULL OR $1 < interval '0' THEN
		RAISE EXCEPTION 'sessions are kept for an interval of 0 or more' USING ERRCODE = '22023';
	END IF;
	/* what its holder is using right now is not old */
	DELETE FROM twin_internal.sessions s WHERE s.session_id IN (
		SELECT o.session_id FROM twin_internal.sessions o LEFT JOIN twin_internal.users u ON u.user_id = o.user_id
			LEFT JOIN twin_internal.tenants t ON t.tenant_id = u.tenant_id
		WHERE least(o.expires_at, o.revoked_at, CASE WHEN o.created_at < u.sessions_since THEN u.sessions_since END,
			CASE WHEN o.created_at < t.sessions_since THEN t.sessions_since END,
			(SELECT min(e.ended_at) FROM twin_internal.session_ends e WHERE e.user_id = o.user_id AND e.ended_at > o.created_at)) < clock_timestamp() - $1
		FOR UPDATE OF o SKIP LOCKED);
	GET DIAGNOSTICS purged = ROW_COUNT;
	/* a later end ends the same and more; and no session lasts for longer than a year, be it of a login that has not committed yet */
	DELETE FROM twin_internal.session_ends e WHERE e.ended_at < clock_timestamp() - interval '366 days'
		OR EXISTS (SELECT FROM twin_internal.session_ends n WHERE n.user_id = e.user_id AND n.ended_at > e.ended_at);
	/* what a login left that was under way when its user was deleted */
	DELETE FROM twin_internal.login_attempts a WHERE a.ctid = ANY (ARRAY(
		SELECT o.ctid FROM twin_internal.login_attempts o WHERE o.user_id IS NOT NULL
			AND NOT EXISTS (SELECT FROM twin_internal.users u WHERE u.user_id = o.user_id) FOR UPDATE SKIP LOCKED));
	RETURN purged;
END
$$;
COMMENT ON FUNCTION twin.purge_sessions(interval) IS 'deletes sessions that ended so long ago; returns how many';

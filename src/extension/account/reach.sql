/*
 * reach.sql
 *		Which users whoever is asking may act on, in one place: each function takes its user from hold_user() or
 *		find_user(), with the permission that it needs.
 *
 * With a verified identity he needs the permission, reaches only users of his tenant when he has one (any other is
 * answered like one who does not exist), and none whose role holds a permission that his lacks. Without identity his
 * grants decide alone. What tenants may not call at all is refused before: identity/reach.c.
 */

CREATE FUNCTION twin_internal.require_permission(permission text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT twin_internal.may(permission) THEN
		PERFORM twin.require_permission(permission);	/* which raises and records it */
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.require_permission(text) IS 'raises 42501 where somebody is asking whose role lacks a permission';

CREATE FUNCTION twin_internal.find_user(named text, permission text) RETURNS twin_internal.users
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	own_tenant bigint := twin.current_tenant_id();
	found_user twin_internal.users;
BEGIN
	PERFORM twin_internal.require_permission(permission);
	SELECT u.* INTO found_user FROM twin_internal.users u
		WHERE u.username_key = (SELECT n.username_key FROM twin_internal.account_name(named) n) AND (own_tenant IS NULL OR u.tenant_id = own_tenant);
	IF NOT FOUND THEN
		RAISE EXCEPTION 'user "%" does not exist', named USING ERRCODE = '42704';
	END IF;
	PERFORM twin_internal.require_reach_of_role(found_user.role_name);
	RETURN found_user;
END
$$;
COMMENT ON FUNCTION twin_internal.find_user(text, text) IS 'the row of a user by name, whom somebody with a permission may act on; raises 42501 and 42704';

/* The same, with logins of his kept waiting. */
CREATE FUNCTION twin_internal.hold_user(named text, permission text) RETURNS twin_internal.users
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held_id bigint;
	found_user twin_internal.users;
BEGIN
	IF current_setting('transaction_read_only')::boolean THEN
		RAISE EXCEPTION 'accounts cannot be changed here'
			USING ERRCODE = '25006', HINT = CASE WHEN pg_is_in_recovery() THEN 'Accounts change on the primary.' ELSE 'The transaction is read-only.' END;
	END IF;
	/* whoever held him may have changed the row, or deleted it and made another of the name */
	LOOP
		SELECT f.* INTO STRICT found_user FROM twin_internal.find_user(named, permission) f;
		EXIT WHEN found_user.user_id = held_id;
		PERFORM twin_internal.lock_account(found_user.user_id, NULL);
		held_id := found_user.user_id;
	END LOOP;
	RETURN found_user;
END
$$;
COMMENT ON FUNCTION twin_internal.hold_user(text, text) IS 'find_user(), and the user''s logins wait until the transaction ends';

/*
 * permission_grants.sql
 *		Keys for whoever holds a permission of the twin, whatever database role he acts as.
 */

CREATE FUNCTION twin_internal.check_permission_grant(key_name text, permission text, privilege text) RETURNS uuid
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM twin_internal.check_key_privilege($3);
	IF permission IS NULL OR permission = '' THEN
		RAISE EXCEPTION 'a permission must be named' USING ERRCODE = '22023', HINT = 'See twin.permissions.';
	END IF;
	RETURN twin_internal.grantable_context($1);
END
$$;
COMMENT ON FUNCTION twin_internal.check_permission_grant(text, text, text) IS 'the argument checks of grant_key_permission and revoke_key_permission; gives the context of the key';

CREATE FUNCTION twin.grant_key_permission(key_name text, permission text, privilege text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO twin_internal.key_permissions VALUES (twin_internal.check_permission_grant($1, $2, $3), $2, $3)
		ON CONFLICT DO NOTHING;
	IF FOUND THEN
		PERFORM twin_internal.emit_event('key_granted', $1, 'grant', jsonb_build_object('permission', $2, 'privilege', $3), 'medium');
	END IF;
END
$$;
COMMENT ON FUNCTION twin.grant_key_permission(text, text, text) IS
	'allows whoever holds a permission, by his verified token, to encrypt, decrypt or mask with a key';

CREATE FUNCTION twin.revoke_key_permission(key_name text, permission text, privilege text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM twin_internal.key_permissions p
		WHERE p.context = twin_internal.check_permission_grant($1, $2, $3) AND p.permission = $2 AND p.privilege = $3;
	IF NOT FOUND THEN
		RAISE NOTICE 'permission "%" gives no % on key "%"', $2, $3, $1;
	ELSE
		PERFORM twin_internal.emit_event('key_revoked', $1, 'revoke', jsonb_build_object('permission', $2, 'privilege', $3), 'medium');
	END IF;
END
$$;
COMMENT ON FUNCTION twin.revoke_key_permission(text, text, text) IS 'takes back what grant_key_permission gave; in force at once in every session';

REVOKE ALL ON FUNCTION twin.grant_key_permission(text, text, text), twin.revoke_key_permission(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.grant_key_permission(text, text, text), twin.revoke_key_permission(text, text, text) TO twin_admin;

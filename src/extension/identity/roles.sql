/*
 * roles.sql
 *		Changing roles and permissions of the twin; for members of twin_admin.
 */

CREATE VIEW twin.roles AS
	SELECT role_name, inherits, database_role, is_break_glass, description FROM twin_internal.roles;
COMMENT ON VIEW twin.roles IS 'roles of the twin; each has the permissions of the one it inherits from as well';

CREATE VIEW twin.permissions AS SELECT permission_name, description FROM twin_internal.permissions;
COMMENT ON VIEW twin.permissions IS 'what roles may be permitted';

CREATE VIEW twin.role_permissions AS
	WITH RECURSIVE above (role_name, holder, depth) AS (
		SELECT role_name, role_name, 0 FROM twin_internal.roles
		UNION ALL
		SELECT above.role_name, r.inherits, above.depth + 1
		FROM above JOIN twin_internal.roles r ON r.role_name = above.holder
		WHERE r.inherits IS NOT NULL AND above.depth < 15
	)
	SELECT above.role_name, p.permission_name, above.holder AS held_by
	FROM above JOIN twin_internal.role_permissions p ON p.role_name = above.holder
	WHERE p.granted;
COMMENT ON VIEW twin.role_permissions IS 'every permission a role has; held_by is the role it was granted to, itself or one it inherits from';

/* The argument checks of the functions below. */
CREATE FUNCTION twin_internal.require_role(wanted text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM twin_internal.roles r WHERE r.role_name = wanted) THEN
		RAISE EXCEPTION 'role "%" of the twin does not exist', wanted
			USING ERRCODE = '42704', HINT = 'See twin.roles, or make it with twin.create_role().';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.require_role(text) IS 'raises unless the twin has a role of that name';

CREATE FUNCTION twin_internal.require_known_permission(wanted text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM twin_internal.permissions p WHERE p.permission_name = wanted) THEN
		RAISE EXCEPTION 'permission "%" does not exist', wanted
			USING ERRCODE = '42704', HINT = 'See twin.permissions, or make it with twin.create_permission().';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.require_known_permission(text) IS 'raises unless the twin has a permission of that name';

CREATE FUNCTION twin.create_role(role_name text, inherits text DEFAULT NULL, description text DEFAULT NULL,
	break_glass boolean DEFAULT false) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF $1 IS NULL OR $1 !~ '^[a-z][a-z0-9_]{0,62}$' THEN
		RAISE EXCEPTION 'invalid role name "%"', $1
			USING ERRCODE = '42602', HINT = 'A name is 1 to 63 lower-case letters, digits or "_" and begins with a letter.';
	ELSIF EXISTS (SELECT FROM twin_internal.roles r WHERE r.role_name = $1) THEN
		RAISE EXCEPTION 'role "%" of the twin already exists', $1 USING ERRCODE = '42710';
	END IF;
	IF $2 IS NOT NULL THEN
		PERFORM twin_internal.require_role($2);
	END IF;
	INSERT INTO twin_internal.roles (role_name, inherits, description, is_break_glass)
		VALUES ($1, $2, $3, coalesce($4, false));
	PERFORM twin_internal.emit_event('role_created', $1, 'create_role',
		jsonb_build_object('inherits', $2, 'break_glass', coalesce($4, false)), CASE WHEN $4 THEN 'high' ELSE 'medium' END);
END
$$;
COMMENT ON FUNCTION twin.create_role(text, text, text, boolean) IS
	'a role of the twin, with the permissions of the one it inherits from; accounts of a break-glass role are never locked out';

CREATE FUNCTION twin.drop_role(role_name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM twin_internal.require_role($1);
	IF EXISTS (SELECT FROM twin_internal.roles r WHERE r.role_name = $1 AND r.database_role IS NOT NULL) THEN
		RAISE EXCEPTION 'role "%" of the twin cannot be dropped', $1
			USING ERRCODE = '22023', DETAIL = 'It stands for a role of the database.';
	ELSIF EXISTS (SELECT FROM twin_internal.roles r WHERE r.inherits = $1) THEN
		RAISE EXCEPTION 'role "%" of the twin is inherited from', $1
			USING ERRCODE = '2BP01', HINT = 'Drop the roles that inherit from it first.';
	END IF;
	DELETE FROM twin_internal.role_permissions p WHERE p.role_name = $1;
	DELETE FROM twin_internal.roles r WHERE r.role_name = $1;
	PERFORM twin_internal.emit_event('role_dropped', $1, 'drop_role', severity => 'medium');
END
$$;
COMMENT ON FUNCTION twin.drop_role(text) IS 'removes a role that nobody has and no other inherits from';

CREATE FUNCTION twin.create_permission(permission_name text, description text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF $1 IS NULL OR $1 !~ '^[a-z][a-z0-9_.:]{0,62}$' THEN
		RAISE EXCEPTION 'invalid permission name "%"', $1
			USING ERRCODE = '42602', HINT = 'A name is 1 to 63 lower-case letters, digits, "_", "." or ":" and begins with a letter.';
	ELSIF EXISTS (SELECT FROM twin_internal.permissions p WHERE p.permission_name = $1) THEN
		RAISE EXCEPTION 'permission "%" already exists', $1 USING ERRCODE = '42710';
	END IF;
	INSERT INTO twin_internal.permissions (permission_name, description) VALUES ($1, $2);
	PERFORM twin_internal.emit_event('permission_created', $1, 'create_permission');
END
$$;
COMMENT ON FUNCTION twin.create_permission(text, text) IS 'a permission that roles can be granted and policies can ask for';

CREATE FUNCTION twin.grant_permission(role_name text, permission_name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM twin_internal.require_role($1), twin_internal.require_known_permission($2);
	UPDATE twin_internal.role_permissions p SET granted = true, seeded = false
		WHERE p.role_name = $1 AND p.permission_name = $2 AND NOT p.granted;
	IF NOT FOUND THEN
		IF EXISTS (SELECT FROM twin_internal.role_permissions p WHERE p.role_name = $1 AND p.permission_name = $2) THEN
			RETURN;
		END IF;
		INSERT INTO twin_internal.role_permissions (role_name, permission_name) VALUES ($1, $2);
	END IF;
	PERFORM twin_internal.emit_event('permission_granted', $2, 'grant', jsonb_build_object('role', $1), 'medium');
END
$$;
COMMENT ON FUNCTION twin.grant_permission(text, text) IS 'gives a role of the twin, and those that inherit from it, a permission; in force at once';

CREATE FUNCTION twin.revoke_permission(role_name text, permission_name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM twin_internal.require_role($1), twin_internal.require_known_permission($2);
	/* kept, so that a restore does not bring the seed back */
	UPDATE twin_internal.role_permissions p SET granted = false, seeded = false
		WHERE p.role_name = $1 AND p.permission_name = $2 AND p.granted;
	IF NOT FOUND THEN
		RAISE NOTICE 'role "%" of the twin does not hold "%" itself', $1, $2
			USING HINT = 'See held_by in twin.role_permissions.';
	ELSE
		PERFORM twin_internal.emit_event('permission_revoked', $2, 'revoke', jsonb_build_object('role', $1), 'medium');
	END IF;
END
$$;
COMMENT ON FUNCTION twin.revoke_permission(text, text) IS 'takes a permission from a role of the twin; in force at once';

REVOKE ALL ON FUNCTION twin.create_role(text, text, text, boolean), twin.drop_role(text), twin.create_permission(text, text),
	twin.grant_permission(text, text), twin.revoke_permission(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.create_role(text, text, text, boolean), twin.drop_role(text), twin.create_permission(text, text),
	twin.grant_permission(text, text), twin.revoke_permission(text, text) TO twin_admin;
GRANT SELECT ON twin.roles, twin.permissions, twin.role_permissions TO twin_admin, twin_auditor, twin_operator, twin_viewer;
GRANT SELECT, INSERT, DELETE ON twin.token_only_logins TO twin_admin;
GRANT SELECT ON twin.token_only_logins TO twin_auditor;

/*
 * tables.sql
 *		Roles and permissions of the twin, and the logins that are nobody without a token.
 *
 * Seeds are marked: they travel with a dump only when they were changed, and then take the place of the new database's own.
 */

CREATE TABLE twin_internal.roles (
	role_name text PRIMARY KEY CHECK (role_name ~ '^[a-z][a-z0-9_]{0,62}$'),
	inherits text CHECK (inherits <> role_name),
	database_role regrole,
	is_break_glass boolean NOT NULL DEFAULT false,
	description text,
	seeded boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE twin_internal.roles IS
	'roles of the twin; one inherits the permissions of another; database_role is the role of the server whose holders count as it';

CREATE TABLE twin_internal.role_permissions (
	role_name text NOT NULL,
	permission_name text NOT NULL,
	granted boolean NOT NULL DEFAULT true,
	seeded boolean NOT NULL DEFAULT false,
	PRIMARY KEY (role_name, permission_name)
);
COMMENT ON TABLE twin_internal.role_permissions IS 'which role holds which permission; granted = false says that a seed was taken back';

CREATE TABLE twin_internal.permissions (
	permission_name text PRIMARY KEY CHECK (permission_name ~ '^[a-z][a-z0-9_.:]{0,62}$'),
	description text,
	seeded boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE twin_internal.permissions IS 'what may be permitted';

CREATE TABLE twin.token_only_logins (
	role_name regrole PRIMARY KEY
);
COMMENT ON TABLE twin.token_only_logins IS
	'logins, and roles whose members are meant, for which grants on keys count only while a token verifies; add PostgREST''s authenticator here';

INSERT INTO twin_internal.permissions (permission_name, description, seeded) VALUES
	('read_units', 'see thermal units, their sensors and readings', true),
	('write_units', 'add and change thermal units, sensors and readings', true),
	('delete_units', 'delete thermal units, sensors and readings', true),
	('read_users', 'see users', true),
	('write_users', 'add, change and disable users', true),
	('delete_users', 'delete users', true),
	('admin_panel', 'use the administration pages', true),
	('remote_control', 'send commands to thermal units', true);
INSERT INTO twin_internal.roles (role_name, inherits, database_role, description, seeded) VALUES
	('viewer', NULL, 'twin_viewer', 'looks on', true),
	('operator', 'viewer', 'twin_operator', 'runs the plant', true),
	('admin', 'operator', 'twin_admin', 'administers the twin', true),
	('auditor', NULL, 'twin_auditor', 'reads what administrators see, and changes nothing', true);
INSERT INTO twin_internal.role_permissions (role_name, permission_name, seeded) VALUES
	('viewer', 'read_units', true),
	('operator', 'write_units', true), ('operator', 'remote_control', true),
	('admin', 'delete_units', true), ('admin', 'read_users', true), ('admin', 'write_users', true),
	('admin', 'delete_users', true), ('admin', 'admin_panel', true),
	('auditor', 'admin_panel', true);
INSERT INTO twin.token_only_logins VALUES ('twin_gateway');

SELECT pg_catalog.pg_extension_config_dump('twin_internal.roles', 'WHERE NOT seeded');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.role_permissions', 'WHERE NOT seeded');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.permissions', 'WHERE NOT seeded');
SELECT pg_catalog.pg_extension_config_dump('twin.token_only_logins',
	$$WHERE role_name::text <> 'twin_gateway' AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE oid = role_name)$$);

/* Any change reaches every session, also on a standby and where it came by a subscription. */
CREATE FUNCTION twin_internal.identity_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_identity_changed';
COMMENT ON FUNCTION twin_internal.identity_changed() IS 'tells every session to read roles, permissions and token-only logins again';

CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.roles
	FOR EACH ROW EXECUTE FUNCTION twin_internal.identity_changed();
CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.role_permissions
	FOR EACH ROW EXECUTE FUNCTION twin_internal.identity_changed();
CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON twin.token_only_logins
	FOR EACH ROW EXECUTE FUNCTION twin_internal.identity_changed();
CREATE TRIGGER identity_emptied AFTER TRUNCATE ON twin_internal.roles
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.identity_changed();
CREATE TRIGGER identity_emptied AFTER TRUNCATE ON twin_internal.role_permissions
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.identity_changed();
CREATE TRIGGER identity_emptied AFTER TRUNCATE ON twin.token_only_logins
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.identity_changed();
ALTER TABLE twin_internal.roles ENABLE ALWAYS TRIGGER identity_changed, ENABLE ALWAYS TRIGGER identity_emptied;
ALTER TABLE twin_internal.role_permissions ENABLE ALWAYS TRIGGER identity_changed, ENABLE ALWAYS TRIGGER identity_emptied;
ALTER TABLE twin.token_only_logins ENABLE ALWAYS TRIGGER identity_changed, ENABLE ALWAYS TRIGGER identity_emptied;

/* Whoever took a token-only login over shall not take it off the list. */
CREATE FUNCTION twin_internal.require_warrant() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_require_warrant';
COMMENT ON FUNCTION twin_internal.require_warrant() IS 'raises where a token-only login acts in a role that no token warrants, and for whoever belongs to a tenant';
CREATE TRIGGER require_warrant BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin.token_only_logins
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.require_warrant();

/* Not where a subscription applies what was told at its publisher. */
CREATE FUNCTION twin_internal.tell_token_only_logins() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		PERFORM twin_internal.emit_event('token_only_login_removed', NULL, 'truncate', '{"all": true}', 'high');
	END IF;
	IF TG_OP IN ('UPDATE', 'DELETE') THEN
		PERFORM twin_internal.emit_event('token_only_login_removed', OLD.role_name::text, lower(TG_OP), severity => 'high');
	END IF;
	IF TG_OP IN ('INSERT', 'UPDATE') THEN
		PERFORM twin_internal.emit_event('token_only_login_added', NEW.role_name::text, lower(TG_OP), severity => 'medium');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.tell_token_only_logins() IS 'emits an event for each login that is put on the list of token-only logins, or taken off it';
CREATE TRIGGER tell_token_only_logins AFTER INSERT OR UPDATE OR DELETE ON twin.token_only_logins
	FOR EACH ROW EXECUTE FUNCTION twin_internal.tell_token_only_logins();
CREATE TRIGGER tell_token_only_logins_emptied AFTER TRUNCATE ON twin.token_only_logins
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tell_token_only_logins();

/* What a dump brings takes the place of an untouched seed. */
CREATE FUNCTION twin_internal.replace_seed() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	CASE TG_TABLE_NAME
		WHEN 'roles' THEN
			DELETE FROM twin_internal.roles r WHERE r.role_name = NEW.role_name AND r.seeded;
		WHEN 'permissions' THEN
			DELETE FROM twin_internal.permissions p WHERE p.permission_name = NEW.permission_name AND p.seeded;
		WHEN 'role_permissions' THEN
			DELETE FROM twin_internal.role_permissions p
				WHERE p.role_name = NEW.role_name AND p.permission_name = NEW.permission_name AND p.seeded;
		WHEN 'token_only_logins' THEN
			DELETE FROM twin.token_only_logins l WHERE l.role_name = NEW.role_name;
	END CASE;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.replace_seed() IS 'lets a restored or replicated row take the place of the one CREATE EXTENSION made';
CREATE TRIGGER replace_seed BEFORE INSERT ON twin_internal.roles
	FOR EACH ROW EXECUTE FUNCTION twin_internal.replace_seed();
CREATE TRIGGER replace_seed BEFORE INSERT ON twin_internal.permissions
	FOR EACH ROW EXECUTE FUNCTION twin_internal.replace_seed();
CREATE TRIGGER replace_seed BEFORE INSERT ON twin_internal.role_permissions
	FOR EACH ROW EXECUTE FUNCTION twin_internal.replace_seed();
CREATE TRIGGER replace_seed BEFORE INSERT ON twin.token_only_logins
	FOR EACH ROW EXECUTE FUNCTION twin_internal.replace_seed();
/* a subscription fires only these */
ALTER TABLE twin_internal.roles ENABLE ALWAYS TRIGGER replace_seed;
ALTER TABLE twin_internal.permissions ENABLE ALWAYS TRIGGER replace_seed;
ALTER TABLE twin_internal.role_permissions ENABLE ALWAYS TRIGGER replace_seed;
ALTER TABLE twin.token_only_logins ENABLE ALWAYS TRIGGER replace_seed;

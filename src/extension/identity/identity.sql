/*
 * identity.sql
 *		Who is asking, as applications and row-level security policies see it.
 *
 * The functions are STABLE and PARALLEL SAFE: a worker gets the token and verifies it for itself. Nobody may call what
 * changes anything but twin_admin; anybody may ask who he is.
 */

--@include tables.sql
--@include roles.sql
--@include reach.sql

CREATE FUNCTION twin.authenticate(token text) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_authenticate';
COMMENT ON FUNCTION twin.authenticate(text) IS 'to the end of the transaction, the signed token says who is asking; an error of class TW when it does not verify';

CREATE FUNCTION twin.current_user_id() RETURNS bigint
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_current_user_id';
COMMENT ON FUNCTION twin.current_user_id() IS 'the number of the user who is asking; NULL when nobody is, or he has none';

CREATE FUNCTION twin.current_subject() RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_current_subject';
COMMENT ON FUNCTION twin.current_subject() IS 'the user who is asking, as his token names him; NULL when nobody is';

CREATE FUNCTION twin.current_tenant_id() RETURNS bigint
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_current_tenant_id';
COMMENT ON FUNCTION twin.current_tenant_id() IS 'the tenant of whoever is asking; NULL when nobody is, or he has none';

CREATE FUNCTION twin.current_claims() RETURNS jsonb
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_current_claims';
COMMENT ON FUNCTION twin.current_claims() IS 'the verified claims of the token; NULL when nobody is asking';

CREATE FUNCTION twin.has_role(role_name text) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_has_role';
COMMENT ON FUNCTION twin.has_role(text) IS 'whether the role of whoever is asking is this one or inherits from it; false when nobody is';

CREATE FUNCTION twin.has_permission(permission_name text) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_has_permission';
COMMENT ON FUNCTION twin.has_permission(text) IS 'whether the role of whoever is asking holds a permission; false when nobody is';

CREATE FUNCTION twin.require_permission(permission_name text) RETURNS void
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_require_permission';
COMMENT ON FUNCTION twin.require_permission(text) IS 'raises 42501 unless the role of whoever is asking holds a permission';

--@include protect.sql

REVOKE ALL ON FUNCTION twin_internal.identity_changed(), twin_internal.replace_seed(), twin_internal.require_role(text),
	twin_internal.require_known_permission(text), twin_internal.protection_condition(regclass, name, name, text),
	twin_internal.protection_base(name, name), twin_internal.require_warrant(), twin_internal.may(text), twin_internal.require_reach_of_role(text),
	twin_internal.tell_token_only_logins(),
	twin_internal.check_protectable(regclass), twin_internal.check_protection_column(regclass, name, boolean),
	twin_internal.policy_digest(regclass), twin_internal.grant_by_permission(regclass, text, text),
	twin_internal.note_protection(regclass, name, name, text, text, text, text), twin_internal.write_protection(regclass),
	twin_internal.unprotect_one(twin_internal.protected_tables), twin_internal.unprotect_tree(regclass),
	twin_internal.protection_tree(regclass), twin_internal.protect(regclass, name, name, text, text, text, text),
	twin_internal.unprotect(regclass), twin_internal.protection_holds(regclass), twin_internal.protect_new_partitions(),
	twin_internal.forget_dropped_tables() FROM PUBLIC;

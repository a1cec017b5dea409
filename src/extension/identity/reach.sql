/*
 * reach.sql
 *		How far whoever is asking reaches, for the functions and views of the parts above: see reach.c.
 */

CREATE FUNCTION twin_internal.may(permission text) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_may';
COMMENT ON FUNCTION twin_internal.may(text) IS 'whether whoever is asking holds a permission; true where nobody is, who is bound by his grants alone';

CREATE FUNCTION twin_internal.require_reach_of_role(role_name text) RETURNS void
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_require_reach_of_role';
COMMENT ON FUNCTION twin_internal.require_reach_of_role(text) IS
	'raises 42501 where a role holds a permission that whoever is asking lacks, or breaks glass and he has a tenant';

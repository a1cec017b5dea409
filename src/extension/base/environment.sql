/*
 * environment.sql
 *		What functions may read of the server's environment.
 */

CREATE FUNCTION twin.required_env(name text) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_required_env';
COMMENT ON FUNCTION twin.required_env(text) IS
	'a variable of the server''s environment that twin_security.readable_environment lists; an error where it is not set or empty';

CREATE FUNCTION twin.optional_env(name text, fallback text) RETURNS text
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_optional_env';
COMMENT ON FUNCTION twin.optional_env(text, text) IS
	'a variable of the server''s environment that twin_security.readable_environment lists; the fallback where it is not set or empty';

REVOKE ALL ON FUNCTION twin.required_env(text), twin.optional_env(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.required_env(text), twin.optional_env(text, text) TO twin_admin, twin_operator, twin_viewer;

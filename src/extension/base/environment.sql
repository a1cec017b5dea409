/*
 * environment.sql
 *		Variables of the server's environment that are no secrets.
 */

CREATE FUNCTION twin.required_env(name text) RETURNS text
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_required_env';
COMMENT ON FUNCTION twin.required_env(text) IS
	'a variable of the server''s environment that twin_security.environment_names lists; an error where it is not set or empty. Never a key, whatever the setting says';

CREATE FUNCTION twin.optional_env(name text, default_value text DEFAULT NULL) RETURNS text
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_optional_env';
COMMENT ON FUNCTION twin.optional_env(text, text) IS 'as required_env(), with a default for a variable that is not set or empty';

REVOKE ALL ON FUNCTION twin.required_env(text), twin.optional_env(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.required_env(text), twin.optional_env(text, text) TO twin_admin, twin_auditor;

/*
 * request.sql
 *		One HTTP request as the database sees it.
 *
 * Anybody may call begin_request() and pre_request(): what they do they do by a token, and begin_request() looks at the
 * login by itself, because gateways' logins inherit nothing.
 */

--@include rates.sql
--@include reload.sql

CREATE FUNCTION twin.begin_request(method text, path text, headers jsonb, cookies jsonb, client_address inet, schema_name text,
	anonymous_role name DEFAULT 'twin_anonymous', extra_search_path text[] DEFAULT NULL, settings text[] DEFAULT NULL, route text DEFAULT NULL)
	RETURNS TABLE (role_name name, user_id bigint, request_id text)
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'tsec_begin_request';
COMMENT ON FUNCTION twin.begin_request(text, text, jsonb, jsonb, inet, text, name, text[], text[], text) IS
	'begins the request that this transaction is for, as a gateway''s first statement in it: token, CSRF, limits, settings as PostgREST makes them, role; errors of class TW';

CREATE FUNCTION twin.pre_request() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_pre_request';
COMMENT ON FUNCTION twin.pre_request() IS
	'for PostgREST''s db-pre-request: verifies the raw token or cookie of the request, takes its role on and seals it; raises PT401, PT403, PT429';

REVOKE ALL ON FUNCTION twin.check_rate_limit(text, text), twin_internal.rate_limits_changed(), twin_internal.tell_rate_limits(),
	twin_internal.note_schema_change(), twin_internal.watch_schema(), twin_internal.watch_schema_drops() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.check_rate_limit(text, text) TO twin_admin, twin_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON twin.rate_limits TO twin_admin;
GRANT SELECT ON twin.rate_limits TO twin_auditor;

/*
 * api.sql
 *		twin_api: login and what belongs to it, the only functions of the extension that a web client may reach.
 *
 * They answer a refusal instead of raising it, with response.status, so that what it recorded commits.
 */

CREATE SCHEMA twin_api;
COMMENT ON SCHEMA twin_api IS 'twin_security: what the gateway or PostgREST may expose';

CREATE FUNCTION twin_api.login(username text, password text, use_cookies boolean DEFAULT false) RETURNS jsonb
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp COST 1000000
	AS 'MODULE_PATHNAME', 'tsec_login';
COMMENT ON FUNCTION twin_api.login(text, text, boolean) IS 'an access and a refresh token for a password, or cookies that hold them; {error, message} with response.status 401 or 429';

CREATE FUNCTION twin_api.refresh(refresh_token text DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tsec_refresh';
COMMENT ON FUNCTION twin_api.refresh(text) IS 'new tokens for a refresh token, which is used up; without argument the cookie''s, with the header X-CSRF-Token';

CREATE FUNCTION twin_api.change_password(old_password text, new_password text) RETURNS jsonb
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp COST 1000000
	AS 'MODULE_PATHNAME', 'tsec_change_password';
COMMENT ON FUNCTION twin_api.change_password(text, text) IS 'gives whoever is asking another password; all his sessions end, and the tokens of a new one come back as from login()';

CREATE FUNCTION twin_api.logout() RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tsec_logout';
COMMENT ON FUNCTION twin_api.logout() IS 'ends the session of whoever is asking; its tokens are refused at once';

CREATE FUNCTION twin_api.logout_all() RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tsec_logout_all';
COMMENT ON FUNCTION twin_api.logout_all() IS 'ends all sessions of whoever is asking';

CREATE FUNCTION twin_api.me() RETURNS jsonb
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tsec_me';
COMMENT ON FUNCTION twin_api.me() IS 'who is asking: user_id, username, role, tenant_id, permissions, session';

REVOKE ALL ON FUNCTION twin_api.login(text, text, boolean), twin_api.refresh(text), twin_api.change_password(text, text), twin_api.logout(),
	twin_api.logout_all(), twin_api.me() FROM PUBLIC;
GRANT USAGE ON SCHEMA twin_api TO twin_anonymous, twin_gateway, twin_viewer, twin_operator, twin_admin, twin_auditor;
GRANT EXECUTE ON FUNCTION twin_api.login(text, text, boolean), twin_api.refresh(text)
	TO twin_anonymous, twin_gateway, twin_viewer, twin_operator, twin_admin;
GRANT EXECUTE ON FUNCTION twin_api.change_password(text, text), twin_api.logout(), twin_api.logout_all(), twin_api.me()
	TO twin_viewer, twin_operator, twin_admin, twin_auditor;

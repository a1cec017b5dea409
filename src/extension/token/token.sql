/*
 * token.sql
 *		Signed tokens: the key set, issuing and verifying, revocation.
 *
 * Nothing here trusts what a token says about itself before the strict door (src/common/jwt.h) let it in.
 */

--@include keys.sql
--@include revocations.sql

CREATE FUNCTION twin.issue_token(claims jsonb, lifetime interval DEFAULT NULL) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_issue_token';
COMMENT ON FUNCTION twin.issue_token(jsonb, interval) IS 'signs an access token with these claims; the database adds iat, exp, jti, iss, aud and typ';

CREATE FUNCTION twin_internal.issue_token(claims jsonb, token_type text, lifetime_seconds bigint,
	OUT token text, OUT token_id text, OUT issued_at timestamptz, OUT expires_at timestamptz) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_issue_token_of_type';
COMMENT ON FUNCTION twin_internal.issue_token(jsonb, text, bigint) IS 'signs an access or a refresh token and tells what was issued';

CREATE FUNCTION twin.verify_token(token text) RETURNS jsonb
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_verify_token';
COMMENT ON FUNCTION twin.verify_token(text) IS 'the claims of an access token that verifies; else an error of class TW that says why not';

CREATE FUNCTION twin_internal.verify_refresh_token(token text) RETURNS jsonb
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_verify_refresh_token';
COMMENT ON FUNCTION twin_internal.verify_refresh_token(text) IS 'the claims of a refresh token of ours that verifies';

REVOKE ALL ON FUNCTION twin_internal.revoke_leaver(text), twin_internal.issue_token(jsonb, text, bigint), twin_internal.verify_refresh_token(text), twin_internal.environment_kid(boolean),
	twin_internal.token_keys_changed(), twin_internal.read_verification_key(jsonb, text, text, jsonb, bigint), twin_internal.make_signing_key(text),
	twin_internal.drop_token_secret(text), twin_internal.lock_signing_key(text), twin_internal.revocations_changed(), twin_internal.revocation_of(text),
	twin_internal.last_expiry(), twin_internal.revoke(text, bigint, timestamptz), twin_internal.revoke_session(text), twin_internal.revoke_user(text)
	FROM PUBLIC;
REVOKE ALL ON FUNCTION twin.issue_token(jsonb, interval), twin.add_verification_key(jsonb, text, text, jsonb, interval),
	twin.remove_verification_key(text), twin.create_signing_key(text), twin.use_signing_key(text), twin.rotate_signing_key(),
	twin.retire_signing_key(text), twin.revoke_token(text), twin.purge_revocations() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.issue_token(jsonb, interval), twin.add_verification_key(jsonb, text, text, jsonb, interval),
	twin.remove_verification_key(text), twin.create_signing_key(text), twin.use_signing_key(text), twin.rotate_signing_key(),
	twin.retire_signing_key(text), twin.revoke_token(text), twin.purge_revocations() TO twin_admin;
GRANT SELECT ON twin.verification_keys, twin.revocations TO twin_admin, twin_auditor;
GRANT EXECUTE ON FUNCTION twin_internal.environment_kid(boolean) TO twin_admin, twin_auditor;

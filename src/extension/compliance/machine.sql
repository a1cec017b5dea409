/*
 * machine.sql
 *		What SQL does not show by itself: files, libraries, the certificate, the token secret.
 */

CREATE FUNCTION twin_internal.file_facts(path text, OUT mode integer, OUT is_ours boolean) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_file_facts';
COMMENT ON FUNCTION twin_internal.file_facts(text) IS 'permission bits of a file, and whether its owner is the server''s user or root; nulls where there is none';

CREATE FUNCTION twin_internal.openssl_version() RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_openssl_version';
COMMENT ON FUNCTION twin_internal.openssl_version() IS 'what the loaded OpenSSL calls itself';

CREATE FUNCTION twin_internal.certificate_facts(path text, OUT expires_at timestamptz, OUT key_bits integer, OUT security_bits integer,
	OUT is_self_signed boolean) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_certificate_facts';
COMMENT ON FUNCTION twin_internal.certificate_facts(text) IS 'until when a certificate is good, and how strong its key is; nulls where it cannot be read';

CREATE FUNCTION twin_internal.token_secret_strength(previous boolean, OUT bytes integer, OUT bits double precision) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_token_secret_strength';
COMMENT ON FUNCTION twin_internal.token_secret_strength(boolean) IS 'length of JWT_SECRET_KEY, or of JWT_SECRET_KEY_PREVIOUS, and how many bits of it would have to be guessed at most; nulls where there is none';

CREATE FUNCTION twin_internal.token_lifetime() RETURNS interval
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_token_lifetime';
COMMENT ON FUNCTION twin_internal.token_lifetime() IS 'how long access tokens live, by settings and environment';

CREATE FUNCTION twin_internal.mode_text(mode integer) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT concat(mode >> 9 & 7, mode >> 6 & 7, mode >> 3 & 7, mode & 7);
	END;
COMMENT ON FUNCTION twin_internal.mode_text(integer) IS 'permission bits as chmod takes them';

REVOKE ALL ON FUNCTION twin_internal.mode_text(integer), twin_internal.file_facts(text), twin_internal.openssl_version(), twin_internal.certificate_facts(text),
	twin_internal.token_secret_strength(boolean), twin_internal.token_lifetime() FROM PUBLIC;

/*
 * keys.sql
 *		Keys that verify tokens, and those of them that sign ours.
 *
 * Public keys stand here in the open. Secrets and private keys are kept by the keyring, wrapped, and bound to everything of
 * their row but its state: a row whose issuer, audience, claim map or algorithm was edited does not open.
 */

CREATE TABLE twin_internal.token_keys (
	kid text COLLATE "C" PRIMARY KEY CHECK (pg_catalog.octet_length(kid) BETWEEN 1 AND 255),
	is_own boolean NOT NULL,
	algorithm text NOT NULL,
	state text NOT NULL CHECK (state IN ('published', 'signing', 'verifying', 'retired')),
	public_key jsonb,
	issuer text,
	audience text,
	claim_map jsonb NOT NULL DEFAULT '{}',
	max_lifetime bigint NOT NULL CHECK (max_lifetime > 0),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE twin_internal.token_keys IS 'keys that verify tokens; max_lifetime is in seconds, public_key null for a secret';
CREATE UNIQUE INDEX token_keys_signing ON twin_internal.token_keys (state) WHERE state = 'signing';
SELECT pg_catalog.pg_extension_config_dump('twin_internal.token_keys', '');

CREATE FUNCTION twin_internal.environment_kid(previous boolean) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_environment_kid';
COMMENT ON FUNCTION twin_internal.environment_kid(boolean) IS 'name of the key made of JWT_SECRET_KEY, or of JWT_SECRET_KEY_PREVIOUS; null when there is none';

/* Its relcache entry carries the news of changed keys: see token/catalog.c. */
CREATE VIEW twin.verification_keys AS
	SELECT k.kid::text AS kid, k.algorithm, k.is_own, k.state, k.issuer, k.audience, k.claim_map,
		pg_catalog.make_interval(secs => k.max_lifetime) AS max_lifetime, k.public_key, k.created_at
	FROM twin_internal.token_keys k
	UNION ALL
	SELECT e.kid, 'HS256', true, CASE WHEN e.previous OR EXISTS (SELECT FROM twin_internal.token_keys s WHERE s.state = 'signing')
		THEN 'verifying' ELSE 'signing' END, NULL, NULL, '{}', NULL, NULL, NULL
	FROM (SELECT p.previous, twin_internal.environment_kid(p.previous) AS kid FROM (VALUES (false), (true)) p (previous)) e
	WHERE e.kid IS NOT NULL;
COMMENT ON VIEW twin.verification_keys IS 'keys whose tokens are accepted, those of the environment included; never a secret';

CREATE FUNCTION twin_internal.token_keys_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_token_keys_changed';
COMMENT ON FUNCTION twin_internal.token_keys_changed() IS 'tells every session to read the token keys again';
CREATE TRIGGER token_keys_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.token_keys
	FOR EACH ROW EXECUTE FUNCTION twin_internal.token_keys_changed();
CREATE TRIGGER token_keys_emptied AFTER TRUNCATE ON twin_internal.token_keys
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.token_keys_changed();
ALTER TABLE twin_internal.token_keys ENABLE ALWAYS TRIGGER token_keys_changed, ENABLE ALWAYS TRIGGER token_keys_emptied;
CREATE TRIGGER token_secrets_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.wrapped_secrets
	FOR EACH ROW EXECUTE FUNCTION twin_internal.token_keys_changed();
ALTER TABLE twin_internal.wrapped_secrets ENABLE ALWAYS TRIGGER token_secrets_changed;

CREATE FUNCTION twin_internal.read_verification_key(jwk jsonb, issuer text, audience text, claim_map jsonb, max_lifetime bigint,
	OUT kid text, OUT algorithm text, OUT public_key jsonb, OUT binding bytea, OUT wrapped bytea, OUT wrapping_id bytea) RETURNS record
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_read_verification_key';
COMMENT ON FUNCTION twin_internal.read_verification_key(jsonb, text, text, jsonb, bigint) IS 'checks a JWK and a claim map; wraps a secret, which is never returned';

CREATE FUNCTION twin_internal.make_signing_key(of_algorithm text,
	OUT kid text, OUT algorithm text, OUT public_key jsonb, OUT binding bytea, OUT wrapped bytea, OUT wrapping_id bytea) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_make_signing_key';
COMMENT ON FUNCTION twin_internal.make_signing_key(text) IS 'makes a key to sign with and wraps it; the private half is never returned';

CREATE FUNCTION twin.add_verification_key(jwk jsonb, issuer text DEFAULT NULL, audience text DEFAULT NULL, claim_map jsonb DEFAULT '{}',
	max_lifetime interval DEFAULT NULL) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	seconds bigint := coalesce(extract(epoch FROM max_lifetime)::bigint, 30 * 86400);
	made record;
BEGIN
	IF jwk IS NULL OR claim_map IS NULL THEN
		RAISE EXCEPTION 'a verification key is a JWK and a claim map' USING ERRCODE = '22004';
	ELSIF seconds NOT BETWEEN 1 AND 3660 * 86400::bigint THEN
		RAISE EXCEPTION 'the longest lifetime of a token is from one second to 3660 days' USING ERRCODE = '22023';
	ELSIF octet_length(issuer) NOT BETWEEN 1 AND 255 OR octet_length(audience) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION 'an issuer and an audience have 1 to 255 bytes' USING ERRCODE = '22023', HINT = 'NULL accepts any.';
	END IF;
	SELECT * INTO STRICT made FROM twin_internal.read_verification_key(jwk, issuer, audience, claim_map, seconds);
	IF EXISTS (SELECT FROM twin_internal.token_keys k WHERE k.kid = made.kid)
		OR made.kid IN (twin_internal.environment_kid(false), twin_internal.environment_kid(true)) THEN
		RAISE EXCEPTION 'there is a key "%" already', made.kid
			USING ERRCODE = '42710', HINT = 'Remove it with twin.remove_verification_key() first, or give the JWK another kid.';
	END IF;
	IF NOT claim_map ? 'roles' AND claim_map -> 'role' IS DISTINCT FROM 'null'::jsonb THEN
		RAISE NOTICE 'key "%": every role that its issuer writes into a token counts', made.kid
			USING HINT = 'Name those it may give: "roles": [...] in the claim map.';
	END IF;
	IF claim_map ? 'require' AND NOT claim_map -> 'require' ? 'exp' THEN
		RAISE WARNING 'key "%": its tokens need not expire', made.kid
			USING HINT = 'Put "exp" into "require" of the claim map, unless this is what you want.';
	END IF;
	INSERT INTO twin_internal.token_keys
		VALUES (made.kid, false, made.algorithm, 'verifying', made.public_key, issuer, audience, claim_map, seconds);
	PERFORM twin_internal.store_secret('token key', made.kid, made.binding, made.wrapped, made.wrapping_id);
	PERFORM twin_internal.emit_event('token_key_added', made.kid, 'add_verification_key', jsonb_build_object('algorithm', made.algorithm,
		'issuer', issuer, 'audience', audience, 'claim_map', claim_map, 'max_lifetime', seconds), 'high');
	RETURN made.kid;
END
$$;
COMMENT ON FUNCTION twin.add_verification_key(jsonb, text, text, jsonb, interval) IS 'accepts the tokens of an outside issuer: its key as JWK, what its tokens must say, and which of their claims are user, role and tenant';

CREATE FUNCTION twin_internal.drop_token_secret(named text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	DELETE FROM twin_internal.wrapped_secrets s WHERE s.purpose = 'token key' AND s.name = named;
END;
COMMENT ON FUNCTION twin_internal.drop_token_secret(text) IS 'forgets the wrapped secret of a token key';

CREATE FUNCTION twin.remove_verification_key(kid text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
	DELETE FROM twin_internal.token_keys k WHERE k.kid = kid AND NOT k.is_own;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no key "%" of an outside issuer', kid
			USING ERRCODE = '42704', HINT = 'See twin.verification_keys; keys of our own are retired by twin.retire_signing_key().';
	END IF;
	PERFORM twin_internal.drop_token_secret(kid);
	PERFORM twin_internal.emit_event('token_key_removed', kid, 'remove_verification_key', NULL, 'medium');
END
$$;
COMMENT ON FUNCTION twin.remove_verification_key(text) IS 'accepts no more tokens of an outside issuer''s key, at once';

CREATE FUNCTION twin.create_signing_key(algorithm text DEFAULT 'EdDSA') RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	made record;
BEGIN
	IF algorithm IS NULL THEN
		RAISE EXCEPTION 'a signing key has an algorithm' USING ERRCODE = '22004';
	END IF;
	SELECT * INTO STRICT made FROM twin_internal.make_signing_key(algorithm);
	INSERT INTO twin_internal.token_keys
		VALUES (made.kid, true, made.algorithm, 'published', made.public_key, NULL, NULL, '{}', 30 * 86400);
	PERFORM twin_internal.store_secret('token key', made.kid, made.binding, made.wrapped, made.wrapping_id);
	PERFORM twin_internal.emit_event('token_key_created', made.kid, 'create_signing_key', jsonb_build_object('algorithm', made.algorithm), 'medium');
	RETURN made.kid;
END
$$;
COMMENT ON FUNCTION twin.create_signing_key(text) IS 'makes and publishes a key to sign with later: EdDSA, ES256, RS256, PS256 or HS256';

CREATE FUNCTION twin_internal.lock_signing_key(wanted text) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_state text;
BEGIN
	LOCK TABLE twin_internal.token_keys IN SHARE ROW EXCLUSIVE MODE;
	SELECT k.state INTO found_state FROM twin_internal.token_keys k WHERE k.kid = wanted AND k.is_own;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no signing key "%"', wanted USING ERRCODE = '42704', HINT = 'See twin.verification_keys.';
	END IF;
	RETURN found_state;
END
$$;
COMMENT ON FUNCTION twin_internal.lock_signing_key(text) IS 'one change of signing keys at a time; the state of the one that is meant';

CREATE FUNCTION twin.use_signing_key(kid text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
	IF twin_internal.lock_signing_key(kid) = 'retired' THEN
		RAISE EXCEPTION 'signing key "%" has been retired', kid USING ERRCODE = '55000';
	END IF;
	UPDATE twin_internal.token_keys k SET state = 'verifying' WHERE k.state = 'signing' AND k.kid <> kid;
	UPDATE twin_internal.token_keys k SET state = 'signing' WHERE k.kid = kid AND k.state <> 'signing';
	IF FOUND THEN
		PERFORM twin_internal.emit_event('token_key_used', kid, 'use_signing_key', NULL, 'medium');
	END IF;
END
$$;
COMMENT ON FUNCTION twin.use_signing_key(text) IS 'signs with this key from now on; what the one before signed goes on being accepted';

CREATE FUNCTION twin.rotate_signing_key() RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	next_one text;
BEGIN
	LOCK TABLE twin_internal.token_keys IN SHARE ROW EXCLUSIVE MODE;
	SELECT k.kid INTO next_one FROM twin_internal.token_keys k WHERE k.is_own AND k.state = 'published' ORDER BY k.created_at LIMIT 1;
	IF FOUND THEN
		PERFORM twin.use_signing_key(next_one);
		RETURN next_one;
	END IF;
	next_one := twin.create_signing_key(coalesce((SELECT k.algorithm FROM twin_internal.token_keys k WHERE k.state = 'signing'), 'EdDSA'));
	RAISE NOTICE 'signing key "%" is published', next_one
		USING HINT = 'Call twin.rotate_signing_key() again, once whoever reads twin.jwks() has it, to sign with it from then on.';
	RETURN next_one;
END
$$;
COMMENT ON FUNCTION twin.rotate_signing_key() IS 'first call: publishes a new signing key; second call: signs with it, and the one before goes on verifying';

CREATE FUNCTION twin.retire_signing_key(kid text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
	IF twin_internal.lock_signing_key(kid) = 'signing' THEN
		RAISE EXCEPTION 'signing key "%" is in use', kid USING ERRCODE = '55000', HINT = 'Sign with another one first: twin.rotate_signing_key().';
	END IF;
	UPDATE twin_internal.token_keys k SET state = 'retired' WHERE k.kid = kid AND k.state <> 'retired';
	IF FOUND THEN
		PERFORM twin_internal.emit_event('token_key_retired', kid, 'retire_signing_key', NULL, 'medium');
	END IF;
	PERFORM twin_internal.drop_token_secret(kid);
END
$$;
COMMENT ON FUNCTION twin.retire_signing_key(text) IS 'accepts no more tokens of a key of our own, and forgets its private half';

CREATE FUNCTION twin.jwks() RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object('keys', coalesce(jsonb_agg(k.public_key || jsonb_build_object('kid', k.kid) ORDER BY k.created_at, k.kid), '[]'))
	FROM twin_internal.token_keys k WHERE k.is_own AND k.state <> 'retired' AND k.public_key IS NOT NULL;
END;
COMMENT ON FUNCTION twin.jwks() IS 'the public halves of our signing keys as a JWK set (RFC 7517), for whoever verifies our tokens elsewhere';

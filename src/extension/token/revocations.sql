/*
 * revocations.sql
 *		What is no longer accepted though its signature holds: a token, a session, or all that a user got up to a second.
 *
 * The table is the truth. Its primary key is looked up once per token and session of the server, and again after news.
 */

CREATE TABLE twin_internal.revocations (
	name text COLLATE "C" NOT NULL CHECK (name ~ '^[tsuv]:' AND pg_catalog.octet_length(name) BETWEEN 3 AND 1022),
	last_second bigint,
	expires_at timestamptz NOT NULL,
	revoked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	part uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
	PRIMARY KEY (name, part),
	CHECK ((pg_catalog.left(name, 1) IN ('u', 'v')) = (last_second IS NOT NULL)),
	CHECK (name ~ '^v:' OR part = '00000000-0000-0000-0000-000000000000')
);
COMMENT ON TABLE twin_internal.revocations IS 't: a token by its jti, s: a session by its sid, u and v: a user''s tokens issued up to last_second, by an administrator and by himself, who adds a row each time; from expires_at on nothing it refuses could be valid';
-- a quarter full: a look touches half as many lines of memory (measured with a million: 1.3 us a token in place of 2.5; emptier is slower)
CREATE INDEX revocations_name_hash ON twin_internal.revocations USING hash (name) WITH (fillfactor = 25);
CREATE INDEX revocations_expires_at ON twin_internal.revocations (expires_at);
SELECT pg_catalog.pg_extension_config_dump('twin_internal.revocations', '');

/* Its relcache entry carries the news of revocations: see token/catalog.c. */
CREATE VIEW twin.revocations AS
	SELECT CASE left(r.name, 1) WHEN 't' THEN 'token' WHEN 's' THEN 'session' ELSE 'user' END AS kind, substr(r.name, 3) AS subject,
		pg_catalog.to_timestamp(r.last_second) AS issued_until, r.revoked_at, r.expires_at
	FROM twin_internal.revocations r;
COMMENT ON VIEW twin.revocations IS 'tokens (by jti), sessions (by sid) and users whose tokens are refused';

CREATE FUNCTION twin_internal.revocations_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_revocations_changed';
COMMENT ON FUNCTION twin_internal.revocations_changed() IS 'tells every session to look for its tokens again';
CREATE TRIGGER revocations_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.revocations
	FOR EACH ROW EXECUTE FUNCTION twin_internal.revocations_changed();
CREATE TRIGGER revocations_emptied AFTER TRUNCATE ON twin_internal.revocations
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.revocations_changed();
ALTER TABLE twin_internal.revocations ENABLE ALWAYS TRIGGER revocations_changed, ENABLE ALWAYS TRIGGER revocations_emptied;

CREATE FUNCTION twin_internal.revocation_of(token_or_jti text, OUT subject text, OUT expires_at timestamptz, OUT expired boolean) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_revocation_of';
COMMENT ON FUNCTION twin_internal.revocation_of(text) IS 'what a revocation of a token says; raises for what is neither a token of ours nor an id of one';

/* When the last token that could be valid now has expired, leeway included. */
CREATE FUNCTION twin_internal.last_expiry() RETURNS timestamptz
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN EXISTS (SELECT FROM twin_internal.token_keys k WHERE k.claim_map ? 'require' AND NOT k.claim_map -> 'require' ? 'exp')
		THEN 'infinity'::timestamptz
		ELSE clock_timestamp() + make_interval(secs => 600 + greatest(366 * 86400, (SELECT max(k.max_lifetime) FROM twin_internal.token_keys k))) END;
END;
COMMENT ON FUNCTION twin_internal.last_expiry() IS 'how long a revocation of what has no expiry of its own must be remembered';

CREATE FUNCTION twin.purge_revocations() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	purged bigint;
BEGIN
	DELETE FROM twin_internal.revocations r WHERE r.expires_at < clock_timestamp();
	GET DIAGNOSTICS purged = ROW_COUNT;
	PERFORM twin_internal.emit_event('revocations_purged', NULL, 'purge_revocations', jsonb_build_object('rows', purged));
	RETURN purged;
END
$$;
COMMENT ON FUNCTION twin.purge_revocations() IS 'deletes revocations of what has expired; returns how many';

CREATE FUNCTION twin_internal.revoke(named text, until_second bigint, remembered_until timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	latest bigint;
	this_second bigint := until_second;
	part uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
	/* a few of the expired ones go with every new one, and what a new one outdoes; what another session has locked is left to
	   it, and rows that administrators write anew are left to purge_revocations(), so that nobody's transaction holds them up */
	DELETE FROM twin_internal.revocations r WHERE (r.name, r.part) IN (
		SELECT o.name, o.part FROM twin_internal.revocations o WHERE o.expires_at < clock_timestamp() AND o.name !~ '^u:'
		ORDER BY o.expires_at LIMIT 10 FOR UPDATE SKIP LOCKED);
	/* twice within one second: tokens issued in between carry the second after the first, and none a later one */
	SELECT max(r.last_second) INTO latest FROM twin_internal.revocations r
		WHERE until_second IS NOT NULL AND r.name IN ('u:' || substr(named, 3), 'v:' || substr(named, 3));
	IF latest >= this_second THEN
		until_second := greatest(latest, this_second + 1);
	END IF;
	IF named ^@ 'v:' THEN
		DELETE FROM twin_internal.revocations r WHERE (r.name, r.part) IN (
			SELECT o.name, o.part FROM twin_internal.revocations o WHERE o.name = named LIMIT 10 FOR UPDATE SKIP LOCKED);
		part := gen_random_uuid();
	END IF;
	INSERT INTO twin_internal.revocations AS r (name, last_second, expires_at, part) VALUES (named, until_second, remembered_until, part)
		ON CONFLICT ON CONSTRAINT revocations_pkey DO UPDATE SET expires_at = greatest(r.expires_at, EXCLUDED.expires_at), revoked_at = EXCLUDED.revoked_at,
			last_second = greatest(r.last_second, EXCLUDED.last_second, CASE WHEN r.last_second >= this_second THEN this_second + 1 END);
END
$$;
COMMENT ON FUNCTION twin_internal.revoke(text, bigint, timestamptz) IS 'remembers one revocation';

CREATE FUNCTION twin_internal.revoke_session(sid text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin_internal.revoke('s:' || sid, NULL, twin_internal.last_expiry());
END;
COMMENT ON FUNCTION twin_internal.revoke_session(text) IS 'refuses every token of a session, also those issued later';

CREATE FUNCTION twin_internal.revoke_user(user_claim text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin_internal.revoke('u:' || user_claim, floor(extract(epoch FROM clock_timestamp()))::bigint, twin_internal.last_expiry());
END;
COMMENT ON FUNCTION twin_internal.revoke_user(text) IS 'refuses every token of a user (as text) that was issued up to now';

/* For the user himself: it waits for nobody and nobody for it, however long his transaction lasts. */
CREATE FUNCTION twin_internal.revoke_leaver(user_claim text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin_internal.revoke('v:' || user_claim, floor(extract(epoch FROM clock_timestamp()))::bigint, twin_internal.last_expiry());
END;
COMMENT ON FUNCTION twin_internal.revoke_leaver(text) IS 'refuses every token of a user (as text) that was issued up to now, in a row of its own';

CREATE FUNCTION twin.revoke_token(token_or_jti text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	meant record;
BEGIN
	IF token_or_jti IS NULL THEN
		RAISE EXCEPTION 'neither a token nor the id of one' USING ERRCODE = '22004';
	END IF;
	SELECT * INTO STRICT meant FROM twin_internal.revocation_of(token_or_jti);
	IF meant.expired THEN
		RAISE NOTICE 'the token has expired already';
		RETURN;
	END IF;
	PERFORM twin_internal.revoke('t:' || meant.subject, NULL, coalesce(meant.expires_at, twin_internal.last_expiry()));
	PERFORM twin_internal.emit_event('token_revoked', meant.subject, 'revoke_token');
END
$$;
COMMENT ON FUNCTION twin.revoke_token(text) IS 'refuses a token from now on, in every session at once; takes the token itself or its jti';

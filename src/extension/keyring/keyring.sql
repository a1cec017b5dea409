/*
 * keyring.sql
 *		Named keys, their versions and states, grants, and the whole-value functions.
 *
 * Every key is 32 random bytes, wrapped (AES-256-GCM) under a key derived from
 * ENCRYPTION_KEY.  The tables travel with a dump: without ENCRYPTION_KEY they are worthless.
 */

--@include tables.sql
--@include subscriber.sql
--@include secrets.sql

CREATE FUNCTION twin_internal.key_modifier(key_name text) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_key_modifier';
COMMENT ON FUNCTION twin_internal.key_modifier(text) IS 'the type modifier that stands for a key name: 31 bits of SHA-256';

CREATE FUNCTION twin_internal.wrap_new_key(modifier integer, kind text, context uuid, algorithm smallint DEFAULT 1,
	OUT key_id integer, OUT wrapped bytea, OUT wrapping_id bytea) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_wrap_new_key';
COMMENT ON FUNCTION twin_internal.wrap_new_key(integer, text, uuid, smallint) IS 'makes a random key and wraps it; the key itself is never returned';

CREATE FUNCTION twin_internal.rewrap_key(key_id integer, modifier integer, kind text, context uuid,
	INOUT wrapped bytea, INOUT wrapping_id bytea, algorithm smallint DEFAULT 1) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_rewrap_key';
COMMENT ON FUNCTION twin_internal.rewrap_key(integer, integer, text, uuid, bytea, bytea, smallint) IS 'wraps a key under the present ENCRYPTION_KEY';

CREATE FUNCTION twin_internal.master_key_id() RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_master_key_id';
COMMENT ON FUNCTION twin_internal.master_key_id() IS 'public fingerprint of the present ENCRYPTION_KEY; raises when there is none';

CREATE FUNCTION twin_internal.master_key_present() RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_master_key_present';
COMMENT ON FUNCTION twin_internal.master_key_present() IS 'whether an ENCRYPTION_KEY was given at all; a malformed one raises';

CREATE FUNCTION twin_internal.check_master_key(wrapping_ids bytea[]) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_check_master_key';
COMMENT ON FUNCTION twin_internal.check_master_key(bytea[]) IS 'raises TW101 unless each id is that of the present or the previous ENCRYPTION_KEY';

CREATE FUNCTION twin_internal.wrapping_ids() RETURNS SETOF bytea
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT v.wrapping_id FROM twin_internal.key_versions v WHERE v.wrapped IS NOT NULL
	UNION SELECT s.wrapping_id FROM twin_internal.wrapped_secrets s;
END;
COMMENT ON FUNCTION twin_internal.wrapping_ids() IS 'fingerprints of the keys that wrapped what the keyring holds';

/* Adds a version to a key whose row the caller has locked. */
CREATE FUNCTION twin_internal.add_key_version(of_key name, in_state text) RETURNS twin_internal.key_versions
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	parent twin_internal.keys;
	made twin_internal.key_versions;
BEGIN
	/* a key that ENCRYPTION_KEY does not fit would make a keyring that no key opens whole */
	PERFORM twin_internal.check_master_key(array_agg(i.wrapping_id)) FROM twin_internal.wrapping_ids() AS i (wrapping_id);
	SELECT * INTO STRICT parent FROM twin_internal.keys k WHERE k.key_name = of_key;
	made.key_name := of_key;
	made.state := in_state;
	made.created_at := clock_timestamp();
	SELECT coalesce(max(v.version), 0) + 1 INTO made.version FROM twin_internal.key_versions v WHERE v.key_name = of_key;
	SELECT w.key_id, w.wrapped, w.wrapping_id INTO made.key_id, made.wrapped, made.wrapping_id
		FROM twin_internal.wrap_new_key(parent.modifier, parent.kind, parent.context, parent.algorithm) w;
	IF parent.kind = 'environment' THEN
		made.wrapped := NULL;	/* the key is ENCRYPTION_KEY itself; only its messages are counted here */
	END IF;
	/* a key that gets another version here is no longer one that a restore may replace */
	UPDATE twin_internal.keys k SET replaceable = false WHERE k.key_name = of_key AND k.replaceable;
	UPDATE twin_internal.key_versions v SET replaceable = false WHERE v.key_name = of_key AND v.replaceable;
	made.replaceable := false;
	INSERT INTO twin_internal.key_versions SELECT made.*;
	INSERT INTO twin_internal.key_usage VALUES (made.key_id, 0);
	UPDATE twin_internal.key_usage u SET made_here = true WHERE u.key_id = made.key_id;
	RETURN made;
END
$$;
COMMENT ON FUNCTION twin_internal.add_key_version(name, text) IS 'makes and stores one more version of a key';

CREATE FUNCTION twin_internal.make_key(named name, of_kind text, of_algorithm smallint DEFAULT 1) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	taken name;
	made twin_internal.key_versions;
BEGIN
	SELECT k.key_name INTO taken FROM twin_internal.keys k
		WHERE k.key_name = named OR k.modifier = twin_internal.key_modifier(named);
	IF taken = named AND NOT EXISTS (SELECT FROM twin_internal.key_versions v WHERE v.key_name = named AND v.state <> 'destroyed') THEN
		RAISE EXCEPTION 'key "%" already exists', named
			USING ERRCODE = '42710', DETAIL = 'It has been destroyed, and what it sealed still names it.', HINT = 'Choose another name.';
	ELSIF taken = named THEN
		RAISE EXCEPTION 'key "%" already exists', named USING ERRCODE = '42710';
	ELSIF taken IS NOT NULL THEN
		RAISE EXCEPTION 'the name "%" has the same type modifier as key "%"', named, taken
			USING ERRCODE = '42710', HINT = 'Choose another name.';
	END IF;
	INSERT INTO twin_internal.keys (key_name, modifier, kind, algorithm)
		VALUES (named, twin_internal.key_modifier(named), of_kind, of_algorithm);
	made := twin_internal.add_key_version(named, 'primary');
	PERFORM twin_internal.emit_event('key_created', named, 'create', jsonb_build_object('kind', of_kind, 'version', made.version, 'algorithm', of_algorithm));
	RETURN made.key_id;
END
$$;
COMMENT ON FUNCTION twin_internal.make_key(name, text, smallint) IS 'stores a new key of any kind with its first version';

CREATE FUNCTION twin.generate_key() RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_generate_key';
COMMENT ON FUNCTION twin.generate_key() IS 'base64 of 32 random bytes, fit for ENCRYPTION_KEY';

CREATE FUNCTION twin.create_key(key_name text, algorithm text DEFAULT 'aes-256-gcm') RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	number smallint := CASE algorithm WHEN 'aes-256-gcm' THEN 1 WHEN 'xaes-256-gcm' THEN 2 END;
BEGIN
	IF key_name IS NULL THEN
		RETURN NULL;
	END IF;
	IF key_name !~ '^[a-z_][a-z0-9_.-]{0,62}$' OR key_name ~ '^index[.]' OR key_name IN ('literal', 'environment') THEN
		RAISE EXCEPTION 'invalid key name "%"', key_name
			USING ERRCODE = '42602',
				  DETAIL = 'A key name is 1 to 63 lower-case letters, digits, "_", "." or "-", begins with a letter or "_", '
						   'and is neither "literal" nor "environment" nor in "index.".';
	END IF;
	IF number IS NULL THEN
		RAISE EXCEPTION 'unknown algorithm %', coalesce('"' || algorithm || '"', 'NULL')
			USING ERRCODE = '22023',
				  HINT = 'An algorithm is aes-256-gcm, or xaes-256-gcm for a key that is to seal more than 2^32 messages.';
	END IF;
	RETURN twin_internal.make_key(key_name, 'data', number);
END
$$;
COMMENT ON FUNCTION twin.create_key(text, text) IS 'creates a named column key of an algorithm (aes-256-gcm or xaes-256-gcm) and returns the id of its first version';

/* Locks a key's row for the functions below, with one error for a name nobody gave. */
CREATE FUNCTION twin_internal.lock_key(wanted text) RETURNS twin_internal.keys
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_key twin_internal.keys;
BEGIN
	SELECT * INTO found_key FROM twin_internal.keys k WHERE k.key_name::text = wanted FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'key "%" does not exist', wanted
			USING ERRCODE = '42704', HINT = 'See twin.keys, or create it with twin.create_key().';
	END IF;
	PERFORM twin_internal.check_own_key(found_key.key_name);
	RETURN found_key;
END
$$;
COMMENT ON FUNCTION twin_internal.lock_key(text) IS 'finds and locks a key by name';

/*
 * Two steps, so that every session and every replica can open what the new version seals before anything is sealed
 * under it: the first call publishes, the second makes the published version primary.
 */
CREATE FUNCTION twin_internal.rotate_step(wanted text, automatic boolean) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target twin_internal.keys := twin_internal.lock_key(wanted);
	made twin_internal.key_versions;
	promoted integer;
BEGIN
	IF target.kind NOT IN ('data', 'literal') THEN
		RAISE EXCEPTION 'key "%" is not rotated this way', target.key_name
			USING ERRCODE = '22023', HINT = 'Index keys are rotated by twin.rotate_index_key(), ENCRYPTION_KEY by twin.rotate_master_key().';
	END IF;
	IF NOT EXISTS (SELECT FROM twin_internal.key_versions v WHERE v.key_name = target.key_name AND v.state = 'primary') THEN
		RAISE EXCEPTION 'key "%" has been destroyed', target.key_name USING ERRCODE = 'TW102';
	END IF;
	SELECT v.version INTO promoted FROM twin_internal.key_versions v
		WHERE v.key_name = target.key_name AND v.state = 'published';
	IF FOUND THEN
		UPDATE twin_internal.key_versions v SET state = 'decrypt-only' WHERE v.key_name = target.key_name AND v.state = 'primary';
		UPDATE twin_internal.key_versions v SET state = 'primary' WHERE v.key_name = target.key_name AND v.version = promoted;
		PERFORM twin_internal.emit_event('key_rotated', target.key_name, 'rotate', jsonb_build_object('version', promoted, 'automatic', automatic));
		RETURN promoted;
	END IF;
	made := twin_internal.add_key_version(target.key_name, 'published');
	PERFORM twin_internal.emit_event('key_published', target.key_name, 'rotate', jsonb_build_object('version', made.version, 'automatic', automatic));
	RAISE NOTICE 'version % of key "%" is published', made.version, target.key_name
		USING HINT = 'Call twin.rotate_key() again, once every replica has it, to seal under it from then on.';
	RETURN made.version;
END
$$;
COMMENT ON FUNCTION twin_internal.rotate_step(text, boolean) IS 'one of the two steps of a rotation, asked for by somebody or due by itself';

CREATE FUNCTION twin.rotate_key(key_name text) RETURNS integer
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin_internal.rotate_step(key_name, false);
END;
COMMENT ON FUNCTION twin.rotate_key(text) IS 'first call: publishes a new version; second call: makes it primary and the old one decrypt-only';

/* What the rotation worker runs, twice: true when the stated version is still primary afterwards. */
CREATE FUNCTION twin_internal.rotate_exhausted_key(named name, exhausted integer) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM twin_internal.lock_key(named);
	IF NOT EXISTS (SELECT FROM twin_internal.key_versions v WHERE v.key_id = exhausted AND v.state = 'primary') THEN
		RETURN false;
	END IF;
	PERFORM twin_internal.rotate_step(named, true);
	RETURN EXISTS (SELECT FROM twin_internal.key_versions v WHERE v.key_id = exhausted AND v.state = 'primary');
END
$$;
COMMENT ON FUNCTION twin_internal.rotate_exhausted_key(name, integer) IS 'one step of an automatic rotation';

/* Keys and versions are locked, in this order: whoever destroys or retires one comes before, and is seen here, or waits and sees this. */
CREATE FUNCTION twin_internal.note_key_file(file text, whole integer, of_values integer[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ids integer[] := of_values || whole;
BEGIN
	PERFORM FROM twin_internal.keys k WHERE k.key_name IN (SELECT v.key_name FROM twin_internal.key_versions v WHERE v.key_id = ANY (ids)) ORDER BY k.key_name FOR SHARE;
	PERFORM FROM twin_internal.key_versions v WHERE v.key_id = ANY (ids) ORDER BY v.key_id FOR SHARE;
	IF EXISTS (SELECT FROM twin_internal.key_versions v WHERE v.key_id = whole AND v.state IN ('retired', 'destroyed')) THEN
		RAISE EXCEPTION 'the key of archive "%" is gone', note_key_file.file
			USING ERRCODE = '55000', DETAIL = 'It was retired or destroyed while the archive was written.', HINT = 'Nothing was dropped; it is archived again.';
	END IF;
	INSERT INTO twin_internal.key_files (key_id, file, is_whole)
		SELECT v.key_id, note_key_file.file, v.key_id IS NOT DISTINCT FROM whole
		FROM twin_internal.key_versions v JOIN twin_internal.keys k USING (key_name)
		WHERE v.key_id = ANY (ids) AND v.state <> 'destroyed' AND k.kind = 'data'
		ON CONFLICT ON CONSTRAINT key_files_pkey DO NOTHING;
END
$$;
COMMENT ON FUNCTION twin_internal.note_key_file(text, integer, integer[]) IS 'notes which key versions an archive needs: that it is sealed under (null: none), and those of values in it';

CREATE FUNCTION twin_internal.refuse_for_files(named name, wanted integer, way_out text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	needing record;
BEGIN
	SELECT count(*) AS files, string_agg(f.file, ', ' ORDER BY f.file) FILTER (WHERE f.place <= 10) AS first INTO needing
		FROM (SELECT d.file, row_number() OVER (ORDER BY d.file) AS place FROM (SELECT DISTINCT u.file FROM twin_internal.key_files u JOIN twin_internal.key_versions v USING (key_id)
			WHERE v.key_name = named AND (wanted IS NULL OR v.version = wanted) AND v.state <> 'destroyed') d) f;
	IF needing.files > 0 THEN
		RAISE EXCEPTION '%key "%" is needed by archives: %', coalesce('version ' || wanted || ' of ', ''), named, needing.files
			USING ERRCODE = '2BP01', DETAIL = format('Without it they, or values in them, are never read again: %s%s.', needing.first, CASE WHEN needing.files > 10 THEN ', ...' END), HINT = way_out;
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.refuse_for_files(name, integer, text) IS 'raises where archives need a version of a key (null: any), and names them';

CREATE FUNCTION twin.destroy_key(key_name text, version integer DEFAULT NULL, with_archives boolean DEFAULT false) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	target twin_internal.keys := twin_internal.lock_key(key_name);
	wanted ALIAS FOR $2;
	found_state text;
	archives bigint;
BEGIN
	IF key_name IS NULL THEN
		RAISE EXCEPTION 'a key is destroyed by its name' USING ERRCODE = '22004';	/* silence would read as done */
	ELSIF target.kind <> 'data' THEN
		RAISE EXCEPTION 'key "%" cannot be destroyed', target.key_name
			USING ERRCODE = '22023', HINT = 'Only column keys can be destroyed.';
	END IF;
	IF wanted IS NOT NULL THEN
		SELECT v.state INTO found_state FROM twin_internal.key_versions v
			WHERE v.key_name = target.key_name AND v.version = wanted;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'key "%" has no version %', target.key_name, wanted USING ERRCODE = '42704';
		ELSIF found_state = 'primary' THEN
			RAISE EXCEPTION 'version % of key "%" is primary', wanted, target.key_name
				USING ERRCODE = '55000', HINT = 'Rotate the key first, or destroy the whole key.';
		END IF;
	END IF;
	IF with_archives IS NOT TRUE THEN
		PERFORM twin_internal.refuse_for_files(target.key_name, wanted, 'with_archives => true destroys it all the same.');
	END IF;
	DELETE FROM twin_internal.key_files f USING twin_internal.key_versions v
		WHERE v.key_id = f.key_id AND v.key_name = target.key_name AND (wanted IS NULL OR v.version = wanted);
	GET DIAGNOSTICS archives = ROW_COUNT;
	UPDATE twin_internal.key_versions v SET state = 'destroyed', wrapped = NULL, wrapping_id = NULL
		WHERE v.key_name = target.key_name AND (wanted IS NULL OR v.version = wanted) AND v.state <> 'destroyed';
	IF FOUND THEN
		PERFORM twin_internal.emit_event('key_destroyed', target.key_name, 'destroy', jsonb_strip_nulls(jsonb_build_object('version', coalesce(to_jsonb(wanted), '"all"'),
			'archives', nullif(archives, 0))), 'high');
	END IF;
END
$$;
COMMENT ON FUNCTION twin.destroy_key(text, integer, boolean) IS
	'crypto-shredding: erases one version of a key, or all of them; what they sealed can never be opened again here. Where archives need one it is refused, unless with_archives says that they may become unreadable';

CREATE FUNCTION twin_internal.check_key_privilege(privilege text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF privilege IS NULL OR privilege NOT IN ('encrypt', 'decrypt', 'mask') THEN
		RAISE EXCEPTION 'unknown key privilege "%"', privilege
			USING ERRCODE = '22023', HINT = 'A privilege is encrypt, decrypt or mask.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_key_privilege(text) IS 'raises for what is no privilege on a key';

CREATE FUNCTION twin_internal.grantable_context(key_name text) RETURNS uuid
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target uuid;
BEGIN
	SELECT k.context INTO target FROM twin_internal.keys k
		WHERE k.key_name::text = $1 AND k.kind IN ('data', 'environment');
	IF NOT FOUND THEN
		RAISE EXCEPTION 'key "%" does not exist or takes no grants', $1
			USING ERRCODE = '42704', HINT = 'Grants are for column keys and for the key "environment".';
	END IF;
	RETURN target;
END
$$;
COMMENT ON FUNCTION twin_internal.grantable_context(text) IS 'the context of a key that takes grants; raises for any other';

CREATE FUNCTION twin_internal.check_grant(key_name text, role_name regrole, privilege text) RETURNS uuid
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM twin_internal.check_key_privilege($3);
	IF role_name IS NULL OR role_name = '-'::regrole THEN
		RAISE EXCEPTION 'a key is granted to a role' USING ERRCODE = '22023', HINT = 'Name one; PUBLIC cannot hold keys.';
	END IF;
	RETURN twin_internal.grantable_context($1);
END
$$;
COMMENT ON FUNCTION twin_internal.check_grant(text, regrole, text) IS 'the argument checks of grant_key and revoke_key; gives the context of the key';

CREATE FUNCTION twin.grant_key(key_name text, role_name regrole, privilege text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO twin_internal.key_grants VALUES (twin_internal.check_grant($1, $2, $3), $2, $3) ON CONFLICT DO NOTHING;
	IF FOUND THEN
		PERFORM twin_internal.emit_event('key_granted', $1, 'grant', jsonb_build_object('role', $2, 'privilege', $3), 'medium');
	END IF;
END
$$;
COMMENT ON FUNCTION twin.grant_key(text, regrole, text) IS 'allows a role and its members to encrypt, decrypt or mask with a key';

CREATE FUNCTION twin.revoke_key(key_name text, role_name regrole, privilege text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM twin_internal.key_grants g
		WHERE g.context = twin_internal.check_grant($1, $2, $3) AND g.grantee = $2 AND g.privilege = $3;
	IF NOT FOUND THEN
		RAISE NOTICE 'role % holds no % on key "%"', $2, $3, $1;
	ELSE
		PERFORM twin_internal.emit_event('key_revoked', $1, 'revoke', jsonb_build_object('role', $2, 'privilege', $3), 'medium');
	END IF;
END
$$;
COMMENT ON FUNCTION twin.revoke_key(text, regrole, text) IS 'takes back what grant_key gave; in force at once in every session';

CREATE FUNCTION twin.rotate_master_key() RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	present bytea := twin_internal.master_key_id();
	rewrapped integer;
	secrets integer;
BEGIN
	LOCK TABLE twin_internal.keys, twin_internal.wrapped_secrets IN SHARE ROW EXCLUSIVE MODE;
	UPDATE twin_internal.key_versions v
		SET (wrapped, wrapping_id) = (SELECT w.wrapped, w.wrapping_id
				FROM twin_internal.rewrap_key(v.key_id, k.modifier, k.kind, k.context, v.wrapped, v.wrapping_id, k.algorithm) w)
		FROM twin_internal.keys k
		WHERE k.key_name = v.key_name AND v.wrapped IS NOT NULL AND v.wrapping_id <> present
			AND twin_internal.subscription_of(v.key_name) IS NULL;	/* the others arrive wrapped anew from the publisher */
	GET DIAGNOSTICS rewrapped = ROW_COUNT;
	UPDATE twin_internal.wrapped_secrets s
		SET (wrapped, wrapping_id) = (SELECT w.wrapped, w.wrapping_id
				FROM twin_internal.rewrap_secret(s.purpose, s.name, s.binding, s.wrapped, s.wrapping_id) w)
		WHERE s.wrapping_id <> present;
	GET DIAGNOSTICS secrets = ROW_COUNT;
	rewrapped := rewrapped + secrets;

	/* messages of whole values are counted per ENCRYPTION_KEY */
	IF EXISTS (SELECT FROM twin_internal.keys WHERE kind = 'environment') AND twin_internal.subscription_of('environment') IS NULL AND NOT EXISTS (
			SELECT FROM twin_internal.key_versions v JOIN twin_internal.keys k USING (key_name)
			WHERE k.kind = 'environment' AND v.wrapping_id = present) THEN
		UPDATE twin_internal.key_versions v SET state = 'decrypt-only' WHERE v.key_name = 'environment' AND v.state = 'primary';
		PERFORM twin_internal.add_key_version('environment', 'primary');
	END IF;
	PERFORM twin_internal.emit_event('master_key_rotated', 'ENCRYPTION_KEY', 'rotate', jsonb_build_object('rewrapped', rewrapped), 'medium');
	RETURN rewrapped;
END
$$;
COMMENT ON FUNCTION twin.rotate_master_key() IS 'wraps every key under the present ENCRYPTION_KEY (the old one in ENCRYPTION_KEY_PREVIOUS); touches no data; returns the rows rewrapped';

CREATE VIEW twin.keys AS
	SELECT v.key_id, v.key_name::text AS key_name, v.version, v.state, v.created_at, u.messages, k.context,
		CASE k.algorithm WHEN 1 THEN 'aes-256-gcm' WHEN 2 THEN 'xaes-256-gcm' END AS algorithm
	FROM twin_internal.key_versions v
		JOIN twin_internal.keys k USING (key_name)
		LEFT JOIN twin_internal.key_usage u USING (key_id);
COMMENT ON VIEW twin.keys IS 'every version of every key; messages is the number reserved so far, never fewer than were sealed';

CREATE FUNCTION twin_internal.stat_keyring(OUT key_id integer, OUT seals bigint, OUT opens bigint,
	OUT integrity_failures bigint) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_stat_keyring';
COMMENT ON FUNCTION twin_internal.stat_keyring() IS 'counters of this database since the server started, one row per key version used';

CREATE VIEW twin.stat_keyring AS
	SELECT k.key_name::text AS key_name, coalesce(sum(s.seals), 0)::bigint AS seals, coalesce(sum(s.opens), 0)::bigint AS opens,
		coalesce(sum(s.integrity_failures), 0)::bigint AS integrity_failures
	FROM twin_internal.keys k
		LEFT JOIN twin_internal.key_versions v USING (key_name)
		LEFT JOIN twin_internal.stat_keyring() s USING (key_id)
	WHERE k.kind <> 'index'
	GROUP BY k.key_name;
COMMENT ON VIEW twin.stat_keyring IS 'seals, opens and integrity failures per key since the server started, all sessions; needs preloading';

CREATE FUNCTION twin.encrypt_data(plaintext text) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_encrypt_data';
COMMENT ON FUNCTION twin.encrypt_data(text) IS 'base64(nonce + ciphertext + tag), AES-256-GCM directly under ENCRYPTION_KEY; needs encrypt on the key "environment"';

CREATE FUNCTION twin.decrypt_data(ciphertext text) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_decrypt_data';
COMMENT ON FUNCTION twin.decrypt_data(text) IS 'opens what encrypt_data or any AES-256-GCM library sealed under ENCRYPTION_KEY; needs decrypt on the key "environment"';

--@include permission_grants.sql

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA twin_internal FROM PUBLIC;
REVOKE ALL ON FUNCTION twin.create_key(text, text), twin.rotate_key(text), twin.destroy_key(text, integer, boolean),
	twin.grant_key(text, regrole, text), twin.revoke_key(text, regrole, text), twin.rotate_master_key() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.create_key(text, text), twin.rotate_key(text), twin.destroy_key(text, integer, boolean),
	twin.grant_key(text, regrole, text), twin.revoke_key(text, regrole, text), twin.rotate_master_key() TO twin_admin;
GRANT SELECT ON twin.keys, twin.stat_keyring TO twin_admin, twin_auditor;
GRANT EXECUTE ON FUNCTION twin_internal.stat_keyring() TO twin_admin, twin_auditor;

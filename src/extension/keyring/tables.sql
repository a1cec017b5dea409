/*
 * tables.sql
 *		The keyring's tables, what tells sessions of their changes, and what makes them restorable.
 */

/*
 * The four tables travel with a dump, and a parallel restore loads them in any order: so they refer to each other by
 * value and not by foreign key, and grants hang on a key's context, which no two databases share, and not on its name.
 */
CREATE TABLE twin_internal.keys (
	key_name name PRIMARY KEY,
	modifier integer NOT NULL UNIQUE,
	kind text NOT NULL CHECK (kind IN ('data', 'literal', 'index', 'environment')),
	algorithm smallint NOT NULL DEFAULT 1 CHECK (algorithm IN (1, 2)),
	context uuid NOT NULL UNIQUE DEFAULT pg_catalog.gen_random_uuid(),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	replaceable boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE twin_internal.keys IS 'one row per key; the name, the context and the algorithm (1 = AES-256-GCM, 2 = XAES-256-GCM) never change';

CREATE TABLE twin_internal.key_versions (
	key_id integer PRIMARY KEY,
	key_name name NOT NULL,
	version integer NOT NULL CHECK (version > 0),
	state text NOT NULL CHECK (state IN ('published', 'primary', 'decrypt-only', 'retired', 'destroyed')),
	wrapped bytea CHECK (pg_catalog.length(wrapped) = 61),
	wrapping_id bytea CHECK (pg_catalog.length(wrapping_id) = 16),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	replaceable boolean NOT NULL DEFAULT false,
	UNIQUE (key_name, version)
);
COMMENT ON TABLE twin_internal.key_versions IS 'one row per version of a key, with the wrapped key; key_id stands in every value sealed under it';
CREATE UNIQUE INDEX key_versions_primary ON twin_internal.key_versions (key_name) WHERE state = 'primary';
CREATE UNIQUE INDEX key_versions_published ON twin_internal.key_versions (key_name) WHERE state = 'published';

/* The count is updated in place and outside of any transaction by the server code, never by SQL: a rollback must not lower it. */
CREATE TABLE twin_internal.key_usage (
	key_id integer PRIMARY KEY,
	messages bigint NOT NULL,
	made_here boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE twin_internal.key_usage IS 'messages reserved under a key version, never fewer than were sealed';

CREATE TABLE twin_internal.key_grants (
	context uuid NOT NULL,
	grantee regrole NOT NULL,
	privilege text NOT NULL CHECK (privilege IN ('encrypt', 'decrypt', 'mask')),
	PRIMARY KEY (context, grantee, privilege)
);
COMMENT ON TABLE twin_internal.key_grants IS 'who may use the key with a context, and for what';

CREATE TABLE twin_internal.key_permissions (
	context uuid NOT NULL,
	permission text NOT NULL,
	privilege text NOT NULL CHECK (privilege IN ('encrypt', 'decrypt', 'mask')),
	PRIMARY KEY (context, permission, privilege)
);
COMMENT ON TABLE twin_internal.key_permissions IS 'what a permission of the verified identity allows with the key of a context';

/*
 * What lies outside of the database and cannot be read without a version. Whoever writes such a file notes it in the transaction by which
 * the database stops holding what is in it; nobody says here when a file is deleted.
 */
CREATE TABLE twin_internal.key_files (
	key_id integer NOT NULL,
	file text COLLATE "C" NOT NULL,
	is_whole boolean NOT NULL,	/* the file itself is sealed; else some values in it */
	noted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (key_id, file)
);
COMMENT ON TABLE twin_internal.key_files IS 'archives that need a key version: sealed under it, or with values that are';
SELECT twin_internal.keep_from_publishers('twin_internal.key_files');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.key_files', '');

SELECT pg_catalog.pg_extension_config_dump('twin_internal.key_permissions', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.keys', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.key_versions', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.key_usage', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.key_grants',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles WHERE oid = grantee)');

/*
 * Any change of these tables reaches the caches of every session, also on a standby and where the change came by a
 * subscription: there only row triggers fire, and only those that fire ALWAYS.
 */
CREATE FUNCTION twin_internal.keyring_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_keyring_changed';
COMMENT ON FUNCTION twin_internal.keyring_changed() IS 'tells every session to read the keyring again';

CREATE TRIGGER keyring_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.keys
	FOR EACH ROW EXECUTE FUNCTION twin_internal.keyring_changed();
CREATE TRIGGER keyring_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.key_versions
	FOR EACH ROW EXECUTE FUNCTION twin_internal.keyring_changed();
CREATE TRIGGER keyring_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.key_grants
	FOR EACH ROW EXECUTE FUNCTION twin_internal.keyring_changed();
CREATE TRIGGER keyring_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.key_permissions
	FOR EACH ROW EXECUTE FUNCTION twin_internal.keyring_changed();
CREATE TRIGGER keyring_emptied AFTER TRUNCATE ON twin_internal.keys
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.keyring_changed();
CREATE TRIGGER keyring_emptied AFTER TRUNCATE ON twin_internal.key_versions
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.keyring_changed();
CREATE TRIGGER keyring_emptied AFTER TRUNCATE ON twin_internal.key_grants
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.keyring_changed();
CREATE TRIGGER keyring_emptied AFTER TRUNCATE ON twin_internal.key_permissions
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.keyring_changed();
ALTER TABLE twin_internal.key_permissions ENABLE ALWAYS TRIGGER keyring_changed, ENABLE ALWAYS TRIGGER keyring_emptied;
ALTER TABLE twin_internal.keys ENABLE ALWAYS TRIGGER keyring_changed, ENABLE ALWAYS TRIGGER keyring_emptied;
ALTER TABLE twin_internal.key_versions ENABLE ALWAYS TRIGGER keyring_changed, ENABLE ALWAYS TRIGGER keyring_emptied;
ALTER TABLE twin_internal.key_grants ENABLE ALWAYS TRIGGER keyring_changed, ENABLE ALWAYS TRIGGER keyring_emptied;

/*
 * A restore runs CREATE EXTENSION, which makes the built-in keys, and then loads the dumped ones under the same names;
 * the first copy of a subscription to the keyring does the same. As long as nothing was sealed under a column key made here, each dumped row takes the place of the fresh one of its
 * name; afterwards it fails on the unique index, so two keyrings never mix. Rows that come by INSERT or COPY are never
 * replaceable themselves: create_builtin_keys() marks its own by UPDATE, and so does add_key_version() with made_here.
 */
CREATE FUNCTION twin_internal.replace_unused_key() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	NEW.replaceable := false;
	/* only a column key can have sealed what is stored; literals of the restore itself do not count */
	IF NOT EXISTS (SELECT FROM twin_internal.key_usage u JOIN twin_internal.key_versions v USING (key_id)
			JOIN twin_internal.keys k USING (key_name) WHERE u.made_here AND u.messages > 0 AND k.kind = 'data') THEN
		IF TG_TABLE_NAME = 'keys' THEN
			DELETE FROM twin_internal.keys k WHERE k.key_name = NEW.key_name AND k.replaceable;
		ELSE
			DELETE FROM twin_internal.key_versions v WHERE v.key_name = NEW.key_name AND v.replaceable;
		END IF;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.replace_unused_key() IS 'lets a restored key take the place of the one CREATE EXTENSION made';
CREATE TRIGGER replace_unused_key BEFORE INSERT ON twin_internal.keys
	FOR EACH ROW EXECUTE FUNCTION twin_internal.replace_unused_key();
CREATE TRIGGER replace_unused_key BEFORE INSERT ON twin_internal.key_versions
	FOR EACH ROW EXECUTE FUNCTION twin_internal.replace_unused_key();

ALTER TABLE twin_internal.keys ENABLE ALWAYS TRIGGER replace_unused_key;
ALTER TABLE twin_internal.key_versions ENABLE ALWAYS TRIGGER replace_unused_key;

CREATE FUNCTION twin_internal.mark_restored() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	begun bigint;
BEGIN
	NEW.made_here := false;
	/* begin_count() may have been here first; locked, so that what is reserved meanwhile is not lost */
	PERFORM FROM twin_internal.key_usage u WHERE u.key_id = NEW.key_id AND NOT u.made_here FOR UPDATE;
	DELETE FROM twin_internal.key_usage u WHERE u.key_id = NEW.key_id AND NOT u.made_here RETURNING u.messages INTO begun;
	NEW.messages := greatest(NEW.messages, begun);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.mark_restored() IS 'a count that comes by COPY belongs to a key made elsewhere';
CREATE TRIGGER mark_restored BEFORE INSERT ON twin_internal.key_usage
	FOR EACH ROW EXECUTE FUNCTION twin_internal.mark_restored();
ALTER TABLE twin_internal.key_usage ENABLE ALWAYS TRIGGER mark_restored;

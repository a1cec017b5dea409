/*
 * seeds.sql
 *		Rows that CREATE EXTENSION puts into tables that an administrator may edit.
 *
 * They travel with a dump when they were changed, and take the place of the new database's own then; which ones were
 * deleted travels, too, so that a restore does not bring them back. A dump of what was restored says the same again. That a
 * dump names each key in one of the two at most keeps a restore from colliding, in whichever order it loads them. For
 * everybody else a seed is a row like any other: who inserts another of its key is told that there is one.
 */

CREATE FUNCTION twin_internal.is_bringing_rows() RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_is_bringing_rows';
COMMENT ON FUNCTION twin_internal.is_bringing_rows() IS 'whether this session restores a dump, or applies what a publisher sent';

CREATE TABLE twin_internal.seeded_tables (
	table_name text COLLATE "C" PRIMARY KEY,	/* with its schema; neither is ever renamed */
	key_columns name[] NOT NULL
);
COMMENT ON TABLE twin_internal.seeded_tables IS 'tables that CREATE EXTENSION put rows into';

CREATE TABLE twin_internal.seeds (
	table_name text COLLATE "C" NOT NULL REFERENCES twin_internal.seeded_tables,
	key text[] COLLATE "C" NOT NULL,
	is_untouched boolean NOT NULL DEFAULT true,
	PRIMARY KEY (table_name, key)
);
COMMENT ON TABLE twin_internal.seeds IS 'rows that CREATE EXTENSION made, and which of them are as it made them';
SELECT twin_internal.keep_from_publishers('twin_internal.seeded_tables');
SELECT twin_internal.keep_from_publishers('twin_internal.seeds');

CREATE TABLE twin_internal.dropped_seeds (
	table_name text COLLATE "C" NOT NULL,
	key text[] COLLATE "C" NOT NULL,
	PRIMARY KEY (table_name, key)
);
COMMENT ON TABLE twin_internal.dropped_seeds IS 'rows that CREATE EXTENSION made and somebody deleted';
SELECT pg_catalog.pg_extension_config_dump('twin_internal.dropped_seeds', '');

CREATE FUNCTION twin_internal.delete_seed(table_name text, key text[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	columns text;
BEGIN
	SELECT string_agg(quote_ident(c), ', ' ORDER BY place) INTO columns
		FROM twin_internal.seeded_tables t, unnest(t.key_columns) WITH ORDINALITY k (c, place) WHERE t.table_name = delete_seed.table_name;
	EXECUTE format('DELETE FROM %s t WHERE ARRAY[%s]::text[] = $1', delete_seed.table_name::regclass, columns) USING delete_seed.key;
END
$$;
COMMENT ON FUNCTION twin_internal.delete_seed(text, text[]) IS 'deletes a row of one of the tables that CREATE EXTENSION put rows into';

CREATE FUNCTION twin_internal.keep_seed() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	named constant text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
	old_key text[];
	new_key text[];
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		UPDATE twin_internal.seeds s SET is_untouched = false WHERE s.table_name = named;
		INSERT INTO twin_internal.dropped_seeds SELECT s.table_name, s.key FROM twin_internal.seeds s WHERE s.table_name = named ON CONFLICT DO NOTHING;
		RETURN NULL;
	END IF;
	old_key := ARRAY(SELECT to_jsonb(OLD) ->> c FROM unnest(TG_ARGV) WITH ORDINALITY k (c, place) ORDER BY place);
	IF TG_OP = 'DELETE' THEN
		UPDATE twin_internal.seeds s SET is_untouched = false WHERE s.table_name = named AND s.key = old_key;
		IF FOUND THEN
			INSERT INTO twin_internal.dropped_seeds VALUES (named, old_key) ON CONFLICT DO NOTHING;
		END IF;
		RETURN NULL;
	END IF;
	new_key := ARRAY(SELECT to_jsonb(NEW) ->> c FROM unnest(TG_ARGV) WITH ORDINALITY k (c, place) ORDER BY place);
	IF TG_OP = 'UPDATE' THEN
		UPDATE twin_internal.seeds s SET is_untouched = false WHERE s.table_name = named AND s.key = old_key;
		IF FOUND AND new_key <> old_key THEN
			INSERT INTO twin_internal.dropped_seeds VALUES (named, old_key) ON CONFLICT DO NOTHING;
		END IF;
	/* this runs with more rights than whoever inserts; the settings of a restore give him none, and are anybody's to make */
	ELSIF twin_internal.is_bringing_rows()
		AND has_table_privilege(CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END, TG_RELID, 'DELETE')
		AND EXISTS (SELECT FROM twin_internal.seeds s WHERE s.table_name = named AND s.key = new_key AND s.is_untouched) THEN
		PERFORM twin_internal.delete_seed(named, new_key);
	END IF;
	DELETE FROM twin_internal.dropped_seeds d WHERE d.table_name = named AND d.key = new_key;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.keep_seed() IS 'notes what becomes of a row that CREATE EXTENSION made; the arguments are the columns of its key';

/* From a dump, or a publisher. */
CREATE FUNCTION twin_internal.drop_seed() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF EXISTS (SELECT FROM twin_internal.seeds s WHERE s.table_name = NEW.table_name AND s.key = NEW.key AND s.is_untouched) THEN
		PERFORM twin_internal.delete_seed(NEW.table_name, NEW.key);	/* which notes it */
	END IF;
	RETURN CASE WHEN NOT EXISTS (SELECT FROM twin_internal.dropped_seeds d WHERE (d.table_name, d.key) = (NEW.table_name, NEW.key)) THEN NEW END;
END
$$;
COMMENT ON FUNCTION twin_internal.drop_seed() IS 'deletes what was deleted where a dump comes from';
CREATE TRIGGER drop_seed BEFORE INSERT ON twin_internal.dropped_seeds
	FOR EACH ROW EXECUTE FUNCTION twin_internal.drop_seed();
ALTER TABLE twin_internal.dropped_seeds ENABLE ALWAYS TRIGGER drop_seed;

/* For the extension's script, once the rows are in the table. */
CREATE FUNCTION twin_internal.keep_seeds(rel regclass, VARIADIC key_columns name[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	named constant text := rel::text;
	key text := (SELECT format('ARRAY[%s]::text[]', string_agg(quote_ident(c), ', ' ORDER BY place)) FROM unnest(key_columns) WITH ORDINALITY k (c, place));
	arguments text := (SELECT string_agg(quote_literal(c), ', ' ORDER BY place) FROM unnest(key_columns) WITH ORDINALITY k (c, place));
BEGIN
	INSERT INTO twin_internal.seeded_tables VALUES (named, key_columns);
	EXECUTE format('INSERT INTO twin_internal.seeds (table_name, key) SELECT %L, %s FROM %s', named, key, named);
	EXECUTE format('CREATE TRIGGER keep_seed BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION twin_internal.keep_seed(%s)', named, arguments);
	EXECUTE format('CREATE TRIGGER keep_seed_deleted AFTER DELETE ON %s FOR EACH ROW EXECUTE FUNCTION twin_internal.keep_seed(%s)', named, arguments);
	EXECUTE format('CREATE TRIGGER keep_seeds_emptied AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.keep_seed(%s)', named, arguments);
	/* a subscription fires only these */
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER keep_seed, ENABLE ALWAYS TRIGGER keep_seed_deleted, ENABLE ALWAYS TRIGGER keep_seeds_emptied', named);
	PERFORM pg_extension_config_dump(rel, format('WHERE %s NOT IN (SELECT s.key FROM twin_internal.seeds s WHERE s.table_name = %L AND s.is_untouched)', key, named));
END
$$;
COMMENT ON FUNCTION twin_internal.keep_seeds(regclass, name[]) IS 'takes the rows that are in a table for those that CREATE EXTENSION makes, by the columns of its key';

REVOKE ALL ON FUNCTION twin_internal.is_bringing_rows(), twin_internal.delete_seed(text, text[]), twin_internal.keep_seed(), twin_internal.drop_seed(),
	twin_internal.keep_seeds(regclass, name[]) FROM PUBLIC;

/*
 * subject.sql
 *		What is held about one person: given out, and erased.
 *
 * A person is a text, the subject: in each registered table the column that names persons has it in his rows. The lists
 * below say where to look; the account of the twin with that name, and what hangs on it, needs no registration.
 */

/* Columns are known by number here, so that a rename is followed, and by name in a dump. subject.c reads the first two. */
CREATE TABLE twin_internal.subject_columns (
	relation regclass NOT NULL,
	column_name name NOT NULL,
	subject_column name NOT NULL,
	column_number smallint NOT NULL,
	subject_number smallint NOT NULL,
	registered_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	dropped_in xid8,	/* the transaction that dropped one of the two: another of its name may take its place there, as where a column is encrypted */
	PRIMARY KEY (relation, column_name, subject_column)
);
COMMENT ON TABLE twin_internal.subject_columns IS 'columns that hold data of the person whom another column of their row names';
SELECT pg_catalog.pg_extension_config_dump('twin_internal.subject_columns', 'WHERE dropped_in IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
SELECT twin_internal.keep_from_publishers('twin_internal.subject_columns');

CREATE TABLE twin_internal.subject_keys (
	key_name name PRIMARY KEY,
	subject text NOT NULL CHECK (pg_catalog.octet_length(subject) BETWEEN 1 AND 1000),
	registered_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE twin_internal.subject_keys IS 'keys that seal data of one person alone';
CREATE INDEX subject_keys_subject ON twin_internal.subject_keys (subject);
SELECT pg_catalog.pg_extension_config_dump('twin_internal.subject_keys', '');
SELECT twin_internal.keep_from_publishers('twin_internal.subject_keys');

/* A subscriber's certificates are marked with a secret of its own, whichever tables are published; a restore brings the database's. */
CREATE TRIGGER keep_subject_secret BEFORE INSERT ON twin_internal.wrapped_secrets
	FOR EACH ROW WHEN (NEW.purpose = 'subjects') EXECUTE FUNCTION twin_internal.keep_as_it_is();
CREATE TRIGGER keep_subject_secret_as_it_is BEFORE UPDATE OR DELETE ON twin_internal.wrapped_secrets
	FOR EACH ROW WHEN (OLD.purpose = 'subjects') EXECUTE FUNCTION twin_internal.keep_as_it_is();
ALTER TABLE twin_internal.wrapped_secrets ENABLE REPLICA TRIGGER keep_subject_secret, ENABLE REPLICA TRIGGER keep_subject_secret_as_it_is;

/* Who may write into any table, and is no superuser, neither has columns erased nor shown: registering runs as the lists' owner. */
CREATE FUNCTION twin_internal.keep_subject_lists() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
		RAISE EXCEPTION 'what belongs to a subject is not edited' USING ERRCODE = '42501',
			HINT = 'Call twin.register_subject_column(), twin.register_subject_key() and what takes them back.';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.keep_subject_lists() IS 'refuses changes of what belongs to a subject to who is no superuser, pg_write_all_data or not';
CREATE TRIGGER keep_subject_lists BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin_internal.subject_columns
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.keep_subject_lists();
CREATE TRIGGER keep_subject_lists BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin_internal.subject_keys
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.keep_subject_lists();

CREATE FUNCTION twin_internal.number_subject_columns() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NEW.dropped_in IS NOT NULL THEN
		RETURN NEW;
	END IF;
	SELECT a.attnum, s.attnum INTO NEW.column_number, NEW.subject_number FROM pg_attribute a JOIN pg_attribute s ON s.attrelid = a.attrelid
		WHERE a.attrelid = NEW.relation AND a.attname = NEW.column_name AND a.attnum > 0 AND NOT a.attisdropped
			AND s.attname = NEW.subject_column AND s.attnum > 0 AND NOT s.attisdropped;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.number_subject_columns() IS 'finds the numbers of the columns that are named, in a restored database too';
CREATE TRIGGER number_subject_columns BEFORE INSERT OR UPDATE ON twin_internal.subject_columns
	FOR EACH ROW EXECUTE FUNCTION twin_internal.number_subject_columns();

/* How a table's rows are written into the log depends on it. */
CREATE TRIGGER subject_columns_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.subject_columns
	FOR EACH ROW EXECUTE FUNCTION twin_internal.audited_tables_changed();
CREATE TRIGGER subject_columns_emptied AFTER TRUNCATE ON twin_internal.subject_columns
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.audited_tables_changed();
ALTER TABLE twin_internal.subject_columns ENABLE ALWAYS TRIGGER keep_subject_lists, ENABLE ALWAYS TRIGGER number_subject_columns,
	ENABLE ALWAYS TRIGGER subject_columns_changed, ENABLE ALWAYS TRIGGER subject_columns_emptied;
ALTER TABLE twin_internal.subject_keys ENABLE ALWAYS TRIGGER keep_subject_lists;

CREATE VIEW twin.subject_columns AS
	SELECT s.relation, s.column_name, s.subject_column, s.registered_at FROM twin_internal.subject_columns s WHERE s.dropped_in IS NULL;
COMMENT ON VIEW twin.subject_columns IS 'columns that hold data of the person whom subject_column of the same row names: the log has digests of them, twin.export_subject() gives them out, twin.erase_subject() overwrites them';

CREATE VIEW twin.subject_keys AS
	SELECT k.key_name, k.subject, k.registered_at FROM twin_internal.subject_keys k;
COMMENT ON VIEW twin.subject_keys IS 'keys that seal data of one person alone, and go when he is erased';

/* ---- the functions in C: subject_owner.c, subject_certificate.c ---- */

CREATE FUNCTION twin_internal.ask_as_owner(rel regclass, query text, subject text, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL,
		other text DEFAULT NULL) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_ask_as_owner';
COMMENT ON FUNCTION twin_internal.ask_as_owner(regclass, text, text, timestamptz, timestamptz, text) IS 'runs a query of one value as the owner of a table, in a restricted operation and past its row security';

CREATE FUNCTION twin_internal.caller_owns(rel regclass) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_caller_owns';
COMMENT ON FUNCTION twin_internal.caller_owns(regclass) IS 'whether the role in force outside of functions owns a table';

CREATE FUNCTION twin_internal.open_for_caller(armor text, type oid, modifier integer) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_open_for_caller';
COMMENT ON FUNCTION twin_internal.open_for_caller(text, oid, integer) IS 'opens a value of a column as the role in force outside of functions; null where it may not decrypt with the column''s key';

CREATE FUNCTION twin_internal.wrap_subject_secret(OUT wrapped bytea, OUT wrapping_id bytea) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_wrap_subject_secret';
COMMENT ON FUNCTION twin_internal.wrap_subject_secret() IS 'a new secret for marks of certificates, wrapped; it is never returned';

CREATE FUNCTION twin_internal.subject_mark(certificate uuid, subject text) RETURNS bytea
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_subject_mark';
COMMENT ON FUNCTION twin_internal.subject_mark(uuid, text) IS 'the digest by which a certificate names somebody, under a secret of this database';

CREATE FUNCTION twin_internal.write_certificate(details jsonb) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_write_certificate';
COMMENT ON FUNCTION twin_internal.write_certificate(jsonb) IS 'writes a certificate of erasure into the log, in this transaction';

--@include subject_register.sql
--@include subject_find.sql
--@include subject_erase.sql
--@include subject_export.sql

REVOKE ALL ON FUNCTION twin_internal.keep_subject_lists(), twin_internal.number_subject_columns(),
	twin_internal.ask_as_owner(regclass, text, text, timestamptz, timestamptz, text), twin_internal.caller_owns(regclass),
	twin_internal.open_for_caller(text, oid, integer), twin_internal.wrap_subject_secret(), twin_internal.subject_mark(uuid, text),
	twin_internal.write_certificate(jsonb) FROM PUBLIC;
GRANT SELECT ON twin.subject_columns, twin.subject_keys TO twin_admin, twin_auditor;

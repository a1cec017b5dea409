/*
 * archive.sql
 *		Archives: what was in a partition, as a file and its manifest.
 */

CREATE FUNCTION twin_internal.is_own_log(origin text, public_key bytea) RETURNS boolean
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM twin_internal.epochs e WHERE e.origin = $1 AND ($2 = ''::bytea OR e.public_key = $2));
END;
COMMENT ON FUNCTION twin_internal.is_own_log(text, bytea) IS 'whether the audit log of this database was ever called that, and signed with that key (empty: with any)';

/* Values are printed the same way whoever runs it, and rows read in the same order again. */
CREATE FUNCTION twin_internal.write_archive(partition regclass, from_time timestamptz, to_time timestamptz, time_column name DEFAULT NULL,
	OUT file text, OUT rows bigint, OUT sha256 bytea, OUT leaf_set bytea, OUT key_id integer, OUT value_key_ids integer[]) RETURNS record
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET synchronize_seqscans = off
	SET row_security = off SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres' SET TimeZone = 'UTC' SET extra_float_digits = 1
	SET bytea_output = 'hex' SET lc_monetary = 'C'
	AS 'MODULE_PATHNAME', 'tsec_write_archive';
COMMENT ON FUNCTION twin_internal.write_archive(regclass, timestamptz, timestamptz, name) IS 'writes a partition, or the rows of a table whose column says from_time <= t < to_time, as an archive into twin_security.archive_directory, or takes the one that is there already; leaf_set of partitions of the audit log; key_id: that it is sealed under, value_key_ids: that values in it are';

CREATE FUNCTION twin_internal.archive_matches(file text, partition regclass) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET synchronize_seqscans = off
	SET row_security = off SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres' SET TimeZone = 'UTC' SET extra_float_digits = 1
	SET bytea_output = 'hex' SET lc_monetary = 'C'
	AS 'MODULE_PATHNAME', 'tsec_archive_matches';
COMMENT ON FUNCTION twin_internal.archive_matches(text, regclass) IS 'reads an archive again, computes all of it, and raises unless the table holds exactly these rows';

CREATE FUNCTION twin_internal.archive_unchanged(file text, sha256 bytea) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_archive_unchanged';
COMMENT ON FUNCTION twin_internal.archive_unchanged(text, bytea) IS 'reads an archive''s file again, and raises unless it and its manifest have this SHA-256';

CREATE FUNCTION twin.verify_archive(file text) RETURNS TABLE(ok boolean, rows bigint, reason text)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off
	AS 'MODULE_PATHNAME', 'tsec_verify_archive';
COMMENT ON FUNCTION twin.verify_archive(text) IS 'reads an archive from its first byte to its last: whether it is what its manifest says and, of the audit log, what was sealed and signed; reason says what is wrong with it, or that it is another database''s';

/* As whoever asks: an encrypted archive needs decrypt on its key. */
CREATE FUNCTION twin.read_archive(file text) RETURNS SETOF jsonb
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 100000 AS 'MODULE_PATHNAME', 'tsec_read_archive';
COMMENT ON FUNCTION twin.read_archive(text) IS 'what an archive holds: events with the keys of twin.audit_log, rows of a table with its columns; raises where twin.verify_archive() finds something wrong';

/* As whoever asks, who could read it all here; what he does with the key of one file opens no other. */
CREATE FUNCTION twin.export_archive_key(file text) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_export_archive_key';
COMMENT ON FUNCTION twin.export_archive_key(text) IS 'the key of one encrypted archive, with which twin_verify reads it where no database is; null for one that is not encrypted; needs decrypt on its key of the keyring, and is an event';

CREATE FUNCTION twin.archives() RETURNS TABLE(file text, relation text, partition_name text, from_time timestamptz, to_time timestamptz, rows bigint,
	bytes bigint, encrypted boolean, sha256 bytea, present boolean, key_name text, key_version integer)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'tsec_archives';
COMMENT ON FUNCTION twin.archives() IS 'archives of this database in twin_security.archive_directory as their manifests describe them; present: the file is there, too; key_name and key_version: without that key of the keyring it cannot be read';

REVOKE ALL ON FUNCTION twin_internal.is_own_log(text, bytea), twin_internal.write_archive(regclass, timestamptz, timestamptz, name),
	twin_internal.archive_matches(text, regclass), twin_internal.archive_unchanged(text, bytea), twin.verify_archive(text), twin.read_archive(text), twin.export_archive_key(text),
	twin.archives() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.verify_archive(text), twin.read_archive(text), twin.export_archive_key(text), twin.archives() TO twin_admin, twin_auditor;

/*
 * mock.sql
 *		Stand-ins.
 */
CREATE TABLE twin_internal.legal_holds (hold_id bigint PRIMARY KEY, policy_name text, from_time timestamptz, to_time timestamptz);
COMMENT ON TABLE twin_internal.legal_holds IS 'stand-in';
CREATE FUNCTION twin_internal.holds_on(policy_name text, partition regclass, from_time timestamptz, to_time timestamptz) RETURNS bigint[]
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT ARRAY(SELECT h.hold_id FROM twin_internal.legal_holds h WHERE coalesce(h.policy_name = holds_on.policy_name, true)
		AND h.from_time < holds_on.to_time AND h.to_time > holds_on.from_time ORDER BY 1);
END;
COMMENT ON FUNCTION twin_internal.holds_on(text, regclass, timestamptz, timestamptz) IS 'stand-in';
CREATE TABLE twin_internal.mock_archives (file text PRIMARY KEY, time_column name, from_time timestamptz, to_time timestamptz, rows bigint);
COMMENT ON TABLE twin_internal.mock_archives IS 'stand-in';
CREATE FUNCTION twin_internal.write_archive(partition regclass, from_time timestamptz, to_time timestamptz, time_column name DEFAULT NULL, OUT file text, OUT rows bigint, OUT sha256 bytea, OUT leaf_set bytea) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF current_setting('twin_security.archive_directory') = '' THEN
		RAISE EXCEPTION 'twin_security.archive_directory is not set' USING ERRCODE = '55000';
	END IF;
	EXECUTE format('SELECT count(*) FROM %s', partition) || CASE WHEN time_column IS NOT NULL THEN format(' WHERE %1$I >= $1 AND %1$I < $2', time_column) ELSE '' END INTO rows USING from_time, to_time;
	file := replace(twin_internal.retention_name(partition), '"', '') || '.' || to_char(from_time, 'YYYYMMDDHH24MISSUS') || '-' || to_char(to_time, 'YYYYMMDDHH24MISSUS') || '.tsarc';
	sha256 := pg_catalog.sha256(convert_to(file || rows, 'UTF8'));
	leaf_set := convert_to(rows::text, 'UTF8');
	INSERT INTO twin_internal.mock_archives VALUES (file, write_archive.time_column, write_archive.from_time, write_archive.to_time, write_archive.rows)
		ON CONFLICT ON CONSTRAINT mock_archives_pkey DO UPDATE SET rows = excluded.rows;
END
$$;
COMMENT ON FUNCTION twin_internal.write_archive(regclass, timestamptz, timestamptz, name) IS 'stand-in';
CREATE FUNCTION twin_internal.archive_matches(file text, partition regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found bigint;
	a twin_internal.mock_archives;
BEGIN
	SELECT * INTO a FROM twin_internal.mock_archives m WHERE m.file = archive_matches.file;
	EXECUTE format('SELECT count(*) FROM %s', partition) || CASE WHEN a.time_column IS NOT NULL THEN format(' WHERE %1$I >= $1 AND %1$I < $2', a.time_column) ELSE '' END INTO found USING a.from_time, a.to_time;
	IF found IS DISTINCT FROM a.rows THEN
		RAISE EXCEPTION 'archive does not match' USING ERRCODE = 'XX001';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.archive_matches(text, regclass) IS 'stand-in';
CREATE FUNCTION twin_internal.leaf_set_of(partition regclass) RETURNS bytea
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	rows bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM %s', partition) INTO rows;
	RETURN convert_to(rows::text, 'UTF8');
END
$$;
COMMENT ON FUNCTION twin_internal.leaf_set_of(regclass) IS 'stand-in';
CREATE FUNCTION twin_internal.retire_leaves(partition_name text, leaf_set bytea, rows bigint, archive_file text, archive_sha256 bytea) RETURNS bigint
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin_internal.emit_event('partition_dropped', partition_name, 'drop', jsonb_build_object('rows', rows));
	SELECT 0::bigint;
END;
COMMENT ON FUNCTION twin_internal.retire_leaves(text, bytea, bigint, text, bytea) IS 'stand-in';

/*
 * rewrite.sql
 *		How far the commands that rewrite a live table are, and the one that
 *		re-encrypts it.
 */

CREATE FUNCTION twin_internal.stat_progress(OUT pid integer, OUT command text, OUT relation regclass, OUT column_name name, OUT rows_done bigint,
	OUT rows_total bigint, OUT started_at timestamptz) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_stat_progress';
COMMENT ON FUNCTION twin_internal.stat_progress() IS 'commands under way in this database';

CREATE VIEW twin.stat_progress AS SELECT pid, command, relation, column_name, rows_done, rows_total, started_at FROM twin_internal.stat_progress();
COMMENT ON VIEW twin.stat_progress IS 'how far encrypt_column and reencrypt_column are; rows_total is the planner''s estimate; needs preloading';
GRANT SELECT ON twin.stat_progress TO PUBLIC;

CREATE PROCEDURE twin.reencrypt_column(rel regclass, column_name name, batch_rows integer DEFAULT 10000, max_rows_per_second integer DEFAULT NULL)
	LANGUAGE c AS 'MODULE_PATHNAME', 'tsec_reencrypt_column';
COMMENT ON PROCEDURE twin.reencrypt_column(regclass, name, integer, integer) IS 'brings every value of a column under the primary version of its key, in batches with commits, while others read and write';

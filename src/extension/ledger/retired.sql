/*
 * retired.sql
 *		Partitions of the log that go: their leaves stay in the tree, and an event says that they did.
 */

CREATE FUNCTION twin_internal.leaf_set_of(partition regclass) RETURNS bytea
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
	AS 'MODULE_PATHNAME', 'tsec_leaf_set_of';
COMMENT ON FUNCTION twin_internal.leaf_set_of(regclass) IS 'which leaves of the audit log''s tree the rows of one of its partitions are; an error while one of them is not sealed';

CREATE FUNCTION twin_internal.retire_leaves(partition_name text, leaf_set bytea, rows bigint, archive_file text, archive_sha256 bytea) RETURNS bigint
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tsec_retire_leaves';
COMMENT ON FUNCTION twin_internal.retire_leaves(text, bytea, bigint, text, bytea) IS 'for the transaction that drops a partition of the audit log: says in a new event, whose id it returns, which leaves have no events from then on';

REVOKE ALL ON FUNCTION twin_internal.leaf_set_of(regclass), twin_internal.retire_leaves(text, bytea, bigint, text, bytea) FROM PUBLIC;

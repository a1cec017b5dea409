/*
 * export.sql
 *		The log as files.
 */

CREATE FUNCTION twin.export_audit_log(directory_name text, from_leaf bigint DEFAULT 0, to_leaf bigint DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'tsec_export_audit_log';
COMMENT ON FUNCTION twin.export_audit_log(text, bigint, bigint) IS 'writes leaves of the audit log, up to the first signed checkpoint at or after to_leaf (the newest by default), with checkpoints and keys into a new folder under twin_security.export_directory, for twin_verify; returns how many leaves these are';

REVOKE ALL ON FUNCTION twin.export_audit_log(text, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.export_audit_log(text, bigint, bigint) TO twin_admin, twin_auditor;

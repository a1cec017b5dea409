/*
 * ledger.sql
 *		The tree over all events, its checkpoints and proofs.
 */

--@include tables.sql

SELECT twin_internal.guard_log_table(t) FROM pg_catalog.unnest(ARRAY['twin_internal.sealed', 'twin_internal.tiles', 'twin_internal.checkpoints',
	'twin_internal.epochs', 'twin_internal.ledger_state']::pg_catalog.regclass[]) t;

CREATE FUNCTION twin.audit_leaves(first_index bigint, last_index bigint) RETURNS TABLE(leaf_index bigint, event_id bigint, leaf bytea)
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER ROWS 10000
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'tsec_audit_leaves';
COMMENT ON FUNCTION twin.audit_leaves(bigint, bigint) IS 'leaves of the audit log''s tree in their order: canonical bytes of events, of which RFC 6962 hashes 0x00 and the bytes; a leaf whose event is gone has no bytes';

CREATE FUNCTION twin.audit_checkpoint() RETURNS text
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT convert_from(c.note, 'UTF8') FROM twin_internal.checkpoints c ORDER BY c.size DESC LIMIT 1;
END;
COMMENT ON FUNCTION twin.audit_checkpoint() IS 'the newest signed checkpoint of the audit log (C2SP tlog-checkpoint); null when nothing has been signed';

CREATE FUNCTION twin.audit_public_key() RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'tsec_audit_public_key';
COMMENT ON FUNCTION twin.audit_public_key() IS 'the key that checks checkpoints of the audit log (C2SP verifier key); null when nothing has been signed';

CREATE FUNCTION twin.inclusion_proof(event_id bigint, tree_size bigint DEFAULT NULL) RETURNS TABLE(leaf_index bigint, tree_size bigint, path bytea[])
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'tsec_inclusion_proof';
COMMENT ON FUNCTION twin.inclusion_proof(bigint, bigint) IS 'proves that an event is in the audit log''s tree of a size (RFC 6962, 2.1.1); by default the newest checkpoint''s, or all of the tree where that is too small';

CREATE FUNCTION twin.consistency_proof(old_size bigint, new_size bigint) RETURNS bytea[]
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'tsec_consistency_proof';	/* whoever may not call it is refused with NULLs, too */
COMMENT ON FUNCTION twin.consistency_proof(bigint, bigint) IS 'proves that the audit log''s tree of one size is the beginning of that of a larger one (RFC 6962, 2.1.2)';

CREATE FUNCTION twin.verify_audit_log(from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL) RETURNS TABLE(ok boolean, checked bigint, first_bad bigint, reason text)
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'tsec_verify_audit_log';
COMMENT ON FUNCTION twin.verify_audit_log(timestamptz, timestamptz) IS 'checks rows of events against the leaves, these against the tree, and that against its signed checkpoints; names the first event that is not as it was sealed';

CREATE VIEW twin.stat_audit AS
	SELECT s.emitted, s.written, s.dropped, s.ring_fill,
		(SELECT l.size FROM twin_internal.ledger_state l) AS sealed,
		coalesce(pg_catalog.clock_timestamp() - (SELECT twin_internal.unsealed_since()), '0') AS seal_lag,
		pg_catalog.clock_timestamp() - (SELECT c.created_at FROM twin_internal.checkpoints c ORDER BY c.size DESC LIMIT 1) AS checkpoint_age
	FROM twin_internal.stat_audit() s;
COMMENT ON VIEW twin.stat_audit IS 'security events since the server started: emitted = written + dropped + those that wait in memory, of which ring_fill (0 to 1) is used; leaves sealed so far, how long a committed row has been waiting for that, and the age of the newest signed checkpoint; needs preloading';

REVOKE ALL ON FUNCTION twin.audit_leaves(bigint, bigint), twin.audit_checkpoint(), twin.audit_public_key(), twin.inclusion_proof(bigint, bigint),
	twin.consistency_proof(bigint, bigint), twin.verify_audit_log(timestamptz, timestamptz), twin_internal.unsealed_since() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.audit_leaves(bigint, bigint), twin.audit_checkpoint(), twin.audit_public_key(), twin.inclusion_proof(bigint, bigint),
	twin.consistency_proof(bigint, bigint), twin.verify_audit_log(timestamptz, timestamptz), twin_internal.unsealed_since() TO twin_admin, twin_auditor;
GRANT SELECT ON twin.stat_audit TO twin_admin, twin_auditor;

--@include export.sql

/*
 * ledger.sql
 *		The tree over all events, its checkpoints and proofs.
 */

--@include tables.sql

SELECT twin_internal.guard_log_table(t) FROM pg_catalog.unnest(ARRAY['twin_internal.sealed', 'twin_internal.tiles', 'twin_internal.checkpoints',
	'twin_internal.epochs', 'twin_internal.ledger_state', 'twin_internal.retired_leaves', 'twin_internal.kept_events']::pg_catalog.regclass[]) t;

/* A subscriber's log is signed with a key of its own, whichever tables are published; a restore brings the log's. */
CREATE FUNCTION twin_internal.keep_log_key() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_keep_log_key';
COMMENT ON FUNCTION twin_internal.keep_log_key() IS 'lets no subscription bring, change or remove the key that signs the audit log';
CREATE TRIGGER keep_log_key BEFORE INSERT ON twin_internal.wrapped_secrets
	FOR EACH ROW WHEN (NEW.purpose = 'audit log') EXECUTE FUNCTION twin_internal.keep_log_key();
CREATE TRIGGER keep_log_key_as_it_is BEFORE UPDATE OR DELETE ON twin_internal.wrapped_secrets
	FOR EACH ROW WHEN (OLD.purpose = 'audit log') EXECUTE FUNCTION twin_internal.keep_log_key();
ALTER TABLE twin_internal.wrapped_secrets ENABLE ALWAYS TRIGGER keep_log_key;
ALTER TABLE twin_internal.wrapped_secrets ENABLE ALWAYS TRIGGER keep_log_key_as_it_is;

CREATE FUNCTION twin.audit_leaves(first_index bigint, last_index bigint) RETURNS TABLE(leaf_index bigint, event_id bigint, leaf bytea)
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER ROWS 10000
	SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'tsec_audit_leaves';
COMMENT ON FUNCTION twin.audit_leaves(bigint, bigint) IS 'leaves of the audit log''s tree in their order: canonical bytes of events, of which RFC 6962 hashes 0x00 and the bytes; a leaf whose event is gone has no bytes';

CREATE FUNCTION twin.audit_checkpoint() RETURNS text
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT convert_from(c.note, 'UTF8') FROM twin_internal.checkpoints_of_log c ORDER BY c.size DESC LIMIT 1;
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
	SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off
	AS 'MODULE_PATHNAME', 'tsec_verify_audit_log';
COMMENT ON FUNCTION twin.verify_audit_log(timestamptz, timestamptz) IS 'checks rows of events against the leaves, these against the tree, and that against its signed checkpoints; names the first event that is not as it was sealed';

/* Who watches must not wait, least of all where somebody locks the log: what cannot be read at once is null. */
CREATE FUNCTION twin_internal.stat_ledger(OUT sealed bigint, OUT seal_lag interval, OUT checkpoint_age interval) RETURNS record
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1ms' AS $$
BEGIN
	BEGIN
		sealed := (SELECT l.size FROM twin_internal.ledger_state l);
	EXCEPTION WHEN lock_not_available THEN NULL;
	END;
	BEGIN
		seal_lag := coalesce(clock_timestamp() - twin_internal.unsealed_since(), '0');
	EXCEPTION WHEN lock_not_available THEN NULL;
	END;
	BEGIN
		checkpoint_age := clock_timestamp() - (SELECT c.created_at FROM twin_internal.checkpoints_of_log c ORDER BY c.size DESC LIMIT 1);
	EXCEPTION WHEN lock_not_available THEN NULL;
	END;
END
$$;
COMMENT ON FUNCTION twin_internal.stat_ledger() IS 'how far the audit log is sealed; null where a table of the log is locked';

CREATE FUNCTION twin.begin_audit_epoch(reason text) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'tsec_begin_audit_epoch';
COMMENT ON FUNCTION twin.begin_audit_epoch(text) IS 'after checkpoints were refused and somebody has looked why: has the audit log signed again, under a new origin whose first leaf names the last checkpoint that holds';

CREATE VIEW twin.stat_audit AS
	SELECT s.emitted, s.written, s.dropped, s.ring_fill, l.sealed, greatest(l.seal_lag, clock_timestamp() - s.waiting_since) AS seal_lag, l.checkpoint_age
	FROM twin_internal.stat_audit() s, twin_internal.stat_ledger() l;
COMMENT ON VIEW twin.stat_audit IS 'security events since the server started: emitted = written + dropped + those that wait in memory, of which ring_fill (0 to 1) is used; leaves sealed so far, how long a committed row, or an event in memory, has been waiting for that, and the age of the newest signed checkpoint, these three null while somebody locks the tables that they are read from; needs preloading';

REVOKE ALL ON FUNCTION twin.audit_leaves(bigint, bigint), twin.audit_checkpoint(), twin.audit_public_key(), twin.inclusion_proof(bigint, bigint),
	twin.consistency_proof(bigint, bigint), twin.verify_audit_log(timestamptz, timestamptz), twin_internal.unsealed_since(), twin_internal.stat_ledger(),
	twin_internal.keep_log_key() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.audit_leaves(bigint, bigint), twin.audit_checkpoint(), twin.audit_public_key(), twin.inclusion_proof(bigint, bigint),
	twin.consistency_proof(bigint, bigint), twin.verify_audit_log(timestamptz, timestamptz), twin_internal.stat_ledger() TO twin_admin, twin_auditor;
REVOKE ALL ON FUNCTION twin.begin_audit_epoch(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.begin_audit_epoch(text) TO twin_admin;
GRANT SELECT ON twin.stat_audit TO twin_admin, twin_auditor;

--@include export.sql
--@include retired.sql

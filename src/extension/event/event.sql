/*
 * event.sql
 *		Security events: recorded by applications, emitted by the extension.
 */

--@include tables.sql
--@include guard.sql
--@include partitions.sql

CREATE FUNCTION twin.record_event(event_type text, severity text DEFAULT 'info', outcome text DEFAULT 'success', action text DEFAULT NULL,
	resource text DEFAULT NULL, username text DEFAULT NULL, client_address inet DEFAULT NULL, event_time timestamptz DEFAULT NULL,
	details jsonb DEFAULT '{}') RETURNS bigint
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_record_event';
COMMENT ON FUNCTION twin.record_event(text, text, text, text, text, text, inet, timestamptz, jsonb) IS 'records a security event of the application, whatever becomes of the transaction; returns its id in twin.audit_log';

CREATE FUNCTION twin_internal.emit_event(event_type text, resource text, action text DEFAULT NULL, details jsonb DEFAULT NULL,
	severity text DEFAULT 'info') RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_emit_event';
COMMENT ON FUNCTION twin_internal.emit_event(text, text, text, jsonb, text) IS 'emits an event of the extension when the transaction ends: success on commit, failure on rollback; nothing without preloading';

CREATE FUNCTION twin_internal.stat_audit(OUT emitted bigint, OUT written bigint, OUT dropped bigint, OUT ring_fill double precision,
	OUT waiting_since timestamptz) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_stat_audit';
COMMENT ON FUNCTION twin_internal.stat_audit() IS 'counters of this database''s events since the server started, and since when one has been waiting in memory';

CREATE FUNCTION twin_internal.start_event_writer() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_start_event_writer';
COMMENT ON FUNCTION twin_internal.start_event_writer() IS 'once this transaction commits, has events written that waited for the extension';
SELECT twin_internal.start_event_writer();

REVOKE ALL ON FUNCTION twin.record_event(text, text, text, text, text, text, inet, timestamptz, jsonb),
	twin_internal.emit_event(text, text, text, jsonb, text), twin_internal.stat_audit(), twin_internal.start_event_writer(),
	twin_internal.event_partition_covers(text, timestamptz), twin_internal.add_event_partition(text, timestamp),
	twin_internal.maintain_event_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.record_event(text, text, text, text, text, text, inet, timestamptz, jsonb) TO twin_admin, twin_operator, twin_viewer;
GRANT EXECUTE ON FUNCTION twin_internal.stat_audit() TO twin_admin, twin_auditor;

/*
 * event.sql
 *		Security events: recorded by applications, emitted by the extension.
 */

--@include tables.sql
--@include guard.sql
--@include partitions.sql
--@include spool.sql

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

CREATE FUNCTION twin_internal.stat_events(OUT event_type text, OUT class text, OUT outcome text, OUT application_made boolean, OUT recorded bigint,
	OUT withheld bigint) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'tsec_stat_events';
COMMENT ON FUNCTION twin_internal.stat_events() IS 'counters of this database''s events by kind since the server started; without a class: what is counted and is no event';

CREATE VIEW twin.stat_events AS
	SELECT s.event_type, s.class, s.outcome, s.application_made, sum(s.recorded)::bigint AS events, sum(s.withheld)::bigint AS withheld
	FROM twin_internal.stat_events() s WHERE s.class IS NOT NULL GROUP BY s.event_type, s.class, s.outcome, s.application_made;
COMMENT ON VIEW twin.stat_events IS 'events since the server started by kind, those dropped for lack of memory included; withheld are refusals that one session caused too often to have each recorded; types that applications made up are one, "application"; needs preloading';

CREATE FUNCTION twin_internal.stat_workers(OUT worker text, OUT is_up boolean, OUT last_round timestamptz, OUT failures bigint) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 2 AS 'MODULE_PATHNAME', 'tsec_stat_workers';
COMMENT ON FUNCTION twin_internal.stat_workers() IS 'the processes that write events, and whether they do';

CREATE VIEW twin.stat_workers AS
	SELECT s.worker, s.is_up, s.last_round, s.failures FROM twin_internal.stat_workers() s;
COMMENT ON VIEW twin.stat_workers IS 'the event launcher of the server, and the event writer of this database, which is there only while it has work: it is up unless work has been waiting for 10 seconds and no writer is there; when it last did its work, and how often in a row it failed since; needs preloading';

CREATE FUNCTION twin_internal.start_event_writer() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_start_event_writer';
COMMENT ON FUNCTION twin_internal.start_event_writer() IS 'once this transaction commits, has events written that waited for the extension';
SELECT twin_internal.start_event_writer();

REVOKE ALL ON FUNCTION twin.record_event(text, text, text, text, text, text, inet, timestamptz, jsonb),
	twin_internal.emit_event(text, text, text, jsonb, text), twin_internal.stat_audit(), twin_internal.stat_events(),
	twin_internal.stat_workers(), twin_internal.start_event_writer(),
	twin_internal.event_partition_covers(text, timestamptz), twin_internal.add_event_partition(text, timestamp),
	twin_internal.maintain_event_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.record_event(text, text, text, text, text, text, inet, timestamptz, jsonb) TO twin_admin, twin_operator, twin_viewer;
GRANT EXECUTE ON FUNCTION twin_internal.stat_audit(), twin_internal.stat_events(), twin_internal.stat_workers() TO twin_admin, twin_auditor;
GRANT SELECT ON twin.stat_events, twin.stat_workers TO twin_admin, twin_auditor;

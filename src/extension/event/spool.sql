/*
 * spool.sql
 *		Events that happen on standbys, and come to the primary's log.
 *
 * How far they have come is this database's own, and of the log: who set it forward would keep events out. No dump has it, for
 * where that goes no standby's events belong.
 */

CREATE TABLE twin_internal.standby_streams (
	stream bytea PRIMARY KEY CHECK (pg_catalog.octet_length(stream) = 16),
	last_number bigint NOT NULL CHECK (last_number > 0),
	server text,
	taken_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE twin_internal.standby_streams IS 'how far the events of standbys are in the log, by stream: one start of a standby; each event is taken once';
SELECT twin_internal.guard_log_table('twin_internal.standby_streams');

CREATE FUNCTION twin.standby_events(OUT file text, OUT content bytea) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10 AS 'MODULE_PATHNAME', 'tsec_standby_events';
COMMENT ON FUNCTION twin.standby_events() IS
	'on a standby: files of signed events that the primary''s log has not taken, 64 at most, in the order in which twin.accept_standby_events() wants them; those that it has are removed';

CREATE FUNCTION twin.accept_standby_events(content bytea, allow_gap boolean DEFAULT false) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'tsec_accept_standby_events';
COMMENT ON FUNCTION twin.accept_standby_events(bytea, boolean) IS
	'on the primary: takes a file of twin.standby_events(), whose events soon stand in twin.audit_log, each once; returns how many are new; allow_gap takes it though events before it never came';

REVOKE ALL ON FUNCTION twin.standby_events(), twin.accept_standby_events(bytea, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.standby_events(), twin.accept_standby_events(bytea, boolean) TO twin_admin;

/*
 * limit.sql
 *		Failed logins and rates in shared memory.  The functions are for the parts
 *		above; of a policy they know the settings twin_security.login_....
 */

CREATE FUNCTION twin_internal.note_failure(kind text, subject text, OUT counted boolean, OUT failures bigint,
	OUT locked_until timestamptz) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_note_failure';
COMMENT ON FUNCTION twin_internal.note_failure(text, text) IS 'counts a failure of an account or address ahead of a try; not counted means locked. No rollback undoes it';

CREATE FUNCTION twin_internal.failures_of(kind text, subject text, OUT counted boolean, OUT failures bigint,
	OUT locked_until timestamptz) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_failures_of';
COMMENT ON FUNCTION twin_internal.failures_of(text, text) IS 'failures and lock of an account or address';

CREATE FUNCTION twin_internal.take_back_failure(kind text, subject text) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_take_back_failure';
COMMENT ON FUNCTION twin_internal.take_back_failure(text, text) IS 'undoes one note_failure() whose try succeeded, and the lock it set';

CREATE FUNCTION twin_internal.forget_failures(kind text, subject text) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_forget_failures';
COMMENT ON FUNCTION twin_internal.forget_failures(text, text) IS 'forgets failures and lock of an account or address';

CREATE FUNCTION twin_internal.seed_failures(kind text, subject text, failures integer, locked_until timestamptz) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_seed_failures';
COMMENT ON FUNCTION twin_internal.seed_failures(text, text, integer, timestamptz) IS 'brings back after a restart what a table knows of failures and a lock; never lowers either';

CREATE FUNCTION twin_internal.take_rate(kind text, subject text, requests integer, period interval, burst integer,
	OUT allowed boolean, OUT remaining bigint, OUT retry_after interval) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_take_rate';
COMMENT ON FUNCTION twin_internal.take_rate(text, text, integer, interval, integer) IS 'takes one request of at most so many per period, of which up to burst come at once. No rollback undoes it';

CREATE FUNCTION twin_internal.forget_limits() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_forget_limits';
COMMENT ON FUNCTION twin_internal.forget_limits() IS 'forgets all that is remembered of this database; nothing without preloading';
/* what an extension of before left behind was about users of before */
SELECT twin_internal.forget_limits();

CREATE FUNCTION twin_internal.stat_limits(OUT kind text, OUT entries bigint, OUT locked bigint, OUT evicted bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_stat_limits';
COMMENT ON FUNCTION twin_internal.stat_limits() IS 'what the limits remember of this database, one row per kind';

CREATE VIEW twin.stat_limits AS
	SELECT s.kind, s.entries, s.locked, s.evicted FROM twin_internal.stat_limits() s;
COMMENT ON VIEW twin.stat_limits IS 'per kind of limit: subjects remembered, those locked, and (all databases, since the start) those forgotten for lack of room; needs preloading';

REVOKE ALL ON FUNCTION twin_internal.note_failure(text, text), twin_internal.failures_of(text, text),
	twin_internal.take_back_failure(text, text), twin_internal.forget_failures(text, text),
	twin_internal.seed_failures(text, text, integer, timestamptz),
	twin_internal.take_rate(text, text, integer, interval, integer), twin_internal.stat_limits(), twin_internal.forget_limits() FROM PUBLIC;
GRANT SELECT ON twin.stat_limits TO twin_admin, twin_auditor;
GRANT EXECUTE ON FUNCTION twin_internal.stat_limits() TO twin_admin, twin_auditor;

/*
 * schedule.sql
 *		When policies are applied by themselves, and that it is told when they were not.
 */

/*
 * A clock that leaps makes ten years of logs look over their time. While the server runs it is looked at every few minutes, so it is
 * believed for a week beyond the last look, or twice the time between runs: a leap of more is not, until an administrator calls
 * apply_retention(), or until it is set back.
 */
CREATE FUNCTION twin_internal.trust_clock(pause interval, is_sure boolean) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	moment timestamptz := clock_timestamp();
BEGIN
	/* a clock that is behind takes nothing back: when it is set right it has not leapt */
	UPDATE twin_internal.retention_schedule s SET trusted_until = greatest(s.trusted_until, moment + greatest(interval '7 days', 2 * pause)), doubt_told_at = NULL
		WHERE is_sure OR s.trusted_until IS NULL OR moment <= s.trusted_until;
	IF FOUND THEN
		RETURN true;
	END IF;
	UPDATE twin_internal.retention_schedule s SET doubt_told_at = moment
		WHERE s.doubt_told_at IS NULL OR s.doubt_told_at NOT BETWEEN moment - greatest(pause, interval '1 hour') AND moment;
	IF FOUND THEN
		PERFORM twin_internal.emit_event('retention_doubted', NULL, 'retention', (SELECT jsonb_build_object('trusted_until', s.trusted_until, 'clock', moment)
			FROM twin_internal.retention_schedule s), 'high');
		RAISE LOG 'twin_security: retention policies are not applied: the clock says %, and was believed until %', moment, (SELECT s.trusted_until FROM twin_internal.retention_schedule s)
			USING HINT = 'Set the clock, or, where it is right (the server was off), CALL twin.apply_retention().';
	END IF;
	RETURN false;
END
$$;
COMMENT ON FUNCTION twin_internal.trust_clock(interval, boolean) IS 'whether the clock is believed, which an administrator may be sure of; emits an event where it is not';

CREATE FUNCTION twin_internal.follow_retention(seconds integer, OUT is_due boolean, OUT next timestamptz) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	pause interval := make_interval(secs => seconds);
	moment timestamptz := clock_timestamp();
	/* not one of a clock that was set back since */
	last_run timestamptz := (SELECT max(o.started_at) FROM (SELECT s.started_at FROM twin_internal.retention_schedule s UNION ALL
		SELECT r.started_at FROM twin_internal.retention_runs r) o WHERE o.started_at <= moment);
	late text[];
BEGIN
	INSERT INTO twin_internal.retention_successes (policy_name) SELECT p.policy_name FROM twin_internal.retention_policies p ON CONFLICT DO NOTHING;
	/* a dump that is restored has an hour to bring what it brings */
	next := coalesce(last_run + pause, (SELECT i.installed_at + least(pause, interval '1 hour') FROM twin_internal.installation i WHERE i.installed_at <= moment), moment);
	is_due := twin_internal.trust_clock(pause, false) AND next <= moment;
	IF is_due THEN
		UPDATE twin_internal.retention_schedule SET started_at = moment;
		next := moment + pause;
	END IF;
	IF NOT is_due AND next <= moment THEN
		next := moment + interval '1 minute';
	END IF;
	late := ARRAY(SELECT p.policy_name FROM twin_internal.retention_policies p JOIN twin_internal.retention_successes s USING (policy_name)
		WHERE p.enabled AND coalesce(s.succeeded_at, s.known_since) < moment - 2 * pause ORDER BY 1);
	IF late <> '{}' THEN
		UPDATE twin_internal.retention_schedule s SET told_at = moment WHERE s.told_at IS NULL OR s.told_at NOT BETWEEN moment - pause AND moment;
		IF FOUND THEN
			PERFORM twin_internal.emit_event('retention_overdue', NULL, 'retention', jsonb_build_object('policies', late[:20], 'interval', pause), 'high');
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.follow_retention(integer) IS 'whether it is time to apply policies, which it takes to be done then, and when it will be again; emits an event for policies that were not applied for twice as long as they should';

REVOKE ALL ON FUNCTION twin_internal.trust_clock(interval, boolean), twin_internal.follow_retention(integer), twin_internal.begin_retention(text), twin_internal.next_retention_policy(text),
	twin_internal.prepare_retention(text), twin_internal.next_retention_item(bigint), twin_internal.retention_item(bigint),
	twin_internal.overdue_policy(twin_internal.retention_items), twin_internal.hold_retention(twin_internal.retention_items, bigint[]),
	twin_internal.retention_details(twin_internal.retention_items), twin_internal.attach_again(twin_internal.retention_items, text),
	twin_internal.open_log_for_retention(), twin_internal.check_retention_partition(twin_internal.retention_items), twin_internal.retention_archive(bigint), twin_internal.retention_verify(bigint),
	twin_internal.retention_leave(bigint), twin_internal.retention_detach(bigint),
	twin_internal.retention_objection(twin_internal.retention_items, twin_internal.retention_policies, bytea), twin_internal.retention_drop(bigint),
	twin_internal.count_retired(bigint), twin_internal.retention_bounds(twin_internal.retention_policies, twin_internal.retention_items),
	twin_internal.retention_batch(bigint), twin_internal.end_batches(twin_internal.retention_items),
	twin_internal.add_partition(regclass, timestamptz, timestamptz), twin_internal.add_partitions_ahead(twin_internal.retention_policies),
	twin_internal.fail_retention(text, bigint, text, text), twin_internal.end_retention(bigint, text[], integer, boolean) FROM PUBLIC;

CREATE PROCEDURE twin.apply_retention(dry_run boolean DEFAULT false)
	LANGUAGE c AS 'MODULE_PATHNAME', 'tsec_apply_retention';
COMMENT ON PROCEDURE twin.apply_retention(boolean) IS 'applies retention policies now, in the background, and tells how it goes: archives, verifies, detaches and drops what is over its time and not held; with dry_run says what would go, and notes it in twin.retention_plan';
REVOKE ALL ON PROCEDURE twin.apply_retention(boolean) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE twin.apply_retention(boolean) TO twin_admin;

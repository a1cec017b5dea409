/*
 * sources.sql
 *		Where the numbers come from. A series that may come is there from the beginning, at 0: who asks for a rate sees the
 *		first of something only so.
 */

CREATE FUNCTION twin_internal.metrics_of_build() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'twin_security_build_info', ARRAY['version', e.extversion, 'database', current_database()::text], 1::double precision
		FROM pg_extension e WHERE e.extname = 'twin_security'
	UNION ALL SELECT 'twin_security_start_timestamp_seconds', '{}', extract(epoch FROM pg_postmaster_start_time());
END;
COMMENT ON FUNCTION twin_internal.metrics_of_build() IS 'what this is, and since when it runs';

CREATE FUNCTION twin_internal.metrics_of_events() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH counted AS MATERIALIZED (
		SELECT c.event_type, c.class, c.outcome, c.application_made, c.recorded, c.withheld, c.recorded + c.withheld AS happened FROM twin_internal.stat_events() c
	)
	SELECT 'twin_security_events', ARRAY['class', k.class, 'outcome', o.outcome], coalesce(sum(c.happened), 0)::double precision
		FROM unnest(ARRAY['audit', 'access', 'error']) k(class) CROSS JOIN unnest(ARRAY['success', 'failure', 'denied', 'error', 'unknown']) o(outcome)
			LEFT JOIN counted c USING (class, outcome) GROUP BY k.class, o.outcome
	UNION ALL SELECT 'twin_security_events_withheld', '{}', coalesce(sum(c.withheld), 0) FROM counted c
	UNION ALL SELECT 'twin_security_logins', ARRAY['outcome', o.outcome, 'reporter', r.reporter], coalesce(sum(c.happened), 0)
		FROM (VALUES ('success', 'login_success'), ('failure', 'login_failure')) o(outcome, event_type)
			CROSS JOIN (VALUES ('database', false), ('application', true)) r(reporter, application_made)
			LEFT JOIN counted c USING (event_type, application_made) GROUP BY o.outcome, r.reporter
	UNION ALL SELECT 'twin_security_denials', ARRAY['type', coalesce(c.event_type, 'permission_denied')], coalesce(sum(c.happened), 0)
		FROM (VALUES ('permission_denied')) always(event_type)
			FULL JOIN (SELECT * FROM counted	/* events_withheld tells of refusals that are counted already */
				WHERE counted.outcome = 'denied' AND NOT counted.application_made AND counted.event_type <> 'events_withheld') c USING (event_type)
		GROUP BY coalesce(c.event_type, 'permission_denied')
	UNION ALL SELECT t.family, '{}', coalesce(sum(c.happened), 0)
		FROM (VALUES ('twin_security_rate_limit_refusals', 'rate_limited'), ('twin_security_token_refusals', 'token_refused'),
				('twin_security_address_refusals', 'address_refused'), ('twin_security_tokens_revoked', 'token_revoked'),
				('twin_security_integrity_failures', 'integrity_failure'), ('twin_security_integrity_failures', 'keyring_tampered')) t(family, event_type)
			LEFT JOIN (SELECT * FROM counted WHERE NOT counted.application_made) c USING (event_type) GROUP BY t.family
	UNION ALL SELECT 'twin_security_tokens_issued', ARRAY['type', d.type], coalesce(sum(c.recorded), 0)
		FROM (VALUES ('access', 'access_token_issued'), ('refresh', 'refresh_token_issued')) d(type, event_type)
			LEFT JOIN (SELECT * FROM counted WHERE counted.class IS NULL) c USING (event_type) GROUP BY d.type;
END;
COMMENT ON FUNCTION twin_internal.metrics_of_events() IS 'events by kind, and what kinds of them mean';

CREATE FUNCTION twin_internal.metrics_of_ring() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.family, '{}'::text[], m.value FROM twin_internal.stat_audit() s,
		LATERAL (VALUES ('twin_security_events_written', s.written::double precision), ('twin_security_events_dropped', s.dropped), ('twin_security_event_ring_fill_ratio', s.ring_fill)) m(family, value);
END;
COMMENT ON FUNCTION twin_internal.metrics_of_ring() IS 'the memory between those who emit events and the worker that writes them';

CREATE FUNCTION twin_internal.metrics_of_workers() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.family, ARRAY['worker', replace(w.worker, ' ', '_')], m.value FROM twin_internal.stat_workers() w,
		LATERAL (VALUES ('twin_security_worker_up', w.is_up::integer::double precision), ('twin_security_worker_last_round_timestamp_seconds', extract(epoch FROM w.last_round)),
			('twin_security_worker_failures', w.failures)) m(family, value);
END;
COMMENT ON FUNCTION twin_internal.metrics_of_workers() IS 'the processes that write events';

CREATE FUNCTION twin_internal.metrics_of_ledger() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.family, '{}'::text[], m.value FROM twin.stat_audit s,
		LATERAL (VALUES ('twin_security_events_sealed', s.sealed::double precision), ('twin_security_seal_lag_seconds', extract(epoch FROM s.seal_lag)),
			('twin_security_checkpoint_age_seconds', extract(epoch FROM s.checkpoint_age))) m(family, value);
END;
COMMENT ON FUNCTION twin_internal.metrics_of_ledger() IS 'how far the audit log is sealed and signed';

CREATE FUNCTION twin_internal.metrics_of_log() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'twin_security_log_size_bytes', '{}'::text[], sum(pg_total_relation_size(t.relid))::double precision FROM (
		SELECT p.relid FROM pg_partition_tree('twin_internal.events') p WHERE p.isleaf
		UNION ALL SELECT unnest(ARRAY['twin_internal.events_overflow', 'twin_internal.sealed', 'twin_internal.tiles', 'twin_internal.checkpoints', 'twin_internal.retired_leaves']::regclass[])) t;
END;
COMMENT ON FUNCTION twin_internal.metrics_of_log() IS 'what the audit log takes on disk';

CREATE FUNCTION twin_internal.metrics_of_keyring() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.family, ARRAY['key', k.key_name], m.value FROM twin.stat_keyring k,
		LATERAL (VALUES ('twin_security_key_encryptions', k.seals::double precision), ('twin_security_key_decryptions', k.opens),
			('twin_security_key_integrity_failures', k.integrity_failures)) m(family, value);
END;
COMMENT ON FUNCTION twin_internal.metrics_of_keyring() IS 'what is done with keys';

CREATE FUNCTION twin_internal.metrics_of_keys() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.family, ARRAY['key', k.key_name], m.value FROM twin.keys k,
		LATERAL (VALUES ('twin_security_key_age_seconds', extract(epoch FROM clock_timestamp() - k.created_at)::double precision),
			('twin_security_key_messages', coalesce(k.messages, 0))) m(family, value)
		WHERE k.state = 'primary'
	UNION ALL SELECT 'twin_security_key_message_limit', '{}', current_setting('twin_security.key_message_limit')::double precision
	UNION ALL SELECT 'twin_security_key_versions', ARRAY['state', s.state], count(k.key_id)
		FROM unnest(ARRAY['published', 'primary', 'decrypt-only', 'retired', 'destroyed']) s(state) LEFT JOIN twin.keys k USING (state) GROUP BY s.state;
END;
COMMENT ON FUNCTION twin_internal.metrics_of_keys() IS 'how old keys are, and how much they were used';

CREATE FUNCTION twin_internal.metrics_of_limits() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.family, ARRAY['kind', l.kind], m.value FROM twin.stat_limits l,
		LATERAL (VALUES ('twin_security_limit_entries', l.entries::double precision), ('twin_security_limit_locked', l.locked), ('twin_security_limit_evicted', l.evicted)) m(family, value);
END;
COMMENT ON FUNCTION twin_internal.metrics_of_limits() IS 'what the limits remember';

CREATE FUNCTION twin_internal.metrics_of_topics() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.family, m.labels, m.value FROM twin.stat_topics t,
		LATERAL (VALUES ('twin_security_topic_messages', ARRAY['result', 'published'], t.published::double precision), ('twin_security_topic_messages', ARRAY['result', 'delivered'], t.delivered),
			('twin_security_topic_messages', ARRAY['result', 'lost'], t.lost), ('twin_security_topic_listeners', '{}', t.listeners),
			('twin_security_topic_subscriptions', '{}', t.subscriptions), ('twin_security_topic_ring_fill_ratio', '{}', t.ring_fill)) m(family, labels, value);
END;
COMMENT ON FUNCTION twin_internal.metrics_of_topics() IS 'messages between sessions';

CREATE FUNCTION twin_internal.metrics_of_retention() RETURNS TABLE(family text, labels text[], value double precision)
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.family, ARRAY['policy', p.policy_name], m.value FROM twin.retention_policies p,
		LATERAL (VALUES ('twin_security_retention_last_success_timestamp_seconds', extract(epoch FROM p.last_success)::double precision),
			('twin_security_retention_lag_seconds', (SELECT extract(epoch FROM clock_timestamp() - coalesce(p.last_success, s.known_since, i.installed_at))
				FROM twin_internal.installation i LEFT JOIN twin_internal.retention_successes s ON s.policy_name = p.policy_name WHERE p.enabled)),
			('twin_security_retention_failures', (SELECT count(i.failure) FROM twin.retention_plan i WHERE i.policy_name = p.policy_name))) m(family, value)
	/* 0: by hand alone, so at no time they know */
	UNION ALL SELECT 'twin_security_retention_interval_seconds', '{}',
		nullif(extract(epoch FROM current_setting('twin_security.retention_interval', true)::interval), 0)::double precision;
END;
COMMENT ON FUNCTION twin_internal.metrics_of_retention() IS 'when each policy was applied last without a failure, how often it should be, and what it could not take out';

REVOKE ALL ON FUNCTION twin_internal.metrics_of_build(), twin_internal.metrics_of_events(), twin_internal.metrics_of_ring(), twin_internal.metrics_of_workers(),
	twin_internal.metrics_of_ledger(), twin_internal.metrics_of_log(), twin_internal.metrics_of_keyring(), twin_internal.metrics_of_keys(),
	twin_internal.metrics_of_limits(), twin_internal.metrics_of_topics(), twin_internal.metrics_of_retention() FROM PUBLIC;

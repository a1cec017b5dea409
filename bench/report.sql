-- report.sql: the compliance report beside counting the log, over a year of events; and what counting them beforehand costs.
-- The goals are for ten million events: what does not grow with them takes a tenth of a second.
\set ON_ERROR_STOP on
CREATE PROCEDURE bench.await_counts() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..6000000 LOOP
		EXIT WHEN (SELECT p.next_leaf = l.size AND twin_internal.unsealed_since() IS NULL FROM twin_internal.event_counts_position p, twin_internal.ledger_state l);
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;
BEGIN;
SELECT twin_internal.open_log() \g /dev/null
SELECT twin_internal.add_event_partition('audit', m::timestamp) FROM generate_series(date_trunc('month', now() - interval '13 months'), now(), interval '1 month') m \g /dev/null
COMMIT;
CALL bench.await_counts();
-- as the writer would have written them
BEGIN;
SELECT twin_internal.open_log() \g /dev/null
INSERT INTO twin_internal.events (event_id, event_time, recorded_at, class, event_type, severity, outcome, action, resource, session_user_name, user_id, username, client_address, application_made, details, origin, writer_xid)
	SELECT nextval('twin_internal.event_id_seq'), at, at, 'audit', (ARRAY['login_success', 'login_failure', 'logout', 'token_refresh', 'permission_denied', 'read', 'read', 'update', 'create', 'decrypt'])[1 + i % 10],
		'info', CASE WHEN i % 10 IN (1, 4) THEN 'denied' ELSE 'success' END, 'SELECT', 'public.readings_' || i % 25, 'twin_gateway', i % 200, 'user' || i % 200, '192.0.2.0'::inet + i % 100, false,
		'{"rows": 10, "values": 5, "statements": 1}', twin_internal.event_origin(), pg_current_xact_id()
	FROM (SELECT i, now() - interval '1 year' + i * (interval '365 days' / :rows) AS at FROM generate_series(1, :rows) i) g;
COMMIT;
SELECT clock_timestamp() AS began \gset
SELECT twin.record_event('wakes') \g /dev/null
CALL bench.await_counts();
SELECT extract(epoch FROM clock_timestamp() - :'began')::numeric(9, 1) AS sealed_and_counted \gset
\echo sealed and counted in :sealed_and_counted s
VACUUM ANALYZE twin_internal.events, twin_internal.events_overflow, twin_internal.sealed, twin_internal.event_counts;
-- the same once more, all by itself: what of that was counting
CREATE TABLE bench.counting (seconds double precision);
DO $$
DECLARE
	began timestamptz;
BEGIN
	PERFORM twin_internal.open_log();
	DELETE FROM twin_internal.event_counts;
	UPDATE twin_internal.event_counts_position SET next_leaf = 0;
	began := clock_timestamp();
	COMMIT;
	LOOP
		PERFORM twin_internal.open_log();
		EXIT WHEN twin_internal.count_events(4096) = 0;
		COMMIT;
	END LOOP;
	INSERT INTO bench.counting VALUES (extract(epoch FROM clock_timestamp() - began));
END $$;
SELECT seconds AS counting FROM bench.counting \gset
\echo of that counted in :counting s
INSERT INTO bench.cases (grp, name, statement) VALUES
	('report', 'report', $$ SELECT twin.compliance_report(now() - interval '364 days 17 minutes', now() - interval '3 minutes') $$),
	('report', 'counts', $$ SELECT twin_internal.report_events(p.from_time, p.to_time, p.whole_from, p.whole_to) FROM twin_internal.report_period(now() - interval '364 days 17 minutes', now() - interval '3 minutes') p $$),
	('report', 'log', $$ SELECT event_type, outcome, username, count(*) FROM twin.audit_log WHERE event_time >= now() - interval '364 days 17 minutes' AND event_time < now() - interval '3 minutes' GROUP BY 1, 2, 3 $$),
	('report', 'same', $$ SELECT event_type, outcome, class, severity, date_trunc('week', event_time, 'UTC'), coalesce(username, session_user_name), resource, client_address, count(*),
			sum((details ->> 'rows')::bigint), sum((details ->> 'values')::bigint)
		FROM twin.audit_log WHERE event_time >= now() - interval '364 days 17 minutes' AND event_time < now() - interval '3 minutes'
		GROUP BY GROUPING SETS ((event_type, outcome, class, severity, date_trunc('week', event_time, 'UTC')), (event_type, coalesce(username, session_user_name)), (event_type, resource),
			(coalesce(username, session_user_name), resource), (event_type, client_address)) $$);
CALL bench.run('report', 3);
CALL bench.report('the log counted by type, outcome and user / compliance_report() of a year', bench.wall('report', 'log') / bench.wall('report', 'report'), NULL, CASE WHEN :rows >= 10000000 THEN 10 END);
CALL bench.report('the log counted by all that the report counts by / compliance_report() of a year', bench.wall('report', 'same') / bench.wall('report', 'report'), NULL, CASE WHEN :rows >= 10000000 THEN 10 END);
CALL bench.report('the log counted by type, outcome and user / the report''s counts alone', bench.wall('report', 'log') / bench.wall('report', 'counts'), NULL, CASE WHEN :rows >= 10000000 THEN 10 END);
SELECT name, round(wall::numeric) AS ms FROM bench.times WHERE grp = 'report' ORDER BY 1, 2;

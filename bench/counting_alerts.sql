-- counting_alerts.sql: how soon an alert comes beside a stream of events, counted for reports and not (monitor.sql and counting.sql have what is called)
\set ON_ERROR_STOP on
SELECT format('CALL bench.set_counting(%L)', counted), format('CALL bench.alert(%s, %L)', 100 + i, CASE WHEN counted THEN 'what is counted' ELSE 'what is not' END)
	FROM generate_series(1, 32) i, LATERAL (VALUES (i / 4 % 2 = 0)) c (counted) ORDER BY i \gexec
CALL bench.set_counting(true);
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE beside = 'what is counted') AS counted, max(ms) FILTER (WHERE beside = 'what is counted') AS counted_max,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE beside = 'what is not') AS not_counted FROM bench.latencies \gset
CALL bench.report('an alert beside 1000 events/s, seconds', :counted / 1000, 2);
CALL bench.report('an alert beside 1000 events/s, at most of sixteen, seconds', :counted_max / 1000, 2);
CALL bench.report('an alert beside 1000 events/s that are counted for reports / beside such that are not (time)', :counted / :not_counted, NULL);

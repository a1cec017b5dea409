-- metrics: the text that says what is measured (each number: test/pgtap/metrics.sql)
\set VERBOSITY terse
CREATE EXTENSION IF NOT EXISTS twin_security;

-- every source has its function, and every function its source
SELECT p.proname FROM pg_proc p FULL JOIN twin_internal.metric_sources s ON p.proname = 'metrics_of_' || s.source_name
	WHERE (p.proname LIKE 'metrics\_of\_%' OR p.oid IS NULL) AND (p.oid IS NULL OR s.source_name IS NULL);

SELECT twin.metrics('csv');
SELECT m[1] FROM regexp_matches(twin.metrics(), '^(# .*twin_security_build_info.*)$', 'gn') m;
SELECT m[1] FROM regexp_matches(twin.metrics(), '^(# .*twin_security_(events_dropped|log_size)_.*)$', 'gn') m;
SELECT m[1] FROM regexp_matches(twin.metrics('openmetrics'), '^(# .*twin_security_events_dropped.*)$', 'gn') m;
SELECT m[1] FROM regexp_matches(twin.metrics('prometheus'), '^(# .*twin_security_events_dropped.*)$', 'gn') m;
SELECT right(twin.metrics(), 6);
SELECT string_agg(labels ->> 'source', ' ') AS failed FROM twin.stat_metrics WHERE metric = 'twin_security_scrape_error' AND value <> 0;
SELECT worker, is_up FROM twin.stat_workers ORDER BY 1;

-- block_report.sql: medians of the rounds of bench_block; the first warms up.
\set ON_ERROR_STOP on
CALL bench.block_none();
CALL bench.block_many();
SELECT count(*) AS blocked FROM twin.blocked_addresses;
CALL bench.block_none();
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY microseconds) FILTER (WHERE kind = 'none') AS none,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY microseconds) FILTER (WHERE kind = 'many') AS many FROM bench.block_times WHERE round > 0 \gset
CALL bench.report('begin_request() beside 100000 blocks / beside none', :many / :none, 1.1);
CALL bench.report('begin_request() beside 100000 blocks, microseconds more than beside none', :many - :none, NULL);
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY per_second) FILTER (WHERE kind = 'none') AS none,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY per_second) FILTER (WHERE kind = 'many') AS many, count(*) > 0 AS are_there FROM bench.block_connections WHERE round > 0 \gset
\if :are_there
CALL bench.report('connections per second beside 100000 blocks / beside none', :many / :none, NULL, 0.95);
\endif

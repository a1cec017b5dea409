-- rewrite_report.sql: what the rounds of rewriting came to.
-- Standard input: pgbench's log.
\set ON_ERROR_STOP on
\copy rewrite_reads FROM pstdin (DELIMITER ' ')
INSERT INTO bench.cases (grp, name, statement) SELECT 'rewrite', name, '' FROM rewrite_phases WHERE round = 1 AND name <> 'idle' ORDER BY began;
INSERT INTO bench.times (grp, name, round, wall)
	SELECT 'rewrite', name, round, 1000 * extract(epoch FROM ended - began) FROM rewrite_phases WHERE name <> 'idle';
CREATE FUNCTION pg_temp.speed(name text) RETURNS double precision LANGUAGE sql AS $$
	SELECT 1000 * (SELECT count(*) FROM rewrite_source) / bench.wall('rewrite', name) $$;
CALL bench.report_speed('reencrypt_column', pg_temp.speed('encrypted'), 30000, 'plain batched UPDATE', pg_temp.speed('plain'), 0.7);
CALL bench.report_speed('encrypt_column, storage only', pg_temp.speed('storage'), 18000, 'plain batched UPDATE', pg_temp.speed('plain'), 0.42);
CALL bench.report_speed('encrypt_column, searchable, unique index', pg_temp.speed('searchable'), 18000, 'plain batched UPDATE', pg_temp.speed('plain'), 0.42);

-- Reads of the encrypted table (script 0) and of the plain one (1), each while idle and while the same table is rewritten: medians of the
-- rounds' percentiles; the ratios are medians of each round's own ratio.  A read counts from the time it was due, so one that holds up others counts for them as well.
CREATE TEMP TABLE percentiles AS
	SELECT t.name AS table_name, CASE p.name WHEN 'idle' THEN 'idle' ELSE 'rewritten' END AS state, p.round,
		percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY r.latency / 1000) AS due,
		percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY (r.latency - r.lag) / 1000) AS sent
	FROM (VALUES (0, 'encrypted'), (1, 'plain')) t (script, name)
		JOIN rewrite_phases p ON p.name IN ('idle', t.name)
		JOIN rewrite_reads r ON r.script = t.script AND r.epoch + r.us / 1e6 BETWEEN extract(epoch FROM p.began) AND extract(epoch FROM p.ended)
	GROUP BY p.round, p.name, t.name;
CREATE TEMP VIEW reads AS
	SELECT table_name, state, percentile_cont(0.5) WITHIN GROUP (ORDER BY due[1]) AS p50,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY due[2]) AS p99,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY sent[1]) AS sent_p50,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY sent[2]) AS sent_p99
	FROM percentiles GROUP BY table_name, state;
CREATE FUNCTION pg_temp.p99(wanted_table text) RETURNS double precision LANGUAGE sql AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY b.due[2] / i.due[2])
	FROM percentiles b JOIN percentiles i USING (round, table_name) WHERE (table_name, b.state, i.state) = (wanted_table, 'rewritten', 'idle') $$;
\echo point reads by primary key, milliseconds
SELECT table_name, state, round(p50::numeric, 3) AS p50, round(p99::numeric, 3) AS p99,
	round(sent_p50::numeric, 3) AS p50_since_sent, round(sent_p99::numeric, 3) AS p99_since_sent FROM reads ORDER BY 1, 2;
CALL bench.report('p99 of point reads during reencrypt_column / idle', pg_temp.p99('encrypted'), 1.5);
CALL bench.report('p99 of point reads during plain batched UPDATE / idle', pg_temp.p99('plain'), NULL);
SELECT b.p99 AS beside_update, a.p99 AS beside_reencrypt FROM reads a, reads b
	WHERE (a.table_name, a.state, b.table_name, b.state) = ('encrypted', 'rewritten', 'plain', 'rewritten') \gset
CALL bench.report('p99 of point reads during reencrypt_column / during plain batched UPDATE', :beside_reencrypt / :beside_update, NULL);

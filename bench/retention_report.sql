-- retention_report.sql: how long retiring and deleting took, and what pgbench logged of inserts meanwhile
\set ON_ERROR_STOP on
SELECT what, round, round(extract(epoch FROM ended - began) * 1000) AS ms FROM bench.moments WHERE what <> 'alone' ORDER BY 1, 2;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.ended - d.began) / (extract(epoch FROM r.ended - r.began) / 5)) AS faster
	FROM bench.moments d JOIN bench.moments r USING (round) WHERE d.what = 'deleted' AND r.what = 'retired' \gset
CALL bench.report('DELETE and VACUUM / retiring a partition (time)', :faster, NULL, 10);
CREATE VIEW bench.latest AS
	SELECT m.what, percentile_disc(0.99) WITHIN GROUP (ORDER BY l.milliseconds) AS p99
	FROM bench.moments m JOIN bench.logged l ON l.at BETWEEN extract(epoch FROM m.began) AND extract(epoch FROM m.ended) GROUP BY 1;
SELECT i.p99 / a.p99 AS scheduled, r.p99 / a.p99 AS retiring, p.p99 / a.p99 AS dropping, d.p99 / a.p99 AS deleting
	FROM bench.latest i, bench.latest r, bench.latest p, bench.latest d, bench.latest a
	WHERE i.what = 'by itself' AND r.what = 'retired' AND p.what = 'dropped' AND d.what = 'deleted' AND a.what = 'alone' \gset
CALL bench.report('inserts beside retiring on schedule / alone (p99)', :scheduled, 2);
CALL bench.report('inserts beside retiring by CALL / alone (p99)', :retiring, NULL);
CALL bench.report('inserts beside DETACH CONCURRENTLY and DROP by hand / alone (p99)', :dropping, NULL);
CALL bench.report('inserts beside DELETE and VACUUM / alone (p99)', :deleting, NULL);

-- retention_report.sql: how long retiring and deleting took, and what pgbench logged of inserts meanwhile
\set ON_ERROR_STOP on
INSERT INTO bench.moments VALUES ('deleted');
DELETE FROM bench.deleted WHERE at < '2021-01-01';
VACUUM bench.deleted;
UPDATE bench.moments SET ended = clock_timestamp() WHERE what = 'deleted';
SELECT extract(epoch FROM d.ended - d.began) / (extract(epoch FROM r.ended - r.began) / 5) AS faster
	FROM bench.moments d, bench.moments r WHERE d.what = 'deleted' AND r.what = 'retired' \gset
CALL bench.report('DELETE and VACUUM / retiring a partition (time)', :faster, NULL, 10);
SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY l.milliseconds) FILTER (WHERE l.at BETWEEN extract(epoch FROM m.began) AND extract(epoch FROM m.ended))
		/ percentile_disc(0.99) WITHIN GROUP (ORDER BY l.milliseconds) FILTER (WHERE l.at < extract(epoch FROM m.began)) AS slower
	FROM bench.logged l, bench.moments m WHERE m.what = 'retired' \gset
CALL bench.report('inserts beside retiring / alone (p99)', :slower, 2);

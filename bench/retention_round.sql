-- retention_round.sql: five partitions, five to drop by hand, and a table with the rows of one of them and some that stay; then three that go
-- by themselves. All is vacuumed, as autovacuum would have long ago
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT format('CREATE TABLE bench.readings_%s PARTITION OF bench.readings FOR VALUES FROM (%L) TO (%L)', n, date '2020-01-01' + n, date '2020-01-02' + n) FROM generate_series(1, 10) n \gexec
SELECT format('INSERT INTO bench.readings SELECT date %L + random() * interval ''86399 seconds'', i %% 1000, random() FROM generate_series(1, %s) i', date '2020-01-01' + n, :rows)
	FROM generate_series(1, 10) n \gexec
DROP TABLE IF EXISTS bench.deleted;
CREATE TABLE bench.deleted (LIKE bench.readings_1 INCLUDING INDEXES);
INSERT INTO bench.deleted SELECT * FROM bench.readings_1;
INSERT INTO bench.deleted SELECT now(), i % 1000, random() FROM generate_series(1, 10000) i;
SELECT format('VACUUM bench.readings_%s', n) FROM generate_series(1, 10) n \gexec
VACUUM bench.deleted;
INSERT INTO bench.moments VALUES (:round, 'alone');
SELECT pg_sleep(3) \g /dev/null
UPDATE bench.moments SET ended = clock_timestamp() WHERE ended IS NULL;
INSERT INTO bench.moments VALUES (:round, 'dropped');
SELECT format('ALTER TABLE bench.readings DETACH PARTITION bench.readings_%s CONCURRENTLY', n), format('DROP TABLE bench.readings_%s', n) FROM generate_series(6, 10) n \gexec
UPDATE bench.moments SET ended = clock_timestamp() WHERE ended IS NULL;
SELECT pg_sleep(1) \g /dev/null
INSERT INTO bench.moments VALUES (:round, 'retired');
CALL twin.apply_retention();
UPDATE bench.moments SET ended = clock_timestamp() WHERE ended IS NULL;
SELECT pg_sleep(1) \g /dev/null
INSERT INTO bench.moments VALUES (:round, 'deleted');
DELETE FROM bench.deleted WHERE at < '2021-01-01';
VACUUM bench.deleted;
UPDATE bench.moments SET ended = clock_timestamp() WHERE ended IS NULL;
SELECT format('CREATE TABLE bench.readings_%s PARTITION OF bench.readings FOR VALUES FROM (%L) TO (%L)', n, date '2020-01-01' + n, date '2020-01-02' + n) FROM generate_series(11, 13) n \gexec
SELECT format('INSERT INTO bench.readings SELECT date %L + random() * interval ''86399 seconds'', i %% 1000, random() FROM generate_series(1, %s) i', date '2020-01-01' + n, :rows)
	FROM generate_series(11, 13) n \gexec
SELECT format('VACUUM bench.readings_%s', n) FROM generate_series(11, 13) n \gexec
ALTER SYSTEM SET twin_security.retention_interval = '1s';
SELECT pg_reload_conf() \g /dev/null
DO $$ BEGIN WHILE to_regclass('bench.readings_13') IS NOT NULL LOOP PERFORM pg_sleep(0.1); COMMIT; END LOOP; END $$;
ALTER SYSTEM SET twin_security.retention_interval = 0;
SELECT pg_reload_conf(), pg_sleep(3) \g /dev/null
INSERT INTO bench.moments SELECT :round, 'by itself', started_at, finished_at FROM twin.retention_runs WHERE items = 3 ORDER BY run_id DESC LIMIT 1;

-- audit.sql: what auditing costs whoever changes a table: COPY of many rows, with images and with digests; beside a plain
-- table, unpartitioned and partitioned, with a primary key and with none. One-row transactions are measured by bench/run.
\set ON_ERROR_STOP on
\set csv :dir '/audit.csv'
CREATE TABLE bench.readings (id bigint, sensor_id integer, at timestamptz, value float8, quality smallint);
CREATE TABLE bench.plain (LIKE bench.readings);
CREATE TABLE bench.image (LIKE bench.readings);
CREATE TABLE bench.digest (LIKE bench.readings);
CREATE TABLE bench.keyed_plain (LIKE bench.readings, PRIMARY KEY (id));
CREATE TABLE bench.keyed_image (LIKE bench.readings, PRIMARY KEY (id));
CREATE TABLE bench.keyed_digest (LIKE bench.readings, PRIMARY KEY (id));
CREATE TABLE bench.parted_plain (LIKE bench.readings) PARTITION BY RANGE (at);
CREATE TABLE bench.parted_image (LIKE bench.readings) PARTITION BY RANGE (at);
CREATE TABLE bench.parted_digest (LIKE bench.readings) PARTITION BY RANGE (at);
SELECT format('CREATE TABLE bench.parted_%1$s_%2$s PARTITION OF bench.parted_%1$s FOR VALUES FROM (%3$L) TO (%4$L)', t, m, '2024-01-01'::timestamptz + m * interval '10 days', '2024-01-01'::timestamptz + (m + 1) * interval '10 days')
	FROM unnest('{plain,image,digest}'::text[]) t, generate_series(0, 9) m \gexec
SELECT twin.audit_table('bench.image'), twin.audit_table('bench.keyed_image'), twin.audit_table('bench.parted_image'),
	twin.audit_table('bench.digest', mode => 'digest'), twin.audit_table('bench.keyed_digest', mode => 'digest'), twin.audit_table('bench.parted_digest', mode => 'digest') \g /dev/null
SELECT format('COPY (SELECT i, i %% 1000, ''2024-01-01''::timestamptz + i %% 100 * interval ''1 day'' + i * interval ''1 ms'', random() * 100, 1 FROM generate_series(1, %s) i) TO %L', :rows, :'csv') \gexec
-- the months, into which rows go after an hour
BEGIN;
SELECT twin_internal.open_log() \g /dev/null
UPDATE twin_internal.event_state SET created_at = now() - interval '2 hours';
SELECT twin_internal.maintain_event_partitions() \g /dev/null
COMMIT;
INSERT INTO bench.cases (grp, name, setup, statement)
	SELECT 'audit', t, format('TRUNCATE bench.%s', t), format('COPY bench.%s FROM %L', t, :'csv')
	FROM unnest('{plain,image,digest,keyed_plain,keyed_image,keyed_digest,parted_plain,parted_image,parted_digest}'::text[]) t;
CALL bench.run('audit', 5);
CALL bench.report('COPY, full images / plain', bench.cpu('audit', 'image') / bench.cpu('audit', 'plain'), 2.0);
CALL bench.report('COPY, digest / plain', bench.cpu('audit', 'digest') / bench.cpu('audit', 'plain'), 1.25);
CALL bench.report('COPY with a primary key, full images / plain', bench.cpu('audit', 'keyed_image') / bench.cpu('audit', 'keyed_plain'), 2.0);
CALL bench.report('COPY with a primary key, digest / plain', bench.cpu('audit', 'keyed_digest') / bench.cpu('audit', 'keyed_plain'), 1.25);
CALL bench.report('COPY, partitioned, full images / plain', bench.cpu('audit', 'parted_image') / bench.cpu('audit', 'parted_plain'), NULL);
CALL bench.report('COPY, partitioned, digest / plain', bench.cpu('audit', 'parted_digest') / bench.cpu('audit', 'parted_plain'), NULL);
SELECT round(avg(pg_column_size(e.*))) AS bytes_of_a_row_of_the_log, round(sum(pg_column_size(e.*)) / sum(row_count), 1) AS bytes_of_a_changed_row
	FROM twin_internal.event_records e WHERE e.resource = 'bench.image' AND row_count IS NOT NULL;
-- for transactions of one row
CREATE TABLE bench.one_plain (id bigserial PRIMARY KEY, name text, level float8, at timestamptz DEFAULT now());
CREATE TABLE bench.one_pgaudit (LIKE bench.one_plain INCLUDING ALL);
CREATE TABLE bench.one_image (LIKE bench.one_plain INCLUDING ALL);
INSERT INTO bench.one_plain (name, level) SELECT 'unit ' || i, i FROM generate_series(1, 10000) i;
INSERT INTO bench.one_pgaudit SELECT * FROM bench.one_plain;
INSERT INTO bench.one_image SELECT * FROM bench.one_plain;
SELECT twin.audit_table('bench.one_image') \g /dev/null
VACUUM ANALYZE bench.one_plain, bench.one_pgaudit, bench.one_image;

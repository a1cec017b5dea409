-- retention.sql: a partition retired beside DELETE and VACUUM of the same rows, while others insert (retention_report.sql)
\set ON_ERROR_STOP on
CREATE TABLE bench.readings (at timestamptz NOT NULL, sensor int, v float8) PARTITION BY RANGE (at);
CREATE TABLE bench.readings_now PARTITION OF bench.readings FOR VALUES FROM ('2021-01-01') TO (MAXVALUE);
CREATE INDEX ON bench.readings (sensor, at);
CREATE INDEX ON bench.readings (at);
SELECT format('CREATE TABLE bench.readings_%s PARTITION OF bench.readings FOR VALUES FROM (%L) TO (%L)', n, date '2020-01-01' + n, date '2020-01-02' + n) FROM generate_series(1, 5) n \gexec
SELECT format('INSERT INTO bench.readings SELECT date %L + random() * interval ''86399 seconds'', i %% 1000, random() FROM generate_series(1, %s) i', date '2020-01-01' + n, :rows)
	FROM generate_series(1, 5) n \gexec
CREATE TABLE bench.deleted (LIKE bench.readings_1 INCLUDING INDEXES);
INSERT INTO bench.deleted SELECT * FROM bench.readings_1;
INSERT INTO bench.deleted SELECT now(), i % 1000, random() FROM generate_series(1, 10000) i;
SELECT twin.add_retention_policy('readings', '1 year', 'bench.readings', 'at', archive => false) \g /dev/null
CREATE TABLE bench.moments (what text, began timestamptz DEFAULT clock_timestamp(), ended timestamptz);

-- retention.sql: partitions retired beside DELETE and VACUUM of the same rows, while others insert (retention_round.sql, retention_report.sql)
\set ON_ERROR_STOP on
CREATE TABLE bench.readings (at timestamptz NOT NULL, sensor int, v float8) PARTITION BY RANGE (at);
CREATE TABLE bench.readings_now PARTITION OF bench.readings FOR VALUES FROM ('2021-01-01') TO (MAXVALUE);
CREATE INDEX ON bench.readings (sensor, at);
CREATE INDEX ON bench.readings (at);
SELECT twin.add_retention_policy('readings', '1 year', 'bench.readings', 'at', archive => false) \g /dev/null
CREATE TABLE bench.moments (round integer, what text, began timestamptz DEFAULT clock_timestamp(), ended timestamptz);
CREATE TABLE bench.logged (at double precision, milliseconds double precision);

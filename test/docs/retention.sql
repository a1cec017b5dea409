-- what docs/retention.md's examples take for granted
CREATE EXTENSION twin_security;
CREATE TABLE sensor_readings (sensor_id bigint, measured_at timestamptz NOT NULL, value float8);
CREATE TABLE jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, finished_at timestamptz);

-- gateway.sql: what the gateway's benchmarks read: rows of two tenants behind a policy, and the same rows open to everybody.
-- Variables: password (of everybody).
\set ON_ERROR_STOP on
SET client_min_messages = warning;
ALTER ROLE twin_gateway LOGIN;
-- statements are replayed with the values that the server's log shows, which are hidden otherwise
ALTER ROLE twin_gateway RESET log_parameter_max_length;
SELECT twin.create_tenant('North') AS north, twin.create_tenant('South') AS south \gset
SELECT twin.create_user('vera', :'password', NULL, 'viewer', :north), twin.create_user('oleg', :'password', NULL, 'operator', :north) \g /dev/null
CREATE SCHEMA api;
GRANT USAGE ON SCHEMA api TO twin_viewer, twin_operator, twin_anonymous;
-- pgbench prepares what it sends in a pipeline before it has a role
GRANT USAGE ON SCHEMA api TO twin_gateway;
CREATE TABLE api.units (
	unit_id bigint PRIMARY KEY,
	tenant_id bigint NOT NULL,
	name text NOT NULL,
	celsius numeric,
	installed timestamptz NOT NULL);
INSERT INTO api.units SELECT i, CASE WHEN i <= 100000 THEN :north ELSE :south END, 'unit ' || i, i % 100 + 0.5, timestamptz '2026-01-01Z' + i * interval '1 minute'
	FROM generate_series(1, 200000) i;
CREATE TABLE api.notices AS SELECT * FROM api.units WHERE unit_id <= 100000;
ALTER TABLE api.notices ADD PRIMARY KEY (unit_id);
SELECT twin.protect_table('api.units', 'tenant_id', NULL, 'read_units', 'write_units', 'write_units', 'delete_units') \g /dev/null
GRANT SELECT ON api.notices TO twin_anonymous, twin_viewer, twin_operator;
-- one client asks as much as it can
UPDATE twin.rate_limits SET requests = 1000000000, burst = 1000000000 WHERE route = '*';
VACUUM ANALYZE api.units, api.notices;

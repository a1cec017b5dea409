-- identity.sql: what row-level security by the verified identity costs beside the same condition with a constant.
-- Variables: rows.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE ROLE bench_reader;
GRANT USAGE ON SCHEMA bench TO bench_reader;
CREATE TABLE bench.unit (id integer, tenant_id bigint NOT NULL, site bigint NOT NULL, v text);
INSERT INTO bench.unit SELECT i, 1 + (i % 100 = 0)::integer, i % 1000, md5(i::text) FROM generate_series(1, :rows) i;
CREATE TABLE bench.wrapped AS SELECT * FROM bench.unit;
CREATE TABLE bench.unwrapped AS SELECT * FROM bench.unit;
CREATE TABLE bench.by_site AS SELECT * FROM bench.unit;
CREATE INDEX ON bench.unit (site);
CREATE INDEX ON bench.by_site (site);
SELECT twin.protect_table('bench.wrapped', 'tenant_id', NULL, 'read_units', 'write_units', 'write_units', 'delete_units'),
	twin.protect_table('bench.by_site', 'site') \g /dev/null
ALTER TABLE bench.unwrapped ENABLE ROW LEVEL SECURITY;
CREATE POLICY unwrapped ON bench.unwrapped USING (tenant_id = twin.current_tenant_id());
GRANT SELECT ON bench.unit, bench.wrapped, bench.unwrapped, bench.by_site TO bench_reader;
VACUUM (FREEZE, ANALYZE) bench.unit, bench.wrapped, bench.unwrapped, bench.by_site;
CREATE TABLE bench.token AS SELECT twin.issue_token('{"user_id": "1", "role": "viewer", "tenant_id": 1}') AS token;
GRANT SELECT ON bench.token TO bench_reader;
-- as a role that row-level security applies to
SELECT format($$
	CREATE FUNCTION bench.count_%1$s() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET max_parallel_workers_per_gather = 0 AS 'DECLARE n bigint;
	BEGIN
		PERFORM twin.authenticate(token) FROM bench.token;
		SELECT count(*) INTO STRICT n FROM %2$s;
		RETURN n;
	END';
	ALTER FUNCTION bench.count_%1$s() OWNER TO bench_reader$$, name, source)
FROM (VALUES ('constant', 'bench.unit WHERE tenant_id = 1'), ('wrapped', 'bench.wrapped'), ('unwrapped', 'bench.unwrapped'),
	('constant_site', 'bench.unit WHERE site = 1'), ('by_site', 'bench.by_site')) c (name, source) \gexec
INSERT INTO bench.cases (grp, name, statement) SELECT 'identity', name, format('SELECT bench.count_%s()', name)
	FROM unnest('{constant,wrapped,unwrapped}'::text[]) name;
INSERT INTO bench.cases (grp, name, statement) SELECT 'identity by index', name, format('SELECT bench.count_%s() FROM generate_series(1, 20)', name)
	FROM unnest('{constant_site,by_site}'::text[]) name;
CALL bench.run('identity', 7);
CALL bench.run('identity by index', 7);
CALL bench.report('full count, protected table / constant predicate', bench.wall('identity', 'wrapped') / bench.wall('identity', 'constant'), 1.15);
CALL bench.report('full count, policy without subquery / constant predicate', bench.wall('identity', 'unwrapped') / bench.wall('identity', 'constant'), 1.5);
CALL bench.report('count by index, protected table / constant predicate', bench.wall('identity by index', 'by_site') / bench.wall('identity by index', 'constant_site'), 1.15);

-- the same plan
CREATE TEMP TABLE plans (name text, line text);
GRANT ALL ON plans TO bench_reader;
SET ROLE bench_reader;
BEGIN;
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT twin.authenticate(token) FROM bench.token \g /dev/null
DO $$
DECLARE
	l text;
BEGIN
	FOR l IN EXPLAIN (COSTS OFF) SELECT count(*) FROM bench.by_site LOOP INSERT INTO plans VALUES ('protected', l); END LOOP;
	FOR l IN EXPLAIN (COSTS OFF) SELECT count(*) FROM bench.unit WHERE site = 1 LOOP INSERT INTO plans VALUES ('constant', l); END LOOP;
END $$;
COMMIT;
RESET ROLE;
\echo plans
SELECT name, line FROM plans;

-- transactions of the gateway's kind (pgbench reads this by primary key)
CREATE TABLE bench.point (id integer PRIMARY KEY, tenant_id bigint NOT NULL, v text);
INSERT INTO bench.point SELECT i, 1, md5(i::text) FROM generate_series(1, 100000) i;
CREATE TABLE bench.point_protected AS SELECT * FROM bench.point;
ALTER TABLE bench.point_protected ADD PRIMARY KEY (id);
SELECT twin.protect_table('bench.point_protected', 'tenant_id') \g /dev/null
GRANT SELECT ON bench.point, bench.point_protected TO bench_reader;
VACUUM (FREEZE, ANALYZE) bench.point, bench.point_protected;
ALTER ROLE bench_reader LOGIN;

-- retention: policies, and what they would do
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET TimeZone = 'UTC';

-- the policies that there are from the start
SELECT policy_name, relation, time_column, keep, archive, enabled, last_success FROM twin.retention_policies ORDER BY 1;
CALL twin.apply_retention(dry_run => true);
SELECT count(*) FROM twin.retention_plan;

-- what is no policy is refused
CREATE TABLE kept (at timestamptz, day date, moment timestamp, name text);
CREATE VIEW kept_view AS SELECT * FROM kept;
CREATE TEMP TABLE passing (at timestamptz);
SELECT twin.add_retention_policy(NULL, '1 day', 'kept', 'at');
SELECT twin.add_retention_policy('Kept', '1 day', 'kept', 'at');
SELECT twin.add_retention_policy('kept', '1 day');
SELECT twin.add_retention_policy('kept', '1 day', 'kept');
SELECT twin.add_retention_policy('kept', NULL, 'kept', 'at');
SELECT twin.add_retention_policy('kept', '0', 'kept', 'at');
SELECT twin.add_retention_policy('kept', '-1 day', 'kept', 'at');
SELECT twin.add_retention_policy('kept', '1 month -29 days', 'kept', 'at');
SELECT twin.add_retention_policy('kept', '1001 years', 'kept', 'at');
SELECT twin.add_retention_policy('kept', '1 day', 'kept', 'nothing');
SELECT twin.add_retention_policy('kept', '1 day', 'kept', 'name');
SELECT twin.add_retention_policy('kept', '1 day', 'kept', 'at', NULL);
SELECT twin.add_retention_policy('kept', '1 day', 'kept_view', 'at');
SELECT twin.add_retention_policy('kept', '1 day', 'passing', 'at');
SELECT twin.add_retention_policy('kept', '1 day', 'pg_catalog.pg_stat_activity', 'backend_start');
SELECT twin.add_retention_policy('kept', '1 day', 'twin_internal.events_audit', 'recorded_at');
SELECT twin.add_retention_policy('kept', '1 day', 'twin.alert_rules', 'period');
SELECT twin.add_retention_policy('audit_logs', '1 day', 'kept', 'at');

-- one per table
SELECT twin.add_retention_policy('kept', '30 days', 'kept', 'at', archive => false);
SELECT twin.add_retention_policy('kept', '30 days', 'kept', 'at');
SELECT twin.add_retention_policy('kept_again', '30 days', 'kept', 'day');
SELECT policy_name, relation, time_column, keep, archive, enabled FROM twin.retention_policies WHERE policy_name = 'kept';

-- changed, one thing at a time
SELECT twin.set_retention_policy('kept', keep => '20 days');
SELECT twin.set_retention_policy('kept', archive => true);
SELECT twin.set_retention_policy('kept', enabled => false);
SELECT twin.set_retention_policy('kept', keep => '-1 days');
SELECT twin.set_retention_policy('nothing', keep => '1 day');
SELECT policy_name, keep, archive, enabled FROM twin.retention_policies WHERE policy_name = 'kept';
SELECT twin.set_retention_policy('kept', archive => false, enabled => true);

-- one of the audit log goes, and comes back
SELECT twin.drop_retention_policy('error_logs');
SELECT twin.drop_retention_policy('error_logs');
SELECT twin.add_retention_policy('error_logs', '365 days');
SELECT twin.add_retention_policy('error_logs', '1 year', archive => false);
SELECT policy_name, keep, archive FROM twin.retention_policies WHERE policy_name = 'error_logs';
SELECT twin.add_retention_policy('error_logs', '365 days');

-- whose table it is not gives it no policy
CREATE ROLE retention_stranger;
GRANT twin_admin TO retention_stranger;
SET ROLE retention_stranger;
SELECT twin.add_retention_policy('theirs', '1 day', 'kept', 'at');
SELECT twin.set_retention_policy('kept', keep => '1 second');
SELECT twin.set_retention_policy('error_logs', keep => '366 days');
RESET ROLE;
SET ROLE twin_auditor;
SELECT policy_name FROM twin.retention_policies WHERE policy_name = 'kept';
SELECT twin.drop_retention_policy('kept');
CALL twin.apply_retention();
RESET ROLE;
SET ROLE twin_viewer;
SELECT * FROM twin.retention_plan;
CALL twin.apply_retention(true);
RESET ROLE;

-- what would go: rows, by a column of each type
INSERT INTO kept SELECT now() - n * interval '10 days', now() - n * interval '10 days', now() - n * interval '10 days', n::text FROM generate_series(0, 9) n;
INSERT INTO kept VALUES ('-infinity', '-infinity', '-infinity', 'before all'), ('infinity', 'infinity', 'infinity', 'after all'), (NULL, NULL, NULL, 'never');
\set ask 'SELECT policy_name, partition_name, rows, to_time - from_time > interval \'0\' AS has_time, state, held_by FROM twin.retention_plan WHERE state = \'due\' ORDER BY partition_name'
SET client_min_messages = warning;
CALL twin.apply_retention(true);
:ask;
SELECT twin.drop_retention_policy('kept');
SELECT twin.add_retention_policy('kept', '20 days', 'kept', 'moment', archive => false);
CALL twin.apply_retention(true);
:ask;
SELECT twin.drop_retention_policy('kept');
SELECT twin.add_retention_policy('kept', '20 days', 'kept', 'day', archive => false);
CALL twin.apply_retention(true);
:ask;
SELECT twin.drop_retention_policy('kept');

-- partitions, by their bounds alone; what has no end, and the default one, is never over
CREATE TABLE parts (at timestamp NOT NULL, id int) PARTITION BY RANGE (at);
CREATE TABLE parts_first PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE parts_2020 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE "Parts of 2021" PARTITION OF parts FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE parts_last PARTITION OF parts FOR VALUES FROM ('2022-01-01') TO (MAXVALUE);
INSERT INTO parts SELECT timestamp '2019-01-01' + n * interval '1 month', n FROM generate_series(0, 47) n;
SELECT twin.add_retention_policy('parts', '30 days', 'parts', 'at');
RESET client_min_messages;
CALL twin.apply_retention(true);
SELECT partition_name, rows, from_time, to_time, state FROM twin.retention_plan ORDER BY 1;

-- the policy changes, and so does the plan; a partition that somebody took away is none
SELECT twin.set_retention_policy('parts', keep => '1000 years');
CALL twin.apply_retention(true);
SELECT count(*) FROM twin.retention_plan;
SELECT twin.set_retention_policy('parts', keep => '30 days');
ALTER TABLE parts DETACH PARTITION parts_2020;
DROP TABLE "Parts of 2021";
CALL twin.apply_retention(true);
ALTER TABLE parts RENAME COLUMN at TO "At";
CALL twin.apply_retention(true);

-- by another column than it is partitioned by: rows
SELECT twin.drop_retention_policy('parts');
SELECT count(*) FROM twin.retention_plan;
ALTER TABLE parts ADD seen date;
UPDATE parts SET seen = '2020-01-01' WHERE id < 5;
SELECT twin.add_retention_policy('parts', '30 days', 'parts', 'seen');
SET client_min_messages = warning;
CALL twin.apply_retention(true);
:ask;
RESET client_min_messages;

-- a table that is gone, and none of the other policies suffers
DROP TABLE parts;
CALL twin.apply_retention(true);
SELECT twin.drop_retention_policy('parts');

-- functions of a table's owner run as he
CREATE ROLE retention_owner;
CREATE SCHEMA retention_test AUTHORIZATION retention_owner;
SET ROLE retention_owner;
CREATE FUNCTION retention_test.who() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE '% deletes', current_user; RETURN OLD; END$$;
CREATE TABLE retention_test.trap (at date);
CREATE TRIGGER who BEFORE DELETE ON retention_test.trap FOR EACH ROW EXECUTE FUNCTION retention_test.who();
ALTER TABLE retention_test.trap ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
RESET ROLE;
INSERT INTO retention_test.trap VALUES ('2020-01-01');
SELECT twin_internal.run_as_owner('retention_test.trap', 'SELECT count(*) FROM retention_test.trap');
SELECT twin_internal.run_as_owner('retention_test.trap', 'DELETE FROM retention_test.trap WHERE at < $1', now());
SELECT twin_internal.run_as_owner('retention_test.trap', 'SELECT min(at) FROM retention_test.trap');
SELECT twin_internal.run_as_owner('retention_test.trap', 'SET ROLE twin_admin');
SELECT twin_internal.run_as_owner('retention_test.trap', 'TABLE twin_internal.retention_items');
SELECT current_user = session_user;

-- not in a transaction
BEGIN;
CALL twin.apply_retention();
ROLLBACK;

DROP SCHEMA retention_test CASCADE;
DROP VIEW kept_view;
DROP TABLE kept, parts_2020, passing;
DROP ROLE retention_owner, retention_stranger;

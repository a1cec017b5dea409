-- reads.sql: which statements make events of reading and opening.
-- (The extension is not committed here, so nothing is written: what is emitted is seen in the counters.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

CREATE TABLE units (id integer PRIMARY KEY, name text, secret twin.encrypted_text(main));
INSERT INTO units SELECT i, 'unit ' || i, 'secret ' || i FROM generate_series(1, 100) i;
CREATE TABLE children (unit integer REFERENCES units, n integer);
SELECT twin.grant_key('main', current_user::regrole, 'decrypt');

-- what a statement emits, in the statement after it
CREATE TEMP TABLE seen (emitted bigint);
INSERT INTO seen SELECT emitted FROM twin.stat_audit;
CREATE FUNCTION events() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	now_emitted bigint := (SELECT emitted FROM twin.stat_audit);
	before bigint := (SELECT s.emitted FROM seen s);
BEGIN
	UPDATE seen SET emitted = now_emitted;
	RETURN now_emitted - before;
END $$;
SELECT events() >= 0;

PREPARE nothing AS SELECT 1;
SELECT count(*) FROM units;
SELECT is(events(), 0::bigint, 'a table that is not audited');
SELECT twin.audit_table('units', reads => false);
SELECT events() >= 0;
SELECT count(*) FROM units;
SELECT is(events(), 0::bigint, 'one whose changes are audited');
SELECT twin.audit_table('units', reads => true);
SELECT events() >= 0;
SELECT count(*) FROM units;
SELECT is(events(), 1::bigint, 'one whose reads are');
SELECT count(secret::text) FROM units;
SELECT is(events(), 2::bigint, 'a reading that opens values');
SELECT count(*) FROM units a JOIN units b USING (id) JOIN units c USING (id);
SELECT is(events(), 1::bigint, 'one event per table');
SELECT * FROM units WHERE id < 0;
SELECT is(events(), 1::bigint, 'also for nothing');
EXPLAIN SELECT * FROM units;
SELECT is(events(), 0::bigint, 'a plan');
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM units WHERE id < 0;
SELECT is(events(), 1::bigint, 'a plan that is run');
INSERT INTO children SELECT i, i FROM generate_series(1, 100) i;
SELECT is(events(), 0::bigint, 'checks of a foreign key');
DO $$ BEGIN FOR i IN 1..50 LOOP PERFORM secret::text FROM units WHERE id = i; END LOOP; END $$;
SELECT is(events(), 2::bigint, 'statements within a statement');
SAVEPOINT s;
SELECT count(*) FROM units;
ROLLBACK TO s;
SELECT is(events(), 1::bigint, 'what was rolled back was read');
DECLARE c CURSOR FOR SELECT * FROM units;
FETCH 3 FROM c;
FETCH 3 FROM c;
CLOSE c;
SELECT is(events(), 1::bigint, 'a cursor');
SELECT 'x'::twin.encrypted_text::text;
SELECT is(events(), 0::bigint, 'literals');
ANALYZE units;
SELECT is(events(), 0::bigint, 'statistics open nothing');

-- the pseudo-check of a foreign key, by somebody who is none
CREATE FUNCTION pose() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT 1 FROM ONLY "public"."units" x WHERE "id" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x' USING 5;
	RETURN NULL;
END $$;
CREATE TABLE plain (id integer);
CREATE TRIGGER pose AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION pose();
INSERT INTO plain VALUES (1);
SELECT is(events(), 1::bigint, 'a statement that looks like a check of a foreign key and is none');

SELECT * FROM finish();
ROLLBACK;

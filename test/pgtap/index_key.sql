-- Rotating the key of blind tags: everything searchable of the type changes in one transaction, or nothing does.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION twin_security;
SELECT no_plan();
SET client_min_messages = warning;
CREATE ROLE reader;
SELECT twin.grant_key('main', CURRENT_USER::regrole, 'decrypt');
SELECT twin.create_key('other', 'xaes-256-gcm');
SELECT twin.grant_key('other', CURRENT_USER::regrole, 'decrypt');

CREATE DOMAIN mail AS twin.encrypted_text_eq(main);
CREATE TABLE people (id integer PRIMARY KEY, email twin.encrypted_text_eq(main) UNIQUE, n twin.encrypted_bigint_eq(main),
	note twin.encrypted_text(main), nick mail, defaulted twin.encrypted_text_eq(other) DEFAULT 'fallback');
CREATE TABLE letters (id integer, email twin.encrypted_text_eq(other) REFERENCES people (email));
CREATE TABLE parts (id integer, v twin.encrypted_text_eq(main)) PARTITION BY RANGE (id);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (0) TO (50);
CREATE TABLE parts2 PARTITION OF parts FOR VALUES FROM (50) TO (1000);
CREATE TABLE hollow (v twin.encrypted_text_eq(main));
SELECT throws_ok('ALTER TABLE letters ADD FOREIGN KEY (email) REFERENCES people (id)', '42804');
INSERT INTO people (id, email, n, note, nick) SELECT i, 'p' || i, i % 7, 'n' || i, 'nick' || i % 5 FROM generate_series(1, 100) i;
INSERT INTO letters SELECT i, 'p' || (1 + i % 100) FROM generate_series(1, 100) i;
INSERT INTO parts SELECT i, 'v' || i % 10 FROM generate_series(1, 100) i;
CREATE MATERIALIZED VIEW copied AS SELECT id, email FROM people;
CREATE INDEX ON copied USING hash (email);
CREATE TEMP TABLE tags AS SELECT id, twin.blind_tag(email) AS email, twin.blind_tag(n) AS n FROM people;

PREPARE by_mail(text) AS SELECT id FROM people WHERE email = $1;
PREPARE by_literal AS SELECT id FROM people WHERE email = 'p7';
PREPARE in_hollow AS SELECT count(*) FROM hollow WHERE v = 'later';
SET plan_cache_mode = force_generic_plan;
EXECUTE by_mail('p5');
EXECUTE by_literal;
EXECUTE in_hollow;
CREATE FUNCTION found_in_plpgsql() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT id FROM people WHERE email = 'p9'); END $$;
SELECT is(found_in_plpgsql(), 9);

-- what would keep old tags is named, and nothing changes
CREATE VIEW fixed AS SELECT id FROM people WHERE email = 'p1';
SELECT throws_like($$SELECT twin.rotate_index_key('text')$$, 'the index key of text cannot be rotated as things are');
SELECT lives_ok($$SELECT twin.rotate_index_key('bigint')$$, 'a constant of one type does not stand in another''s way');
DROP VIEW fixed;
CREATE TABLE held (v twin.encrypted_text_eq(main)[]);
SELECT throws_ok($$SELECT twin.rotate_index_key('text')$$, '55000');
DROP TABLE held;
ALTER TABLE people ADD CHECK (email <> 'nobody');
SELECT throws_ok($$SELECT twin.rotate_index_key('text')$$, '55000');
ALTER TABLE people DROP CONSTRAINT people_email_check;
SELECT throws_ok($$SELECT twin.rotate_index_key('colour')$$, '42704');
SELECT throws_ok($$SELECT twin.rotate_key('index.text')$$, '22023');

SELECT is(twin.rotate_index_key('text'), 100 + 100 + 100 + 100 + 100 + 100::bigint, 'every searchable value of the type, copies and partitions included');
SELECT is((SELECT count(*) FROM people p JOIN tags t USING (id) WHERE twin.blind_tag(p.email) = t.email), 0::bigint, 'no tag of the type is as it was');
SELECT is((SELECT count(*) FROM people p JOIN tags t USING (id) WHERE twin.blind_tag(p.n) = t.n), 0::bigint, 'nor of the type rotated before');
SELECT results_eq('SELECT state FROM twin.keys WHERE key_name = ''index.text'' ORDER BY version', ARRAY['destroyed', 'primary'], 'the old index key is gone');
SELECT is((SELECT count(*) FROM people WHERE email::text = 'p' || id AND note::text = 'n' || id), 100::bigint, 'the values are the same');

-- all that compares still does
SET enable_seqscan = off;
SELECT is((SELECT id FROM people WHERE email = 'p42'), 42, 'by literal, through the index');
SELECT is((SELECT id FROM people WHERE email = 'p42'::text), 42, 'by plain text');
SELECT results_eq('EXECUTE by_mail(''p5'')', ARRAY[5], 'a generic plan kept from before');
SELECT results_eq('EXECUTE by_literal', ARRAY[7], 'a literal in a plan kept from before');
SELECT is(found_in_plpgsql(), 9, 'a literal in a function compiled before');
INSERT INTO hollow VALUES ('later');
SELECT results_eq('EXECUTE in_hollow', ARRAY[1::bigint], 'a literal in a plan of a table that was empty');
SELECT is((SELECT count(*) FROM letters l JOIN people p USING (email)), 100::bigint, 'joins across keys');
SELECT is((SELECT count(*) FROM copied c JOIN people p USING (email)), 100::bigint, 'joins with a materialised view');
SELECT is((SELECT count(*) FROM copied WHERE email = 'p3'), 1::bigint, 'its hash index');
SELECT is((SELECT count(*) FROM parts WHERE v = 'v3'), 10::bigint, 'partitions');
SELECT is((SELECT count(*) FROM people WHERE nick = 'nick2'), 20::bigint, 'domains');
SELECT throws_ok($$INSERT INTO people (id, email) VALUES (500, 'p1')$$, '23505');
SELECT throws_ok($$INSERT INTO letters VALUES (1, 'nobody')$$, '23503');
SELECT lives_ok($$INSERT INTO letters VALUES (1, 'p1')$$, 'foreign keys');
INSERT INTO people (id, email) VALUES (600, 'new');
SELECT is((SELECT id FROM people WHERE defaulted = 'fallback' AND id = 600), 600, 'a default sealed before gets a tag of the new key');

-- values under a destroyed key cannot be tagged anew
SELECT twin.destroy_key('other');
SELECT throws_ok($$SELECT twin.rotate_index_key('text')$$, '55000');
UPDATE people SET defaulted = NULL;
DELETE FROM letters;
SELECT lives_ok($$SELECT twin.rotate_index_key('text')$$, 'once they are gone it goes');

SET ROLE reader;
SELECT throws_ok($$SELECT twin.rotate_index_key('text')$$, '42501');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;

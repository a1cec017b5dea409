-- destroy.sql: what is left of a key, or of one version of it, after twin.destroy_key(), and how each refusal reads.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();

-- SQLSTATE, message, detail and hint of a statement that fails
CREATE FUNCTION failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'nothing fails';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END
$$;
CREATE FUNCTION states(named text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(version || ' ' || state, ', ' ORDER BY version) FROM twin.keys WHERE key_name = named
$$;
SET client_min_messages = warning;

SELECT twin.create_key(k) FROM unnest('{gone,other}'::text[]) k;
SELECT twin.grant_key(k, current_user::regrole, 'decrypt') FROM unnest('{gone,other}'::text[]) k;
CREATE TABLE t (id int PRIMARY KEY, v twin.encrypted_text(gone), e twin.encrypted_text_eq(gone) UNIQUE, o twin.encrypted_text(other));
INSERT INTO t SELECT i, 'v' || i, 'e' || i, 'o' || i FROM generate_series(1, 3) i;
SELECT twin.rotate_key('gone'); SELECT twin.rotate_key('gone');
INSERT INTO t SELECT i, 'v' || i, 'e' || i, 'o' || i FROM generate_series(4, 6) i;
CREATE TEMP TABLE before AS SELECT id, t::text AS stored FROM t;

-- ---- what is refused ----

SELECT is(failure($$SELECT twin.destroy_key('nobody')$$),
	'42704 | key "nobody" does not exist | See twin.keys, or create it with twin.create_key().', 'a key that is not there');
SELECT is(failure($$SELECT twin.destroy_key(NULL)$$), '22004 | a key is destroyed by its name', 'no name: silence would read as done');
SELECT is(failure($$SELECT twin.destroy_key('gone', 3)$$), '42704 | key "gone" has no version 3', 'a version that is not there');
SELECT is(failure($$SELECT twin.destroy_key('gone', 2)$$),
	'55000 | version 2 of key "gone" is primary | Rotate the key first, or destroy the whole key.', 'the primary version alone');
SELECT is(failure(format('SELECT twin.destroy_key(%L)', k)), format('22023 | key "%s" cannot be destroyed | Only column keys can be destroyed.', k),
	k || ' is not destroyed') FROM unnest('{literal,environment,index.text}'::text[]) k;
SELECT is(states('gone'), '1 decrypt-only, 2 primary', 'none of it changed anything');

-- ---- one version ----

SELECT twin.destroy_key('gone', 1);
SELECT is(states('gone'), '1 destroyed, 2 primary', 'one version is destroyed');
SELECT is((SELECT count(*) FROM twin_internal.key_versions WHERE key_name = 'gone' AND (wrapped IS NULL) <> (state = 'destroyed')
	OR (wrapping_id IS NULL) <> (wrapped IS NULL) AND key_name = 'gone')::int, 0, 'its wrapped key is erased');
CREATE FUNCTION destroyed(version int) RETURNS text LANGUAGE sql AS $$
	SELECT format('TW102 | the key, or this version of it, has been destroyed | Key "gone", version %s.', version)
$$;
SELECT is(failure(format(s, 1)), destroyed(1), 'version 1: ' || format(s, 1)) FROM unnest(ARRAY[
	'SELECT v::text FROM t WHERE id = %s', 'SELECT twin.decrypt(v) FROM t WHERE id = %s', 'SELECT e::text FROM t WHERE id = %s',
	'SELECT v::varchar(1) FROM t WHERE id = %s', 'SELECT count(*) FROM t WHERE e::text = ''e%s''',
	'UPDATE t SET o = v WHERE id = %s', 'UPDATE t SET v = e::twin.encrypted_text WHERE id = %s',
	'ALTER TABLE t ALTER v TYPE twin.encrypted_text(other)']) s;
SELECT is((SELECT string_agg(v::text || e::text, ' ' ORDER BY id) FROM t WHERE id > 3), 'v4e4 v5e5 v6e6', 'version 2 opens');
SELECT lives_ok($$INSERT INTO t VALUES (7, 'v7', 'e7', 'o7')$$, 'and seals');
SELECT is((SELECT string_agg(column_name || ' ' || version || ':' || "values", ', ' ORDER BY column_name, version)
	FROM twin.key_census('t') WHERE key_name = 'gone'), 'e 1:3, e 2:4, v 1:3, v 2:4', 'the census counts values of both');
SELECT is(failure($$SELECT twin.retire_key('gone', 1)$$),
	'55000 | version 1 of key "gone" is destroyed | Only a decrypt-only version can be retired; rotate the key first.', 'it cannot be retired');
SELECT lives_ok($$SELECT twin.destroy_key('gone', 1)$$, 'destroying it once more changes nothing');

-- a published version never sealed anything; its number is not given out again
SELECT twin.rotate_key('gone');
SELECT twin.destroy_key('gone', 3);
SELECT is(twin.rotate_key('gone'), 4, 'after a published version was destroyed the next one is published');
SELECT is(twin.rotate_key('gone'), 4, 'and becomes primary');
SELECT is(states('gone'), '1 destroyed, 2 decrypt-only, 3 destroyed, 4 primary', 'states');

-- ---- the whole key ----

SELECT twin.destroy_key('gone');
SELECT is(states('gone'), '1 destroyed, 2 destroyed, 3 destroyed, 4 destroyed', 'the whole key is destroyed');
SELECT is((SELECT count(*) FROM twin_internal.key_versions WHERE key_name = 'gone' AND (wrapped IS NOT NULL OR wrapping_id IS NOT NULL))::int,
	0, 'nothing of it is left');
SELECT is(failure('SELECT v::text FROM t WHERE id = 1'), destroyed(1), 'a value says which key and version');
SELECT is(failure('SELECT e::text FROM t WHERE id = 5'), destroyed(2), 'whichever it is');

-- nothing is sealed
SELECT is(failure(s), 'TW102 | the key, or this version of it, has been destroyed | Key "gone" has no version left that seals.', s) FROM unnest(ARRAY[
	$$INSERT INTO t (id, v) VALUES (8, 'x')$$, $$INSERT INTO t (id, v) SELECT 8, 'x'::text$$, $$UPDATE t SET e = 'x' WHERE id = 1$$,
	$$SELECT 'x'::text::twin.encrypted_text(gone)$$, $$INSERT INTO t (id, e) VALUES (1, 'e1') ON CONFLICT (e) DO NOTHING$$,
	$$UPDATE t SET v = o$$]) s;

-- what needs no key works on
SELECT is((SELECT string_agg(id::text, ' ' ORDER BY id) FROM t WHERE e IN ('e1', 'e5', 'e9')), '1 5', 'literals are found');
SELECT is((SELECT id FROM t WHERE e = 'e2'::text), 2, 'so are plain values');
SELECT is((SELECT count(*) FROM t a JOIN t b USING (e))::int, 7, 'joins work');
SELECT is((SELECT t::text FROM t WHERE id = 2), (SELECT stored FROM before WHERE id = 2), 'armor is printed as before');
SELECT lives_ok('CREATE TABLE copied AS SELECT * FROM t', 'rows are copied');
SELECT is((SELECT count(*) FROM copied c JOIN t USING (id) WHERE c::text = t::text)::int, 7, 'byte for byte');
SELECT lives_ok(format('UPDATE t SET v = %L WHERE id = 1', (SELECT v FROM t WHERE id = 2)), 'armor is stored as it is');
SELECT lives_ok($$UPDATE t SET o = 'new' WHERE id = 1$$, 'columns under other keys are written in the same rows');
SELECT is((SELECT o::text FROM t WHERE id = 1), 'new', 'and read');
SELECT lives_ok('UPDATE t SET v = NULL WHERE id = 2; DELETE FROM t WHERE id = 3', 'values are erased and rows deleted');
SELECT is((SELECT string_agg(column_name || ' ' || version || ':' || "values", ', ' ORDER BY column_name, version)
	FROM twin.key_census('t') WHERE key_name = 'gone'), 'e 1:2, e 2:4, v 1:1, v 2:4', 'the census counts what is left');

-- the key itself
SELECT is(failure($$SELECT twin.create_key('gone')$$),
	'42710 | key "gone" already exists | It has been destroyed, and what it sealed still names it. | Choose another name.', 'its name is taken');
SELECT is(failure($$SELECT twin.create_key('other')$$), '42710 | key "other" already exists', 'that of a living key is simply taken');
SELECT is(failure($$SELECT twin.rotate_key('gone')$$), 'TW102 | key "gone" has been destroyed', 'it is not rotated');
SELECT lives_ok($$SELECT twin.destroy_key('gone')$$, 'destroying it once more changes nothing');
SELECT lives_ok($$SELECT twin.revoke_key('gone', current_user::regrole, 'decrypt')$$, 'its grants can be taken back');
SELECT is(failure('SELECT v::text FROM t WHERE id = 5'), destroyed(2), 'which reads the same: nobody could open it');
SELECT lives_ok('SELECT twin.rotate_master_key()', 'the master key rotates past it');
SELECT is(states('gone'), '1 destroyed, 2 destroyed, 3 destroyed, 4 destroyed', 'it stays destroyed');
SELECT is(twin.create_builtin_keys(), 0, 'and is not made anew');

-- the way on for its column
SELECT is(failure('ALTER TABLE t ALTER v TYPE twin.encrypted_text(other)'), destroyed(2), 'a column leaves a destroyed key only without its values');
SELECT lives_ok('ALTER TABLE t ALTER v TYPE twin.encrypted_text(other) USING NULL; ALTER TABLE t ALTER v SET DEFAULT ''d''', 'without them it does');
SELECT lives_ok('INSERT INTO t (id) VALUES (10)', 'and holds new ones');
SELECT is((SELECT v::text FROM t WHERE id = 10), 'd', 'that open');

-- "main" is a column key like any other
SELECT twin.destroy_key('main');
SELECT is(states('main'), '1 destroyed', 'main can be destroyed');
SELECT is(failure($$SELECT 'x'::text::twin.encrypted_text(main)$$),
	'TW102 | the key, or this version of it, has been destroyed | Key "main" has no version left that seals.', 'and seals no more');
SELECT is(twin.create_builtin_keys(), 0, 'it is not made anew');
SELECT is(('y'::text::twin.encrypted_text(other))::text, 'y', 'other keys do');

SELECT * FROM finish();
ROLLBACK;

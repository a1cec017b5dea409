-- subjects.sql: one person's data: what is registered, given out and erased, and what attackers make of their own tables. (Other sessions, the log, dumps: test/t/148_subjects.pl.)
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET LOCAL client_min_messages = 'error';

-- who may
SELECT function_privs_are('twin', f, a, r, CASE WHEN r = 'twin_admin' OR r = 'twin_auditor' AND f = 'subject_digest' THEN ARRAY['EXECUTE'] ELSE '{}' END, r || ' and ' || f)
	FROM (VALUES ('register_subject_column', ARRAY['regclass', 'name', 'name']), ('unregister_subject_column', ARRAY['regclass', 'name', 'name']), ('register_subject_key', ARRAY['text', 'text']),
		('unregister_subject_key', ARRAY['text']), ('erase_subject', ARRAY['text', 'text']), ('export_subject', ARRAY['text']), ('subject_digest', ARRAY['uuid', 'text'])) v (f, a),
	unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway}'::name[]) r;
SELECT table_privs_are('twin', v, r, CASE WHEN r IN ('twin_admin', 'twin_auditor') THEN ARRAY['SELECT'] ELSE '{}' END, r || ' and ' || v)
	FROM unnest('{subject_columns,subject_keys}'::name[]) v, unnest('{twin_admin,twin_auditor,twin_operator,twin_viewer,twin_anonymous,twin_gateway}'::name[]) r;

-- ---- what is registered ----
CREATE DOMAIN contact AS text NOT NULL;
CREATE TYPE mood AS ENUM ('fair', 'foul');
CREATE TABLE people (id bigint PRIMARY KEY, who text, name text, phone contact, born date NOT NULL, tags text[] NOT NULL, login varchar(60) NOT NULL UNIQUE, mood mood NOT NULL, upper_name text GENERATED ALWAYS AS (upper(name)) STORED,
	email twin.encrypted_text_eq(main), note twin.encrypted_text(main) NOT NULL, secret twin.encrypted_text(main), number int GENERATED ALWAYS AS IDENTITY);
CREATE VIEW people_view AS SELECT * FROM people;
CREATE TEMP TABLE people_temp (who text, name text);
CREATE TABLE parts (at date, who uuid, name text) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
SELECT throws_ok(format('SELECT twin.register_subject_column(%L, %L, %L)', r, c, s), e, NULL, w)
	FROM (VALUES ('people', 'nothing', 'who', '42703', 'no such column'), ('people', 'name', 'nothing', '42703', 'no such subject column'), ('people', 'ctid', 'who', '42703', 'a system column'),
		('people_view', 'name', 'who', '42809', 'a view'), ('people_temp', 'name', 'who', '42809', 'a temporary table'), ('parts_1', 'name', 'who', '42809', 'a partition'), ('pg_class', 'relname', 'relname', '42501', 'a catalog'),
		('twin_internal.users', 'email', 'username', '42501', 'a table of the extension'), ('parts', 'at', 'who', '0A000', 'a column of the partition key'), ('people', 'upper_name', 'who', '0A000', 'a generated column'),
		('people', 'number', 'who', '0A000', 'an identity'), ('people', 'mood', 'who', '0A000', 'no value that says nothing'), ('people', 'name', 'secret', '42804', 'a subject column without equality'),
		(NULL, 'a', 'b', '22004', 'no table'), ('people', NULL, 'b', '22004', 'no column'), ('people', 'name', NULL, '22004', 'no subject column')) v (r, c, s, e, w);
SELECT is_empty('SELECT FROM twin.subject_columns', 'none of it is registered');
SELECT lives_ok(format('SELECT twin.register_subject_column(%L, %L, %L)', 'people', c, 'who'), 'registered: ' || c) FROM unnest('{name,phone,born,tags,login,email,note,secret}'::text[]) c;
SELECT lives_ok($$ SELECT twin.register_subject_column('people', 'name', 'who') $$, 'twice is once');
SELECT is(count(*)::int, 8, 'eight columns') FROM twin.subject_columns;
SELECT throws_ok($$ SELECT twin.unregister_subject_column('people', 'id') $$, '42704', NULL, 'what is not registered is not unregistered');

-- only who owns the table has it erased and shown
CREATE ROLE tap_admin IN ROLE twin_admin;
SET ROLE tap_admin;
SELECT throws_ok($$ SELECT twin.register_subject_column('people', 'id', 'who') $$, '42501', 'must be owner of table public.people', 'whose table it is not does not register');
SELECT throws_ok($$ SELECT twin.unregister_subject_column('people', 'name') $$, '42501', 'must be owner of table public.people', '... nor unregister');
RESET ROLE;
CREATE ROLE tap_writer IN ROLE pg_write_all_data, pg_read_all_data;
SET ROLE tap_writer;
SELECT throws_ok(c, '42501', NULL, 'refused to who may write into any table: ' || c)
	FROM unnest(ARRAY['INSERT INTO twin_internal.subject_columns (relation, column_name, subject_column) VALUES (''people'', ''id'', ''who'')', 'DELETE FROM twin_internal.subject_columns', 'DELETE FROM twin_internal.subject_keys']) c;
RESET ROLE;

-- renamed, dropped
CREATE TABLE changing (who text, name text, phone text);
SELECT twin.register_subject_column('changing', c, 'who') FROM unnest('{name,phone}'::name[]) c;
ALTER TABLE changing RENAME name TO full_name;
ALTER TABLE changing RENAME who TO whom;
SELECT is(string_agg(s.column_name || ' of ' || s.subject_column, ', ' ORDER BY s.column_name), 'full_name of whom, phone of whom', 'columns that are renamed stay registered') FROM twin.subject_columns s WHERE s.relation = 'changing'::regclass;
ALTER TABLE changing DROP phone;
SELECT is(string_agg(s.column_name || ' of ' || s.subject_column, ', '), 'full_name of whom', 'those that are dropped do not') FROM twin.subject_columns s WHERE s.relation = 'changing'::regclass;
ALTER TABLE changing DROP whom;
SELECT is_empty($$ SELECT FROM twin.subject_columns s WHERE s.relation = 'changing'::regclass $$, '... nor those of whom nobody knows any more');
ALTER TABLE changing ADD whom text;
SELECT twin.register_subject_column('changing', 'full_name', 'whom');
DROP TABLE changing;
SELECT is(count(*)::int, 8, '... nor those of a table that is dropped') FROM twin.subject_columns;

-- ---- who is no subject ----
SELECT throws_ok(format('SELECT twin.erase_subject(%L, %L)', s, 'r'), '22023', 'a subject has 1 to 1000 bytes', 'nobody to erase') FROM unnest(ARRAY[NULL, '', '  ', repeat('x', 1001)]) s;
SELECT throws_ok($$ SELECT twin.erase_subject(repeat('x', 10000000), 'r') $$, '22023', NULL, 'ten megabytes are nobody');
SELECT throws_ok(format('SELECT twin.export_subject(%L)', s), '22023', 'a subject has 1 to 1000 bytes', 'nobody to give out') FROM unnest(ARRAY[NULL, '', ' ', repeat('x', 1001)]) s;
SELECT throws_ok(format('SELECT twin.erase_subject(%L, %L)', 'bob', r), '22023', 'a person is erased for a reason', 'no reason') FROM unnest(ARRAY[NULL, '', ' ', repeat('x', 1001)]) r;
SELECT throws_ok($$ SELECT twin.erase_subject('bob', 'Bob asked for it') $$, '22023', 'the reason names the subject', 'a reason that names him');

-- ---- given out ----
INSERT INTO people (id, who, name, phone, born, tags, login, mood, email, note, secret) VALUES
	(1, 'bob', 'Bob Builder', '555-1', '1980-01-01', '{tall}', 'bob1', 'fair', 'bob@example.com', 'likes tea', 'sleeps late'),
	(2, 'bob', 'Bob B', '555-2', '1980-01-01', '{old}', 'bob2', 'foul', NULL, 'likes coffee', NULL),
	(3, 'alice', 'Alice', '555-3', '1990-01-01', '{}', 'alice', 'fair', 'alice@example.com', 'likes both', 'none');
CREATE TABLE given (what text PRIMARY KEY, said jsonb);
INSERT INTO given VALUES ('sealed', twin.export_subject('bob'));
SELECT is(jsonb_array_length(g.said #> '{tables,public.people}'), 2, 'both of his rows') FROM given g;
SELECT is((g.said #> '{tables,public.people,0}') - 'login'::text, '{"who": "bob", "name": "Bob Builder", "phone": "555-1", "born": "1980-01-01", "tags": ["tall"], "email": {"sealed": true}, "note": {"sealed": true}, "secret": {"sealed": true}}',
	'what the caller may not decrypt says that it is sealed, be he a superuser') FROM given g;
SELECT is(g.said #> '{tables,public.people,1,email}', 'null', 'what is null is null') FROM given g;
SELECT is(g.said -> 'account', 'null', 'he has no account') FROM given g;
SELECT ok(g.said::text !~ 'Alice|555-3', 'nothing of anybody else') FROM given g;
GRANT tap_admin TO CURRENT_USER;
SELECT twin.grant_key('main', 'tap_admin', 'decrypt');
SET ROLE tap_admin;
SELECT is((twin.export_subject('bob') #> '{tables,public.people,0}') - '{login,born,tags,phone,who}'::text[], '{"name": "Bob Builder", "email": "bob@example.com", "note": "likes tea", "secret": "sleeps late"}',
	'what he may decrypt is open');
RESET ROLE;
SELECT is(twin.export_subject(s) -> 'tables', '{}', 'nothing is held about ' || s) FROM unnest(ARRAY['nobody', ''' OR true --', '$1', '%', 'Bob', 'bob ', E'bo\\b']) s;
-- another way to name him, through an encrypted column; and one of another type
SELECT twin.register_subject_column('people', 'phone', 'email'), twin.register_subject_column('parts', 'name', 'who');
SELECT is(twin.export_subject('bob@example.com') #>> '{tables,public.people,0,phone}', '555-1', 'found by an encrypted column');
INSERT INTO parts VALUES ('2026-01-01', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'Uma');
SELECT is(twin.export_subject('6ba7b810-9dad-11d1-80b4-00c04fd430c8') #>> '{tables,public.parts,0,name}', 'Uma', 'found by a uuid, in a partition');
SELECT is(twin.export_subject('6BA7B810-9DAD-11D1-80B4-00C04FD430C8') -> 'tables', '{}', 'as its text is');

-- found by an index, whatever type names him
CREATE TABLE typed (t text, v varchar(20), n bigint, u uuid, e twin.encrypted_text_eq(main), d twin.encrypted_date_eq(main));
CREATE INDEX ON typed (t); CREATE INDEX ON typed (v); CREATE INDEX ON typed (n); CREATE INDEX ON typed (u); CREATE INDEX ON typed (e); CREATE INDEX ON typed (d);
CREATE FUNCTION plan_of(col name, subject text) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	line text;
	lines text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (COSTS off) SELECT FROM typed WHERE %s', replace(twin_internal.subject_condition('typed', col, subject), '$1', quote_literal(subject) || '::text')) LOOP
		lines := concat(lines, line);
	END LOOP;
	RETURN lines;
END $$;
SELECT matches(plan_of(c, s), 'Index Cond', 'an index finds ' || s || ' by ' || c)
	FROM (VALUES ('t', 'bob'), ('v', 'bob'), ('n', '7'), ('u', '6ba7b810-9dad-11d1-80b4-00c04fd430c8'), ('e', 'bob'), ('d', '2026-01-01')) v (c, s);
SELECT is(twin_internal.subject_condition('typed', c, 'bob'), 'false', 'nobody is found by ' || c) FROM unnest('{n,u,d}'::name[]) c;

-- what nobody opens any more
SELECT twin.create_key('gone');
CREATE TABLE shredded (who text, name twin.encrypted_text(gone));
SELECT twin.grant_key('gone', 'tap_admin', 'decrypt'), twin.grant_key('gone', 'tap_admin', 'encrypt');
GRANT INSERT ON shredded TO tap_admin;
SET ROLE tap_admin;
INSERT INTO shredded VALUES ('kim', 'Kim');
RESET ROLE;
SELECT twin.register_subject_column('shredded', 'name', 'who');
SET ROLE tap_admin;
SELECT is(twin.export_subject('kim') #> '{tables,public.shredded,0,name}', '"Kim"', 'as long as there is a key');
RESET ROLE;
SELECT twin.destroy_key('gone');
SET ROLE tap_admin;
SELECT is(twin.export_subject('kim') #> '{tables,public.shredded,0,name}', '{"sealed": true}', 'what nobody can open any more says that it is sealed');
RESET ROLE;

-- ---- held ----
CREATE FUNCTION refused(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	EXECUTE call;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(': ', SQLSTATE, SQLERRM, said);
END $$;
CREATE TABLE before AS SELECT p::text FROM people p;
SELECT twin.place_legal_hold('bob v. twin', subject => 'bob') AS h1 \gset
SELECT is(refused($$ SELECT twin.erase_subject('bob', 'r') $$), format('55006: the subject is under a legal hold: Hold %s of case bob v. twin. It is about this subject.', :h1), 'a hold about him');
SELECT is(twin.erase_subject('carol', 'r') -> 'erased', '{}', '... keeps nobody else');
SELECT twin.release_legal_hold(:h1, 'settled');
INSERT INTO twin_internal.retention_policies (policy_name, relation, time_column, keep) VALUES ('tap_people', 'people', 'born', '1 day');
SELECT twin.place_legal_hold('old people', 'tap_people', '1979-01-01', '1985-01-01') AS h2 \gset
SELECT is(refused($$ SELECT twin.erase_subject('bob', 'r') $$), format('55006: the subject is under a legal hold: Hold %s of case old people. It covers rows of table public.people.', :h2), 'a hold on rows of his');
SELECT is((twin.erase_subject('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'r') -> 'erased')::text, '{"public.parts": {"name": 1}}', '... keeps no rows of another table');
SELECT twin.release_legal_hold(:h2, 'settled');
SELECT twin.place_legal_hold('everything', NULL, NULL, '1985-01-01') AS h3 \gset
SELECT matches(refused($$ SELECT twin.erase_subject('bob', 'r') $$), '^55006: .*everything', 'a hold on everything');
SELECT twin.release_legal_hold(:h3, 'settled');
SELECT results_eq('SELECT p::text FROM people p ORDER BY id', 'SELECT p FROM before ORDER BY p', 'nothing was done of what was refused');

-- ---- erased ----
SELECT twin.create_user(n, 'Umbrella-Gravel-77!' || n, n || '@example.org', r) FROM (VALUES ('boss', 'admin'), ('second', 'admin'), ('bob', 'viewer')) v (n, r);
SELECT twin.create_key('k_17'), twin.register_subject_key('bob', 'k_17');
SELECT throws_ok(format('SELECT twin.register_subject_key(%L, %L)', s, k), e, NULL, format('%s has no key %s', s, k))
	FROM (VALUES ('alice', 'k_17', '42710'), ('alice', 'main', '22023'), ('alice', 'literal', '22023'), ('alice', 'no_key', '42704'), ('', 'k_17', '22023')) v (s, k, e);
SELECT twin.create_key('of_alice');
SELECT throws_ok($$ SELECT twin.register_subject_key('Alice', 'of_alice') $$, '22023', 'the name of the key names the person', 'a key whose name would stay');
-- an archive that his key seals as a whole holds others, too; values of his in one are his
SELECT twin_internal.note_key_file('of_all.tsarc', k.key_id, '{}') FROM twin.keys k WHERE k.key_name = 'k_17';
SELECT throws_ok($$ SELECT twin.erase_subject('bob', 'r') $$, '2BP01', 'key "k_17" is needed by archives: 1', 'a key that seals archives is not his alone');
UPDATE twin_internal.key_files SET is_whole = false;
CREATE TABLE certificates (number int PRIMARY KEY, said jsonb);
INSERT INTO certificates VALUES (1, twin.erase_subject('bob', 'request 17/2026'));
SELECT is(c.said -> 'erased', '{"twin.users": {"email": 1, "password": 1, "username": 1}, "public.people": {"name": 2, "born": 2, "note": 2, "tags": 2, "email": 1, "login": 2, "phone": 2, "secret": 1}}', 'rows by table and column') FROM certificates c;
SELECT is(c.said -> 'keys_destroyed', '["k_17"]', 'his key is destroyed') FROM certificates c;
SELECT is(string_agg(DISTINCT k.state, ','), 'destroyed', '... with all its versions') FROM twin.keys k WHERE k.key_name = 'k_17';
SELECT is_empty('SELECT FROM twin.subject_keys', '... and nobody''s');
SELECT is_empty('SELECT FROM twin_internal.key_files', '... nor an archive''s that has values of his');
SELECT ok(c.said -> 'kept' @> '[{"what": "legal holds that were released", "count": 1}]' AND c.said::text !~ 'Builder|555|example', 'what stays, and nothing of what does not') FROM certificates c;
SELECT is((p.who, p.name, p.phone, p.born, p.tags, p.email IS NULL, p.secret IS NULL, p.mood, p.upper_name)::text, ('bob', NULL, '', '1970-01-01'::date, '{}'::text[], true, true, 'fair', NULL)::text, 'the columns are overwritten') FROM people p WHERE p.id = 1;
SELECT ok(bool_and(p.login ~ '^erased-') AND count(DISTINCT p.login) = 2, 'where one must be unique it is') FROM people p WHERE p.who = 'bob';
SELECT is(p::text, b.p, 'rows of others stay') FROM people p, before b WHERE p.id = 3 AND b.p LIKE '(3,%';
SELECT is((c.said ->> 'subject_digest'), twin.subject_digest((c.said ->> 'certificate_id')::uuid, 'bob'), 'whom the certificate is about can be shown') FROM certificates c;
SELECT isnt((c.said ->> 'subject_digest'), twin.subject_digest((c.said ->> 'certificate_id')::uuid, s), '... and whom it is not') FROM certificates c, unnest('{alice,Bob,bob1}'::text[]) s;
SELECT isnt((c.said ->> 'subject_digest'), twin.subject_digest(gen_random_uuid(), 'bob'), '... of each certificate anew') FROM certificates c;
-- the account
SELECT is(string_agg(u.username, ' ' ORDER BY u.username), 'boss second', 'his account is nobody''s') FROM twin.users u WHERE u.is_active;
SELECT ok(u.username ~ '^erased-' AND u.email IS NULL AND u.role_name = 'viewer', 'it stays, without his name') FROM twin.users u WHERE NOT u.is_active;
SELECT lives_ok($$ SELECT twin.create_user('bob', 'Umbrella-Gravel-77!again') $$, 'the name is free again');
SELECT twin.delete_user('bob');
-- again
INSERT INTO certificates VALUES (2, twin.erase_subject('bob', 'request 17/2026, again'));
SELECT is(c.said -> 'erased' -> 'public.people' ?| '{name,phone,born,tags,email,secret}', false, 'what is erased is not erased again') FROM certificates c WHERE c.number = 2;
SELECT is(c.said -> 'erased' -> 'twin.users', NULL, '... nor the account') FROM certificates c WHERE c.number = 2;
-- the last administrator stays
SELECT twin.delete_user('second');
SELECT throws_ok($$ SELECT twin.erase_subject('boss', 'r') $$, '55000', 'no administrator would be left who can log in', 'the last administrator is not erased');
SELECT twin.erase_subject('alice', 'r');
SELECT is(twin.export_subject('alice') #> '{tables,public.people,0,name}', 'null', 'nothing is given out of what is erased');

-- ---- what cannot be overwritten ----
CREATE TABLE checked (who text, name text CHECK (name IS NOT NULL), phone text);
CREATE TABLE referenced (who text, email text UNIQUE);
CREATE TABLE referring (email text REFERENCES referenced (email));
SELECT twin.register_subject_column('checked', c, 'who') FROM unnest('{name,phone}'::name[]) c;
SELECT twin.register_subject_column('referenced', 'email', 'who');
INSERT INTO checked VALUES ('dave', 'Dave', '555-4');
SELECT is(refused($$ SELECT twin.erase_subject('dave', 'r') $$), '23514: a column of "public.checked" cannot be overwritten: Columns: name, phone. Constraint: checked_name_check.', 'a constraint refuses; the error does not quote the row');
SELECT is(c.*::text, '(dave,Dave,555-4)', 'nothing half done') FROM checked c;
INSERT INTO referenced VALUES ('erin', 'erin@x');
INSERT INTO referring VALUES ('erin@x');
SELECT matches(refused($$ SELECT twin.erase_subject('erin', 'r') $$), '^23503: a column of "public.referenced" cannot be overwritten: .*referring_email_fkey', 'a foreign key refuses');
ALTER TABLE referring DROP CONSTRAINT referring_email_fkey, ADD FOREIGN KEY (email) REFERENCES referenced (email) ON UPDATE CASCADE;
SELECT is((twin.erase_subject('erin', 'r') -> 'erased')::text, '{"public.referenced": {"email": 1}}', '... or goes along');
SELECT is(email, NULL, '... and has it no more') FROM referring;

CREATE TABLE later (who text, mood mood);
SELECT twin.register_subject_column('later', 'mood', 'who');
ALTER TABLE later ALTER mood SET NOT NULL;
SELECT matches(refused($$ SELECT twin.erase_subject('nobody', 'r') $$), '^0A000: column "mood" of "public.later" cannot be overwritten', 'nor what refuses nulls since it was registered, though there is nothing of him');
SELECT twin.unregister_subject_column('later', 'mood'), twin.unregister_subject_column('checked', 'name');
SELECT is((twin.erase_subject('dave', 'r') -> 'erased')::text, '{"public.checked": {"phone": 1}}', 'what is no longer registered stays');

-- ---- tables of attackers ----
CREATE ROLE tap_owner;
GRANT CREATE ON SCHEMA public TO tap_owner;
SET ROLE tap_owner;
CREATE TABLE trap (who text, name text, note text);
CREATE TABLE caught (by_user text, definer text);
CREATE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO caught VALUES (current_user, (SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user));
	RETURN NEW;
END $$;
CREATE TRIGGER spring BEFORE UPDATE ON trap FOR EACH ROW EXECUTE FUNCTION spring();
INSERT INTO trap VALUES ('fay', 'Fay', 'x'), ('gus', 'Gus', 'x');
RESET ROLE;
SELECT twin.register_subject_column('trap', 'name', 'who');
SELECT is((twin.erase_subject('fay', 'r') -> 'erased')::text, '{"public.trap": {"name": 1}}', 'a table with a trigger');
SELECT is(c.*::text, '(tap_owner,false)', 'a trigger runs as the table''s owner') FROM caught c;
CREATE FUNCTION tap_trap(body text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE OR REPLACE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS %L', 'BEGIN ' || body || ' RETURN NEW; END');
	RETURN refused($q$ SELECT twin.erase_subject('gus', 'r') $q$);
END $$;
SELECT matches(tap_trap(b), '^(42501|55000): ' || m, 'a trigger that does ' || b) FROM (VALUES
	('RESET ROLE;', 'cannot set parameter "role" within security-'), ('SET SESSION AUTHORIZATION DEFAULT;', 'cannot set parameter "session_authorization"'),
	('EXECUTE ''ALTER ROLE tap_owner SUPERUSER'';', ''), ('CREATE TEMP TABLE t (a int);', 'cannot create temporary table within security-restricted operation'),
	('RETURN NULL;', 'rows of "public.trap" were not overwritten'), ('NEW.name := OLD.name;', 'rows of "public.trap" were not overwritten'),
	('NEW.name := upper(OLD.name);', 'rows of "public.trap" were not overwritten'), ('UPDATE twin_internal.legal_holds SET reason = NULL;', ''), ('PERFORM twin.destroy_key(''main'');', '')) v (b, m);
SELECT is(name, 'Gus', 'none of it was done') FROM trap WHERE who = 'gus';
DROP TRIGGER spring ON trap;
CREATE RULE elsewhere AS ON UPDATE TO trap DO INSTEAD NOTHING;
SELECT matches(refused($$ SELECT twin.erase_subject('gus', 'r') $$), '^(0A000|55000)', 'a rule that does another thing');
DROP RULE elsewhere ON trap;
-- row security does not hide rows
ALTER TABLE trap ENABLE ROW LEVEL SECURITY;
ALTER TABLE trap FORCE ROW LEVEL SECURITY;
CREATE POLICY nobody ON trap USING (false);
SELECT is(jsonb_array_length(twin.export_subject('gus') #> '{tables,public.trap}'), 1, 'row security hides nothing');
SELECT is((twin.erase_subject('gus', 'r') -> 'erased')::text, '{"public.trap": {"name": 1}}', '... and keeps nothing');
SELECT is(name, NULL, '... at all') FROM trap WHERE who = 'gus';
-- what would run at the commit, as whoever commits
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON trap DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
INSERT INTO trap VALUES ('hal', 'Hal', 'x');
SELECT matches(refused($$ SELECT twin.erase_subject('hal', 'r') $$), '^42501: cannot fire deferred trigger', 'no trigger waits for the commit');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is((twin.erase_subject('hal', 'r') -> 'erased')::text, '{"public.trap": {"name": 1}}', '... it fires at once, when told to');
-- columns of an owner who is nobody, sealed
SET ROLE tap_owner;
CREATE TABLE sealed (who twin.encrypted_text_eq(main), name twin.encrypted_text(main), note twin.encrypted_text(main) NOT NULL DEFAULT 'x');
RESET ROLE;
SELECT twin.grant_key('main', 'tap_owner', 'encrypt'), twin.grant_key('main', 'tap_admin', 'encrypt');
SET ROLE tap_owner;
INSERT INTO sealed VALUES ('ivy', 'Ivy', 'y');
RESET ROLE;
SELECT twin.register_subject_column('sealed', c, 'who') FROM unnest('{who,name,note}'::name[]) c;
SELECT is((twin.erase_subject('ivy', 'r') -> 'erased')::text, '{"public.sealed": {"who": 1, "name": 1, "note": 1}}', 'the name goes with the rest');
SELECT is(twin.export_subject('ivy') -> 'tables', '{}', '... and nothing is found by it any more');
-- a table with many spellings of one person
CREATE TABLE spelled (who char(10), number numeric, name text, other text);
SELECT twin.register_subject_column('spelled', 'name', 'who'), twin.register_subject_column('spelled', 'other', 'number');
INSERT INTO spelled VALUES ('jo', 1, 'Jo', 'o'), ('x', 1.0, 'X', 'p');
SELECT is((twin.erase_subject('jo', 'r') -> 'erased')::text, '{"public.spelled": {"name": 1}}', 'blanks at the end of a character(n) are none');
SELECT is((twin.erase_subject('1', 'r') -> 'erased')::text, '{"public.spelled": {"other": 1}}', 'a number as it is written');
SELECT is(string_agg(s.other, ','), 'p', '... and not another way') FROM spelled s;
SELECT is((twin.erase_subject(s, 'r') -> 'erased')::text, '{}', 'nobody: ' || s) FROM unnest(ARRAY[''' OR true --', '); DROP TABLE spelled; --', '%s %I $1 $2', E'a\\b"c', '{}', 'null', '-1', '1e999999', 'NaN']) s;

-- ---- what else quotes values ----
CREATE TABLE counted (who text, name text, city text);
CREATE INDEX ON counted (lower(name));
CREATE STATISTICS counted_together ON name, city FROM counted;
CREATE STATISTICS counted_joined ON (name || city) FROM counted;
INSERT INTO counted SELECT CASE WHEN n % 2 = 0 THEN 'kay' ELSE 'o' || n END, CASE WHEN n % 2 = 0 THEN 'Quondam' ELSE 'n' || n END, CASE WHEN n % 2 = 0 THEN 'Quondamville' ELSE 'c' END FROM generate_series(1, 400) n;
CREATE TABLE counted_below () INHERITS (counted);
INSERT INTO counted_below SELECT 'kay', 'Quondam', 'Quondamville' FROM generate_series(1, 50);
SELECT twin.register_subject_column('counted', c, 'who') FROM unnest('{name,city}'::name[]) c;
CREATE VIEW counted_view AS SELECT * FROM counted;
CREATE MATERIALIZED VIEW counted_copy AS SELECT * FROM counted_view;
ANALYZE counted, counted_below;
CREATE FUNCTION quoted() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', (SELECT count(*) FROM pg_statistic s WHERE s::text ~* 'quondam'), (SELECT count(*) FROM pg_stats_ext s WHERE s::text ~* 'quondam'), (SELECT count(*) FROM pg_stats_ext_exprs s WHERE s::text ~* 'quondam')) $$;
SELECT isnt(quoted(), '0 0 0', 'statistics quote values');
CREATE TABLE kept AS SELECT twin.erase_subject('kay', 'r') AS said;
SELECT is(quoted(), '0 0 0', 'those of what is erased do not');
SELECT ok(EXISTS (SELECT FROM pg_stats s WHERE s.tablename = 'counted' AND s.attname = 'who'), '... and those of other columns stay');
CREATE TABLE counted_later (name text);
CREATE TABLE counted_later_below () INHERITS (counted_later);
SELECT twin_internal.forget_statistics('counted_later', '{name}');
SELECT ok(EXISTS (SELECT FROM pg_locks l WHERE l.relation = 'counted_later_below'::regclass AND l.mode = 'ShareUpdateExclusiveLock'), '... whose tables nobody may drop meanwhile');
SELECT ok(k.said -> 'kept' @> '[{"what": "materialized view public.counted_copy, which reads registered tables", "why": "until it is refreshed"}]', 'a materialized view is told of') FROM kept k;

-- ---- a partition that is seen neither as one nor as dropped ----
CREATE TABLE parting (at timestamptz, who text, name text) PARTITION BY RANGE (at);
CREATE TABLE parting_1 PARTITION OF parting FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
INSERT INTO parting VALUES ('2020-01-02', 'len', 'Len');
SELECT twin.register_subject_column('parting', 'name', 'who');
INSERT INTO twin_internal.retention_policies (policy_name, relation, time_column, keep) VALUES ('tap_parting', 'parting', 'at', '1 day');
INSERT INTO twin_internal.retention_items (policy_name, relation, partition_name, partition, from_time, to_time, state)
	VALUES ('tap_parting', 'public.parting', 'public.parting_1', 'parting_1', '2020-01-01', '2020-02-01', 'verified');
SELECT is((twin.erase_subject('nobody', 'r') -> 'erased')::text, '{}', 'a partition that is archived is a partition still');
ALTER TABLE parting DETACH PARTITION parting_1;
SELECT matches(refused($$ SELECT twin.erase_subject('len', 'r') $$), '^55006: a partition of "public.parting" that is being detached has rows about the subject: It is public.parting_1', 'a partition that is out of sight, and may come back');
SELECT is((twin.erase_subject('nobody', 'r') -> 'erased')::text, '{}', '... is in the way of nobody who is not in it');
ALTER TABLE parting ATTACH PARTITION parting_1 FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
SELECT is((twin.erase_subject('len', 'r') -> 'erased')::text, '{"public.parting": {"name": 1}}', '... and is erased when it is back');

-- ---- rows of several names ----
CREATE TABLE both_names (who text, mail text, number int, note text);
INSERT INTO both_names VALUES ('mia', 'mia@example.org', 5, 'x'), ('ned', 'ned@example.org', 6, 'x');
SELECT twin.register_subject_column('both_names', 'note', c) FROM unnest('{who,mail,number}'::name[]) c;
SELECT twin.place_legal_hold('mia v. twin', subject => 'mia') AS h4 \gset
SELECT matches(refused(format('SELECT twin.erase_subject(%L, %L)', s, 'r')), '^55006: .*It covers rows of table public.both_names', 'who is held is not erased by another name: ' || s) FROM unnest('{mia@example.org,5}'::text[]) s;
SELECT is((twin.erase_subject('ned@example.org', 'r') -> 'erased')::text, '{"public.both_names": {"note": 1}}', '... and others are');
SELECT twin.release_legal_hold(:h4, 'settled');
SELECT twin.place_legal_hold('6 v. twin', subject => '5') AS h5 \gset
SELECT matches(refused($$ SELECT twin.erase_subject('mia', 'r') $$), '^55006: ', '... whatever type the name is of');
SELECT twin.release_legal_hold(:h5, 'settled');
SELECT is((twin.erase_subject('5', 'r') -> 'erased')::text, '{"public.both_names": {"note": 1}}', 'then he is erased');
-- a row that has a null is neither null nor not null
CREATE TYPE full_name AS (first text, last text);
CREATE TABLE composed (who text, name full_name);
INSERT INTO composed VALUES ('ona', ROW('Ona', NULL));
SELECT twin.register_subject_column('composed', 'name', 'who');
SELECT is((twin.erase_subject('ona', 'r') -> 'erased')::text, '{"public.composed": {"name": 1}}', 'a row with a null in it is erased');
SELECT ok(name IS NOT DISTINCT FROM NULL, '... as a whole') FROM composed;

SELECT * FROM finish();
ROLLBACK;

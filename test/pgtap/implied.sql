-- implied.sql: comparisons of what a column opens to find rows by its index, and never other rows than without it.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SET client_min_messages = warning;
CREATE ROLE implied_reader;
CREATE ROLE implied_group;
CREATE ROLE implied_stranger;
GRANT implied_reader, implied_stranger TO CURRENT_USER;
GRANT implied_group TO implied_reader;
DO $$ BEGIN
	PERFORM twin.create_key('pii');
	PERFORM twin.grant_key('pii', 'implied_group', 'decrypt'), twin.grant_key('pii', 'implied_reader', 'encrypt');
END $$;
CREATE DOMAIN mail AS twin.encrypted_text_eq(pii);
CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

-- the same rows in plain, and encrypted below a view
CREATE TABLE plain (id int PRIMARY KEY, email text, mail2 text, num bigint, n int, cents numeric, day date, body jsonb, ratio float8);
INSERT INTO plain SELECT i, CASE WHEN i % 50 = 0 THEN NULL WHEN i % 50 = 1 THEN 'Twin' || i % 100 ELSE 'u' || i END, 'm' || i % 7, i * 10, i % 13, i / 4.0,
	date '2000-01-01' + i % 400, jsonb_build_object('k', i % 20), i / 8.0 FROM generate_series(1, 500) i;
CREATE TABLE sealed (id int PRIMARY KEY, email twin.encrypted_text_eq(pii), mail2 mail, num twin.encrypted_bigint_eq(pii), n int, cents twin.encrypted_numeric_eq(pii),
	day twin.encrypted_date_eq(pii), body twin.encrypted_jsonb_eq(pii), ratio twin.encrypted_float8_eq(pii), secret twin.encrypted_text(pii));
INSERT INTO sealed SELECT *, 's' FROM plain;
CREATE INDEX ON sealed (email);
CREATE INDEX ON sealed (mail2);
CREATE INDEX ON sealed (num);
CREATE INDEX ON sealed (cents);
CREATE INDEX ON sealed (day);
CREATE INDEX ON sealed (body);
CREATE INDEX ON sealed (ratio);
ANALYZE plain, sealed;
DO $$ BEGIN PERFORM twin.create_decrypted_view('sealed', 'opened'); END $$;
CREATE VIEW above AS SELECT * FROM opened;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM opened;
CREATE VIEW summed AS SELECT email, count(*) AS rows, max(id) AS id FROM opened GROUP BY email;
CREATE VIEW limited AS SELECT * FROM opened ORDER BY id LIMIT 10;
CREATE VIEW united AS SELECT id, email FROM opened UNION ALL SELECT id + 10000, email FROM opened;
CREATE VIEW outer_joined AS SELECT p.id, o.email, o.n FROM plain p LEFT JOIN opened o ON o.id = p.id + 10;
CREATE VIEW windowed AS SELECT id, email, row_number() OVER (ORDER BY id) AS place FROM opened;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO implied_reader, implied_stranger;
GRANT UPDATE, INSERT, DELETE ON opened, sealed TO implied_reader;
SET ROLE implied_reader;

CREATE FUNCTION pg_temp.plan(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; lines text := ''; BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP lines := lines || line || E'\n'; END LOOP;
	RETURN lines;
END $$;
CREATE FUNCTION pg_temp.indexed(statement text, name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan text := pg_temp.plan(statement);
BEGIN
	RETURN ok(plan ~ 'Index Cond: \(\(?\w+\)?(::[\w.]+)? = (ANY \()?twin_internal\.readable_probe', name || ': by index') || CASE WHEN plan !~ 'readable_probe' THEN E'\n# ' || plan ELSE '' END;
END $$;
CREATE FUNCTION pg_temp.scanned(statement text, name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan text := pg_temp.plan(statement);
BEGIN
	RETURN ok(plan !~ 'probe', name || ': as written') || CASE WHEN plan ~ 'probe' THEN E'\n# ' || plan ELSE '' END;
END $$;

-- ---- the index is used ----

SELECT pg_temp.indexed($$SELECT * FROM opened WHERE email = 'u77'$$, 'a constant');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE 'u77' = email$$, 'on the left');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE email = 'u77'::varchar$$, 'a varchar');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE email = 'u' || 77 AND n > 3$$, 'an expression and more');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE email = lower(current_setting('application_name'))$$, 'a stable expression');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE email IN ('u77', 'u78', NULL)$$, 'IN');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE email = ANY ('{u77,u78}')$$, '= ANY');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE email = ANY (string_to_array(current_setting('application_name'), ','))$$, '= ANY of an expression');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE mail2 = 'm3'$$, 'a domain');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE num = 770$$, 'a bigint and an integer');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE num IN (770, 780)$$, 'a bigint and integers');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE 770::smallint = num$$, 'a smallint and a bigint');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE cents = 2.5$$, 'numeric');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE day = '2000-02-02'$$, 'date');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE body = '{"k": 3}'$$, 'jsonb');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE ratio = 2.5$$, 'float8');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE ratio = 2.5::float4$$, 'float8 and float4');
SELECT pg_temp.indexed($$SELECT * FROM sealed WHERE email::text = 'u77'$$, 'a cast on the table itself');
SELECT pg_temp.indexed($$SELECT * FROM sealed WHERE email::varchar = 'u77'$$, 'a cast to varchar');
SELECT pg_temp.indexed($$SELECT * FROM sealed WHERE twin.decrypt(email) = 'u77'$$, 'decrypt()');
SELECT pg_temp.indexed($$SELECT * FROM sealed WHERE twin.reveal(email) = 'u77'$$, 'reveal()');
SELECT pg_temp.indexed($$SELECT * FROM sealed WHERE num::bigint = 770$$, 'a cast to bigint');
SELECT pg_temp.indexed($$SELECT * FROM above WHERE email = 'u77'$$, 'a view of the view');
SELECT pg_temp.indexed($$SELECT * FROM barrier WHERE email = 'u77'$$, 'a security barrier');
SELECT pg_temp.indexed($$SELECT * FROM (SELECT * FROM opened) s WHERE email = 'u77'$$, 'a subquery');
SELECT pg_temp.indexed($$WITH w AS (SELECT * FROM opened WHERE email = 'u77') SELECT * FROM w$$, 'a WITH');
SELECT pg_temp.indexed($$SELECT * FROM plain WHERE id IN (SELECT id FROM opened WHERE email = 'u77')$$, 'a sublink');
SELECT pg_temp.indexed($$SELECT p.id, (SELECT o.id FROM opened o WHERE o.email = p.email LIMIT 1) FROM plain p WHERE n = 1$$, 'a correlated sublink');
SELECT pg_temp.indexed($$SELECT * FROM plain p, LATERAL (SELECT * FROM opened o WHERE o.email = p.email OFFSET 0) s WHERE p.id = 7$$, 'LATERAL');
SELECT pg_temp.indexed($$SELECT * FROM opened o JOIN plain p USING (id) WHERE o.email = 'u77'$$, 'a join');
SELECT pg_temp.indexed($$SELECT * FROM plain p JOIN opened o ON o.id = p.id AND o.email = 'u77'$$, 'the ON of a join');
SELECT pg_temp.indexed($$SELECT * FROM opened o LEFT JOIN plain p USING (id) WHERE o.email = 'u77'$$, 'a left join');
SELECT pg_temp.indexed($$SELECT * FROM outer_joined WHERE email = 'u77'$$, 'the outer side of a view''s left join');
SELECT pg_temp.indexed($$SELECT a.id FROM opened a, opened b WHERE a.email = 'u77' AND b.email = 'u78'$$, 'two views');
SELECT pg_temp.indexed($$SELECT 1 UNION SELECT id FROM opened WHERE email = 'u77'$$, 'a branch of UNION');
SELECT pg_temp.indexed($$SELECT * FROM opened WHERE email = 'u77' FOR UPDATE$$, 'FOR UPDATE');
SELECT pg_temp.indexed($$SELECT email, count(*) FROM opened WHERE email = 'u77' GROUP BY email$$, 'before grouping');
SELECT pg_temp.indexed($$UPDATE opened SET n = 0 WHERE email = 'u77'$$, 'UPDATE');
SELECT pg_temp.indexed($$DELETE FROM opened WHERE email = 'u77'$$, 'DELETE');
SELECT pg_temp.indexed($$INSERT INTO opened (id) SELECT id + 10000 FROM opened WHERE email = 'u77'$$, 'INSERT ... SELECT');
SELECT pg_temp.indexed($$CREATE TABLE pg_temp.made AS SELECT id FROM opened WHERE email = 'u77'$$, 'CREATE TABLE AS');
SELECT pg_temp.indexed($$DECLARE c CURSOR FOR SELECT id FROM opened WHERE email = 'u77'$$, 'a cursor');
SELECT ok(pg_temp.plan($$UPDATE opened SET n = 0 WHERE email = 'u77'$$) ~ 'LockRows', 'an update locks what it reads');
SELECT ok(pg_temp.plan($$UPDATE opened SET n = 0 FROM plain p WHERE p.id = opened.id$$) !~ 'LockRows', 'a join does not');
SELECT ok(pg_temp.plan($$UPDATE opened SET n = 0 WHERE id IN (SELECT id FROM plain)$$) !~ 'LockRows', 'nor does a sublink');

PREPARE by_email (text) AS SELECT id FROM opened WHERE email = $1;
PREPARE by_emails (text[]) AS SELECT id FROM opened WHERE email = ANY ($1) ORDER BY id;
PREPARE by_two (text, text) AS SELECT id FROM opened WHERE email IN ($1, $2) ORDER BY id;
SET plan_cache_mode = force_custom_plan;
SELECT pg_temp.indexed($$EXECUTE by_email ('u77')$$, 'a parameter, custom plan');
SELECT ok(pg_temp.plan($$EXECUTE by_email ('u77')$$) ~ 'readable_probe\(''tsec1:', 'whose probe is computed once');
SET plan_cache_mode = force_generic_plan;
SELECT pg_temp.indexed($$EXECUTE by_email ('u77')$$, 'a parameter, generic plan');
SELECT pg_temp.indexed($$EXECUTE by_emails ('{u77}')$$, 'an array, generic plan');
SELECT pg_temp.indexed($$EXECUTE by_two ('u77', 'u78')$$, 'IN of parameters, generic plan');
SELECT results_eq($$EXECUTE by_email ('u77')$$, 'VALUES (77)', 'finds it');
SELECT is_empty($$EXECUTE by_email (NULL)$$, 'NULL finds nothing');
SELECT results_eq($$EXECUTE by_emails ('{u77,NULL,u79}')$$, 'VALUES (77), (79)', 'an array with a null');
SELECT is_empty($$EXECUTE by_emails ('{}')$$, 'an empty array');
SELECT is_empty($$EXECUTE by_emails (NULL)$$, 'no array');
SELECT results_eq($$EXECUTE by_emails ('{{u77,u78},{u79,NULL}}')$$, 'VALUES (77), (78), (79)', 'an array of two dimensions');
RESET plan_cache_mode;
CREATE FUNCTION pg_temp.find(wanted text) RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT id FROM opened o WHERE o.email = wanted; END $$;
SELECT results_eq($$SELECT pg_temp.find('u' || i) FROM generate_series(7, 20) i$$, 'SELECT generate_series(7, 20)', 'plpgsql');

-- ---- and is not, where that would change something or cannot help ----

SELECT pg_temp.scanned($$SELECT * FROM opened WHERE email = 'u77' COLLATE folding$$, 'a collation that folds');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE email <> 'u77'$$, 'another operator');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE email > 'u77' AND email LIKE 'u%'$$, 'ranges');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE email = 'u77' OR n = 3$$, 'OR');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE NOT (email = 'u77')$$, 'NOT');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE email = 'u' || random()$$, 'a volatile expression');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE email = NULL$$, 'NULL');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE email = mail2$$, 'another column');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE secret = 's'$$, 'storage only');
SELECT pg_temp.scanned($$SELECT * FROM sealed WHERE day::text = '2000-02-02'$$, 'a date as text');
SELECT pg_temp.scanned($$SELECT * FROM sealed WHERE email::bpchar = 'u77'$$, 'a bpchar');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE num = 770.0$$, 'a bigint and a numeric');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE day = timestamp '2000-02-02'$$, 'a date and a timestamp');
SELECT pg_temp.scanned($$SELECT * FROM limited WHERE email = 'u77'$$, 'below LIMIT');
SELECT pg_temp.scanned($$SELECT * FROM windowed WHERE email = 'u77'$$, 'below a window');
SELECT pg_temp.scanned($$SELECT * FROM summed WHERE email = 'u77'$$, 'below a group');
SELECT pg_temp.scanned($$SELECT * FROM plain p LEFT JOIN opened o ON o.email = 'u77'$$, 'the ON of a left join');
SELECT pg_temp.scanned($$SELECT email = 'u77' FROM opened$$, 'what decides about no row');
SELECT pg_temp.scanned($$SELECT email FROM opened GROUP BY email HAVING email = 'u77' AND count(*) > 1$$, 'HAVING');
SELECT pg_temp.scanned($$SELECT * FROM opened WHERE email = ALL ('{u77}')$$, '= ALL');

-- ---- the same answers as from plain columns ----

CREATE TEMP TABLE queries (q text);
INSERT INTO queries VALUES
	($$SELECT id FROM T WHERE email = 'u77'$$), ($$SELECT id FROM T WHERE email = 'Twin51'$$), ($$SELECT id FROM T WHERE email = 'twin51'$$),
	($$SELECT id FROM T WHERE email = ''$$), ($$SELECT id FROM T WHERE email IN ('u77', 'Twin1', 'nobody', NULL)$$),
	($$SELECT id FROM T WHERE email NOT IN ('u77', 'Twin1') AND id < 100$$), ($$SELECT id FROM T WHERE email = 'u77' OR mail2 = 'm1'$$),
	($$SELECT id FROM T WHERE NOT (email = 'Twin1') AND mail2 = 'm4'$$), ($$SELECT id FROM T WHERE (email = 'Twin1') IS NULL$$),
	($$SELECT id FROM T WHERE (email = 'Twin1') IS NOT TRUE AND id < 60$$), ($$SELECT count(*) FROM T WHERE email = 'Twin1' AND mail2 = 'm1' AND num = 10$$),
	($$SELECT id FROM T WHERE num = 770$$), ($$SELECT id FROM T WHERE num = 770::smallint OR num = 780$$), ($$SELECT id FROM T WHERE num = ANY ('{770,780}'::int[])$$),
	($$SELECT id FROM T WHERE cents = 2.500$$), ($$SELECT id FROM T WHERE cents = 2$$), ($$SELECT id FROM T WHERE day = '2000-03-01' AND day = '2000-03-01'$$),
	($$SELECT id FROM T WHERE body = '{"k": 3.0}'$$), ($$SELECT id FROM T WHERE ratio = 0.5$$), ($$SELECT id FROM T WHERE ratio = -0.0$$),
	($$SELECT id FROM T WHERE email = 'Twin1' COLLATE "C"$$), ($$SELECT id FROM T WHERE email = 'tWIN1' COLLATE folding$$),
	($$SELECT a.id, b.id FROM T a JOIN T b ON a.email = b.email AND b.email = 'Twin51'$$),
	($$SELECT a.id, b.id FROM T a LEFT JOIN T b ON b.id = a.id + 1 AND b.email = 'u78' WHERE a.id BETWEEN 70 AND 80$$),
	($$SELECT a.id, b.id FROM T a LEFT JOIN T b ON b.id = a.id + 1 AND a.email = 'u78' WHERE a.id BETWEEN 70 AND 80$$),
	($$SELECT a.id, b.id FROM T a LEFT JOIN T b ON b.id = a.id + 1 WHERE b.email = 'u78'$$),
	($$SELECT a.id, b.id FROM T a RIGHT JOIN (SELECT * FROM T WHERE email = 'Twin1') b ON a.id = b.id AND a.email = 'Twin1'$$),
	($$SELECT a.id, b.id FROM T a FULL JOIN T b ON b.id = a.id + 1 AND a.email = 'u78' WHERE a.id < 80 AND b.id < 80$$),
	($$SELECT a.id, b.id, c.id FROM (T a JOIN T b ON a.id = b.id AND b.email = 'u77') LEFT JOIN T c ON c.id = a.id + 1 AND c.email = 'u99'$$),
	($$SELECT a.id, s.id FROM T a LEFT JOIN (SELECT b.id FROM T b JOIN T c ON c.id = b.id AND c.email = 'u77') s ON s.id = a.id WHERE a.id BETWEEN 70 AND 80$$),
	($$SELECT id FROM T a WHERE EXISTS (SELECT FROM T b WHERE b.email = a.email AND b.id <> a.id AND b.num > a.num) AND id < 300$$),
	($$SELECT id FROM T a WHERE NOT EXISTS (SELECT FROM T b WHERE b.email = a.email AND b.id <> a.id) AND id < 300$$),
	($$SELECT id FROM T a WHERE id < 60 AND email = (SELECT min(email) FROM T b WHERE b.email = a.email)$$),
	($$SELECT id, (SELECT count(*) FROM T b WHERE b.email = a.email) FROM T a WHERE id < 60$$),
	($$SELECT id, (SELECT max(s.id) FROM (SELECT * FROM T b WHERE b.email = a.email) s WHERE s.email = a.email) FROM T a WHERE id < 60$$),
	($$SELECT a.id, s.id FROM T a, LATERAL (SELECT b.id FROM T b WHERE b.email = a.email AND b.mail2 = 'm1') s WHERE a.id < 200$$),
	($$SELECT a.id, s.id FROM T a LEFT JOIN LATERAL (SELECT b.id FROM T b WHERE b.email = a.email AND b.mail2 = 'm1') s ON true WHERE a.id < 100$$),
	($$SELECT id FROM T WHERE id IN (SELECT id FROM T WHERE email = 'Twin1')$$), ($$SELECT id FROM T WHERE email IN (SELECT email FROM T WHERE n = 3 AND mail2 = 'm2')$$),
	($$SELECT id FROM T WHERE email = 'Twin1' UNION SELECT id FROM T WHERE mail2 = 'm1' AND n = 1$$),
	($$SELECT id FROM T WHERE n = 2 EXCEPT SELECT id FROM T WHERE mail2 = 'm1'$$),
	($$WITH w AS MATERIALIZED (SELECT * FROM T) SELECT id FROM w WHERE email = 'Twin1'$$),
	($$WITH RECURSIVE w AS (SELECT id, email FROM T WHERE email = 'u77' UNION ALL SELECT t.id, t.email FROM w, T t WHERE t.id = w.id + 1 AND t.mail2 = 'm1') SELECT id FROM w$$),
	($$SELECT id FROM (SELECT *, row_number() OVER (ORDER BY id) AS place FROM T) s WHERE email = 'Twin1'$$),
	($$SELECT id FROM (SELECT * FROM T ORDER BY id LIMIT 60) s WHERE email = 'Twin51'$$), ($$SELECT id FROM (SELECT DISTINCT ON (n) id, email FROM T ORDER BY n, id DESC) s WHERE email = 'u499'$$),
	($$SELECT email, c FROM (SELECT email, count(*) c FROM T GROUP BY email) s WHERE email = 'Twin1'$$),
	($$SELECT id FROM (SELECT id, unnest(ARRAY[email, 'x']) AS email FROM T WHERE id < 20) s WHERE email = 'x'$$),
	($$SELECT count(*) FILTER (WHERE email = 'Twin1'), count(*) FROM T WHERE mail2 = 'm1'$$), ($$SELECT id FROM T WHERE CASE WHEN email = 'Twin1' THEN n = 1 ELSE id < 5 END$$),
	($$SELECT id FROM T WHERE ('Twin1', 'm1') = (email, mail2)$$), ($$SELECT id FROM T WHERE (email, n) IN (('Twin1', 1), ('u77', 12))$$),
	($$SELECT id FROM T WHERE email = (SELECT 'Twin' || 1)$$), ($$SELECT id FROM T WHERE email = 'Twin1'$$),
	($$SELECT grouping(email), email, count(*) FROM T WHERE mail2 = 'm1' AND id < 99 GROUP BY ROLLUP (email) HAVING email = 'u8' OR email IS NULL$$),
	($$SELECT id FROM T WHERE email IS NOT DISTINCT FROM 'Twin1'$$), ($$SELECT id FROM T WHERE coalesce(email, 'Twin1') = 'Twin1'$$);
CREATE FUNCTION pg_temp.answers(q text, source text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text; BEGIN
	EXECUTE 'SELECT string_agg(s::text, '';'' ORDER BY s::text) FROM (' || regexp_replace(q, '\mT\M', source, 'g') || ') s' INTO result;
	RETURN coalesce(result, 'nothing');
END $$;
SELECT is(pg_temp.answers(q, 'opened'), pg_temp.answers(q, 'plain'), q) FROM queries;
SELECT is(pg_temp.answers(q, 'above'), pg_temp.answers(q, 'plain'), 'view of the view: ' || q) FROM queries;
SELECT is(pg_temp.answers(q, 'barrier'), pg_temp.answers(q, 'plain'), 'barrier: ' || q) FROM queries;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SELECT is(pg_temp.answers(q, 'opened'), pg_temp.answers(q, 'plain'), 'by indexes: ' || q) FROM queries;
RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin;
SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET max_parallel_workers_per_gather = 2;
SELECT is(pg_temp.answers(q, 'opened'), pg_temp.answers(q, 'plain'), 'in parallel: ' || q) FROM queries WHERE q !~ 'EXISTS|IN \(SELECT';
RESET min_parallel_table_scan_size; RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET max_parallel_workers_per_gather;

-- every searchable type
RESET ROLE;
CREATE FUNCTION pg_temp.searched(name text, base text, literal text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found bigint; plan text;
BEGIN
	EXECUTE format('CREATE TABLE each_%1$s (id int PRIMARY KEY, v twin.encrypted_%1$s_eq(pii) UNIQUE)', name);
	EXECUTE format('SELECT twin.create_decrypted_view(%L, %L)', 'each_' || name, 'each_' || name || '_view');
	EXECUTE format('GRANT ALL ON each_%1$s, each_%1$s_view TO implied_reader', name);
	SET LOCAL ROLE implied_reader;
	EXECUTE format('INSERT INTO each_%s_view VALUES (1, %L), (2, NULL)', name, literal);
	SET LOCAL enable_seqscan = off;
	EXECUTE format('SELECT count(*) FROM each_%s_view WHERE v = %L::%s AND v IN (%L, NULL)', name, literal, base, literal) INTO found;
	plan := pg_temp.plan(format('SELECT id FROM each_%s_view WHERE v = %L', name, literal));
	SET LOCAL enable_seqscan = on;
	RESET ROLE;
	RETURN found || CASE WHEN plan ~ 'Index Cond: \(v = .*readable_probe' THEN ' by index' ELSE plan END;
END $$;
SELECT is(pg_temp.searched(name, base, literal), '1 by index', name || ' is searched by index') FROM (VALUES ('text', 'text', 'grüße'), ('bytea', 'bytea', '\x00ff'),
	('jsonb', 'jsonb', '[1]'), ('numeric', 'numeric', 'NaN'), ('bigint', 'bigint', '-9223372036854775808'), ('float8', 'float8', 'NaN'), ('date', 'date', 'infinity'),
	('timestamptz', 'timestamptz', '2026-02-28 12:00+01'), ('boolean', 'boolean', 'false'), ('uuid', 'uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
	('inet', 'inet', '192.168.1.5/24')) s (name, base, literal);

-- MERGE has its join condition where others have their WHERE
RESET ROLE;
CREATE TABLE target (id int PRIMARY KEY, how text);
INSERT INTO target VALUES (77, ''), (78, '');
GRANT ALL ON target TO implied_reader;
SET ROLE implied_reader;
MERGE INTO target t USING (SELECT * FROM opened WHERE id BETWEEN 76 AND 79) o ON t.id = o.id AND o.email = 'u77'
	WHEN MATCHED THEN UPDATE SET how = 'matched' WHEN NOT MATCHED AND o.id <> 78 THEN INSERT VALUES (o.id, 'inserted');
SELECT results_eq('SELECT id, how FROM target ORDER BY id', $$VALUES (76, 'inserted'), (77, 'matched'), (78, ''), (79, 'inserted')$$, 'MERGE');

-- ---- who may not decrypt learns nothing by it, whichever plan he meets ----

SET ROLE implied_stranger;
SELECT pg_temp.scanned($$SELECT id FROM opened WHERE email = 'u77'$$, 'a role without a grant');
SELECT throws_ok($$SELECT id FROM opened WHERE email = 'u77'$$, '42501', NULL, 'is refused for a value that is there');
SELECT throws_ok($$SELECT id FROM opened WHERE email = 'not there'$$, '42501', NULL, 'and for one that is not');
SELECT throws_ok($$SELECT id FROM sealed WHERE email::text = 'not there'$$, '42501', NULL, 'by a cast as well');

-- one prepared statement, several roles
RESET ROLE;
SET plan_cache_mode = force_generic_plan;
SET ROLE implied_reader;
SELECT pg_temp.indexed($$EXECUTE by_email ('u77')$$, 'a prepared statement of a reader');
SET ROLE implied_stranger;
SELECT pg_temp.scanned($$EXECUTE by_email ('u77')$$, 'is planned again for a stranger');
SELECT throws_ok($$EXECUTE by_email ('not there')$$, '42501', NULL, 'who is refused');
SET ROLE implied_reader;
SELECT pg_temp.indexed($$EXECUTE by_email ('u77')$$, 'and again for the reader');

-- grants and memberships that go while the plan is kept
RESET ROLE;
DO $$ BEGIN PERFORM twin.revoke_key('pii', 'implied_group', 'decrypt'); END $$;
SET ROLE implied_reader;
SELECT pg_temp.scanned($$EXECUTE by_email ('u77')$$, 'after the grant has gone');
SELECT throws_ok($$EXECUTE by_email ('not there')$$, '42501', NULL, 'nothing is found');
RESET ROLE;
DO $$ BEGIN PERFORM twin.grant_key('pii', 'implied_group', 'decrypt'); END $$;
SET ROLE implied_reader;
SELECT pg_temp.indexed($$EXECUTE by_email ('u77')$$, 'and when it has come back');
RESET ROLE;
REVOKE implied_group FROM implied_reader;
SET ROLE implied_reader;
SELECT pg_temp.scanned($$EXECUTE by_email ('u77')$$, 'after the membership has gone');
RESET ROLE;
GRANT implied_group TO implied_reader;

-- row security: a comparison of tags tells nothing of hidden rows, so the index may be used before the policy
ALTER TABLE sealed ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON sealed USING (n < 5 AND lower(n::text) IS NOT NULL);
SET ROLE implied_reader;
SELECT pg_temp.indexed($$SELECT id FROM opened WHERE email = 'u77'$$, 'row security');
SELECT is((SELECT count(*) FROM opened o JOIN plain p USING (id) WHERE o.email = 'u77' OR o.email = 'u78'), 1::bigint, 'and policies hold');
RESET ROLE;
ALTER TABLE sealed DISABLE ROW LEVEL SECURITY;

-- a cursor that one role opened and another one reads
SET ROLE implied_reader;
DECLARE reading CURSOR FOR SELECT id FROM opened WHERE email = 'not there';
RESET ROLE;
SET ROLE implied_stranger;
SELECT throws_ok('FETCH reading', '42501', 'permission denied to decrypt with key "pii"', 'a plan that meets a stranger raises');
RESET ROLE;
RESET plan_cache_mode;

-- a function that runs as its owner
CREATE FUNCTION found(wanted text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN (SELECT count(*) FROM opened WHERE email = wanted); END $$;
ALTER FUNCTION found(text) OWNER TO implied_reader;
SET ROLE implied_stranger;
SELECT is(found('u77'), 1::bigint, 'SECURITY DEFINER reads as its owner');
SELECT throws_ok($$SELECT count(*) FROM opened WHERE email = 'u77'$$, '42501', NULL, 'and nobody else does');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;

-- view.sql: finding a row by e-mail in a plain table, in an encrypted one, and through a decrypted view of this.
-- Variables: rows.
\set ON_ERROR_STOP on
SET max_parallel_workers_per_gather = 0;
CREATE TABLE plain_people (id integer PRIMARY KEY, email text UNIQUE);
CREATE TABLE encrypted_people (id integer PRIMARY KEY, email twin.encrypted_text_eq(main) UNIQUE);
INSERT INTO plain_people SELECT i, 'user' || i || '@example.org' FROM generate_series(1, :rows) i;
INSERT INTO encrypted_people SELECT id, email FROM plain_people;
SELECT twin.create_decrypted_view('encrypted_people', 'people') \g /dev/null
VACUUM ANALYZE plain_people, encrypted_people;
CHECKPOINT;

-- one loop for each, so that none meets another's plan
SELECT format($$
	CREATE PROCEDURE find_in_%1$s() LANGUAGE plpgsql AS 'DECLARE k text; found_id integer;
	BEGIN
		FOR i IN 1..50000 LOOP
			k := ''user'' || 1 + i * 7919::bigint %% %2$s || ''@example.org'';
			SELECT id INTO STRICT found_id FROM %1$s WHERE email = k;
		END LOOP;
	END'$$, name, :rows) FROM unnest('{plain_people,encrypted_people,people}'::text[]) name \gexec
INSERT INTO bench.cases (grp, name, statement) SELECT 'find', name, format('CALL find_in_%s()', name)
	FROM unnest('{plain_people,encrypted_people,people}'::text[]) name;
CALL bench.run('find', 3);
CALL bench.report('find by e-mail through a decrypted view / plain table', bench.wall('find', 'people') / bench.wall('find', 'plain_people'), NULL);
CALL bench.report('find by e-mail through a decrypted view / encrypted table', bench.wall('find', 'people') / bench.wall('find', 'encrypted_people'), NULL);
DROP VIEW people;
DROP TABLE plain_people, encrypted_people;

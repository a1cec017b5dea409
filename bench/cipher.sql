-- cipher.sql: encrypted columns beside a plain column, pgcrypto and a bare OpenSSL loop.
-- Variables: rows, bare (the program), dir (a folder the server may write).
\set ON_ERROR_STOP on
SET max_parallel_workers_per_gather = 0;
CREATE EXTENSION pgcrypto;

CREATE TABLE p (id integer, v text);
CREATE TABLE e (id integer, v twin.encrypted_text(main));
CREATE TABLE q (id integer, v twin.encrypted_text_eq(main));
CREATE TABLE c (id integer, v bytea);
INSERT INTO p SELECT i, md5(i::text) FROM generate_series(1, :rows) i;
INSERT INTO e SELECT id, v FROM p;
INSERT INTO q SELECT id, v FROM p;
CREATE FUNCTION cbc_key() RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT '\x000102030405060708090a0b0c0d0e0f'::bytea $$;
INSERT INTO c SELECT id, encrypt_iv(v::bytea, cbc_key(), cbc_key(), 'aes-cbc') FROM p;
CREATE TABLE s AS SELECT id, v FROM p LIMIT 500;
CREATE TABLE g AS SELECT id, pgp_sym_encrypt(v, 'password') AS v FROM s;
CREATE INDEX ON p (v);
CREATE INDEX ON q (v);
VACUUM ANALYZE;
CHECKPOINT;

-- one value at a time
CREATE TABLE bare (seal double precision, open double precision);
INSERT INTO bench.cases (grp, name, statement) VALUES
	('value', 'scan', 'SELECT count(v) FROM p'),
	('value', 'bare', format('COPY bare FROM PROGRAM %L (DELIMITER '' '')', :'bare')),
	('value', 'open', 'SELECT count(v::text) FROM e'),
	('value', 'seal', 'SELECT count(v::twin.encrypted_text(main)) FROM p'),
	('value', 'seal_eq', 'SELECT count(v::twin.encrypted_text_eq(main)) FROM p'),
	('value', 'cbc_seal', $$SELECT count(encrypt_iv(v::bytea, cbc_key(), cbc_key(), 'aes-cbc')) FROM p$$),
	('value', 'cbc_open', $$SELECT count(decrypt_iv(v, cbc_key(), cbc_key(), 'aes-cbc')) FROM c$$),
	('value', 'pgp_seal', $$SELECT count(pgp_sym_encrypt(v, 'password')) FROM s$$),
	('value', 'pgp_open', $$SELECT count(pgp_sym_decrypt(v, 'password')) FROM g$$);
CALL bench.run('value', 5, false);
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seal) AS bare_seal, percentile_cont(0.5) WITHIN GROUP (ORDER BY open) AS bare_open FROM bare \gset
CALL bench.report('bare OpenSSL seal of 32 B, ns', :bare_seal, NULL);
CALL bench.report('bare OpenSSL open of 32 B, ns', :bare_open, NULL);
CREATE FUNCTION nanoseconds(name text) RETURNS double precision LANGUAGE sql AS $$
	SELECT (bench.wall('value', $1) - CASE WHEN name LIKE 'pgp%' THEN 0 ELSE bench.wall('value', 'scan') END) * 1e6
		/ CASE WHEN name LIKE 'pgp%' THEN 500 ELSE (SELECT count(*) FROM p) END $$;
CALL bench.report('open 32 B above the plain scan / bare GCM call', nanoseconds('open') / :bare_open, 2.0);
CALL bench.report('seal 32 B above the plain scan / bare GCM call', nanoseconds('seal') / :bare_seal, 2.5);
CALL bench.report('seal with a blind tag / seal without', nanoseconds('seal_eq') / nanoseconds('seal'), 2.2);
CALL bench.report('pgcrypto encrypt_iv aes-cbc / seal', nanoseconds('cbc_seal') / nanoseconds('seal'), NULL, 2);
CALL bench.report('pgcrypto decrypt_iv aes-cbc / open', nanoseconds('cbc_open') / nanoseconds('open'), NULL, 2);
CALL bench.report('pgcrypto pgp_sym_encrypt / seal', nanoseconds('pgp_seal') / nanoseconds('seal'), NULL, 200);
CALL bench.report('pgcrypto pgp_sym_decrypt / open', nanoseconds('pgp_open') / nanoseconds('open'), NULL, 200);

-- INSERT ... SELECT of one 32-character column, the server's CPU time
CREATE TABLE ip (v text);
CREATE TABLE ie (v twin.encrypted_text(main));
CREATE TABLE iq (v twin.encrypted_text_eq(main));
INSERT INTO bench.cases (grp, name, setup, statement) VALUES
	('insert', 'plain', 'TRUNCATE ip', 'INSERT INTO ip SELECT v FROM p'),
	('insert', 'storage', 'TRUNCATE ie', 'INSERT INTO ie SELECT v FROM p'),
	('insert', 'eq', 'TRUNCATE iq', 'INSERT INTO iq SELECT v FROM p');
CALL bench.run('insert', 3, false);
CALL bench.report('INSERT ... SELECT, storage only / plain (CPU)', bench.cpu('insert', 'storage') / bench.cpu('insert', 'plain'), 2.0);
CALL bench.report('INSERT ... SELECT, searchable / plain (CPU)', bench.cpu('insert', 'eq') / bench.cpu('insert', 'plain'), 2.7);
DROP TABLE ip, ie, iq;

-- COPY of armor, as a restore does, beside the same bytes as bytea
\set armor :dir '/armor.copy'
\set bytes :dir '/bytes.copy'
COPY (SELECT v FROM e) TO :'armor';
COPY (SELECT twin_internal.encrypted_text_send(v) FROM e) TO :'bytes';
CREATE TABLE ca (v twin.encrypted_text(main));
CREATE TABLE cb (v bytea);
ALTER TABLE cb ALTER COLUMN v SET STORAGE external;
SELECT opens AS opens_before FROM twin.stat_keyring WHERE key_name = 'main' \gset
INSERT INTO bench.cases (grp, name, setup, statement) VALUES
	('copy', 'bytea', 'TRUNCATE cb', format('COPY cb FROM %L', :'bytes')),
	('copy', 'armor', 'TRUNCATE ca', format('COPY ca FROM %L', :'armor'));
CALL bench.run('copy', 3);
CALL bench.report('COPY of armor / COPY of the same bytes as bytea', bench.wall('copy', 'armor') / bench.wall('copy', 'bytea'), 1.2);
SELECT opens AS opens_after FROM twin.stat_keyring WHERE key_name = 'main' \gset
CALL bench.report('decryptions during COPY of armor', :opens_after - :opens_before, 0);
DROP TABLE ca, cb;

-- equality: lookups through the index, grouping, joining
CREATE PROCEDURE look_up_plain() LANGUAGE plpgsql AS $$
DECLARE k text; found_id integer;
BEGIN
	FOR i IN 1..50000 LOOP
		k := md5((i * 17)::text);
		SELECT id INTO found_id FROM p WHERE v = k;
	END LOOP;
END $$;
CREATE PROCEDURE look_up_encrypted() LANGUAGE plpgsql AS $$
DECLARE k text; found_id integer;
BEGIN
	FOR i IN 1..50000 LOOP
		k := md5((i * 17)::text);
		SELECT id INTO found_id FROM q WHERE v = k;
	END LOOP;
END $$;
SET work_mem = '256MB';
INSERT INTO bench.cases (grp, name, statement) VALUES
	('equal', 'plain', 'CALL look_up_plain()'),
	('equal', 'encrypted', 'CALL look_up_encrypted()'),
	('group', 'plain', 'SELECT count(*) FROM (SELECT v FROM p GROUP BY v) x'),
	('group', 'encrypted', 'SELECT count(*) FROM (SELECT v FROM q GROUP BY v) x'),
	('join', 'plain', 'SELECT count(*) FROM p a JOIN p b USING (v)'),
	('join', 'encrypted', 'SELECT count(*) FROM q a JOIN q b USING (v)');
CALL bench.run('equal', 5);
SET enable_mergejoin = off;
SET enable_sort = off;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
CALL bench.run('group', 3);
CALL bench.run('join', 3);
CALL bench.report('equality through the index / plain', bench.wall('equal', 'encrypted') / bench.wall('equal', 'plain'), 1.25);
CALL bench.report('GROUP BY / plain', bench.wall('group', 'encrypted') / bench.wall('group', 'plain'), 1.5);
CALL bench.report('hash join / plain', bench.wall('join', 'encrypted') / bench.wall('join', 'plain'), 1.5);

-- parallel workers, the leader looking on
SET parallel_leader_participation = off;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
INSERT INTO bench.cases (grp, name, setup, statement) VALUES
	('parallel', 'one', 'SET max_parallel_workers_per_gather = 1', 'SELECT count(v::text) FROM e'),
	('parallel', 'two', 'SET max_parallel_workers_per_gather = 2', 'SELECT count(v::text) FROM e');
CALL bench.run('parallel', 5);
CALL bench.report('two parallel workers decrypting / one', bench.wall('parallel', 'one') / bench.wall('parallel', 'two'), NULL, 1.7);

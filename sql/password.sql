-- password: bcrypt, strength, generation
\set SHOW_CONTEXT never
CREATE ROLE password_viewer LOGIN IN ROLE twin_viewer;
CREATE ROLE password_operator LOGIN IN ROLE twin_operator;
CREATE ROLE password_nobody LOGIN;

-- published vectors: Openwall's crypt_blowfish, jBCrypt, PHP; each right, and wrong with one more character
CREATE TEMP TABLE vectors (password text, hash text);
INSERT INTO vectors VALUES
	('U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('U*U*', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK'),
	('U*U*U', '$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a'),
	('', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy'),
	('', '$2b$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.'),
	('a', '$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe'),
	('a', '$2y$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe'),
	('abc', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i'),
	('abcdefghijklmnopqrstuvwxyz', '$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC'),
	('~!@#$%^&*()      ~!@#$%^&*()PNBFRD', '$2a$06$fPIsBO8qRqkjj273rfaOI.HtSV9jLDpTbZn782DC6/t7qT67P6FfO'),
	(U&'\6e2f', '$2b$08$Rdi7k19xXXtuk/an9tozaOmO6MFWzFoeu1Ec3fdCFwPwCk6fbCRiG'),
	(U&'\6f2f', '$2b$08$QSTLTUJDqfxqsVs1Mk.rBebro/YCEKtbvKHWK62Utiidr7f.IETMe'),
	('password', '$2b$08$oxxPCUDYFe5uHzetXh6XHu2OKlYx1O2Xx1WP6J5rLcizsCBenJIVS'),
	('rasmuslerdorf', '$2y$07$usesomesillystringfore2uDLvp1Ii2e./U9C8sBjqp8I90dH6hi'),
	('0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789',
		'$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui');
SELECT count(*), bool_and(twin.verify_password(password, hash)) AS right, bool_or(twin.verify_password(
	CASE WHEN length(password) = 72 THEN left(password, 71) ELSE password || 'x' END, hash)) AS wrong FROM vectors;

-- what is hashed verifies, with a fresh salt each time
SELECT h ~ '^\$2b\$04\$[./A-Za-z0-9]{53}$' AS form, twin.verify_password('correct horse', h) AS right,
	twin.verify_password('correct hors', h) AS shorter, twin.verify_password('Correct horse', h) AS capital
FROM twin.hash_password('correct horse', 4) h;
SELECT count(DISTINCT h), count(DISTINCT substr(h, 8, 22)) AS salts
FROM (SELECT twin.hash_password('same', 4) AS h FROM generate_series(1, 20)) s;
SELECT substr(twin.hash_password('x'), 1, 7) AS by_default;
SET twin_security.bcrypt_cost = 10;
SELECT substr(twin.hash_password('x'), 1, 7) AS by_setting, substr(twin.hash_password('x', cost => 5), 1, 7) AS explicit;
RESET twin_security.bcrypt_cost;

-- costs
SELECT twin.hash_password('x', 3);
SELECT twin.hash_password('x', 16);
SELECT twin.hash_password('x', 0);
SELECT twin.hash_password('x', -2147483648);
SET twin_security.bcrypt_cost = 9;
SET twin_security.bcrypt_cost = 16;
-- a stored hash may not keep a process busy for a day: refused before any work
SET statement_timeout = '5s';
SELECT twin.verify_password('x', '$2b$31$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui');
SELECT twin.verify_password('x', '$2b$16$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui');
RESET statement_timeout;

-- 72 bytes, not characters, and never cut
SELECT twin.verify_password(repeat('a', 72), twin.hash_password(repeat('a', 72), 4)) AS seventy_two;
SELECT twin.hash_password(repeat('a', 73), 4);
SELECT twin.verify_password(repeat('a', 73), twin.hash_password(repeat('a', 72), 4));
SELECT twin.verify_password(repeat('ü', 36), twin.hash_password(repeat('ü', 36), 4)) AS thirty_six_of_two;
SELECT twin.hash_password(repeat('ü', 36) || 'a', 4);
SELECT twin.hash_password(repeat('😀', 18), 4) IS NOT NULL AS eighteen_of_four;
SELECT twin.hash_password(repeat('😀', 18) || 'a', 4);
SELECT twin.hash_password(repeat('a', 10000000), 4);
SELECT twin.verify_password(repeat('ü', 1000000), 'x');
-- exactly as typed: no normalisation, no folding, no trimming
SELECT twin.verify_password(U&'\00fc', h) AS same, twin.verify_password(U&'u\0308', h) AS decomposed, twin.verify_password(U&' \00fc', h) AS blank
FROM twin.hash_password(U&'\00fc', 4) h;

-- no hash: neither NULL nor an error lets anybody in
\pset null NULL
SELECT twin.hash_password(NULL), twin.hash_password(NULL, 4), twin.verify_password(NULL, NULL), twin.verify_password('x', NULL),
	twin.verify_password(NULL, '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'), twin.password_needs_rehash(NULL);
SELECT NOT twin.verify_password('x', NULL) AS wrong;

-- a login: any hash, and none, at the present cost
SET twin_security.bcrypt_cost = 10;
SELECT what, twin_internal.verify_login_password('abc', hash) AS right, twin_internal.verify_login_password('abd', hash) AS wrong FROM (VALUES
	('cost 6', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i'),
	('cost 10', '$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi'), ('none', NULL)) h (what, hash);
SELECT twin_internal.verify_login_password(NULL, '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT twin_internal.verify_login_password('abc', '$2x$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT twin_internal.verify_login_password('abc', '$2b$31$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i');
SELECT twin_internal.verify_login_password('abc', 'abc');
SELECT twin_internal.verify_login_password(repeat('a', 73), NULL);
RESET twin_security.bcrypt_cost;

-- malformed hashes one by one
CREATE TEMP TABLE malformed (what text, hash text);
INSERT INTO malformed VALUES
	('empty', ''), ('a word', 'secret'), ('a setting alone', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.'), ('MD5', '$1$salt$qJH7.N4xYta3aEG/dfqo/0'),
	('SHA-512', '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68OTLiBFdcbYEdFCoEOfaS35inz1'),
	('argon2', '$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b8dWRWJTmaaJObG'), ('DES', 'rl.3StKT.4T8M'),
	('$2$', '$2$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW.'), ('$2c$', '$2c$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('$2x$', '$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'), ('cost 03', '$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('cost 00', '$2b$00$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'), ('cost 32', '$2b$32$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('cost 99', '$2b$99$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'), ('cost -1', '$2b$-1$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('cost 5', '$2b$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW.'), ('a blank', '$2b$ 5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('spare bits of the salt', '$2b$05$CCCCCCCCCCCCCCCCCCCCC/E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('spare bits of the result', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeX'),
	('one character less', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe'),
	('one more', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW.'), ('a line end', E'$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n'),
	('another base64', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvy+eW'), ('not ASCII', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyüe'),
	('a megabyte', repeat('$2b$05$C', 131072)), ('cost 31', '$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW');
CREATE FUNCTION pg_temp.fails(sql text, VARIADIC arguments text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE sql INTO result USING arguments[1], arguments[2];
	RETURN 'returns ' || result;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ': ' || sqlerrm;
END
$$;
SELECT what, pg_temp.fails('SELECT twin.verify_password($1, $2)', 'canary-password', hash) FROM malformed;
SELECT DISTINCT pg_temp.fails('SELECT twin.password_needs_rehash($1)', hash) FROM malformed ORDER BY 1;
SELECT twin.verify_password('U*U', '$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW');
SELECT twin.verify_password('U*U', 'secret');

-- rehashing
SELECT hash, twin.password_needs_rehash(hash) FROM (VALUES
	('$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'), ('$2b$11$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('$2b$13$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'), ('$2a$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('$2y$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')) h (hash);
SET twin_security.bcrypt_cost = 11;
SELECT twin.password_needs_rehash('$2b$11$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW');
RESET twin_security.bcrypt_cost;

-- strength
\pset format unaligned
SELECT p, s.* FROM unnest(ARRAY['', 'short', 'password', 'Password1', 'P@ssw0rd', 'qwertyuiop', '12345678', 'aaaaaaaa', 'abcdefgh', 'fktrcfylh', 'FKTRCFYLH',
	'4815162342', '13.04.1985', 'letmein2024', 'abcabcabcabc', 'zxcvfr45tg', 'drowssap', 'correct horse battery staple', 'Tr0ub4dour&3', 'größenwahnsinnig', 'kM4!xPq9vL',
	'dunkelgrüne Wolken', U&'\5bc6\7801\5bc6\7801', 'j7#Kq2$vN9&wR4!zXj7#Kq2$vN9&wR4!zXj7#Kq2$vN9&wR4!zXj7#Kq2$vN9&wR4!zX12345']) p,
	twin.check_password_strength(p) s;
SELECT * FROM twin.check_password_strength(NULL);
SELECT * FROM twin.check_password_strength(repeat('aB3$', 19));
SELECT * FROM twin.check_password_strength(repeat('ü', 37));
SELECT * FROM twin.check_password_strength(repeat('a', 50000000));
-- names
SELECT p, u, e, s.* FROM (VALUES ('johnsmithson', 'johnsmithson', NULL), ('JohnSmithson', 'johnsmithson', NULL), ('nosnosmithnhoj', 'johnsmithson', NULL),
	('johnsmithson42', 'johnsmithson', NULL), ('thermacore-plant', NULL, 'ops@thermacore-plant.example'), ('thermacore1', NULL, 'ops@thermacore-plant.example'),
	('h.meier@example.org', NULL, 'h.meier@example.org'), ('j0hnsm1ths0n', 'johnsmithson', NULL), ('xK9$johnsmithson&2qLw!v', 'johnsmithson', NULL),
	('ab-ab-xx-kQ7', 'ab', 'ab@ab.ab')) v (p, u, e), twin.check_password_strength(p, u, e) s;
SELECT * FROM twin.check_password_strength('kM4!xPq9vLw7', repeat('a@b.', 10000000), repeat('x', 100000));
SELECT acceptable FROM twin.check_password_strength(email => 'a@b.c', password => 'kM4!xPq9vLw7');
-- settings
SET twin_security.password_min_length = 12;
SELECT * FROM twin.check_password_strength('kM4!xPq9vL');
SELECT * FROM twin.check_password_strength('äöüßäöüßäöü');
RESET twin_security.password_min_length;
SET twin_security.password_min_length = 7;
SET twin_security.password_min_score = 5;
SET twin_security.password_min_score = 0;
SELECT p, s.* FROM unnest(ARRAY['password', 'P@ssw0rd', 'fktrcfylh', 'password77']) p, twin.check_password_strength(p) s;
SET twin_security.password_min_score = 4;
SELECT p, s.* FROM unnest(ARRAY['fr33zing-w1nd', 'kM4!xPq9vL']) p, twin.check_password_strength(p) s;
RESET twin_security.password_min_score;
\pset format aligned

-- generation
SELECT count(DISTINCT p), min(length(p)), max(length(p)), bool_and(p ~ '^[A-Za-z0-9!@#$%^&*]+$') FROM (SELECT twin.generate_password() AS p FROM generate_series(1, 1000)) g;
SELECT n, length(twin.generate_password(n)) FROM unnest(ARRAY[8, 16, 72]) n;
SELECT twin.generate_password(7);
SELECT twin.generate_password(73);
SELECT twin.generate_password(-2147483648);
SELECT twin.generate_password(NULL);
SET twin_security.password_min_length = 20;
-- who says no length gets one that is accepted; who says one gets that or an error
SELECT length(twin.generate_password());
SELECT length(twin.generate_password(15));
SELECT length(twin.generate_password(20));
RESET twin_security.password_min_length;
SELECT bool_and(s.acceptable) FROM generate_series(1, 2000), twin.generate_password(8) p, twin.check_password_strength(p) s;

-- who may
SET ROLE password_nobody;
SELECT twin.hash_password('x', 4);
SELECT twin.verify_password('x', 'y');
SELECT * FROM twin.check_password_strength('x');
SELECT twin.generate_password();
SELECT twin.password_needs_rehash('x');
SET ROLE password_viewer;
SELECT twin.hash_password('x', 4);
SELECT twin.verify_password('x', 'y');
SELECT length(twin.generate_password()), acceptable FROM twin.check_password_strength('x');
-- nobody lowers the bar for himself
SET twin_security.bcrypt_cost = 10;
SET twin_security.password_min_score = 0;
SET twin_security.password_min_length = 8;
SET ROLE password_operator;
SELECT twin.verify_password('x', twin.hash_password('x', 4));
RESET ROLE;
DROP ROLE password_viewer, password_operator, password_nobody;

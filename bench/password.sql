-- password.sql: one bcrypt hash through SQL beside crypt_r() in a C program, at cost 12; what logins of nobody take; and
-- what strength and limits cost beside it.
-- Variables: bcrypt (the program).
\set ON_ERROR_STOP on
SET twin_security.bcrypt_cost = 12;
SELECT twin.hash_password('correct horse battery') AS hash, twin.hash_password('correct horse battery', 8) AS cheap \gset
CREATE TABLE bcrypt (bare double precision);
INSERT INTO bench.cases (grp, name, statement) VALUES
	('bcrypt', 'bare', format('COPY bcrypt FROM PROGRAM %L', :'bcrypt' || ' 2')),
	('bcrypt', 'verify', format('SELECT twin.verify_password(''correct horse battery'', %L) FROM generate_series(1, 2)', :'hash')),
	('bcrypt', 'hash', 'SELECT twin.hash_password(''correct horse battery'') FROM generate_series(1, 2)'),
	('bcrypt', 'cheap', format('SELECT twin_internal.verify_login_password(''correct horse battery'', %L) FROM generate_series(1, 2)', :'cheap')),
	('bcrypt', 'nobody', 'SELECT twin.verify_password(''correct horse battery'', NULL) FROM generate_series(1, 2)');
CALL bench.run('bcrypt', 25);
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY bare) / 1e6 AS bare FROM bcrypt \gset
\echo crypt_r at cost 12: :bare ms
CALL bench.report('verify_password at cost 12 / crypt_r', bench.wall('bcrypt', 'verify') / 2 / :bare, 1.03);
CALL bench.report('hash_password at cost 12 / crypt_r', bench.wall('bcrypt', 'hash') / 2 / :bare, 1.03);
CALL bench.report('login with a hash of cost 8 / of cost 12', bench.wall('bcrypt', 'cheap') / bench.wall('bcrypt', 'verify'), 1.05);
CALL bench.report('verify_password without a hash / with one', bench.wall('bcrypt', 'nobody') / bench.wall('bcrypt', 'verify'), 1.05);

INSERT INTO bench.cases (grp, name, statement) VALUES
	('strength', 'usual', $$SELECT count(s) FROM generate_series(1, 2000) i, twin.check_password_strength('kM4!xPq9vL' || i, 'name', 'name@example.org') s$$),
	('strength', 'worst', $$SELECT count(s) FROM generate_series(1, 20) i, twin.check_password_strength(repeat('a', 72), repeat('a', 60 + i % 2), repeat('a@a.', 60)) s$$),
	('limit', 'none', $$SELECT count('stranger ' || i) FROM generate_series(1, 200000) i$$),
	('limit', 'note', $$SELECT count(twin_internal.note_failure('address', 'stranger ' || i)) FROM generate_series(1, 200000) i$$),
	('limit', 'rate', $$SELECT count(twin_internal.take_rate('rate user', 'stranger ' || i, 10, '1 s', 10)) FROM generate_series(1, 200000) i$$);
CALL bench.run('strength', 5);
CALL bench.run('limit', 5);
CALL bench.report('strength of a usual password / its hash', bench.wall('strength', 'usual') / 2000 / :bare, 0.01);
CALL bench.report('strength of the worst password / its hash', bench.wall('strength', 'worst') / 20 / :bare, 0.1);
CALL bench.report('failure noted, microseconds', (bench.wall('limit', 'note') - bench.wall('limit', 'none')) / 200, NULL);
CALL bench.report('request of a rate taken, microseconds', (bench.wall('limit', 'rate') - bench.wall('limit', 'none')) / 200, NULL);
DROP TABLE bcrypt;

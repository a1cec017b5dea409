-- replica_role.sql: with session_replication_role = replica, as subscriptions and many restores run, nothing is let through
-- that an ordinary session is refused, and changes of the keyring are heard of.
BEGIN;
CREATE EXTENSION pgtap;
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT * FROM no_plan();
SELECT twin.create_key('k');
CREATE TABLE t (v twin.encrypted_text(k));
INSERT INTO t VALUES ('value');
CREATE TEMP TABLE usage_before AS SELECT * FROM twin_internal.key_usage;

SET LOCAL session_replication_role = replica;
SELECT throws_ok('CREATE TABLE bare (v twin.encrypted_text)', '42P16', NULL, 'a column without a key is refused');
SELECT throws_ok('SELECT v::text FROM t', '42501', NULL, 'reading without a grant is refused');
SELECT lives_ok($$SELECT twin.grant_key('k', current_user::regrole, 'decrypt')$$, 'a grant is given');
SELECT is((SELECT v::text FROM t), 'value', 'and in force at once');
SELECT lives_ok($$SELECT twin.revoke_key('k', current_user::regrole, 'decrypt')$$, 'a grant is taken back');
SELECT throws_ok('SELECT v::text FROM t', '42501', NULL, 'in force at once as well');
SELECT lives_ok('DELETE FROM twin_internal.key_usage; UPDATE twin_internal.key_usage SET messages = 0', 'counts of another cluster');
SELECT results_eq('SELECT * FROM twin_internal.key_usage ORDER BY 1', 'SELECT * FROM usage_before ORDER BY 1', 'change nothing here');

-- what pg_dump --disable-triggers leaves behind does not make these rules hold in ordinary sessions
SET LOCAL session_replication_role = origin;
ALTER TABLE twin_internal.key_usage ENABLE TRIGGER ALL;
ALTER TABLE twin_internal.key_versions ENABLE TRIGGER ALL;
ALTER TABLE twin_internal.key_grants ENABLE TRIGGER ALL;
SELECT twin.create_key('later');
SELECT is((SELECT u.made_here FROM twin_internal.key_usage u JOIN twin.keys k USING (key_id) WHERE k.key_name = 'later'), true,
	'after ENABLE TRIGGER ALL a key made here is still known as such');

SELECT * FROM finish();
ROLLBACK;

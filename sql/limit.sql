-- limit: failures and rates that no rollback undoes
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE ROLE limit_admin LOGIN IN ROLE twin_admin;
CREATE ROLE limit_viewer LOGIN IN ROLE twin_viewer;
CREATE VIEW pg_temp.now AS SELECT clock_timestamp() AS t;

-- counting: the fifth locks, a locked one is not counted
SELECT n, counted, failures, locked_until IS NOT NULL AS locked FROM generate_series(1, 7) n, LATERAL twin_internal.note_failure('account', 'joe' || left(n::text, 0)) f;
SELECT failures, locked_until BETWEEN t + '55 s' AND t + '61 s' AS for_a_minute FROM twin_internal.failures_of('account', 'joe'), pg_temp.now;
SELECT * FROM twin_internal.failures_of('address', 'joe');
SELECT * FROM twin_internal.failures_of('account', 'jo');

-- success takes back its own failure, or forgets all
SELECT twin_internal.take_back_failure('account', 'joe');
SELECT * FROM twin_internal.failures_of('account', 'joe');
SELECT twin_internal.forget_failures('account', 'joe');
SELECT * FROM twin_internal.failures_of('account', 'joe');
SELECT twin_internal.take_back_failure('account', 'stranger'), twin_internal.forget_failures('account', 'stranger');
SELECT kind, entries, locked FROM twin.stat_limits;

-- nothing that is counted is undone
BEGIN;
SELECT failures FROM twin_internal.note_failure('account', 'ann');
SAVEPOINT s;
SELECT failures FROM twin_internal.note_failure('account', 'ann');
ROLLBACK TO s;
SELECT 1/0 FROM twin_internal.note_failure('account', 'ann');
ROLLBACK;
DO $$ BEGIN PERFORM twin_internal.note_failure('account', 'ann'); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
SELECT failures FROM twin_internal.failures_of('account', 'ann');
BEGIN READ ONLY;
SELECT failures, locked_until IS NOT NULL AS locked FROM twin_internal.note_failure('account', 'ann');
COMMIT;

-- the policy is the settings
SET twin_security.login_max_failures = 2;
SET twin_security.login_lockout = '2h';
SELECT failures, locked_until FROM twin_internal.note_failure('address', '10.0.0.1');
SELECT failures FROM twin_internal.note_failure('address', '10.0.0.1');
SELECT counted, failures, locked_until - t BETWEEN '59 min' AND '61 min' AS capped FROM twin_internal.note_failure('address', '10.0.0.1'), pg_temp.now;
SET twin_security.login_max_lockout = '10 s';
SELECT locked_until <= t + '11 s' AS a_lower_cap_holds_at_once FROM twin_internal.failures_of('address', '10.0.0.1'), pg_temp.now;
RESET twin_security.login_max_failures;
RESET twin_security.login_lockout;
RESET twin_security.login_max_lockout;

-- seeding raises and never lowers
SELECT twin_internal.seed_failures('account', 'seeded', 3, clock_timestamp() + '10 min');
SELECT failures, locked_until - t BETWEEN '9 min' AND '11 min' AS locked FROM twin_internal.failures_of('account', 'seeded'), pg_temp.now;
SELECT twin_internal.seed_failures('account', 'seeded', 1, clock_timestamp() + '1 min');
SELECT twin_internal.seed_failures('account', 'seeded', NULL, NULL);
SELECT twin_internal.seed_failures('account', 'seeded', -5, '-infinity');
SELECT failures, locked_until - t BETWEEN '9 min' AND '11 min' AS locked FROM twin_internal.failures_of('account', 'seeded'), pg_temp.now;
SELECT counted FROM twin_internal.note_failure('account', 'seeded');
SELECT twin_internal.seed_failures('account', 'seeded', 7, 'infinity');
SELECT failures, locked_until - t BETWEEN '59 min' AND '61 min' AS an_hour_at_most FROM twin_internal.failures_of('account', 'seeded'), pg_temp.now;
SELECT twin_internal.seed_failures('account', 'past', 4, clock_timestamp() - interval '1 year');
SELECT failures, locked_until FROM twin_internal.failures_of('account', 'past');
SELECT twin_internal.seed_failures(NULL, 'x', 1, NULL);

-- kinds
SELECT * FROM twin_internal.note_failure('rate user', 'x');
SELECT * FROM twin_internal.note_failure('nonsense', 'x');
SELECT * FROM twin_internal.take_rate('account', 'x', 1, '1 s', 1);
SELECT * FROM twin_internal.note_failure(NULL, 'x');
SELECT failures FROM twin_internal.note_failure('account', '');
SELECT failures FROM twin_internal.note_failure('account', repeat('x', 10000000));

-- rates
SELECT n, allowed, remaining, retry_after BETWEEN '19 s' AND '21 s' AS in_twenty_seconds
FROM generate_series(1, 5) n, LATERAL twin_internal.take_rate('rate address', '10.0.0.1' || left(n::text, 0), 3, '1 min', 3);
SELECT allowed FROM twin_internal.take_rate('rate user', '10.0.0.1', 3, '1 min', 3);
SELECT allowed, remaining FROM twin_internal.take_rate('rate user', 'monthly', 1000000, '1 month', 1);
SELECT allowed, retry_after BETWEEN '2 s' AND '2.7 s' AS retry FROM twin_internal.take_rate('rate user', 'monthly', 1000000, '1 month', 1);
BEGIN;
SELECT allowed FROM twin_internal.take_rate('rate user', 'rolled back', 1, '1 hour', 1);
ROLLBACK;
SELECT allowed FROM twin_internal.take_rate('rate user', 'rolled back', 1, '1 hour', 1);
SELECT * FROM twin_internal.take_rate('rate user', 'x', 0, '1 s', 1);
SELECT * FROM twin_internal.take_rate('rate user', 'x', 1, '1 s', 0);
SELECT * FROM twin_internal.take_rate('rate user', 'x', -1, '1 s', 1);
SELECT * FROM twin_internal.take_rate('rate user', 'x', 1, '0', 1);
SELECT * FROM twin_internal.take_rate('rate user', 'x', 1, '-1 s', 1);
SELECT * FROM twin_internal.take_rate('rate user', 'x', 1, '1000 years', 1);
SELECT allowed, remaining FROM twin_internal.take_rate('rate user', 'widest', 2147483647, '1 microsecond', 2147483647);

-- who may
SET ROLE limit_admin;
SELECT kind, entries > 0 AS used, locked > 0 AS locked, evicted FROM twin.stat_limits;
SELECT * FROM twin_internal.note_failure('account', 'joe');
SET ROLE limit_viewer;
SELECT * FROM twin.stat_limits;
RESET ROLE;

-- the size is fixed when the server starts
SET twin_security.limit_entries = 2000;
SET twin_security.max_concurrent_hashes = 5;
SET ROLE limit_viewer;
SET twin_security.login_max_failures = 1000;
RESET ROLE;
DROP ROLE limit_admin, limit_viewer;

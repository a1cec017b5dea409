# What the limits remember holds against everything a client can do: many sessions at once, cancel, disconnection, a
# flood of a million strangers; each database by itself; and what a restart forgets a table brings back.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('limits', conf => "max_connections = 40\nrestart_after_crash = on\n");
start_with($node, $key);
sql($node, 'CREATE EXTENSION twin_security');

sub failures { my ($kind, $subject, %options) = @_; return sql($node, "SELECT failures FROM twin_internal.failures_of('$kind', '$subject')", %options) }
sub is_locked { my ($kind, $subject, %options) = @_; return sql($node, "SELECT locked_until IS NOT NULL FROM twin_internal.failures_of('$kind', '$subject')", %options) }

# Runs a script in eight sessions at once.
sub crowd
{
	my ($transactions, $sql) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script';
	append_to_file($file, $sql);
	return $node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', $transactions, '-M', 'prepared', '-f', $file, $node->connstr('postgres') ],
		"8 sessions, $transactions times each");
}

# ---- many at once ----

sql($node, 'CREATE TABLE tries (counted boolean); CREATE TABLE requests (allowed boolean)');
crowd(50, "INSERT INTO tries SELECT counted FROM twin_internal.note_failure('account', 'target');");
is(sql($node, 'SELECT count(*) FILTER (WHERE counted), count(*) FROM tries'), '5|400', 'of 400 tries at once five are let through');
is(failures('account', 'target'), '5', 'and counted');
sql($node, 'ALTER DATABASE postgres SET twin_security.login_max_failures = 1000');
crowd(100, "SELECT * FROM twin_internal.note_failure('address', '192.0.2.1');");
is(failures('address', '192.0.2.1'), '800', 'none of 800 failures at once is lost');
crowd(50, "SELECT twin_internal.take_back_failure('address', '192.0.2.1');");
is(failures('address', '192.0.2.1'), '400', 'nor one of 400 that are taken back');
sql($node, 'ALTER DATABASE postgres RESET twin_security.login_max_failures');
crowd(50, "INSERT INTO requests SELECT allowed FROM twin_internal.take_rate('rate user', 'joe', 1, '1 hour', 100);");
is(sql($node, 'SELECT count(*) FILTER (WHERE allowed), count(*) FROM requests'), '100|400', 'a burst of 100 is 100 in all sessions together');

# ---- nothing undoes a failure ----

my $note = "SELECT failures FROM twin_internal.note_failure('account', 'brave')";
fails_with($node, "SET statement_timeout = '200ms'; SELECT pg_sleep(60) FROM twin_internal.note_failure('account', 'brave')", '57014', 'statement timeout', 'a statement that is cancelled');
is(failures('account', 'brave'), '1', 'has counted');
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe("BEGIN; $note");
sql($node, "SELECT pg_terminate_backend($pid, 10000)");
eval { $session->quit };
is(failures('account', 'brave'), '2', 'so has a session that is ended in its transaction');
sql($node, "BEGIN; $note; ROLLBACK");
sql($node, "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY; $note; ROLLBACK");
is(failures('account', 'brave'), '4', 'and transactions that are rolled back, or read only');

# ---- each database by itself ----

sql($node, 'CREATE DATABASE other');
sql($node, 'CREATE EXTENSION twin_security', db => 'other');
is(failures('account', 'target', db => 'other'), '0', 'another database knows nothing of it');
is(sql($node, "SELECT entries FROM twin.stat_limits WHERE kind = 'account'", db => 'other'), '0', 'nor does its view');
sql($node, "SELECT twin_internal.forget_failures('account', 'target')", db => 'other');
is(failures('account', 'target'), '5', 'and cannot forget for it');

# ---- a flood ----

sql($node, q{ALTER DATABASE postgres SET twin_security.login_lockout = '1h';
	CREATE TABLE victims AS SELECT 'victim' || i AS name, i <= 200 AS locked FROM generate_series(1, 400) i});
sql($node, q{SELECT count(*) FROM victims, generate_series(1, CASE WHEN locked THEN 5 ELSE 3 END) n,
	unnest('{account,address}'::text[]) k, LATERAL twin_internal.note_failure(k, name || left(n::text, 0))});
my $flood = sql($node, q{SELECT count(twin_internal.note_failure('address', 'stranger ' || i)) FROM generate_series(1, 1000000) i});
is($flood, '1000000', 'a million strange addresses fail');
my ($entries, $evicted) = split /\|/, sql($node, "SELECT entries, evicted FROM twin.stat_limits WHERE kind = 'address'");
cmp_ok($entries, '<=', 16384, 'the table keeps its size');
cmp_ok($entries, '>', 16000, 'and is full');
cmp_ok($evicted, '>', 980000, 'strangers pushed out one another');
my $held = sub {
	my ($kind) = @_;
	return sql($node, "SELECT count(*) FILTER (WHERE locked AND failures = 5 AND locked_until IS NOT NULL), count(*) FILTER (WHERE NOT locked AND failures = 3)
		FROM victims, LATERAL twin_internal.failures_of('$kind', name)");
};
is($held->('address'), '200|200', 'not one of 200 locked addresses, nor one of 200 with three failures');
is($held->('account'), '200|200', 'and no account');
is(sql($node, "SELECT evicted FROM twin.stat_limits WHERE kind = 'account'"), '0', 'accounts have a room of their own');
is(sql($node, q{SELECT count(*) FROM generate_series(1, 100000) i, LATERAL twin_internal.take_rate('rate address', 'stranger ' || i, 10, '1 min', 10)}), '100000',
	'a flood of requests');
is(failures('account', 'target'), '5', 'changes no failures');

# ---- restarts and crashes ----

restart_with($node, $key);
is(failures('account', 'target'), '0', 'a restart forgets');
sql($node, "SELECT twin_internal.seed_failures('account', 'target', 5, clock_timestamp() + interval '30 min')");
is(is_locked('account', 'target'), 't', 'what a table knows is brought back');
is(sql($node, "SELECT counted FROM twin_internal.note_failure('account', 'target')"), 'f', 'and is in force');
$session = $node->background_psql('postgres', on_error_stop => 0);
$pid = $session->query_safe('SELECT pg_backend_pid()');
kill 'KILL', $pid;
eval { $session->quit };
$node->poll_query_until('postgres', "SELECT pg_postmaster_start_time() IS NOT NULL") or die;
is(failures('account', 'target'), '0', 'a stated limit: so does a crash of the server');

# ---- a small table, and none ----

$node->append_conf('postgresql.conf', 'twin_security.limit_entries = 1024');
restart_with($node, $key);
sql($node, q{DO $$ BEGIN FOR i IN 1 .. 15000 LOOP PERFORM twin_internal.note_failure('account', 'locked ' || i / 5); END LOOP; END $$});
is(sql($node, "SELECT entries, locked > 900, evicted > 1900 FROM twin.stat_limits WHERE kind = 'account'"), '1024|t|t',
	'when all are locked, those whose lock ends first make room');
is(sql($node, "SELECT failures FROM twin_internal.note_failure('account', 'newcomer')"), '1', 'and a newcomer is counted all the same');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
restart_with($node, $key);
foreach my $call ("* FROM twin.stat_limits", "twin_internal.note_failure('account', 'x')", "twin_internal.failures_of('account', 'x')",
	"twin_internal.take_back_failure('account', 'x')", "twin_internal.forget_failures('account', 'x')",
	"twin_internal.seed_failures('account', 'x', 1, NULL)", "twin_internal.take_rate('rate user', 'x', 1, '1 s', 1)")
{
	fails_with($node, "SELECT $call", '55000', 'needs twin_security to be preloaded', "without preloading: $call");
}

done_testing();

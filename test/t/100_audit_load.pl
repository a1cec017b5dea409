# The audit log under load: transactions of more commands than the ring has room, in every way they end, and what the
# worker does when something fails.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('load', conf => "max_prepared_transactions = 2\ntwin_security.event_ring_size = 2048\nshared_buffers = 16MB\n");
start_with($node, new_key());
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE app LOGIN;
	CREATE SCHEMA own AUTHORIZATION app;
	SET ROLE app;
	CREATE TABLE own.thing (a int)});

sub settle { return events_written($node) }
sub dropped { return sql($node, 'SELECT dropped FROM twin.stat_audit') }
my $latest = 0;

# Runs SQL as somebody, and what it leaves in the log: "count type outcome action resource", in the order of the first of each.
sub log_of
{
	my ($user, $sql) = @_;
	settle();
	$latest = sql($node, 'SELECT coalesce(max(event_id), 0) FROM twin.audit_log');
	$node->psql('postgres', $sql, on_error_stop => 0, timeout => 120, extra_params => [ '-U', $user ]);
	settle();
	return sql($node, qq{SELECT concat_ws(' ', count(*), event_type, outcome, action, resource) FROM twin.audit_log WHERE event_id > $latest AND event_type !~ '^(login_success|audit_enabled|heartbeat|alert_raised)' GROUP BY event_type, outcome, action, resource ORDER BY min(event_id)});
}
sub recorded
{
	my ($name, $user, $sql, @expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(log_of($user, $sql), join("\n", @expected), $name);
}
sub comments { my ($count) = @_; return "DO \$\$ BEGIN FOR i IN 1 .. $count LOOP COMMENT ON TABLE own.thing IS NULL; END LOOP; END \$\$;" }
sub details { my ($where) = @_; return sql($node, "SELECT DISTINCT details FROM twin.audit_log WHERE event_id > $latest AND $where") }

# ---- transactions that are too long for the ring ----

recorded('what follows thousands of commands is recorded', 'app', 'BEGIN; ' . comments(3000) . ' CREATE TABLE own.stolen (); COMMIT',
	'3000 ddl success COMMENT own.thing', '1 ddl success CREATE TABLE own.stolen');
recorded('... with what was told before the deed', 'postgres', 'BEGIN; ' . comments(2500) . ' CREATE ROLE evil SUPERUSER; ' . comments(500) . ' COMMIT',
	'1 user_created unknown CREATE ROLE evil', '3000 ddl success COMMENT own.thing', '1 user_created success CREATE ROLE evil');
is(sql($node, "SELECT count(DISTINCT xid) FROM twin.audit_log WHERE event_id > $latest AND outcome = 'success' AND event_type <> 'alert_raised'"), 1, '... of one transaction');
recorded('... in one that is made read only at last', 'app', 'BEGIN; ' . comments(3000) . ' DROP TABLE own.stolen; SET LOCAL transaction_read_only = on; COMMIT',
	'3000 ddl success COMMENT own.thing', '1 ddl success DROP TABLE own.stolen');
recorded('... in a serializable one', 'app', 'BEGIN ISOLATION LEVEL SERIALIZABLE; ' . comments(3000) . ' COMMIT', '3000 ddl success COMMENT own.thing');
recorded('what is prepared', 'app', 'BEGIN; ' . comments(3000) . q{ PREPARE TRANSACTION 'x'});
recorded('... is recorded when it is committed', 'app', q{COMMIT PREPARED 'x'});
is(sql($node, q{SELECT count(*), details FROM twin.audit_log WHERE details ->> 'prepared' = 'true' GROUP BY details}), '3000|{"prepared": "true"}', '... and says so');
recorded('what is prepared and rolled back never was', 'app', 'BEGIN; ' . comments(3000) . q{ PREPARE TRANSACTION 'x'; ROLLBACK PREPARED 'x'});
recorded('what is rolled back failed', 'app', 'BEGIN; ' . comments(3000) . ' ROLLBACK', '3000 ddl failure COMMENT own.thing');
recorded('... and what a commit refuses at last', 'app', 'BEGIN; CREATE TABLE own.late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO own.late VALUES (1), (1); ' . comments(3000) . ' COMMIT',
	'1 ddl failure CREATE TABLE own.late', '3000 ddl failure COMMENT own.thing');
recorded('subtransactions, done and undone', 'app', 'BEGIN; ' . comments(10) . ' SAVEPOINT a; ' . comments(3000) . ' CREATE TABLE own.one (); SAVEPOINT b; CREATE TABLE own.two (); RELEASE b; ROLLBACK TO a; CREATE TABLE own.three (); SAVEPOINT c; '
	. comments(3000) . ' CREATE TABLE own.four (); RELEASE c; COMMIT',
	'3000 ddl failure COMMENT own.thing', '1 ddl failure CREATE TABLE own.one', '1 ddl failure CREATE TABLE own.two',
	'3010 ddl success COMMENT own.thing', '1 ddl success CREATE TABLE own.three', '1 ddl success CREATE TABLE own.four');
recorded('each its own subtransaction', 'app', q{DO $$ BEGIN FOR i IN 1 .. 3000 LOOP BEGIN COMMENT ON TABLE own.thing IS NULL; IF i % 2 = 0 THEN RAISE EXCEPTION 'x'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$},
	'1500 ddl failure COMMENT own.thing', '1500 ddl success COMMENT own.thing');
is(dropped(), 0, 'nothing was dropped');

# ---- the list of a transaction's events is bounded in memory ----

{
	my $session = $node->background_psql('postgres', on_error_stop => 1);
	my $size = sub { return $session->query_safe(q{SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name = 'TopTransactionContext'}) };
	my $spilled = sub { return $session->query_safe(q{SELECT coalesce(sum(size), 0) FROM pg_ls_tmpdir()}) };

	settle();
	$latest = sql($node, 'SELECT coalesce(max(event_id), 0) FROM twin.audit_log');
	$session->query_safe('BEGIN; ' . comments(1));
	my $before = $size->();
	$session->query_safe(comments(20000));
	cmp_ok($size->() - $before, '<', 2.5 * 1024 * 1024, 'twenty thousand of them take little memory');
	cmp_ok($spilled->(), '>', 1024 * 1024, '... but a temporary file');
	$session->query_safe('SAVEPOINT a; ' . comments(20000));
	$session->query_safe('ROLLBACK TO a; CREATE TABLE own.end_of_it (); COMMIT');
	is($spilled->(), 0, '... which goes with the transaction');
	settle();
	is(sql($node, "SELECT concat_ws(' ', count(*), outcome, action) FROM twin.audit_log WHERE event_id > $latest AND event_type = 'ddl' GROUP BY outcome, action ORDER BY 1"),
		"1 success CREATE TABLE\n20000 failure COMMENT\n20001 success COMMENT", '... and all are told');
	is(dropped(), 0, '... and none dropped');
	$session->quit;
}

# ---- where the log cannot be written ----

{
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	lock_log($session, 'events_overflow', 'SHARE');
	my ($status, undef, $error) = $node->psql('postgres', "SET lock_timeout = '1s'; BEGIN; " . comments(100) . ' CREATE TABLE own.unrecorded (); COMMIT', on_error_stop => 1);
	like($error, qr/lock timeout/, 'a long transaction that cannot be recorded does not commit');
	is(sql($node, q{SELECT to_regclass('own.unrecorded')}), '', '... so that nothing of it is there');
	sql($node, 'CREATE TABLE own.short ()');
	$session->query_safe('COMMIT');
	$session->quit;
	settle();
	is(sql($node, q{SELECT string_agg(outcome || ' ' || resource, ', ' ORDER BY resource) FROM twin.audit_log WHERE resource IN ('own.unrecorded', 'own.short')}),
		'success own.short, failure own.unrecorded', '... and a short one is recorded when it can be');
}

# ---- leaves are kept by their bytes ----

sql($node, q{CREATE TABLE big (id int PRIMARY KEY, a text, b text, c text, d text); SELECT twin.audit_table('big')});
sql($node, q{INSERT INTO big SELECT g, repeat('a', 200000), repeat('b', 200000), repeat('c', 200000), repeat('d', 200000) FROM generate_series(1, 400) g; INSERT INTO big SELECT g, 'a' FROM generate_series(401, 3000) g});
$node->poll_query_until('postgres', q{SELECT count(*) = 3000 FROM twin.audit_log WHERE resource ~ 'big$' AND leaf_index IS NOT NULL AND event_type = 'create'});
{
	my $session = $node->background_psql('postgres', on_error_stop => 1);
	my $most = sub { my $pid = $session->query_safe('SELECT pg_backend_pid()'); my ($kb) = slurp_file("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m; return $kb / 1024 };

	my $before = $most->();
	my $bytes = $session->query_safe('SELECT sum(length(leaf)) FROM twin.audit_leaves(0, 100000)');
	cmp_ok($bytes, '>', 300 * 1024 * 1024, 'leaves of hundreds of megabytes');
	cmp_ok($most->() - $before, '<', 120, '... take little memory');
	is($session->query_safe(q{SELECT count(*), count(DISTINCT leaf_index), bool_and(leaf IS NOT NULL), max(leaf_index) - min(leaf_index) + 1 = count(*) FROM twin.audit_leaves(100, 3000)}), '2901|2901|t|t', '... each of them once');
	is($session->query_safe('SELECT count(*) FROM (SELECT lag(leaf_index) OVER () AS before, leaf_index FROM twin.audit_leaves(0, 100000)) l WHERE leaf_index <> before + 1'), 0, '... in order');
	$session->quit;
}
is(sql($node, 'SELECT ok FROM twin.verify_audit_log()'), 't', 'the log is whole');

# ---- without the extension, at last ----

$node->psql('postgres', 'BEGIN; ' . comments(100) . ' DROP EXTENSION twin_security CASCADE; CREATE EXTENSION twin_security; COMMENT ON SCHEMA own IS NULL; COMMIT', on_error_stop => 1);
settle();
is(sql($node, q{SELECT string_agg(DISTINCT event_type || ' ' || outcome || ' ' || action, ', ') FROM twin.audit_log WHERE outcome = 'success' AND event_type ~ '^(ddl|ext)' AND action IS NOT NULL}),
	'ddl success COMMENT, extension_created success CREATE EXTENSION, extension_dropped success DROP EXTENSION', 'a transaction that takes the extension away and brings it again is told in the new log');
is(sql($node, q{BEGIN; COMMENT ON SCHEMA own IS NULL; } . comments(100) . q{ DROP EXTENSION twin_security CASCADE; COMMIT; SELECT count(*) FROM pg_extension WHERE extname = 'twin_security'}), 0, 'one that takes it away ends well');

$node->stop;
done_testing();

# The audit log's tree across crashes: whatever committed is there and sealed exactly once, however often the server is
# killed, and of what was in memory all but the last moments; rows that no worker saw commit are sealed by the next; drops stand in the tree; a long transaction delays its own rows only.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $key = new_key();
my $node = new_node('crash', conf => "twin_security.event_ring_size = 64kB\nmax_prepared_transactions = 2\nfsync = off\n"
	  . "twin_security.checkpoint_interval = 1s\ntwin_security.heartbeat_interval = 2s\n");
start_with($node, $key);
sql($node, 'CREATE EXTENSION twin_security; CREATE TABLE units (id bigserial PRIMARY KEY, name text); CREATE TABLE plain (id bigint)');
sql($node, q{SELECT twin.audit_table('units')});

sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub settle
{
	return events_sealed($node);
}
my $verified = q{SELECT ok, checked = (SELECT size FROM twin_internal.ledger_state), coalesce(reason, '') FROM twin.verify_audit_log()};

# ---- the server is killed at random moments, under load ----

my $load = PostgreSQL::Test::Utils::tempdir() . '/load.sql';
append_to_file($load, "BEGIN;\nINSERT INTO units (name) SELECT 'u' FROM generate_series(1, 3);\nINSERT INTO plain SELECT currval('units_id_seq');\nCOMMIT;\n");
# events that are in memory first, each with its id and time: what is lost of them is the end
my $beats = PostgreSQL::Test::Utils::tempdir() . '/beats.sql';
append_to_file($beats, "SELECT twin.record_event('beat') || ' ' || extract(epoch FROM clock_timestamp());\nSELECT pg_sleep(0.02) \\g /dev/null\n" x 2000);
my $in_memory = $ENV{TWIN_SLOW} // 5;
for my $round (1 .. 4)
{
	my ($out, $err) = ('', '');
	my $clients = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-T', '60', '-f', $load, '-h', $node->host, '-p', $node->port, 'postgres' ], '>', \$out, '2>', \$err);
	my $told = '';
	my $recorder = IPC::Run::start([ 'psql', '-XAt', '-f', $beats, '-h', $node->host, '-p', $node->port, 'postgres' ], '>', \$told, '2>', \$err);
	sleep 1 + rand 2;
	my $killed = time;
	kill_server($node);
	eval { $_->finish } for $clients, $recorder;
	start_with($node, $key);
	ok(settle(), "round $round: what committed is sealed");
	my @told = map { [split / /] } $told =~ /^(\d+ [\d.]+)$/mg;
	my %kept = map { $_ => 1 } split /\n/, sql($node, q{SELECT event_id FROM twin.audit_log WHERE event_type = 'beat'});
	my @kept = grep { $kept{ $told[$_][0] } } 0 .. $#told;
	cmp_ok(scalar @kept, '>', 0, "round $round: events that were in memory are kept (" . @kept . ' of ' . @told . ')');
	is_deeply(\@kept, [ 0 .. $#kept ], "round $round: ... all but the last");
	is(scalar(grep { !$kept{ $_->[0] } && $_->[1] < $killed - $in_memory } @told), 0, "round $round: ... which were recorded right before the end");
	is(sql($node, $verified), 't|t|', "round $round: and is whole");
	is(sql($node, q{SELECT (SELECT count(*) FROM units) = 3 * (SELECT count(*) FROM plain),
		(SELECT count(*) FROM twin.audit_log WHERE event_type = 'create') = (SELECT count(*) FROM units)}), 't|t', "round $round: every committed row has its event");
}
cmp_ok(sql($node, 'SELECT count(*) FROM units'), '>', 100, 'there was a load');
is(sql($node, q{SELECT count(*) = count(DISTINCT event_id) AND count(*) = max(leaf_index) + 1 AND count(*) = (SELECT size FROM twin_internal.ledger_state)
	AND bool_and(leaf IS NOT NULL) FROM twin.audit_leaves(0, 100000000)}), 't', 'each event has one leaf');
is(sql($node, 'SELECT count(*) FROM twin_internal.epochs'), '1', 'a crash begins no epoch');

# ---- nobody woke the sealer: the library was away, or the server stopped at once ----

$node->stop;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
start_with($node, $key);
sql($node, q{INSERT INTO units (name) VALUES ('unseen')});
my $before = sql($node, 'SELECT size FROM twin_internal.ledger_state');
sleep 1.5;
is(sql($node, 'SELECT size FROM twin_internal.ledger_state'), $before, 'without preloading nothing is sealed');
is(sql($node, q{SELECT ok FROM twin.verify_audit_log()}), 't', 'and that is no fault');
$node->stop;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'twin_security'");
start_with($node, $key);
ok(poll("SELECT size > $before FROM twin_internal.ledger_state"), 'the next worker comes by itself and seals what was left');
ok(settle(), 'all of it');

# ---- a transaction that stays open delays nobody ----

my $idle = $node->background_psql('postgres');
$idle->query_safe(q{BEGIN; INSERT INTO units (name) VALUES ('slow')});
my @lags;
for my $i (1 .. 8)
{
	sql($node, "INSERT INTO units (name) VALUES ('quick')");
	sleep 0.4;
	push @lags, sql($node, 'SELECT extract(epoch FROM seal_lag) FROM twin.stat_audit');
}
diag("lags beside an open transaction: @lags");
ok(poll(q{SELECT count(*) = 8 FROM units u WHERE u.name = 'quick'}), 'others write beside it');
ok(settle(), 'and are sealed');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE new ->> 'name' = 'quick' AND leaf_index IS NOT NULL}), '8', 'before it ends');
my $sealed = sql($node, 'SELECT sealed FROM twin.stat_audit');
$idle->query_safe('COMMIT');
ok(comes_true($node, "SELECT sealed > $sealed AND seal_lag = '0' FROM twin.stat_audit"), 'its own rows follow when it has committed');
$idle->quit;
is(sql($node, $verified), 't|t|', 'the log is whole');

# ---- a prepared transaction ----

sql($node, q{BEGIN; INSERT INTO units (name) VALUES ('prepared'); PREPARE TRANSACTION 'p'});
settle();
restart_with($node, $key);
settle();
sql($node, q{COMMIT PREPARED 'p'});
ok(poll(q{SELECT count(*) = 1 FROM twin_internal.sealed s JOIN twin.audit_log a ON a.event_id = s.record_id WHERE a.new ->> 'name' = 'prepared'}), 'a prepared transaction is sealed when it commits');

# ---- drops ----

my $locker = $node->background_psql('postgres');
lock_log($locker, 'events_overflow', 'ACCESS EXCLUSIVE');
# (one a transaction: many of one would be rows of it, and wait for the lock)
sql($node, q{DO $$ BEGIN FOR i IN 1..100 LOOP PERFORM twin_internal.emit_event('own_word', i::text); COMMIT; END LOOP; END $$});
$locker->query_safe('COMMIT');
$locker->quit;
ok(settle(), 'a full ring empties');
my $dropped = sql($node, 'SELECT dropped FROM twin.stat_audit');
cmp_ok($dropped, '>', 0, 'events were dropped');
ok(poll("SELECT count(*) > 0 FROM twin.audit_log a JOIN twin_internal.sealed s ON s.record_id = a.event_id WHERE a.event_type = 'heartbeat' AND a.details ->> 'dropped' = '$dropped'"),
	'a heartbeat says how many, and is sealed');
is(sql($node, q{SELECT bool_and(details ? 'emitted' AND details ? 'written' AND details ->> 'triggers_digest' ~ '^[0-9a-f]{64}$' AND details ->> 'settings_digest' ~ '^[0-9a-f]{64}$'
	AND details ->> 'signed' = 'yes') FROM twin.audit_log WHERE event_type = 'heartbeat'}), 't', 'with the digests of triggers and settings');

# ---- what was switched off stands in the tree ----

my $digest = sub { my ($name) = @_; return sql($node, "SELECT details ->> '$name' FROM twin.audit_log WHERE event_type = 'heartbeat' ORDER BY event_id DESC LIMIT 1") };
my ($triggers, $settings) = ($digest->('triggers_digest'), $digest->('settings_digest'));
my ($trigger) = split /\n/, sql($node, q{SELECT tgname FROM pg_trigger WHERE tgrelid = 'units'::regclass AND NOT tgisinternal});
sql($node, qq{ALTER TABLE units DISABLE TRIGGER "$trigger"});
ok(poll("SELECT details ->> 'triggers_digest' <> '$triggers' AND details ->> 'triggers_disabled' = '1' FROM twin.audit_log WHERE event_type = 'heartbeat' ORDER BY event_id DESC LIMIT 1"),
	'a disabled trigger shows in the next heartbeat');
sql($node, 'ALTER DATABASE postgres SET session_replication_role = replica');
ok(poll("SELECT details ->> 'settings_digest' <> '$settings' FROM twin.audit_log WHERE event_type = 'heartbeat' ORDER BY event_id DESC LIMIT 1"), 'a setting as well');
sql($node, 'ALTER DATABASE postgres RESET ALL');

# ---- a database stays droppable ----

sql($node, 'CREATE DATABASE other');
sql($node, 'CREATE EXTENSION twin_security', db => 'other');
sql($node, q{SELECT twin.record_event('x')}, db => 'other');
ok($node->poll_query_until('other', 'SELECT sealed > 1 FROM twin.stat_audit'), 'another database has its own log');
sql($node, 'DROP DATABASE other');
pass('and can be dropped');
$node->stop;
done_testing();

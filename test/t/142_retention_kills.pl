# A year of a real log, lived through on a server whose clock is set, and its end: policies applied while the worker and the whole server are
# killed with -9 at any moment. Before, between and after, the log is whole and proofs hold; in the end each partition went once, and every event is in
# the log or in an archive that verifies.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);
use Time::Local qw(timegm);

my $folder = PostgreSQL::Test::Utils::tempdir();
my $archives = "$folder/archives";
mkdir $archives;
my $year = 2016;
my $key = new_key();
my $node = new_node('kills', conf => "max_worker_processes = 16\nrestart_after_crash = on\ntwin_security.archive_directory = '$archives'\ntwin_security.retention_interval = 0\ntwin_security.checkpoint_interval = 1\n");
my %clock = clock_of($node);
sub set_clock_to { my ($time) = @_; return set_clock($node, $time - time) }
sub start { return start_with($node, $key, undef, %clock) }
set_clock_to(timegm(0, 0, 12, 1, 0, $year));
start();
sql($node, 'CREATE EXTENSION twin_security; CREATE TABLE things (id int PRIMARY KEY, v text); SELECT twin.audit_table(\'things\')');

# ---- the year ----

foreach my $month (0 .. 11)
{
	set_clock_to(timegm(0, 0, 12, 3, $month, $year));
	# a month is made when its time comes, and an hour after the database began
	sql($node, q{SELECT twin.record_event('begins')});
	$node->poll_query_until('postgres', q{SELECT count(*) = 3 FROM unnest('{audit,access,error}'::text[]) c, to_regclass('twin_internal.events_' || c || to_char(now() AT TIME ZONE 'UTC', '_YYYY_MM')) r WHERE r IS NOT NULL}) or die 'no month';
	sql($node, qq{INSERT INTO things SELECT 1000 * $month + n, md5(n::text) FROM generate_series(1, 200) n;
		SELECT twin.record_event('seen_' || n, outcome => CASE WHEN n % 3 = 0 THEN 'failure' ELSE 'success' END) FROM generate_series(1, 100) n});
	$node->poll_query_until('postgres', 'SELECT emitted = written + dropped FROM twin.stat_audit') or die 'not written';
}
sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub sealed { return events_sealed($node) }
set_clock_to(time);
sealed() or die 'not sealed';
poll(q{SELECT split_part(twin.audit_checkpoint(), E'\n', 2)::bigint > (SELECT max(leaf_index) FROM twin.audit_log WHERE recorded_at < '2017-02-01')}) or die 'not signed';

# ---- what is kept of it by others ----

my $of_year = "recorded_at < '2017-02-01'";
my $before = sql($node, "SELECT count(*) FROM twin.audit_log WHERE $of_year");
cmp_ok($before, '>', 3000, 'events of a year');
my $partitions = sql($node, "SELECT count(*) FROM twin_internal.overdue_partitions((SELECT p FROM twin_internal.retention_policies p WHERE policy_name = 'audit_logs'))");
cmp_ok($partitions, '>=', 12, 'months that are over their time');
sql($node, "CREATE TABLE kept AS SELECT a.event_id, a.leaf_index, l.leaf FROM twin.audit_log a, twin.audit_leaves(a.leaf_index, a.leaf_index) l WHERE a.$of_year AND a.leaf_index % 97 = 0");
my $size = sql($node, q{SELECT split_part(twin.audit_checkpoint(), E'\n', 2)});
my $proofs = "SELECT md5(string_agg(p::text, ',' ORDER BY k.event_id)) FROM kept k, twin.inclusion_proof(k.event_id, $size) p";
my $proven = sql($node, $proofs);
my $consistent = "SELECT twin.consistency_proof($size / 2, $size)";
my $consistency = sql($node, $consistent);
my $whole = q{SELECT ok, coalesce(reason, '') FROM twin.verify_audit_log()};
is(sql($node, $whole), 't|', 'the log is whole before');

# ---- killed, and killed again ----

sub call_in_background
{
	my ($out, $err) = ('', '');
	return IPC::Run::start([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port, '-c', 'CALL twin.apply_retention()', 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
}
sub await_server
{
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;
	sleep 0.3;
	while (time < $end)
	{
		return 1 if system("pg_isready -q -h @{[$node->host]} -p @{[$node->port]}") == 0;
		sleep 0.1;
	}
	return 0;
}
my $due = q{SELECT count(*) FROM twin_internal.overdue_partitions((SELECT p FROM twin_internal.retention_policies p WHERE policy_name = 'audit_logs'))};
my ($killed, $whole_between, $seen_between) = (0, 0, 0);
my $rounds = 20;
foreach my $round (1 .. $rounds)
{
	my $call = call_in_background();
	my $moment = time + 0.05 + rand(0.9);
	my $pid = '';
	while (time < $moment || $pid eq '')
	{
		$pid = sql($node, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'twin_security retention'});
		last if time > $moment + 2;
		sleep 0.02;
	}
	if ($round % 4 == 0)
	{
		$node->stop('immediate');
		eval { $call->finish };
		start();
		$killed++;
	}
	elsif ($pid ne '')
	{
		$killed += kill 'KILL', $pid;
		eval { $call->finish };
		await_server() or die 'no server';
	}
	else { eval { $call->finish } }
	next if $round % 5;
	my $answer = sql($node, $whole);
	$whole_between++ if $answer eq 't|';
	is($answer, 't|', "round $round: the log is whole (" . sql($node, $due) . ' months left)');
	is(sql($node, $proofs), $proven, '... and proofs are what they were');
	$seen_between += sql($node, q{SELECT count(*) FROM twin.retention_plan WHERE state IN ('archived', 'verified', 'detached')});
}
cmp_ok($killed, '>', 0, 'some were killed');
foreach (1 .. 5)
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', 'CALL twin.apply_retention()', stdout => \$out, stderr => \$err);
	last if $err !~ /WARNING|ERROR/;
	diag($err);
}

# ---- what is left ----

is(sql($node, $due), 0, 'nothing is due any more');
is(sql($node, q{SELECT count(*) FROM twin.retention_plan WHERE state <> 'dropped'}), 0, '... or half gone');
is(sql($node, q{SELECT count(*) - count(DISTINCT partition_name) FROM twin.retention_plan WHERE state = 'dropped'}), 0, 'each went once');
is(sql($node, q{SELECT count(*) - count(DISTINCT resource) FROM twin.audit_log WHERE event_type = 'partition_dropped'}), 0, '... as the log says');
is(sql($node, q{SELECT count(*) FROM twin.retention_plan p, twin.verify_archive(p.archive_file) v WHERE NOT v.ok OR v.rows <> p.rows OR v.reason IS NOT NULL}), 0, 'each has an archive that verifies')
	or diag(sql($node, q{SELECT * FROM twin.retention_plan p, twin.verify_archive(p.archive_file) v WHERE NOT v.ok OR v.rows <> p.rows OR v.reason IS NOT NULL}) . sql($node, q{SELECT event_id, resource, details FROM twin.audit_log WHERE event_type LIKE 'partition%' ORDER BY 1}) . sql($node, q{SELECT * FROM twin.verify_audit_log()}) . sql($node, 'SELECT * FROM twin.archives()'));
is(sql($node, qq{SELECT (SELECT coalesce(sum(p.rows), 0) FROM twin.retention_plan p WHERE p.to_time < '2017-03-01') + (SELECT count(*) FROM twin.audit_log WHERE $of_year)}), $before, 'every event is in the log or in an archive');
is(sql($node, q{SELECT count(*) FROM kept k WHERE NOT EXISTS (SELECT FROM twin.audit_log a WHERE a.event_id = k.event_id)
	AND k.event_id NOT IN (SELECT (j ->> 'event_id')::bigint FROM twin.retention_plan p, twin.read_archive(p.archive_file) j WHERE p.rows > 0)}), 0, '... and can be read there');
is(sql($node, $proofs), $proven, 'proofs are what they were');
is(sql($node, $consistent), $consistency, '... those of the tree, too');
ok(sealed(), 'all is sealed');
is(sql($node, $whole), 't|', 'and the log is whole');

# ---- the clock is set back into a month that is gone ----

set_clock_to(timegm(0, 0, 12, 10, 4, $year));
sql($node, q{SELECT twin.record_event('seen_again') FROM generate_series(1, 10)});
ok(poll(q{SELECT count(*) = 10 FROM twin.audit_log WHERE event_type = 'seen_again'}), 'what happens at a time that is gone is written');
set_clock_to(time);
ok(sealed(), '... and sealed');
poll(q{SELECT split_part(twin.audit_checkpoint(), E'\n', 2)::bigint > (SELECT max(leaf_index) FROM twin.audit_log WHERE event_type = 'seen_again')});
my ($said, $error) = ('', '');
$node->psql('postgres', 'CALL twin.apply_retention()', stdout => \$said, stderr => \$error);
unlike($error, qr/WARNING|ERROR/, '... and no matter for a run');
is(sql($node, q{SELECT (SELECT count(*) FROM twin.audit_log WHERE event_type = 'seen_again') + (SELECT count(*) FROM twin.retention_plan p, twin.read_archive(p.archive_file) j
	WHERE p.partition_name LIKE '%audit_2016_05' AND j ->> 'event_type' = 'seen_again')}), 10, '... it is in the log or in an archive');
ok(sealed(), '... all is sealed');
is(sql($node, $whole), 't|', '... and verified: that the clock was set back is in the log');
is((run_command([ 'ls', '-A', $archives ]))[0] =~ /\.new/ ? 1 : 0, 0, 'nothing half written is left in the folder');
$node->stop;
done_testing();

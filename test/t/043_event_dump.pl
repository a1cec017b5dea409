# Security events travel with a dump: partitions, overflow and the sequence of ids arrive whichever way it is restored,
# and neither what CREATE EXTENSION does there nor the writer's partitions stand in the way.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $source = new_node('source', conf => "twin_security.audit_enabled = off\n");    # what others do is not counted
start_with($source, $key);
my $aged = "UPDATE twin_internal.event_state SET created_at = now() - interval '2 hours'";
my $partitions = q{SELECT coalesce(string_agg(relid::regclass::text, ' ' ORDER BY relid::regclass::text), '') FROM pg_partition_tree('twin_internal.events') WHERE isleaf AND level = 2};

sub settle
{
	my ($node, $db) = @_;
	return $node->poll_query_until($db, 'SELECT ring_fill = 0 AND emitted = written + dropped FROM twin.stat_audit');
}

# events in partitions of several months, and some of a month without one
sql($source, q{CREATE EXTENSION twin_security; SELECT twin.record_event('early', details => jsonb_build_object('n', i)) FROM generate_series(1, 20) i});
settle($source, 'postgres');
edit_log($source, q{
	UPDATE twin_internal.events_overflow SET recorded_at = '2024-02-10', event_time = '2024-02-10' WHERE details ->> 'n' IN ('1', '2', '3', '4', '5');
	UPDATE twin_internal.events_overflow SET recorded_at = '2024-03-10', event_time = '2024-03-10', class = 'access' WHERE details ->> 'n' IN ('6', '7', '8', '9', '10')});
edit_log($source, "$aged; SELECT twin_internal.maintain_event_partitions()");
sql($source, q{SELECT twin.record_event('late', username => 'u' || i) FROM generate_series(1, 10) i});
settle($source, 'postgres');
edit_log($source, q{INSERT INTO twin_internal.events_overflow SELECT (e).* FROM (SELECT e FROM twin_internal.events e WHERE username = 'u10') s;
	DELETE FROM twin_internal.events WHERE username = 'u10'; UPDATE twin_internal.events_overflow SET recorded_at = '2024-04-10' WHERE username = 'u10'});
settle($source, 'postgres');
is(sql($source, q{SELECT count(*), (SELECT count(*) FROM twin_internal.events_overflow) FROM twin.audit_log WHERE event_type IN ('early', 'late')}), '30|1', 'the source has events in partitions and overflow');
$source->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'twin_security event writer'");

my $events = q{SELECT md5(string_agg(e::text, ' ' ORDER BY event_id)) FROM twin.audit_log e WHERE event_type IN ('early', 'late')};
my $events_were = sql($source, $events);
my $last_id = sql($source, 'SELECT max(event_id) FROM twin.audit_log');
my $all_were = sql($source, 'SELECT count(*) FROM twin.audit_log');
my $partitions_were = sql($source, $partitions);
my $indexes = q{SELECT count(*) FROM pg_index i WHERE indrelid IN (SELECT relid FROM pg_partition_tree('twin_internal.events') WHERE isleaf AND level = 2)};
my $indexes_were = sql($source, $indexes);

my $files = PostgreSQL::Test::Utils::tempdir();
my $from = "-d '" . $source->connstr('postgres') . "'";
my $psql = 'psql -X -q -v ON_ERROR_STOP=1';
my %ways = (
	plain => "pg_dump $from | $psql TO",
	single => "pg_dump $from | $psql -1 TO",
	inserts => "pg_dump --inserts $from | $psql TO",
	custom => "pg_dump -Fc $from -f $files/custom && pg_restore -e -j2 TO $files/custom",
	directory => "pg_dump -Fd -j2 $from -f $files/directory && pg_restore -e -j2 TO $files/directory",
	separate => "pg_dump -s $from | $psql TO && pg_dump -a $from | $psql TO",
	sections => "pg_dump -Fc $from -f $files/sections && for part in pre-data data post-data; do "
	  . "pg_restore -e --section=\$part TO $files/sections || exit 1; done");

foreach my $how (sort keys %ways)
{
	my @db = (db => $how);
	sql($source, "CREATE DATABASE $how");
	my $to = "-d '" . $source->connstr($how) . "'";
	my ($out, $err);
	IPC::Run::run([ 'bash', '-o', 'pipefail', '-c', $ways{$how} =~ s{\bTO\b}{$to}gr ], '>', \$out, '2>', \$err);
	is($?, 0, "$how: dump and restore succeed") or do { diag($err); next };
	is($err, '', "$how: without a word");
	is(sql($source, $events, @db), $events_were, "$how: the events are the same");
	is(sql($source, $partitions, @db), $partitions_were, "$how: in the same partitions");
	is(sql($source, $indexes, @db), $indexes_were, "$how: with the same indexes");
	is(sql($source, "SELECT twin.record_event('restored')", @db), $last_id + 1000, "$how: ids go on where they were");
	settle($source, $how);
	is(sql($source, $partitions, @db), $partitions_were, "$how: the writer makes no partitions yet");
	is(sql($source, q{SELECT count(*), count(DISTINCT event_id) FROM twin.audit_log}, @db), ($all_were + 1) . '|' . ($all_were + 1), "$how: and every event has its own id");
	edit_log($source, "$aged; SELECT twin_internal.maintain_event_partitions()", @db);
	settle($source, $how);
	is(sql($source, 'SELECT count(*) FROM twin_internal.events_overflow', @db), '0', "$how: later what lies in the overflow finds its partition");
	is(sql($source, $events, @db), $events_were, "$how: and is the same");

	# the extension can be dropped with months that a dump made
	sql($source, 'DROP EXTENSION twin_security', @db);
	is(sql($source, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'twin%'", @db), '0', "$how: nothing stays behind");
}

# ---- pg_upgrade ----

my $upgraded = new_node('upgraded', conf => "twin_security.audit_enabled = off\n");
sql($source, "DROP DATABASE $_") foreach keys %ways;
$source->stop;
{
	local $ENV{ENCRYPTION_KEY} = $key;
	my $bin = $source->config_data('--bindir');
	chdir $files;
	command_ok([ 'pg_upgrade', '-N', '-b', $bin, '-B', $bin, '-d', $source->data_dir, '-D', $upgraded->data_dir,
		'-p', $source->port, '-P', $upgraded->port, '-s', $source->host ], 'pg_upgrade');
}
start_with($upgraded, $key);
is(sql($upgraded, $events), $events_were, 'pg_upgrade: the events are the same');
is(sql($upgraded, $partitions), $partitions_were, 'pg_upgrade: in the same partitions');
is(sql($upgraded, "SELECT twin.record_event('upgraded')"), $last_id + 1000, 'pg_upgrade: ids go on');
ok(settle($upgraded, 'postgres'), 'pg_upgrade: and are written');
is(sql($upgraded, q{SELECT tableoid::regclass::text ~ 'events_audit_' FROM twin_internal.events WHERE event_type = 'upgraded'}), 't', 'pg_upgrade: into a partition');
$upgraded->stop;
done_testing();

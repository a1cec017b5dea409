# Security events travel with a dump: partitions, overflow and the sequence of ids arrive whichever way it is restored,
# and neither what CREATE EXTENSION does there nor the writer's partitions stand in the way.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $source = new_node('source', conf => "twin_security.audit_enabled = off\n");    # no events of commands; who comes in is one all the same
start_with($source, $key);
my $aged = "UPDATE twin_internal.event_state SET created_at = now() - interval '2 hours'; SELECT twin_internal.start_event_writer()";
my $partitions = q{SELECT coalesce(string_agg(relid::regclass::text, ' ' ORDER BY relid::regclass::text), '') FROM pg_partition_tree('twin_internal.events') WHERE isleaf AND level = 2};

sub settle { return events_written($_[0], db => $_[1]) }

# Waits, in one session, until all events are sealed and no writer is there: then the log stands still until somebody comes.
sub stand_still
{
	my ($node) = @_;
	return sql($node, q{DO $$ BEGIN FOR i IN 1..300 LOOP
		PERFORM pg_stat_clear_snapshot();
		EXIT WHEN (SELECT ring_fill = 0 AND seal_lag = '0' FROM twin.stat_audit)
			AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'twin_security event writer');
		PERFORM pg_sleep(0.1); END LOOP; END $$; SELECT max(event_id) FROM twin.audit_log});
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

# all that was recorded so far, sealed; what comes later has higher ids, and what a restore records itself has negative ones
my $last_id = stand_still($source);
my $events = "SELECT count(*) || ' ' || md5(string_agg(e::text, ' ' ORDER BY event_id)) FROM twin.audit_log e WHERE event_id BETWEEN 1 AND $last_id";
my $events_were = sql($source, $events);
sub last_given { return sql($source, 'SELECT last_value FROM twin_internal.event_id_seq') }
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
	my $id = sql($source, "SELECT twin.record_event('restored')", @db);
	# what was recorded in the restored database itself has taken a few since
	ok($id > $last_id && $id <= last_given() + 20_000, "$how: ids go on where they were") or diag($id);
	settle($source, $how);
	is(sql($source, $partitions, @db), $partitions_were, "$how: the writer makes no partitions yet");
	is(sql($source, q{SELECT count(*) = count(DISTINCT event_id), count(*) FILTER (WHERE event_type = 'restored') FROM twin.audit_log}, @db), 't|1', "$how: and every event has its own id");
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
# what the overflow holds would find its partition there as soon as somebody comes
edit_log($source, 'SELECT twin_internal.maintain_event_partitions()');
$partitions_were = sql($source, $partitions);
stand_still($source);
my $last_given = last_given();
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
my $id = sql($upgraded, "SELECT twin.record_event('upgraded')");
ok($id > $last_given && $id <= $last_given + 20_000, 'pg_upgrade: ids go on') or diag($id);
ok(settle($upgraded, 'postgres'), 'pg_upgrade: and are written');
is(sql($upgraded, q{SELECT tableoid::regclass::text ~ 'events_audit_' FROM twin_internal.events WHERE event_type = 'upgraded'}), 't', 'pg_upgrade: into a partition');
$upgraded->stop;
done_testing();

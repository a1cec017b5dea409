# Retention of the log where an archive of the partition is there already, and where a plan counted nothing before the events came:
# what is dropped is told of with all of its leaves, and the log is whole afterwards.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $archives = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('taken', conf => "fsync = off\ntwin_security.checkpoint_interval = 1\ntwin_security.archive_directory = '$archives'\ntwin_security.retention_interval = 0\n");
start_with($node, new_key());
sql($node, 'CREATE EXTENSION twin_security');

my $columns = q{class, event_type, severity, outcome, session_user_name, outer_user_name, effective_user_name, application_made, details, pid, origin};

# A month of the log, without events.
sub new_month
{
	my ($first) = @_;
	edit_log($node, "SELECT twin_internal.add_event_partition('audit', '$first')");
	return 'events_audit_' . $first =~ s/-01$//r =~ tr/-/_/r;
}

# Events for it, sealed and signed.
sub fill
{
	my ($part, $first, $events) = @_;
	sql($node, q{SELECT twin.record_event('pattern')});
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM twin_internal.event_rows WHERE event_type = 'pattern'}) or die 'not written';
	edit_log($node, qq{INSERT INTO twin_internal.events (event_id, event_time, recorded_at, writer_xid, xid, $columns)
		SELECT nextval('twin_internal.event_id_seq'), '$first', '$first', pg_current_xact_id(), pg_current_xact_id(), $columns
		FROM (SELECT * FROM twin_internal.event_rows WHERE event_type = 'pattern' LIMIT 1) e, generate_series(1, $events)});
	return $node->poll_query_until('postgres', "SELECT count(*) = $events AND (SELECT max(c.size) FROM twin_internal.checkpoints c) > max(s.first_leaf + s.leaves - 1)
		FROM twin_internal.sealed s JOIN twin_internal.$part e ON e.event_id = s.record_id");
}
sub dropped
{
	my ($part) = @_;
	return sql($node, "SELECT to_regclass('twin_internal.$part') IS NULL, (SELECT string_agg(rows || ' ' || state, ',') FROM twin.retention_plan WHERE partition_name = 'twin_internal.$part'),
		(SELECT string_agg(leaves::text, ',') FROM twin_internal.retired_leaves WHERE partition_name = 'twin_internal.$part')");
}
my $whole = q{SELECT ok, coalesce(reason, '') FROM twin.verify_audit_log()};

# ---- written before: by a run that was killed behind it, or by hand ----

my $part = new_month('2016-01-01');
fill($part, '2016-01-15', 1234) or fail('sealed and signed');
is(sql($node, "SELECT rows, leaf_set IS NOT NULL FROM twin_internal.write_archive('twin_internal.$part', '2016-01-01 00:00:00+00', '2016-02-01 00:00:00+00')"), '1234|t', 'an archive');
sql($node, 'CALL twin.apply_retention()');
is(dropped($part), 't|1234 dropped|1234', 'one that is there is taken with its events and leaves');
is(sql($node, "SELECT count(*) FROM twin.archives()"), 1, '... and no other is written');
is(sql($node, $whole), 't|', '... and the log is whole');

# ---- counted while it was empty ----

sql($node, q{SELECT twin.set_retention_policy('audit_logs', archive => false)});
$part = new_month('2016-03-01');
sql($node, 'CALL twin.apply_retention(dry_run => true)');
is(sql($node, "SELECT rows FROM twin.retention_plan WHERE partition_name = 'twin_internal.$part'"), 0, 'a plan counts nothing');
fill($part, '2016-03-15', 77) or fail('sealed and signed');
sql($node, 'CALL twin.apply_retention()');
is(dropped($part), 't|77 dropped|77', 'what came since is told of');
is(sql($node, $whole), 't|', '... and the log is whole');

done_testing();

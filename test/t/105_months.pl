# A new month comes: its partitions are made without a word, as the log goes on; whoever else touches a table of the log
# is told as ever.
use strict;
use warnings;

use lib 'test/t/lib';
use TwinTest;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('months');
my %clock = clock_of($node);
start_with($node, new_key(), undef, %clock);
sql($node, 'CREATE EXTENSION twin_security');
is(sql($node, q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'twin_internal.events_audit'::regclass}), 0, 'no month in the first hour');

for my $month (1 .. 3)
{
	set_clock($node, $month * 32 * 86400);
	sql($node, "SELECT twin.record_event('a_new_month')");
	ok($node->poll_query_until('postgres', "SELECT count(*) = $month AND bool_and(tableoid <> 'twin_internal.events_overflow'::regclass)
		FROM (SELECT tableoid, event_type FROM twin_internal.events UNION ALL SELECT tableoid, event_type FROM twin_internal.events_overflow) e
		WHERE event_type = 'a_new_month'"), "month $month has partitions");
}
my $told = q{SELECT count(*) FROM twin.audit_log WHERE event_type IN ('audit_disabled', 'audit_enabled', 'configuration_change') AND resource LIKE 'twin_internal.events%'};
events_written($node);
is(sql($node, $told), 0, 'nobody is told that guards of the log were switched');
ok($node->poll_query_until('postgres', 'SELECT next_leaf >= size FROM twin_internal.monitor_position, twin_internal.ledger_state'), 'rules saw all of it');
# a clock that jumps makes events wait for months to be sealed, which is told and is not meant here
is(sql($node, q{SELECT count(*) FROM twin.alerts a JOIN twin.audit_log l ON l.event_id = ANY (a.event_ids) WHERE a.rule_name = 'audit_silenced' AND l.event_type <> 'audit_sealing_delayed'}), 0, 'nor alarmed');
is(sql($node, 'SELECT ok FROM twin.verify_audit_log()'), 't', 'the log holds');

my $partition = sql($node, q{SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'twin_internal.events_error'::regclass});
fails_with($node, 'SELECT twin_internal.open_log_for_retention()', '42501', 'by its own worker alone');
edit_log($node, "DROP TABLE $partition");
events_written($node);
cmp_ok(sql($node, $told), '>', 0, 'a superuser who drops one is told');

$node->stop;
done_testing();

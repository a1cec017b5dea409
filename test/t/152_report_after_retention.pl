# A compliance report of a time says the same before retention drops the log of that time and after it: months pass on a server whose clock
# is set, and CALL twin.apply_retention() archives and drops them. What each user did to data is counted by itself.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $archives = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('dropped', conf => "fsync = off\nmax_worker_processes = 16\ntwin_security.retention_interval = 0\ntwin_security.archive_directory = '$archives'\n");
my %clock = clock_of($node);
sub set_days_ago { my ($days) = @_; return set_clock($node, -86400 * $days) }
set_days_ago(400);
start_with($node, new_key(), undef, %clock);
sql($node, q{CREATE EXTENSION twin_security; UPDATE twin.alert_rules SET enabled = false;
	CREATE TABLE readings (id bigint GENERATED ALWAYS AS IDENTITY, v integer); SELECT twin.audit_table('readings');
	CREATE ROLE writes LOGIN; CREATE ROLE changes LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON readings TO writes, changes});

sub counted { return events_counted($node) }

# ---- months pass ----

foreach my $days (400, 365, 330, 295)
{
	set_days_ago($days);
	sql($node, q{INSERT INTO readings (v) SELECT i FROM generate_series(1, 250) i}, user => 'writes');
	sql($node, q{INSERT INTO readings (v) SELECT i FROM generate_series(1, 5) i; UPDATE readings SET v = 0 WHERE v <= 40; DELETE FROM readings}, user => 'changes');
	sql($node, q{SELECT count(twin.record_event((array['login_success', 'login_failure', 'permission_denied', 'valve_opened'])[1 + i % 4], username => 'user' || i % 7, event_time => now() - i * interval '1 minute'))
		FROM generate_series(1, 300) i});
	ok(counted(), "$days days ago");
}
set_days_ago(0);
sql($node, q{SELECT twin.record_event('wakes')});
ok(counted(), 'today');

# ---- what each user did ----

my ($from, $to, $half) = split /\|/, sql($node, q{SELECT date_trunc('hour', now() - interval '402 days', 'UTC'), date_trunc('hour', now() - interval '200 days', 'UTC'),
	date_trunc('hour', now() - interval '330 days 2 hours', 'UTC') + interval '17 minutes'});
my $by_user = qq{SELECT string_agg(concat_ws(' ', u ->> 'name', u ->> 'is', u ->> 'data_access'), ', ' ORDER BY u ->> 'name')
	FROM jsonb_array_elements(twin.compliance_report('$from', '$to') #> '{events_by_user,top}') u WHERE u ->> 'name' IN ('writes', 'changes', 'user1')};
my $of_log = sql($node, qq{SELECT string_agg(concat_ws(' ', name, kind, events), ', ' ORDER BY name) FROM (SELECT n.name, CASE WHEN n.name = 'user1' THEN 'user' ELSE 'role' END AS kind,
		(SELECT count(*) FROM twin.audit_log l WHERE coalesce(l.username, l.session_user_name) = n.name AND l.event_type IN ('create', 'read', 'update', 'delete', 'truncate', 'decrypt')
			AND l.event_time >= '$from' AND l.event_time < '$to') AS events
	FROM (VALUES ('writes'), ('changes'), ('user1')) n (name)) c});
like($of_log, qr/writes role 1000$/, 'rows of data that a user created are in the log');
is(sql($node, $by_user), $of_log, '... and each user has his own in the report');

# ---- what else is to be known of that time, and of today ----

$node->append_conf('postgresql.conf', 'twin_security.audit_enabled = off');
$node->reload;
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM twin.audit_gaps}) or die 'no gap';
$node->append_conf('postgresql.conf', 'twin_security.audit_enabled = on');
$node->reload;
$node->poll_query_until('postgres', q{SELECT bool_and(to_time IS NOT NULL) FROM twin.audit_gaps}) or die 'no end of it';
my $hold = sql($node, q{SELECT twin.place_legal_hold('Doe v. Twin', 'error_logs', '2000-01-01', '2000-02-01')});
sql($node, "SELECT twin.release_legal_hold($hold, 'settled')");

# ---- retention ----

# What a report counts of a time.
sub counts
{
	my ($begin, $end) = @_;
	return sql($node, qq{SELECT jsonb_pretty(r - '{alerts,controls,events_dropped,gaps,key_rotations_due,legal_holds,log,report,reporting_period,retention,security_check,security_incidents}'::text[])
		FROM twin.compliance_report('$begin', '$end') r});
}
my %before = map { ("@$_" => counts(@$_)) } ([ $from, $to ], [ $from, $half ]);
my $whole_hour = sql($node, "SELECT date_trunc('hour', '$half'::timestamptz, 'UTC') + interval '1 hour'");
$before{"$from $whole_hour"} = counts($from, $whole_hour);
my $leaves = qq{SELECT count(*) FROM twin.audit_log WHERE event_time >= '$from' AND event_time < '$to'};
cmp_ok(sql($node, $leaves), '>', 2000, 'the log has it all');
sql($node, q{SELECT twin.set_retention_policy('audit_logs', keep => '100 days'), twin.set_retention_policy('access_logs', keep => '100 days'), twin.set_retention_policy('error_logs', keep => '100 days')});
sql($node, 'CALL twin.apply_retention()');
cmp_ok(sql($node, q{SELECT count(*) FROM twin_internal.retention_items WHERE state = 'dropped'}), '>=', 3, 'retention drops months');
is(sql($node, $leaves), '0', '... and the log of that time is gone');
is(counts($from, $to), $before{"$from $to"}, '... of which the report says what it said');
is(sql($node, $by_user), $of_log, '... of each user, too');
is(sql($node, qq{SELECT r #>> '{reporting_period,is_widened}' FROM twin.compliance_report('$from', '$to') r}), 'false', '... of just that time');
is(sql($node, qq{SELECT r #>> '{reporting_period,is_widened}', (r #>> '{reporting_period,to}')::timestamptz = '$whole_hour' FROM twin.compliance_report('$from', '$half') r}), 'true|t', 'a part of an hour is the whole hour now');
is(counts($from, $half), $before{"$from $whole_hour"}, '... as it was before');
isnt($before{"$from $half"}, $before{"$from $whole_hour"}, '... and there was something in the rest of it');

# ---- the report of today says how it came about ----

ok(counted(), 'all is counted');
my $today = q{twin.compliance_report(now() - interval '1 day', now() + interval '1 second') r};
is(sql($node, qq{SELECT (SELECT string_agg(d ->> 'partition_name', ' ' ORDER BY d ->> 'partition_name') FROM jsonb_array_elements(r #> '{retention,dropped}') d)
		= (SELECT string_agg(partition_name, ' ' ORDER BY partition_name COLLATE "default") FROM twin_internal.retention_items WHERE state = 'dropped'),
	jsonb_array_length(r #> '{retention,runs}'), r #>> '{retention,runs,0,failures}', jsonb_array_length(r #> '{retention,failures}'),
	(SELECT bool_and(p ->> 'last_success' IS NOT NULL) FROM jsonb_array_elements(r #> '{retention,policies}') p) FROM $today}), 't|1|0|0|t', 'which run dropped what');
is(sql($node, qq{SELECT r #>> '{legal_holds,0,case_ref}', jsonb_array_length(r -> 'legal_holds'), r #> '{legal_holds,0}' ? 'subject' FROM $today}), 'Doe v. Twin|1|f', 'which holds were in force, and not about whom');
is(sql($node, qq{SELECT jsonb_array_length(r -> 'gaps'), (r #>> '{gaps,0,to_time}')::timestamptz > (r #>> '{gaps,0,from_time}')::timestamptz FROM $today}), '1|t', 'when nothing was recorded');
is(sql($node, qq{SELECT r #>> '{log,checkpoint,note}' = n.note, r #>> '{log,checkpoint,size}' = split_part(n.note, E'\\n', 2), r #>> '{log,checkpoint,root}' = split_part(n.note, E'\\n', 3)
	FROM $today, (SELECT twin.audit_checkpoint()) n (note)}), 't|t|t', 'and of which checkpoint it speaks');

done_testing();

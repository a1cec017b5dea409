# Incidents over time and across sessions: enhanced monitoring that ends by itself, restarts, crashes, who waits for whom, dumps, and who may.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $node = new_node('incidents', conf => "max_worker_processes = 16\n");
my @keys = (my $key = new_key(), undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others', clock_of($node));
start_with($node, @keys);

sql($node, 'CREATE EXTENSION twin_security');
sql($node, q{
	ALTER ROLE twin_gateway LOGIN;
	CREATE ROLE reader LOGIN;
	CREATE TABLE quiet (id int PRIMARY KEY); CREATE TABLE noted (id int PRIMARY KEY); CREATE TABLE plain (id int PRIMARY KEY); CREATE TABLE late (id int PRIMARY KEY);
	CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
	GRANT SELECT ON quiet, noted, plain, late, parts, parts_1 TO reader;
	SELECT twin.audit_table('quiet'), twin.audit_table('parts'), twin.audit_table('noted', reads => true);
	SELECT twin.create_user(n, 'Umbrella-Gravel-77!' || n, role_name => r) FROM (VALUES ('boss', 'admin'), ('mallory', 'viewer'), ('trent', 'viewer')) v (n, r);
	INSERT INTO twin.alert_rules (rule_name, event_types, subject, playbook, is_automatic) VALUES ('tap_address', '{none}', 'address', 'brute_force_attack', true), ('tap_user', '{none}', 'user', 'privilege_escalation', true)});

# ---- enhanced monitoring ----

# Which tables' reads a session's statement left in the log.  The session knows already how it was before.
my $session = $node->background_psql('postgres', extra_params => [ '-U', 'reader' ]);
my $all = 'SELECT count(*) FROM quiet; SELECT count(*) FROM noted; SELECT count(*) FROM plain; SELECT count(*) FROM late; SELECT count(*) FROM parts; SELECT count(*) FROM parts_1; COPY quiet TO STDOUT';
my $seen = 0;
sub reads
{
	my ($how) = @_;
	events_written($node);
	$seen = sql($node, q{SELECT coalesce(max(event_id), 0) FROM twin.audit_log});
	$how ? $how->query_safe($all) : sql($node, $all, user => 'reader');
	sleep 0.2;
	events_written($node);
	return sql($node, "SELECT string_agg(DISTINCT resource, ' ' ORDER BY resource) FROM twin.audit_log WHERE event_id > $seen AND event_type = 'read' AND session_user_name = 'reader'");
}
sub open_breach
{
	my ($duration) = @_;
	sql($node, qq{UPDATE twin.playbooks SET steps = '[{"step": "enhance_monitoring", "duration": "$duration"}]' WHERE playbook = 'data_breach'});
	return sql($node, q{SELECT twin.open_incident('data_breach')});
}
my $before = 'public.noted';
my $every = 'public.noted public.parts public.quiet';
my $kept = sql($node, 'SELECT jsonb_agg(t ORDER BY t.relation) FROM twin_internal.audited_tables t');
is(reads($session), $before, 'what is asked for is recorded');
my $first = open_breach('1 hour');
is(reads($session), $every, 'enhanced monitoring records reads of every audited table, in sessions that were there');
is(reads(), $every, '... and in new ones');
sql($node, q{SELECT twin.audit_table('late')});
is(reads($session), 'public.late ' . $every, '... of tables that come to be audited, too');
sql($node, q{SELECT twin.unaudit_table('late')});
my $second = open_breach('2 hours');
sql($node, "SELECT twin.revert_incident('$first')");
is(reads($session), $every, 'what another incident holds goes on');
sql($node, "BEGIN; SELECT twin.revert_incident('$second'); ROLLBACK");
is(reads($session), $every, '... and what is rolled back');
sql($node, "SELECT twin.revert_incident('$second')");
is(reads($session), $before, 'when the last is reverted it is as it was');
is(sql($node, 'SELECT jsonb_agg(t ORDER BY t.relation) FROM twin_internal.audited_tables t'), $kept, '... to the letter');
sql($node, q{CREATE ROLE writer LOGIN; GRANT pg_write_all_data, pg_read_all_data TO writer});
my $third = open_breach('1 hour');
fails_with($node, "$_ twin_internal.enhanced_reads", '42501', '', "nobody ends it by hand: $_", user => 'writer') foreach 'DELETE FROM', 'TRUNCATE';
sql($node, "SELECT twin.revert_incident('$third')");

# over by itself, though the server crashed in between
my $fourth = open_breach('10 minutes');
is(reads($session), $every, 'for a while');
eval { $session->quit };
$node->stop('immediate');
start_with($node, @keys);
is(reads(), $every, 'a crash does not end it');
$session = $node->background_psql('postgres', extra_params => [ '-U', 'reader' ]);
is(reads($session), $every, '... nor for who comes then');
set_clock($node, 601);
is(reads($session), $before, 'it ends when its time is over, in a session that was there');
ok($node->poll_query_until('postgres', "SELECT note = 'the time was over' FROM twin_internal.incident_actions WHERE incident_id = '$fourth'"), '... which is told without anybody asking');
is(sql($node, "SELECT timeline -> -1 ->> 'by' FROM twin.incidents WHERE incident_id = '$fourth'"), 'twin_security', '... in the timeline');
events_written($node);
is(sql($node, "SELECT string_agg(event_type || ' ' || action, ', ' ORDER BY event_id) FROM twin.audit_log WHERE resource = '$fourth' AND event_type LIKE 'monitoring%'"), 'monitoring_enhanced begin, monitoring_restored expire', '... and in the log');
is(sql($node, 'SELECT count(*) FROM twin_internal.enhanced_reads'), '0', 'nothing is left of it');
my $fifth = open_breach('1 second');
ok($node->poll_query_until('postgres', "SELECT note = 'the time was over' FROM twin_internal.incident_actions WHERE incident_id = '$fifth'"), 'one that begins later ends, too');
$session->quit;

# ---- who waits for whom ----

sub alert { my ($rule, $subject, $in) = @_; my $raise = "SELECT twin_internal.raise_alert('$rule', 'high', '$subject', 5, '{}')"; return $in ? $in->query_safe($raise) : sql($node, $raise) }
sub of_subject { return sql($node, "SELECT coalesce(max(incident_id), '') FROM twin.alerts WHERE subject = '$_[0]'") }
sub actions { return sql($node, "SELECT string_agg(concat_ws(' ', a ->> 'state', a ->> 'action', a ->> 'target'), ', ' ORDER BY o) FROM twin.incidents i, jsonb_array_elements(i.actions) WITH ORDINALITY u(a, o) WHERE i.incident_id = '$_[0]'") }
my ($one, $two) = map { $node->background_psql('postgres', on_error_stop => 0) } 1, 2;
$_->query_safe('BEGIN') foreach $one, $two;
my $number = sql($node, q{SELECT max(substr(incident_id, 14)::int) FROM twin.incidents});
my ($id_one) = $one->query_safe(q{SELECT twin.open_incident('other')}) =~ /-(\d+)$/;
my ($id_two) = $two->query_safe(q{SELECT twin.open_incident('other')}) =~ /-(\d+)$/;
is(($id_one - $number) . ($id_two - $number), '12', 'two open incidents at once, and neither waits for the other');
$one->query_safe('ROLLBACK');
$two->query_safe('ROLLBACK');
like(sql($node, q{SELECT twin.open_incident('other')}), qr/-0*$id_one$/, 'a number that was rolled back is given again');
$one->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
my $newer = sql($node, q{SELECT twin.open_incident('other')});
session_fails($one, q{SELECT twin.open_incident('other')}, '40001', 'a snapshot that does not see the last one repeats the transaction');
$one->query_safe('ROLLBACK');

$_->query_safe('BEGIN') foreach $one, $two;
alert('tap_address', '203.0.113.1', $one);
alert('tap_address', '203.0.113.2', $two);
$_->query_safe('COMMIT') foreach $one, $two;
isnt(of_subject('203.0.113.1'), of_subject('203.0.113.2'), 'two alerts at once, in transactions that do not see each other, open one incident each');
alert('tap_address', '203.0.113.3');
my ($joined) = grep { $_ eq of_subject('203.0.113.3') } of_subject('203.0.113.1'), of_subject('203.0.113.2');
ok($joined, '... and the next joins one of them');
is(sql($node, q{SELECT string_agg(abbrev(address), ' ' ORDER BY address) FROM twin.blocked_addresses}), '203.0.113.1 203.0.113.2 203.0.113.3', 'all are blocked');
sql($node, q{SELECT twin.close_incident(incident_id, 'x') FROM twin.incidents WHERE incident_id = '} . (grep { $_ ne $joined } of_subject('203.0.113.1'), of_subject('203.0.113.2'))[0] . q{'});
$one->query_safe("BEGIN; SELECT twin.note_incident('$joined', 'at work on it')");
my $start = time;
alert('tap_address', '203.0.113.4');
is_soon($start, 'an alert waits for nobody who is at work on an incident');
isnt(of_subject('203.0.113.4'), $joined, '... it opens another');
$one->query_safe('COMMIT');

# two incidents hold the same, and both are reverted at once; one is reverted while another comes to hold
sql($node, q{SELECT twin.create_user('victor', 'Umbrella-Gravel-77!victor')});
sub of_victor { return sql($node, q{SELECT twin.open_incident('privilege_escalation', '{"user": "victor"}')}) }
my @both = (of_victor(), of_victor());
$one->query_safe("BEGIN; SELECT twin.revert_incident('$both[0]')");
begin_query($two, "SELECT twin.revert_incident('$both[1]');");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'advisory'}), 'who reverts the second waits for who reverts the first');
$one->query_safe('COMMIT');
$two->query_safe('SELECT 1');
is(sql($node, q{SELECT is_active FROM twin.users WHERE username = 'victor'}), 't', '... and the last of them lets the user go');
my $third_hold = of_victor();
$one->query_safe("BEGIN; SELECT twin.revert_incident('$third_hold')");
begin_query($two, q{SELECT twin.open_incident('privilege_escalation', '{"user": "victor"}');});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'advisory'}), 'who comes to hold a user waits for who lets him go');
$one->query_safe('COMMIT');
$two->query_safe('SELECT 1');
is(sql($node, q{SELECT is_active FROM twin.users WHERE username = 'victor'}), 'f', '... and disables him again');

$one->query_safe(q{BEGIN; SELECT twin.set_password('mallory', 'Gravel-Umbrella-78!')});
$start = time;
alert('tap_user', 'mallory');
my $held = of_subject('mallory');
is_soon($start, 'an alert waits no longer than a second for a user whom somebody holds');
like(actions($held), qr/^failed disable_user mallory, (?:pending|failed) end_sessions mallory$/, '... what could not be done is noted');
is(sql($node, "SELECT status FROM twin.incidents WHERE incident_id = '$held'"), 'open', '... and left open');
$one->query_safe('COMMIT');
ok($node->poll_query_until('postgres', "SELECT status = 'contained' FROM twin.incidents WHERE incident_id = '$held'"), '... and is tried again by itself');
is(actions($held), 'done disable_user mallory, done end_sessions mallory', '... until it is done');
$_->quit foreach $one, $two;

# as the writer of events raises them: in its process, on behalf of nobody
sql($node, 'CREATE DATABASE written');
sql($node, 'CREATE EXTENSION twin_security', db => 'written');
sql($node, q{
	SELECT twin.create_user(n, 'Umbrella-Gravel-77!' || n, role_name => r) FROM (VALUES ('boss', 'admin'), ('mallory', 'viewer')) v (n, r);
	INSERT INTO twin.playbooks (playbook, steps) VALUES ('tap_all', '[{"step": "block_addresses"}, {"step": "disable_users"}, {"step": "end_sessions"}, {"step": "enhance_monitoring"}, {"step": "record_event", "event_type": "drill"}, {"step": "notify"}]');
	INSERT INTO twin.alert_rules (rule_name, event_types, subject, playbook, is_automatic) VALUES ('tap_all', '{none}', 'user', 'tap_all', true);
	CREATE FUNCTION raise_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		PERFORM twin_internal.raise_alert('tap_all', 'high', OLD.reason, 5, '{}', '{"addresses": ["203.0.113.1", "127.0.0.1"]}'); RETURN NULL; END $$;
	CREATE TRIGGER raise_it AFTER DELETE ON twin_internal.enhanced_reads FOR EACH ROW WHEN (OLD.reason NOT LIKE 'INC-%') EXECUTE FUNCTION raise_it()}, db => 'written');
sub in_writer { my ($subject) = @_; return "INSERT INTO twin_internal.enhanced_reads (reason, until) VALUES ('$subject', clock_timestamp())" }    # which it deletes
my $holder = $node->background_psql('written', on_error_stop => 0);
$holder->query_safe(q{BEGIN; SELECT twin.set_password('mallory', 'Gravel-Umbrella-78!')});
sql($node, in_writer('mallory'), db => 'written');
my $state = q{SELECT string_agg(concat_ws(' ', a ->> 'state', a ->> 'action', a ->> 'target'), ', ' ORDER BY o) FROM twin.incidents i, jsonb_array_elements(i.actions) WITH ORDINALITY u(a, o)};
ok($node->poll_query_until('written', 'SELECT count(*) = 1 FROM twin.incidents'), 'the writer of events opens an incident');
ok($node->poll_query_until('written', "SELECT ($state) = 'refused block_address 127.0.0.1, done block_address 203.0.113.1, failed disable_user mallory, failed end_sessions mallory, done enhance_monitoring, done record_event, done notify'"), '... and does what does not wait for others');
ok(events_written($node, db => 'written'), '... and goes on writing');
$holder->query_safe('COMMIT');
$holder->quit;
ok($node->poll_query_until('written', "SELECT ($state) = 'refused block_address 127.0.0.1, done block_address 203.0.113.1, done disable_user mallory, done end_sessions mallory, done enhance_monitoring, done record_event, done notify'"),
	'... and tries the rest again, but for what it must not do');
sql($node, q{UPDATE twin.alert_rules SET playbook = 'brute_force_attack'; ALTER TABLE twin_internal.incidents ADD CHECK (incident_type <> 'brute_force_attack'); } . in_writer('nobody'), db => 'written');
ok($node->poll_query_until('written', "SELECT count(*) = 1 FROM twin.alerts WHERE subject = 'nobody' AND incident_id IS NULL"), 'an alert stays, though no incident can be opened');
ok($node->poll_query_until('written', "SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'incident_failed' AND severity = 'high'"), '... which is told');

# what did not commit did not happen; what did is there after a crash
my $crashing = $node->background_psql('postgres', on_error_stop => 0);
$crashing->query_safe('BEGIN');
alert('tap_user', 'trent', $crashing);
events_written($node);
$node->stop('immediate');
eval { $crashing->quit };
start_with($node, @keys);
is(of_subject('trent') . sql($node, q{SELECT is_active FROM twin.users WHERE username = 'trent'}), 't', 'a crash before the commit: no alert, no incident, and the user is as he was');
alert('tap_user', 'trent');
$node->stop('immediate');
start_with($node, @keys);
is(actions(of_subject('trent')) . sql($node, q{SELECT is_active FROM twin.users WHERE username = 'trent'}),
	'done disable_user mallory, done disable_user trent, done end_sessions mallory, done end_sessions trentf', '... after it: all of them');

# ---- who may ----

my $tenant = sql($node, q{SELECT twin.create_tenant('north')});
sub as
{
	my ($claims, $do) = @_;
	my $token = sql($node, qq{SELECT twin.issue_token('$claims')});
	return answer_of($node, "BEGIN; SET LOCAL ROLE twin_admin; SELECT twin.authenticate('$token') \\g /dev/null\n$do; COMMIT", user => 'twin_gateway');
}
my $boss = sql($node, q{SELECT user_id FROM twin.users WHERE username = 'boss'});
like(as(qq({"user_id": "$boss", "role": "admin"}), q{SELECT twin.open_incident('other')}), qr/INC-/, 'an administrator by his token');
is(sql($node, q{SELECT timeline -> 0 ->> 'by' FROM twin.incidents ORDER BY incident_id DESC LIMIT 1}), 'boss', '... under his name');
like(as(qq({"user_id": "900", "role": "admin", "tenant_id": $tenant}), $_), qr/^42501: .*belongs to a tenant/s, "not one of a tenant: $_")
	foreach q{SELECT twin.open_incident('other')}, q{SELECT * FROM twin.incidents}, q{SELECT * FROM twin.alerts}, q{DELETE FROM twin.playbooks}, "SELECT twin.approve_incident('$held')", "SELECT twin.revert_incident('$held')";
fails_with($node, "SET ROLE twin_admin; $_", '42501', '', "nor a token-only login without one: $_", user => 'twin_gateway') foreach q{SELECT twin.open_incident('other')}, q{UPDATE twin.playbooks SET steps = '[]'};

# ---- what is told ----

my $refused = sql($node, q{SELECT twin.open_incident('brute_force_attack', '{"address": "127.0.0.1"}')});
sql($node, "SELECT twin.approve_incident('$refused'), twin.assign_incident('$refused', 'boss')");
events_written($node);
is(sql($node, q{SELECT string_agg(DISTINCT event_type, ' ' ORDER BY event_type) FROM twin.audit_log WHERE event_type LIKE 'incident%' AND outcome = 'success'}),
	'incident_action incident_approved incident_assigned incident_closed incident_contained incident_noted incident_opened incident_reverted', 'the log has what happened');

# ---- dumps ----

alert('tap_address', '203.0.113.99');
sql($node, q{DELETE FROM twin.playbooks WHERE playbook = 'privilege_escalation'; INSERT INTO twin.playbooks (playbook, steps) VALUES ('own', '[{"step": "notify"}]');
	CREATE TABLE told AS SELECT i.* FROM twin.incidents i; UPDATE twin_internal.alerts SET incident_id = NULL WHERE subject = '203.0.113.99'});
my $sixth = open_breach('3 hours');
sql($node, q{DROP TABLE told; CREATE TABLE told AS SELECT i.* FROM twin.incidents i});
my $dump = $node->basedir . '/incidents.dump';
foreach my $round (1, 2)    # a dump of what was restored is no different
{
	my $from = $round == 1 ? 'postgres' : 'round_1';
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr($from) ], "dump $round");
	sql($node, "CREATE DATABASE round_$round");
	my ($out, $err);
	IPC::Run::run([ 'pg_restore', '-d', $node->connstr("round_$round"), $dump ], '>', \$out, '2>', \$err);
	unlike($err, qr/incident|playbook|enhanced_reads|already exists|duplicate key/, "restore $round");
	is(sql($node, 'SELECT count(*) FROM (SELECT * FROM told EXCEPT SELECT * FROM twin.incidents) d', db => "round_$round"), '0', 'incidents and their timelines are there');
	is(sql($node, q{SELECT string_agg(playbook, ' ' ORDER BY playbook) FROM twin.playbooks}, db => "round_$round"), 'brute_force_attack data_breach own', 'playbooks are as they were');
	is(sql($node, q{SELECT steps -> 0 ->> 'duration' FROM twin.playbooks WHERE playbook = 'data_breach'}, db => "round_$round"), '3 hours', '... the changed one, too');
	is(sql($node, q{SELECT count(*) FROM twin.incidents}, db => "round_$round"), sql($node, q{SELECT count(*) FROM told}), 'restored alerts open nothing');
	is(sql($node, q{SELECT string_agg(reason, ' ') FROM twin.enhanced_monitoring}, db => "round_$round"), $sixth, 'enhanced monitoring goes on');
	like(sql($node, q{SELECT twin.open_incident('other')}, db => "round_$round"), qr/^INC-/, 'new incidents find a number');
	sql($node, q{DELETE FROM twin_internal.incident_entries e WHERE NOT EXISTS (SELECT FROM told t WHERE t.incident_id = e.incident_id); DELETE FROM twin_internal.incidents i WHERE NOT EXISTS (SELECT FROM told t WHERE t.incident_id = i.incident_id)}, db => "round_$round");
}
$node->stop;
done_testing();

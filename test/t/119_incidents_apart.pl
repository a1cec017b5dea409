# Incidents apart from each other, from their copies and from tenants: what waits for a lock keeps nothing else waiting, a database that a dump
# made tries nothing again, and no tenant is told when the log grows.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my @keys = (new_key(), undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others');
my $node = new_node('apart', conf => "max_worker_processes = 16\n");
start_with($node, @keys);
sql($node, q{CREATE EXTENSION twin_security; ALTER ROLE twin_gateway LOGIN;
	SELECT twin.create_user('boss', 'Umbrella-Gravel-77!boss', role_name => 'admin');
	SELECT twin.create_user('u' || n, 'Umbrella-Gravel-77!u' || n) FROM generate_series(1, 4) n;
	INSERT INTO twin.alert_rules (rule_name, event_types, subject, playbook, is_automatic) VALUES ('tap_user', '{none}', 'user', 'privilege_escalation', true), ('tap_address', '{none}', 'address', 'brute_force_attack', true)});

sub alert { my ($rule, $subject, $details) = @_; return sql($node, "SELECT twin_internal.raise_alert('$rule', 'high', '$subject', 5, '{}', '" . ($details // '{}') . "')") }
sub of_subject { return sql($node, "SELECT coalesce(max(incident_id), '') FROM twin.alerts WHERE subject = '$_[0]'") }
sub states { my ($id, $action, $db) = @_; return sql($node, "SELECT string_agg(a.target || ' ' || a.state, ', ' ORDER BY a.target) FROM twin_internal.incident_actions a WHERE a.incident_id = '$id' AND a.action = '$action'", db => $db) }

# ---- one who is held ----

my $holder = $node->background_psql('postgres', on_error_stop => 0);
$holder->query_safe(q{BEGIN; SELECT twin.set_password('u1', 'Gravel-Umbrella-78!')});
my $began = time;
alert('tap_user', 'u1', '{"users": ["u2", "u3", "u4"]}');
my $held = of_subject('u1');
is_soon($began, 'an alert waits for one whom somebody holds, and for nobody else');
is(states($held, 'disable_user'), 'u1 failed, u2 pending, u3 pending, u4 pending', '... the rest is left for later') or diag(time - $began);
ok($node->poll_query_until('postgres', "SELECT count(*) = 3 FROM twin_internal.incident_actions WHERE incident_id = '$held' AND action = 'disable_user' AND state = 'done'"), '... which comes by itself, though that one is held still');
is(states($held, 'disable_user'), 'u1 failed, u2 done, u3 done, u4 done', '... for all others');
is(sql($node, "SELECT status FROM twin.incidents WHERE incident_id = '$held'"), 'open', '... and the incident is open');

# who holds an incident of which much is due does not keep another's action waiting
my $other = sql($node, q{SELECT twin.open_incident('other')});
my $crowded = sql($node, q{SELECT twin.open_incident('other')});
$holder->query_safe('ROLLBACK');
ok($node->poll_query_until('postgres', "SELECT status = 'contained' FROM twin.incidents WHERE incident_id = '$held'"), 'when he is let go he is disabled, too');
my $worker = $node->background_psql('postgres', on_error_stop => 0);
$worker->query_safe("BEGIN; SELECT twin.note_incident('$crowded', 'at work on it')");
sql($node, "INSERT INTO twin_internal.incident_actions (incident_id, step, action, target, argument, state, again_at)
	SELECT '$crowded', 1, 'block_address', '203.0.113.' || n, '{}'::jsonb, 'failed', now() - interval '1 hour' FROM generate_series(1, 150) n
	UNION ALL SELECT '$other', 1, 'block_address', '198.51.100.1', '{}'::jsonb, 'failed', now()");
ok($node->poll_query_until('postgres', "SELECT state = 'done' FROM twin_internal.incident_actions WHERE incident_id = '$other'"), 'an incident that somebody is at work on keeps no other waiting');
is(sql($node, "SELECT count(*) FROM twin_internal.incident_actions WHERE incident_id = '$crowded' AND state = 'failed'"), '150', '... and is let be meanwhile');
$worker->query_safe('COMMIT');
ok($node->poll_query_until('postgres', "SELECT count(*) = 150 FROM twin_internal.incident_actions WHERE incident_id = '$crowded' AND state = 'done'"), '... until he is done');
$_->quit foreach $holder, $worker;

# much is done in rounds, with the writer of events at work in between
sql($node, q{INSERT INTO twin_internal.users (username, username_key, password_hash, role_name) SELECT 'many' || n, 'many' || n, twin.hash_password('x', 4), 'viewer' FROM generate_series(1, 600) n});
my $many = sql($node, q{SELECT jsonb_build_object('users', jsonb_agg('many' || n)) FROM generate_series(1, 600) n});
$began = time;
alert('tap_user', 'many1', $many);
is_soon($began, 'an alert about many does what can be done in a second');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 600 FROM twin_internal.incident_actions WHERE action = 'end_sessions' AND state = 'done' AND target LIKE 'many%'}), '... and the rest comes by itself');
is(sql($node, q{SELECT count(*) FROM twin.users WHERE username LIKE 'many%' AND is_active}), '0', '... for all of them');

# ---- a copy ----

sql($node, "INSERT INTO twin_internal.incident_actions (incident_id, step, action, target, argument, state, note, again_at) VALUES
	('$other', 2, 'block_address', '198.51.100.2', '{}', 'failed', 'held', now() + interval '1 hour'), ('$other', 2, 'block_address', '198.51.100.3', '{}', 'pending', NULL, now() + interval '1 hour')");
my $dump = $node->basedir . '/apart.dump';
my %ways = (copied => "pg_dump -Fc FROM -f $dump && pg_restore -j2 TO $dump", inserted => 'pg_dump --inserts FROM | psql -X -q TO');
foreach my $copy (sort keys %ways)
{
	sql($node, "CREATE DATABASE $copy");
	my ($from, $to) = map { "-d '" . $node->connstr($_) . "'" } 'postgres', $copy;
	my ($out, $err);
	IPC::Run::run([ 'bash', '-o', 'pipefail', '-c', $ways{$copy} =~ s/\bFROM\b/$from/gr =~ s/\bTO\b/$to/gr ], '>', \$out, '2>', \$err);
	unlike($err, qr/incident/, "$copy: nothing collides") or diag($err);
	ok($node->poll_query_until($copy, 'SELECT count(*) = 0 FROM twin_internal.incident_actions WHERE again_at IS NOT NULL'), "$copy: nothing is due there");
	is(sql($node, "SELECT count(*) FROM twin_internal.incident_entries WHERE made_by = 'twin_security' AND note ~ 'a dump brought'", db => $copy), '1', '... which one timeline tells');
	is(sql($node, "SELECT (timeline -> -1 ->> 'note') FROM twin.incidents WHERE incident_id = '$other'", db => $copy), 'a dump brought this incident: what failed is not tried again by itself', '... as the last of its entries');
}
sql($node, "UPDATE twin_internal.incident_actions SET again_at = now() WHERE incident_id = '$other' AND again_at IS NOT NULL; SELECT twin.record_event('wakes')");
ok($node->poll_query_until('postgres', "SELECT count(*) = 3 FROM twin_internal.incident_actions WHERE incident_id = '$other' AND state = 'done'"), 'the original tries again when it is time');
foreach my $copy (sort keys %ways)
{
	sql($node, q{SELECT twin.record_event('wakes')}, db => $copy);
	events_written($node, db => $copy);
}
is(states($other, 'block_address', $_), '198.51.100.1 done, 198.51.100.2 failed, 198.51.100.3 failed', "$_ does not") foreach sort keys %ways;
is(sql($node, 'SELECT count(*) FROM twin.blocked_addresses', db => 'copied'), sql($node, 'SELECT count(*) FROM twin.blocked_addresses', db => 'inserted'), '... and blocks nothing');
sql($node, "SELECT twin.approve_incident('$other')", db => 'copied');
is(states($other, 'block_address', 'copied'), '198.51.100.1 done, 198.51.100.2 done, 198.51.100.3 done', '... until somebody there asks for it');

# ---- who is told that the log grows ----

my $tenant = sql($node, q{SELECT twin.create_tenant('north')});
my ($of_all, $of_tenant) = map { sql($node, qq{SELECT twin.issue_token('{"user_id": "$_->[0]", "role": "admin"$_->[1]}')}) } [900, ''], [901, qq(, "tenant_id": $tenant)];
my $listener = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'twin_gateway' ]);
$listener->query_safe('SELECT twin.open_listener()');
my ($all, $own) = map { $listener->query_safe("SELECT twin.subscribe('$_', '{admin.log}')") } $of_all, $of_tenant;
my $wide = $listener->query_safe("SELECT twin.subscribe('$of_tenant', '{admin.*}')");
events_written($node);
my %told;
for (my $round = 0; $round < 20 && !%told; $round++)
{
	sql($node, q{SELECT twin.record_event('of_another_tenant')});
	$told{$_}++ foreach split /,/, $listener->query_safe(q{SELECT string_agg(array_to_string(subscriptions, ','), ',') FROM twin.receive('3 s')}) // '';
}
is_deeply([ sort keys %told ], [$all], 'who belongs to no tenant is told that the log grows; who belongs to one is not, whatever he subscribed to');
sql($node, qq{SELECT twin.publish('admin.users', '"x"', $tenant)});
is($listener->query_safe(q{SELECT array_to_string(subscriptions, ',') FROM twin.receive('5 s') WHERE topic = 'admin.users'}), $wide, '... other topics of administrators are as they were');
$listener->quit;
$node->stop;
done_testing();

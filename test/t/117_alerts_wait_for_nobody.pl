# Who has a transaction open keeps no alert and no checkpoint of the log back: neither an analyst, nor a notifier, nor who edits playbooks, nor who hangs with the
# lock of NOTIFY; and what anybody can cause keeps no rule quiet about what nobody should.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinTest;

my $node = new_node('for_nobody', allows_streaming => 1, conf => "fsync = off\nsynchronous_commit = local\nsynchronous_standby_names = 'nobody'\n"
	  . "twin_security.checkpoint_interval = 1s\n");
my $has_small_queue = $node->pg_version >= 17;
$node->append_conf('postgresql.conf', "max_notify_queue_pages = 64\n") if $has_small_queue;
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others');
sql($node, 'CREATE EXTENSION twin_security');
sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub watched { return comes_true($node, q{SELECT s.ring_fill = 0 AND s.emitted = s.written + s.dropped AND s.seal_lag = '0' AND p.next_leaf = l.size
	FROM twin.stat_audit s, twin_internal.monitor_position p, twin_internal.ledger_state l}) }
sub attack { my ($address) = @_; return sql($node, "SELECT count(twin.record_event('login_failure', client_address => '$address')) FROM generate_series(1, 5)") }
sub session { return $node->background_psql('postgres', on_error_stop => 0) }
# so soon is the alert there
sub raised_soon
{
	my ($address, $what) = @_;
	my $begin = time;
	ok(poll("SELECT count(*) = 1 FROM twin.alerts WHERE subject = '$address'"), $what);
	is_soon($begin, '... soon');
	return;
}

# ---- an analyst ----

my @days = map { "'2026-02-$_ 10:30+00'" } 10 .. 12;
sql($node, "SELECT twin.record_event('reading', username => 'analysed', event_time => $_)") foreach @days;
watched();
my $alert = sql($node, q{SELECT twin_internal.raise_alert('unusual_access_patterns', 'high', 'analysed', 1, '{1}', '{"subject_is": "user", "window_hour": 492000, "features": {"hour": 5}}')});
my $profile = q{SELECT md5(profile) FROM twin_internal.access_profiles WHERE username = 'analysed' AND NOT is_role};
is(sql($node, q{SELECT count(*) FROM twin_internal.access_profiles WHERE username = 'analysed' AND NOT is_role AND octet_length(profile) > 100}), '1', 'somebody is known');
my $before = sql($node, $profile);
my $session = session();
$session->query_safe("BEGIN; SELECT twin.mark_alert_false($alert)");
attack('203.0.113.1');
sql($node, q{SELECT twin.record_event('reading', username => 'analysed')});
raised_soon('203.0.113.1', 'an analyst who does not commit keeps no alert back');
watched();
isnt(sql($node, $profile), $before, '... nor what is learned of whom the alert is about');
$session->query_safe('COMMIT');
is(sql($node, 'SELECT count(*) FROM twin_internal.access_excuses'), '1', 'what the analyst said waits');
sql($node, q{SELECT twin.record_event('reading', username => 'analysed')});
ok(poll('SELECT count(*) = 0 FROM twin_internal.access_excuses'), '... and is taken up with the next thing that is learned');
$session->quit;

# ---- who edits playbooks ----

my $close = q{SELECT twin.close_incident(incident_id, 'done') FROM twin.incidents WHERE status <> 'closed'};
sql($node, $close);
$session = session();
$session->query_safe('BEGIN; LOCK TABLE twin.playbooks IN ACCESS EXCLUSIVE MODE');
attack("203.0.113.$_") foreach 2 .. 6;
raised_soon("203.0.113.$_", 'somebody has locked the playbooks: the alert is raised') foreach 2 .. 6;
is(sql($node, q{SELECT count(*) FROM twin.blocked_addresses b WHERE host(b.address) >= '203.0.113.2'}), '0', '... and nobody is blocked yet');
$session->query_safe('COMMIT');
ok(poll(q{SELECT count(*) = 5 FROM twin.blocked_addresses b WHERE b.address <<= '203.0.113.0/24' AND b.address <> '203.0.113.1'}), '... but all are then');
ok(poll(q{SELECT count(DISTINCT incident_id) = 1 AND count(incident_id) = 5 FROM twin.alerts WHERE subject BETWEEN '203.0.113.2' AND '203.0.113.6'}), '... for one incident');
is(sql($node, q{SELECT count(*) FROM twin_internal.alerts WHERE answer_at IS NOT NULL}), '0', '... and nothing is left to do');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'incident_failed'}), '0', '... nor was anything given up');
attack('203.0.113.7');
raised_soon('203.0.113.7', 'the next alert');
ok(poll(q{SELECT count(*) = 1 FROM twin.blocked_addresses WHERE address = '203.0.113.7'}), '... is answered at once again');
sql($node, 'UPDATE twin.alert_rules SET playbook = NULL');
$session->quit;

# what waited too long is told
sql($node, q{UPDATE twin.alert_rules SET playbook = 'brute_force_attack' WHERE rule_name = 'failed_login_threshold'});
my $late = q{UPDATE twin_internal.alerts SET raised_at = now() - interval '7 hours', answer_at = now(), incident_id = NULL WHERE subject = '203.0.113.7'};
sql($node, "$late; SELECT twin.record_event('wakes')");
ok(poll(q{SELECT count(*) = 1 FROM twin.alerts WHERE subject = '203.0.113.7' AND incident_id IS NOT NULL}), 'an alert of hours ago is answered where nothing is in the way');
sql($node, $close);
$session = session();
$session->query_safe(q{BEGIN; LOCK TABLE twin.playbooks IN ACCESS EXCLUSIVE MODE});
sql($node, "$late; SELECT twin.record_event('wakes')");
ok(poll(q{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'incident_failed' AND details ->> 'sqlstate' = '55P03'}), '... and given up, which is told, where something is');
$session->query_safe('COMMIT');
$session->quit;
sql($node, 'UPDATE twin.alert_rules SET playbook = NULL');

# ---- a notifier ----

sub channels { return "SELECT twin.register_alert_channels('n', '[" . join(', ', map { qq({"channel": "$_", "kind": "webhook", "min_severity": "info", "max_age": "1 day", "is_on": true}) } @_) . "]')" }
sub delivery { my ($channel, $subject) = @_; return "SELECT coalesce(max(d.state), 'none') FROM twin.alert_deliveries d JOIN twin.alerts a USING (alert_id) WHERE d.channel = '$channel' AND a.subject = '$subject'" }
my $raising = session();
$session = session();
$session->query_safe('BEGIN; ' . channels('first'));
attack('203.0.113.20');
raised_soon('203.0.113.20', 'a notifier that does not commit keeps no alert back');
$session->query_safe('COMMIT');
ok(poll(delivery('first', '203.0.113.20') =~ s/SELECT (.*) FROM/SELECT $1 = 'pending' FROM/r), '... which its new channel is told of');
$raising->query_safe(q{BEGIN; SELECT twin_internal.raise_alert('by_hand', 'high', 'late', 1, '{}')});
$session->query_safe(channels('first', 'second'));
sleep 2.5;
is(sql($node, delivery('second', 'late')), 'none', 'what is not committed is not told');
$raising->query_safe('COMMIT');
ok(poll(delivery('second', 'late') =~ s/SELECT (.*) FROM/SELECT $1 = 'pending' FROM/r), '... and is told to a channel that came before it committed');
ok(poll('SELECT count(*) = 0 FROM twin_internal.changed_channels'), '... after which nobody looks any more');
$raising->query_safe(q{BEGIN; SELECT twin_internal.raise_alert('by_hand', 'high', 'too late', 1, '{}')});
$session->query_safe(channels('first'));
$raising->query_safe('COMMIT');
ok(poll(delivery('second', 'too late') =~ s/SELECT (.*) FROM/SELECT $1 = 'dead' FROM/r), 'what is for a channel that has gone is given up');
$_->quit foreach $session, $raising;

# ---- who hangs with the lock of NOTIFY ----

my $listening = session();
$listening->query_safe('LISTEN twin_alerts; LISTEN twin_audit_checkpoint');
ok(poll('SELECT count(*) = 0 FROM twin_internal.unannounced_alerts'), 'alerts were announced');
my $hanging = session();
$hanging->query_safe('SET synchronous_commit = on');
begin_query($hanging, 'BEGIN; CREATE TABLE hangs (a int); NOTIFY something; COMMIT;');
ok(poll(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}), 'a session hangs in its commit, with the lock of NOTIFY');
my $signed = sql($node, 'SELECT max(size) FROM twin_internal.checkpoints');
sub later_checkpoints { my ($text) = @_; return scalar(grep { $_ > $signed } $text =~ /"twin_audit_checkpoint" with payload "[^\n]*\n(\d+)\n/g) }
attack('203.0.113.30');
raised_soon('203.0.113.30', '... and alerts are raised');
attack('203.0.113.31');
raised_soon('203.0.113.31', '... one after the other');
is(sql($node, 'SELECT count(*) FROM twin_internal.unannounced_alerts'), '2', '... announced they are not');
ok(poll("SELECT max(size) > $signed FROM twin_internal.checkpoints"), '... and checkpoints are signed');
sub make_month { my ($month) = @_; return eval { edit_log($node, "SET LOCAL lock_timeout = '10s'; SELECT twin_internal.add_event_partition('audit', '$month')") } // $@ }
like(make_month('2031-01-01'), qr/^t$/m, '... and a month of the log can be made');
my $told = $listening->query('SELECT 1');
unlike($told, qr/twin_alerts/, '... and nobody is told');
is(later_checkpoints($told), 0, '... of either');
sql($node, q{ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()});
ok(poll('SELECT count(*) = 0 FROM twin_internal.unannounced_alerts'), 'when it hangs no more they are');
$told = $listening->query('SELECT 1');
my @announced = $told =~ /"twin_alerts" with payload "(.*?)" received/g;
is(scalar(grep { /"rule_name": "failed_login_threshold"/ } @announced), 2, '... each once') || diag($told);
unlike($told, qr/203[.]/, '... and nothing of whom they are about');
sql($node, q{SELECT twin.record_event('checkpoint')});
my $until = time + $PostgreSQL::Test::Utils::timeout_default;
until (later_checkpoints($told) || time > $until) { sleep 0.1; $told = $listening->query('SELECT 1') }
cmp_ok(later_checkpoints($told), '>', 0, '... and of checkpoints they are told again');
$hanging->query_safe('SELECT 1');

# ---- whose queue is full ----

# who listens and has a transaction open keeps what others say; before 17 eight gigabytes of it: there it finds no place on the disk
my ($keeping, $saying) = (session(), session());
my $queue = $node->data_dir . '/pg_notify';
chmod 0, $queue unless $has_small_queue;
$keeping->query_safe('LISTEN something; BEGIN; SELECT 1');
$saying->query("\\set VERBOSITY sqlstate");
my ($refused, $said) = ('', 0);
foreach my $length (7990, 1)    # what is left of the last page, too
{
	for ($refused = ''; !$refused && $said < 1000; $said++)
	{
		$saying->{stderr} = '';
		$saying->query("SELECT pg_notify('something', repeat('x', $length))");
		($refused) = $saying->{stderr} =~ /ERROR:\s+(\w{5})/;
	}
}
is($refused, $has_small_queue ? '54000' : '42501', "NOTIFY is refused, after $said");
cmp_ok(sql($node, 'SELECT pg_notification_queue_usage()'), '>', 0.9, '... for its queue is full') if $has_small_queue;
sql($node, channels('first'));
$signed = sql($node, 'SELECT max(size) FROM twin_internal.checkpoints');
attack('203.0.113.32');
raised_soon('203.0.113.32', '... and alerts are raised');
attack('203.0.113.33');
raised_soon('203.0.113.33', '... one after the other');
is(sql($node, delivery('first', "203.0.113.$_")), 'pending', '... and lie there for the notifier') foreach 32, 33;
ok(poll("SELECT max(size) > $signed FROM twin_internal.checkpoints"), '... and checkpoints are signed');
like(make_month('2031-02-01'), qr/^t$/m, '... and a month of the log can be made');
fails_with($node, 'CREATE TABLE served (a int)', $refused, '', '... DDL that gateways are to hear of fails');
cmp_ok(sql($node, 'SELECT count(*) FROM twin_internal.unannounced_alerts'), '>=', 2, '... and so does what would announce alerts');
unlike($listening->query('SELECT 1'), qr/"twin_alerts"/, '... of which nobody is told');
chmod 0700, $queue;
$keeping->query_safe('COMMIT');
ok(poll('SELECT count(*) = 0 FROM twin_internal.unannounced_alerts'), 'with room again they are announced');
@announced = $listening->query('SELECT 1') =~ /"twin_alerts" with payload "(.*?)" received/g;
is(scalar(grep { /"rule_name": "failed_login_threshold"/ } @announced), 2, '... each once');
sql($node, 'CREATE TABLE served (a int)');
$_->quit foreach $hanging, $listening, $keeping, $saying;

# ---- what anybody can cause ----

sub of_rule { my ($rule) = @_; return sql($node, "SELECT coalesce(string_agg(coalesce(subject, '-') || ' ' || (details ->> 'subject_is'), ', ' ORDER BY alert_id), 'none') FROM twin.alerts WHERE rule_name = '$rule'") }
sql($node, q{CREATE ROLE anybody LOGIN; CREATE TABLE sealed (a twin.encrypted_text(main)); INSERT INTO sealed VALUES ('x'); SELECT twin.grant_key('main', 'anybody', 'decrypt')});
sql($node, q{CREATE FUNCTION garble(text) RETURNS text LANGUAGE sql AS $$ SELECT overlay($1 placing (CASE substr($1, length($1) - 5, 1) WHEN 'A' THEN 'B' ELSE 'A' END) from length($1) - 5) $$});
my $literal = sql($node, q{SELECT 'secret'::twin.encrypted_text});
my $garbled = sql($node, "SELECT garble('$literal')");
fails_with($node, "SELECT twin.decrypt('$garbled'::twin.encrypted_text)", 'TW201', '', 'anybody may open broken values of the key "literal"', user => 'anybody') for 1 .. 2;
sql($node, qq{DO \$\$ BEGIN FOR i IN 1 .. 200 LOOP BEGIN PERFORM twin.decrypt('$garbled'::twin.encrypted_text); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END \$\$}, user => 'anybody');
watched();
cmp_ok(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'integrity_failure' AND resource = 'literal'}), '>', 2, '... which are events');
is(of_rule('integrity_failure'), 'none', '... and no alert');
my $sealed = sql($node, 'SELECT a FROM sealed');
my $damaged = sql($node, "SELECT garble('$sealed')");
fails_with($node, "SELECT twin.decrypt('$damaged'::twin.encrypted_text(main))", 'TW201', '', 'a value of another key is broken', user => 'anybody');
ok(poll(q{SELECT count(*) = 1 FROM twin.alerts WHERE rule_name = 'integrity_failure'}), '... which is an alert');
is(of_rule('integrity_failure'), 'main resource', '... about its key');
is(sql($node, q{SELECT event_types::text, severity, subject FROM twin.alert_rules WHERE rule_name = 'keyring_tampered'}), '{keyring_tampered}|critical|resource', 'what happens to the keyring has a rule of its own');

done_testing();

# Rules over the log of events: a real attack raises what the events themselves say, once, whatever becomes of the server in the
# middle; each database by itself; on the standby that was promoted; one address among a hundred thousand; and a rule or an alert
# that fails keeps nobody else's.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Time::Local qw(timegm);
use TwinTest;

my $key = new_key();
my $node = new_node('watched', allows_streaming => 1, conf => "twin_security.monitor_memory = 1MB\nfsync = off\n");
start_with($node, $key);
sql($node, 'CREATE EXTENSION twin_security');
sub poll { my ($query, $db, $on) = @_; return ($on // $node)->poll_query_until($db // 'postgres', $query) }
sub watched { my ($db, $on) = @_; return comes_true($on // $node, q{SELECT s.ring_fill = 0 AND s.emitted = s.written + s.dropped AND s.seal_lag = '0' AND p.next_leaf = l.size
	FROM twin.stat_audit s, twin_internal.monitor_position p, twin_internal.ledger_state l}, db => $db) }

# ---- the log of a server that was attacked for weeks ----

my $log = ($ENV{TWIN_SHARED_DATA} // "$ENV{TWIN_SOURCE}/../shared/data") . '/auth_log/auth.log';
my %month = (Mar => 2, Apr => 3);
my (@failures, %times, %expected);
foreach my $line (split /\n/, file_bytes($log))
{
	my ($name, $day, $h, $m, $s, $text) = $line =~ /^(Mar|Apr)\s+(\d+) (\d+):(\d+):(\d+) \S+ sshd\[\d+\]: (.*)$/ or next;
	my $times = $text =~ s/^message repeated (\d+) times: \[ (.*)\]$/$2/ ? $1 : 1;
	my ($user, $address) = $text =~ /^Failed password for (?:invalid user )?(.*?) from (\S+) port \d+/ or next;
	push @failures, [ timegm($s, $m, $h, $day, $month{$name}, 2017), $user, $address ] for 1 .. $times;
}
# what a rule says that counts five within an hour, and is quiet for an hour: by the times themselves
my %quiet;
foreach my $failure (@failures)
{
	my ($time, undef, $address) = @$failure;
	push @{ $times{$address} }, $time;
	next if $time < ($quiet{$address} // 0) || 5 > grep { $_ > $time - 3600 } @{ $times{$address} };
	$quiet{$address} = $time + 3600;
	$expected{"$address $time"} = 1;
}
is(scalar @failures, 1038, 'so many logins failed');
is(scalar(keys %times), 105, 'from so many addresses');
my $wanted = join("\n", sort keys %expected);
my $raised = q{SELECT subject || ' ' || extract(epoch FROM event_time)::bigint FROM twin_internal.alerts WHERE rule_name = 'failed_login_threshold' ORDER BY 1};
my $feed = PostgreSQL::Test::Utils::tempdir() . '/feed.sql';
sub feed
{
	my ($first, $last, $db) = @_;
	open my $out, '>', $feed or die $!;
	print $out "BEGIN; CREATE TEMP TABLE f (n serial, t bigint, u text, a inet) ON COMMIT DROP; COPY f (t, u, a) FROM stdin;\n",
	  map({ join("\t", map { s/\\/\\\\/gr } @$_) . "\n" } @failures[ $first .. $last ]),
	  "\\.\nSELECT count(twin.record_event('login_failure', outcome => 'failure', username => u, client_address => a, event_time => to_timestamp(t))) FROM (SELECT * FROM f ORDER BY n) s; COMMIT;\n";
	close $out;
	$node->command_ok([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-d', $db, '-f', $feed ], "failures $first to $last happen");
	return;
}

sql($node, 'CREATE DATABASE other');
sql($node, 'CREATE EXTENSION twin_security', db => 'other');
feed(0, $#failures, 'other');
watched('other');
is(sql($node, $raised, db => 'other'), $wanted, 'a real attack raises exactly the alerts that its times say');
is(sql($node, q{SELECT count(DISTINCT subject) FROM twin.alerts WHERE rule_name = 'failed_login_threshold'}, db => 'other'), '101', 'for 101 of its 105 addresses');
is(sql($node, q{SELECT bool_and(a.count >= 5 AND cardinality(a.event_ids) = a.count AND a.severity = 'high' AND a.details ->> 'subject_is' = 'address') AND bool_and(x.fits)
	FROM twin.alerts a, LATERAL (SELECT bool_and(l.client_address = a.subject::inet) AND count(*) = a.count AND max(l.event_time) - min(l.event_time) < '1 hour' AS fits
		FROM twin.audit_log l WHERE l.event_id = ANY (a.event_ids)) x WHERE a.rule_name = 'failed_login_threshold'}, db => 'other'), 't', '... each with the events that made it');
is(sql($node, q{SELECT count(*) FROM twin.alerts WHERE rule_name = 'failed_login_threshold'}), '0', 'nothing of it is in another database');
is(sql($node, q{SELECT subject || ' ' || extract(epoch FROM event_time)::bigint FROM twin.test_rule('failed_login_threshold', '2017-01-01', '2018-01-01') ORDER BY 1}, db => 'other'),
	$wanted, 'a dry run over the log says the same');
is(sql($node, q{SELECT (SELECT count(*) FROM twin.audit_log WHERE event_type = 'alert_raised' AND leaf_index IS NOT NULL) = (SELECT count(*) FROM twin.alerts)}, db => 'other'), 't', 'every alert is an event itself');
cmp_ok(sql($node, q{SELECT extract(epoch FROM max(a.raised_at - l.recorded_at)) FROM twin.alerts a, twin.audit_log l WHERE l.event_id = a.event_ids[cardinality(a.event_ids)]}, db => 'other'),
	'<', 20, 'an alert comes soon after its event');

# the same, with the server killed in the middle, where it had watched some, all or none of what is in its log
my @stops = (0, 97, 213, 400, 401, 650, 1038);
foreach my $i (1 .. $#stops)
{
	feed($stops[ $i - 1 ], $stops[$i] - 1, 'postgres');
	comes_true($node, 'SELECT emitted = written FROM twin.stat_audit');    # what was only in memory is lost with it
	sleep($i % 3 * 0.45);
	kill_server($node);
	start_with($node, $key);
}
watched();
is(sql($node, $raised), $wanted, 'whatever was killed in between, the same alerts, none of them twice');

# ---- the standby ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('promoted');
$standby->init_from_backup($node, 'base', has_streaming => 1);
start_with($standby, $key);
my $now = sql($node, q{SELECT count(twin.record_event('login_failure', client_address => ('2001:db8:1:2::' || i)::inet)) FROM generate_series(1, 4) i});
watched();
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$node->stop;
$standby->promote;
sql($standby, q{SELECT twin.record_event('login_failure', client_address => '2001:db8:1:2:ffff::9'), twin.record_event('login_failure', client_address => '::ffff:192.0.2.9')});
ok(poll(q{SELECT subject = '2001:db8:1:2::/64' AND count = 5 FROM twin.alerts WHERE rule_name = 'failed_login_threshold' AND subject LIKE '%:%'}, undef, $standby), 'a promoted standby goes on counting, IPv6 by its /64');
watched(undef, $standby);
is(sql($standby, $raised =~ s/WHERE/WHERE subject NOT LIKE '%:%' AND/r), $wanted, '... and raises nothing again');
$standby->stop;
start_with($node, $key);

# ---- many subjects in little memory ----

sql($node, q{SELECT count(twin.record_event('login_failure', client_address => '198.51.100.7')) FROM generate_series(1, 4)});
sql($node, q{SELECT count(twin.record_event('login_failure', client_address => '10.0.0.0'::inet + i)) FROM generate_series(1, 100000) i});
sql($node, q{SELECT twin.record_event('login_failure', client_address => '198.51.100.7')});
ok(poll(q{SELECT count(*) = 1 FROM twin.alerts WHERE subject = '198.51.100.7'}), 'a hundred thousand addresses do not displace the one that is counted');
is(sql($node, q{SELECT dropped, (SELECT count(*) FROM twin.alerts WHERE subject LIKE '10.%') FROM twin.stat_audit}), '0|0', '... and no event is lost, nor any of them told');

is(sql($node, q{SELECT subjects <= room AND room < 3000 AND displaced > 90000 FROM twin.stat_rules}), 't', '... in as much memory as there is');

# ---- in one statement, with every rule on ----

sql($node, q{INSERT INTO twin.alert_rules (rule_name, event_types, threshold, cooldown) VALUES ('everything', '{*}', 1, '0'), ('some', '{x*}', 1000, '1 hour')});
is(sql($node, q{SELECT count(twin.record_event('xyz')) FROM generate_series(1, 10000)}), '10000', 'ten thousand events of one statement');
watched();
is(sql($node, q{SELECT dropped FROM twin.stat_audit}), '0', 'none is dropped');
cmp_ok(sql($node, q{SELECT count(*) FROM twin.alerts WHERE rule_name = 'everything'}), '>=', 10000, 'each is an alert, where a rule says so');
is(sql($node, q{SELECT count(*) FROM twin.alerts a JOIN twin.audit_log l ON l.event_id = a.event_ids[1] WHERE l.event_type LIKE 'alert%'}), '0', 'no alert is told of by the rule for everything');
ok(sql($node, q{SELECT count(*) = 1 AND max(count) BETWEEN 1000 AND 1067 FROM twin.alerts WHERE rule_name = 'some'}) eq 't', 'a large threshold is noticed');
sql($node, q{DELETE FROM twin.alert_rules WHERE rule_name = 'everything'});
watched();

# ---- what fails ----

sql($node, q{
	CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.subject = '203.0.113.1' THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;
	CREATE TRIGGER fail BEFORE INSERT ON twin_internal.alerts FOR EACH ROW EXECUTE FUNCTION fail()});
my $offset = -s $node->logfile;
sql($node, q{SELECT count(twin.record_event('login_failure', client_address => ('203.0.113.' || i % 2 + 1)::inet)) FROM generate_series(1, 12) i});
watched();
is(sql($node, q{SELECT string_agg(subject, ' ') FROM twin.alerts WHERE subject LIKE '203.%'}), '203.0.113.2', 'an alert that cannot be raised keeps no other');
like(substr(file_bytes($node->logfile), $offset), qr/LOG: .*an alert of rule "failed_login_threshold" could not be raised: not this one/, '... and is told');
sql($node, 'DROP TRIGGER fail ON twin_internal.alerts');
sql($node, q{SELECT twin.record_event('login_failure', client_address => '203.0.113.1')});
ok(poll(q{SELECT count(*) = 1 FROM twin.alerts WHERE subject = '203.0.113.1'}), '... and raised with the next event');

$offset = -s $node->logfile;
sql($node, q{ALTER TABLE twin.alert_rules DISABLE TRIGGER check_alert_rule; INSERT INTO twin.alert_rules (rule_name, event_types, conditions) VALUES ('broken', '{x}', '{"nothing": 1}');
	ALTER TABLE twin.alert_rules ENABLE TRIGGER check_alert_rule; SELECT count(twin.record_event('login_failure', client_address => '203.0.113.5')) FROM generate_series(1, 5)});
ok(poll(q{SELECT count(*) = 1 FROM twin.alerts WHERE subject = '203.0.113.5'}), 'a rule that cannot be read keeps no other');
like(substr(file_bytes($node->logfile), $offset), qr/alert rule "broken" cannot be read, and is passed over/, '... and is told');
sql($node, q{DELETE FROM twin.alert_rules WHERE rule_name = 'broken'});

# an event whose time is in the future makes nobody wait for it, and one that was told late counts when it was
sql($node, q{SELECT twin.record_event('login_failure', client_address => '203.0.113.8', event_time => now() + i * '1 year'::interval) FROM generate_series(1, 20) i});
watched();
is(sql($node, q{SELECT count(*), max(event_time) < now() FROM twin_internal.alerts WHERE subject = '203.0.113.8'}), '1|t', 'times of the future are the time of recording');

# a change of the rule counts from then on
sql($node, q{UPDATE twin.alert_rules SET enabled = false WHERE rule_name = 'failed_login_threshold'});
sql($node, q{SELECT count(twin.record_event('login_failure', client_address => '203.0.113.20')) FROM generate_series(1, 9)});
watched();
sql($node, q{UPDATE twin.alert_rules SET enabled = true, threshold = 3 WHERE rule_name = 'failed_login_threshold'});
sql($node, q{SELECT count(twin.record_event('login_failure', client_address => '203.0.113.21')) FROM generate_series(1, 3)});
ok(poll(q{SELECT count(*) = 1 FROM twin.alerts WHERE subject = '203.0.113.21'}), 'a rule is read again when it was changed');
is(sql($node, q{SELECT count(*) FROM twin.alerts WHERE subject = '203.0.113.20'}), '0', 'what it did not count while it was off is not told');

# ---- a dump ----

sql($node, q{DELETE FROM twin.alert_rules WHERE rule_name = 'admin_actions'; INSERT INTO twin.alert_rules (rule_name, event_types, description) VALUES ('own', '{x}', 'mine')});
my $state = q{SELECT string_agg(r::text, E'\n' ORDER BY rule_name) FROM twin.alert_rules r};
my $alerts = q{SELECT count(*), md5(string_agg(a::text, ' ' ORDER BY alert_id)) FROM twin_internal.alerts a WHERE alert_id <= };
watched();
my $last = sql($node, 'SELECT max(alert_id) FROM twin_internal.alerts');
my $rules_were = sql($node, $state);
my $alerts_were = sql($node, "$alerts $last");
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'it is dumped');
unlike(scalar(`pg_restore -f - -t alert_rules $dump 2>/dev/null` // ''), qr/permission_denied_threshold/, 'seeds are not');
sql($node, 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'and restored');
is(sql($node, $state, db => 'restored'), $rules_were, 'with the rules that somebody changed, and without those deleted');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.2", $node->connstr('restored') ], 'it is dumped again');
sql($node, 'CREATE DATABASE again');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('again'), "$dump.2" ], 'and restored');
is(sql($node, $state, db => 'again'), $rules_were, 'a second dump brings the same rules');
is(sql($node, "$alerts $last", db => 'restored'), $alerts_were, 'and its alerts');
watched('restored');
is(sql($node, q{SELECT count(*) FROM twin.alerts WHERE rule_name = 'failed_login_threshold' AND subject ~ '^\d' AND raised_at > (SELECT created_at FROM twin_internal.event_state)}, db => 'restored'), '0', 'what was watched where the dump comes from is not told again');
sql($node, q{SELECT count(twin.record_event('login_failure', client_address => '203.0.113.33')) FROM generate_series(1, 3)}, db => 'restored');
ok(poll(q{SELECT count(*) = 1 FROM twin.alerts WHERE subject = '203.0.113.33'}, 'restored'), 'a restored database watches what comes');

done_testing();

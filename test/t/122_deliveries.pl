# Deliveries under load: what is worst is told before a flood that was there first; and whoever keeps alerts or channels keeps
# no channel from being told.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinNotifier;
use TwinTest;

my $node = new_node('deliveries', conf => "max_connections = 30\n");
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others');
sql($node, q{BEGIN; CREATE EXTENSION twin_security; UPDATE twin.alert_rules SET enabled = false, playbook = NULL; COMMIT; CREATE ROLE teller LOGIN IN ROLE twin_notifier});
sub raise_alert { my ($rule, $severity) = @_; return sql($node, "SELECT twin_internal.raise_alert('$rule', '$severity', NULL, 1, '{1}')") }
sub channels { return sql($node, q{SELECT string_agg(channel || ' ' || min_severity, ',' ORDER BY channel) FROM twin.alert_channels}) }
my $hook = new_receiver('http');
my %hook = (type => 'webhook', url => "http://127.0.0.1:$hook->{port}/");

# ---- a flood ----

my $notifier = new_notifier($node, { hook => \%hook });
ok(wait_for(sub { channels() eq 'hook info' }), 'a notifier is there');
is($notifier->end, 0, '... and ends');
sql($node, q{DO $$ BEGIN FOR i IN 1 .. 1000 LOOP PERFORM twin_internal.raise_alert('flood', 'medium', i::text, 1, '{1}'); END LOOP; END $$});
raise_alert('breach', 'critical');
$notifier->begin;
ok(wait_for(sub { file_bytes($hook->{kept}) =~ /breach/ }), 'behind a flood of alerts the notifier tells of a critical one');
my @told = map { $_->{body} =~ /"rule_name":"(\w+)"/ } $hook->told;
my ($place) = grep { $told[$_] eq 'breach' } 0 .. $#told;
cmp_ok($place, '<', 8, '... among the first');

# ---- channels that come, go and change while somebody keeps the alerts ----

ok(wait_for(sub { sql($node, q{SELECT count(*) FROM twin.alert_deliveries WHERE state = 'pending'}) eq '0' }), 'the flood is told');
$notifier->configure({ hook => \%hook, gone => { %hook, rules => ['none'] } });
kill 'HUP', $notifier->{pid};
ok(wait_for(sub { channels() eq 'gone info,hook info' }), 'another channel');
my $open = $node->background_psql('postgres', on_error_stop => 0);
$open->query_safe(q{BEGIN; LOCK TABLE twin_internal.alerts IN ROW EXCLUSIVE MODE});
is($notifier->end, 0, 'it ends');
$hook->forget;
$notifier->begin;
raise_alert('unchanged', 'high');
ok(scalar(() = $hook->told_after(1)), 'somebody keeps the alerts: a notifier that starts with the channels it had tells of what is raised');
unlike(file_bytes($notifier->{log}), qr/"channels_wait"|"database_refused"/, '... and waits for nothing');
is($notifier->end, 0, 'it ends');
$notifier->configure({ hook => { %hook, min_severity => 'low' }, fresh => { %hook, rules => ['none'] } });
$hook->forget;
$notifier->begin;
raise_alert('changed', 'high');
ok(scalar(() = $hook->told_after(1)), 'one that starts with channels that come, change and go tells by those it had');
ok(wait_for(sub { channels() eq 'fresh info,hook low' }), '... and has all as configured');
$open->query_safe('LOCK TABLE twin_internal.alert_channels IN EXCLUSIVE MODE');
is(sql($node, q{SELECT twin.register_alert_channels('other', '[]')}), '0', 'whoever changes nothing waits for no lock');
is(sql($node, q{SELECT twin.register_alert_channels('other', '[{"channel": "x", "kind": "webhook", "min_severity": "info", "max_age": "1 day", "is_on": true}]') IS NULL}), 't', '... and who does waits not for ever');
$notifier->configure({ hook => { %hook, min_severity => 'medium' }, fresh => { %hook, rules => ['none'] } });
kill 'HUP', $notifier->{pid};
ok($notifier->logged(qr/"channels_wait".*somebody else holds the list of channels/), 'a notifier whose channels change says what it waits for');
is(channels(), 'fresh info,hook low', '... they are as they were');
$hook->forget;
raise_alert('waiting', 'high');
ok(scalar(() = $hook->told_after(1)), '... and those that are known are told meanwhile');
is($notifier->end, 0, 'it ends');
unlink $notifier->{log};
my $began = time;
$notifier->begin;
ok($notifier->logged(qr/"channels_wait"/), 'one that starts then waits as well');
$hook->forget;
raise_alert('starting', 'high');
ok(scalar(() = $hook->told_after(1)), '... and tells as well');
sleep 5;
my $waits = () = file_bytes($notifier->{log}) =~ /"channels_wait"/g;
cmp_ok(time - $began, '>', 2 ** ($waits - 1) - 1, '... and asks again with ever more rest');
unlike(file_bytes($notifier->{log}), qr/"database_refused"/, '... none of which is an error');
$open->query_safe('COMMIT');
$open->quit;
ok(wait_for(sub { channels() eq 'fresh info,hook medium' }), '... until the channels are as configured');
is($notifier->end, 0, 'it ends');

# ---- what is forgotten, and counted ----

sub metric { my ($state) = @_; return sql($node, qq{SELECT value FROM twin.stat_metrics WHERE metric = 'twin_security_alert_deliveries' AND labels = '{"state": "$state"}'}) }
ok(wait_for(sub { raise_alert('wakes', 'low'); sql($node, 'SELECT count(*) < 500 FROM twin_internal.tallies') eq 't' }), 'what was counted is added up by itself');
is(metric('delivered'), sql($node, q{SELECT count(*) FROM twin.alert_deliveries WHERE state = 'delivered'}), '... to what there is');
cmp_ok(metric('delivered'), '>', 1000, '... all of it');
sql($node, q{UPDATE twin_internal.alert_deliveries SET worth_since = now() - interval '91 days' WHERE alert_id % 2 = 0});
ok(wait_for(sub { raise_alert('wakes', 'low'); sql($node, q{SELECT count(*) FROM twin_internal.alert_deliveries WHERE state = 'delivered' AND worth_since < now() - interval '90 days'}) eq '0' }), 'deliveries of long ago are forgotten by themselves');
is(metric('delivered'), sql($node, q{SELECT count(*) FROM twin.alert_deliveries WHERE state = 'delivered'}), '... and are no number any more');
is(sql($node, q{BEGIN; SELECT count(*) > 0 FROM twin.stat_metrics; SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_xact_all_tables WHERE relname IN ('alerts', 'alert_deliveries') AND schemaname = 'twin_internal'}), "t\n0",
	'whoever asks for the numbers has no row counted');
is(sql($node, 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT twin_internal.raise_alert(\'strict\', \'low\', NULL, 1, \'{}\') > 0; COMMIT'), 't', 'whoever raises alerts in another isolation level is counted, too');
is(sql($node, q{SELECT value FROM twin.stat_metrics WHERE metric = 'twin_security_alerts_total' AND labels ->> 'rule' = 'strict'}), '1', '... once');

done_testing();

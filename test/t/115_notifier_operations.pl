# twin_notifier as an administrator meets it: configurations that are wrong, tests of channels, TLS, logs by streams, one run,
# reloads, channels that come and go, and what travels with a dump.
use strict;
use warnings;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinNotifier;
use TwinTest;

my $canary = canary();
my $directory = PostgreSQL::Test::Utils::tempdir('configurations');
my $serial = 0;
sub file_with { my ($what, $mode) = @_; return TwinNotifier::write_file("$directory/" . ++$serial . '.json', $what, $mode) }

# ---- what is wrong ----

foreach my $case ([ '{"channels": {"a": {"type": "webhook", "url": "https://x/", "secret": "' . $canary . '"}},}', qr/^\S+\.json: line 1, column \d+: not JSON$/, 'no JSON' ],
	[ "{\"channels\":\n{\"a\": {\"type\": \"webhook\", \"secret\": \"$canary\",\n\"secret\": \"$canary\"}}}", qr/: line 3, column \d+: a name stands there twice$/, 'a key that stands there twice' ],
	[ { channels => { a => { type => 'webhook', url => 'https://x/', sekret => $canary } } }, qr/: channels\.a\.sekret: unknown for type webhook$/, 'an unknown key' ],
	[ { channels => { a => { type => 'webhook', url => "ftp://$canary/" } } }, qr/: channels\.a\.url: must be https/, 'another scheme' ],
	[ { channels => { a => { type => 'smtp', host => 'mail.example.org', tls => 'off', from => 'a@b.c', to => ['d@e.f'], username => 'u', password => $canary } } }, qr/: channels\.a\.tls: a password crosses no network/, 'a password without TLS' ],
	[ ' ' x 70000, qr/larger or deeper/, 'a file that is too large' ])
{
	my ($code, $out, $err) = run_notifier([ '--check', '--config', file_with($$case[0]) ]);
	is("$code|$out", '2|', "$$case[2]: exit code 2");
	like($err, $$case[1], '... with its place');
	ok(!holds($err, $canary), '... and no value');
}
my %literal = (channels => { a => { type => 'webhook', url => 'https://x/', secret => $canary } });
my ($code, $out, $err) = run_notifier([ '--check', '--config', file_with(\%literal, 0644) ]);
is($code, 2, 'a secret in a file that everybody may read');
like($err, qr/everybody on this machine may read it/, '... is refused');
($code, $out, $err) = run_notifier([ '--check', '--config', file_with(\%literal, 0640) ]);
is("$code|$err", '0|', '... in one that only some may read it is good');
is($out, "notifier twin_notifier, poll_interval 30\na: webhook, on, min_severity=info timeout=15 max_attempts=10 first_delay=5 last_delay=3600 max_age=86400 url=set secret=set\n", '... and not shown');
($code, $out, $err) = run_notifier([ '--check', '--config', file_with({ channels => { a => { type => 'webhook', url => 'env_ABSENT' }, b => { type => 'webhook', url => 'env_EMPTY' }, c => { type => 'webhook', url => 'https://x/', enabled => JSON::PP::false } } }, 0644) ], EMPTY => '');
is($code, 0, 'a variable that is absent is no error');
like($out, qr/^a: webhook, off \(the variable ABSENT is absent or empty\).*^b: webhook, off \(the variable EMPTY is absent or empty\).*^c: webhook, off \(enabled is false\)/ms, '... the channel is off and says so');
is((run_notifier([ '--check', '--config', "$directory/none" ]))[0], 2, 'a file that is not there');
is((run_notifier([ '--check', '--config', $directory ]))[0], 2, 'a directory');
is((run_notifier($_))[0], 2, "wrong usage: @$_") foreach [ '--chek' ], [ 'file' ], [ '--check', '--test=a' ], [ '--config' ];
foreach my $conninfo ("host=x password=$canary", "postgresql://u:$canary\@h/d", "postgresql:///d?password=$canary", "host=x sslpassword=$canary", "nonsense=$canary")
{
	($code, $out, $err) = run_notifier([ '--dbname', $conninfo, '--config', file_with(\%literal) ]);
	is($code, 2, 'a password among the arguments is refused');
	ok(!holds("$out$err", $canary), '... and not shown');
}

# ---- a test of each channel, TLS ----

my @certificate = new_certificate();
my $hook = new_receiver('http');
my $safe = new_receiver('http', tls => \@certificate);
my $post = new_receiver('smtp', tls => \@certificate);
my $stream = new_receiver('syslog_tcp');
my $safe_stream = new_receiver('syslog_tcp', tls => \@certificate);
my $unix = new_receiver('syslog_unix');
chmod 0777, $unix->{path};
my %mail = (type => 'smtp', host => '127.0.0.1', port => $post->{port}, from => 'a@example.org', to => ['b@example.org'], username => 'u', password => $canary, timeout => 5);
my $all = file_with({ channels => {
	hook => { type => 'webhook', url => "http://127.0.0.1:$hook->{port}/", enabled => JSON::PP::false },
	absent => { type => 'webhook', url => 'env_ABSENT' },
	untrusted => { type => 'webhook', url => "https://127.0.0.1:$safe->{port}/", timeout => 5 },
	trusted => { type => 'webhook', url => "https://127.0.0.1:$safe->{port}/", ca_file => $certificate[0], timeout => 5 },
	named => { type => 'webhook', url => "https://localhost:$safe->{port}/", ca_file => $certificate[0], timeout => 5 },
	nobody => { type => 'webhook', url => 'http://127.0.0.1:1/', timeout => 5 },
	mail => { %mail, ca_file => $certificate[0] }, mail_untrusted => \%mail,
	stream => { type => 'syslog', transport => 'tcp', host => '127.0.0.1', port => $stream->{port} },
	safe_stream => { type => 'syslog', transport => 'tls', host => '127.0.0.1', port => $safe_stream->{port}, ca_file => $certificate[0] },
	unsafe_stream => { type => 'syslog', transport => 'tls', host => '127.0.0.1', port => $safe_stream->{port}, timeout => 5 },
	unix => { type => 'syslog', transport => 'unix', path => $unix->{path}, facility => 'local7' },
	no_unix => { type => 'syslog', transport => 'unix', path => '/nowhere' } } });
sub tested { my ($channel) = @_; my ($code, $out, $err) = run_notifier([ '--config', $all, '--test', $channel ], https_proxy => 'http://127.0.0.1:1', http_proxy => 'http://127.0.0.1:1'); return "$code $out$err" }
is(tested('hook'), "0 hook: delivered\n", 'a test, also of a channel that is not enabled and whatever the environment says of proxies');
like(($hook->told_after(1))[0]{body}, qr/^\{"channel":"hook","delivery_id":"test-[0-9a-f]{32}",.*"rule_name":"test",.*"test":true\}$/, '... that says what it is');
$hook->answer('404');
is(tested('hook'), "1 hook: status 404\n", '... says what the receiver answered');
is(tested('none'), "2 there is no such channel\n", 'a channel that there is not');
is(tested('absent'), "1 absent is off: the variable ABSENT is absent or empty\n", 'one that is off');
like(tested('nobody'), qr/^1 nobody: (?i:.*connect.*)$/, 'one where nobody listens');
is(tested('trusted'), "0 trusted: delivered\n", 'TLS with a certificate of an authority that is named');
like(tested('untrusted'), qr/^1 untrusted: .*certificate/, '... of none that is known');
like(tested('named'), qr/^1 named: .*(?:certificate|SSL)/i, '... of another name');
is(scalar(() = $safe->told), 1, '... and nothing was posted there');
is(tested('mail'), "0 mail: delivered\n", 'STARTTLS');
my ($mail) = $post->told_after(1);
is(decode_base64($mail->{auth}) . "|$mail->{tls}", "\0u\0$canary|1", '... before the password');
like($mail->{data}, qr/This is a test of twin_notifier: nothing happened\./, '... and the mail says what it is');
like(tested('mail_untrusted'), qr/^1 mail_untrusted: .*certificate/, '... not with anybody');
$post->answer('plain');
like(tested('mail'), qr/^1 mail: .*SSL/, '... nor without, though the server offers none');
$post->answer('535');
like(tested('mail'), qr/^1 mail: (?:reply 535: )?Login denied/, 'a login that is refused');
is(scalar(() = $post->told), 1, '... and no mail was sent');
is(tested('stream'), "0 stream: delivered\n", 'a log by TCP');
my ($line) = $stream->told_after(1);
like($line->{line}, qr/^(\d+) <110>1 \S+Z \S+ twin_notifier \d+ test \[alert\@32473 /, '... in its frame');
is(length($line->{line}), $line->{line} =~ /^(\d+ )/ ? length($1) + $1 : -1, '... of so many bytes');
is(tested('safe_stream'), "0 safe_stream: delivered\n", 'a log by TLS');
is(scalar(() = $safe_stream->told_after(1)), 1, '... is there');
like(tested('unsafe_stream'), qr/^1 unsafe_stream: .*certificate/, '... not with anybody');
is(tested('unix'), "0 unix: delivered\n", 'the log of this machine');
like(($unix->told_after(1))[0]{line}, qr/^<190>1 /, '... with its facility');
like(tested('no_unix'), qr/^1 no_unix: No such file/, '... that is not there');

# ---- one run ----

my $node = new_node('operations', conf => "max_connections = 30\n");
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others');
sql($node, q{BEGIN; CREATE EXTENSION twin_security; UPDATE twin.alert_rules SET enabled = false, playbook = NULL; COMMIT; CREATE ROLE teller LOGIN IN ROLE twin_notifier; CREATE ROLE stranger LOGIN});
sub raise_alert { my ($rule, $severity) = @_; return sql($node, "SELECT twin_internal.raise_alert('$rule', '$severity', NULL, 1, '{1}')") }
my $alert = raise_alert('rule', 'high');
$hook->answer('ok');
$hook->forget;
my %hook = (type => 'webhook', url => "http://127.0.0.1:$hook->{port}/");
my $notifier = new_notifier($node, { hook => \%hook }, no_begin => 1);
my %run = $notifier->environment;
is((run_notifier([ '--once', '--config', $notifier->{file} ], %run))[0], 0, 'one run tells what there is');
is(scalar(() = $hook->told), 1, '... once');
is((run_notifier([ '--once', '--config', $notifier->{file} ], %run))[0], 0, 'another');
is(scalar(() = $hook->told), 1, '... has nothing to tell');
$hook->answer('503');
raise_alert('rule', 'high');
is((run_notifier([ '--once', '--config', $notifier->{file} ], %run))[0], 1, 'what cannot be told makes another exit code');
is(sql($node, q{SELECT state || attempts || ' ' || last_error FROM twin.alert_deliveries ORDER BY delivery_id DESC LIMIT 1}), 'pending1 status 503', '... and is tried later');
$hook->answer('ok');

# ---- reloads ----

$notifier->begin;
ok(wait_for(sub { sql($node, q{SELECT count(*) FROM twin.alert_deliveries WHERE state = 'pending'}) eq '0' }), 'it runs, and tells what waits');
my $good = file_bytes($notifier->{file});
TwinNotifier::write_file($notifier->{file}, '{"channels": }');
kill 'HUP', $notifier->{pid};
ok($notifier->logged(qr/"config_refused".*the one before stays/), 'a configuration that is wrong is refused');
like(file_bytes($notifier->{log}), qr/"config_complaint".*line 1, column \d+: not JSON/, '... and it says what is wrong');
$hook->forget;
raise_alert('still', 'high');
ok(scalar(() = $hook->told_after(1)), '... while the one before is in force');
$notifier->configure({ hook => { %hook, rules => ['this'] }, more => { %hook, min_severity => 'critical' }, off => { type => 'webhook', url => 'env_ABSENT' } });
kill 'HUP', $notifier->{pid};
ok($notifier->logged(qr/"config_reloaded"/), 'another is taken');
like(file_bytes($notifier->{log}), qr/"channel_off","channel":"off","absent":"ABSENT"/, '... and what is off is told');
ok(wait_for(sub { sql($node, 'SELECT count(*) FROM twin.alert_channels') eq '3' }), '... and known to the database');
is(sql($node, q{SELECT string_agg(channel || ' ' || is_on, ',' ORDER BY channel) FROM twin.alert_channels}), 'hook true,more true,off false', '... also what is off');
$hook->forget;
raise_alert('that', 'high');
raise_alert('this', 'high');
raise_alert('that', 'critical');
is(join(',', sort map { $_->{body} =~ /"channel":"(\w+)".*"rule_name":"(\w+)"/ ? "$1 $2" : '' } $hook->told_after(2)), 'hook this,more that', 'each channel is told what it is for');
is(sql($node, q{SELECT count(*) FROM twin.alert_deliveries JOIN twin.alerts USING (alert_id) WHERE channel = 'off' AND state = 'pending' AND rule_name LIKE 'th%'}), '3', '... and what is for one that is off waits');
$notifier->configure({ hook => \%hook });
kill 'HUP', $notifier->{pid};
ok(wait_for(sub { sql($node, 'SELECT count(*) FROM twin.alert_channels') eq '1' }), 'channels that are gone are gone from the database');
is(sql($node, q{SELECT DISTINCT state || ' ' || last_error FROM twin.alert_deliveries WHERE channel = 'off'}), 'dead the channel was removed', '... and what they were to be told is given up');
events_written($node);
is(sql($node, q{SELECT string_agg(resource || ' ' || action, ',' ORDER BY event_id) FROM twin.audit_log WHERE event_type = 'alert_channel_changed'}) =~ s/,(?:more|off) create,(?:more|off) create/,+,+/r =~ s/(?:more|off) delete/-/gr, 'hook create,hook update,+,+,hook update,-,-', '... each change is an event');

# ---- the database says no ----

is($notifier->end, 0, 'it ends');
$notifier->{user} = 'stranger';
my $began = time;
$notifier->begin;
ok($notifier->logged(qr/"database_refused".*permission denied for function register_alert_channels/), 'a login that is no notifier\'s is refused');
sleep 2;
my $refusals = () = file_bytes($notifier->{log}) =~ /"database_refused"/g;
cmp_ok(time - $began, '>', 2 ** ($refusals - 1) - 1, '... and asks again with rest');
sql($node, 'GRANT twin_notifier TO stranger');
$hook->forget;
raise_alert('granted', 'high');
ok(scalar(() = $hook->told_after(1)), '... until it may');
my $open = $node->background_psql('postgres', on_error_stop => 0);
$open->query_safe(q{BEGIN; LOCK TABLE twin_internal.alerts IN ROW EXCLUSIVE MODE});
$notifier->configure({ hook => \%hook, second => { %hook, rules => ['none'] } });
kill 'HUP', $notifier->{pid};
ok(wait_for(sub { sql($node, q{SELECT count(*) FROM twin.alert_channels WHERE channel = 'second'}) eq '1' }), 'a new channel waits for nobody who keeps the alerts');
$hook->forget;
raise_alert('known', 'high');
ok(scalar(() = $hook->told_after(1)), '... and those that are known are told');
$open->query_safe('COMMIT');
$open->quit;
sql($node, 'DO $$ BEGIN FOR i IN 1 .. 20000 LOOP PERFORM pg_notify(\'twin_alerts\', i::text); END LOOP; END $$', user => 'stranger');
$hook->forget;
raise_alert('flooded', 'high');
ok(scalar(() = $hook->told_after(1)), 'a flood of notices keeps nobody from being told');
is($notifier->end, 0, 'it ends');
my $lost = new_notifier($node, { hook => \%hook }, no_begin => 1, env => { PGPORT => 1, PGHOST => '127.0.0.1' });
$lost->begin;
ok($lost->logged(qr/"database_unreachable"/), 'a database that is not there');
is($lost->end('INT'), 0, '... keeps nobody from ending');
is((run_notifier([ '--once', '--config', $lost->{file} ], $lost->environment))[0], 1, '... and one run does not wait for it for ever');

# ---- what happens at once ----

my $one = $node->background_psql('postgres', on_error_stop => 0);
sql($node, q{SELECT twin.register_alert_channels('main', '[]')});
my $channel = '{"channel": "late", "kind": "webhook", "min_severity": "info", "max_age": "1 day", "is_on": true}';
$one->query_safe(q{BEGIN; SELECT twin_internal.raise_alert('meanwhile', 'high', NULL, 1, '{1}')});
sql($node, qq{SELECT twin.register_alert_channels('main', '[$channel]')});
$one->query_safe('COMMIT');
ok(wait_for(sub { sql($node, q{SELECT count(*) FROM twin.alert_deliveries JOIN twin.alerts USING (alert_id) WHERE channel = 'late' AND rule_name = 'meanwhile'}) eq '1' }),
	'a channel that comes while an alert is being raised waits for nobody, and is told of it');
sql($node, q{SELECT twin_internal.raise_alert('meanwhile', 'high', NULL, 1, '{1}')});
$one->query_safe('BEGIN');
my ($held) = $one->query_safe(q{SELECT count(*) FROM twin.claim_deliveries('late', 1, '1 minute')}) =~ /(\d)/;
is("$held|" . sql($node, q{SET lock_timeout = '1s'; SELECT count(*) FROM twin.claim_deliveries('late', 100, '1 minute')}), '1|' . (sql($node, q{SELECT count(*) FROM twin.alert_deliveries WHERE channel = 'late'}) - 1), 'who claims passes over what another is claiming');
$one->query_safe('COMMIT');
is(sql($node, q{SELECT count(*) FROM twin.alert_deliveries WHERE channel = 'late' AND attempts <> 1}), '0', '... so each is claimed once');
sql($node, q{DELETE FROM twin_internal.alerts WHERE rule_name = 'meanwhile'});
$one->quit;

# ---- dumps ----

sql($node, q{SELECT twin.register_alert_channels('main', '[{"channel": "hook", "kind": "webhook", "min_severity": "info", "max_age": "1 day", "is_on": true}]')});
raise_alert('waits', 'high');
my $rows = q{SELECT delivery_id, alert_id, channel, state, attempts, last_error, delivery_key FROM twin_internal.alert_deliveries ORDER BY 1};
my $before = sql($node, $rows);
my $dump = "$directory/dump";
$node->run_log([ 'pg_dump', '-Fc', '-f', $dump, '-p', $node->port, '-h', $node->host, 'postgres' ]) or die 'no dump';
sql($node, 'CREATE DATABASE again');
ok($node->run_log([ 'pg_restore', '--exit-on-error', '-d', 'again', '-p', $node->port, '-h', $node->host, $dump ]), 'a dump is restored');
is(sql($node, $rows, db => 'again'), $before, '... with deliveries, and no more of them');
is(sql($node, 'SELECT count(*) FROM twin.alert_channels', db => 'again'), '0', '... but no channels: nobody is told of what happened elsewhere');
is(sql($node, q{SELECT twin.register_alert_channels('main', '[{"channel": "hook", "kind": "webhook", "min_severity": "info", "max_age": "1 day", "is_on": true}]'); SELECT twin_internal.raise_alert('new', 'high', NULL, 1, '{1}') > 0, (SELECT count(*) FROM twin.alert_deliveries WHERE state = 'pending') > 0}, db => 'again'), "1\nt|t", '... until somebody notifies there');
is(sql($node, q{SELECT rule_name FROM twin.claim_deliveries('hook', 10, '1 minute')}, db => 'again'), "waits\nthat\nnew", '... who goes on where the other was, and tells what nobody was told of');
unlink $unix->{path};
done_testing();

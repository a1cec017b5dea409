# twin_notifier tells people of alerts by mail, webhook and syslog: at least once, whoever dies, and whoever is slow or gone.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_base64);
use JSON::PP;
use MIME::QuotedPrint;
use MIME::Base64;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinNotifier;
use TwinTest;

my $node = new_node('notifier', conf => "max_connections = 30\n");
my @keys = (new_key(), undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others');
start_with($node, @keys);
sql($node, q{BEGIN; CREATE EXTENSION twin_security; UPDATE twin.alert_rules SET enabled = false, playbook = NULL; COMMIT; CREATE ROLE teller LOGIN IN ROLE twin_notifier});
sub raise_alert { my ($rule, $severity, $subject, $more) = @_; $subject = defined $subject ? "'" . $subject =~ s/'/''/gr . "'" : 'NULL'; return sql($node, "SELECT twin_internal.raise_alert('$rule', '$severity', $subject, 7, '{1,2,3}'" . ($more ? ", '$more'" : '') . ')') }
sub deliveries { my ($channel) = @_; return sql($node, "SELECT string_agg(alert_id || ':' || state || ':' || attempts, ' ' ORDER BY alert_id) FROM twin.alert_deliveries WHERE channel = '$channel'") }
# The line that the log was told of the newest alert of a rule.
sub logged_of { my ($log, $rule) = @_; my @found; wait_for(sub { @found = grep { $_->{line} =~ / rule_name="$rule" / } $log->told }); return $found[-1] // { line => '', at => 0 } }
sub becomes { my ($channel, $wanted, $name) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; wait_for(sub { deliveries($channel) =~ $wanted }); return like(deliveries($channel), $wanted, $name) }

my $canary = canary();
my $secret = "signs$canary";
my $hook = new_receiver('http');
my $post = new_receiver('smtp');
my $log = new_receiver('syslog_udp');
my %hook = (type => 'webhook', url => "env_HOOK_URL", secret => 'env_HOOK_SECRET', headers => { Authorization => 'env_HOOK_TOKEN' }, min_severity => 'medium');
my %post = (type => 'smtp', host => '127.0.0.1', port => $post->{port}, tls => 'off', from => 'twin@example.org', to => [ 'ann@example.org', 'bob@example.org' ], username => 'twin', password => 'env_MAIL_PASSWORD');
my %log = (type => 'syslog', transport => 'udp', host => '127.0.0.1', port => $log->{port});
my %env = (HOOK_URL => "http://127.0.0.1:$hook->{port}/in/$canary?a=b", HOOK_SECRET => $secret, HOOK_TOKEN => "Bearer token$canary", MAIL_PASSWORD => "mail$canary");

# ---- before anybody was told of ----

my $first = raise_alert('failed_login_threshold', 'high', '10.0.0.1', '{"why": "many"}');
my $notifier = new_notifier($node, { chat => \%hook, mail => \%post, log => \%log }, env => \%env);

my ($told) = $hook->told_after(1);
is($told->{request}, "POST /in/$canary?a=b HTTP/1.1", 'the webhook is told of an alert that was raised before the notifier was there');
my $body = decode_json($told->{body});
is_deeply({ %$body, map { $_ => undef } qw(delivery_id raised_at) }, { delivery_id => undef, raised_at => undef, channel => 'chat', alert_id => $first, rule_name => 'failed_login_threshold', severity => 'high', subject => '10.0.0.1',
	count => 7, event_ids => [ 1, 2, 3 ], incident_id => undef, details => { why => 'many' }, test => JSON::PP::false }, '... all there is to tell');
like($body->{raised_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, '... and when');
is($told->{headers}{'idempotency-key'}, $body->{delivery_id}, '... with a key to know it again');
is($told->{headers}{authorization}, "Bearer token$canary", '... with the header that was configured');
is($told->{headers}{'webhook-signature'}, 'v1,' . hmac_sha256_base64("$told->{headers}{'webhook-id'}.$told->{headers}{'webhook-timestamp'}.$told->{body}", $secret) . '=', '... signed');
cmp_ok(abs($told->{headers}{'webhook-timestamp'} - time), '<', 60, '... with the time in it');

my ($mail) = $post->told_after(1);
is($mail->{from}, '<twin@example.org>', 'the mail is from whom it should be');
is_deeply($mail->{to}, [ '<ann@example.org>', '<bob@example.org>' ], '... to whom it should be');
is(decode_base64($mail->{auth}), "\0twin\0mail$canary", '... with the login');
like($mail->{data}, qr/^Subject: \[high\] failed_login_threshold: 10\.0\.0\.1\r\n/m, '... about what');
my ($key) = $mail->{data} =~ /^Message-ID: <([-0-9a-f]{36})\@example\.org>\r\n/m;
ok($key, '... with a key');
like(decode_qp($mail->{data} =~ s/.*?\r\n\r\n//sr), qr/^rule +failed_login_threshold\nseverity +high\nsubject +10\.0\.0\.1\nevents +7\nraised at +2.*^details +\{"why": "many"\}\n/ms, '... and all there is to tell');
unlike($mail->{data}, qr/^.{999}|[^\r]\n|[^\x01-\x7f]/m, '... in lines as they must be');

my ($line) = $log->told_after(1);
like($line->{line}, qr/^<107>1 2\d{3}-\d\d-\d\dT\S+Z \S+ twin_notifier \d+ alert \[alert\@32473 delivery_id="[-0-9a-f]{36}" alert_id="$first" rule_name="failed_login_threshold" severity="high" subject="10\.0\.0\.1" count="7" event_ids="\[1, 2, 3\\\]"\] \xef\xbb\xbffailed_login_threshold: 10\.0\.0\.1, 7 events$/, 'and the log, in the form of RFC 5424');
becomes($_, qr/^$first:delivered:1$/, "$_: delivered") foreach qw(chat mail log);
is(sql($node, "SELECT delivered_at IS NOT NULL FROM twin.alerts"), 't', 'the alert says so');

# ---- as they come ----

my $began = time;
my $second = raise_alert('token_reuse', 'low', undef);
($_, $line) = $log->told_after(2);
like($line->{line}, qr/^<109>.* alert_id="$second" rule_name="token_reuse" severity="low" count.*any, 7 events$/, 'another alert, about nobody');
is_soon($began, '... told at once, as far as a busy machine lets it');
is(scalar(() = $hook->told), 1, '... but not to whom it is too small for');

# ---- what strangers typed ----

my $wild = "=?x?= <b>\r\nBcc: all\@example.org\r\n.\r\n\x{1b}[31m \xe2\x80\xae\xc3\xa9\xf0\x9f\x94\xa5 \"]\\";
$post->told_after(2);
$post->forget; $hook->forget; $log->forget;
raise_alert('wild', 'critical', $wild . 'y' x 3000);
($mail) = $post->told_after(1);
is_deeply([ $mail->{data} =~ /^(\S+?):/mg ], [ qw(Date From To Subject Message-ID Auto-Submitted MIME-Version Content-Type Content-Transfer-Encoding) ], 'no subject makes a header');
my ($subject) = $mail->{data} =~ /^Subject: (.*?)\r\n\S/ms;
unlike($subject, qr/[^ -~\r\n]|^.{77}/m, '... none that is not ASCII, or long');
is(join('', map { decode_base64($_) } $subject =~ /=\?UTF-8\?B\?(.*?)\?=/g), "[critical] wild: =?x?= <b>\\u000d\\u000aBcc: all\@example.org\\u000d\\u000a.\\u000d\\u000a\\u001b[31m \\u202e\xc3\xa9\xf0\x9f\x94\xa5 \"]\\" . 'y' x (200 - length $wild) . '...', '... and shows what it is');
is_deeply($mail->{to}, [ '<ann@example.org>', '<bob@example.org>' ], '... nor a recipient');
($told) = $hook->told_after(1);
is(JSON::PP->new->utf8->decode($told->{body})->{subject}, do { my $text = $wild; utf8::decode($text); $text } . 'y' x 3000, 'the webhook is given all of it, as JSON');
($line) = $log->told_after(1);
like($line->{line}, qr/ subject="=\?x\?= <b>\?\?Bcc: all\@example\.org\?\?\.\?\?\?\[31m \?\xc3\xa9\xf0\x9f\x94\xa5 \\"\\\]\\\\y+" /, 'the log has no control characters, and quotes what ends a parameter');
cmp_ok(length $line->{line}, '<', 1500, '... and is bounded');

# ---- at least once, whoever dies ----

$hook->forget;
$hook->answer("kill $notifier->{pid}");
my $killed = raise_alert('killed', 'high', undef);
$hook->told_after(1);
waitpid $notifier->{pid}, 0;
like(deliveries('chat'), qr/$killed:pending:1/, 'killed between sending and settling, it leaves the delivery claimed');
$notifier->configure({ chat => { %hook, timeout => 1 }, mail => \%post, log => \%log });
sql($node, "UPDATE twin_internal.alert_deliveries SET next_attempt_at = clock_timestamp() + '1 second' WHERE alert_id = $killed");    # not the whole lease
$notifier->begin;
becomes('chat', qr/$killed:delivered:2/, '... that another takes over when the lease ends');
is(scalar(keys %{ { map { $_->{headers}{'idempotency-key'} => 1 } $hook->told_after(2) } }), 1, '... and the receiver sees the same key');

# ---- answers ----

wait_for(sub { deliveries('chat') !~ /pending/ });
foreach my $case ([ 503, '', 'delivered:[2-9]' ], [ 429, 'Retry-After: 2', 'delivered:[2-9]' ], [ 503, 'DATE', 'delivered:[2-9]' ], [ 408, '', 'delivered:[2-9]' ], [ 500, 'Retry-After: 999999999', 'pending:1' ], [ 404, '', 'dead:1' ], [ 301, "Location: http://127.0.0.1:$hook->{port}/else", 'dead:1' ], [ 'raw nonsense', '', 'delivered:[2-9]' ], [ 'flood', '', 'delivered:1' ])
{
	my ($status, $header, $wanted) = @$case;
	my $date = int(time) + 4;
	$header =~ s/^DATE/'Retry-After: ' . POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime($date))/e;
	$hook->forget;
	$hook->answer("$status $header");
	my $alert = raise_alert('answered', 'high', undef);
	my ($once) = $hook->told_after(1);
	$hook->answer('ok') if $wanted =~ /2/;
	becomes('chat', qr/$alert:$wanted/, "$status $header: $wanted");
	like(deliveries('chat'), qr/$alert:delivered:${\scalar(() = $hook->told)}(?= |$)/, '... each time counted') if $wanted =~ /2/;
	cmp_ok(($hook->told)[1]{at}, '>=', ($header =~ /: 2$/ ? $once->{at} + 2 : $date) - 0.1, '... not sooner than it was asked for') if $header =~ /^Retry-After: (?:2|\w{3},)/;
	is(scalar(() = $hook->told), 1, '... and nobody followed') if $status eq '301';
	wait_for(sub { sql($node, "SELECT last_error FROM twin.alert_deliveries WHERE alert_id = $alert AND channel = 'chat'") ne '' }) if $status eq '500';
	like(sql($node, "SELECT extract(epoch FROM next_attempt_at - clock_timestamp()) BETWEEN 86000 AND 86400 FROM twin.alert_deliveries WHERE alert_id = $alert AND channel = 'chat'"), qr/^t$/, '... but in a day at most') if $status eq '500';
	is(sql($node, "SELECT last_error FROM twin.alert_deliveries WHERE alert_id = $alert AND channel = 'chat'"), { 404 => 'status 404', 301 => 'status 301 (redirects are not followed)' }->{$status}, '... and it says why') if $wanted =~ /dead/;
}
$hook->answer('ok');

# ---- dead letters ----

events_written($node);
is(sql($node, q{SELECT string_agg(resource || ' ' || (details ->> 'reason'), ',' ORDER BY event_id) FROM twin.audit_log WHERE event_type = 'alert_delivery_failed'}), 'chat status 404,chat status 301 (redirects are not followed)', 'what is given up is an event');
my $dead = sql($node, q{SELECT min(delivery_id) FROM twin.alert_deliveries WHERE state = 'dead'});
$hook->forget;
sql($node, "SELECT twin.retry_delivery($dead)");
is(scalar(() = $hook->told_after(1)), 1, 'and told when somebody says so');
wait_for(sub { sql($node, "SELECT state FROM twin.alert_deliveries WHERE delivery_id = $dead") eq 'delivered' });
is(sql($node, "SELECT state, attempts FROM twin.alert_deliveries WHERE delivery_id = $dead"), 'delivered|1', '... from the first attempt on');
events_written($node);
is(sql($node, q{SELECT resource, details ->> 'delivery_id' FROM twin.audit_log WHERE event_type = 'alert_delivery_retried'}), "chat|$dead", '... which is an event, too');
$notifier->configure({ chat => { %hook, max_attempts => 2, timeout => 15 }, mail => \%post, log => \%log });
kill 'HUP', $notifier->{pid};
ok($notifier->logged(qr/"config_reloaded"/), 'a configuration is read again');
$hook->answer('503');
my $worn = raise_alert('worn', 'high', undef);
becomes('chat', qr/$worn:dead:2/, 'after so many attempts it is given up');
$hook->answer('ok');

# ---- mail servers ----

wait_for(sub { deliveries('mail') !~ /pending/ });
$post->forget;
$post->answer('refuse bob');
my $some = raise_alert('some', 'low', undef);
is_deeply(($post->told_after(1))[0]{to}, [ '<ann@example.org>' ], 'when one mailbox is refused, the other is told');
$post->answer('451');
my $later = raise_alert('later', 'low', undef);
becomes('mail', qr/$later:pending:[1-9]/, 'what a mail server refuses for now is tried again');
$post->answer('ok');
becomes('mail', qr/$later:delivered:[2-9]/, '... and delivered then');
$post->answer('550');
my $never = raise_alert('never', 'low', undef);
becomes('mail', qr/$never:dead:1/, '... what it refuses for ever is not');
$post->answer('ok');

# ---- slow, and gone ----

$hook->answer('hang');
raise_alert('slow', 'high', undef) foreach 1 .. 10;
$hook->told_after(4);
$began = time;
raise_alert('quick', 'high', undef);
cmp_ok(logged_of($log, 'quick')->{at} - $began, '<', 14, 'a channel that hangs keeps no other waiting');
$hook->answer('ok');
my ($code, $seconds) = $notifier->end;
is($code, 0, 'it ends when it is told to');
cmp_ok($seconds, '<', 15, '... within seconds, though a receiver hangs');
like(deliveries('chat'), qr/pending:0/, '... and gives back what it had not sent');
$notifier->begin;
wait_for(sub { deliveries('chat') !~ /pending:[0-2](?= |$)/ || sql($node, q{SELECT count(*) FROM twin.alert_deliveries WHERE state = 'pending' AND next_attempt_at < clock_timestamp() + interval '1 hour'}) eq '0' });
is(sql($node, q{SELECT count(*) FROM twin.alert_deliveries WHERE state = 'pending' AND next_attempt_at < clock_timestamp() + interval '1 hour'}), '0', '... which the next one sends');

$hook->forget;
$hook->answer('slow 3');
my $unsettled = raise_alert('unsettled', 'high', undef);
$hook->told_after(1);
restart_with($node, @keys);
becomes('chat', qr/$unsettled:delivered:1/, 'what was sent while the server was away is settled when it is back');
is(scalar(() = $hook->told), 1, '... and not sent again');
$hook->answer('ok');
raise_alert('after', 'high', undef);
ok(logged_of($log, 'after')->{at}, 'it comes back when the server does');
sql($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'twin_notifier'});
raise_alert('again', 'high', undef);
ok(logged_of($log, 'again')->{at}, '... and when it is thrown out');

# ---- two share the work ----

my $other = new_notifier($node, { chat => { %hook, max_attempts => 2 }, mail => \%post, log => \%log }, env => \%env);
ok($other->logged(qr/"connected"/), 'a second notifier');
wait_for(sub { deliveries('log') !~ /pending/ });
$log->forget;
$hook->forget;
sql($node, q{SELECT twin_internal.raise_alert('many', 'high', i::text, 1, '{1}') FROM generate_series(1, 200) i});
is(scalar(grep { $_->{line} =~ / rule_name="many" / } $log->told_after(200)), 200, 'two notifiers tell of 200 alerts');
wait_for(sub { sql($node, q{SELECT count(*) FROM twin.alert_deliveries JOIN twin.alerts USING (alert_id) WHERE rule_name = 'many' AND state <> 'delivered'}) eq '0' });
is(scalar(() = $hook->told), 200, '... each once');
is(scalar(keys %{ { map { $_->{headers}{'idempotency-key'} => 1 } $hook->told } }), 200, '... with keys of their own');
is(sql($node, q{SELECT string_agg(channel || attempts, '' ORDER BY channel) FROM (SELECT channel, max(attempts) AS attempts FROM twin.alert_deliveries JOIN twin.alerts USING (alert_id) WHERE rule_name = 'many' GROUP BY 1) x}), 'chat1log1mail1', '... at the first attempt');
is($other->end, 0, 'and the second ends');

# ---- nobody sees the secrets ----

SKIP: {
	my $seen = root_reads($notifier->{pid}, 'environ') // skip 'only root sees the environment', 2;
	ok(!holds($seen, $canary), 'no value stands in the environment that /proc shows');
	ok(!holds(root_reads($notifier->{pid}, 'cmdline'), $canary), '... nor among the arguments');
}
is($notifier->end, 0, 'it ends');
ok(!holds(file_bytes($_->{log}), $canary), '... nor in its log') foreach $notifier, $other;
$node->stop;
is(files_holding($canary, $node->data_dir), '', '... nor in the database or its log');
done_testing();

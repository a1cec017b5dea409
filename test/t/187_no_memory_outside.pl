# Memory runs out in the gateway and in the notifier: an allocation of theirs or of their libraries fails, one at a time.  The gateway answers right, answers that it
# cannot, or says why it ends and ends, for its supervisor to start it again; it never answers wrong.  The notifier tells every alert, whatever fails meanwhile.
use strict;
use warnings;
use JSON::PP;
use POSIX qw(WNOHANG);
use PostgreSQL::Test::Utils;
use Starve;
use Test::More;
use TwinGateway;
use TwinNotifier;
use TwinTest;

plan skip_all => 'the allocator is watched by a sanitizer' if $ENV{SERVER_IS_SANITIZED};    # test/run_sanitized

my ($node, $password) = new_twin('starving_outside');
sql($node, q{UPDATE twin.alert_rules SET enabled = false; CREATE ROLE teller LOGIN IN ROLE twin_notifier});
my %starve = starve_of($node->basedir);
my $all = OF_LIBRARIES | OF_PROGRAM | OF_LIBC;

# ---- the gateway ----

my $gateway = new_gateway($node, env => \%starve);
my $token = $gateway->token('oleg', $password);
my @requests = (
	[ 'rows', sub { $gateway->get('/units?select=name&order=unit_id', token => $token) }, sub { $_[0]->json->[0]{name} eq 'boiler' } ],
	[ 'login', sub { $gateway->login('oleg', $password) }, sub { $_[0]->json->{user}{username} eq 'oleg' } ],
	[ 'a bad token', sub { $gateway->get('/units', token => "${token}A") }, sub { 0 } ],
	[ 'json', sub { $gateway->post('/rpc/login', json => { username => 'oleg', password => "$password!" }) }, sub { 0 } ]);
foreach my $request (@requests)
{
	my ($name, $ask, $is_right) = @$request;
	starve($gateway->{pid}, 0, $all);
	$ask->();
	my ($asked) = starved();
	cmp_ok($asked, '>', 10, "$name: $asked allocations");
	my $step = int($asked / 12) || 1;
	my (@bad, %ended);
	for (my $n = 1; $n <= $asked; $n += $step)
	{
		starve($gateway->{pid}, $n, $all);
		my $answer = $ask->();
		starve(0);
		my $status = $answer && !$answer->{cut} ? $answer->{status} : 0;
		push @bad, "$n: " . substr($answer->{raw}, 0, 300) unless $status == 0 || $status >= 400 || eval { $is_right->($answer) };
		push @bad, "$n: a secret" if $answer && $name ne 'login' && holds($answer->{raw}, $password);
		my $is_there = TwinGateway::wait_until($status == 0 ? 2 : 0, sub { waitpid($gateway->{pid}, WNOHANG) == $gateway->{pid} }) ? 0 : 1;
		next if $is_there;
		$ended{ $? & 127 ? 'signal ' . ($? & 127) : 'exit ' . ($? >> 8) }++;
		$gateway->begin;
		$gateway->wait_ready;
	}
	is(join("\n", @bad), '', "$name: no wrong answer");
	is(join(' ', grep { $_ ne 'signal 6' } sort keys %ended), '', '... and where it ends, it does so itself');
	# (503 until it has a connection again)
	ok(TwinGateway::wait_until(20, sub { $gateway->status('GET', '/units?select=name', token => $token) == 200 }), '... and is there again');
}
my $log = $gateway->log_text;
unlike($log, qr/Segmentation|double free|corrupt/, 'nothing was overwritten');
is(holds($log, $password) || holds($log, $token), 0, 'nothing secret is in the log');
$gateway->stop;

# ---- the notifier ----

my $hook = new_receiver('http');
my $notifier = new_notifier($node, { chat => { type => 'webhook', url => "http://127.0.0.1:$hook->{port}/in" } }, env => \%starve);
sub raise { my ($subject) = @_; return sql($node, "SELECT twin_internal.raise_alert('failed_login_threshold', 'high', '$subject', 7, '{1,2,3}')") }
# others may come in between: rules tell of what a test does
sub is_told { my ($subject) = @_; return wait_for(sub { scalar grep { (decode_json($_->{body})->{subject} // '') eq $subject } $hook->told }) }
raise('before');
ok(is_told('before'), 'an alert is told');
starve($notifier->{pid}, 0, $all);
raise('counted');
ok(is_told('counted'), '... and another');
my ($asked) = starved();
my $step = int($asked / 12) || 1;
my (%ended, $raised);
for (my $n = 1; $n <= $asked; $n += $step)
{
	starve($notifier->{pid}, $n, $all);
	raise("subject$n");
	$raised++;
	wait_for(sub { (starved())[1] > 0 || waitpid($notifier->{pid}, WNOHANG) == $notifier->{pid} }, 20);
	starve(0);
	next unless wait_for(sub { waitpid($notifier->{pid}, WNOHANG) != 0 }, 0.2);
	$ended{ $? & 127 ? 'signal ' . ($? & 127) : 'exit ' . ($? >> 8) }++;
	$notifier->begin;
}
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM twin.alert_deliveries WHERE state <> 'delivered'}), "$raised alerts are delivered, though one allocation failed at each");
my %told = map { (decode_json($_->{body})->{subject} // '' => 1) } $hook->told;
is(scalar(grep { /^subject/ } keys %told), $raised, '... each');
is(join(' ', grep { /signal/ && !/signal 6/ } sort keys %ended), '', '... and it did not crash (' . join(', ', map { "$_: $ended{$_}" } sort keys %ended) . ')');
$notifier->end;
$node->stop;
done_testing();

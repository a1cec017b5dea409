# The database goes away under the gateway, with clients at work and without: answers are right or 503, nothing crashes,
# all is as before within seconds, and no connection stays behind.
use strict;
use warnings;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(time sleep);
use TwinTest;
use TwinGateway;

my ($node, $password) = new_twin('gateway_database');
sql($node, q{
	CREATE TABLE api.written (client int, number int, PRIMARY KEY (client, number)); GRANT SELECT, INSERT ON api.written TO twin_operator;
	CREATE TABLE api.lines (id int PRIMARY KEY, text text); GRANT SELECT ON api.lines TO twin_operator;
	INSERT INTO api.lines SELECT i, md5(i::text) FROM generate_series(1, 2000) i});
my $gateway = new_gateway($node, conf => { 'db-pool' => 4, 'db-pool-acquisition-timeout' => 5 });
my %as = (token => $gateway->token('oleg', $password));
my $lines = $gateway->get('/lines?order=id', %as)->{body};
is($lines =~ tr/{//, 2000, 'what is to be read');
my $backends = q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'twin_gateway'};

# ---- idle ----

sub is_back
{
	my ($seconds, $name) = @_;
	my $began = time;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(wait_until($seconds, sub { ($gateway->get('/lines?order=id', %as) // { body => '' })->{body} eq $lines }), $name);
	return;
}
sub start_database { start_again($node); return }
$node->stop('fast');
start_database();
is_back(30, 'a restart while nobody asks');
$node->stop('immediate');
my $answer = $gateway->get('/lines', %as);
is($answer->{status}, 503, 'without database: 503');
like($answer->header('Retry-After'), qr/^[1-9]\d*$/, '... with Retry-After');
like($answer->code, qr/^PGRST00[01]$/, '... and a code of PostgREST');
unlike($answer->{raw}, qr/\Q@{[ $node->host ]}\E|socket|twin_gateway/, '... that tells nothing of the database');
is($gateway->login('oleg', $password)->{status}, 503, '... for logging in too');
is($gateway->status('GET', '/lines', token => 'x'), 503, '... whoever asks');
is($gateway->admin('/live')->{status}, 200, '/live');
ok(wait_until(20, sub { $gateway->admin('/ready')->{status} == 503 }), '/ready is not');
my $late = new_gateway($node, no_wait => 1);
ok(wait_until(20, sub { ($late->get('/lines', %as) // { status => 0 })->{status} == 503 }), 'a gateway that starts without database answers 503');
like($late->get('/lines', %as)->header('Retry-After'), qr/^[1-9]\d*$/, '... with Retry-After');
start_database();
is_back(30, 'the database is back');
ok(wait_until(40, sub { $gateway->admin('/ready')->{status} == 200 }), '... and the gateway ready');
ok(wait_until(40, sub { $late->status('GET', '/notices') == 200 }), '... as is the other');
is($late->stop, 'exit 0', '... which stops');
sql($node, 'CREATE TABLE api.while_away (id int); GRANT SELECT ON api.while_away TO twin_operator');
ok(wait_until(20, sub { $gateway->status('GET', '/while_away', %as) == 200 }), '... and hears of new tables again');

# ---- closed under what is about to be sent ----

# The gateway wakes up to the last word of the database on its connections and, behind it, to the time at which it wants to read the schema
# again: that the connection has ended it would read after that.
for my $round (1 .. 3)
{
	my $loads = sub { return $gateway->metric('pgrst_schema_cache_loads_total{status="SUCCESS"}') };
	my $before = $loads->();
	ok(wait_until(30, sub { $gateway->status('GET', '/lines?id=eq.1', %as) == 200 }), "round $round: at work");
	sql($node, q{NOTIFY pgrst, 'reload schema'; SELECT pg_sleep(0.02); NOTIFY pgrst, 'reload schema'});
	wait_until(30, sub { $loads->() > $before });
	$gateway->signal('STOP');
	sql($node, q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'twin_gateway'});
	sleep 1;
	$gateway->signal('CONT');
	sql($node, "CREATE TABLE api.round$round (id int); GRANT SELECT ON api.round$round TO twin_operator");
	ok(wait_until(60, sub { $gateway->status('GET', "/round$round", %as) == 200 }), '... and after its connections have gone while it rested it reads the schema again');
}

# ---- under load ----

# One client: reads and writes until the file "end" is there; a line for every outcome.
sub client
{
	my ($number) = @_;
	my $count = 0;
	open my $report, '>', "$gateway->{directory}/client.$number" or _exit(1);
	until (-e "$gateway->{directory}/end")
	{
		$count++;
		my $what = $count % 3;
		my $got = $what == 0 ? $gateway->post('/written', %as, json => { client => $number, number => $count })
		  : $what == 1 ? $gateway->get('/lines?order=id', %as) : $gateway->get("/lines?id=eq.$count&select=text", %as);
		my $status = $got ? $got->{status} : 0;
		my $right = $got && !$got->{cut} && ($status == 503 ? ($got->header('Retry-After') // '') =~ /^\d+$/ && $got->code =~ /^(?:PGRST00[0-2]|57P0[1-3]|08\w{3}|53\w{3})$/
			: $what == 0 ? $status == 201 : $what == 1 ? $status == 200 && $got->{body} eq $lines
			: $status == 200 && $got->{body} =~ /^\[(?:\{"text":"[0-9a-f]{32}"\})?\]$/);
		print $report join(' ', $right ? 'right' : 'wrong', $status, $what, $count), $right ? '' : ' ' . ($got ? substr($got->{raw}, 0, 900) =~ s/\s+/ /gr : 'no answer'), "\n";
		sleep 0.05 if $status == 503;
	}
	close $report;
	_exit(0);
}
my @clients;
foreach my $number (1 .. 8)
{
	my $pid = fork // die $!;
	client($number) if $pid == 0;
	push @clients, $pid;
}
foreach my $mode ('immediate', 'fast', 'immediate')
{
	sleep 2;
	$node->stop($mode);
	sleep 1.5;
	start_database();
	is_back(30, "back after a stop ($mode) under load");
}
sql($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'twin_gateway'}) && sleep 0.3 foreach 1 .. 10;
sleep 1;
open my $end, '>', "$gateway->{directory}/end" or die $!;
close $end;
waitpid $_, 0 foreach @clients;
my @report = map { my $number = $_; map { "$number $_" } split /\n/, file_bytes("$gateway->{directory}/client.$number") } 1 .. 8;
my @wrong = grep { !/^\d+ right / } @report;
is(join("\n", @wrong[0 .. ($#wrong < 5 ? $#wrong : 5)]), '', 'every answer was right, or 503 with Retry-After');
cmp_ok(scalar(grep { /^\d+ right 20/ } @report), '>', 100, 'there were answers');
cmp_ok(scalar(grep { /^\d+ right 503/ } @report), '>', 0, 'there were refusals');
my %written = map { $_ => 1 } split /\n/, sql($node, q{SELECT client || ' ' || number FROM api.written});
my @lost = grep { !$written{$_} } map { /^(\d+) right 201 0 (\d+)/ ? "$1 $2" : () } @report;
is("@lost", '', 'all that was answered with 201 is there');
ok($gateway->is_running, 'the gateway has not crashed');
cmp_ok(sql($node, $backends), '<=', 6, 'no more connections than the pool, the listener and the feed');
ok(wait_until(30, sub { $gateway->metric('twin_gateway_connections') <= 1 }), 'no connection of a client stays');
is($gateway->metric('pgrst_db_pool_waiting'), '0', 'nobody waits');
is_back(30, 'all is as before');
unlike($gateway->log_text, qr/eyJ|\Q$password\E/, 'the log of it holds no token or password');
is(scalar(grep { ref ne 'HASH' } $gateway->log_lines), 0, '... and is JSON, line by line');
is($gateway->stop, 'exit 0', 'and it stops');
is(sql($node, $backends), '0', '... leaving no connection');

done_testing();

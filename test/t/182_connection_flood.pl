# Ten thousand attempts to connect, to a server that has room for few and then to the gateway: wrong passwords, strangers, garbage, half a word, closed at
# once.  Who is in is served meanwhile, a superuser still comes in, each refusal is accounted for, and afterwards nothing of it is left.
#	FLOOD_ATTEMPTS=100000 for more
use strict;
use warnings;
use IO::Socket::INET;
use POSIX qw(_exit WNOHANG);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinTest;
use TwinGateway;

my $attempts = $ENV{FLOOD_ATTEMPTS} // 10_000;
my $processes = 8;
my ($node, $password) = new_twin('flood', conf => "listen_addresses = '127.0.0.1'\nmax_connections = 24\nsuperuser_reserved_connections = 3\nauthentication_timeout = 10s\nfsync = off\n");
sql($node, q{CREATE ROLE guest LOGIN; CREATE ROLE guarded LOGIN PASSWORD 'guarded by this'});
open my $hba, '>', $node->data_dir . '/pg_hba.conf' or die $!;
print $hba "local all all trust\nhost all guarded 127.0.0.1/32 password\nhost all all 127.0.0.1/32 trust\n";
close $hba;
$node->reload;
my $gateway = new_gateway($node, conf => { 'db-pool' => 3 });
my %as = (token => $gateway->token('oleg', $password));
my $folder = PostgreSQL::Test::Utils::tempdir();
my ($postmaster) = children_of($node);
sub open_files { my ($pid) = @_; return scalar(my @all = split /\n/, root_reads($pid, 'fd') // '') }
sub resident { my ($pid) = @_; return file_bytes("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m ? $1 : 0 }

# Attempts from many processes at once; calls back meanwhile; returns how often each outcome was told.
sub flood
{
	my ($attempt, $meanwhile) = @_;
	my (@pids, %told);
	foreach my $number (1 .. $processes)
	{
		my $pid = fork // die $!;
		if ($pid == 0)
		{
			my (%seen, @held);
			local $SIG{PIPE} = 'IGNORE';
			for my $n (1 .. $attempts / $processes)
			{
				my ($socket, $outcome) = eval { local $SIG{ALRM} = sub { die "no answer\n" }; alarm 60; $attempt->($n) };
				alarm 0;
				$seen{ $outcome // ($@ || 'nothing') }++;
				# some are left open for a while
				push @held, $socket if $socket;
				shift @held if @held > 5;
			}
			open my $report, '>', "$folder/$number" or _exit(1);
			print $report map { "$seen{$_} $_\n" } keys %seen;
			close $report;
			_exit(0);
		}
		push @pids, $pid;
	}
	while (@pids)
	{
		@pids = grep { waitpid($_, WNOHANG) == 0 } @pids;
		$meanwhile->() if @pids;
	}
	foreach my $number (1 .. $processes)
	{
		my $report = file_bytes("$folder/$number");
		$told{$2} += $1 while $report =~ /^(\d+) (.*)$/mg;
		unlink "$folder/$number" or die $!;
	}
	diag(join ', ', map { "$told{$_} $_" } sort keys %told);
	return %told;
}

# ---- the server ----

sub dial { return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_[0]) // die "no connection: $!\n" }
# What is asked of a connection, and the SQLSTATE that is answered, or Z for a session.
sub hear
{
	my ($socket, $asked) = @_;
	my $answer = '';
	syswrite $socket, $asked;
	while (1)
	{
		return 'Z' if $answer =~ /Z\x00\x00\x00\x05I\z/;
		return 'asked' if $answer =~ /\AR\x00\x00\x00\x08\x00\x00\x00\x03\z/;
		last unless sysread $socket, $answer, 8192, length $answer;
	}
	return $answer =~ /\x00C(\w{5})\x00/ ? $1 : 'closed';
}
sub greeting { my ($role) = @_; my $words = "user\0$role\0database\0postgres\0\0"; return pack('NN', 8 + length $words, 196608) . $words }
my @ways = (
	sub { return (undef, 'nothing') },
	sub { my ($socket) = @_; syswrite $socket, "\0\0"; return ($socket, 'half a word') },
	sub { my ($socket) = @_; syswrite $socket, "GET / HTTP/1.1\r\n\r\n"; return (undef, 'garbage') },
	sub { my ($socket) = @_; syswrite $socket, pack('NN', 8, 80877103); sysread $socket, my $answer, 1; return (undef, 'no TLS') },
	sub { my ($socket) = @_; my $heard = hear($socket, greeting('guarded')); return (undef, $heard eq 'asked' ? hear($socket, 'p' . pack('N', 10) . "wrong\0") : $heard) },
	sub { my ($socket) = @_; return (undef, hear($socket, greeting('stranger'))) },
	sub { my ($socket) = @_; return (undef, hear($socket, greeting('guest'))) },
	sub { my ($socket) = @_; syswrite $socket, greeting('guest'); return (undef, 'gone') });
my $session = $node->background_psql('postgres');
# sessions take all places but those of superusers
my @in;
while (@in < 30)
{
	my $socket = dial($node->port);
	last if hear($socket, greeting('guest')) ne 'Z';
	push @in, $socket;
}
cmp_ok(scalar @in, '>', 5, 'all places are taken: ' . @in);
ok(events_written($node), 'events are written');
my $latest = $session->query_safe('SELECT max(event_id) FROM twin.audit_log');
my %before = (files => open_files($postmaster), memory => resident($postmaster), log => -s $node->logfile, children => scalar(my @children = children_of($node)));
my ($came_in, $answers, $served) = (0, 0, 0);
my %told = flood(sub { my ($n) = @_; my $socket = dial($node->port); return $ways[ $n % @ways ]->($socket) }, sub {
	my ($out) = TwinTest::run_sql($node, 'SELECT 1');
	$came_in++ if $out eq '1';
	$answers++ if $session->query_safe('SELECT 2') eq '2';
	$served++ if $gateway->status('GET', '/sites', %as) == 200;
	sleep 0.1;
});
cmp_ok($came_in, '>', 0, "a superuser comes in meanwhile ($came_in times)");
cmp_ok($answers, '>', 0, 'who is in is answered');
cmp_ok($served, '>', 0, '... and so are the gateway\'s clients');
is(join(' ', grep { !/^(?:nothing|half a word|garbage|no TLS|gone|closed|Z|53300|28P01|28000|asked)$/ } keys %told), '', 'each attempt ended as it should');
cmp_ok($told{'28P01'}, '>', 0, '... among them wrong passwords');
cmp_ok($told{53300}, '>', 0, '... and clients for whom there was no room');
close $_ foreach splice @in;
my $began = time;
my $guest = dial($node->port);
ok(comes_true($node, q{SELECT count(*) <= 3 FROM pg_stat_activity WHERE usename = 'guest' OR usename IS NULL AND backend_type = 'client backend'}), 'afterwards nobody is left of them');
is(hear(dial($node->port), greeting('guest')), 'Z', '... and others come in');
is_soon($began, '... at once');
close $guest;
ok(events_sealed($node), 'events are written and sealed');
my $refused = 0;
# who went without an answer was refused as well, as long as nobody else came in
$refused += $told{$_} // 0 foreach qw(53300 28P01 28000), $told{Z} ? () : 'gone';
my ($recorded, $withheld, $dropped) = split /\|/, sql($node, qq{SELECT count(*) FILTER (WHERE event_type = 'login_failure'),
	coalesce(sum((details ->> 'withheld')::int) FILTER (WHERE event_type = 'events_withheld'), 0), (SELECT dropped FROM twin.stat_audit) FROM twin.audit_log WHERE event_id > $latest});
cmp_ok($recorded + $withheld + $dropped, '>=', $refused, "each refusal is accounted for: $refused refused, $recorded recorded, $withheld withheld, $dropped dropped");
cmp_ok($recorded, '<', $refused, '... and the log is not flooded by them');
is(sql($node, 'SELECT ok FROM twin.verify_audit_log()'), 't', '... and is whole');
ok(comes_true($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'guest'}), 'the last guest has gone');
ok(TwinGateway::wait_until(60, sub { scalar(my @now = children_of($node)) <= $before{children} }), 'no process is left behind');
is(open_files($postmaster), $before{files}, '... no file is open');
cmp_ok(resident($postmaster) - $before{memory}, '<', 8192, '... and no memory taken');
my @ours = grep { !/FATAL:  (?:password authentication failed|role "stranger" does not exist|sorry, too many clients|remaining connection slots|unsupported frontend protocol|canceling authentication)|LOG:  (?:invalid length of startup packet|incomplete startup packet|could not (?:receive|send)|unexpected EOF|connection)|DETAIL:  (?:Role|Connection matched|Password)|checkpoint|^\s+Connection matched/ }
	split /\n/, substr(file_bytes($node->logfile), $before{log});
cmp_ok(scalar @ours, '<', 100, 'the server\'s log has what PostgreSQL says of it, and little of ours') or diag(join "\n", @ours[ 0 .. 20 ]);
is(sql($node, q{SELECT count(*) FROM twin.blocked_addresses}) . sql($node, q{SELECT bool_and(entries < 100) FROM twin.stat_limits}), '0t', 'nobody is blocked by it, and the limits remember little');

# ---- the gateway ----

my $port = $gateway->{port};
sub answered
{
	my ($socket, $request) = @_;
	my $answer = '';
	syswrite $socket, $request;
	while ($answer !~ /\r\n\r\n/) { last unless sysread $socket, $answer, 8192, length $answer }
	return (undef, $answer =~ m{^HTTP/1\.1 (\d+)} ? $1 : 'closed');
}
my $wrong = '{"username":"vera","password":"wrong"}';
my @requests = (
	sub { return (undef, 'nothing') },
	sub { my ($socket) = @_; syswrite $socket, "GET /sites HT"; return ($socket, 'half a word') },
	sub { return answered($_[0], "\x16\x03\x01\x00\x05hello\r\n\r\n") },
	sub { return answered($_[0], "GET /sites HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer no.token.this\r\nConnection: close\r\n\r\n") },
	sub { return answered($_[0], "POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: @{[ length $wrong ]}\r\nConnection: close\r\n\r\n$wrong") },
	sub { return answered($_[0], "GET /sites HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer $as{token}\r\nConnection: close\r\n\r\n") },
	sub { my ($socket) = @_; syswrite $socket, "POST /sites HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc"; return (undef, 'gone') },
	sub { my ($socket) = @_; syswrite $socket, "GET /sites HTTP/1.1\r\nHost: a\r\n\r\n"; return (undef, 'gone') });
cmp_ok($_, '>', 3, 'what is open is seen') foreach $ENV{TWIN_ROOT_READER} ? ($before{files}, open_files($gateway->{pid})) : ();
%before = (files => open_files($gateway->{pid}), memory => resident($gateway->{pid}), lines => scalar(() = $gateway->log_text =~ /\n/g));
$latest = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
%told = flood(sub { my ($n) = @_; my $socket = dial($port); return $requests[ $n % @requests ]->($socket) }, sub { sleep 0.1 });
is(join(' ', grep { !/^(?:nothing|half a word|gone|200|400|401|429|503|closed)$/ } keys %told), '', 'the gateway: each attempt ended as it should');
cmp_ok($told{$_} // 0, '>', 0, "... some with $_") foreach 200, 401, 429;
$began = time;
is($gateway->status('GET', '/sites', %as), 200, 'afterwards it serves');
is_soon($began, '... at once');
is($gateway->admin('/ready')->{status}, 200, '... and is ready');
ok(TwinGateway::wait_until(60, sub { open_files($gateway->{pid}) <= $before{files} + 1 }), '... no connection is left open');
cmp_ok(sql($node, q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'twin_gateway'}), '<=', 4, '... nor more of them to the database than it may');
cmp_ok(resident($gateway->{pid}) - $before{memory}, '<', 65_536, '... nor memory taken');
cmp_ok(scalar(() = $gateway->log_text =~ /\n/g) - $before{lines}, '<=', $attempts, '... and its log has at most a line for each');
ok(events_sealed($node), 'events are written and sealed');
is(sql($node, 'SELECT ok FROM twin.verify_audit_log()'), 't', 'and the log is whole');
cmp_ok(sql($node, q{SELECT max(entries) FROM twin.stat_limits}), '<', 100, 'the limits remember little');
is($gateway->stop, 'exit 0', 'the gateway stops');
$node->stop;

done_testing();

# What PostgREST's clients see: requests and answers of test/gateway/requests/*.txt, against one database.
#
# Two gateways stand before it: "plain" as PostgREST is by default, and "rich", with several schemas, aggregates, plans, db-max-rows,
# db-pre-request, Server-Timing, a trace header and an origin that may call.  Both end transactions with a rollback (plain: unless a
# request says tx=commit), so that no request depends on another.
#
#	# Section                     a heading; "# Section [rich]" is asked of the other gateway
#	GET /path                     the request; {viewer} stands for a token
#	Name: value                   its headers
#	> body                        its body, lines joined by a newline
#	< 200                         the status
#	< Name: value                 a header as it is, "~ regex" one that fits, "-" one that is not there
#	= {"json": true}              the body, as JSON; == text, as it is; =~ regex; = alone: none
use strict;
use warnings;
use Encode qw(decode);
use File::Basename;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinTest;

my $source = $ENV{TWIN_SOURCE};
$SIG{PIPE} = 'IGNORE';
my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my %gateways;

# ---- the table ----

# Reads one file into [{gateway, section, line, method, target, headers, body, status, expected headers, answer}].
sub requests_of
{
	my ($file) = @_;
	my ($section, $gateway, @requests) = ('', 'plain');
	open my $lines, '<:raw', $file or die "$file: $!";
	while (my $line = <$lines>)
	{
		chomp $line;
		my $now = $requests[-1];
		if ($line =~ /^# (.*?)(?: \[(\w+)\])?$/) { ($section, $gateway) = ($1, $2 // 'plain'); }
		elsif ($line =~ /^([A-Z]+) (\S+)$/)
		{
			push @requests, { place => basename($file) . ":$.", section => $section, gateway => $gateway, method => $1, target => $2, headers => [], expected => [] };
		}
		elsif ($line =~ /^> ?(.*)/) { $now->{body} = defined $now->{body} ? "$now->{body}\n$1" : $1; }
		elsif ($line =~ /^< (\d{3})$/) { $now->{status} = $1; }
		elsif ($line =~ /^< ([\w-]+): (.*)/) { push @{ $now->{expected} }, [ $1, $2 ]; }
		elsif ($line =~ /^(==|=~|=)(?: (.*))?$/)
		{
			$now->{answer} = defined $now->{answer} ? [ $1, "$now->{answer}[1]\n" . ($2 // '') ] : [ $1, $2 // '' ];
		}
		elsif ($line =~ /^([\w-]+): (.*)/) { push @{ $now->{headers} }, [ $1, $2 ]; }
		elsif ($line ne '') { die "$file:$.: not understood: $line"; }
	}
	return @requests;
}

# ---- HTTP, byte by byte: nothing here mends what the gateway says ----

my %connection;

sub ask
{
	my ($port, $request) = @_;
	my $body = $request->{body};
	my $text = "$request->{method} $request->{target} HTTP/1.1\r\nHost: localhost\r\n";
	my $is_head = $request->{method} eq 'HEAD';
	my $answer = '';

	$text .= "$_->[0]: $_->[1]\r\n" foreach @{ $request->{headers} };
	$text .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;
	$text .= "\r\n" . ($body // '');
	my $socket = delete $connection{$port} // IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 20) // die "connect: $!";
	print $socket $text;
	$socket->flush;
	until ($answer =~ /\r\n\r\n/) { sysread($socket, $answer, 1 << 16, length $answer) or return { status => 0, text => $answer }; }
	my ($head, $rest) = split /\r\n\r\n/, $answer, 2;
	my ($first, @lines) = split /\r\n/, $head;
	my ($status, $reason) = $first =~ /^HTTP\/1\.1 (\d{3}) (.*)/ or return { status => 0, text => $answer };
	my %headers;
	foreach (@lines)
	{
		my ($name, $value) = /^([^:\s]+): (.*)$/ or die "a header that is none: $_";
		push @{ $headers{ lc $name } }, $value;
	}
	my $length = $is_head || $status == 204 || $status == 304 ? 0 : $headers{'content-length'}[0] // die "no Content-Length: $head";
	while (length($rest) < $length) { sysread($socket, $rest, 1 << 16, length $rest) or die 'the body ends early'; }
	die "more than a body: $rest" if length($rest) > $length;
	$connection{$port} = $socket unless lc($headers{connection}[0] // '') eq 'close';
	return { status => $status, reason => $reason, headers => \%headers, body => $rest };
}

# ---- what is compared ----

# What is wrong with an answer, a line each.
sub complaints
{
	my ($request, $answer) = @_;
	my @wrong;
	push @wrong, "status $answer->{status}, not $request->{status}" if $answer->{status} ne ($request->{status} // '200');
	foreach (@{ $request->{expected} })
	{
		my ($name, $wanted) = @$_;
		my $values = $answer->{headers}{ lc $name } // [];
		my $got = join ', ', @$values;
		my $fits = $wanted eq '-' ? !@$values : $wanted =~ /^~ (.*)/ ? @$values && $got =~ /$1/ : @$values == 1 && $got eq $wanted;
		push @wrong, "$name: " . (@$values ? $got : '(none)') . ", not $wanted" unless $fits;
	}
	if (my $expected = $request->{answer})
	{
		my ($how, $text) = @$expected;
		my ($got, $wanted) = ($answer->{body} // '', $text);
		if ($how eq '=' && $text ne '')
		{
			$got = eval { $json->encode($json->decode($got)) } // $got;
			$wanted = $json->encode($json->decode($text));
		}
		push @wrong, "body\n    $got\n  not\n    $wanted" unless $how eq '=~' ? $got =~ /$text/s : $got eq $wanted;
	}
	return @wrong, always($request, $answer);
}

# What holds of every answer (RFC 9110; errors have PostgREST's four keys).
sub always
{
	my ($request, $answer) = @_;
	my ($headers, @wrong) = ($answer->{headers}, ());
	my $is_head = $request->{method} eq 'HEAD';
	push @wrong, 'no Vary' unless $headers->{vary};
	push @wrong, '204 with Content-Length' if $answer->{status} eq '204' && $headers->{'content-length'};
	push @wrong, 'HEAD claims an empty body' if $is_head && ($headers->{'content-length'}[0] // '1') eq '0';
	push @wrong, 'twice: ' . join ' ', grep { @{ $headers->{$_} } > 1 && $_ ne 'set-cookie' } keys %$headers if grep { @{ $headers->{$_} } > 1 && $_ ne 'set-cookie' } keys %$headers;
	push @wrong, 'an empty body with Content-Type' if $headers->{'content-type'} && ($answer->{status} eq '204' || ($answer->{status} eq '201' && $answer->{body} eq ''));
	if ($answer->{status} >= 400 || ($headers->{'proxy-status'} && !$is_head))
	{
		my $error = $is_head ? {} : eval { $json->decode($answer->{body}) } // {};
		push @wrong, 'not the four keys of an error' unless $is_head || join(' ', sort keys %$error) eq 'code details hint message';
		push @wrong, 'an error of another type' unless ($headers->{'content-type'}[0] // '') eq 'application/json; charset=utf-8';
		push @wrong, 'Proxy-Status' unless $is_head || ($headers->{'proxy-status'}[0] // '') eq "PostgREST; error=$error->{code}";
	}
	return @wrong;
}

# ---- the servers ----

my $node = new_node('postgrest');
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others');
sql($node, 'CREATE EXTENSION twin_security; ALTER ROLE twin_gateway LOGIN; ALTER DATABASE postgres SET TimeZone = \'UTC\'');
sql($node, slurp_file("$source/test/gateway/$_.sql")) foreach qw(fixture conformance);
my %token = (viewer => sql($node, q{SELECT twin.issue_token('{"user_id": "7", "role": "viewer"}')}));

sub free_port { my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0) or die $!; return $s->sockport; }

sub start_gateway
{
	my ($name, %settings) = @_;
	my $port = free_port();
	my $file = "$ENV{TESTDIR}/$name.conf";
	%settings = ('db-uri' => 'postgresql:///postgres?host=' . $node->host . '&port=' . $node->port . '&user=twin_gateway', 'db-anon-role' => 'twin_anonymous',
		'db-schemas' => 'test', 'app.settings.host' => 'localhost', 'db-tx-end' => 'rollback-allow-override', 'server-host' => '127.0.0.1', 'server-port' => $port, 'db-pool' => 3, %settings);
	open my $conf, '>', $file or die $!;
	print $conf "$_ = \"$settings{$_}\"\n" foreach sort keys %settings;
	close $conf or die $!;
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		open STDERR, '>', "$ENV{TESTDIR}/$name.log" or POSIX::_exit(3);
		exec 'twin_gateway', $file or POSIX::_exit(3);
	}
	$gateways{$name} = { pid => $pid, port => $port };
	for (1 .. 300)
	{
		my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
		close $socket if $socket;
		last if $socket && ask($port, { method => 'GET', target => '/numbers', headers => [] })->{status} eq '200';
		die("twin_gateway ends:\n" . slurp_file("$ENV{TESTDIR}/$name.log")) if waitpid($pid, POSIX::WNOHANG()) == $pid;
		sleep 0.1;
	}
	return;
}

END
{
	my $status = $?;
	foreach (values %gateways) { kill TERM => $_->{pid}; waitpid $_->{pid}, 0; }
	$? = $status;
}

start_gateway('plain');
start_gateway('rich', 'db-schemas' => 'test,other,Odd & schema', 'db-aggregates-enabled' => 'true', 'db-plan-enabled' => 'true', 'db-max-rows' => 10,
	'server-timing-enabled' => 'true', 'server-trace-header' => 'X-Trace', 'server-cors-allowed-origins' => 'https://app.example', 'openapi-mode' => 'disabled',
	'db-unfiltered-writes' => 'true', 'db-tx-end' => 'rollback', 'db-pre-request' => 'test.before');

my $only = $ENV{REQUESTS} // '';
foreach my $file (sort glob "$source/test/gateway/requests/*.txt")
{
	foreach my $request (grep { "$_->{place} $_->{target}" =~ /$only/ } requests_of($file))
	{
		$_->[1] =~ s/\{(\w+)\}/$token{$1} \/\/ "{$1}"/ge foreach @{ $request->{headers} };
		my @wrong = complaints($request, ask($gateways{ $request->{gateway} }{port}, $request));
		ok(!@wrong, "$request->{section}: $request->{method} $request->{target}") or diag("$request->{place}\n  ", join("\n  ", @wrong));
	}
}

# nothing was kept, and nobody left a connection in a transaction
is(sql($node, 'SELECT count(*) FROM test.languages'), '3', 'requests were rolled back');
kill TERM => $gateways{$_}{pid} foreach keys %gateways;
foreach my $name (sort keys %gateways)
{
	waitpid $gateways{$name}{pid}, 0;
	is($?, 0, "$name ends in order");
	my @own = grep { !/"event":"request"/ } split /\n/, slurp_file("$ENV{TESTDIR}/$name.log");
	is(join("\n", grep { /Sanitizer|"level":"(?:crit|error)"/ } @own), '', "$name: nothing in the log is the gateway's own fault");
	delete $gateways{$name};
}
done_testing();

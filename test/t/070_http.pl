# The gateway's HTTP server alone, under AddressSanitizer: what smugglers send, slow clients, limits, TLS, proxies, drain.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVBUF MSG_DONTWAIT);
use Test::More;
use Time::HiRes qw(sleep time);

my $source = $ENV{TWIN_SOURCE};
my $work = "$ENV{TESTDIR}/http";
mkdir $work;
my $sources = join ' ', grep { !m{/main\.c$} } glob("$source/src/gateway/http/*.c $source/src/gateway/tool/*.c");
is(system("gcc -std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -I$source/src "
		. "-o $work/http_echo $source/test/client/http_echo.c $sources -lmicrohttpd -lssl -lcrypto"), 0, 'the server is built')
	or die('it is not');
$SIG{PIPE} = 'IGNORE';
my $crlf = "\r\n";
my $get = "GET / HTTP/1.1\r\nHost: a\r\n";

# ---- the server, started as often as settings differ ----

my %server;
my $started = 0;
sub start
{
	my (%options) = @_;
	my $out = "$work/out" . ++$started;
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		open(STDOUT, '>', $out) or POSIX::_exit(3);
		open(STDERR, '>', "$out.err") or POSIX::_exit(3);
		exec("$work/http_echo", map { "$_=$options{$_}" } sort keys %options) or POSIX::_exit(3);
	}
	%server = (pid => $pid, out => $out);
	for (1 .. 300)
	{
		if (said() =~ /^port (\d+)\n/) { $server{port} = $1; return; }
		sleep 0.1;
	}
	die('the server does not start: ' . slurp("$out.err"));
}
sub slurp { my ($file) = @_; open(my $handle, '<', $file) or return ''; local $/; return scalar(<$handle>) // ''; }
sub said { return slurp($server{out}); }
sub await_said
{
	my ($what) = @_;
	for (1 .. 600) { return 1 if said() =~ $what; sleep 0.1; }
	diag(said());
	return 0;
}

# Ends the server; it must have answered everybody, and the sanitizer must have nothing to say.
sub stop
{
	my ($name) = @_;
	kill 'TERM', $server{pid};
	waitpid($server{pid}, 0);
	is($?, 0, "$name: the server ends in order, without error or leak") or diag(slurp("$server{out}.err"));
	return;
}

sub dial { return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server{port}, Timeout => 60) // die "connect: $!"; }

# All that comes until the end, or until so many answers are there.
sub hear
{
	my ($socket, $answers, $seconds) = @_;
	my ($text, $select, $end) = ('', IO::Select->new($socket), time() + ($seconds // 20));
	while (time() < $end)
	{
		last if $answers && (() = answers_of($text)) >= $answers;
		next unless $select->can_read(0.2);
		last unless sysread($socket, $text, 1 << 20, length $text);
	}
	return $text;
}

# Answers in a stream: [status, head, body].
sub answers_of
{
	my ($text) = @_;
	my @answers;
	while ($text =~ /\G(HTTP\/1\.[01] (\d+) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*)\r\n/gc)
	{
		my ($head, $status) = ($1, $2);
		my $length = $head =~ /^Content-Length: (\d+)\r$/m ? $1 : 0;
		last if length($text) - pos($text) < $length && $status ne '100';
		push @answers, [ $status, $head, substr($text, pos $text, $length) ];
		pos($text) = pos($text) + $length;
	}
	return @answers;
}
sub ask
{
	my ($request, $answers) = @_;
	my $socket = dial();
	print $socket $request;
	$socket->flush;
	my @got = answers_of(hear($socket, $answers // 1));
	return wantarray ? @got : $got[0];
}
sub echo { my $answer = ask(@_); return $answer && $answer->[0] eq '200' ? decode_json($answer->[2]) : { status => $answer ? $answer->[0] : 'none' }; }

# ---- what is understood ----

start(max_body => 100000, max_requests => 2000);
my $seen = echo("POST /a%20b?c=d HTTP/1.1\r\nHost: a\r\nX-Odd:  b\tc \r\nCONTENT-length: 3\r\n\r\nabc");
is_deeply([ @$seen{qw(method target path query body address)} ], [ 'POST', '/a%20b?c=d', '/a%20b', 'c=d', 'abc', '127.0.0.1' ], 'a request arrives as it was sent');
is_deeply($seen->{headers}, [ [ host => 'a' ], [ 'x-odd', "b\tc" ], [ 'content-length', '3' ] ], 'names in lower case, values whole');
is(echo("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")->{body}, 'abcdefg', 'chunks are put together');
is(echo("GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n")->{target}, '/x?y', 'an absolute target');
is(echo("GET http://a?y HTTP/1.1\r\nHost: a\r\n\r\n")->{target}, '/?y', 'an absolute target without path');
is(echo("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n")->{path}, '*', 'OPTIONS of the whole server');
is(echo("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")->{path}, '*', '... as an asterisk');
is(echo("BREW / HTTP/1.1\r\nHost: a\r\n\r\n")->{method}, 'BREW', 'a method nobody knows is the handler\'s to refuse');
is(echo("$get\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")->{address}, '127.0.0.1', 'nobody is believed to be a proxy');
my $big = 'x' x 15000;
is(length(echo("${get}X-Big: $big\r\n\r\n")->{headers}[1][1]), 15000, 'a long header arrives whole');

{
	my $socket = dial();
	print $socket "HEAD /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	my $text = hear($socket);
	like($text, qr/^HTTP\/1\.1 200 OK\r\n.*Content-Length: 6\r\n\r\n\z/s, 'HEAD has the length and no body');
	like($text, qr/^Connection: close\r$/m, '... and says that it closes');
	$socket = dial();
	print $socket "HEAD /unmade HTTP/1.1\r\nHost: a\r\n\r\nHEAD /unmade?Fine HTTP/1.1\r\nHost: a\r\n\r\nHEAD /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	$text = hear($socket);
	unlike($text, qr/(?:Content-Length|Transfer-Encoding).*HTTP/s, 'HEAD claims nothing of a body that nobody made');
	like($text, qr/\AHTTP\/1\.1 200 OK\r\n([^\r]+\r\n)+\r\nHTTP\/1\.1 200 Fine\r\n([^\r]+\r\n)+\r\nHTTP\/1\.1 200 OK\r\n.*Content-Length: 6\r\n\r\n\z/s, '... and the connection goes on');
	$socket = dial();
	print $socket "GET /hello HTTP/1.0\r\n\r\n";
	like(hear($socket), qr/200 OK.*hello\n\z/s, 'HTTP/1.0 is answered and closed');
	$socket = dial();
	print $socket "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" x 2;
	is(scalar(my @both = answers_of(hear($socket, 2))), 2, 'HTTP/1.0 may keep the connection');
	like($both[0][1], qr/^Connection: keep-alive\r$/mi, '... when it is told');
	$socket = dial();
	print $socket "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
	is(hear($socket, 1), "HTTP/1.1 100 Continue\r\n\r\n", '100 before the body');
	print $socket 'abc';
	like(hear($socket, 1), qr/^HTTP\/1\.1 200 OK.*"body":"abc"/s, '... and the answer after it');
	$socket = dial();
	print $socket "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 300000\r\n\r\n";
	like(hear($socket), qr/^HTTP\/1\.1 413 /, 'no 100 for a body that is too large');
}

# answers whose head is not what it should be
is(ask("GET /head?$_ HTTP/1.1\r\nHost: a\r\n\r\n")->[0], '500', "an answer with a bad head is a 500: $_") foreach qw(newline name reason large40000);
is(ask("GET /head?$_ HTTP/1.1\r\nHost: a\r\n\r\n")->[2], 'ok', "an answer is sent: $_") foreach qw(ours empty large20000);
is(ask("GET /status?$_->[0] HTTP/1.1\r\nHost: a\r\n\r\n")->[1] =~ /^(.*)\r/ && $1, "HTTP/1.1 $_->[1]", "status $_->[0]") foreach (
	[ '404', '404 Not Found' ], [ '429', '429 Too Many Requests' ], [ '460&Tea-is-out', '460 Tea-is-out' ], [ '99', '500 Internal Server Error' ], [ '100', '500 Internal Server Error' ]);
like(ask("GET /status?204 HTTP/1.1\r\nHost: a\r\n\r\n")->[1], qr/^HTTP\/1\.1 204 No Content\r\n(?!.*Content-Length: [1-9])/s, '204 has no body');
like(ask("GET /later?50 HTTP/1.1\r\nHost: a\r\n\r\n")->[2], qr/later/, 'an answer may come later');

# ---- what is refused ----

my $post = "POST /x HTTP/1.1\r\nHost: a\r\n";
my $smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
my @refused = (
	[ 400, 'bare LF', "GET / HTTP/1.1\nHost: a\n\n" ],
	[ 400, 'bare LF in the headers', "${get}A: b\nC: d\r\n\r\n" ],
	[ 400, 'bare CR', "${get}A: b\rC: d\r\n\r\n" ],
	[ 400, 'NUL in a header', "${get}A: b\0c\r\n\r\n" ],
	[ 400, 'NUL in the target', "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n" ],
	[ 400, 'space before the colon', "${post}Content-Length : 3\r\n\r\nabc" ],
	[ 400, 'folded line', "${get}A: b\r\n c\r\n\r\n" ],
	[ 400, 'two Host', "${get}Host: b\r\n\r\n" ],
	[ 400, 'two equal Host', "${get}Host: a\r\n\r\n" ],
	[ 400, 'no Host', "GET / HTTP/1.1\r\n\r\n" ],
	[ 400, 'two Authorization', "${get}Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n" ],
	[ 400, 'two Content-Length', "${post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc$smuggled" ],
	[ 400, 'two equal Content-Length', "${post}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" ],
	[ 400, 'Content-Length as a list', "${post}Content-Length: 3, 3\r\n\r\nabc" ],
	[ 400, 'Content-Length with a sign', "${post}Content-Length: +3\r\n\r\nabc" ],
	[ 400, 'CL.TE', "${post}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG$smuggled" ],
	[ 400, 'TE.CL', "${post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n$smuggled\r\n0\r\n\r\n" ],
	[ 400, 'TE.TE', "${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n$smuggled" ],
	[ 501, 'another coding', "${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n$smuggled" ],
	[ 501, 'a coding that is nearly chunked', "${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n$smuggled" ],
	[ 400, 'chunked with a control', "${post}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n$smuggled" ],
	[ 400, 'chunked in HTTP/1.0', "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$smuggled" ],
	[ 400, 'chunk size with 0x', "${post}Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n" ],
	[ 400, 'chunk size with a sign', "${post}Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n" ],
	[ 400, 'chunk size with a blank', "${post}Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n" ],
	[ 400, 'chunk size that overflows', "${post}Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n" ],
	[ 400, 'chunk extension', "${post}Transfer-Encoding: chunked\r\n\r\n3;a\r\nabc\r\n0\r\n\r\n" ],
	[ 400, 'chunk without its line end', "${post}Transfer-Encoding: chunked\r\n\r\n3\r\nabc0\r\n\r\n" ],
	[ 400, 'trailer', "${post}Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n" ],
	[ 413, 'a chunk that is too large', "${post}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n" ],
	[ 413, 'a body that is too large', "${post}Content-Length: 100001\r\n\r\n" ],
	[ 414, 'a target that is too long', 'GET /' . 'a' x 9000 . " HTTP/1.1\r\nHost: a\r\n\r\n" ],
	[ 415, 'a compressed body', "${post}Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc" ],
	[ 417, 'an expectation', "${post}Expect: tea\r\nContent-Length: 3\r\n\r\nabc" ],
	[ 431, 'a header of 32 KiB', "${get}A: " . 'a' x 32768 . "\r\n\r\n" ],
	[ 431, 'too many headers', $get . "A: b\r\n" x 200 . "\r\n" ],
	[ 501, 'CONNECT', "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n" ],
	[ 501, 'TRACE', "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n" ],
	[ 505, 'HTTP/2', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" ],
	[ 400, 'HTTP/0.9', "GET /\r\n\r\n" ],
	[ 400, 'TLS where there is none', "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" ],
	[ 400, 'a target and a Host that differ', "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n" ],
);
foreach my $case (@refused)
{
	my ($status, $name, $request) = @$case;
	my $socket = dial();
	print $socket $request;
	$socket->flush;
	my $text = hear($socket);
	my @answers = answers_of($text);
	my $body = @answers ? eval { decode_json($answers[0][2]) } : undef;
	ok(@answers == 1 && $answers[0][0] == $status && $body && join(',', sort keys %$body) eq 'code,details,hint,message'
			&& $body->{code} eq "HTTP$status" && $answers[0][1] =~ /^Connection: close\r$/m && $text !~ /smuggled/, "$status: $name")
		or diag($text);
}
# a good one, then a bad one: the first is answered, the second refused, the third never read
is(join(' ', map { $_->[0] } ask("$get\r\n${get}A : b\r\n\r\n$get\r\n", 3)), '200 400', 'after a refusal nothing is read');
unlike(said(), qr/smuggled|Bearer/, 'no byte of a request is in what is logged');
like(said(), qr/^refused 431 head is too large \(127\.0\.0\.1, \d+\)$/m, 'a refusal is told, with the address');

# ---- many at once, one behind the other ----

{
	my $socket = dial();
	my $requests = join '', map { "POST /p?$_ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" } 1 .. 1000;
	my ($text, $sent) = ('', 0);
	my $select = IO::Select->new($socket);
	$socket->blocking(0);
	while ((() = $text =~ /"path"/g) < 1000)
	{
		my $written = $sent < length $requests ? syswrite($socket, $requests, 65536, $sent) : 0;
		$sent += $written // 0;
		last if $select->can_read(0.01) && !sysread($socket, $text, 1 << 20, length $text);
	}
	my @answers = answers_of($text);
	is(scalar(@answers), 1000, 'a thousand requests in one go are all answered');
	is(join(',', map { decode_json($_->[2])->{query} } @answers), join(',', 1 .. 1000), '... in their order');
}
{
	my $socket = dial();
	print $socket "GET /bytes?5000000 HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	my @answers = answers_of(hear($socket));
	ok(@answers == 2 && length($answers[0][2]) == 5000000 && $answers[0][2] eq substr('abcdefghijklmnopqrstuvwxyz' x 192308, 0, 5000000), 'five megabytes arrive as they are');
	is($answers[1][2], "hello\n", '... and the answer behind them');
}

# a client that leaves while it waits
{
	my $socket = dial();
	print $socket "GET /later?2000 HTTP/1.1\r\nHost: a\r\n\r\n";
	$socket->flush;
	sleep 0.2;
	close $socket;
	ok(await_said(qr/^gone$/m), 'a client that has gone is noticed before the answer');
	$socket = dial();
	print $socket "GET /bytes?50000000 HTTP/1.1\r\nHost: a\r\n\r\n";
	sysread($socket, my $some, 100000);
	close $socket;
	is(ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")->[2], "hello\n", 'a client that leaves in the middle of an answer harms nobody');
	sleep 1.9;	# it comes, for nobody
}

# tunnels
{
	my $socket = dial();
	print $socket "GET /tunnel HTTP/1.1\r\nHost: a\r\nUpgrade: upper-case\r\nConnection: Upgrade\r\n\r\nahead";
	my $text = '';
	sysread($socket, $text, 1000, length $text) while $text !~ /AHEAD/;
	like($text, qr/^HTTP\/1\.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: upper-case\r\n\r\nAHEAD\z/, '101, and what was sent ahead reaches the other side');
	my ($back, $sent, $all) = ('', 0, 'abc ' x 250000);
	$socket->blocking(0);
	while (length $back < length $all)
	{
		$sent += syswrite($socket, $all, 65536, $sent) // 0 if $sent < length $all;
		sysread($socket, $back, 1 << 20, length $back);
	}
	is($back, uc $all, 'a megabyte goes there and back');
	$socket->blocking(1);
	print $socket '.';
	is(hear($socket), 'bye', 'the last word arrives, then it is closed');
	$socket = dial();
	print $socket "GET /tunnel HTTP/1.1\r\nHost: a\r\n\r\nx";
	sysread($socket, $text, 1000);
	close $socket;
	ok(await_said(qr/^tunnel ended$/m), 'a client that leaves a tunnel is noticed');
}

# 100 MB are announced as chunks and sent: refused early, and not read to the end
{
	my $socket = dial();
	$socket->blocking(0);
	my ($text, $sent, $chunk) = ('', 0, "10000\r\n" . 'x' x 65536 . "\r\n");
	my $head = "${post}Transfer-Encoding: chunked\r\n\r\n";
	syswrite($socket, $head);
	my $end = time() + 20;
	while ($sent < 100 * 1048576 && time() < $end)
	{
		my $written = syswrite($socket, $chunk, length($chunk) - $sent % length $chunk, $sent % length $chunk);
		last if !defined $written && !$!{EAGAIN};
		$sent += $written // 0;
		sysread($socket, $text, 65536, length $text);
		last if $text =~ /413/;
	}
	like($text, qr/^HTTP\/1\.1 413 /, 'a body of 100 MB is refused while it is sent');
	cmp_ok($sent, '<', 40 * 1048576, '... early');
}
stop('understood and refused');

# ---- deadlines ----

start(head_timeout => 1000, body_timeout => 1000, idle_timeout => 1500, answer_timeout => 1500, max_requests => 3);
{
	my @slow = map { dial() } 1 .. 4;
	print { $slow[0] } 'GET / HT';
	print { $slow[1] } "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc";
	print { $slow[2] } "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
	$_->flush foreach @slow;
	my $began = time();
	# each keeps sending: the deadline is absolute
	for (1 .. 12) { sleep 0.15; syswrite($slow[0], 'T') if $_ < 6; syswrite($slow[1], 'x'); syswrite($slow[2], "1\r\nx\r\n"); }
	like(hear($slow[0]), qr/^HTTP\/1\.1 408 .*"HTTP408"/s, 'a slow head is cut off');
	like(hear($slow[1]), qr/^HTTP\/1\.1 408 /, 'a slow body is cut off');
	like(hear($slow[2]), qr/^HTTP\/1\.1 408 /, 'slow chunks are cut off');
	is(hear($slow[3]), '', 'who says nothing is closed without a word');
	my $reader = dial();
	print $reader "GET /bytes?50000000 HTTP/1.1\r\nHost: a\r\n\r\n";
	$reader->flush;
	my $text = '';
	for (1 .. 25) { sysread($reader, $text, 1000, length $text); sleep 0.1; }
	my $rest = hear($reader);
	cmp_ok(length($text) + length($rest), '<', 50000000, 'a slow reader is cut off');
	my @answers = ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" x 5, 5);
	is(scalar(@answers), 3, 'a connection serves so many requests and no more');
	like($answers[2][1], qr/^Connection: close\r$/m, '... and says so');
}
# who drips does not hinder others
{
	my @drips = map { dial() } 1 .. 500;
	my ($good, $round) = (0, 0);
	my $end = time() + 0.8;
	while (time() < $end)
	{
		syswrite($_, $round ? 'a' : 'GET /') foreach @drips;
		$round++;
		for (1 .. 10) { my $got = ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"); $good += $got && $got->[2] eq "hello\n"; }
	}
	is($good, 10 * $round, "others are served while 500 connections drip ($good answers)");
	is(scalar(grep { hear($_, 1) =~ /^HTTP\/1\.1 408/ } @drips), 500, 'those that drip are cut off');
}
stop('deadlines');

# ---- limits on connections ----

start(max_connections => 5, max_connections_per_address => 3);
{
	my @held = map { dial() } 1 .. 3;
	print { $held[2] } "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
	like(hear($held[2], 1), qr/hello/, 'three of one address are served');
	like(hear(dial()), qr/^HTTP\/1\.1 503 .*^Retry-After: 1\r.*"HTTP503"/ms, 'the fourth is not');
	my $other = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server{port}, LocalAddr => '127.0.0.2') // die $!;
	print $other "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
	like(hear($other, 1), qr/hello/, 'another address is');
	close $held[0];
	for (1 .. 300) { last if ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")->[2] eq "hello\n"; sleep 0.1; }
	is(ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")->[2], "hello\n", 'a place that was left is free');
	sleep 0.3;
	my @more = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server{port}, LocalAddr => '127.0.0.3') // die $! } 1 .. 3;
	like(hear($more[2]), qr/^HTTP\/1\.1 503 /, 'there is a bound for all');
	like(said(), qr/refused 503 too many connections of one address \(127\.0\.0\.1.*refused 503 too many connections \(127\.0\.0\.3/s, 'both are told');
}
stop('limits');

# ---- proxies, unix socket ----

start(trusted_proxies => '127.0.0.1, 10.0.0.0/8', max_connections_per_address => 1);
sub forwarded { my (@lines) = @_; my $got = echo(join('', $get, map({ "$_\r\n" } @lines), "\r\n")); return join ' ', $got->{address} // 'none', $got->{tls} ? 'https' : 'http'; }
is(forwarded('X-Forwarded-For: 198.51.100.9, 192.0.2.1, 10.1.2.3', 'X-Forwarded-Proto: https'), '192.0.2.1 https', 'a trusted proxy is believed, up to the first stranger');
is(forwarded('X-Forwarded-For: 198.51.100.9', 'X-Forwarded-For: 192.0.2.1'), '192.0.2.1 http', 'headers are read in order');
is(forwarded('Forwarded: for="[2001:db8::1]:99";proto=https'), '2001:db8::1 https', 'Forwarded');
is(forwarded('Forwarded: for=198.51.100.9;proto=https', 'X-Forwarded-For: 192.0.2.1'), '192.0.2.1 http', 'Forwarded is not read beside X-Forwarded-For');
is(forwarded('X-Forwarded-For: rubbish'), '127.0.0.1 http', 'what cannot be read is not believed');
{
	my @many = map { dial() } 1 .. 5;
	is(echo("$get\r\n")->{method}, 'GET', 'a trusted proxy may have many connections');
	my $stranger = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server{port}, LocalAddr => '127.0.0.9') // die $!;
	print $stranger "${get}X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\r\n";
	my ($told) = answers_of(hear($stranger, 1));
	is(decode_json($told->[2])->{address}, '127.0.0.9', 'a stranger is not believed');
	ok(!decode_json($told->[2])->{tls}, '... about TLS either');
}
stop('proxies');

start(unix_socket => "$work/socket", trusted_proxies => 'unix');
is((stat "$work/socket")[2] & 0777, 0600, 'the socket is the owner\'s');
{
	my $socket = IO::Socket::UNIX->new(Peer => "$work/socket") // die $!;
	print $socket "$get\r\n${get}X-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\r\n";
	my @told = map { decode_json($_->[2])->{address} } answers_of(hear($socket));
	is_deeply(\@told, [ undef, '192.0.2.1' ], 'a unix socket has no address but what its proxy says');
}
kill 'KILL', $server{pid};
waitpid($server{pid}, 0);
ok(-S "$work/socket", 'a server that was killed leaves its socket');
start(unix_socket => "$work/socket");
ok(IO::Socket::UNIX->new(Peer => "$work/socket"), '... which the next one takes over');
{
	my $second = `$work/http_echo unix_socket=$work/socket 2>&1`;
	like($second, qr/in use/, '... but not from one that lives');
}
stop('unix socket');
ok(!-e "$work/socket", 'it takes its socket away');

# ---- TLS ----

sub certificate { my ($name) = @_; return system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=$name -keyout $work/new.key -out $work/new.crt 2>/dev/null && mv $work/new.key $work/tls.key && mv $work/new.crt $work/tls.crt"); }
sub s_client { my ($more, $request, $later) = @_; open(my $file, '>', "$work/request") or die $!; print $file $request; close $file;
	$later = $later ? "sleep 2; echo $later" : '';
	return scalar `(cat $work/request; $later) | timeout 60 openssl s_client -ign_eof -connect 127.0.0.1:$server{port} $more 2>&1`; }
is(certificate('first'), 0, 'a certificate');
start(tls_certificate => "$work/tls.crt", tls_key => "$work/tls.key", head_timeout => 2000, body_timeout => 60000);
my $close = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
like(s_client('-alpn http/1.1 -tls1_3', $close), qr/subject=CN = first.*ALPN protocol: http\/1\.1.*"tls":true/s, 'TLS 1.3 with ALPN');
like(s_client('-tls1_2', $close), qr/Protocol\s*: TLSv1\.2.*"tls":true/s, 'TLS 1.2');
unlike(s_client('-tls1_1 -cipher ALL:@SECLEVEL=0', $close), qr/"tls":true/, 'nothing older');
unlike(s_client('-alpn h2', $close), qr/"tls":true/, 'who speaks only HTTP/2 is turned away');
like(s_client('-quiet', "GET /bytes?300000 HTTP/1.1\r\nHost: a\r\n\r\n$close"), qr/(?:abcdefghijklmnopqrstuvwxyz){11538}.*"tls":true/s, 'a large answer and one behind it');
like(s_client('-quiet', "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n" . 'y' x 200000), qr/"body_length":200000/, 'a large body');
like(s_client('-quiet', "GET / HTTP/1.1\r\nHost : a\r\n\r\n"), qr/400 Bad Request.*HTTP400/s, 'a refusal');
like(s_client('-quiet', "GET /tunnel HTTP/1.1\r\nHost: a\r\n\r\nabc", "."), qr/101 Switching.*ABC/s, 'a tunnel');
is(hear(dial()), '', 'who does not shake hands is closed');
is(certificate('second'), 0, 'another certificate');
kill 'HUP', $server{pid};
ok(await_said(qr/^reloaded$/m), 'is read');
like(s_client('', $close), qr/subject=CN = second.*"tls":true/s, '... and used');
{ open(my $file, '>', "$work/tls.key") or die $!; print $file 'no key'; }
kill 'HUP', $server{pid};
ok(await_said(qr/^TLS key cannot be read$/m), 'a key that is none is refused');
like(s_client('', $close), qr/subject=CN = second.*"tls":true/s, '... and the one before stays');
like(scalar(`$work/http_echo tls_certificate=$work/tls.crt tls_key=$work/tls.key 2>&1`), qr/^TLS key cannot be read$/, 'nor does a server begin with it');
stop('TLS');

# ---- leaving ----

start();
{
	my ($idle, $busy, $half) = map { dial() } 1 .. 3;
	print $busy "GET /later?800 HTTP/1.1\r\nHost: a\r\n\r\n";
	print $half "GET /hello HTTP/1.1\r\n";
	$_->flush foreach $busy, $half;
	sleep 0.3;
	kill 'TERM', $server{pid};
	is(hear($idle), '', 'the idle are closed');
	ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server{port}), 'nobody new is let in');
	print $half "Host: a\r\n\r\n";
	$half->flush;
	like(hear($half), qr/^HTTP\/1\.1 200.*^Connection: close\r.*hello/ms, 'who has begun is answered');
	like(hear($busy), qr/^HTTP\/1\.1 200.*^Connection: close\r.*later/ms, 'who waits is answered');
	ok(await_said(qr/^drained$/m), 'then it is done');
}
stop('drain');
start();
{
	my $slow = dial();
	print $slow "GET /later?4500 HTTP/1.1\r\nHost: a\r\n\r\n";
	$slow->flush;
	sleep 0.2;
	kill 'TERM', $server{pid};
	is(hear($slow), '', 'who is not ready in time is cut off');
	ok(await_said(qr/^gone\ndrained$/m), '... and its handler knows');
}
stop('drain in time');

done_testing();

# What deploy/ holds can be used: nginx takes its file and serves with it, systemd takes the unit, and both agree with
# the gateway's own defaults.
use strict;
use warnings;
use File::Basename;
use File::Temp;
use IO::Socket::INET;
use Test::More;
use PostgreSQL::Test::Utils;
use TwinNotifier;

my $deploy = "$ENV{TWIN_SOURCE}/deploy";
my $place = File::Temp->newdir('/tmp/twin_deploy.XXXXXX');

sub text_of { my ($name) = @_; open my $file, '<', "$deploy/$name" or die "$name: $!"; local $/; return <$file>; }
sub write_to { my ($path, $text) = @_; open my $file, '>', $path or die $!; print $file $text; close $file or die $!; return $path; }
sub found { my ($name) = @_; foreach (split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin') { return "$_/$name" if -x "$_/$name" } return; }
sub default_of { my ($name) = @_; return text_of('twin_gateway.conf') =~ /^# \Q$name\E = "?(.*?)"?$/m ? $1 : die "$name has no default"; }
sub free_port { my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0) or die $!; return $s->sockport; }

# ---- in step ----

my $nginx_conf = text_of('nginx.conf');
my $unit = text_of('twin_gateway.service');

my ($nginx_body) = $nginx_conf =~ /client_max_body_size (\d+)m;/;
is("${nginx_body}MB", default_of('server-max-body'), 'bodies: nginx lets through what the gateway takes');
my ($count, $size) = $nginx_conf =~ /large_client_header_buffers (\d+) (\d+)k;/;
is("${size}kB", default_of('server-max-target'), 'request lines: the same');
ok($count * $size >= default_of('server-max-head') =~ s/kB//r, 'heads: the gateway judges');
like($nginx_conf, qr/client_header_timeout ${\default_of('server-head-timeout')}s;/, 'time for a head: the same');
like($nginx_conf, qr/limit_conn per_address ${\default_of('server-max-connections-per-address')};/, 'connections of one address: the same');
like($nginx_conf, qr/server 127\.0\.0\.1:${\default_of('server-port')};/, 'the port: the same');
like($nginx_conf, qr/location = \Q${\default_of('server-websocket-path')}\E \{/, 'the path of the WebSocket: the same');
my ($ws_timeout) = $nginx_conf =~ /location = \/ws.*?proxy_read_timeout (\d+)s/s;
cmp_ok($ws_timeout, '>', default_of('websocket-ping-interval'), 'a WebSocket that is pinged is not cut off');
my ($stop) = $unit =~ /^TimeoutStopSec=(\d+)s$/m;
cmp_ok($stop, '>', default_of('server-drain-timeout'), 'systemd waits for requests under way');

# ---- nginx ----

my $stand_in;
END
{
	my $status = $?;
	my ($nginx_pid) = $place && -e "$place/nginx.pid" ? slurp_file("$place/nginx.pid") =~ /(\d+)/ : ();
	kill TERM => grep { $_ } $stand_in, $nginx_pid;
	waitpid $stand_in, 0 if $stand_in;
	$? = $status;
}

SKIP:
{
	my $nginx = found('nginx');
	my $openssl = found('openssl');
	my $curl = found('curl');
	skip 'nginx, openssl or curl is not installed', 1 unless $nginx && $openssl && $curl;
	my %port = (http => free_port(), https => free_port(), gateway => free_port());
	my $conf = $nginx_conf;

	system_or_bail($openssl, qw(req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=api.example.com -keyout), "$place/key.pem", '-out', "$place/cert.pem");
	# only what belongs to one machine is changed
	$conf =~ s{^user www-data;$}{}m;
	$conf =~ s{/run/nginx\.pid}{$place/nginx.pid};
	$conf =~ s{/var/log/nginx/}{$place/}g;
	$conf =~ s{/etc/ssl/certs/api\.example\.com\.pem}{$place/cert.pem};
	$conf =~ s{/etc/ssl/private/api\.example\.com\.key}{$place/key.pem};
	$conf =~ s{^\s*listen \[::\]:.*\n}{}mg;
	$conf =~ s{listen 80\b}{listen 127.0.0.1:$port{http}}g;
	$conf =~ s{listen 443\b}{listen 127.0.0.1:$port{https}}g;
	$conf =~ s{127\.0\.0\.1:3000}{127.0.0.1:$port{gateway}};
	my $temporary = join '', map { "${_}_temp_path $place/$_;" } qw(client_body proxy fastcgi uwsgi scgi);
	$conf =~ s|^http \{|http { $temporary|m;
	write_to("$place/nginx.conf", $conf);
	my @nginx = ($nginx, '-e', "$place/error.log", '-p', "$place", '-c', "$place/nginx.conf");
	command_ok([ @nginx, '-t' ], 'nginx takes the file');

	# a stand-in for the gateway that says what reached it
	my $upstream = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', LocalPort => $port{gateway}, ReuseAddr => 1) or die $!;
	$stand_in = fork() // die $!;
	if ($stand_in == 0)
	{
		require POSIX;
		local $SIG{TERM} = sub { POSIX::_exit(0) };
		# nothing of the test's may wait for what is held open here
		POSIX::close($_) foreach 0 .. 2;
		while (my $client = $upstream->accept)
		{
			my ($head, $line) = ('');
			while (defined($line = <$client>)) { $head .= $line; last if $line =~ /^\r?\n$/; }
			my ($length) = $head =~ /^Content-Length: (\d+)/mi;
			read $client, my $body, $length if $length;
			print $client "HTTP/1.1 200 OK\r\nContent-Length: " . length($head) . "\r\nConnection: close\r\nStrict-Transport-Security: max-age=1\r\n\r\n$head";
			close $client;
		}
		POSIX::_exit(0);
	}
	close $upstream;
	system(@nginx) == 0 or die 'nginx does not start';
	my @curl = ($curl, '-s', '--max-time', '10', '--cacert', "$place/cert.pem", '--resolve', "api.example.com:$port{https}:127.0.0.1", '--resolve', "api.example.com:$port{http}:127.0.0.1");
	my $https = "https://api.example.com:$port{https}";
	my $ask = sub { my ($out) = run_command([ @curl, @_ ]); return $out =~ s/\r//gr; };

	like($ask->('-i', "http://api.example.com:$port{http}/units?id=eq.1"), qr{^HTTP/1.1 308.*^Location: https://api\.example\.com/units\?id=eq\.1$}ms, 'HTTP leads to HTTPS');
	is($ask->('-o', '/dev/null', '-w', '%{http_code}', '-H', 'Host: other.example', "http://127.0.0.1:$port{http}/"), '000', 'another name gets nothing');
	is($ask->('-o', '/dev/null', '-w', '%{http_version}', '--http2', "$https/"), '2', 'HTTP/2');
	my $seen = $ask->('-i', '-H', 'X-Forwarded-For: 203.0.113.9', '-H', 'X-Forwarded-Proto: http', '-H', 'Forwarded: for=203.0.113.9', '-H', 'X-Real-IP: 203.0.113.9', "$https/units?id=eq.1");
	like($seen, qr{^GET /units\?id=eq\.1 HTTP/1\.1$}m, 'the request reaches the gateway as it is');
	like($seen, qr/^X-Forwarded-For: 127\.0\.0\.1$/m, 'with the address it came from');
	like($seen, qr/^X-Forwarded-Proto: https$/m, 'and over what');
	unlike($seen, qr/203\.0\.113\.9/, 'and nothing the client says about itself');
	like($seen, qr/^Host: api\.example\.com:$port{https}$/mi, 'and the name with its port');
	unlike($seen, qr/^Upgrade:/m, 'nothing is upgraded');
	like($seen, qr/^strict-transport-security: max-age=1$/mi, 'headers of the gateway come through');
	$seen = $ask->('--http1.1', '-H', 'Connection: Upgrade', '-H', 'Upgrade: websocket', "$https/ws");
	like($seen, qr/^Upgrade: websocket$/m, 'but at the WebSocket');
	like($seen, qr/^Connection: upgrade$/m, 'with the connection');
	is($ask->('-o', '/dev/null', '-w', '%{http_code}', '-H', 'Expect:', '-H', 'Content-Length: 10485761', '-X', 'POST', '-d', 'x', "$https/units"), '413', 'a body too large is refused before it is sent');
	is($ask->('--http1.1', '-o', '/dev/null', '-w', '%{http_code}', "$https/units?" . 'a' x 20000), '414', 'and so is a request line');
	my $log = slurp_file("$place/access.log");
	like($log, qr{ GET /units 200 }, 'the log names paths');
	unlike($log, qr/id=eq/, 'without their queries');
}

# ---- systemd ----

SKIP:
{
	my $analyze = found('systemd-analyze');
	skip 'systemd is not installed', 1 unless $analyze;
	foreach my $name ('twin_gateway', 'twin_notifier')
	{
		my $program = write_to("$place/$name", "#!/bin/sh\n");
		chmod 0755, $program;
		my $path = write_to("$place/$name.service", text_of("$name.service") =~ s{/usr/lib/postgresql/15/bin/$name}{$program}gr);
		my ($out, $err) = run_command([ $analyze, 'verify', '--man=no', $path ]);

		is(join('', grep { /$name/ } map { "$_\n" } split /\n/, "$out\n$err"), '', "systemd takes the unit of $name without a word");
		($out, $err) = run_command([ $analyze, 'security', '--offline=yes', '--no-pager', $path ]);
		my ($exposure) = $out =~ /exposure level for .*: ([\d.]+)/;
		ok(defined $exposure, 'and judges it') or diag("$out\n$err");
		cmp_ok($exposure // 10, '<', 2, 'as hardly exposed');
	}
}
foreach my $line ('NoNewPrivileges=yes', 'ProtectSystem=strict', 'PrivateTmp=yes', 'CapabilityBoundingSet=', 'SystemCallFilter=@system-service', 'User=twin_gateway', 'Restart=on-failure')
{
	like($unit, qr/^\Q$line\E$/m, $line);
	like(text_of('twin_notifier.service'), qr/^${\quotemeta($line =~ s{twin_gateway}{twin_notifier}r)}$/m, "$line, of the notifier");
}

# ---- the notifier's configuration ----

{
	my ($out, $err) = run_command([ notifier_program(), '--check', "--config=$deploy/alert_config.json" ]);
	is($err, '', 'the notifier takes its configuration without a word');
	like($out, qr/^operators: smtp, off \(the variable ALERT_SMTP_USER.*^chat: webhook, off \(the variable ALERT_WEBHOOK_URL.*^siem: syslog, on/ms, '... and says what is on');
}
done_testing();

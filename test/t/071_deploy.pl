# What deploy/ holds can be used: nginx takes its file and serves with it, systemd takes the unit, and both agree with
# the gateway's own defaults.
use strict;
use warnings;
use File::Basename;
use File::Temp;
use IO::Socket::INET;
use IPC::Run;
use JSON::PP;
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
ok(default_of('server-auth-prefix') . '/login' =~ m{${\($nginx_conf =~ m/location ~ (\S*login\S*) /)}}, 'the paths of logins: the same');
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
	is($ask->('-o', '/dev/null', '-w', '%{http_code}', '-H', 'Host: other.example', "$https/"), '000', '... also under the right name, when the request has another');
	is($ask->('-o', '/dev/null', '-w', '%{http_code}', '--http1.1', '--request-target', 'http://127.0.0.1:1/', "$https/"), '000', '... or a whole URL');
	is($ask->('-o', '/dev/null', '-w', '%{http_version}', '--http2', "$https/"), '2', 'HTTP/2');
	is($ask->('-o', '/dev/null', '-w', '%{http_code}', '--tlsv1.3', "$https/"), '200', 'TLS 1.3');
	is($ask->('-o', '/dev/null', '-w', '%{http_code}', '--tls-max', '1.1', '--ciphers', 'DEFAULT:@SECLEVEL=0', "$https/"), '000', '... and nothing before TLS 1.2');
	my $seen = $ask->('-i', '-H', 'X-Forwarded-For: 203.0.113.9', '-H', 'X-Forwarded-Proto: http', '-H', 'Forwarded: for=203.0.113.9', '-H', 'X-Real-IP: 203.0.113.9', "$https/units?id=eq.1");
	like($seen, qr{^GET /units\?id=eq\.1 HTTP/1\.1$}m, 'the request reaches the gateway as it is');
	like($seen, qr/^X-Forwarded-For: 127\.0\.0\.1$/m, 'with the address it came from');
	like($seen, qr/^X-Forwarded-Proto: https$/m, 'and over what');
	unlike($seen, qr/203\.0\.113\.9/, 'and nothing the client says about itself');
	like($seen, qr/^Host: api\.example\.com:$port{https}$/mi, 'and the name with its port');
	unlike($seen, qr/^Upgrade:/m, 'nothing is upgraded');
	like($seen, qr/^strict-transport-security: max-age=1$/mi, 'headers of the gateway come through');
	is(() = $seen =~ /^strict-transport-security:/mig, 1, '... once');
	like($seen, qr/^content-security-policy: default-src 'none'; frame-ancestors 'none'$/mi, 'and what it does not say, nginx does');
	$seen = $ask->('--http1.1', '-H', 'Connection: Upgrade', '-H', 'Upgrade: websocket', "$https/ws");
	like($seen, qr/^Upgrade: websocket$/m, 'but at the WebSocket');
	like($seen, qr/^Connection: upgrade$/m, 'with the connection');
	is($ask->('-o', '/dev/null', '-w', '%{http_code}', '-H', 'Expect:', '-H', 'Content-Length: 10485761', '-X', 'POST', '-d', 'x', "$https/units"), '413', 'a body too large is refused before it is sent');
	is($ask->('--http1.1', '-o', '/dev/null', '-w', '%{http_code}', "$https/units?" . 'a' x 20000), '414', 'and so is a request line');
	like($ask->('-i', '-H', 'Expect:', '-H', 'Content-Length: 10485761', '-X', 'POST', '-d', 'x', "$https/units"), qr/^HTTP.* 413 .*^strict-transport-security: max-age=31536000\n.*^content-security-policy: default-src 'none'/msi,
		'what nginx answers by itself has the headers, too');
	my $codes = $ask->('-Z', '-w', '%{http_code}\n', '-X', 'POST', '-d', 'x', map { ('-o', '/dev/null', "$https/api/auth/login?$_") } 1 .. 80);
	my %count;
	$count{$_}++ foreach split ' ', $codes;
	cmp_ok($count{200} // 0, '>=', 10, 'some logins at once are let through');
	cmp_ok($count{429} // 0, '>=', 1, '... and not as many as somebody likes') || diag($codes);
	is($ask->('-o', '/dev/null', '-w', '%{http_code}', "$https/units"), '200', '... who may go on with all else');
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
SKIP:
{
	my $analyze = found('systemd-analyze');
	skip 'systemd is not installed', 1 unless $analyze;
	# Debian's own unit, as far as it matters here, with our drop-in
	my $path = write_to("$place/server.service", "[Service]\nType=forking\nExecStart=/bin/true\n" . text_of('postgresql.service.conf') =~ s/^\[Service\]$//mr);
	my ($out, $err) = run_command([ $analyze, 'verify', '--man=no', $path ]);
	is(join('', grep { /server/ } map { "$_\n" } split /\n/, "$out\n$err"), '', 'systemd takes what the server is given without a word');
	($out, $err) = run_command([ $analyze, 'security', '--offline=yes', '--no-pager', $path ]);
	cmp_ok($out =~ /exposure level for .*: ([\d.]+)/ ? $1 : 10, '<', 4, 'and judges it as little exposed');
}
foreach my $line ('NoNewPrivileges=yes', 'ProtectSystem=strict', 'PrivateTmp=yes', 'CapabilityBoundingSet=', 'SystemCallFilter=@system-service', 'User=twin_gateway', 'Restart=on-failure')
{
	like($unit, qr/^\Q$line\E$/m, $line);
	like(text_of('twin_notifier.service'), qr/^${\quotemeta($line =~ s{twin_gateway}{twin_notifier}r)}$/m, "$line, of the notifier");
}

# ---- images ----

{
	my $dockerfile = text_of('image/Dockerfile') =~ s/\\\n/ /gr;
	my %stages = $dockerfile =~ /^FROM \S+ AS (\w+)\n(.*?)(?=^FROM |\z)/msg;
	is((join ' ', sort keys %stages), 'build database gateway notifier', 'what builds is not what runs');
	foreach my $name (qw(database gateway notifier))
	{
		like($stages{$name}, qr/^USER (?!0\b)[0-9]+:[0-9]+$/m, "$name: not as root");
		unlike($stages{$name}, qr/^(?:ENV|ARG)\b.*(?:KEY|SECRET|PASS)/mi, '... and without a secret');
	}
	unlike($stages{$_}, qr/^(?:RUN|SHELL)\b/m, "$_: nothing is run in it") foreach qw(gateway notifier);
	unlike($dockerfile, qr/^(?:ADD\b|FROM \S*:latest|RUN.*\bcurl\b)/m, 'nothing is fetched but Debian\'s packages');
	my ($needed) = slurp_file("$ENV{TWIN_SOURCE}/demo/packages.sh") =~ /^PACKAGES=\((.*?)\)/ms;
	my %installed = map { $_ => 1 } $stages{build} =~ /--no-install-recommends\s+(.*)$/m ? split ' ', $1 : ();
	$needed =~ s/\$PG_MAJOR/15/g;
	is((join ' ', grep { !$installed{$_} && !/^(?:curl|postgresql-15)$/ } $needed =~ /[^\s"]+/g), '', 'it builds with what the quickstart builds with');

	my $image = "$place/image";
	command_ok([ "$deploy/image/collect", notifier_program(), $image, 'twin_notifier', '10078' ], 'what an image consists of');
	my @programs = grep { -f && -x && !/[.]so\b/ } split /\n/, (run_command([ 'find', $image, '-type', 'f' ]))[0];
	is("@programs", "$image/twin_notifier", '... one program');
	my ($loader) = glob "$image/lib*/ld-linux*";
	my ($out) = run_command([ $loader, '--list', '--inhibit-cache', '--library-path', (join ':', glob "$image/lib/*-linux-gnu $image/usr/lib/*-linux-gnu"), "$image/twin_notifier" ]);
	is((join ' ', grep { !/^\s*(?:linux-vdso|\S*ld-linux|\S+ => \Q$image\E)/ } split /\n/, $out), '', '... and all that it is linked with');
	command_fails_like([ "$deploy/image/collect", notifier_program() ], qr/PROGRAM FOLDER USER ID/, '... and how it is used');
}

# docker compose where there is one, Debian's docker-compose, or any reader of YAML
{
	my $compose = "$deploy/image/compose.yaml";
	my ($docker, $classic) = (found('docker'), found('docker-compose'));
	local %ENV = (%ENV, CONFIG => '/etc/twin', SECRETS => '/etc/twin/secrets', WEB_CERTIFICATES => '/etc/twin/web');
	my @config = $docker && run_log([ $docker, 'compose', 'version' ]) ? ($docker, 'compose', '-f', $compose, 'config') : $classic ? ($classic, '-f', $compose, 'config') : ('cat', $compose);
	note "composed by @config";
	command_ok(\@config, 'the composition is valid');
	my ($text) = run_command(\@config);
	my ($json, $err) = ('', '');
	IPC::Run::run([ 'python3', '-c', 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))' ], '<', \$text, '>', \$json, '2>', \$err);
	SKIP:
	{
		skip 'python3-yaml is not installed', 1 if $json eq '';
		my $all = JSON::PP->new->decode($json);
		foreach my $name (sort keys %{ $all->{services} })
		{
			my $service = $all->{services}{$name};
			is_deeply([ $service->{cap_drop}, $service->{security_opt}, $service->{read_only} ? 1 : 0, $service->{privileged} ], [ ['ALL'], ['no-new-privileges:true'], 1, undef ], "$name is confined");
			ok(defined $service->{mem_limit} && defined $service->{pids_limit}, '... and bounded');
			my %environment = ref $service->{environment} eq 'HASH' ? %{ $service->{environment} } : ();
			is((join ' ', grep { /KEY|SECRET|PASS/ && $environment{$_} !~ m{^/run/secrets/} } keys %environment), '', '... and is told secrets by file');
			next if $name eq 'nginx';
			like($service->{user} // '', qr/^[1-9]\d*:[1-9]\d*$/, '... and nobody');
			ok(!$service->{ports}, '... and not reached from outside');
		}
		my $networks = sub { my $of = $all->{services}{ $_[0] }{networks}; return join ' ', sort ref $of eq 'HASH' ? keys %$of : @$of };
		is($networks->('database'), 'inside', 'the database is inside');
		is($networks->('gateway'), 'between inside', 'the gateway between');
		is($networks->('nginx'), 'between outside', 'nginx outside');
		ok($all->{networks}{$_}{internal}, "$_ has no way out") foreach qw(inside between);
		is((join ' ', grep { !defined $all->{secrets}{$_}{file} } keys %{ $all->{secrets} }), '', 'secrets are files');
	}
}

# ---- .env ----

is((join ' ', grep { /=./ } grep { !/^#/ } split /\n/, slurp_file("$ENV{TWIN_SOURCE}/.env.example")), '', 'the example of .env has names and no values');
foreach my $ignore ('.gitignore', '.dockerignore')
{
	like(slurp_file("$ENV{TWIN_SOURCE}/$ignore"), qr{^(?:\*\*/)?[.]env$}m, "$ignore: .env stays where it is");
}

# ---- the notifier's configuration ----

{
	my ($out, $err) = run_command([ notifier_program(), '--check', "--config=$deploy/alert_config.json" ]);
	is($err, '', 'the notifier takes its configuration without a word');
	like($out, qr/^operators: smtp, off \(the variable ALERT_SMTP_USER.*^chat: webhook, off \(the variable ALERT_WEBHOOK_URL.*^siem: syslog, on/ms, '... and says what is on');
}
done_testing();

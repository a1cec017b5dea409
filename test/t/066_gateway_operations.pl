# The gateway as its administrator meets it: command line, what the process may do, configuration and schema read again,
# the log, the admin port, waiting and stopping.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Time::HiRes qw(time sleep);
use TwinTest;
use TwinGateway;

my $secret = canary();
my ($node, $password) = new_twin('gateway_operations', conf => "log_statement = all\n");
my $origin = 'https://one.example.com';
my $uri = sprintf 'postgresql:///postgres?host=%s&port=%s&user=twin_gateway&password=%s', $node->host, $node->port, $secret;
my %conf = ('db-uri' => $uri, 'server-cors-allowed-origins' => $origin, 'db-pool' => 3, 'db-statement-timeout' => 4);
my $gateway = new_gateway($node, conf => \%conf);
my %token = map { $_ => $gateway->token($_, $password) } qw(ada oleg vera);
my %as = (token => $token{oleg});

# ---- the command line ----

# (code, standard output, standard error)
sub program
{
	my ($text, @arguments) = @_;
	my ($out, $err) = ('', '');
	# under test/run_clients_asan: what ends before it serves need not give back what the system takes
	local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (), 'detect_leaks=0';
	if (defined $text)
	{
		open my $file, '>', "$gateway->{directory}/other" or die $!;
		print $file $text;
		close $file;
		push @arguments, "$gateway->{directory}/other";
	}
	IPC::Run::run([ gateway_program(), @arguments ], '<', \undef, '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}
my ($code, $out, $err) = program(undef, '--check', "$gateway->{directory}/conf");
is("$code $out", "0 the configuration is good\n", '--check finds it good');
unlike($err, qr/\Q$secret\E/, '... and does not show the password');
($code, $out, $err) = program(undef, '--dump-config', "$gateway->{directory}/conf");
is($code, 0, '--dump-config');
like($out, qr/^db-pool = "?3"?$/m, '... shows what is in force');
unlike("$out$err", qr/\Q$secret\E/, '... but the password');
($code, $out, $err) = program(undef, '--help');
is($code, 0, '--help');
like($out, qr/^\s*\Q$_\E\b/m, "... tells of $_") foreach qw(db-uri db-schemas server-port log-level);
like((program(undef, '--version'))[1], qr/^twin_gateway \d/, '--version');
is((program(undef, '--wrong'))[0], 64, 'an option that is none');
is((program(undef, 'a', 'b'))[0], 64, 'two files');
($code, $out, $err) = program("db-schemas = \"api\"\n\ndb-pol = 3\nserver-port = \"many\"\njwt-secret = \"$secret\"\ndb-uri = $secret\n", '--check');
is($code, 78, 'a bad file');
like($err, qr/:3: .*db-pool/, '... with the line of an unknown name, and what was meant');
like($err, qr/:4: .*server-port/, '... of a value that is none');
like($err, qr/:5: .*jwt-secret/, '... of a secret that is none of its business');
unlike($err, qr/\Q$secret\E/, '... and shows none');
is((program("db-pool = 0\n"))[0], 78, 'nor does it start with one');
is((program(undef, '/nowhere/conf'))[0], 78, '... or with none where it should be');
($code, $out, $err) = program("server-host = \"127.0.0.1\"\nserver-port = $gateway->{port}\n");
is($code, 69, 'a port that is taken');
like($err, qr/cannot_listen/, '... is said');

# ---- what the process may do ----

my $status = file_bytes("/proc/$gateway->{pid}/status");
like($status, qr/^Seccomp:\s+2$/m, 'system calls are filtered') unless $ENV{GATEWAY_UNFILTERED};    # test/run_clients_asan
like($status, qr/^NoNewPrivs:\s+1$/m, 'no new privileges');
like(file_bytes("/proc/$gateway->{pid}/limits"), qr/^Max core file size\s+0\s+0\s/m, 'no core dumps');
ok(!open(my $memory, '<', "/proc/$gateway->{pid}/environ"), 'the process is closed to others of its user: not dumpable') if $> != 0;
unlike(file_bytes("/proc/$gateway->{pid}/cmdline"), qr/\Q$secret\E|password/, 'its arguments hold no password');

# ---- the log ----

my $answer = $gateway->get('/units?select=name&name=eq.boiler', %as);
my $line = $gateway->log_of($answer);
is(join('|', map { $line->{$_} // 'none' } qw(level event method route status role user_id client_address bytes)), 'info|request|GET|/units|200|twin_operator|2|127.0.0.1|' . length $answer->{body}, 'a request is one line');
like($line->{microseconds}, qr/^\d+$/, '... with its duration');
like($line->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, '... and the time');
is($gateway->log_of($gateway->get('/units'))->{code}, '42501', '... and the code of an error');
my $raised = $gateway->post('/rpc/raise', %as, json => { code => 'XX000', message => 'inner workings', detail => 'of the server' });
is("$raised->{status} " . $raised->code, '500 XX000', "an error of the server's own");
unlike($raised->{raw}, qr/inner workings|of the server/, '... tells the client nothing');
my ($id) = $raised->{body} =~ /error id ([0-9a-f]{16})/;
$line = $gateway->log_of($raised);
is($line->{error_id}, $id, '... but an id');
like($line->{detail}, qr/inner workings.*of the server/, '... under which the log has it');
my %kept = map { $_ => canary() } qw(body password cookie query token header profile name path_value json csv refresh raised);
$gateway->post('/units', %as, json => { name => $kept{body}, nothing => $kept{json} });
$gateway->post('/units', %as, json => { name => $kept{body}, site_id => 99 });
$gateway->post('/units', %as, body => "{\"name\":\"$kept{json}", headers => [ 'Content-Type' => 'application/json' ]);
$gateway->post('/units', %as, body => "name,celsius\n$kept{csv},warm\n", headers => [ 'Content-Type' => 'text/csv' ]);
$gateway->login('oleg', $kept{password});
$gateway->login($kept{name}, 'x');
$gateway->post('/api/auth/login', form => { username => 'oleg', password => $kept{password} });
$gateway->post('/api/auth/refresh', json => { refresh_token => $kept{refresh} });
$gateway->get("/units?name=eq.$kept{query}", %as);
$gateway->get("/units?$kept{query}=eq.1&select=$kept{query}", %as);
$gateway->get('/units', token => $kept{token});
$gateway->get('/units', cookies => { '__Host-twin_access' => $kept{cookie} });
$gateway->get('/units', cookies => { other => $kept{cookie} }, %as);
$gateway->get('/units', %as, headers => [ 'X-Api-Key' => $kept{header}, Prefer => "handling=strict, $kept{header}", 'Accept-Profile' => $kept{profile} ]);
$gateway->post('/rpc/raise', %as, json => { code => 'XX000', message => "token $token{vera} of $token{ada}" });
$gateway->post('/rpc/raise', %as, json => { code => 'P0001', message => $kept{raised} });
$gateway->send_bytes("GET /units?x=$kept{query} HTTP/1.1\r\nAuthorization: Bearer $kept{token}\r\nBad header : $kept{header}\r\n\r\n");
my $last = $gateway->get('/notices');
$gateway->log_of($last);
is(join(',', grep { holds($gateway->log_text, $kept{$_}) } sort keys %kept), '', 'the log holds no body, password, cookie, query, token');
unlike($gateway->log_text, qr/eyJ|\Q$password\E|\Q$secret\E/, '... nor a token that somebody raised');
my $server_log = file_bytes($node->logfile);
like($server_log, qr/execute g\d+: SELECT role_name, user_id, request_id FROM twin\.begin_request/, 'the server logs the statements of requests');
unlike($server_log, qr/Bearer eyJ/, '... without the tokens');
is(join(',', grep { holds($server_log, $kept{$_}) } qw(body password cookie token header refresh)), '', '... and without what clients said');
my $from = length $gateway->log_text;
my @asked = map { $gateway->get("/notices?notice_id=eq.$_") } 1 .. 20;
$gateway->log_of($asked[-1]);
my @lines = grep { $_->{event} eq 'request' } $gateway->log_lines($from);
is(scalar @lines, 20, 'twenty requests are twenty lines');
is(join(',', map { $_->{request_id} } @lines), join(',', map { $_->header('X-Request-Id') } @asked), '... each with the id that the client got');
$from = length $gateway->log_text;
$gateway->send_bytes("GET /a\0b HTTP/1.1\r\n\r\n");
wait_until(10, sub { length $gateway->log_text > $from });
my ($refused) = $gateway->log_lines($from);
is("$refused->{status} $refused->{client_address}", '400 127.0.0.1', 'what the door refuses is a line as well');
like($refused->{request_id} // '', qr/^[0-9a-f]{16,}$/, '... with an id');

# ---- the admin port ----

is($gateway->admin($_)->{status}, 200, $_) foreach qw(/live /ready /metrics);
is($gateway->admin($_)->{status}, 404, "not there: $_") foreach '/', '/units';
cmp_ok($gateway->metric('pgrst_db_pool_max'), '==', 3, 'the pool is counted');
cmp_ok($gateway->metric('twin_gateway_requests_total{status="2xx"}'), '>', 20, 'so are requests');
cmp_ok($gateway->metric('pgrst_schema_cache_loads_total{status="SUCCESS"}'), '>=', 1, 'so are readings of the schema');
like($gateway->admin('/metrics')->{body}, qr/\n# EOF\n\z/, 'whole to its end');
unlike($gateway->admin('/metrics')->{body}, qr/oleg|units|127\.0/, '... that tells of nobody');

# ---- the configuration, again ----

my $two = 'https://two.example.com';
my $allowed = sub { return join ' ', map { $gateway->get('/notices', headers => [ Origin => $_ ])->header('Access-Control-Allow-Origin') // '-' } $origin, $two };
is($allowed->(), "$origin -", 'one origin is allowed');
$gateway->configure(%conf, 'server-cors-allowed-origins' => $two, 'db-max-rows' => 1);
$gateway->signal('HUP');
ok(wait_until(20, sub { $allowed->() eq "- $two" }), 'SIGHUP: another is');
is($gateway->get('/notices')->{body} =~ tr/{//, 1, '... and db-max-rows holds');
$gateway->configure(%conf, 'db-max-rows' => 'few', 'server-cors-allowed-origins' => $origin);
$gateway->signal('HUP');
ok(wait_until(20, sub { $gateway->log_text =~ /config_refused/ }), 'SIGHUP with a bad file is refused');
is($allowed->(), "- $two", '... and changes nothing');
is($gateway->get('/notices')->{body} =~ tr/{//, 1, '... at all');
$gateway->configure(%conf);
sql($node, "NOTIFY pgrst, 'reload config'");
ok(wait_until(20, sub { $allowed->() eq "$origin -" }), "NOTIFY pgrst, 'reload config'");
$gateway->signal('HUP') && sleep 0.2 foreach 1 .. 3;
my $backends = q{FROM pg_stat_activity WHERE usename = 'twin_gateway'};
sql($node, "SELECT pg_terminate_backend(pid) $backends");
ok(wait_until(20, sub { $gateway->status('GET', '/notices') == 200 }), 'connections are made anew under a configuration that was read again');
ok(wait_until(20, sub { sql($node, "SELECT count(*) $backends AND query ~ '^LISTEN'") >= 1 }), '... the listening one as well');

# ---- the schema, again ----

sub seconds_until
{
	my ($path, $status) = @_;
	my $began = time;
	return wait_until(60, sub { $gateway->status('GET', $path) == $status }) ? time - $began : 1000;
}
sql($node, 'CREATE TABLE api.fresh (id int); GRANT SELECT ON api.fresh TO twin_anonymous');
ok(seconds_until('/fresh', 200) < 1000, 'a new table is there at once');
sql($node, 'ALTER TABLE api.fresh RENAME TO renamed');
ok(seconds_until('/renamed', 200) < 1000 && $gateway->status('GET', '/fresh') == 404, '... under another name');
sql($node, 'DROP TABLE api.renamed');
ok(seconds_until('/renamed', 404) < 1000, '... and gone');

# Until every reading that was asked for has been: between two of them is a rest.
sub settle
{
	my $loads = sub { return $gateway->metric('pgrst_schema_cache_loads_total{status="SUCCESS"}') };
	my $seen = $loads->();
	my $quiet_since = time;
	my $gives_up = time + 20;
	while (time < $gives_up && time - $quiet_since < 2)
	{
		sleep 0.1;
		($seen, $quiet_since) = ($loads->(), time) if $loads->() != $seen;
	}
	return;
}
my $quietly = sub { settle(); sql($node, "SET session_replication_role = replica; CREATE TABLE api.$_[0] (id int); GRANT SELECT ON api.$_[0] TO twin_anonymous"); sleep 0.3; return $gateway->status('GET', "/$_[0]") };
is($quietly->('signalled'), 404, 'what no event trigger saw is not there');
$gateway->signal('USR1');
ok(seconds_until('/signalled', 200) < 1000, '... until SIGUSR1');
is($quietly->('notified'), 404, 'another one');
sql($node, "NOTIFY pgrst, 'reload schema'");
ok(seconds_until('/notified', 200) < 1000, "... until NOTIFY pgrst, 'reload schema'");
is($quietly->('unnamed'), 404, 'another one');
sql($node, 'NOTIFY pgrst');
ok(seconds_until('/unnamed', 200) < 1000, '... until NOTIFY pgrst');
sql($node, "NOTIFY pgrst, 'something else'");
is($gateway->status('GET', '/notices'), 200, 'what is notified otherwise does nothing');

# ---- waiting ----

# Waits until so many requests are at it in the database.
sub is_slow { my ($count) = @_; return comes_true($node, "SELECT $count = (SELECT count(*) $backends AND state = 'active' AND wait_event = 'PgSleep')") }

my $began = time;
is_refused($gateway->post('/rpc/slow', %as, json => { seconds => 60 }), 500, '57014', 'a statement that takes too long');
is_soon($began, '... is ended');
my $narrow = new_gateway($node, conf => { 'db-pool' => 1, 'db-pool-acquisition-timeout' => '1s', 'db-pool-max-lifetime' => 0, 'db-pool-max-idletime' => 0, 'server-drain-timeout' => 20 });
my $held = $narrow->start('POST', '/rpc/slow', %as, json => { seconds => 4 });
is_slow(1);
$answer = $narrow->get('/notices');
is_refused($answer, 504, 'PGRST003', 'who waits too long for a connection');
is(TwinGateway::finish($held)->{body}, '"done"', '... while another has it');
is($narrow->status('GET', '/notices'), 200, '... which is free again');
cmp_ok($narrow->metric('pgrst_db_pool_timeouts_total'), '>=', 1, '... and is counted');
my $opened = sql($node, "SELECT min(backend_start) $backends AND query !~ 'LISTEN'");
$held = $narrow->start('POST', '/rpc/slow', %as, json => { seconds => 100 });
is_slow(1);
close $held;
ok(wait_until(20, sub { $narrow->status('GET', '/notices') == 200 }), 'a client that leaves frees the connection');

# ---- stopping ----

is_slow(0);
my @begun = map { $gateway->start('POST', '/rpc/slow', %as, json => { seconds => 2 }) } 1 .. 3;
my $idle = $gateway->connect_to;
my $half = $gateway->connect_to;
print $half "GET /notices HTTP/1.1\r\n";
$half->flush;
is_slow(2);    # of one client no more at once: the third waits
sleep 0.5;
$gateway->signal('TERM');
ok(wait_until(60, sub { !$gateway->connect_to }), 'SIGTERM: no new connections');
is(join(' ', map { TwinGateway::finish($_)->{body} } @begun), '"done" "done" "done"', '... what was begun is answered');
is($gateway->wait_end(30) // 'nothing', 'exit 0', '... and it ends');
like($gateway->log_text, qr/"stopping".*"stopped"/s, '... and says so');
is(sql($node, "SELECT count(*) $backends AND application_name !~ 'x' AND query ~ 'slow'"), '0', '... leaving nothing in the database');
$held = $narrow->start('POST', '/rpc/slow', %as, json => { seconds => 20 });
is_slow(1);
$narrow->signal('TERM');
sleep 0.5;
ok($narrow->is_running, 'another one waits for a request');
is($narrow->stop, 'exit 0', '... but not after a second SIGTERM');

done_testing();

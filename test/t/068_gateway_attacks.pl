# Attacks on the gateway in front of a database: what one request leaves for the next on its connection, slow requests,
# floods of notices, pages of another origin that log a browser in.
use strict;
use warnings;
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $node = new_node('attacks', conf => "twin_security.bcrypt_cost = 10\n");
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'a secret of at least thirty-two bytes, for tests');
my $password = canary() . ' Xy';
sql($node, qq{
	CREATE EXTENSION twin_security;
	ALTER ROLE twin_gateway LOGIN;
	DELETE FROM twin.rate_limits;
	SELECT twin.create_user('ada', '$password', NULL, 'admin'), twin.create_user('vera', '$password', NULL, 'viewer');
	CREATE SCHEMA api; GRANT USAGE ON SCHEMA api TO PUBLIC;
	CREATE TABLE api.notices (id int PRIMARY KEY); INSERT INTO api.notices VALUES (1), (2); GRANT SELECT ON api.notices TO PUBLIC;
	-- as applications have them that someone else writes the statements for
	CREATE FUNCTION api.run(q text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE q; END';
	CREATE FUNCTION api.ask(q text) RETURNS text LANGUAGE plpgsql AS 'DECLARE r text; BEGIN EXECUTE q INTO r; RETURN r; END';
	CREATE FUNCTION api.forty(n int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 40'});

# ---- the gateway ----

my $json = JSON::PP->new->canonical->allow_nonref;
my $http = HTTP::Tiny->new(timeout => 30);
my ($gateway, $base, $log);
sub free_port { my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!; return $socket->sockport }
sub slurp { my ($file) = @_; open(my $handle, '<', $file) or return ''; local $/; return scalar(<$handle>) // '' }
sub start_gateway
{
	my $port = free_port();
	my %settings = ('db-uri' => 'postgresql:///postgres?user=twin_gateway&host=' . $node->host . '&port=' . $node->port, 'db-schemas' => 'api',
		'db-anon-role' => 'twin_anonymous', 'server-host' => '127.0.0.1', 'server-port' => $port, 'log-level' => 'info', @_);
	$log = "$ENV{TESTDIR}/gateway$port.log";
	open(my $conf, '>', "$ENV{TESTDIR}/gateway$port.conf") or die $!;
	print $conf map { "$_ = \"$settings{$_}\"\n" } sort keys %settings;
	close $conf;
	$gateway = fork() // die $!;
	if ($gateway == 0)
	{
		open(STDERR, '>', $log) or POSIX::_exit(3);
		delete @ENV{qw(ENCRYPTION_KEY JWT_SECRET_KEY)};
		exec('twin_gateway', "$ENV{TESTDIR}/gateway$port.conf") or POSIX::_exit(3);
	}
	$base = "http://127.0.0.1:$port";
	for (1 .. 100) { return if slurp($log) =~ /schema_cache_loaded/; sleep 0.1 }
	die('the gateway does not start: ' . slurp($log));
}
sub stop_gateway
{
	my ($name) = @_;
	kill TERM => $gateway;
	waitpid $gateway, 0;
	is($?, 0, "$name: it stops as it should") or diag(slurp($log));
	undef $gateway;
}
END { if ($gateway) { my $status = $?; kill KILL => $gateway; waitpid $gateway, 0; $? = $status } }

sub request
{
	my ($method, $path, $body, %headers) = @_;
	$headers{'Content-Type'} //= 'application/json' if defined $body;
	return $http->request($method, "$base$path", { headers => \%headers, defined $body ? (content => ref $body ? $json->encode($body) : $body) : () });
}
sub login { my ($name) = @_; return (Authorization => 'Bearer ' . $json->decode(request(POST => '/api/auth/login', { username => $name, password => $password })->{content})->{access_token}) }

# ---- what a request leaves on its connection ----

start_gateway('db-pool' => 1, 'db-statement-timeout' => 2);
my @vera = login('vera');
my @ada = login('ada');
sub run { my ($q) = @_; return request(POST => '/rpc/run', { q => $q }, @vera)->{status} }
sub ask { my ($q) = @_; my $answer = request(POST => '/rpc/ask', { q => $q }, @ada); return $answer->{status} == 200 ? $json->decode($answer->{content}) : $answer->{content} }
my $pid = ask('SELECT pg_backend_pid()');

is(run(q{SELECT set_config('response.headers', '[{"Set-Cookie": "session=mine"}]', false), set_config('response.status', '418', false)}), 418, 'a request sets its answer for the session');
my $next = request(GET => '/notices', undef, @ada);
is("$next->{status} " . ($next->{headers}{'set-cookie'} // 'no cookie'), '200 no cookie', '... and the next has its own');
run(q{SET search_path = twin; SET statement_timeout = 1; SET TimeZone = 'Asia/Tokyo'});
is(ask(q{SELECT current_setting('search_path') || current_setting('statement_timeout') || current_setting('TimeZone')}) =~ s/Asia//r, ask(q{SELECT '"api", "public"2s' || reset_val FROM pg_settings WHERE name = 'TimeZone'}), 'settings of the session are not kept');
is(run('CREATE TEMP TABLE notices AS SELECT 1; GRANT ALL ON notices TO PUBLIC'), 204, 'a temporary table hides another');
is(ask('SELECT count(*) FROM notices'), '2', '... for this request alone');
is(run('CREATE TEMP TABLE notices (id int) ON COMMIT DROP'), 204, '... and is there for each anew');
is(ask('CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS $$SELECT 1$$; SELECT pg_temp.f()'), '1', 'a temporary function');
like(ask('SELECT pg_temp.f()'), qr/42883/, '... goes too');
run('SELECT pg_advisory_lock(42)');
is(sql($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), '0', 'advisory locks are given back');
is(run('DO $$ BEGIN PERFORM pg_advisory_lock(43); RAISE EXCEPTION SQLSTATE $s$22023$s$; END $$'), 400, '... of a request that fails');
is(sql($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), '0', '... too');
run('LISTEN gossip');
is(ask('SELECT count(*) FROM pg_listening_channels()'), '0', 'channels are not listened to any more');
is(run($_), 403, "refused: $_") foreach 'DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'PREPARE mine AS SELECT 1', 'DEALLOCATE ALL', 'DISCARD ALL',
	q{DO $$ BEGIN EXECUTE 'DEALLOCATE g1'; END $$};
is(run('DECLARE c CURSOR FOR SELECT 1'), 204, 'a cursor of the transaction is none of it');
is(ask('SELECT pg_backend_pid()'), $pid, 'all of that was one connection');


# ---- shapes without end ----

sub shape { my ($length, $number) = @_; return '/notices?or=(' . join(',', map { 'id.' . (qw(eq gt lt neq))[($number >> 2 * ($_ % 5)) & 3] . '.1' } 1 .. $length) . ')' }
is(request(GET => shape(900, $_), undef, @vera)->{status}, 200, 'a long request') for 1 .. 3;
request(GET => shape(300, $_), undef, @vera) for 1 .. 300;
cmp_ok(ask('SELECT max(length(statement)) FROM pg_prepared_statements'), '<', 17000, '... is not kept prepared');
cmp_ok(ask('SELECT sum(length(statement)) FROM pg_prepared_statements'), '<', 2200000, '... and of shorter ones no more than fit');

# ---- requests without end ----

my $began = time;
is($json->decode(request(POST => '/rpc/ask', { q => 'SELECT pg_sleep(100)' }, @vera)->{content})->{code}, '57014', 'a request ends after db-statement-timeout');
is_soon($began, '... and no later');
sql($node, q{ALTER ROLE twin_viewer SET statement_timeout = '5s'});
is(request(POST => '/rpc/ask', { q => 'SELECT pg_sleep(2.5)' }, @vera)->{status}, 200, '... unless its role has its own');

# ---- anybody may NOTIFY ----

sub loads { return () = slurp($log) =~ /"$_[0]"/g }
my ($loads, $reloads) = (loads('schema_cache_loaded'), loads('config_reloaded'));
$began = time;
sql($node, join ';', map { "NOTIFY pgrst, 'reload schema'; NOTIFY pgrst, 'reload config'" } 1 .. 20), sleep 0.01 while time - $began < 3;
sleep 1.5;
my $took = time - $began;
cmp_ok(loads('schema_cache_loaded') - $loads, '<=', 10 * $took, 'a flood of notices does not keep the gateway reading the schema');
cmp_ok(loads('config_reloaded') - $reloads, '<=', 1 + $took, '... or its configuration');
sql($node, 'CREATE TABLE api.fresh (id int); GRANT SELECT ON api.fresh TO PUBLIC');
my $status = 0;
for (1 .. 300) { $status = request(GET => '/fresh', undef, @vera)->{status}; last if $status == 200; sleep 0.1 }
is($status, 200, '... and what is new is seen afterwards');

# the configuration that the pool was opened with is gone by now: connections are made by what it kept
for my $round (1 .. 3)
{
	sql($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'twin_gateway'; NOTIFY pgrst, 'reload config'});
	for (1 .. 150) { $status = request(GET => '/notices', undef, @vera)->{status}; last if $status == 200; sleep 0.2 }
	is($status, 200, "connections are made anew after a reload of the configuration ($round)");
	sleep 1.2;
}
stop_gateway('leftovers');

# ---- pages of another origin ----

start_gateway('db-schemas' => 'twin_api');
my %form = ('Content-Type' => 'application/x-www-form-urlencoded');
my $filled = $http->www_form_urlencode({ username => 'vera', password => $password, use_cookies => 'true' });
is(request(POST => '/rpc/login', $filled, %form)->{status}, 200, 'login as a routine, where twin_api is exposed');
is(request(POST => '/rpc/login', $filled, %form, Origin => 'https://evil.example')->{status}, 403, '... is refused to a form of another origin');
is(request(POST => '/rpc/log%69n', $filled, %form, Origin => 'null')->{status}, 403, '... however it is written');
is(request(POST => '/rpc/login', $filled, %form, Origin => $base)->{status}, 200, '... and open to the server\'s own');
stop_gateway('origins');

done_testing();

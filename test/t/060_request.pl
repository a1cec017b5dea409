# Requests as PostgREST and the gateway bring them, statement by statement: tokens, cookies, logout, limits that no
# rollback undoes, a drop-in for a deployment with roles and an issuer of its own, notices of DDL, dump and restore.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(encode_base64url decode_base64url);
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my %environment = (JWT_SECRET_KEY => 'a secret of at least thirty-two bytes, for tests');
my $conf = "twin_security.bcrypt_cost = 10\nmax_prepared_transactions = 2\nlisten_addresses = '127.0.0.1'\n";
my $node = new_node('request', conf => $conf);
start_with($node, new_key(), undef, %environment);
my $password = canary() . ' Xy';
sql($node, qq{
	CREATE EXTENSION twin_security;
	UPDATE twin.alert_rules SET enabled = false WHERE rule_name = 'failed_login_threshold';	-- blocks the addresses that are tried here
	CREATE ROLE authenticator LOGIN NOINHERIT; GRANT twin_anonymous, twin_viewer, twin_operator TO authenticator;
	INSERT INTO twin.token_only_logins VALUES ('authenticator');
	CREATE SCHEMA api; GRANT USAGE ON SCHEMA api TO PUBLIC;
	CREATE TABLE api.units (id int PRIMARY KEY, tenant_id bigint NOT NULL);
	INSERT INTO api.units SELECT i, 1 + i % 2 FROM generate_series(1, 10) i;
	SELECT twin.protect_table('api.units', 'tenant_id', read_permission => 'read_units', insert_permission => 'write_units');
	SELECT twin.create_tenant('north'), twin.create_tenant('south');
	SELECT twin.create_user('anna', '$password', NULL, 'viewer', 1), twin.create_user('bert', '$password', NULL, 'operator', 2)});
my $json = JSON::PP->new->canonical;
my @by = (user => 'authenticator');

sub quote { return "'" . ($_[0] =~ s/'/''/gr) . "'" }
sub claims { return $json->decode(decode_base64url((split /\./, $_[0])[1])) }
sub events { my ($where) = @_; events_written($node); return sql($node, "SELECT count(*) FROM twin.audit_log WHERE $where") }

# What PostgREST sends for one request: BEGIN, one select of set_config() in its order, db-pre-request, the main query, COMMIT.
sub statements
{
	my (%request) = @_;
	my $method = $request{method} // 'GET';
	my $role = $request{role} // 'twin_anonymous';
	my %claims = (%{ $request{claims} // {} }, role => $role);
	my %headers = (accept => '*/*', %{ $request{headers} // {} });
	return join("\n",
		'BEGIN' . ($method =~ /GET|HEAD/ ? ' READ ONLY;' : ';'),
		q{select set_config('search_path', '"api", "public"', true), } . join(', ', map { "set_config('$_->[0]', " . quote($_->[1]) . ', true)' }
			[ role => $role ], [ 'request.jwt.claims' => $request{raw_claims} // $json->encode(\%claims) ], [ 'request.method' => $method ],
			[ 'request.path' => $request{path} // '/units' ], [ 'request.headers' => $request{raw_headers} // $json->encode(\%headers) ],
			[ 'request.cookies' => $json->encode($request{cookies} // {}) ]) . ' \g /dev/null',
		'select ' . ($request{pre} // 'twin.pre_request') . '() \g /dev/null',
		($request{main} // q{SELECT current_user, coalesce(twin.current_user_id()::text, 'nobody'), (SELECT count(*) FROM units)}) . ';',
		$request{end} // 'COMMIT;');
}
sub request { return sql($node, statements(@_), @by) }
sub status { my ($answer) = (answer_of($node, statements(@_), @by)); return $answer =~ /^(\w{5}): / ? $1 : 'ok' }

# A token in Authorization, arriving in a role that PostgREST made of it: ours name no database role.
sub bearer { my ($token, %more) = @_; return (headers => { authorization => "Bearer $token" }, claims => claims($token), %more) }

# twin_api.login() as a request of its own.
sub login
{
	my ($name, $given, %more) = @_;
	my $cookies = delete $more{use_cookies} ? 'true' : 'false';
	return request(method => 'POST', path => '/rpc/login', %more,
		main => 'SELECT twin_api.login(' . quote($name) . ', ' . quote($given) . ", $cookies)::text; SELECT current_setting('response.status', true), current_setting('response.headers', true)");
}
sub token_of { return $json->decode((split /\n/, login(@_))[0])->{access_token} }

# ---- who asks ----

sql($node, 'GRANT SELECT ON api.units TO twin_anonymous');
is(request(), 'twin_anonymous|nobody|0', 'nobody passes as the anonymous role, and sees nothing');
my $anna = token_of('anna', $password);
my $bert = token_of('bert', $password);
is(request(bearer($anna)), "twin_viewer|1|5", 'a token of ours takes its role on, in a READ ONLY transaction');
is(request(bearer($bert)), "twin_operator|2|5", '... each its own');
is(request(bearer($anna), main => q{SELECT current_setting('request.jwt.claims')::jsonb - '{iat,exp,jti,sid}'::text[]}),
	'{"aud": "twin_security", "iss": "twin_security", "typ": "access", "role": "twin_viewer", "user_id": "1", "tenant_id": 1}', 'request.jwt.claims then says so');
is(request(bearer($anna, role => 'twin_viewer')), 'twin_viewer|1|5', 'arriving in its role already is as well');
is(request(bearer($anna, method => 'POST', main => 'SET LOCAL search_path = api; SELECT 1')), '1', 'the request goes on as any');
is(status(bearer($anna), main => 'SET LOCAL ROLE twin_operator'), '42501', 'the role is sealed');
is(status(main => 'SET LOCAL ROLE twin_operator'), '42501', "nobody's too");
is(status(bearer($anna), main => 'SELECT twin.pre_request()'), '25001', 'a request begins once');

# ---- tokens that do not hold ----

my $log = $node->logfile;
my $before = -s $log;
my %refused = (
	malformed => { headers => { authorization => 'Bearer x' } },
	empty => { headers => { authorization => 'Bearer ' } },
	'of another key' => { bearer($anna =~ s/\.[^.]+$/.AAAA/r) },
	'a refresh token' => { bearer($json->decode((split /\n/, login('anna', $password))[0])->{refresh_token}) },
	'too long' => { headers => { authorization => 'Bearer ' . 'x' x 9000 } },
	'in a cookie' => { cookies => { '__Host-twin_access' => 'x' } });
is(status(%{ $refused{$_} }), 'PT401', "a token is refused: $_") foreach sort keys %refused;
like(answer_of($node, statements(%{ $refused{malformed} }), @by), qr/^PT401: authentication failed\n/, 'the message says nothing about why');
my $doomed = token_of('anna', $password);
is(request(bearer($doomed)), 'twin_viewer|1|5', 'a token in use');
sql($node, "SELECT twin.revoke_token('$doomed')");
is(status(bearer($doomed)), 'PT401', '... revoked, counts no longer');
my $brief = sql($node, q{SELECT twin.issue_token('{"user_id": "1", "role": "viewer", "tenant_id": 1}', '1 second')});
sleep 2;
is(status(bearer($brief)), 'PT401', 'an expired one neither');
my $foreign = sql($node, q{SELECT twin.issue_token('{"user_id": "9", "role": "admin"}')});
is(status(bearer($foreign)), 'PT403', 'a role that PostgREST was not granted is refused');
is(status(raw_headers => '["authorization"]'), '22023', 'headers that are no object');
is(status(raw_headers => '{"authorization": ["Bearer x"]}'), '22023', 'a header that is no string');
is(status(raw_headers => '{"authorization": "Bearer x", "authorization": "Bearer y"}'), '22023', 'a header twice');
is(status(raw_headers => $json->encode({ map { ("x-$_" => 'y' x 1000) } 1 .. 100 })), '54000', 'headers that are too long');
ok(substr(file_bytes($log), $before) !~ /\Q$anna\E|Bearer [^x]/, 'no token in the log');

# ---- what PostgREST said and what the token says ----

is(status(headers => { authorization => "Bearer $bert" }, claims => claims($anna)), 'PT401', 'two Authorization headers: one was authenticated, the other is shown');
is(status(headers => { authorization => "Bearer $anna" }, claims => { %{ claims($anna) }, user_id => '2' }), 'PT401', 'a claim that is another');
is(status(headers => { authorization => "Bearer $anna" }, claims => { %{ claims($anna) }, sub => 'x' }), 'PT401', 'a subject that the token lacks');
is(status(headers => { authorization => "Bearer $anna" }), 'PT401', 'no jti where the token has one');
is(status(claims => claims($anna)), 'PT401', 'claims of no token');
is(status(claims => { user_id => '1' }), 'PT401', 'forged claims');
is(status(bearer($anna), raw_claims => '{"role": "twin_operator"}'), 'PT401', 'a role that is not in force');
is(status(raw_claims => '[]'), '22023', 'claims that are no object');
is(status(headers => { authorization => "Basic eDp5" }), 'ok', 'another scheme is not meant for us');
ok(events(q{event_type = 'claims_disagree' AND outcome = 'denied' AND request_id IS NOT NULL}) >= 6, 'disagreements are events');
ok(events(q{event_type = 'token_refused' AND request_id IS NOT NULL}) >= 6, 'so are refused tokens');

# ---- cookies ----

my (undef, $answer) = split /\n/, login('bert', $password, use_cookies => 1);
my ($headers) = $answer =~ /\|(.*)/;
my %cookie = map { ($_->{'Set-Cookie'} =~ /^([^=]+)=([^;]*)/) } @{ $json->decode($headers) };
my %with = (cookies => \%cookie);
my $csrf = $cookie{'__Host-twin_csrf'};
is(request(%with), 'twin_operator|2|5', 'a cookie is a token, where PostgREST saw nobody');
is(request(%with, main => q{SELECT current_setting('request.jwt.claims')::jsonb ->> 'role'}), 'twin_operator', '... and request.jwt.claims says so');
my %write = (%with, method => 'POST', main => 'INSERT INTO units VALUES (100, 2); SELECT count(*) FROM units', end => 'ROLLBACK');
is(status(%write), 'PT403', 'a write without CSRF token');
is(status(%write, headers => { 'x-csrf-token' => '' }), 'PT403', '... with an empty one');
is(status(%write, headers => { 'x-csrf-token' => 'A' x length $csrf }), 'PT403', '... with another one');
is(status(%write, method => 'DELETE'), 'PT403', '... by any method');
is(request(%write, headers => { 'x-csrf-token' => $csrf }), '6', '... with its own it goes through');
is(status(%with, method => 'HEAD', main => 'SELECT 1'), 'ok', 'reading needs none');
is(status(method => 'POST', cookies => { '__Host-twin_access' => $bert }, headers => { 'x-csrf-token' => $csrf }), 'PT403', 'a token that was not issued for cookies');
is(status(%with, claims => claims($bert)), 'PT401', 'a cookie beside claims of a token');
is(status(%with, bearer($anna), method => 'POST'), 'ok', 'Authorization goes before the cookie');
like(login('bert', $password, cookies => { '__Host-twin_access' => 'stale' }), qr/access_token/, 'an old cookie keeps nobody from logging in');
my $refreshed = request(method => 'POST', path => '/rpc/refresh', %with, headers => { 'x-csrf-token' => $csrf }, main => q{SELECT twin_api.refresh() ->> 'csrf_token'});
ok($refreshed, 'nor from refreshing');
is(events(q{event_type = 'csrf_refused'}) > 0, 1, 'refusals are events');

# ---- logout between requests ----

my $leaver = token_of('anna', $password);
is(request(bearer($leaver)), 'twin_viewer|1|5', 'logged in');
request(bearer($leaver, method => 'POST', path => '/rpc/logout', main => 'SELECT twin_api.logout()'));
is(status(bearer($leaver)), 'PT401', 'logged out');
is(request(bearer($anna)), 'twin_viewer|1|5', 'another session of the same user is not');

# ---- limits ----

my $reset = sub { sql($node, 'SELECT twin_internal.forget_limits()') };
login('bert', $password) foreach 1 .. 12;
pass('logins that succeed are not counted');
sub login_status
{
	my (%more) = @_;
	my $said = answer_of($node, statements(method => 'POST', path => '/rpc/login', %more, main => q{SELECT twin_api.login('anna', 'wrong') ->> 'error'; SELECT current_setting('response.status')}), @by);
	return $said =~ /^(PT429)/ ? 429 : (split /\n/, $said)[1];
}
$reset->();
my @statuses = map { login_status() } 1 .. 10;
is("@statuses[0 .. 4] $statuses[9]", '401 401 401 401 401 429', 'ten quick wrong logins end in 429');
# what follows does not depend on how fast this machine is
sql($node, q{UPDATE twin.rate_limits SET period = '1 hour' WHERE route = '/rpc/login'});
login_status() foreach 1 .. 9;
is(login_status(path => '//rpc/%6Cogin/'), '429', '... however the path is written');
like(answer_of($node, statements(method => 'POST', path => '/rpc/login'), @by), qr/^PT429: too many requests\nDETAIL:  retry after [1-9]\d* seconds/, '... and says for how long');
ok(events(q{event_type = 'rate_limited' AND resource = '/rpc/login'}) > 0, '... and leaves events');
is(status(), 'ok', 'other routes go on');
sql($node, q{ALTER SYSTEM SET twin_security.trusted_proxies = 'local, 10.0.0.0/8'; SELECT pg_reload_conf(); SELECT twin.unlock_user('anna')});
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.trusted_proxies') <> ''");
sub from { return (headers => { 'x-forwarded-for' => $_[0] }) }
is(login_status(from('192.0.2.7')), '401', 'behind a trusted proxy each address counts by itself');
@statuses = map { login_status(from('6.6.6.' . $_ . ', 192.0.2.8, 10.1.1.1')) } 1 .. 10;
is($statuses[9], '429', 'the last address that is no proxy of ours counts, and not what the client says stands before it');
@statuses = map { login_status(from('2001:db8:0:1::' . $_)) } 1 .. 10;
is($statuses[9], '429', 'IPv6 counts by /64');
ok(events(q{event_type = 'login_failure' AND client_address = '192.0.2.7'}) == 1, 'events name the client');
sql($node, q{ALTER SYSTEM SET twin_security.trusted_proxies = '10.0.0.0/8'; SELECT pg_reload_conf()});
$node->poll_query_until('postgres', "SELECT current_setting('twin_security.trusted_proxies') = '10.0.0.0/8'");
@statuses = map { login_status(from("192.0.2.10$_")) } 0 .. 9;
is($statuses[9], '429', 'from elsewhere nobody is believed');
fails_with($node, "ALTER SYSTEM SET twin_security.trusted_proxies = '10.0.0.0/33'", '22023', 'invalid value', 'a list that is none is refused');
sql($node, 'ALTER SYSTEM RESET twin_security.trusted_proxies; SELECT pg_reload_conf()');

sql($node, q{INSERT INTO twin.rate_limits VALUES ('/units', 'address', 3, '1 hour', 3)});
$reset->();
is(status(end => 'ROLLBACK'), 'ok', 'a request that rolls back');
is(status(main => 'SELECT 1/0'), '22012', 'one that fails');
is(status(method => 'HEAD'), 'ok', 'one in a READ ONLY transaction');
is(status(), 'PT429', '... count');
is(status(path => '/other'), 'ok', 'another route does not');
sql($node, q{UPDATE twin.rate_limits SET scope = 'user', burst = 2 WHERE route = '/units'});
$reset->();
is(join(' ', map { status(bearer($anna)) } 1 .. 3), 'ok ok PT429', 'limits of users, changed in force at once');
is(status(bearer($bert)), 'ok', '... are each one\'s own');
is(status(), 'ok', '... and not nobody\'s');
sql($node, q{INSERT INTO twin.rate_limits VALUES ('/uni*', 'user', 1, '1 hour', 1); DELETE FROM twin.rate_limits WHERE route = '/units'});
$reset->();
is(join(' ', status(bearer($anna)), status(bearer($anna, path => '/universe')), status(bearer($anna, path => '/other'))), 'ok PT429 ok', 'a rule with * is one for all its routes');
sql($node, q{DELETE FROM twin.rate_limits WHERE route = '/uni*'});

# ---- a deployment that was there before ----

my $issuer_key = 'an issuer of somebody else, also long enough';
sub foreign_token
{
	my (%claims) = @_;
	my $text = join '.', map { encode_base64url($json->encode($_)) } { alg => 'HS256', typ => 'JWT', kid => 'theirs' }, { iss => 'https://issuer.example', exp => time + 600, %claims };
	return $text . '.' . encode_base64url(hmac_sha256($text, $issuer_key));
}
my $jwk = $json->encode({ kty => 'oct', alg => 'HS256', kid => 'theirs', k => encode_base64url($issuer_key) });
sql($node, qq{
	SELECT twin.add_verification_key('$jwk', 'https://issuer.example', NULL, '{"user": "sub", "role": "role", "tenant": null, "role_is": "database", "roles": ["web_user"]}');
	CREATE ROLE web_anon; CREATE ROLE web_user; GRANT web_anon, web_user TO authenticator;
	CREATE ROLE web_author LOGIN;
	CREATE SCHEMA shop AUTHORIZATION web_author; GRANT USAGE ON SCHEMA shop TO web_anon, web_user;
	SET ROLE web_author;
	CREATE TABLE shop.orders (id int, owner text DEFAULT current_setting('request.jwt.claims')::json ->> 'sub');
	INSERT INTO shop.orders VALUES (1, 'carl'), (2, 'dora');
	ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON shop.orders TO web_user USING (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');
	GRANT SELECT, INSERT ON shop.orders TO web_user;
	CREATE FUNCTION shop.check_request() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN
		PERFORM twin.pre_request();
		IF current_setting('request.headers')::json ->> 'x-tea' IS NOT NULL THEN RAISE SQLSTATE 'PT418' USING MESSAGE = 'teapot'; END IF;
	END \$\$;
	RESET ROLE;
	ALTER ROLE web_user SET statement_timeout = '7s'; ALTER ROLE web_user IN DATABASE postgres SET lock_timeout = '3s';
	ALTER ROLE web_user SET log_min_messages = 'debug5'});
my $carl = foreign_token(sub => 'carl', role => 'web_user');
my %shop = (role => 'web_user', pre => 'shop.check_request', main => 'SELECT current_user, twin.current_subject(), string_agg(id::text, $$,$$) FROM shop.orders');
is(request(bearer($carl), %shop), 'web_user|carl|1', 'an issuer of its own, roles of the database, policies on request.jwt.claims');
is(request(bearer(foreign_token(sub => 'dora', role => 'web_user')), %shop), 'web_user|dora|2', '... for each user');
is(status(headers => { authorization => "Bearer $carl", 'x-tea' => 'green' }, claims => claims($carl), %shop), 'PT418', 'a db-pre-request of its own goes on after ours');
is(request(role => 'web_anon', pre => 'shop.check_request', main => 'SELECT current_user, twin.current_subject()'), 'web_anon|', 'nobody, in its own anonymous role');
is(status(headers => { authorization => 'Bearer ' . foreign_token(sub => 'dora', role => 'web_user') }, claims => claims($carl), %shop), 'PT401', 'claims and token of two users');
is(status(bearer(foreign_token(sub => 'eve', role => 'twin_operator')), role => 'twin_operator'), 'PT401', 'a role that the issuer may not give');
is(status(bearer($carl =~ s/\.[^.]+$/.AAAA/r), %shop), 'PT401', 'a signature that is none');

# ---- the gateway's way ----

# Bound parameters, as libpq sends them.
sub begin
{
	my (%request) = @_;
	my $more = join '', map { ", $_ => $request{more}{$_}" } sort keys %{ $request{more} // {} };
	return 'BEGIN' . (($request{method} // 'GET') eq 'GET' ? ' READ ONLY' : '') . '; SELECT role_name, user_id FROM twin.begin_request('
	  . join(', ', quote($request{method} // 'GET'), quote($request{path} // '/units'), quote($request{raw_headers} // $json->encode($request{headers} // {})),
		quote($json->encode($request{cookies} // {})), defined $request{address} ? quote($request{address}) : "'192.0.2.1'", quote($request{schema} // 'api')) . "$more); "
	  . ($request{main} // 'SELECT current_user, count(*) FROM units') . '; ' . ($request{end} // 'COMMIT');
}
sub begun { return sql($node, begin(@_), @by) }
sub begin_status { my ($said) = answer_of($node, begin(@_), @by); return $said =~ /^(\w{5}): / ? $1 : 'ok' }
my %as_anna = (headers => { authorization => "Bearer $anna" });
is(begun(%as_anna), "twin_viewer|1\ntwin_viewer|5", 'a token');
is(begun(), "twin_anonymous|\ntwin_anonymous|0", 'nobody');
is(begun(cookies => \%cookie, main => 'SELECT 1'), "twin_operator|2\n1", 'a cookie');
is(begin_status(method => 'POST', cookies => \%cookie), 'TW802', '... without CSRF token');
is(begin_status(headers => { authorization => 'Bearer x' }), 'TW501', 'refusals have codes of the status list');
is(begin_status(more => { anonymous_role => 'NULL' }), 'TW801', 'where nobody may be nobody');
is(begun(headers => { authorization => "Bearer $carl" }, schema => 'shop', main => $shop{main} . q{; SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('log_min_messages')}),
	"web_user|\nweb_user|carl|1\n7s|3s|warning", 'a role of the database, with those of its settings that the login may make');
sql($node, 'GRANT SET ON PARAMETER log_min_messages TO authenticator; ALTER ROLE web_user SET log_min_messages = error');
is(begun(headers => { authorization => "Bearer $carl" }, schema => 'shop', main => q{SELECT current_setting('log_min_messages')}), "web_user|\nerror", '... and those that were granted to it');
is(begun(%as_anna, main => q{SELECT current_setting('request.headers'), current_setting('request.cookies')}), "twin_viewer|1\n{}|{}", 'no function of the request sees the token');
unlike(begun(%as_anna, cookies => \%cookie, main => q{SELECT current_setting('request.headers'), current_setting('request.cookies'), current_setting('request.jwt.claims')}),
	qr/\Q$cookie{'__Host-twin_refresh'}\E|\Q$cookie{'__Host-twin_access'}\E/, '... nor those in cookies');
fails_with($node, begin(%as_anna, main => 'SHOW twin_security.token'), '42501', 'pg_read_all_settings', '... nor the setting', @by);
my (undef, $again) = split /\n/, login('bert', $password, use_cookies => 1);
my %second = map { ($_->{'Set-Cookie'} =~ /^([^=]+)=([^;]*)/) } @{ $json->decode(($again =~ /\|(.*)/)[0]) };
like(begun(method => 'POST', path => '/rpc/refresh', cookies => \%second, headers => { 'x-csrf-token' => $second{'__Host-twin_csrf'} }, main => q{SELECT twin_api.refresh() ? 'csrf_token'}),
	qr/\nt$/, 'yet refresh() finds its cookie');
fails_with($node, begin(%as_anna), '42501', 'may not begin requests', 'not for just any login');
$reset->();
my $try = q{SELECT twin_api.login('anna', 'wrong') ->> 'error'; SELECT current_setting('response.status')};
@statuses = map { my $s = answer_of($node, begin(method => 'POST', path => '/api/v1/auth/login', more => { route => "'/rpc/login'" }, main => $try), @by); $s =~ /^TW803.*retry after \d+ seconds/s ? 429 : (split /\n/, $s)[2] } 1 .. 10;
is($statuses[9], '429', 'ten quick wrong logins end in 429 here as well, by the route that the gateway names');
ok(events(q{event_type = 'login_failure' AND client_address = '192.0.2.1' AND request_id ~ '^[0-9a-f]{32}$'}) > 0, 'events name the client and the request');
sql($node, q{SELECT twin.unlock_user('anna')});

# a pooled connection with prepared statements
my $pooled = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'authenticator' ]);
$pooled->query(q{PREPARE b (text, text, jsonb, jsonb, inet, text) AS SELECT role_name, user_id FROM twin.begin_request($1, $2, $3, $4, $5, $6); PREPARE r AS SELECT current_user, count(*) FROM api.units});
my $go = sub { my ($h, $end) = @_; return $pooled->query("BEGIN; EXECUTE b ('GET', '/units', '$h', '{}', '192.0.2.1', 'api'); EXECUTE r; $end") };
my $bearer = sub { return $json->encode({ authorization => "Bearer $_[0]" }) };
is($go->($bearer->($anna), 'COMMIT'), "twin_viewer|1\ntwin_viewer|5", 'prepared statements');
is($go->($bearer->($bert), 'ROLLBACK'), "twin_operator|2\ntwin_operator|5", '... of another tenant');
is($go->('{}', 'COMMIT'), "twin_anonymous|\ntwin_anonymous|0", '... of nobody');
$go->($bearer->($anna), 'SELECT 1/0; COMMIT');
$pooled->{stderr} = '';
is($pooled->query(q{SELECT current_user, coalesce(twin.current_user_id()::text, 'nobody'), current_setting('search_path'), current_setting('request.jwt.claims') || current_setting('request.headers') || current_setting('request.id')}),
	'authenticator|nobody|"$user", public|', 'the next transaction has nothing left');
$pooled->quit;

# ---- notices of DDL ----

my $listener = $node->background_psql('postgres', on_error_stop => 0);
$listener->query('LISTEN pgrst');
sub notices { my $out = $listener->query('SELECT 1'); my @n = $out =~ /Asynchronous notification "pgrst" with payload "reload schema"/g; return scalar @n }
my %ddl = (
	'CREATE TABLE api.t (id int)' => 1, 'COMMENT ON TABLE api.units IS $$boilers$$' => 1, 'ALTER TABLE api.t ADD COLUMN c int' => 1,
	'CREATE FUNCTION api.f() RETURNS int LANGUAGE sql AS $$SELECT 1$$; DROP FUNCTION api.f()' => 2,
	'BEGIN; CREATE TABLE api.u (id int PRIMARY KEY); ALTER TABLE api.u ADD FOREIGN KEY (id) REFERENCES api.units; DROP TABLE api.u; COMMIT' => 1,
	'BEGIN; CREATE TABLE api.u (id int); ROLLBACK' => 0, 'CREATE TEMP TABLE t (id int); ALTER TABLE t ADD c int; DROP TABLE t' => 0,
	'BEGIN; CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1; COMMIT' => 0, 'INSERT INTO api.units VALUES (55, 1)' => 0, 'VACUUM api.units' => 0);
foreach my $statement (sort { $a =~ /^ALTER/ <=> $b =~ /^ALTER/ || $a cmp $b } keys %ddl)
{
	sql($node, $statement);
	is(notices(), $ddl{$statement}, "notices: $statement");
}
sql($node, q{BEGIN; CREATE TABLE api.prepared (id int); PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'});
is(sql($node, q{SELECT to_regclass('api.prepared') IS NOT NULL}), 't', 'DDL in a prepared transaction works');
$listener->quit;

# ---- dump and restore ----

sql($node, q{DELETE FROM twin.rate_limits WHERE route = '*' AND scope = 'user'; UPDATE twin.rate_limits SET burst = 9 WHERE route = '/api/auth/login';
	DELETE FROM twin.rate_limits WHERE route = '/api/auth/login'; UPDATE twin.rate_limits SET burst = 7 WHERE route = '/rpc/login';
	INSERT INTO twin.rate_limits VALUES ('/export', 'user', 2, '1 day', 1)});
my $rates = q{SELECT string_agg(concat_ws(' ', route, scope, requests, period, burst), E'\n' ORDER BY route, scope) FROM twin.rate_limits};
my $expected = sql($node, $rates);
like($expected, qr{^\* address}, 'one seed was deleted, one changed, one changed and deleted');
my $socket = $node->host . ' -p ' . $node->port;
sql($node, 'CREATE DATABASE restored');
run_pipe("pg_dump -h $socket postgres | psql -h $socket -q -v ON_ERROR_STOP=1 restored");
is(sql($node, $rates, db => 'restored'), $expected, 'limits come back as they were, deleted seeds do not');
sql($node, 'CREATE DATABASE restored_again');
run_pipe("pg_dump -h $socket restored | psql -h $socket -q -v ON_ERROR_STOP=1 restored_again");
is(sql($node, $rates, db => 'restored_again'), $expected, '... nor from the dump of what was restored');
sql($node, 'CREATE DATABASE fresh');
sql($node, 'CREATE EXTENSION twin_security; DROP EXTENSION twin_security CASCADE; CREATE EXTENSION twin_security', db => 'fresh');
is(sql($node, 'SELECT count(*) FROM twin.rate_limits', db => 'fresh'), '4', 'the extension comes and goes');

# ---- without preloading ----

my $bare = new_node('bare', preload => 0, conf => $conf);
start_with($bare, new_key(), undef, %environment);
sql($bare, q{CREATE EXTENSION twin_security; CREATE ROLE authenticator LOGIN NOINHERIT; GRANT twin_anonymous, twin_viewer TO authenticator;
	INSERT INTO twin.token_only_logins VALUES ('authenticator'); CREATE SCHEMA api; GRANT USAGE ON SCHEMA api TO PUBLIC});
my $viewer = sql($bare, q{SELECT twin.issue_token('{"user_id": "3", "role": "viewer", "tenant_id": 1}')});
my $first = begin(headers => { authorization => "Bearer $viewer" }, main => 'SELECT current_user');
fails_with($bare, $first, '55000', 'preloaded', 'limits need preloading, and say so', @by);
sql($bare, 'DELETE FROM twin.rate_limits');
is(sql($bare, $first, @by), "twin_viewer|3\ntwin_viewer", 'without limits nothing does');
is(sql($bare, statements(bearer($viewer), main => 'SELECT current_user'), @by), 'twin_viewer', '... behind PostgREST neither');

done_testing();

# Who is asking, as the gateway's clients see it: tokens that do not hold, tenants, roles that cannot be changed, and a
# deployment with a schema, roles, issuer and request function of its own.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Test::More;
use TwinTest;
use TwinGateway;

my ($node, $password) = new_twin('gateway_who');
my $gateway = new_gateway($node);
my %token = map { $_ => $gateway->token($_, $password) } qw(ada oleg vera vito otto);
my $secret = 'tests sign with this, and nobody else';
sub names { return join ',', map { $_->{name} } @{ $_[0]->json } }

# ---- nobody ----

is($gateway->get('/notices')->json->[0]{notice_id}, 1, 'nobody reads what anybody may');
my $answer = $gateway->get('/units');
is_refused($answer, 401, '42501', '... and nothing else');
is($answer->header('WWW-Authenticate'), 'Bearer', '... with WWW-Authenticate');
is($gateway->get('/rpc/who')->json->{role}, 'twin_anonymous', '... in the anonymous role');
is($answer->header('Proxy-Status'), 'PostgREST; error=42501', '... with Proxy-Status');
is_refused($gateway->get('/nothing'), 404, 'PGRST205', 'what is not there is said to nobody as well');
my $closed = new_gateway($node, conf => { 'db-anon-role' => undef });
$answer = $closed->get('/notices');
is_refused($answer, 401, 'PGRST302', 'without an anonymous role nobody gets anything');
is($answer->header('WWW-Authenticate'), 'Bearer', '... with WWW-Authenticate');
is_refused($closed->get($_), 401, 'PGRST302', "... whatever is asked for: $_") foreach '/nothing', '/', '/rpc/add?a=1', '/units?select=nothing', '/a/b/c', '/units?x=y';
is_refused($closed->ask('BREW', '/units'), 401, 'PGRST302', '... or how');
is($closed->login('oleg', $password)->{status}, 200, '... but logs in');
is_refused($closed->$_('/api/auth/me'), 401, 'PGRST302', '... which is the only thing he can do') foreach qw(get post);
is(names($closed->get('/units?order=unit_id&limit=1', token => $token{vera})), 'boiler', '... and reads with a token');
$closed->stop;

# ---- tokens that do not hold ----

my $claims = claims_of($token{vera});
my $header = { alg => 'HS256', typ => 'JWT' };
my $sign = sub { hmac_sha256($_[0], $secret) };
my $brief = sql($node, q{SELECT twin.issue_token('{"user_id": "3", "role": "viewer", "tenant_id": 1}', '1 second')});
my $doomed = $gateway->token('vera', $password);
sql($node, "SELECT twin.revoke_token('$doomed')");
sleep 2;
my %bad = (
	forged => [ $token{ada} =~ s/\.[^.]{10}([^.]*)$/.AAAAAAAAAA$1/r, 'PGRST301' ],
	'with changed claims' => [ jwt_of($header, { %$claims, role => 'admin' }) . (split /\./, $token{vera})[2], 'PGRST301' ],
	unsigned => [ jwt_of({ alg => 'none' }, $claims), 'PGRST301' ],
	'of another algorithm' => [ jwt_of({ %$header, alg => 'HS512' }, $claims, sub { Digest::SHA::hmac_sha512($_[0], $secret) }), 'PGRST301' ],
	'of a key nobody knows' => [ jwt_of({ %$header, kid => 'nobody' }, $claims, $sign), 'PGRST301' ],
	'that names its own key' => [ jwt_of({ %$header, jku => 'https://evil.example' }, $claims, $sign), 'PGRST301' ],
	expired => [ $brief, 'PGRST303' ],
	revoked => [ $doomed, 'PGRST303' ],
	'of a refresh' => [ $gateway->login('vera', $password)->json->{refresh_token}, 'PGRST303' ],
	'without expiry' => [ jwt_of($header, { map { $_ ne 'exp' ? ($_ => $claims->{$_}) : () } keys %$claims }, $sign), 'PGRST303' ],
	'of the future' => [ jwt_of($header, { %$claims, iat => time + 600, nbf => time + 600, exp => time + 900 }, $sign), 'PGRST303' ],
	'of another audience' => [ jwt_of($header, { %$claims, aud => 'elsewhere' }, $sign), 'PGRST303' ],
	'of two parts' => [ 'eyJ9.eyJ9', 'PGRST301' ],
	'too long' => [ 'x' x 9000, 'PGRST301' ]);
foreach my $kind (sort keys %bad)
{
	my ($token, $code) = @{ $bad{$kind} };
	$answer = $gateway->get('/units', token => $token);
	is_refused($answer, 401, $code, "a token $kind");
	like($answer->header('WWW-Authenticate') // '', qr/^Bearer error="invalid_token", error_description="[^"]+"$/, '... WWW-Authenticate says so');
	is_refused($gateway->get($_, token => $token), 401, $code, "... and is not told what is there: $_") foreach '/nothing', '/rpc/nothing', '/units?select=nothing', '/a/b', '/units?or=(';
	is_refused($gateway->post('/units', token => $token, body => '{', headers => [ 'Content-Type', 'application/json' ]), 401, $code, '... nor whether a body is good');
	is($gateway->status('GET', '/notices', token => $token), 401, '... nor served as nobody');
}
is_refused($gateway->get('/notices', headers => [ Authorization => 'Bearer ' ]), 401, 'PGRST301', 'an empty token');
is($gateway->status('GET', '/notices', headers => [ Authorization => 'Basic eDp5' ]), 200, 'another scheme is not for us');
is($gateway->status('GET', '/notices', headers => [ Authorization => "Bearer $token{vera}", Authorization => "Bearer $token{ada}" ]), 400, 'two tokens are refused');
is($gateway->status('GET', '/units', headers => [ Authorization => "bearer $token{vera}" ]), 200, 'bearer in small letters');
is($gateway->status('GET', "/units?access_token=$token{vera}"), 400, 'a token in the query is none');

# ---- tenants ----

is(names($gateway->get('/units?order=unit_id', token => $token{vera})), 'boiler,chiller,pump, "big"', 'one tenant');
is(names($gateway->get('/units?order=unit_id', token => $token{vito})), 'furnace', 'another');
is($gateway->get('/units?unit_id=eq.1', token => $token{vito})->{body}, '[]', 'by its key neither');
is($gateway->get('/units?select=*&tenant_id=eq.1', token => $token{vito})->{body}, '[]', 'by the tenant neither');
is($gateway->get('/sites?select=name,units(name)', token => $token{vito})->json->[0]{units}[0]{name}, 'furnace', 'embedded rows are of the tenant');
is($gateway->get('/active_units?select=name', token => $token{vito})->json->[0]{name}, 'furnace', 'through a view as well');
is($gateway->get('/rpc/units_above?celsius=0', token => $token{vito})->json->[0]{name}, 'furnace', 'through a function as well');
is($gateway->get('/units?select=count()', token => $token{vito})->code, 'PGRST123', 'aggregates are off');
$answer = $gateway->get('/units', token => $token{vito}, headers => [ Prefer => 'count=exact' ]);
is($answer->header('Content-Range'), '0-0/1', 'counts are of the tenant');
my @return = (headers => [ Prefer => 'return=representation' ]);
is($gateway->ask('PATCH', '/units?unit_id=eq.1', token => $token{otto}, json => { name => 'theirs' }, @return)->{body}, '[]', 'changing finds nothing');
is($gateway->ask('DELETE', '/units?unit_id=eq.1', token => $token{otto}, @return)->{status}, 403, 'who may not delete cannot try');
is_refused($gateway->post('/units', token => $token{otto}, json => { name => 'x', tenant_id => 1 }), 403, '42501', 'inserting for the other is refused');
is_refused($gateway->ask('PATCH', '/units?unit_id=eq.4', token => $token{otto}, json => { tenant_id => 1 }), 403, '42501', 'moving a row over is refused');
is_refused($gateway->post('/units', token => $token{otto}, json => { unit_id => 1, name => 'x' }, headers => [ Prefer => 'resolution=merge-duplicates' ]), 403, '42501', 'an upsert changes no row of another');
is_refused($gateway->post('/units', token => $token{vera}, json => { name => 'x' }), 403, '42501', 'a viewer writes nothing');
is(sql($node, q{SELECT string_agg(name, ',' ORDER BY unit_id) FROM api.units}), 'boiler,chiller,pump, "big",furnace', 'nothing happened');

# ---- in the middle of things ----

is_refused($gateway->post('/rpc/become', token => $token{vera}, json => { name => $_ }), 403, '42501', "a function cannot become $_") foreach qw(twin_admin twin_gateway none postgres);
is($gateway->status('GET', '/units', token => $token{vera}), 200, '... and the connection goes on');
is($gateway->get('/rpc/who')->json->{role}, 'twin_anonymous', '... in nobody\'s role for nobody');
my @forged = (headers => [ 'request.jwt.claims' => '{"role":"twin_admin"}', 'X-Role' => 'twin_admin', 'role' => 'twin_admin', 'X-Forwarded-User' => 'ada' ]);
is($gateway->get('/rpc/who', token => $token{vera}, @forged)->json->{role}, 'twin_viewer', 'headers name no role');
sql($node, q{SELECT twin.disable_user('vera')});
is_refused($gateway->get('/units', token => $token{vera}), 401, 'PGRST303', 'a user who was disabled is refused at once');
is($gateway->login('vera', $password)->{status}, 401, '... and cannot log in');
sql($node, q{SELECT twin.enable_user('vera'); SELECT twin.assign_role('otto', 'viewer')});
is($gateway->status('GET', '/units', token => $token{vera}), 401, '... when enabled again the old token stays dead');
is($gateway->status('GET', '/units', token => $token{otto}), 401, 'another role ends the tokens of the one before');

# ---- a deployment that was there before ----

my $key = 'an issuer of somebody else, also long enough';
sub foreign { return jwt_of({ alg => 'HS256', typ => 'JWT', kid => 'theirs' }, { iss => 'https://issuer.example', exp => time + 600, @_ }, sub { hmac_sha256($_[0], $key) }) }
my $jwk = encode_json({ kty => 'oct', alg => 'HS256', kid => 'theirs', k => encode_base64url($key) });
sql($node, qq{
	SELECT twin.add_verification_key('$jwk', 'https://issuer.example', NULL, '{"user": "sub", "role": "role", "tenant": null, "role_is": "database", "roles": ["web_user"]}');
	CREATE ROLE web_anon; CREATE ROLE web_user; GRANT web_anon, web_user TO twin_gateway;
	CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO web_anon, web_user;
	CREATE SCHEMA "Shop ""two"""; CREATE TABLE "Shop ""two""".other (a int); GRANT USAGE ON SCHEMA "Shop ""two""" TO web_anon; GRANT SELECT ON "Shop ""two""".other TO web_anon;
	CREATE TABLE shop.orders (id int PRIMARY KEY, owner text DEFAULT current_setting('request.jwt.claims')::json ->> 'sub');
	INSERT INTO shop.orders VALUES (1, 'carl'), (2, 'dora');
	ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON shop.orders TO web_user USING (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');
	GRANT SELECT, INSERT ON shop.orders TO web_user;
	CREATE FUNCTION shop.check_request() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN
		IF current_setting('request.headers')::json ->> 'x-tea' IS NOT NULL THEN RAISE SQLSTATE 'PT418' USING MESSAGE = 'teapot', HINT = 'short'; END IF;
		IF current_setting('request.headers')::json ->> 'x-json' IS NOT NULL THEN
			RAISE SQLSTATE 'PGRST' USING MESSAGE = '{"code":"X1","message":"as json"}', DETAIL = '{"status":402,"headers":{"X-Owed":"5"}}'; END IF;
		PERFORM set_config('response.headers', format('[{"X-Checked": "%s %s"}]', current_user, coalesce(twin.current_subject(), 'nobody')), true);
	END \$\$;
	ALTER ROLE web_user SET statement_timeout = '7s';
	CREATE FUNCTION shop.waits() RETURNS text LANGUAGE sql STABLE AS \$\$ SELECT current_setting('statement_timeout') \$\$});
my $shop = new_gateway($node, conf => { 'db-schemas' => 'shop,Shop \\"two\\"', 'db-anon-role' => 'web_anon', 'db-pre-request' => 'shop.check_request', 'app.settings.plant' => 'north' });
my ($carl, $dora) = map { foreign(sub => $_, role => 'web_user') } qw(carl dora);
$answer = $shop->get('/orders', token => $carl);
is($answer->{body}, '[{"id":1,"owner":"carl"}]', 'an issuer of its own, roles of the database, policies on request.jwt.claims');
is($answer->header('X-Checked'), 'web_user carl', 'its own function runs after ours, as the role');
is($shop->get('/orders?select=id', token => $dora)->{body}, '[{"id":2}]', '... for each user');
$answer = $shop->post('/orders', token => $dora, json => { id => 3 }, headers => [ Prefer => 'return=representation' ]);
is("$answer->{status} $answer->{body}", '201 [{"id":3,"owner":"dora"}]', '... defaults from the claims');
is($shop->get('/rpc/waits', token => $carl)->{body}, '"7s"', 'settings of the role are in force');
$answer = $shop->get('/orders', token => $carl, headers => [ 'X-Tea' => 'green' ]);
is("$answer->{status} $answer->{reason} " . join('|', map { $_ // 'null' } @{ $answer->json }{qw(code message hint)}), "418 teapot PT418|teapot|short", 'what it raises is answered');
$answer = $shop->get('/orders', token => $carl, headers => [ 'X-Json' => '1' ]);
is("$answer->{status} " . $answer->code . ' ' . $answer->header('X-Owed'), '402 X1 5', '... in JSON as well');
is($shop->status('GET', '/nothing', token => $carl), 404, 'for what is not there it is not called');
is_refused($shop->get('/orders', token => foreign(sub => 'eve', role => $_)), 401, 'PGRST303', "a role that the issuer may not give: $_") foreach qw(web_anon twin_admin postgres);
is_refused($shop->get('/orders', token => $carl =~ s/\.[^.]+$/.AAAA/r), 401, 'PGRST301', 'a signature that is none');
is_refused($shop->get('/orders', headers => [ 'X-Jwt-Claims' => '{"sub":"carl"}' ]), 401, '42501', 'nobody, in its own anonymous role');
is($shop->get('/other', headers => [ 'Accept-Profile' => 'Shop "two"' ])->{body}, '[]', 'a schema with quotes in its name');
is($shop->status('GET', '/orders', token => $token{ada}), 403, 'a role that has no rights here gets nothing');
like($shop->log_of($answer)->{user_id} // '', qr/^$/, 'a user that has no number is none in the log');
is($shop->log_of($answer)->{role}, 'web_user', '... but his role is there');
$shop->stop;
sql($node, q{DROP FUNCTION shop.check_request()});
my $broken = new_gateway($node, conf => { 'db-schemas' => 'shop', 'db-anon-role' => 'web_anon', 'db-pre-request' => 'shop.check_request' });
is_refused($broken->get('/orders', token => $carl), 404, '42883', 'a request function that is not there lets nobody through');

done_testing();

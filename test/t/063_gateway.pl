# Sessions through the gateway: login, refresh, logout and me under each prefix, cookies and their CSRF token, origins,
# and the limit on wrong passwords.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);
use TwinTest;
use TwinGateway;

my ($node, $password) = new_twin('gateway_sessions');
# so that what follows does not depend on how fast this machine is
is(sql($node, q{UPDATE twin.rate_limits SET period = '1 hour' WHERE route = '/rpc/login' RETURNING requests, burst}), '5|5', 'wrong logins are limited as shipped');
my $origin = 'https://app.example.com';
my $gateway = new_gateway($node, conf => { 'server-cors-allowed-origins' => "$origin, http://localhost:5173", 'server-trace-header' => 'X-Trace' });
my @form = qw(access_token expires_in refresh_token token_type user);
sub keys_of { return join ' ', sort keys %{ $_[0] } }
sub forget { sql($node, 'SELECT twin_internal.forget_limits()'); return }

# ---- with tokens, under each prefix ----

foreach my $prefix ('/api/auth', '/api/v1/auth')
{
	my $answer = $gateway->post("$prefix/login", json => { username => 'oleg', password => $password });
	is($answer->{status}, 200, "$prefix/login");
	my $said = $answer->json;
	is(keys_of($said), "@form", '... answers with both tokens');
	is($said->{token_type}, 'Bearer', '... of this type');
	is(join(' ', map { "$_=$said->{user}{$_}" } sort keys %{ $said->{user} }), "role=operator tenant_id=1 user_id=2 username=oleg", '... and the user');
	is($answer->header('Cache-Control'), 'no-store', '... for nobody to keep');
	is(scalar $answer->all('Set-Cookie'), 0, '... without cookies');
	my %with = (token => $said->{access_token});
	my $me = $gateway->post("$prefix/me", %with);
	is("$me->{status} " . $me->json->{username}, '200 oleg', "$prefix/me");
	is($gateway->get("$prefix/me", %with)->json->{username}, 'oleg', '... by GET as well');
	is($gateway->get('/units?select=name&order=unit_id', %with)->json->[0]{name}, 'boiler', 'the token reads');
	my $next = $gateway->post("$prefix/refresh", json => { refresh_token => $said->{refresh_token} });
	is("$next->{status} " . keys_of($next->json), "200 @form", "$prefix/refresh");
	is($gateway->status('GET', '/units', token => $next->json->{access_token}), 200, '... gives a token that holds');
	is($gateway->status('GET', '/units', token => $said->{refresh_token}), 401, 'a refresh token is no access token');
	my $out = $gateway->post("$prefix/logout", token => $next->json->{access_token});
	is("$out->{status} '$out->{body}'", "204 ''", "$prefix/logout");
	is_refused($gateway->get('/units', token => $next->json->{access_token}), 401, 'PGRST303', '... ends the token with the next request');
	is_refused($gateway->get('/units', %with), 401, 'PGRST303', '... and the one before it, which is of the same session');
	is($gateway->post("$prefix/refresh", json => { refresh_token => $next->json->{refresh_token} })->{status}, 401, '... and refreshing');
}
my $by_form = $gateway->post('/api/auth/login', form => { username => 'oleg', password => $password });
is("$by_form->{status} " . keys_of($by_form->json), "200 @form", 'a form logs in');
my @all = map { $gateway->token('vera', $password) } 1 .. 2;
is($gateway->status('POST', '/api/auth/logout_all', token => $all[0]), 204, 'logout_all');
is(join(' ', map { $gateway->status('GET', '/units', token => $_) } @all), '401 401', '... ends all sessions of one');
# a password is changed by who knows it
my $changed_to = "another " . canary();
my %changing = (token => $gateway->token('otto', $password));
my @bystander = (token => $gateway->token('otto', $password));
is_refused($gateway->post('/api/auth/change_password', json => { old_password => $password, new_password => $changed_to }), 401, '42501', 'nobody changes a password without a token');
is($gateway->post('/api/auth/change_password', %changing, json => { old_password => 'wrong', new_password => $changed_to })->{status}, 401, '... nor without the old one');
is_refused($gateway->post('/api/auth/change_password', %changing, json => { old_password => $password, new_password => 'password1' }), 400, '22023', '... nor to one that anybody guesses');
my $changed = $gateway->post('/api/v1/auth/change_password', %changing, json => { old_password => $password, new_password => $changed_to });
is("$changed->{status} " . keys_of($changed->json), "200 @form", 'change_password opens a session');
is($gateway->status('GET', '/units', @bystander), 401, '... and ends the others');
is($gateway->status('GET', '/units', token => $changed->json->{access_token}), 200, '... its token holds');
is(join(' ', map { $gateway->login('otto', $_)->{status} } $changed_to, $password), '200 401', '... the new password logs in, the old one does not');
sql($node, "SELECT twin.set_password('otto', '$password')");
forget();
is_refused($gateway->get("/api/auth/$_?username=oleg&password=" . escape($password)), 405, 'PGRST101', "$_ by GET is refused") foreach qw(login refresh logout change_password);
is_refused($gateway->get('/api/auth/elsewhere'), 404, 'PGRST125', 'no other route is there');
is_refused($gateway->post('/api/auth/login', json => { username => 'oleg' }), 404, 'PGRST202', 'a login without password');
is_refused($gateway->post('/api/auth/login', body => '{', headers => [ 'Content-Type', 'application/json' ]), 400, 'PGRST102', '... with a broken body');
is_refused($gateway->post('/rpc/login', json => { username => 'oleg', password => $password }), 404, 'PGRST202', 'twin_api is exposed by its routes alone');

# ---- wrong passwords ----

forget();
my @refusals = map { $gateway->login(@$_) } [ 'oleg', 'wrong' ], [ 'nobody', 'wrong' ], [ 'oleg', $password . ' ' ];
is(join(' ', map { $_->{status} } @refusals), '401 401 401', 'a wrong password, an unknown user, one blank too many');
is($refusals[0]{body}, $refusals[$_]{body}, '... get one message') foreach 1, 2;
is($_->header('WWW-Authenticate'), 'Bearer', '... with WWW-Authenticate') foreach @refusals;
is($_->header('Cache-Control'), 'no-store', '... for nobody to keep') foreach @refusals;
unlike($refusals[0]{raw}, qr/\Q$password\E|oleg/, '... that repeats nothing');
forget();

my $reader = $gateway->token('vera', $password);
my @tries = map { $gateway->login('vera', "wrong $_") } 1 .. 10;
is($tries[-1]{status}, 429, 'ten quick wrong logins end in 429');
is($tries[0]{status}, 401, '... the first did not');
like($tries[-1]->header('Retry-After'), qr/^[1-9]\d*$/, '... with Retry-After');
ok($tries[-1]->header('Retry-After') <= 3600, '... of less than an hour');
is_refused($tries[-1], 429, 'TW803', '... in the shape of errors');
is($gateway->login('otto', $password)->{status}, 429, 'the address may not log in as somebody else either');
is($gateway->status('GET', '/units', token => $reader), 200, 'who is logged in reads on');
is($gateway->status('GET', '/notices'), 200, '... and so does anybody');
is($gateway->post('/api/v1/auth/login', json => { username => 'x', password => 'y' })->{status}, 429, 'the other prefix is the same limit');
is($gateway->status('POST', $_, json => { username => 'x', password => 'y' }), 429, "... however it is written: $_") foreach '/api/auth/login?x', '/api/auth/login?columns=username';
isnt($gateway->status('POST', $_, json => { username => 'x', password => 'y' }), 401, "... or it is no login: $_") foreach '//api/auth/login', '/api/auth/login/', '/api//auth/login', '/api/auth/%6Cogin', '/api/auth/./login';
forget();
sql($node, q{SELECT twin.unlock_user('vera')});
is($gateway->login('vera', $password)->{status}, 200, 'and the right password again');

# ---- cookies ----

my $answer = $gateway->login('oleg', $password, json => { use_cookies => JSON::PP::true });
my %cookies = $answer->cookies;
is(join(' ', sort keys %cookies), '__Host-twin_access __Host-twin_csrf __Host-twin_refresh', 'three cookies');
foreach my $cookie ($answer->all('Set-Cookie'))
{
	my ($name) = $cookie =~ /^([^=]+)=/;
	like($cookie, qr{; Path=/; (HttpOnly; )?Secure; SameSite=Lax; Max-Age=[1-9]\d*$}, "$name has its attributes");
	unlike($cookie, qr/Domain/i, '... and no Domain');
	is($cookie =~ /HttpOnly/ ? 1 : 0, $name =~ /csrf/ ? 0 : 1, '... and scripts see it only where they must');
}
is(keys_of($answer->json), 'csrf_token expires_in token_type user', 'the body holds no token');
my $csrf = $answer->json->{csrf_token};
is($csrf, $cookies{'__Host-twin_csrf'}, '... but the CSRF token');
my %with = (cookies => \%cookies);
my %writes = (%with, headers => [ 'X-CSRF-Token', $csrf, 'Prefer', 'return=representation' ]);
is($gateway->get('/units?select=name&order=unit_id', %with)->json->[0]{name}, 'boiler', 'the cookie reads, without CSRF token');
is($gateway->status('HEAD', '/units', %with), 200, '... by HEAD as well');
my $written = $gateway->post('/sites', %writes, json => { name => 'by cookie' });
is("$written->{status} " . $written->json->[0]{name}, '201 by cookie', '... and writes, with it');
is($gateway->ask('PATCH', '/sites?name=eq.by+cookie', %writes, json => { name => 'changed' })->{status}, 200, '... and changes');
my $stranger = $gateway->login('ada', $password, json => { use_cookies => JSON::PP::true })->json->{csrf_token};
my %csrf = (missing => [], wrong => [ 'X-CSRF-Token', 'A' x length $csrf ], empty => [ 'X-CSRF-Token', '' ], 'that of another session' => [ 'X-CSRF-Token', $stranger ]);
foreach my $kind (sort keys %csrf)
{
	my %request = (%with, headers => $csrf{$kind});
	is_refused($gateway->post('/sites', %request, json => { name => 'x' }), 403, 'TW802', "CSRF token $kind: POST");
	is_refused($gateway->ask('PATCH', '/sites?site_id=eq.1', %request, json => { name => 'x' }), 403, 'TW802', '... PATCH');
	is_refused($gateway->ask('DELETE', '/sites?site_id=eq.1', %request), 403, 'TW802', '... DELETE');
	is_refused($gateway->ask('PUT', '/sites?site_id=eq.1', %request, json => { site_id => 1, name => 'x' }), 403, 'TW802', '... PUT');
	is_refused($gateway->post('/rpc/who', %request, json => {}), 403, 'TW802', '... a function');
	is_refused($gateway->post('/api/auth/logout', %request), 403, 'TW802', '... logging out');
	is_refused($gateway->post('/api/auth/change_password', %request, json => { old_password => $password, new_password => $changed_to }), 403, 'TW802', '... changing the password');
}
is(sql($node, q{SELECT count(*) FROM api.sites WHERE name = 'x' OR site_id = 1}), '1', 'none of these did anything');
is($gateway->status('POST', '/sites', %with, headers => [ 'X-CSRF-Token', $csrf, 'X-CSRF-Token', $csrf ], json => { name => 'x' }), 400, 'two CSRF headers are refused');
my $repeated = { %cookies, '__Host-twin_access' => $cookies{'__Host-twin_access'} . '; __Host-twin_access=x' };
is($gateway->status('GET', '/units', cookies => $repeated), 200, 'of two cookies of a name the first counts');
is($gateway->status('GET', '/units', cookies => { '__Host-twin_access' => 'x' }), 401, 'a cookie that is no token is refused');
is($gateway->login('oleg', $password, cookies => { '__Host-twin_access' => 'stale' })->{status}, 200, '... but keeps nobody from logging in');
is($gateway->status('GET', '/api/auth/me', %with, token => 'x.y.z'), 401, 'Authorization goes before the cookie');
like($gateway->get('/units', %with)->header('Vary'), qr/Cookie/, 'answers vary by cookie');

# ---- refreshing by cookie: used once ----

my $refresh = sub { my ($jar, $token) = @_; return $gateway->post('/api/auth/refresh', cookies => $jar, headers => [ 'X-CSRF-Token', $token // $jar->{'__Host-twin_csrf'} ]) };
is($refresh->(\%cookies, 'x')->{status}, 401, 'refreshing by cookie needs the CSRF token');
my $fresh = $refresh->(\%cookies);
my %second = $fresh->cookies;
is("$fresh->{status} " . join(' ', sort keys %second), '200 __Host-twin_access __Host-twin_csrf __Host-twin_refresh', 'refreshing gives three cookies');
isnt($second{'__Host-twin_refresh'}, $cookies{'__Host-twin_refresh'}, '... and another refresh token');
is($gateway->status('GET', '/units', cookies => \%second), 200, '... that read');
my %third = $refresh->(\%second)->cookies;
is($gateway->status('GET', '/units', cookies => \%third), 200, '... once more');
my $reuse = $refresh->(\%cookies);
is("$reuse->{status} " . $reuse->json->{error}, '401 invalid_token', 'a refresh token used twice is refused');
is($gateway->status('GET', '/units', cookies => \%third), 401, '... and ends the session');
ok(comes_true($node, q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'token_reuse'}), '... which is an event');
my %leaving = $gateway->login('oleg', $password, json => { use_cookies => JSON::PP::true })->cookies;
my $bye = $gateway->post('/api/auth/logout', cookies => \%leaving, headers => [ 'X-CSRF-Token', $leaving{'__Host-twin_csrf'} ]);
is("$bye->{status} " . join(' ', map { /=; .*Max-Age=0$/ ? 'gone' : $_ } $bye->all('Set-Cookie')), '204 gone gone gone', 'logging out takes the cookies away');
is($gateway->status('GET', '/units', cookies => \%leaving), 401, '... and ends them');

# ---- origins ----

my @foreign = ('https://evil.example', 'null', "$origin.evil.example", 'http://app.example.com', "$origin:444", 'HTTPS://APP.EXAMPLE.COM', '*');
foreach my $from (@foreign)
{
	my $login = $gateway->login('oleg', $password, headers => [ 'Origin', $from ]);
	is("$login->{status} " . scalar $login->all('Access-Control-Allow-Origin'), '403 0', "a page of $from cannot log in");
	my $read = $gateway->get('/notices', headers => [ 'Origin', $from ]);
	is("$read->{status} " . scalar(() = $read->{raw} =~ /^Access-Control/mg), '200 0', '... nor read');
	my $asked = $gateway->ask('OPTIONS', '/notices', headers => [ 'Origin', $from, 'Access-Control-Request-Method', 'GET' ]);
	is(scalar(() = $asked->{raw} =~ /^Access-Control/mg), 0, '... nor ask');
	unlike($_->{raw}, qr/\Q$from\E/, '... and is not repeated') foreach grep { $from !~ /^(?:\*|null)$/ } $login, $read, $asked;
}
my $listed = $gateway->login('oleg', $password, headers => [ 'Origin', $origin ]);
is("$listed->{status} " . $listed->header('Access-Control-Allow-Origin'), "200 $origin", 'a page of a listed origin logs in');
is($listed->header('Access-Control-Allow-Credentials'), 'true', '... with credentials');
like($listed->header('Vary'), qr/\bOrigin\b/, '... which varies by origin');
like($gateway->get('/notices')->header('Vary'), qr/\bOrigin\b/, '... as does an answer to none');
is($gateway->login('oleg', $password, headers => [ 'Origin', "http://127.0.0.1:$gateway->{port}" ])->{status}, 200, 'so does its own');
my $error = $gateway->get('/nothing', headers => [ 'Origin', $origin ]);
is("$error->{status} " . $error->header('Access-Control-Allow-Origin'), "404 $origin", 'the page may read errors');
like($error->header('Access-Control-Expose-Headers'), qr/Content-Range.*Proxy-Status/, '... and headers');
my $preflight = $gateway->ask('OPTIONS', '/units', headers => [ 'Origin', $origin, 'Access-Control-Request-Method', 'PATCH', 'Access-Control-Request-Headers', "x-csrf-token, prefer, bad name" ]);
is($preflight->{status}, 200, 'a preflight needs no token');
is($preflight->header('Access-Control-Allow-Origin'), $origin, '... names the origin');
like($preflight->header('Access-Control-Allow-Methods'), qr/PATCH.*DELETE/, '... methods');
like($preflight->header('Access-Control-Allow-Headers'), qr/^Authorization, x-csrf-token, prefer,/, '... headers that were asked for');
unlike($preflight->header('Access-Control-Allow-Headers'), qr/bad name/, '... and are names');
is($preflight->header('Access-Control-Max-Age'), '86400', '... for a day');
like($preflight->header('Vary'), qr/Origin.*Access-Control-Request-Method/, '... and varies by what was asked');
is($gateway->get('/notices', headers => [ 'X-Trace', 'abc-1' ])->header('X-Trace'), 'abc-1', 'the trace header comes back');

# ---- another prefix ----

is($gateway->stop, 'exit 0', 'the gateway stops');
my $other = new_gateway($node, conf => { 'server-auth-prefix' => '/session' });
is($other->post('/session/login', json => { username => 'oleg', password => $password })->{status}, 200, 'another prefix');
is($other->post("$_/login", json => { username => 'oleg', password => $password })->{status}, 404, "... in place of $_") foreach '/api/auth', '/api/v1/auth';
@tries = map { $other->post('/session/login', json => { username => 'oleg', password => 'wrong' })->{status} } 1 .. 10;
is("$tries[0] $tries[-1]", '401 429', '... has the same limit');
unlike($gateway->log_text . $other->log_text, qr/\Q$password\E|eyJ|\Q$csrf\E/, 'no log holds a password or token');

done_testing();

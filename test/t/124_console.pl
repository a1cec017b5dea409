# The security console as HTTP: its files and their headers, what is no file of it, that it is off unless wanted; and its routines, for whom.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use TwinTest;
use TwinGateway;

my $folder = "$ENV{TWIN_SOURCE}/test/client/console";
my $node = new_node('console', conf => "twin_security.bcrypt_cost = 10\ntwin_security.checkpoint_interval = 1s\n");
my $password = canary() . 'Xy';
$node->{twin_keys} = [ new_key(), undef, JWT_SECRET_KEY => 'tests sign with this, and nobody else' ];
start_again($node);
$node->psql('postgres', file_bytes("$folder/fixture.sql"), on_error_die => 1, extra_params => [ '-v', "password=$password" ]);
sql($node, q{CREATE TABLE api.console (id int); CREATE FUNCTION api.who() RETURNS text LANGUAGE sql AS $$ SELECT 'mine'::text $$;
	GRANT USAGE ON SCHEMA api TO PUBLIC; GRANT SELECT ON api.console TO PUBLIC});

# ---- off unless wanted ----

my $off = new_gateway($node);
is($off->status('GET', '/console'), 200, 'without it its path is anybody\'s: a table of that name');
is($off->status('GET', $_), 404, "... and $_ is nothing") foreach qw(/console/ /console/app.js /console/settings.json /console/api/who);
is($off->stop, 'exit 0', '... all the while');
my $gateway = new_gateway($node, conf => { 'server-console-enabled' => 'true', 'server-auth-prefix' => '/auth', 'server-websocket-path' => '/live' });

# ---- its files ----

my %type = (html => 'text/html', css => 'text/css', js => 'text/javascript', svg => 'image/svg+xml');
my @files = map { m{([^/]+)$} } glob "$ENV{TWIN_SOURCE}/src/console/*.{html,css,js,svg}";
cmp_ok(scalar(@files), '>', 8, 'there are files');
my %tags;
foreach my $file (sort @files)
{
	my ($suffix) = $file =~ /\.(\w+)$/;
	my $path = $file eq 'index.html' ? '/console' : "/console/$file";
	my $answer = $gateway->get($path);
	is("$answer->{status} " . $answer->header('Content-Type'), "200 $type{$suffix}" . ($suffix eq 'svg' ? '' : '; charset=utf-8'), $path);
	ok($answer->{body} eq file_bytes("$ENV{TWIN_SOURCE}/src/console/$file"), '... as it is in the sources');
	$tags{ $answer->header('ETag') }++;
}
is(scalar(keys %tags), scalar(@files), 'each has an ETag of its own');
my $page = $gateway->get('/console');
is($page->header('Content-Security-Policy'), "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
	. "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'", 'nothing from elsewhere, nothing inline, in no frame');
is($page->header($_->[0]), $_->[1], "$_->[0]: $_->[1]") foreach (['X-Content-Type-Options', 'nosniff'], ['Referrer-Policy', 'no-referrer'], ['X-Frame-Options', 'DENY'],
	['Cross-Origin-Opener-Policy', 'same-origin'], ['Cross-Origin-Resource-Policy', 'same-origin'], ['Cache-Control', 'no-cache']);
is(scalar($page->all('Set-Cookie')), 0, 'no cookie');
unlike($page->{body}, qr/<script(?![^>]*\bsrc=)|\bon\w+=|style=|https?:/, 'the page has nothing inline, and names nobody else');
ok($gateway->get('/console/')->{body} eq $page->{body}, '/console/ is the page, too');
ok($gateway->get('/console?x=1')->{body} eq $page->{body}, '... whatever is asked');

my $tag = $page->header('ETag');
foreach my $list ($tag, "\"other\", $tag", '*', "W/$tag")
{
	my $answer = $gateway->get('/console', headers => [ 'If-None-Match' => $list ]);
	is("$answer->{status} '$answer->{body}' " . $answer->header('ETag'), "304 '' $tag", "If-None-Match: $list");
	is($answer->header('Content-Security-Policy'), $page->header('Content-Security-Policy'), '... with its policy');
}
is($gateway->status('GET', '/console', headers => [ 'If-None-Match' => '"other"' ]), 200, 'of another version it is sent');
my $head = $gateway->ask('HEAD', '/console');
is("$head->{status} '$head->{body}' " . $head->header('Content-Length'), "200 '' " . length $page->{body}, 'HEAD says how long it is');
foreach my $method (qw(POST PUT PATCH DELETE OPTIONS))
{
	my $answer = $gateway->ask($method, '/console', body => '');
	is("$answer->{status} " . $answer->header('Allow'), '405 GET, HEAD', "$method");
}
is_refused($gateway->get($_), 404, 'HTTP404', "$_ is no file") foreach qw(/console/x /console/index.html /console/embed /console/../console.css /console/%2e%2e/app.js /console/..%2fapp.js
	/console//app.js /console/app.js/ /console/./app.js /console/APP.JS /console/app.js%00 /console/%61pp.js /console/api /console/api/ /console/files.c);
is($gateway->status('GET', $_), 404, "$_ is not of it") foreach qw(/consoles /console.css /Console);
is_deeply($gateway->get('/console/settings.json')->json, { sessions => '/auth', websocket => '/live', version => $gateway->get('/console/settings.json')->json->{version} },
	'what the page must know of this gateway');
unlike($gateway->get('/console/settings.json')->{raw}, qr/user=|host=/, '... and nothing else');

# ---- its routines ----

my %token = map { my $answer = $gateway->post('/auth/login', json => { username => $_, password => $password }); $_ => $answer->json->{access_token} } qw(ada audrey nora vera);
is(join(' ', map { defined $token{$_} ? $_ : () } sort keys %token), 'ada audrey nora vera', 'an auditor logs in, as everybody does');
my $who = $gateway->get('/console/api/who', token => $token{ada});
is_deeply($who->json, { username => 'ada', role => 'admin', may_act => JSON::PP::true, database => 'postgres' }, 'an administrator, by a function of twin_console and not of what is exposed');
is($who->header('Cache-Control'), 'no-store', '... kept by nobody');
is_deeply($gateway->get('/console/api/who', token => $token{audrey})->json, { username => 'audrey', role => 'auditor', may_act => JSON::PP::false, database => 'postgres' }, 'an auditor');
my @reads = qw(who overview events activity alerts incidents blocked keys audit verification_steps verify);
foreach my $name (@reads)
{
	is($gateway->status('GET', "/console/api/$name", token => $token{ada}), 200, "an administrator reads $name");
	is($gateway->status('GET', "/console/api/$name", token => $token{audrey}), 200, '... and an auditor');
	is($gateway->status('GET', "/console/api/$name", token => $token{nora}), 403, "... but no tenant's administrator");
	is($gateway->status('GET', "/console/api/$name", token => $token{vera}), 403, '... no viewer');
	is($gateway->status('GET', "/console/api/$name"), 401, '... and nobody who is nobody');
}
my %act = (approve_incident => {}, revert_incident => {}, assign_incident => { owner => 'x' }, note_incident => { note => 'x' }, close_incident => { resolution => 'x' });
my $incident = sql($node, q{SELECT twin.open_incident('brute_force_attack')});
is($gateway->status('GET', "/console/api/incident?incident_id=$incident", token => $token{ $_->[0] }), $_->[1], "an incident for $_->[0]: $_->[1]") foreach [ ada => 200 ], [ audrey => 200 ], [ nora => 403 ], [ vera => 403 ];
is($gateway->get("/console/api/incident?incident_id=$incident", token => $token{audrey})->json->{incident_id}, $incident, '... is that one');
is($gateway->status('GET', '/console/api/incident?incident_id=INC-1', token => $token{ada}), 400, '... and one that is none is refused');
foreach my $name (sort keys %act)
{
	my @with = (json => { incident_id => $incident, %{ $act{$name} } });
	is($gateway->status('POST', "/console/api/$name", token => $token{$_}, @with), 403, "$_ does not $name") foreach qw(audrey nora vera);
	is($gateway->status('GET', "/console/api/$name?incident_id=$incident", token => $token{audrey}), 404, '... nor by GET') if $name =~ /assign|note|close/;
}
is(sql($node, qq{SELECT status <> 'closed' AND owner IS NULL FROM twin.incidents WHERE incident_id = '$incident'}), 't', '... and nothing happened');
is($gateway->status('POST', '/console/api/unblock_address', token => $token{audrey}, json => { address => '192.0.2.1' }), 403, 'an auditor does not unblock');
is($gateway->status('POST', '/console/api/note_incident', token => $token{ada}, json => { incident_id => $incident, note => 'seen' }), 204, 'an administrator notes');
like(sql($node, qq{SELECT timeline FROM twin.incidents WHERE incident_id = '$incident'}), qr/"seen"/, '... which stands in the timeline');
like(sql($node, qq{SELECT timeline FROM twin.incidents WHERE incident_id = '$incident'}), qr/"ada"/, '... in his name');
is($gateway->status('GET', '/console/api/nothing', token => $token{ada}), 404, 'there is nothing of that name');
is($gateway->status('GET', '/console/api/security_check', token => $token{ada}), sql($node, q{SELECT to_regproc('twin_console.security_check') IS NULL}) eq 't' ? 404 : 200, 'security checks, or none');
is($gateway->status('POST', '/console/api/who', token => $token{ada}, headers => [ Origin => 'https://elsewhere.example.com' ], json => {}), 403, 'a page of another origin uses none of it');
is($gateway->status('GET', '/rpc/who', token => $token{ada}, headers => [ 'Accept-Profile' => 'twin_console' ]), 406, 'the schema is not exposed');
is($gateway->get('/rpc/who', token => $token{ada})->json, 'mine', '... and takes nobody\'s names');

# ---- with cookies ----

my $login = $gateway->post('/auth/login', json => { username => 'ada', password => $password, use_cookies => JSON::PP::true });
my %cookies = map { /^([^=]+)=([^;]*)/ } $login->all('Set-Cookie');
is($gateway->status('GET', '/console/api/who', cookies => \%cookies), 200, 'a browser reads with its cookies');
my %note = (cookies => \%cookies, json => { incident_id => $incident, note => 'by cookie' });
is($gateway->status('POST', '/console/api/note_incident', %note), 403, '... and writes with the CSRF token alone');
is($gateway->status('POST', '/console/api/note_incident', %note, headers => [ 'X-CSRF-Token' => $cookies{'__Host-twin_csrf'} ]), 204, '... which it repeats');

# ---- what is answered is bounded, and goes on from a leaf ----

ok(events_written($node), 'events are written');
sql($node, q{DO $$ BEGIN FOR i IN 1 .. 700 LOOP PERFORM twin.record_event('many_things', details => jsonb_build_object('long', repeat('x', 3000))); END LOOP; END $$});
ok(events_written($node), '... many');
ok($node->poll_query_until('postgres', q{SELECT count(*) >= 700 FROM twin_internal.sealed}), '... and sealed');
my $events = $gateway->get('/console/api/events?max_rows=1000000', token => $token{ada})->json;
is(scalar(@$events), 500, 'at most 500 events at once');
is(scalar(@{ $gateway->get('/console/api/events?max_rows=-5', token => $token{ada})->json }), 1, '... and one at least');
my ($long) = grep { $_->{event_type} eq 'many_things' } @$events;
is(join(' ', sort keys %{ $long->{details} }), 'cut', 'long details are cut');
cmp_ok(length $long->{details}{cut}, '<=', 1000, '... short');
my @leaves = map { $_->{leaf_index} } @$events;
is("@leaves", join(' ', reverse $leaves[-1] .. $leaves[0]), 'the newest first, and none is missing');
is_deeply([ (map { $_->{leaf_index} } @{ $gateway->get("/console/api/events?after=$leaves[2]", token => $token{ada})->json })[ -2, -1 ] ], [ @leaves[ 0, 1 ] ], 'those after one');
is_deeply([ map { $_->{leaf_index} } @{ $gateway->get("/console/api/events?before=$leaves[2]&max_rows=3", token => $token{ada})->json } ], [ @leaves[ 3 .. 5 ] ], 'those before one');
is($gateway->status('GET', '/console/api/events?after=x', token => $token{ada}), 400, 'a leaf that is none');
is(scalar(@{ $gateway->get("/console/api/activity?hours=$_", token => $token{ada})->json }), 48, "48 steps of $_ hours") foreach (24, 168, 720, 0, -1, 2147483647);
my $last = $gateway->get('/console/api/activity?hours=1', token => $token{ada})->json;
cmp_ok(eval { my $sum = 0; $sum += $_->{logins} foreach @$last; $sum }, '>=', 5, 'logins are counted');
is_deeply($gateway->get('/console/api/verify', token => $token{ada})->json->[0]{ok}, JSON::PP::true, 'the log is verified');

# ---- the log is verified in steps ----

sub verified
{
	my @said;
	foreach my $step (@{ $gateway->get('/console/api/verification_steps', token => $token{ada})->json })
	{
		my $query = join '&', map { defined $step->{$_} ? "$_=" . escape($step->{$_}) : () } sort keys %$step;
		push @said, $gateway->get("/console/api/verify?$query", token => $token{ada})->json->[0];
	}
	return @said;
}
is(scalar(verified()), 1, 'a short log in one');
sql($node, q{CREATE TABLE api.many (id int PRIMARY KEY); SELECT twin.audit_table('api.many')});
foreach my $part (1 .. 3)
{
	sql($node, "INSERT INTO api.many SELECT i FROM generate_series($part * 100000, $part * 100000 + 20999) i");
	$node->poll_query_until('postgres', "SELECT max(size) >= $part * 21000 FROM twin_internal.checkpoints") or die 'no checkpoint';
}
my @said = verified();
cmp_ok(scalar(@said), '>=', 3, 'a longer one in several');
is(join('', map { $_->{ok} ? 1 : 0 } @said), '1' x @said, '... each of them whole') or diag(encode_json(\@said));
my $sum = 0;
$sum += $_->{checked} foreach @said;
my $size = sql($node, 'SELECT size FROM twin_internal.ledger_state');
ok($sum >= $size - 5 && $sum < $size + 2000, "... and each event is in one of them ($sum of $size)");
my $victim = sql($node, 'SELECT record_id FROM twin_internal.sealed WHERE first_leaf > 50000 ORDER BY first_leaf LIMIT 1');
edit_log($node, join ';', map { "UPDATE twin_internal.$_ SET username = 'mallory' WHERE event_id = $victim" } qw(events events_overflow));
@said = verified();
like(join('', map { $_->{ok} ? 1 : 0 } @said), qr/^1+01*$/, 'a changed event is found in its step') or diag(encode_json(\@said));
my ($bad) = grep { !$_->{ok} } @said;
is($bad->{first_bad}, $victim, '... and named');

# ---- a permission that is taken away ----

sql($node, q{SELECT twin.revoke_permission('auditor', 'admin_panel')});
is($gateway->status('GET', "/console/api/$_", token => $token{audrey}), 403, "without admin_panel no $_") foreach qw(who events alerts);
is($gateway->status('GET', '/console/api/events', token => $token{ada}), 200, '... for those who have it not');

# ---- no database ----

$node->stop('immediate');
is($gateway->status('GET', '/console'), 200, 'the page is there without a database');
is($gateway->get('/console/api/who', token => $token{ada})->{status}, 503, '... and what it reads is not');
is($gateway->stop, 'exit 0', 'the gateway ends as it should');
unlike($gateway->log_text, qr/\Q$password\E|eyJ/, 'its log holds no password and no token');

# ---- paths that would be the console's ----

foreach my $path (qw(/console /console/ws))
{
	my $conf = PostgreSQL::Test::Utils::tempdir() . '/conf';
	open my $file, '>', $conf or die $!;
	print $file "server-console-enabled = true\nserver-websocket-path = \"$path\"\n";
	close $file;
	my $said = `@{[ TwinGateway::gateway_program() ]} --check $conf 2>&1`;
	like($said, qr/server-console-enabled: \Q$path\E is the console's/, "a WebSocket at $path is refused");
}
done_testing();

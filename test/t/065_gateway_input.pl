# What clients send the gateway: injection in every position of the URL and in headers, sizes, rows, writes that must
# not be, profiles, OPTIONS, the root document. Each injection tries to call a function that leaves a mark; there is none.
use strict;
use warnings;
use IO::Select;
use Test::More;
use Time::HiRes qw(time sleep);
use TwinTest;
use TwinGateway;

my ($node, $password) = new_twin('gateway_input');
sql($node, q{
	CREATE SEQUENCE api.mark; GRANT ALL ON SEQUENCE api.mark TO PUBLIC;
	CREATE FUNCTION api.canary() RETURNS integer LANGUAGE sql AS $$ SELECT nextval('api.mark')::int $$;
	CREATE FUNCTION public.canary() RETURNS integer LANGUAGE sql AS $$ SELECT nextval('api.mark')::int $$;
	CREATE TABLE api.prey (id int PRIMARY KEY, name text, doc jsonb DEFAULT '{"a": 1}');
	INSERT INTO api.prey SELECT i, 'n' || i FROM generate_series(1, 5) i;
	GRANT ALL ON api.prey TO twin_operator; GRANT SELECT ON api.prey TO twin_anonymous;
	CREATE FUNCTION api.say(word text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT word';
	CREATE FUNCTION api.big(kilobytes int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT repeat('x', kilobytes * 1024) $$;
	CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO twin_operator, twin_viewer, twin_anonymous;
	CREATE TABLE other.prey (id int PRIMARY KEY, other text); GRANT ALL ON other.prey TO twin_operator; INSERT INTO other.prey VALUES (1, 'o');
	CREATE TABLE other.hidden (id int)});
sql($node, 'SELECT setval($$api.mark$$, 1)');
my $gateway = new_gateway($node, conf => { 'db-schemas' => 'api, other', 'server-trace-header' => 'X-Trace', 'server-max-body' => '200kB' });
my %token = map { $_ => $gateway->token($_, $password) } qw(oleg vera);
my %as = (token => $token{oleg});
my $whole = sql($node, 'SELECT json_agg(p) FROM api.prey p');

# ---- injection ----

my @payloads = (
	q{'; SELECT api.canary(); --}, q{"; SELECT api.canary(); --}, q{') OR api.canary()=1 --}, q{name" FROM api.prey; SELECT api.canary(); --},
	q{1); DROP TABLE api.prey; --}, q{$1; DELETE FROM api.prey}, q{\\'; SELECT api.canary(); --}, q{api.canary()}, q{x'||api.canary()||'},
	q{E'\\x27; SELECT api.canary()}, q{/**/;SELECT/**/api.canary()}, q{$$||api.canary()||$$}, "x\ny; SELECT api.canary()", q{"a"."b"; DROP TABLE api.prey CASCADE},
	"\xE2\x80\x98; SELECT api.canary()", q{%s%n%x%p}, q{id::int;select api.canary()}, q{name,api.canary()}, q{(select api.canary())});
my %positions = (
	table => sub { "/$_[0]" }, 'name of a function' => sub { "/rpc/$_[0]" }, 'name of an argument' => sub { "/rpc/say?$_[0]=x" },
	argument => sub { "/rpc/say?word=$_[0]" }, column => sub { "/prey?select=$_[0]" }, alias => sub { "/prey?select=$_[0]:id" },
	cast => sub { "/prey?select=id::$_[0]" }, 'JSON path' => sub { "/prey?select=doc->$_[0]" }, 'JSON path to text' => sub { "/prey?select=doc->>$_[0]" },
	hint => sub { "/units?select=name,sites!$_[0](name)" }, embedded => sub { "/units?select=name,$_[0](name)" }, 'embedded column' => sub { "/units?select=sites($_[0])" },
	spread => sub { "/units?select=name,...$_[0](name)" }, aggregate => sub { "/prey?select=id.$_[0]()" },
	'filtered column' => sub { "/prey?$_[0]=eq.1" }, operator => sub { "/prey?id=$_[0].1" }, value => sub { "/prey?name=eq.$_[0]" },
	'list' => sub { "/prey?name=in.($_[0])" }, 'quoted list' => sub { qq{/prey?name=in.(%22$_[0]%22)} }, 'pattern' => sub { "/prey?name=like.$_[0]*" },
	'regular expression' => sub { "/prey?name=match.$_[0]" }, 'array' => sub { "/units?tags=cs.{$_[0]}" }, 'language' => sub { "/prey?name=fts($_[0]).cat" },
	'text search' => sub { "/prey?name=fts.$_[0]" }, is => sub { "/prey?name=is.$_[0]" }, 'filtered JSON path' => sub { "/prey?doc->$_[0]=eq.1" }, logic => sub { "/prey?or=(id.eq.1,$_[0])" },
	'logic value' => sub { "/prey?and=(name.eq.$_[0],id.gt.0)" }, 'quantifier' => sub { "/prey?name=eq($_[0]).x" },
	order => sub { "/prey?order=$_[0]" }, 'order direction' => sub { "/prey?order=id.$_[0]" }, 'order of JSON' => sub { "/prey?order=doc->$_[0]" },
	limit => sub { "/prey?limit=$_[0]" }, offset => sub { "/prey?offset=$_[0]" }, 'embedded limit' => sub { "/units?select=name,sensors(kind)&sensors.limit=$_[0]" },
	'embedded filter' => sub { "/units?select=name,sensors(kind)&$_[0].kind=eq.x" }, columns => sub { "/prey?columns=$_[0]" }, 'conflict' => sub { "/prey?on_conflict=$_[0]" });
my %statuses;
foreach my $position (sort keys %positions)
{
	my @wrong;
	foreach my $payload (@payloads)
	{
		foreach my $text ($positions{$position}->(escape($payload)))
		{
			my $status = $gateway->status('GET', $text, %as);
			$statuses{$status}++;
			push @wrong, "$status for $text" unless $status =~ /^(?:200|206|300|4\d\d)$/;
		}
	}
	is(join("\n", @wrong), '', "injected as $position: an answer or a refusal");
}
ok($statuses{200} && $statuses{400} && $statuses{404}, 'there were answers and refusals');
diag(join ', ', map { "$_: $statuses{$_}" } sort keys %statuses);
my %headers = (
	Prefer => sub { "return=$_[0]" }, prefer => sub { "timezone=$_[0]" }, Range => sub { "items=$_[0]" }, 'Range-Unit' => sub { $_[0] }, Accept => sub { "application/$_[0]" },
	'Accept-Profile' => sub { $_[0] }, 'Content-Profile' => sub { $_[0] }, 'Content-Type' => sub { $_[0] }, 'X-Trace' => sub { $_[0] }, 'X-Request-Id' => sub { $_[0] },
	'User-Agent' => sub { $_[0] }, Cookie => sub { "a=$_[0]" }, 'X-Forwarded-For' => sub { $_[0] });
foreach my $name (sort keys %headers)
{
	my @wrong;
	foreach my $payload (grep { !/\n/ } @payloads)
	{
		my @with = (headers => [ $name, $headers{$name}->($payload) ]);
		my @got = ($gateway->status('GET', '/prey', %as, @with), $gateway->status('POST', '/rpc/say', %as, body => '{"word":"x"}', @with));
		push @wrong, "@got for $payload" if grep { !/^(?:200|4\d\d)$/ } @got;
	}
	is(join("\n", @wrong), '', "injected in $name: an answer or a refusal");
}
foreach my $payload (@payloads)
{
	my ($key) = JSON::PP->new->allow_nonref->encode($payload);
	$gateway->post('/prey', %as, json => { $payload => 1 });
	$gateway->ask('PATCH', '/prey?id=eq.1', %as, json => { $payload => 1 });
	$gateway->post('/rpc/say', %as, json => { $payload => 1 });
	is($gateway->post('/rpc/say', %as, json => { word => $payload })->json, $payload, 'a value in a body stays what it is') if $payload !~ /[^ -~]/;
	$gateway->post('/prey', %as, body => "id,$payload\n1,2\n", headers => [ 'Content-Type' => 'text/csv' ]);
}
is(sql($node, 'SELECT last_value FROM api.mark'), '1', 'the function of the injections was never called');
is(sql($node, 'SELECT json_agg(p) FROM api.prey p'), $whole, 'the table is as it was');
is(substr($gateway->get('/rpc/canary', %as)->{status}, 0, 1), '4', '... nor can it be in a reading request');
is($gateway->post('/rpc/canary', %as)->{body}, '2', '... though it can be called openly, so the mark is one');

# ---- bytes ----

my %bytes = ('NUL' => '%00', 'bad UTF-8' => '%FF', 'cut UTF-8' => '%C3', 'overlong UTF-8' => '%C0%AF', 'a surrogate' => '%ED%A0%80', 'half an escape' => '%4', 'no escape' => '%zz');
foreach my $kind (sort keys %bytes)
{
	foreach my $place ("/prey?name=eq.$bytes{$kind}", "/$bytes{$kind}", "/prey?select=$bytes{$kind}", "/rpc/say?word=$bytes{$kind}", "/rpc/$bytes{$kind}", "/prey?order=$bytes{$kind}")
	{
		like($gateway->status('GET', $place, %as), qr/^4\d\d$/, "$kind is refused: $place");
	}
}
like($gateway->status('POST', '/prey', %as, body => $_, headers => [ 'Content-Type' => 'application/json' ]), qr/^4\d\d$/, 'bad bytes in a body')
  foreach "{\"name\":\"\xFF\"}", '{"name":"\u0000","id":77}', "{\"name\":\"a\0b\"}", '{"id":1,"id":', '[' x 5000, '{"id":' . '9' x 5000 . '}';
is($gateway->status('GET', "/prey\0", %as), 400, 'NUL in the target');
is($gateway->status('GET', '/prey', %as, headers => [ 'X-A' => "a\0b" ]), 400, '... in a header');
is($gateway->status('GET', '/prey', %as, headers => [ 'X-A' => "a\rX-B: c" ]), 400, 'a lone CR in a header');

# ---- answers that somebody else has a say in ----

my @given = ('[{"X-A":"a\r\nX-Evil: 1"}]', '[{"X-A\r\nX-Evil":"1"}]', '[{"X-A: 1\nX-Evil":"1"}]', '[{"Content-Length":"0"}]', '[{"Transfer-Encoding":"chunked"}]', '[{"Connection":"keep-alive"}]',
	'[{"Access-Control-Allow-Origin":"*"}]', '{"a":"b"}', '[{"a":"b","c":"d"}]', '["a"]', '[{"a":1}]', '[{"":"x"}]', 'x', '[{"a":"' . 'x' x 20000 . '"}]');
foreach my $given (@given)
{
	my $answer = $gateway->post('/rpc/headers', %as, json => { given => $given });
	is("$answer->{status} " . $answer->code, '500 PGRST111', 'response.headers cannot be ' . substr($given, 0, 60));
	unlike($answer->{raw}, qr/^(?:X-Evil|Access-Control-Allow-Origin)/mi, '... nor injects');
}
is(join(' ', $gateway->post('/rpc/headers', %as, json => { given => '[{"Set-Cookie":"a=1"},{"Set-Cookie":"b=2"},{"X-A":"b"}]' })->all('Set-Cookie')), 'a=1 b=2', 'what may be is');
my $echo = escape("\r\nX-Evil: 1");
foreach my $place ("/prey?name=eq.$echo", "/prey?select=a$echo:id", "/$echo", "/rpc/$echo", "/prey?order=id$echo", "/prey?limit=1$echo")
{
	unlike($gateway->get($place, %as, headers => [ 'X-Trace' => 'x', Prefer => 'count=exact' ])->{raw}, qr/^X-Evil/mi, "nothing echoed injects: $place");
}
my $found = $gateway->get('/prey?name=eq.' . escape("a b&c=\"<\xC3\xA9\r\n"), %as);
is($found->header('Content-Location'), '/prey?name=eq.a%20b%26c%3D%22%3C%C3%A9%0D%0A', 'Content-Location is a URL');
unlike($gateway->get('/prey', %as, headers => [ 'X-Trace' => "abc\tX-Evil: 1" ])->{raw}, qr/^X-Evil/m, 'the trace header stays a value');
unlike($gateway->get('/prey', %as, headers => [ Prefer => 'timezone=Mars/Base, handling=lenient; x="' ])->{raw}, qr/Mars/, 'a preference that is not applied is not repeated');
is($gateway->get('/prey', %as, headers => [ Prefer => 'timezone=Europe/Berlin' ])->header('Preference-Applied'), 'timezone=Europe/Berlin', '... one that is, is');
my $made = $gateway->post('/units', %as, json => { name => "new\r\nX-Evil: 1" }, headers => [ Prefer => 'return=headers-only' ]);
like($made->header('Location'), qr{^/units\?unit_id=eq\.\d+$}, 'Location is what was made');

# ---- sizes ----

is($gateway->status('POST', '/rpc/say', %as, json => { word => 'x' x 210_000 }), 413, 'a body that is too long');
is($gateway->status('POST', '/rpc/say', %as, json => { word => 'x' x 190_000 }), 200, '... one that is not');
is($gateway->status('GET', '/prey?name=eq.' . 'x' x 19_000, %as), 414, 'a target that is too long');
is($gateway->status('GET', '/prey?name=eq.' . 'x' x 15_000, %as), 200, '... one that is not');
is($gateway->status('GET', '/prey', %as, headers => [ 'X-A' => 'x' x 33_000 ]), 431, 'headers that are too long');
is($gateway->status('GET', '/prey', %as, headers => [ map { ("X-$_" => 'y') } 1 .. 200 ]), 431, 'too many headers');
my $before = time;
my $socket = $gateway->connect_to;
print $socket "POST /rpc/say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n";
$socket->flush;
is(TwinGateway::finish($socket)->{status}, 413, '100 MB are refused by what they say they are');
$socket = $gateway->connect_to;
print $socket "POST /rpc/say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
{
	local $SIG{PIPE} = 'IGNORE';
	my $sent = 0;
	my $piece = 'x' x 65_536;
	$sent += 65_536 while $sent < 100 * 1024 * 1024 && !IO::Select->new($socket)->can_read(0) && print $socket "10000\r\n$piece\r\n";
	ok($sent < 20 * 1024 * 1024, '... and in chunks as soon as they are too many');
}
is(TwinGateway::finish($socket)->{status}, 413, '... with the same answer');
cmp_ok($gateway->metric('twin_gateway_refused_total'), '>=', 6, 'refusals are counted');

# ---- rows ----

my $bounded = new_gateway($node, conf => { 'db-max-rows' => 3, 'db-schemas' => 'api', 'server-answer-timeout' => 60 });
my @rows = map { $bounded->get("/prey?select=id&order=id$_", %as)->{body} =~ s/\s//gr } '', '&limit=2', '&limit=100', '&limit=4&offset=3';
is("@rows", '[{"id":1},{"id":2},{"id":3}] [{"id":1},{"id":2}] [{"id":1},{"id":2},{"id":3}] [{"id":4},{"id":5}]', 'db-max-rows bounds an answer');
is($bounded->get('/prey?select=id', %as, headers => [ Prefer => 'count=exact' ])->header('Content-Range'), '0-2/5', '... and says how many there are');
is(scalar @{ $bounded->get('/units?select=readings:sensors(readings(at))&unit_id=eq.1', %as)->json->[0]{readings}[0]{readings} }, 3, '... embedded ones too');
is(scalar @{ $bounded->get('/rpc/units_above?celsius=0&limit=1000', %as)->json }, 2, '... and those of functions');
my $slow = $bounded->start('GET', '/rpc/big?kilobytes=20480', %as);
sleep 1;
is($bounded->status('GET', '/prey', %as), 200, 'a large answer that nobody reads hinders nobody');
my $large = '';
while (sysread $slow, my $piece, 1_000_000) { $large .= $piece; sleep 0.05 }
is(length($large =~ s/.*?\r\n\r\n//sr), 20 * 1024 * 1024 + 2, 'a slow reader gets all of 20 MB');
my @readers = map { $bounded->start('GET', '/rpc/big?kilobytes=20480', %as) } 1 .. 3;
is(join(' ', map { my $a = TwinGateway::finish($_); "$a->{status} " . length $a->{body} } @readers), join(' ', ('200 20971522') x 3), 'several at once as well');
close $bounded->start('GET', '/rpc/big?kilobytes=20480', %as) foreach 1 .. 5;
is($bounded->status('GET', '/prey', %as), 200, 'readers who leave are none');
ok(TwinGateway::wait_until(20, sub { $bounded->metric('twin_gateway_connections') <= 1 }), '... and leave nothing behind');
$bounded->stop;

# ---- writes that must not be ----

my @rep = (Prefer => 'return=representation');
is_refused($gateway->ask($_, '/prey', %as, json => { name => 'all' }), 400, '21000', "$_ without a condition is refused") foreach qw(PATCH DELETE);
is_refused($gateway->ask('PATCH', '/prey?limit=2', %as, json => { name => 'all' }), 400, '21000', '... a limit is none');
is_refused($gateway->ask('PATCH', '/prey?id=gt.3', %as, json => { name => 'x' }, headers => [ Prefer => 'handling=strict, max-affected=1' ]), 400, 'PGRST124', 'max-affected');
is_refused($gateway->ask('DELETE', '/prey?id=gt.3', %as, headers => [ Prefer => 'handling=strict, max-affected=1' ]), 400, 'PGRST124', '... of DELETE');
my @single = (Accept => 'application/vnd.pgrst.object+json', @rep);
is_refused($gateway->ask('PATCH', '/prey?id=gt.3', %as, json => { name => 'x' }, headers => \@single), 406, 'PGRST116', 'one object where two were changed');
is_refused($gateway->ask('DELETE', '/prey?id=gt.3', %as, headers => \@single), 406, 'PGRST116', '... were deleted');
is_refused($gateway->post('/prey', %as, json => [ { id => 50 }, { id => 51 } ], headers => \@single), 406, 'PGRST116', '... were inserted');
is_refused($gateway->ask('PATCH', '/prey?id=eq.99', %as, json => { name => 'x' }, headers => \@single), 406, 'PGRST116', '... or none was');
is_refused($gateway->ask('PUT', '/prey?id=eq.1', %as, json => { id => 2, name => 'x' }), 400, 'PGRST115', 'PUT of another row');
is(sql($node, 'SELECT json_agg(p) FROM api.prey p'), $whole, 'all of these were rolled back');
is($gateway->ask('PATCH', '/prey?id=eq.1', %as, json => { name => 'one' }, headers => \@single)->{body}, '{"id":1,"name":"one","doc":{"a": 1}}', 'what is one goes through');
is($gateway->ask('PATCH', '/prey?id=eq.2', %as, json => { name => 'two' }, headers => [ Prefer => 'handling=strict, max-affected=1' ])->{status}, 204, '... and what keeps to its limit');
is(sql($node, 'SELECT string_agg(name, $$,$$ ORDER BY id) FROM api.prey'), 'one,two,n3,n4,n5', '... and is there');

# ---- profiles ----

is($gateway->get('/prey?select=other', %as, headers => [ 'Accept-Profile' => 'other' ])->{body}, '[{"other":"o"}]', 'Accept-Profile chooses the schema');
my $profile = $gateway->get('/prey?id=eq.1', %as);
is($profile->header('Content-Profile'), 'api', 'the first is meant otherwise, and said');
is($gateway->status('POST', '/prey', %as, json => { id => 2, other => 'p' }, headers => [ 'Content-Profile' => 'other' ]), 201, 'Content-Profile for writing');
is(sql($node, 'SELECT count(*) FROM other.prey'), '2', '... there');
is_refused($gateway->get('/prey', %as, headers => [ 'Accept-Profile' => $_ ]), 406, 'PGRST106', "a schema that is not exposed: $_") foreach qw(twin twin_internal pg_catalog public API);
is_refused($gateway->post('/prey', %as, json => {}, headers => [ 'Content-Profile' => 'twin' ]), 406, 'PGRST106', '... nor for writing');
is_refused($gateway->get('/other.prey', %as), 404, 'PGRST205', 'no schema in the path');
is_refused($gateway->get('/hidden', %as, headers => [ 'Accept-Profile' => 'other' ]), 403, '42501', 'a table without privileges');

# ---- OPTIONS, HEAD, verbs, the root ----

my %allow = ('/prey' => 'OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE', '/rpc/say' => 'OPTIONS,GET,HEAD,POST', '/rpc/canary' => 'OPTIONS,POST', '/' => 'OPTIONS,GET,HEAD', '/api/auth/login' => 'OPTIONS,POST');
is($gateway->ask('OPTIONS', $_)->header('Allow'), $allow{$_}, "OPTIONS $_") foreach sort keys %allow;
is_refused($gateway->ask('OPTIONS', '/nothing'), 404, 'PGRST205', 'OPTIONS of what is not there');
is_refused($gateway->ask($_, '/prey', %as), 405, 'PGRST117', "$_ is no verb of ours") foreach qw(PROPFIND BREW);
is($gateway->status('TRACE', '/prey', %as), 501, 'TRACE does not get that far');
is_refused($gateway->ask($_, '/rpc/say', %as), 405, 'PGRST101', "$_ calls no function") foreach qw(PUT PATCH DELETE);
my ($get, $head) = map { $gateway->ask($_, '/prey?select=id', %as, headers => [ Prefer => 'count=exact' ]) } qw(GET HEAD);
is("$head->{status} '$head->{body}' " . join(' ', map { $head->header($_) // 'none' } qw(Content-Range Content-Type)), "200 '' " . join(' ', map { $get->header($_) } qw(Content-Range Content-Type)), 'HEAD is GET without its body');
is("@{[ map { $gateway->ask('HEAD', $_, %as)->{body} } '/nothing', '/prey?x=', '/' ]}", '  ', '... also where it fails');
sub paths { my ($answer) = @_; return join ' ', sort keys %{ $answer->json->{paths} } }
my $root = $gateway->get('/');
is($root->header('Content-Type'), 'application/openapi+json; charset=utf-8', 'the root describes itself');
my %listed = (nobody => paths($root), vera => paths($gateway->get('/', token => $token{vera})), oleg => paths($gateway->get('/', %as)));
is($listed{nobody}, '/ /notices /prey /rpc/add /rpc/big /rpc/canary /rpc/say /rpc/who', '... to nobody what anybody may use');
like($listed{vera}, qr{ /units$}, '... to a viewer more');
unlike($listed{vera}, qr{ /prey }, '... not what he may not');
like($listed{oleg}, qr{ /prey .* /units$}, '... to an operator his');
is(paths($gateway->get('/', %as, headers => [ 'Accept-Profile' => 'other' ])), '/ /prey', '... of another schema');
is(join(',', sort keys %{ $gateway->get('/')->json->{paths}{'/prey'} }), 'get', '... with the verbs that he may use');
is($gateway->stop, 'exit 0', 'and it stops');
my $plain = new_gateway($node, conf => { 'openapi-mode' => 'disabled', 'db-unfiltered-writes' => 'true', 'db-aggregates-enabled' => 'true' });
is_refused($plain->get('/'), 404, 'PGRST126', 'the document can be turned off');
is($plain->get('/prey?select=id.count()', %as)->{body}, '[{"count":5}]', 'aggregates turned on');
is($plain->status('PATCH', '/prey', %as, json => { name => 'all' }), 204, 'writes without condition allowed');

done_testing();

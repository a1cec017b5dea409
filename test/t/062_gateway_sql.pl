# Statements of the gateway's planner against a real server: what is read, embedded, written, called and counted is what
# PostgREST would answer, and what a client writes stays a name or a value.
use strict;
use warnings;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $source = $ENV{TWIN_SOURCE};
my $node = new_node('planner', preload => 0);
$node->start;
$node->safe_psql('postgres', slurp_file("$source/test/gateway/fixture.sql"));
$node->safe_psql('postgres', 'CREATE ROLE twin_gateway LOGIN');

# ---- the program that plans and runs ----

my $program = PostgreSQL::Test::Utils::tempdir() . '/plan_run';
my $include = `pg_config --includedir`;
my $library = `pg_config --libdir`;
chomp($include, $library);
my @built = (glob("$source/src/gateway/{tool,parse,plan}/*.c"), glob("$source/src/common/*.c"));
ok(IPC::Run::run([ 'cc', '-std=gnu11', '-O1', '-D_GNU_SOURCE', "-I$source/src", "-I$include", '-o', $program, "$source/test/gateway/plan_run.c",
	@built, "-L$library", '-lpq', '-ljansson', '-lzstd', '-lcrypto' ]), 'plan_run is built') or die('no program');

my ($in, $out) = ('', '');
my $runner = IPC::Run::start([ $program, $node->connstr('postgres') . ' user=' . (getpwuid($>))[0], 'test,other' ], \$in, \$out);

# One request; the answer as the program tells it.
sub request
{
	my ($method, $path, $query, %more) = @_;
	$out = '';
	$in .= encode_json({ method => $method, path => $path, query => $query, %more }) . "\n";
	$runner->pump until $out =~ /\n/;
	return decode_json($out);
}

# The body, as data.
sub body
{
	my $answer = request(@_);
	return $answer->{code} ? "$answer->{code}: $answer->{message}" : JSON::PP->new->allow_nonref->decode($answer->{body});
}
sub code { return request(@_)->{code} // 'none' }
sub get { my ($path, $query, %headers) = @_; return body('GET', $path, $query, headers => \%headers) }
my %full = (headers => { Prefer => 'return=representation' });

# ---- reading ----

is_deeply(get('clients', 'order=id'), [ { id => 1, name => 'Microsoft' }, { id => 2, name => 'Apple' } ], 'rows');
is_deeply(get('clients', 'select=n:name&id=gt.1'), [ { n => 'Apple' } ], 'alias and condition');
is_deeply(get('clients', 'or=(name.like.Mic*,and(id.eq.2,name.not.is.null))&select=id&order=id.desc'), [ { id => 2 }, { id => 1 } ], 'logic');
is_deeply(get('clients', 'name=ilike(any).{a*,x*}&select=id'), [ { id => 2 } ], 'any of patterns');
is_deeply(get('clients', 'id=in.(2,7)&select=id'), [ { id => 2 } ], 'in');
is_deeply(get('clients', 'id=in.()&select=id'), [], 'in nothing');
is_deeply(get('items', 'shade=eq.blue&select=name,shade,tags'), [ { name => 'lamp', shade => 'blue', tags => [ 'a', 'b' ] } ], 'an enum and an array');
is_deeply(get('items', 'tags=cs.{"b c"}&select=id'), [ { id => 102 } ], 'contains');
is_deeply(get('items', 'name=isdistinct.lamp&select=id&order=id'), [ { id => 102 }, { id => 103 } ], 'is distinct');
is_deeply(get('documents', 'select=data->a->b->>0,body->deep,c:data->>c&data->>c=eq.x'), [ { b => '1', deep => { k => 'v' }, c => 'x' } ], 'json paths');
is_deeply(get('documents', 'select=id&prose=fts(english).cat&words=plfts.fat'), [ { id => 1 } ], 'full text, of text and of tsvector');
is_deeply(get('documents', 'select=id&span=sr.[11,12)'), [ { id => 2 } ], 'ranges');
is_deeply(get('documents', 'select=id&order=body->>n.desc'), [ { id => 2 }, { id => 1 } ], 'order by a json path');
is_deeply(get('clients', 'select=id::text,up:upper_name&id=eq.1'), [ { id => '1', up => 'MICROSOFT' } ], 'a cast and a computed column');
is_deeply(get('Odd "name"', 'select="a b","quo\"te"&"select"=eq.2'), [ { 'a b' => "it's", 'quo"te' => 'x"y' } ], 'odd names');
is(request('GET', 'clients', 'order=id', headers => { Accept => 'text/csv' })->{body}, "id,name\n1,Microsoft\n2,Apple", 'CSV');
is(request('GET', 'items', 'id=eq.103&select=id,name', headers => { Accept => 'application/vnd.pgrst.array+json;nulls=stripped' })->{body}, '[{"id":103}]', 'nulls stripped');
is_deeply(get('clients', 'id=eq.2', Accept => 'application/vnd.pgrst.object+json'), { id => 2, name => 'Apple' }, 'an object');

# ---- embedding ----

is_deeply(get('projects', 'select=name,clients(name)&id=gte.4&order=id'), [ { name => 'OSX', clients => { name => 'Apple' } }, { name => 'Orphan', clients => undef } ], 'to one');
is_deeply(get('clients', 'select=id,projects(id,tasks(id))&order=id.desc&projects.order=id&projects.limit=1'), [ { id => 2, projects => [ { id => 3, tasks => [ { id => 5 } ] } ] }, { id => 1, projects => [ { id => 1, tasks => [ { id => 1 }, { id => 2 } ] } ] } ], 'to many, twice, with order and limit');
is_deeply(get('users', 'select=tasks(name)&id=eq.1&tasks.order=name'), [ { tasks => [ { name => 'Code w7' }, { name => 'Design w7' } ] } ], 'many to many');
is_deeply(get('clients', 'select=client_details(address)&order=id'), [ { client_details => { address => 'Redmond' } }, { client_details => undef } ], 'one to one');
is_deeply(get('family', 'select=parent(name),family(name)&id=eq.2'), [ { parent => { name => 'Ann' }, family => [ { name => 'Dan' } ] } ], 'to itself, both ways');
is_deeply(get('orders', 'select=b:addresses!billing(street),s:shipping_address_id(street)'), [ { b => { street => 'First' }, s => { street => 'Second' } } ], 'hints and columns');
is_deeply(get('sensors', 'select=plants(label),readings(value)&id=eq.2'), [ { plants => { label => 'south' }, readings => [ { value => 3 } ] } ], 'a composite key, a partitioned table');
is_deeply(get('projects_view_view', 'select=title,clients(name),tasks(id)&id=eq.3'), [ { title => 'IOS', clients => { name => 'Apple' }, tasks => [ { id => 5 } ] } ], 'through a view of a view');
is_deeply(get('clients', 'select=secrets_view(id)&order=id'), [ { secrets_view => [] }, { secrets_view => [ { id => 1 } ] } ], 'a view over a table of another schema');
is_deeply(get('projects', 'select=owner(name)&id=eq.1'), [ { owner => { name => 'Microsoft' } } ], 'a function of the row, to one');
is_deeply(get('clients', 'select=big_projects(name)&id=eq.1'), [ { big_projects => [ { name => 'Windows 10' } ] } ], 'a function of the row, to many');
is_deeply(get('projects', 'select=id,clients!inner()&clients.name=eq.Apple&order=id'), [ { id => 3 }, { id => 4 } ], 'inner, shown by nothing');
is_deeply(get('projects', 'select=id,clients(id)&clients=is.null'), [ { id => 5, clients => undef } ], 'where there is none');
is_deeply(get('clients', 'select=id,projects()&projects=not.is.null&projects.budget=gt.299'), [ { id => 2 } ], 'where there is one');
is_deeply(get('projects', 'select=id,...clients(client:name)&id=eq.1'), [ { id => 1, client => 'Microsoft' } ], 'spread');
is_deeply(get('clients', 'select=id,...projects(p:name,...tasks(t:id))&id=eq.2&projects.order=id'), [ { id => 2, p => [ 'IOS', 'OSX' ], t => [ [5], [] ] } ], 'spread of many, and into it');
is_deeply(get('projects', 'select=id,clients(name)&order=clients(name).desc.nullslast,id.desc&limit=2'), [ { id => 2, clients => { name => 'Microsoft' } }, { id => 1, clients => { name => 'Microsoft' } } ], 'order of a relation');
is_deeply(get('clients', 'select=id,projects(count)&order=id'), [ { id => 1, projects => [ { count => 2 } ] }, { id => 2, projects => [ { count => 2 } ] } ], 'how many');
is(code('GET', 'projects', 'select=budget.sum(),...clients(client:name)&order=budget.sum()'), 'PGRST100', 'no order by an aggregate');
is_deeply([ sort { $a->{c} cmp $b->{c} } @{ get('tasks', 'select=hours.sum(),...projects(...clients(c:name,n:count()))') } ], [ { c => 'Apple', n => 1, sum => 4 }, { c => 'Microsoft', n => 4, sum => 22 } ], 'aggregates from two levels down');

# ---- counts and pages ----

is(request('GET', 'projects', 'limit=2', headers => { Prefer => 'count=exact' })->{total}, 5, 'all there are');
is(request('GET', 'projects', 'select=id,clients!inner(id)&limit=1', headers => { Prefer => 'count=exact' })->{total}, 4, 'all with an inner relation');
is(request('GET', 'projects', 'select=id,clients()&clients=is.null&limit=1', headers => { Prefer => 'count=exact' })->{total}, 1, 'all without one');
ok(request('GET', 'projects', 'limit=2', headers => { Prefer => 'count=planned' })->{estimate} > 0, 'planned');
is(request('GET', 'projects', '', headers => { Prefer => 'count=estimated' }, max_rows => 10)->{estimate} // request('GET', 'projects', '', headers => { Prefer => 'count=estimated' }, max_rows => 10)->{total}, 5, 'estimated, and few enough to count');
is(request('GET', 'projects', 'limit=4', max_rows => 3)->{count}, 3, 'no more than the DBA allows');
is_deeply(get('projects', 'select=id&order=id', Range => '1-2'), [ { id => 2 }, { id => 3 } ], 'a Range');
is(request('HEAD', 'projects', '', headers => { Prefer => 'count=exact' })->{total}, 5, 'HEAD counts');

# ---- writing ----

is_deeply(body('POST', 'items', 'select=name,code,double', %full, body => '{"name":"abc"}'), [ { name => 'abc', code => 'short', double => 6 } ], 'insert');
is(request('POST', 'plants', '', headers => { Prefer => 'return=headers-only' }, body => '{"site":7,"line":8}')->{location}, 'site=eq.7&line=eq.8', 'Location');
is_deeply(body('POST', 'items', 'select=id,name&columns=id,name', body => '[{"id":1},{"id":2,"name":"b","bad":1}]', headers => { Prefer => 'return=representation,missing=default' }), [ { id => 1, name => 'unnamed' }, { id => 2, name => 'b' } ], 'bulk, defaults for what is missing');
is_deeply(body('POST', 'items', 'select=name', body => "name,shade\nx,blue\nNULL,red\n", headers => { Prefer => 'return=representation', 'Content-Type' => 'text/csv' }), [ { name => 'x' }, { name => undef } ], 'CSV');
is(request('POST', 'items', '', body => '[{},{}]')->{count}, 2, 'rows of defaults');
is(request('POST', 'items', '', body => '[]')->{count}, 0, 'no row');
is_deeply(body('POST', 'projects', 'select=name,clients(name)', %full, body => '{"id":90,"name":"n","client_id":2}'), [ { name => 'n', clients => { name => 'Apple' } } ], 'insert with an embedding');
my $upsert = request('POST', 'clients', '', body => '[{"id":1,"name":"MS"},{"id":3,"name":"New"}]', headers => { Prefer => 'resolution=merge-duplicates,return=representation' });
is("$upsert->{count} $upsert->{inserted}", '2 1', 'upsert: two rows, one new');
is_deeply([ map { $_->{name} } @{ decode_json($upsert->{body}) } ], [ 'MS', 'New' ], 'merged');
is(request('POST', 'clients', '', body => '[{"id":1,"name":"MS"},{"id":3,"name":"New"}]', headers => { Prefer => 'resolution=ignore-duplicates' })->{inserted}, 1, 'ignored');
is_deeply(body('PATCH', 'items', 'id=eq.101&select=name,double', %full, body => '{"name":"torch"}'), [ { name => 'torch', double => 10 } ], 'update');
is(request('PATCH', 'items', 'id=gt.0', body => '{}')->{count}, 0, 'update of nothing');
is(request('PATCH', 'items', 'name=is.null', body => '{"name":"x"}')->{count}, 1, 'update by a condition');
is_deeply(body('PATCH', 'projects', 'id=eq.1&select=tasks(name),owner(name)&tasks.hours=gt.5', %full, body => '{"budget":5}'), [ { tasks => [ { name => 'Code w7' } ], owner => { name => 'Microsoft' } } ], 'update with embeddings');
is_deeply(body('DELETE', 'items', 'id=eq.101&select=name', %full), [ { name => 'lamp' } ], 'delete');
is(code('DELETE', 'items', ''), '21000', 'not everything');
my $put = request('PUT', 'clients', 'id=eq.5', %full, body => '{"id":5,"name":"Put"}');
is("$put->{count} $put->{inserted}", '1 1', 'PUT, new');
$put = request('PUT', 'clients', 'id=eq.1', %full, body => '{"id":1,"name":"Put"}');
is("$put->{count} $put->{inserted}", '1 0', 'PUT, there already');
is(request('PUT', 'clients', 'id=eq.5', body => '{"id":6,"name":"Put"}')->{count}, 0, 'PUT of another row');
is(request('POST', 'projects_view', '', body => '{"id":77,"title":"t"}')->{count}, 1, 'insert through a view');
is(code('POST', 'items', '', body => '{"code":"longer than ten"}'), '22001', 'a domain checks');
is(request('POST', 'items', '', body => '{"name":"kept"}', commit => JSON::PP::true)->{count}, 1, 'insert, committed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM test.items WHERE name IN ('kept', 'abc')}), 1, 'what was not committed is gone');

# ---- calling ----

is(get('rpc/add', 'a=1'), 11, 'a default');
is(body('POST', 'rpc/add', '', body => '{"a":1,"b":2}'), 3, 'a JSON object');
is(body('POST', 'rpc/add', '', body => 'a=4&b=5', headers => { 'Content-Type' => 'application/x-www-form-urlencoded' }), 9, 'a form');
is(get('rpc/say', 'name=Bob'), 'hello Bob', 'overloaded');
is_deeply(get('rpc/find_projects', 'client=1&select=id,clients(name)&order=id.desc&id=gt.1'), [ { id => 2, clients => { name => 'Microsoft' } } ], 'rows, filtered and embedding');
is(request('GET', 'rpc/find_projects', 'client=1&limit=1', headers => { Prefer => 'count=exact' })->{total}, 2, 'rows, counted');
is_deeply(get('rpc/one_project', 'num=3&select=name,tasks(id)'), { name => 'IOS', tasks => [ { id => 5 } ] }, 'one row');
is_deeply(get('rpc/numbers', 'upto=9&limit=2&offset=1'), [ 2, 3 ], 'values');
is_deeply(get('rpc/pairs', 'a=eq.2'), [ { a => 2, b => 'two' } ], 'a table');
is_deeply(get('rpc/outs', 'x=2'), { twice => 4, thrice => 6 }, 'OUT parameters');
is(get('rpc/joined', 'parts=a&parts=b"c'), 'a-b"c', 'variadic');
is(body('POST', 'rpc/joined', '', body => '{"parts":["x","y"]}'), 'x-y', 'variadic in JSON');
is_deeply(body('POST', 'rpc/raw_json', '', body => '[{"a":1},{"b":2}]'), [ { a => 1 }, { b => 2 } ], 'one unnamed json parameter');
is(body('POST', 'rpc/raw_text', '', body => 'hey', headers => { 'Content-Type' => 'text/plain' }), 'hey!', 'one unnamed text parameter');
is(body('POST', 'rpc/raw_bytes', '', body => "a\\b", headers => { 'Content-Type' => 'application/octet-stream' }), 3, 'one unnamed bytea parameter');
is(request('POST', 'rpc/nothing', '', body => '{"a":1}')->{body}, '', 'void');
is(request('GET', 'rpc/page', '', headers => { Accept => 'text/html' })->{body}, '<p>hi</p>', 'a media type of its own');
is(code('GET', 'rpc/add_item', 'label=x'), '25006', 'GET does not write');
is_deeply(body('POST', 'rpc/add_item', 'select=name', body => '{"label":"x"}'), { name => 'x' }, 'POST does');

# ---- hostile ----

for my $text ("x'; DROP TABLE test.clients; --", 'x" FROM pg_shadow --', "\\'; SELECT 1", 'x")) --')
{
	my $escaped = $text =~ s/([^A-Za-z0-9])/sprintf('%%%02X', ord $1)/ger;
	is(code('GET', 'clients', "name=eq.$escaped"), 'none', "a value: $text");
	is(code('GET', 'documents', "data->>%22$escaped%22=eq.1&select=id") =~ /^(none|PGRST100)$/ ? 1 : 0, 1, "a JSON key: $text");
	isnt(code('GET', 'clients', "$escaped=eq.1"), '42601', "a column: $text");
	isnt(code('GET', 'clients', "select=%22$escaped%22:name"), '42601', "an alias: $text");
	isnt(code('GET', 'clients', "order=$escaped"), '42601', "an order: $text");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM test.clients'), 2, 'nothing was dropped');

$in = '';
$runner->finish;

# ---- the catalog, as the gateway's own login ----

my ($json, $errors) = ('', '');
{
	local $ENV{SCHEMA_JSON} = 1;
	IPC::Run::run([ $program, $node->connstr('postgres') . ' user=twin_gateway', 'test,other' ], '<', \'', '>', \$json, '2>', \$errors);
}
is($errors, '', 'a login that may nothing reads the catalog');

# Numbers of this database, and rules that hold them, are not the fixture's.
sub without_numbers
{
	my ($schema) = @_;
	delete @{$_}{qw(oid table other relation rule)} for map { @{ $schema->{$_} } } keys %$schema;
	return $schema;
}
is_deeply(without_numbers(decode_json($json)), without_numbers(decode_json(slurp_file("$source/test/gateway/fixture.json"))), 'the fixture of the unit tests is this schema');

$node->stop;
done_testing();

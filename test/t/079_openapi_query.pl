# The statement behind the OpenAPI document lists what the role may use and nothing else, whatever stands in search_path.
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('openapi', preload => 0);
$node->start;

# the statement as the program has it: the C string without its quotes
my $source = slurp_file("$ENV{TWIN_SOURCE}/src/gateway/answer/openapi_query.c");
my ($literal) = $source =~ /query\[\] =\n(.*?);\n/s or die 'no statement found';
my $query = join '', $literal =~ /^"(.*)"$/mg;
unlike($query, qr/\\/, 'there is no escape to undo');

sql($node, q{
CREATE ROLE reader; CREATE ROLE clerk; CREATE ROLE nobody;
CREATE SCHEMA api; CREATE SCHEMA hidden; COMMENT ON SCHEMA api IS E'Title\n\nMore';
CREATE TYPE api.state AS ENUM ('on', 'off');
CREATE DOMAIN api.positive AS integer NOT NULL CHECK (VALUE > 0);
CREATE TABLE api.sites (id bigint PRIMARY KEY, name text);
CREATE TABLE api.units (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, site bigint REFERENCES api.sites, state api.state DEFAULT 'on',
	label varchar(20) NOT NULL, secret text, size api.positive, gone int, tags text[], twice int GENERATED ALWAYS AS (1 + 1) STORED);
ALTER TABLE api.units DROP COLUMN gone;
COMMENT ON TABLE api.units IS 'Units'; COMMENT ON COLUMN api.units.label IS 'What is painted on it';
CREATE VIEW api.names AS SELECT name FROM api.sites;
CREATE VIEW api.counted AS SELECT count(*) FROM api.sites;
CREATE TABLE api.parted (a int) PARTITION BY LIST (a); CREATE TABLE api.part PARTITION OF api.parted DEFAULT;
CREATE TABLE hidden.other (a int);
CREATE FUNCTION api.add(a integer, b integer DEFAULT 1, VARIADIC more integer[] DEFAULT '{}', OUT result integer) LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION api.reset() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION api.secret() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION api.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE PROCEDURE api.proc() LANGUAGE sql AS '';
REVOKE EXECUTE ON FUNCTION api.secret() FROM PUBLIC;
GRANT USAGE ON SCHEMA api TO reader, clerk;
GRANT SELECT ON api.sites, api.names, api.parted TO reader;
GRANT SELECT (id, label, site) ON api.units TO reader;
GRANT INSERT (label), SELECT (id) ON api.units TO clerk; GRANT UPDATE, DELETE ON api.sites TO clerk;
-- what a stranger could plant
CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.has_table_privilege(oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION evil.json_build_object(VARIADIC "any") RETURNS json LANGUAGE internal AS 'json_build_object';
CREATE TABLE evil.pg_class (oid oid, relname name);
});

sub describe
{
	my ($role, $check, $path) = @_;
	my $sql = "SET search_path = " . ($path // 'api') . "; SET ROLE $role; PREPARE q AS $query; EXECUTE q('api', $check)";
	return decode_json(sql($node, $sql));
}
sub names { my ($list) = @_; return join ' ', map { $_->{name} } @$list; }
sub one { my ($list, $name) = @_; my ($found) = grep { $_->{name} eq $name } @$list; return $found; }

my $all = describe('postgres', 'true');
is($all->{description}, "Title\n\nMore", 'the comment of the schema');
is(names($all->{relations}), 'counted names parted sites units', 'relations, and no partition');
is(names($all->{routines}), 'add reset secret', 'functions, and neither triggers nor procedures');
my $units = one($all->{relations}, 'units');
is($units->{description}, 'Units', 'a comment');
is(names($units->{columns}), 'id site state label secret size tags twice', 'columns in order, and none that was dropped');
is_deeply(one($units->{columns}, 'label'), { name => 'label', type => 'character varying', nullable => JSON::PP::false, default => undef, length => 20, enum => undef,
	description => 'What is painted on it', primary => JSON::PP::false, table => undef, column => undef }, 'a column');
is_deeply(one($units->{columns}, 'state')->{enum}, [ 'on', 'off' ], 'labels of an enumeration');
like(one($units->{columns}, 'state')->{default}, qr/^'on'::(api\.)?state$/, 'a default');
is(one($units->{columns}, 'twice')->{default}, undef, 'what is generated is no default');
is(one($units->{columns}, 'size')->{type}, 'integer', 'a domain is its base type');
ok(!one($units->{columns}, 'size')->{nullable}, 'which may not be null');
is(one($units->{columns}, 'tags')->{type}, 'text[]', 'an array');
ok(one($units->{columns}, 'id')->{primary}, 'a primary key');
is_deeply([ @{ one($units->{columns}, 'site') }{qw(table column)} ], [ 'sites', 'id' ], 'a foreign key');
is_deeply([ map { $_ ? 1 : 0 } @{ one($all->{relations}, 'names') }{qw(insert update delete)} ], [ 1, 1, 1 ], 'a simple view can be written');
is_deeply([ map { $_ ? 1 : 0 } @{ one($all->{relations}, 'counted') }{qw(insert update delete)} ], [ 0, 0, 0 ], 'one that aggregates cannot');
is_deeply([ map { [ $_->{name}, $_->{type}, $_->{required} ? 1 : 0, $_->{variadic} ? 1 : 0 ] } @{ one($all->{routines}, 'add')->{parameters} } ],
	[ [ 'a', 'integer', 1, 0 ], [ 'b', 'integer', 0, 0 ], [ 'more', 'integer[]', 0, 1 ] ], 'parameters, and no result');
ok(one($all->{routines}, 'reset')->{volatile} && !one($all->{routines}, 'add')->{volatile}, 'volatility');

my $reader = describe('reader', 'true');
is(names($reader->{relations}), 'names parted sites units', 'a reader: what it may read');
is(names(one($reader->{relations}, 'units')->{columns}), 'id site label', 'and of it the columns');
is_deeply([ map { $_ ? 1 : 0 } @{ one($reader->{relations}, 'names') }{qw(insert update delete)} ], [ 0, 0, 0 ], 'and no write');
is(names($reader->{routines}), 'add reset', 'and what it may call');

my $clerk = describe('clerk', 'true');
is(names($clerk->{relations}), 'sites units', 'a clerk');
is_deeply([ map { $_ ? 1 : 0 } @{ one($clerk->{relations}, 'units') }{qw(insert update delete)} ], [ 1, 0, 0 ], 'may insert one column');
is_deeply([ map { $_ ? 1 : 0 } @{ one($clerk->{relations}, 'sites') }{qw(insert update delete)} ], [ 0, 1, 1 ], 'and change what it cannot read');

my $nobody = describe('nobody', 'true');
is_deeply([ $nobody->{relations}, $nobody->{routines}, $nobody->{description} ], [ [], [], undef ], 'whoever may not use the schema sees nothing');
is(names(describe('nobody', 'false')->{relations}), 'counted names parted sites units', 'unless privileges are not asked for');
is_deeply(describe('reader', 'true', 'evil, pg_catalog'), $reader, 'what was planted in front is not called');
$node->stop;
done_testing();

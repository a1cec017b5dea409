# What belongs to subjects: dumps, subscribers, and a server without the library preloaded.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use JSON::PP;

my $key = new_key();
my $node = new_node('lists', allows_streaming => 'logical');
start_with($node, $key);
# columns have other numbers after a restore
sql($node, q{SET client_min_messages = 'error'; CREATE EXTENSION twin_security;
	CREATE TABLE people (gone int, id int PRIMARY KEY, who text, gone_too text, name text, "odd ""name" text); ALTER TABLE people DROP gone, DROP gone_too; CREATE TABLE dropped (who text, name text);
	INSERT INTO people VALUES (1, 'bob', 'Bob', 'x'), (2, 'eve', 'Eve', 'y');
	SELECT twin.create_key('k1'), twin.create_key('k2');
	SELECT twin.register_subject_column('people', 'name', 'who'), twin.register_subject_column('people', 'odd "name', 'who'), twin.register_subject_column('dropped', 'name', 'who'),
		twin.register_subject_key('bob', 'k1'), twin.register_subject_key('eve', 'k2'), twin.audit_table('people')});
my $certificate = decode_json(sql($node, q{SELECT twin.erase_subject('bob', 'r')}));

# ---- dumps ----

my ($from, $dump) = ('postgres', $node->basedir . '/lists.dump');
my $columns = q{SELECT relation, column_name, subject_column FROM twin.subject_columns ORDER BY relation::text, 2};
my $expected = sql($node, $columns);
foreach my $round (1, 2)
{
	sql($node, "CREATE DATABASE round_$round");
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr($from) ], "dump $round");
	$from = "round_$round";
	$node->command_ok([ 'pg_restore', '-e', '-j', '3', '-d', $node->connstr($from), $dump ], "restore $round");
	is(sql($node, $columns, db => $from), $expected, 'registered columns come with a dump');
	is(sql($node, 'SELECT key_name, subject FROM twin.subject_keys', db => $from), 'k2|eve', '... and keys');
	is(sql($node, "SELECT twin.subject_digest('$certificate->{certificate_id}', 'bob')", db => $from), $certificate->{subject_digest}, '... and what certificates are checked with');
}
sql($node, 'ALTER TABLE people RENAME name TO full_name', db => $from);
is(sql($node, q{SELECT string_agg(column_name, ',' ORDER BY column_name) FROM twin.subject_columns WHERE relation = 'people'::regclass}, db => $from), 'full_name,odd "name', 'a rename is followed where columns have other numbers');
is_deeply(decode_json(sql($node, q{SELECT twin.erase_subject('eve', 'r')}, db => $from))->{erased}, { 'public.people' => { full_name => 1, 'odd "name' => 1 } }, '... and he is erased there');
is(sql($node, 'SELECT name FROM people WHERE id = 2'), 'Eve', '... and not where the dump came from');

# ---- a subscriber ----

my $subscriber = new_node('subscriber');
start_with($subscriber, $key);
sql($subscriber, q{SET client_min_messages = 'error'; CREATE EXTENSION twin_security; CREATE TABLE people (id int PRIMARY KEY, who text, name text, "odd ""name" text); CREATE TABLE dropped (who text, name text);
	SELECT twin.register_subject_column('people', 'name', 'who'), twin.place_legal_hold('own')});
my $own = decode_json(sql($subscriber, q{SELECT twin.export_subject('nobody')}));
sql($node, 'CREATE PUBLICATION everything FOR TABLE people, twin_internal.legal_holds, twin_internal.subject_columns, twin_internal.subject_keys, twin_internal.wrapped_secrets');
subscribe($subscriber, $node, 'sub', 'everything');
sql($node, q{SELECT twin.erase_subject('eve', 'r')});
catch_up($node, 'sub');
is(sql($subscriber, 'SELECT name FROM people WHERE id = 2'), '', 'an erasure reaches a subscriber');
is(sql($subscriber, 'SELECT case_ref FROM twin.legal_holds'), 'own', 'its holds are its own');
is(sql($subscriber, 'SELECT column_name FROM twin.subject_columns'), 'name', '... and what is registered');
isnt(sql($subscriber, "SELECT twin.subject_digest('$certificate->{certificate_id}', 'bob')"), $certificate->{subject_digest}, '... and the secret of its certificates');
$subscriber->stop;

# ---- without preloading ----

$node->append_conf('postgresql.conf', q{shared_preload_libraries = ''});
restart_with($node, $key);
sql($node, q{INSERT INTO people VALUES (3, 'ian', 'Ian', 'z')});
is_deeply(decode_json(sql($node, q{SELECT twin.erase_subject('ian', 'r')}))->{erased}, { 'public.people' => { name => 1, 'odd "name' => 1 } }, 'without preloading somebody is erased');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'subject_erased' AND details ->> 'reason' = 'r'}), '3', '... with a certificate');
sql($node, q{INSERT INTO people VALUES (4, 'joe', 'Joe Canary', 'z')});
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE audit_log::text LIKE '%Canary%'}), '0', '... and the log has digests');

# ---- without ENCRYPTION_KEY ----

restart_with($node, undef);
fails_with($node, q{SELECT twin.erase_subject('joe', 'r')}, 'TW\w{3}|55000', '', 'without ENCRYPTION_KEY there is no certificate, and nobody is erased');
is(sql($node, 'SELECT name FROM people WHERE id = 4'), 'Joe Canary', '... at all');
like(sql($node, q{SELECT twin.export_subject('joe')}), qr/Joe Canary/, '... but given out');

done_testing();

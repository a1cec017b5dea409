# Audited tables of a subscriber: what replication changes there is recorded there, once, by the worker that applies it.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $publisher = new_node('publisher', allows_streaming => 'logical');
my $subscriber = new_node('subscriber');
start_with($_, $key) foreach $publisher, $subscriber;
my $tables = q{CREATE EXTENSION twin_security;
	CREATE TABLE units (id int PRIMARY KEY, name text, password text);
	CREATE TABLE parts (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (100);
	CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200)};
sql($_, $tables) foreach $publisher, $subscriber;
sql($publisher, q{INSERT INTO units VALUES (1, 'copied', 'canary'), (2, 'too', 'canary'); ALTER TABLE units REPLICA IDENTITY FULL;
	CREATE PUBLICATION everything FOR TABLE units, parts WITH (publish_via_partition_root = true)});
sql($subscriber, "SELECT twin.audit_table('units'), twin.audit_table('parts')");
subscribe($subscriber, $publisher, 'changes', 'everything');
my $told = q{SELECT string_agg(concat_ws(' ', event_type, record_id, coalesce(diff, new, old)), ', ' ORDER BY event_id) FROM twin.audit_log WHERE resource = 'public.%s' AND event_type IN ('create', 'update', 'delete', 'truncate') AND event_id > %d};
my $seen = 0;

sub tells
{
	my ($table) = @_;
	catch_up($publisher, 'changes');
	my $lines = sql($subscriber, sprintf $told, $table, $seen);
	$seen = sql($subscriber, 'SELECT coalesce(max(event_id), 0) FROM twin.audit_log');
	return $lines;
}

is(tells('units'), 'create 1 {"id": 1, "name": "copied", "password": "[redacted]"}, create 2 {"id": 2, "name": "too", "password": "[redacted]"}', 'the first copy');
sql($publisher, "INSERT INTO units VALUES (3, 'three'); UPDATE units SET name = 'new' WHERE id = 1; DELETE FROM units WHERE id = 2");
is(tells('units'), 'create 3 {"id": 3, "name": "three", "password": "[redacted]"}, update 1 {"name": {"new": "new", "old": "copied"}}, delete 2 {"id": 2, "name": "too", "password": "[redacted]"}', 'changes, each once');
is(sql($subscriber, q{SELECT DISTINCT session_user_name FROM twin.audit_log WHERE event_type = 'update'}), 'postgres', 'by the owner of the subscription');
sql($publisher, "INSERT INTO parts VALUES (1, 'a'), (150, 'b'); UPDATE parts SET id = 160 WHERE id = 1; UPDATE parts SET name = 'c' WHERE id = 150; DELETE FROM parts WHERE id = 160");
is(tells('parts'), 'create 1 {"id": 1, "name": "a"}, create 150 {"id": 150, "name": "b"}, delete 1 {"id": 1, "name": "a"}, create 160 {"id": 160, "name": "a"}, update 150 {"name": {"new": "c", "old": "b"}}, delete 160 {"id": 160, "name": "a"}',
	'partitions; a row that moves between them is a delete and a create there');
sql($publisher, 'TRUNCATE units');
is(tells('units'), 'truncate', 'TRUNCATE');
sql($subscriber, "INSERT INTO units VALUES (9, 'own')");
is(tells('units'), 'create 9 {"id": 9, "name": "own", "password": "[redacted]"}', 'what the subscriber changes itself, once as well');
$subscriber->stop;
$publisher->stop;
done_testing();

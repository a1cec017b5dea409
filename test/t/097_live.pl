# Changes of a table reach those who may read its row, as they may read it, after commit; what is gone is told to whom it was shown.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('live', conf => "max_connections = 40\nmax_prepared_transactions = 2\ntwin_security.topic_ring_size = 512kB\n");
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'the secret of these tokens is not of others');
sql($node, q{
	CREATE EXTENSION twin_security;
	ALTER ROLE twin_gateway LOGIN;
	CREATE SCHEMA api;
	GRANT USAGE ON SCHEMA api TO twin_viewer, twin_operator;
	CREATE TABLE api.units (unit_id int PRIMARY KEY, tenant_id bigint, name text, secret text);
	SELECT twin.protect_table('api.units', 'tenant_id', NULL, 'read_units', 'write_units', 'write_units', 'delete_units');
	REVOKE SELECT ON api.units FROM twin_viewer;
	GRANT SELECT (unit_id, tenant_id, name) ON api.units TO twin_viewer;
	GRANT SELECT ON api.units TO twin_operator;
	INSERT INTO api.units VALUES (1, 1, 'boiler', 's1'), (2, 2, 'furnace', 's2');
	CREATE TABLE api."odd name" (a text, b int, PRIMARY KEY (a, b), c text);
	GRANT SELECT ON api."odd name" TO twin_viewer;
	CREATE TABLE api.years (y int, n int, PRIMARY KEY (y, n)) PARTITION BY LIST (y);
	CREATE TABLE api.years_1 PARTITION OF api.years FOR VALUES IN (1);
	GRANT SELECT ON api.years TO twin_viewer;
	CREATE TABLE api.keyless (a int);
	CREATE VIEW api.some AS SELECT 1 AS a});

# ---- feeding ----

is(sql($node, q{SELECT twin.feed_table('api.units')}), 'changes.api.units', 'a table is fed, by a topic of its name');
is(sql($node, q{SELECT subscribe_permission, publish_permission IS NULL FROM twin.topics WHERE topic = 'changes.api.units'}), 'read_units|t', '... which needs what reading the table needs');
is(sql($node, q{SELECT twin.feed_table('api."odd name"', topic => 'odd')}), 'odd', 'a topic by another name');
is(sql($node, q{SELECT twin.feed_table('api.years')}), 'changes.api.years', 'a partitioned table');
is(sql($node, q{SELECT relation, topic FROM twin.fed_tables ORDER BY 2}), "api.units|changes.api.units\napi.years|changes.api.years\napi.\"odd name\"|odd", 'a view shows them');
fails_with($node, $$_[0], $$_[1], "", $$_[2]) foreach [ q{SELECT twin.feed_table('api.units')}, '42710', 'not twice' ],
	[ q{SELECT twin.feed_table('api.keyless')}, '55000', 'not without a primary key' ], [ q{SELECT twin.feed_table('api.some')}, '42809', 'no view' ],
	[ q{SELECT twin.feed_table('api.years_1')}, '42809', 'no partition' ], [ q{SELECT twin.feed_table(NULL)}, '22004', 'no table' ],
	[ q{SELECT twin.feed_table('api.keyless', topic => 'a.*')}, '55000', 'nothing is made of what is refused' ], [ q{SELECT twin.unfeed_table('api.keyless')}, '42704', 'not fed' ],
	[ q{SET ROLE twin_operator; SELECT twin.feed_table('api.keyless')}, '42501', 'operators may not' ];

# ---- receiving ----

sql($node, q{INSERT INTO twin.topics (topic, subscribe_permission, tenant_bound) VALUES ('changes.*', 'read_units', false)});
my $serial = 0;
sub token { my ($role, $tenant) = @_; $serial++; return sql($node, qq{SELECT twin.issue_token('{"user_id": "@{[ $serial + 1000 ]}", "role": "$role", "tenant_id": $tenant}')}) }
my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'twin_gateway' ]);
$session->query_safe('SELECT twin.open_listener()');
sub subscribe_to { my ($token, @topics) = @_; return $session->query_safe("SELECT twin.subscribe('$token', '{" . join(',', @topics) . "}')") }
# what there is, until nothing comes any more: "subscription payload", sorted
sub received
{
	my @all;
	while ((my $some = $session->query_safe(q{SELECT array_to_string(subscriptions, ',') || ' ' || payload FROM twin.receive('300 ms')})) ne '') { push @all, split /\n/, $some }
	return join("\n", sort @all);
}
my $north = subscribe_to(my $north_token = token('viewer', 1), 'changes.api.units');
my $south = subscribe_to(token('viewer', 2), 'changes.*');
my $boss = subscribe_to(my $boss_token = token('operator', 1), 'changes.api.units', 'odd');

sql($node, q{INSERT INTO api.units VALUES (3, 1, 'pump', 's3')});
is(received(), qq($north {"key": {"unit_id": 3}, "row": {"name": "pump", "unit_id": 3, "tenant_id": 1}, "action": "insert"}\n)
	. qq($boss {"key": {"unit_id": 3}, "row": {"name": "pump", "secret": "s3", "unit_id": 3, "tenant_id": 1}, "action": "insert"}), 'a new row is seen in its tenant, in the columns that each may read');
is(sql($node, 'SELECT delivered FROM twin.stat_topics'), '2', '... and each is counted');
sql($node, q{UPDATE api.units SET name = 'oven' WHERE unit_id = 2});
is(received(), qq($south {"key": {"unit_id": 2}, "row": {"name": "oven", "unit_id": 2, "tenant_id": 2}, "action": "update"}), 'a change likewise');
sql($node, q{DELETE FROM api.units WHERE unit_id = 1});
is(received(), '', 'that a row is gone is not told to whom it was never shown');
sql($node, q{DELETE FROM api.units WHERE unit_id = 3});
is(received(), join("\n", map { qq($_ {"key": {"unit_id": 3}, "action": "delete"}) } $north, $boss), '... but to whom it was');
sql($node, q{DELETE FROM api.units WHERE unit_id = 3; INSERT INTO api.units VALUES (3, 1, 'pump', 's3')});
received();
sql($node, q{UPDATE api.units SET tenant_id = 2 WHERE unit_id = 3});
is(received(), join("\n", (map { qq($_ {"key": {"unit_id": 3}, "action": "delete"}) } $north), qq($south {"key": {"unit_id": 3}, "row": {"name": "pump", "unit_id": 3, "tenant_id": 2}, "action": "update"}), qq($boss {"key": {"unit_id": 3}, "action": "delete"})), 'a row that goes to another tenant is gone for the one, and there for the other');
sql($node, q{UPDATE api.units SET unit_id = 30 WHERE unit_id = 3});
is(received(), qq($south {"key": {"unit_id": 30}, "row": {"name": "pump", "unit_id": 30, "tenant_id": 2}, "action": "update"}\n$south {"key": {"unit_id": 3}, "action": "delete"}), 'a new key is a new row, and the old one is gone');

# ---- what commits, and how much ----

sql($node, q{BEGIN; INSERT INTO api.units VALUES (40, 1, 'a', ''); ROLLBACK; BEGIN; INSERT INTO api.units VALUES (41, 1, 'b', ''); SAVEPOINT s; INSERT INTO api.units VALUES (42, 1, 'c', ''); ROLLBACK TO s; COMMIT});
is(received(), join("\n", qq($north {"key": {"unit_id": 41}, "row": {"name": "b", "unit_id": 41, "tenant_id": 1}, "action": "insert"}), qq($boss {"key": {"unit_id": 41}, "row": {"name": "b", "secret": "", "unit_id": 41, "tenant_id": 1}, "action": "insert"})), 'what was rolled back is not told');
sql($node, q{INSERT INTO api.units SELECT i, 1, 'many', '' FROM generate_series(100, 300) i});
is(received(), join("\n", map { qq($_ {"action": "many"}) } $north, $south, $boss), 'of more than a hundred rows it is told that there were many');
sql($node, q{UPDATE api.units SET name = 'none' WHERE false; TRUNCATE api.units});
is(received(), join("\n", map { qq($_ {"action": "many"}) } $north, $south, $boss), '... and so of TRUNCATE, and nothing of no row');
sql($node, q{DO $$ BEGIN FOR i IN 1 .. 5000 LOOP INSERT INTO api.units VALUES (i, 1, repeat('x', 20), ''); END LOOP; END $$});
my @told = split /\n/, received();
is(scalar(grep { $_ eq "$boss {\"action\": \"many\"}" } @told), 1, 'of what does not fit it is told once that there were many, and the transaction commits');
cmp_ok(scalar(@told), '>', 500, '... and each of those that do');
is(sql($node, 'SELECT count(*) FROM api.units'), '5000', '... whole');
sql($node, q{TRUNCATE api.units; BEGIN; INSERT INTO api.units VALUES (7, 1, 'prepared', ''); ROLLBACK});
received();

# ---- names, types, partitions ----

sql($node, q{INSERT INTO api."odd name" VALUES ('"; DROP \ ''', 5, 'x')});
is(received(), '', 'a role that may not read the table is shown nothing');
my $odd = subscribe_to(token('viewer', 1), 'odd');
sql($node, q{UPDATE api."odd name" SET c = 'y'});
is(received(), qq($odd {"key": {"a": "\\"; DROP \\\\ '", "b": 5}, "row": {"a": "\\"; DROP \\\\ '", "b": 5, "c": "y"}, "action": "update"}), 'keys of several columns, of any text');
sql($node, q{INSERT INTO api.years VALUES (1, 1); INSERT INTO api.years_1 VALUES (1, 2)});
is(received(), join("\n", map { qq($south {"key": {"n": $_, "y": 1}, "row": {"n": $_, "y": 1}, "action": "insert"}) } 1, 2), 'rows of partitions, written by either name');
sql($node, q{CREATE TABLE api.years_2 PARTITION OF api.years FOR VALUES IN (2); INSERT INTO api.years VALUES (2, 1); INSERT INTO api.years_2 VALUES (2, 2)});
is(received(), join("\n", map { qq($south {"key": {"n": $_, "y": 2}, "row": {"n": $_, "y": 2}, "action": "insert"}) } 1, 2), '... of one that came later');

# ---- while it goes on ----

sql($node, q{ALTER TABLE api.units ADD COLUMN more int; GRANT SELECT (more) ON api.units TO twin_viewer; INSERT INTO api.units VALUES (8, 1, 'new', '', 8)});
like(received(), qr/^$north .*"more": 8/m, 'a new column is shown when it may be read');
sql($node, q{REVOKE SELECT (more) ON api.units FROM twin_viewer; UPDATE api.units SET more = 9});
like(received(), qr/^$north \{"key": \{"unit_id": 8\}, "row": \{"name": "new", "unit_id": 8, "tenant_id": 1\}/m, '... and no longer');
is($session->query_safe(q{SELECT current_user || session_user || coalesce(twin.current_username(), ' nobody') || current_setting('transaction_read_only')}), 'twin_gatewaytwin_gateway nobodyoff', 'the session that listens is as it was');
sql($node, "SELECT twin.revoke_token('$north_token')");
sql($node, q{UPDATE api.units SET name = 'after'});
unlike(received(), qr/^$north \{"key"/m, 'nothing follows a revocation');
sql($node, q{CREATE FUNCTION api.fails() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; CREATE POLICY broken ON api.units AS RESTRICTIVE FOR SELECT TO twin_operator USING (api.fails()); UPDATE api.units SET name = 'again'});
is(received(), qq($boss {"key": {"unit_id": 8}, "action": "delete"}), 'a policy that fails shows nothing, and harms nobody');
foreach my $meddles ("twin.unsubscribe($boss)", 'twin.close_listener()', q{count(*) FROM twin.receive('0 s')}, qq{twin.subscribe('$boss_token', '{}')})
{
	sql($node, "CREATE OR REPLACE FUNCTION api.fails() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN PERFORM $meddles; RETURN true; END \$\$; UPDATE api.units SET name = 'meddled'");
	is(received(), '', "nor one that takes the listener away from below: $meddles");
}
sql($node, q{DROP POLICY broken ON api.units});
sql($node, q{UPDATE api.units SET name = 'whole'});
like(received(), qr/^$boss \{"key": \{"unit_id": 8\}, "row": \{"more": 9, "name": "whole"/m, '... who listens does so still');
is(sql($node, q{SELECT twin.unfeed_table('api.units'), twin.unfeed_table('api.years')}), '|', 'fed no more');
is(sql($node, q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'twin_feed_%' AND tgrelid <> 'api."odd name"'::regclass}), '0', '... no trigger is left');
sql($node, q{INSERT INTO api.units VALUES (99, 1, 'unseen', '', 0)});
unlike(received(), qr/unseen/, '... and nothing is told');
sql($node, q{DROP TABLE api."odd name"});
is(sql($node, q{SELECT count(*) FROM twin.fed_tables} ) . sql($node, q{SELECT count(*) FROM twin.topics WHERE topic = 'odd'}), '00', 'a table that is dropped leaves nothing');
$session->quit;
done_testing();

# Audited tables over time: they stay audited through dump, restore and pg_upgrade, in sessions that were there before and
# without preloading; what is committed is in the log after a crash, and what is not committed is not.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('audited', preload => 0);
start_with($node, $key);
sql($node, q{CREATE EXTENSION twin_security;
	CREATE TABLE units (id int PRIMARY KEY, ssn text, note text, name text);
	CREATE TABLE readings (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
	CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')});
my $changes = q{SELECT string_agg(concat_ws(' ', event_type, record_id, coalesce(new, old)->>'name'), ', ' ORDER BY event_id) FROM twin.audit_log WHERE resource = 'public.units'};

# ---- sessions that were there before; no preloading ----

my $other = $node->background_psql('postgres');
$other->query_safe("INSERT INTO units VALUES (1, NULL, NULL, 'unseen')");
my $warned = (TwinTest::run_sql($node, "SELECT twin.audit_table('units', '{note}', '{ssn}'), twin.audit_table('readings', mode => 'digest', reads => true)"))[1];
like($warned, qr/WARNING: .*reads of "public.readings" are not recorded/, 'reads need preloading, and audit_table() says so');
$other->query_safe("INSERT INTO units VALUES (2, 'canary', 'canary', 'seen')");
$other->query_safe("BEGIN; INSERT INTO units VALUES (3, NULL, NULL, 'later')");
is(sql($node, $changes), 'create 2 seen', 'a session that was there before records, and what is not committed nobody sees');
$other->query_safe('COMMIT');
is(sql($node, $changes), 'create 2 seen, create 3 later', 'committed it is there');
sql($node, "SELECT twin.unaudit_table('units')");
$other->query_safe("INSERT INTO units VALUES (4, NULL, NULL, 'unseen')");
sql($node, "SELECT twin.audit_table('units', '{note}', '{ssn}')");
$other->query_safe('UPDATE units SET name = name || id WHERE id > 3');
is(sql($node, $changes), 'create 2 seen, create 3 later, update 4 unseen4', 'and it hears of every change of what is audited');
$other->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
sql($node, "SELECT twin.audit_table('units', '{note}', '{ssn,name}')");
$other->query_safe("INSERT INTO units VALUES (5, NULL, NULL, 'canary')");
$other->query_safe('COMMIT');
is(sql($node, q{SELECT new #>> '{name,digest}' ~ '^[0-9a-f]{64}$' FROM twin.audit_log WHERE record_id = '5'}), 't', 'also in a transaction with an old snapshot');
sql($node, "SELECT twin.audit_table('units', '{note}', '{ssn}')");

# ---- writers at the same time, months and the overflow ----

my @writers = map { $node->background_psql('postgres') } 1 .. 4;
edit_log($node, "UPDATE twin_internal.event_state SET created_at = now() - interval '2 hours'");
foreach my $round (1 .. 10)
{
	edit_log($node, 'SELECT twin_internal.maintain_event_partitions()') if $round == 5;
	$writers[$_]->query_safe("INSERT INTO units SELECT i, NULL, NULL, 'w' FROM generate_series(" . (1000 * $_ + 20 * $round + 100) . ', ' . (1000 * $_ + 20 * $round + 119) . ') i') foreach 0 .. 3;
}
$_->quit foreach @writers;
is(sql($node, q{SELECT count(*), count(DISTINCT event_id), count(DISTINCT record_id) FROM twin.audit_log WHERE new ->> 'name' = 'w'}), '800|800|800', 'several writers, while a month is made');
is(sql($node, q{SELECT count(*) FROM twin_internal.events_overflow}), '0', 'into which what lay aside has moved');
is(sql($node, q{SELECT count(DISTINCT tableoid) = 1 AND bool_and(tableoid::regclass::text ~ 'events_audit_\d{4}_\d\d') FROM twin_internal.events WHERE rows IS NOT NULL}), 't', 'where later rows go by themselves');
$other->query_safe('BEGIN; INSERT INTO units VALUES (6)');
$other->query_safe('ROLLBACK');
is(sql($node, "SELECT count(*) FROM twin.audit_log WHERE record_id = '6'"), '0', 'what is rolled back is not there');
$other->quit;

# ---- a crash ----

my $crashing = $node->background_psql('postgres');
$crashing->query_safe('SET synchronous_commit = on');
$crashing->query_safe("INSERT INTO units SELECT i, NULL, NULL, 'c' FROM generate_series(10001, 11000) i");
$crashing->query_safe("BEGIN; INSERT INTO units SELECT i, NULL, NULL, 'd' FROM generate_series(20001, 21000) i");
$node->stop('immediate');
eval { $crashing->quit };
start_with($node, $key);
is(sql($node, q{SELECT count(*) FILTER (WHERE new ->> 'name' = 'c'), count(*) FILTER (WHERE new ->> 'name' = 'd') FROM twin.audit_log}), '1000|0', 'after a crash: all that was committed, and nothing else');
is(sql($node, q{SELECT count(*) FROM units WHERE name = 'c'}), '1000', 'as in the table');
sql($node, q{BEGIN; INSERT INTO units VALUES (30001, NULL, NULL, 'prepared'); PREPARE TRANSACTION 'p'}) if sql($node, 'SHOW max_prepared_transactions') > 0;

# ---- with a lost or wrong key ----

$node->stop;
start_with($node, undef);
sql($node, "INSERT INTO units VALUES (7, 'canary', 'canary', 'keyless')");
is(sql($node, q{SELECT new FROM twin.audit_log WHERE record_id = '7'}), '{"id": 7, "ssn": {"digest": null}, "name": "keyless"}', 'without a key there is no digest, and the statement goes on');
restart_with($node, new_key());
sql($node, "INSERT INTO units VALUES (8, 'canary', 'canary', 'wrong')");
is(sql($node, q{SELECT new -> 'ssn' FROM twin.audit_log WHERE record_id = '8'}), '{"digest": null}', 'nor with another key');
restart_with($node, $key);
is(sql($node, q{SELECT count(*) FROM twin_internal.event_records e WHERE position('canary'::bytea IN coalesce(rows, '')) > 0}), '0', 'no value that is digested or skipped is in the log');

# ---- dump, restore and pg_upgrade ----

sql($node, "ALTER TABLE units RENAME ssn TO number; INSERT INTO readings SELECT i, '2024-05-05' FROM generate_series(1, 10) i");
my $log = q{SELECT md5(string_agg((to_jsonb(e) - 'leaf_index')::text, ' ' ORDER BY event_id)) FROM twin.audit_log e WHERE resource IN ('public.units', 'public.readings') AND event_type IN ('create', 'update', 'delete') AND event_id <= };
my $last = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
my $log_was = sql($node, $log . $last);
my $files = PostgreSQL::Test::Utils::tempdir();
my $from = "-d '" . $node->connstr('postgres') . "'";
my %ways = (plain => "pg_dump $from | psql -X -q -v ON_ERROR_STOP=1 TO", custom => "pg_dump -Fc $from -f $files/c && pg_restore -e -j2 TO $files/c",
	separate => "pg_dump -s $from | psql -X -q -v ON_ERROR_STOP=1 TO && pg_dump -a $from | psql -X -q -v ON_ERROR_STOP=1 TO",
	inserts => "pg_dump --inserts $from | psql -X -q -v ON_ERROR_STOP=1 TO");

sub still_audited
{
	my ($where, $how, @db) = @_;
	is(sql($where, $log . $last, @db), $log_was, "$how: the log is the same");
	sql($where, "INSERT INTO units VALUES (9, 'canary', 'canary', 'after'); INSERT INTO readings_1 VALUES (99, '2024-06-06'); UPDATE readings SET at = '2024-07-07' WHERE id = 99", @db);
	is(sql($where, q{SELECT new #>> '{number,digest}' ~ '^[0-9a-f]{64}$', new - 'number' FROM twin.audit_log WHERE record_id = '9' AND resource = 'public.units'}, @db), 't|{"id": 9, "name": "after"}', "$how: tables are audited as before");
	is(sql($where, qq{SELECT string_agg(event_type || (details ->> 'rows'), ' ' ORDER BY event_id) FROM twin.audit_log WHERE resource = 'public.readings' AND event_type <> 'read' AND event_id > $last}, @db), 'create1 update1', "$how: partitions too");
	is(sql($where, q{SELECT count(*) - count(DISTINCT event_id) FROM twin.audit_log}, @db), '0', "$how: every event has its own id");
	fails_with($where, 'DELETE FROM twin_internal.events', '42501', 'the audit log is not edited', "$how: the log is guarded", @db);
	is(sql($where, q{SELECT count(*) FROM pg_partition_tree('twin_internal.events') t WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.relid AND g.tgname = 'guard_log' AND g.tgenabled = 'A')}, @db), '0', "$how: in all its parts");
}

foreach my $how (sort keys %ways)
{
	sql($node, "CREATE DATABASE $how");
	run_pipe($ways{$how} =~ s{\bTO\b}{"-d '" . $node->connstr($how) . "'"}ger);
	still_audited($node, $how, db => $how);
	sql($node, "DROP DATABASE $how");
}
my $upgraded = new_node('upgraded');
$node->stop;
{
	local $ENV{ENCRYPTION_KEY} = $key;
	my $bin = $node->config_data('--bindir');
	chdir $files;
	command_ok([ 'pg_upgrade', '-N', '-b', $bin, '-B', $bin, '-d', $node->data_dir, '-D', $upgraded->data_dir,
		'-p', $node->port, '-P', $upgraded->port, '-s', $node->host ], 'pg_upgrade');
}
start_with($upgraded, $key);
still_audited($upgraded, 'pg_upgrade');
ok($upgraded->poll_query_until('postgres', qq{SELECT string_agg(action || ' ' || (details ->> 'rows'), ', ') = 'UPDATE 1' FROM twin.audit_log WHERE resource = 'public.readings' AND event_type = 'read' AND event_id > $last}),
	'pg_upgrade: now with preloading, what was to have its reads recorded has them');
$upgraded->stop;
done_testing();

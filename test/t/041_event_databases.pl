# Security events of several databases: each records its own; lists, databases without the extension, more databases
# than rings; and no writer stands in the way of dropping or copying a database.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $node = new_node('databases', conf => "twin_security.max_databases = 3\ntwin_security.event_ring_size = 64kB\n");
start_with($node, new_key());
# the database that records what has none is made later: nobody dropped what nobody was to record
sql($node, q{ALTER SYSTEM SET twin_security.cluster_database = 'later'; SELECT pg_reload_conf()});
$node->restart;
$node->psql('nosuch', 'SELECT 1') for 1 .. 3;
sql($node, 'CREATE DATABASE later');
sql($node, 'CREATE EXTENSION twin_security', db => 'later');
ok($node->poll_query_until('later', q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'audit_epoch'}), 'the log of a database begins');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'events_dropped'}, db => 'later'), '0', '... and tells of no event that nobody was to record');
sql($node, 'ALTER SYSTEM RESET twin_security.cluster_database; SELECT pg_reload_conf()');
sql($node, 'DROP DATABASE later WITH (FORCE)');
my $writers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'twin_security event writer'};

sub settle { return events_written($node, db => $_[0]) }

sub record
{
	my ($db, $type, $count) = @_;
	$count //= 1;
	return sql($node, "SELECT twin.record_event('$type') FROM generate_series(1, $count)", db => $db);
}

# What was asked for: whatever comes along with sessions, commands and sealing is another test's.
sub types_of
{
	my ($db) = @_;
	settle($db);
	return sql($node, "SELECT coalesce(string_agg(event_type, ' ' ORDER BY event_type), '') FROM twin.audit_log WHERE event_type !~ '^(login_success|audit_enabled|audit_epoch|heartbeat|extension_|ddl|configuration_change|alert_raised)'", db => $db);
}

# Waits until the launcher has looked around from now on: of two rounds that end after this, the second began after it.
sub look_around
{
	my ($db) = @_;
	foreach (1 .. 2)
	{
		my ($now) = (split /\n/, sql($node, "SELECT twin.record_event('x'); SELECT clock_timestamp()", db => $db))[-1];
		comes_true($node, "SELECT last_round > '$now' FROM twin.stat_workers WHERE worker = 'event launcher'", db => $db) or die 'no launcher';
	}
	return;
}

# Drops a database, whose ring the launcher takes back.
sub drop
{
	my ($db) = @_;
	sql($node, "DROP DATABASE $db");
	return look_around('one');
}

# ---- each its own ----

sql($node, "CREATE DATABASE $_") foreach 'one', 'two';
sql($node, 'CREATE EXTENSION twin_security', db => $_) foreach 'one', 'two';
record('one', 'first');
record('two', 'second');
record('one', 'third');
is(types_of('one'), 'first third', 'one database has its events');
is(types_of('two'), 'second', 'the other its own');
settle('one');
is(sql($node, 'SELECT emitted >= 2, written >= 2, dropped FROM twin.stat_audit', db => 'one'), 't|t|0', 'and its own counters');    # who came in counts, too

# ---- dropping and copying, while a writer is there ----

record('two', 'last');
ok(comes_true($node, "SELECT ring_fill = 0 AND 1 = ($writers AND datname = 'two') FROM twin.stat_audit", db => 'two'), 'a writer is there');
my $began = time;
sql($node, 'CREATE DATABASE copy TEMPLATE two');
is_soon($began, 'the database can be copied');
is(types_of('copy'), 'last second', 'with its events');
sql($node, 'DROP DATABASE copy');
record('two', 'last');
sql($node, 'DROP DATABASE two');
is(sql($node, "SELECT count(*) FROM pg_database WHERE datname IN ('two', 'copy')"), '0', 'and dropped, right after an event');

# ---- rings of dropped databases are used again ----

foreach my $round (1 .. 6)
{
	sql($node, "CREATE DATABASE round$round");
	sql($node, 'CREATE EXTENSION twin_security', db => "round$round");
	record("round$round", 'here', 3);
	is(types_of("round$round"), 'here here here', "database $round of many that come and go");
	is(sql($node, 'SELECT emitted < 20, written >= 3, dropped FROM twin.stat_audit', db => "round$round"), 't|t|0', 'its counters begin with nothing');
	drop("round$round");
}

# ---- more databases than rings ----

sql($node, 'CREATE EXTENSION twin_security');
record('postgres', 'here');
# (commands of the cluster filled its ring before it had a log)
like(types_of('postgres'), qr/^(events_dropped )?here$/, 'the cluster database');
foreach my $db ('third', 'fourth')
{
	sql($node, "CREATE DATABASE $db");
	sql($node, 'CREATE EXTENSION twin_security', db => $db);
}
record('third', 'here');
is(types_of('third'), 'here', 'the last ring');
fails_with($node, "SELECT twin.record_event('lost')", '53000', 'could not be recorded', 'beyond that an event is not taken', db => 'fourth') for 1 .. 2;
ok($node->poll_query_until('postgres', q{SELECT sum((details ->> 'dropped')::int) >= 2 AND min(details ->> 'reason') LIKE '%max_databases%' FROM twin.audit_log
	WHERE event_type = 'events_dropped'}), 'and the cluster database tells how many, and why');
drop('fourth');
drop('third');

# ---- a database without the extension ----

sql($node, 'CREATE DATABASE empty');
my $emit = q{CREATE FUNCTION emit(text, text, text, jsonb, text) RETURNS void LANGUAGE c AS 'twin_security', 'tsec_emit_event'};
sql($node, $emit, db => 'empty');
sql($node, "SELECT emit('key_created', 'k', NULL, NULL, NULL)", db => 'empty');
my $seen = 0;
my $until = time + 4;
while (time < $until)
{
	$seen += sql($node, "$writers AND datname = 'empty'");
	sleep 0.05;
}
cmp_ok($seen, '<', 20, 'no writer after the other for events that nobody can take');
$began = time;
sql($node, 'CREATE EXTENSION twin_security', db => 'empty');
ok($node->poll_query_until('empty', "SELECT count(*) = 1 FROM twin.audit_log WHERE resource = 'k'"), 'they are written once there is an extension');
is_soon($began, 'at once');
drop('empty');

sql($node, 'CREATE DATABASE hopeless');
sql($node, $emit, db => 'hopeless');
sql($node, "SELECT emit('key_created', 'k', NULL, NULL, NULL) FROM generate_series(1, 100)", db => 'hopeless');
sql($node, q{CREATE FUNCTION stat(OUT emitted bigint, OUT written bigint, OUT dropped bigint, OUT ring_fill double precision, OUT waiting_since timestamptz) LANGUAGE c AS 'twin_security', 'tsec_stat_audit'}, db => 'hopeless');
ok(comes_true($node, 'SELECT dropped = 100 FROM stat()', db => 'hopeless'), 'after a while they are dropped');
sql($node, 'CREATE EXTENSION twin_security', db => 'hopeless');
ok($node->poll_query_until('hopeless', q{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'events_dropped' AND details = '{"dropped": "100"}'}),
	'... and counted');
is(types_of('hopeless'), 'events_dropped', 'none of them comes later');
drop('hopeless');

# ---- DROP EXTENSION ----

record('one', 'x', 20);
sql($node, 'DROP EXTENSION twin_security', db => 'one');
is(sql($node, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'twin%'", db => 'one'), '0', 'the extension is dropped while events are written');
sql($node, 'CREATE EXTENSION twin_security', db => 'one');
record('one', 'anew');
like(types_of('one'), qr/anew/, 'and made again');

# ---- a list of databases ----

sql($node, q{CREATE DATABASE "Odd, name"});
sql($node, 'CREATE EXTENSION twin_security', db => 'Odd, name');
sql($node, q{ALTER SYSTEM SET twin_security.databases = 'postgres, "Odd, name"'});
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('twin_security.databases') <> ''});
look_around('postgres');
comes_true($node, "SELECT 0 = ($writers AND datname = 'one')");
my $was = types_of('one');
sql($node, "SELECT twin.record_event('unlisted')", db => 'one');
record('Odd, name', 'listed');
is(types_of('Odd, name'), 'listed', 'a database of the list records');
is(types_of('one'), $was, 'one that is not listed does not');
cmp_ok(sql($node, 'SELECT dropped FROM twin.stat_audit', db => 'one'), '>=', 1, 'and counts what it dropped');
sql($node, q{ALTER SYSTEM SET twin_security.databases = 'postgres,,'});
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('twin_security.databases') = 'postgres,,'});
look_around('postgres');
record('one', 'listed_again');
like(types_of('one'), qr/listed_again/, 'a list that cannot be read stands for all');
like(slurp_file($node->logfile), qr/invalid list of names in parameter "twin_security.databases"/, 'and the log says so');

$node->stop;
done_testing();

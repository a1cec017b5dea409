# Audited tables of a subscriber: what replication changes there is recorded there, once, by the worker that applies it.
# And its log is its own: where all tables are published, nothing that happens to the publisher's log happens to it.
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

# ---- the publisher's log is published, too ----

sql($subscriber, 'CREATE DATABASE whole');
my @whole = (db => 'whole');
run_pipe("pg_dump -s --no-publications -d '" . $publisher->connstr('postgres') . "' | psql -X -q -v ON_ERROR_STOP=1 -d '" . $subscriber->connstr('whole') . "'");
# (an hour after it was restored it would begin a log, as none came along)
edit_log($subscriber, "UPDATE twin_internal.event_state SET created_at = now() - interval '2 hours'; SELECT twin_internal.start_event_writer()", @whole);
sql($publisher, 'CREATE PUBLICATION all_of_it FOR ALL TABLES WITH (publish_via_partition_root = true)');
subscribe($subscriber, $publisher, 'whole', 'all_of_it', @whole);
my $listed = q{SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = r.srrelid AND t.tgname = 'guard_log')), count(*) > 10 FROM pg_subscription_rel r};
is(sql($subscriber, $listed, @whole), '0|t', 'of all tables the log\'s are left out');

# A row that comes says that the subscription goes on; each time another.
my $row = 100;
sub goes_on
{
	$row++;
	sql($publisher, "INSERT INTO units VALUES ($row, 'goes on')");
	catch_up($publisher, 'whole');
	return sql($subscriber, "SELECT count(*) FROM units WHERE id = $row", @whole);
}

# What the log was at some time, whatever came since; and whether it is as it was sealed.
ok(comes_true($subscriber, q{SELECT seal_lag = '0' AND sealed > 0 FROM twin.stat_audit}, db => 'whole'), 'it has a log of its own');
my ($last, $leaves) = split /\|/, sql($subscriber, 'SELECT max(event_id), (SELECT size FROM twin_internal.ledger_state) FROM twin_internal.event_rows', @whole);
my $log = "SELECT (SELECT md5(string_agg(e::text, ' ' ORDER BY event_id)) FROM twin_internal.event_rows e WHERE event_id <= $last),
	(SELECT md5(string_agg(s::text, ' ' ORDER BY first_leaf)) FROM twin_internal.sealed s WHERE first_leaf < $leaves),
	(SELECT count(DISTINCT origin) FROM twin_internal.event_rows), (SELECT count(*) FROM twin_internal.ledger_state), (SELECT count(*) FROM twin_internal.event_state),
	(SELECT ok FROM twin.verify_audit_log())";
my $log_was = sql($subscriber, $log, @whole);
like($log_was, qr/\|1\|1\|1\|t\z/, '... in which there is nothing of the publisher\'s');
my $key_of = 'SELECT twin.audit_public_key()';
my $its_key = sql($subscriber, $key_of, @whole);
like($its_key, qr/\S/, '... signed');
isnt((split /\+/, $its_key)[-1], (split /\+/, sql($publisher, $key_of))[-1], '... with a key of its own');
sql($publisher, q{SELECT twin.record_event('foreign')});
# (a month that is not there on the subscriber)
edit_log($publisher, q{SELECT twin_internal.add_event_partition('audit', '2024-02-01'); INSERT INTO twin_internal.events
	SELECT (r).* FROM (SELECT jsonb_populate_record(e, '{"recorded_at": "2024-02-02", "class": "audit"}') AS r FROM twin_internal.events_overflow e LIMIT 3) s});
edit_log($publisher, "UPDATE twin_internal.events_overflow SET event_type = 'foreign'; DELETE FROM twin_internal.sealed WHERE first_leaf < 3; UPDATE twin_internal.ledger_state SET heartbeat_at = heartbeat_at");
edit_log($publisher, 'TRUNCATE twin_internal.events, twin_internal.events_overflow, twin_internal.sealed, twin_internal.tiles, twin_internal.checkpoints');
is(goes_on(), '1', 'with rows, changes and TRUNCATE of the publisher\'s log the subscription goes on');
is(sql($subscriber, $log, @whole), $log_was, '... and the subscriber\'s is what it was');
my $failures = q{SELECT sum(apply_error_count + sync_error_count) FROM pg_stat_subscription_stats WHERE subname = 'whole'};
is(sql($subscriber, $failures, @whole), '0', '... no worker failed');
my $refresh = 'ALTER SUBSCRIPTION whole REFRESH PUBLICATION';
like((TwinTest::run_sql($subscriber, $refresh, @whole))[1], qr/NOTICE:.*the audit log's tables are left out of subscription "whole"/, 'whoever refreshes it is told');
is(sql($subscriber, $listed, @whole), '0|t', '... and they stay out');
unlike((TwinTest::run_sql($subscriber, 'ALTER SUBSCRIPTION whole RENAME TO other; ALTER SUBSCRIPTION other RENAME TO whole', @whole))[1], qr/left out/, 'other commands leave it alone');

# who switches that off is refused by the guard: rows, and TRUNCATE
foreach my $change ("SELECT twin.record_event('foreign')", undef)
{
	sql($subscriber, 'ALTER EVENT TRIGGER twin_security_leave_log_out DISABLE', @whole);
	sql($subscriber, "$refresh WITH (copy_data = false)", @whole);
	unlike(sql($subscriber, $listed, @whole), qr/^0/, 'a superuser has the log written to');
	my $from = -s $subscriber->logfile;
	$change ? sql($publisher, $change) : edit_log($publisher, 'TRUNCATE twin_internal.checkpoints');
	$subscriber->wait_for_log(qr/ERROR:  the audit log is not edited.*HINT:  ALTER SUBSCRIPTION \.\.\. REFRESH PUBLICATION/s, $from);
	sql($subscriber, 'ALTER EVENT TRIGGER twin_security_leave_log_out ENABLE ALWAYS', @whole);
	sql($subscriber, $refresh, @whole);
	is(goes_on(), '1', '... which is refused until the subscription is refreshed');
	is(sql($subscriber, $log, @whole), $log_was, '... and changes nothing');
}
sql($subscriber, 'ALTER EVENT TRIGGER twin_security_leave_log_out DISABLE', @whole);
my $from = -s $subscriber->logfile;
sql($subscriber, $refresh, @whole);
$subscriber->wait_for_log(qr/ERROR:  the audit log is not edited/, $from);
sql($subscriber, 'ALTER EVENT TRIGGER twin_security_leave_log_out ENABLE ALWAYS', @whole);
like((TwinTest::run_sql($subscriber, $refresh, @whole))[1], qr/WARNING:.*stays at copying tables of the audit log/, 'where copies began, whoever refreshes is told that they do not end');
sql($subscriber, 'DROP SUBSCRIPTION whole', @whole);
is(sql($subscriber, $log, @whole), $log_was, '... nothing was copied');
foreach my $change ('INSERT INTO twin_internal.events_overflow SELECT * FROM twin_internal.events_overflow', 'DELETE FROM twin_internal.sealed', 'TRUNCATE twin_internal.tiles')
{
	fails_with($subscriber, "SET session_replication_role = replica; $change", '42501', 'the audit log is not edited', "who pretends to be a worker is refused: $change", @whole);
}
$subscriber->stop;
$publisher->stop;
done_testing();

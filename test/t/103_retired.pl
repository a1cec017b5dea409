# Partitions of the audit log that are dropped: what stays provable of their events, and what a superuser cannot pass off as
# dropped by then.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $exports = "$ENV{TESTDIR}/exports_103";
mkdir $exports;
chmod 0755, $exports;
my $key = new_key();
my $node = new_node('retired', conf => "twin_security.checkpoint_interval = 1s\ntwin_security.heartbeat_interval = 1h\ntwin_security.export_directory = '$exports'\n");
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE auditor LOGIN IN ROLE twin_auditor;
	CREATE TABLE audited (id int PRIMARY KEY, t text);
	SELECT twin.audit_table('audited');
	CREATE TABLE seen (id int PRIMARY KEY);
	SELECT twin.audit_table('seen', reads => true)});

sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub settle { return events_sealed($node) }
sub verified { return sql($node, q{SELECT ok, coalesce(reason, '') FROM twin.verify_audit_log()}) }
sub month { my ($class) = @_; return sql($node, "SELECT 'events_$class' || to_char(now() AT TIME ZONE 'UTC', '_YYYY_MM')") }

# What a session in between adds is sealed and signed as well.
sub signed
{
	my $size = sql($node, 'SELECT size FROM twin_internal.ledger_state');
	return poll("SELECT max(size) >= $size FROM twin_internal.checkpoints");
}

my $months = q{UPDATE twin_internal.event_state SET created_at = created_at - interval '2 hours'; SELECT twin_internal.maintain_event_partitions() IS NULL};
edit_log($node, $months);
for my $n (1 .. 5)
{
	sql($node, "INSERT INTO audited SELECT i, 'x' FROM generate_series($n * 1000, $n * 1000 + 99) i; UPDATE audited SET t = 'y' WHERE id % 10 = $n");
	sql($node, "SELECT count(*) FROM seen") for 1 .. 3;
	sql($node, "SELECT twin.record_event('made_$n') FROM generate_series(1, 20)");
	ok(settle(), "round $n is sealed");
}
is(verified(), 't|', 'the log is whole');

# ---- a partition is detached, and dropped ----

# What a month that still grows has of unsealed rows goes back for it; retention comes years after that.
sub detach
{
	my ($class) = @_;
	my $part = 'twin_internal.' . month($class);
	my $bounds = sql($node, "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = '$part'::regclass");
	for (1 .. 20)
	{
		# what this session itself tells is sealed first
		edit_log($node, "SELECT pg_sleep(2.5); ALTER TABLE twin_internal.events_$class DETACH PARTITION $part");
		return $part if sql($node, "SELECT count(*) FROM $part e LEFT JOIN twin_internal.sealed s ON s.record_id = e.event_id WHERE s.record_id IS NULL") == 0;
		edit_log($node, "ALTER TABLE twin_internal.events_$class ATTACH PARTITION $part $bounds");
	}
	die "$part never rests";
}

# As retention does it: what is dropped is said in the same transaction.
sub retire
{
	my ($part) = @_;
	return edit_log($node, "SELECT twin_internal.retire_leaves('$part', twin_internal.leaf_set_of('$part'), (SELECT count(*) FROM $part), 'a.tsarc', sha256('a')); DROP TABLE $part");
}

fails_with($node, q{SELECT twin_internal.leaf_set_of('twin_internal.} . month('audit') . q{')}, '42501', '', 'sets are not for everybody', user => 'auditor');
fails_with($node, q{SELECT twin_internal.retire_leaves('a', '\\x', 0, NULL, NULL)}, '42501', '', 'nor is retiring', user => 'auditor');
ok(settle(), 'all is sealed');
my @access = split /\n/, sql($node, "SELECT event_id FROM twin_internal." . month('access') . ' ORDER BY 1');
cmp_ok(scalar @access, '>=', 10, 'there are reads in the log');
signed();
my $proof = sql($node, "SELECT to_json(p) FROM twin.inclusion_proof($access[3]) p");
my $access = detach('access');
is(verified(), 't|', 'a partition that is detached is of the log until it is dropped');
sql($node, "CREATE TABLE brought AS TABLE $access");
my $event = retire($access);
is(verified(), 't|', 'dropped: it holds at once');
ok(settle(), 'the event that says so is sealed');
is(verified(), 't|', 'and it holds then');
my $size = ($proof =~ /"tree_size":(\d+)/)[0];
is(sql($node, "SELECT to_json(p) FROM twin.inclusion_proof($access[3], $size) p"), $proof, 'the proof of an event that has gone is the same');
is(sql($node, "SELECT count(*) FROM twin.audit_leaves(0, 100000) WHERE event_id IN (" . join(',', @access) . ") AND leaf IS NULL"), scalar @access, 'its leaf has no bytes');
is(sql($node, q{SELECT event_type, resource, details - 'leaf_set_sha256' - 'archive_sha256' - 'first_leaf' - 'last_leaf', application_made FROM twin.audit_log WHERE event_type = 'partition_dropped'}),
	qq(partition_dropped|$access|{"rows": "${\scalar @access}", "leaves": "${\scalar @access}", "partition": "$access", "archive_file": "a.tsarc"}|f), 'the event says what went');

# ---- nothing stops at it ----

sub walked { return sql($node, q{SELECT count(*) = (SELECT count(*) FROM twin.audit_leaves(0, 1000000) WHERE leaf IS NOT NULL) AND count(*) > 0 FROM twin.siem_events('native', 0, 1000000)}) }
is(walked(), 't', 'SIEM events pass over what has gone');
is(sql($node, "SELECT count(*) > 0 FROM twin.siem_events('native', $access[0], 1000)"), 't', '... also after one of those');
is(sql($node, q{SELECT seal_lag < '10 seconds' FROM twin.stat_audit}), 't', 'no lag comes of it');
ok(poll(q{SELECT next_leaf > (SELECT max(last_leaf) FROM twin_internal.retired_leaves) FROM twin_internal.monitor_position}), 'rules have watched beyond');
sql($node, 'SELECT count(*) FROM seen');
ok(settle(), 'reads go on, and are sealed');
for my $between (q{now() - interval '1 minute', now()}, q{now() - interval '1 hour', now() - interval '1 second'}, q{NULL, now() - interval '2 seconds'}, q{now() - interval '5 seconds', NULL})
{
	is(sql($node, "SELECT ok, coalesce(reason, '') FROM twin.verify_audit_log($between)"), 't|', "a part of it holds: $between");
}

# ---- the partition that holds what the log is verified by ----

my $audit = detach('audit');
is(verified(), 't|', 'detached: epochs and all are still of the log');
my $second = retire($audit);
ok(settle(), 'and that is sealed');
is(verified(), 't|', 'dropped with the event of the epoch and that of the first drop');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'audit_epoch'}), '0', 'of which people see no more');
my $error = detach('error');
sql($node, "SELECT count(*) = 0 FROM $error") eq 't' or diag("$error is not empty");
retire($error);
ok(settle(), 'one without events goes, too');
is(verified(), 't|', '... and that holds');
restart_with($node, $key);
ok(settle(), 'after a start');
is(verified(), 't|', 'it holds');

# ---- exports ----

my ($program) = run_command([ 'pg_config', '--bindir' ]);
sub verify { my ($out, $err) = run_command([ "$program/twin_verify", @_ ]); return (($? >> 8) . "\n$out$err"); }
sub export { my ($name, $more) = @_; return sql($node, "SELECT twin.export_audit_log('$name'" . ($more // '') . ')', user => 'auditor') }
sub spew { my ($file, $text) = @_; open(my $handle, '>:raw', $file) or die "$file: $!"; print $handle $text; close $handle; return $file; }
my $public = spew("$exports/log.key", sql($node, 'SELECT twin.audit_public_key()'));
signed();
export('whole');
my $verified = verify("$exports/whole", '--key', $public);
like($verified, qr/^0\nholds: /, 'an export after it holds');
like($verified, qr/^retired: ${\scalar @access} leaves of partition \Q$access\E, dropped by event $event \(.*\): proven to have been sealed/m, '... and says what has gone');
like($verified, qr/^retired: \d+ leaves of partition \Q$audit\E, dropped by event $second /m, '... of both');
like(verify("$exports/whole", '--key', $public, '--json'), qr/"retired": \[\s+\{\s+"partition": "\Q$audit\E"|"partition": "\Q$access\E"/, '... in JSON, too');
my $middle = sql($node, 'SELECT min(first_leaf) + 3 FROM twin_internal.retired_leaves');
export('part', ", $middle, " . ($middle + 5));
$verified = verify("$exports/part", '--key', $public);
like($verified, qr/^0\nholds: /, 'a part whose events went by one that comes later holds');
like($verified, qr/^retired: \d+ leaves/m, '... by what proves that one');
my $other = spew("$exports/other.key", 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
like(verify("$exports/part", '--key', $other), qr/^1\n/, '... by no other key');

# ---- what a superuser passes off as dropped ----

sub tamper
{
	my ($what, $edit, $expected) = @_;
	my $found = sql($node, "BEGIN; DO 'BEGIN PERFORM twin_internal.open_log(); END'; $edit; SELECT reason FROM twin.verify_audit_log() WHERE NOT ok; ROLLBACK");
	like($found, qr/^$expected$/, $what);
	return;
}
sql($node, q{SELECT twin.record_event('victim', details => '{"n": 1}')});
ok(settle(), 'an event that somebody would rather not have');
my $victim = sql($node, q{SELECT event_id FROM twin.audit_log WHERE event_type = 'victim'});
my $gone = "DELETE FROM twin_internal.events WHERE event_id = $victim; DELETE FROM ONLY twin_internal.events_overflow WHERE event_id = $victim";
my $leaf = sql($node, "SELECT first_leaf FROM twin_internal.sealed WHERE record_id = $victim");
my $set = '01' . sprintf('%016x', $leaf) x 2 . sprintf('%016x', 1) . '0001';
my $deleted = 'the event was deleted';
my $not_said = 'what is said to be of a dropped partition is not what an event of the log says';
tamper('deleted', $gone, $deleted);
tamper('deleted, and a set made up for an event that says something else', qq{$gone; INSERT INTO twin_internal.retired_leaves SELECT event_id + 1, partition_name, $leaf, $leaf, 1, '\\x$set', NULL, NULL, now() FROM twin_internal.retired_leaves WHERE event_id = $event}, $deleted);
tamper('... that is the one of a drop', qq{$gone; UPDATE twin_internal.retired_leaves SET leaf_set = '\\x$set', first_leaf = $leaf, last_leaf = $leaf, leaves = 1 WHERE event_id = $second}, $deleted);
tamper('a set that nothing speaks of', qq{INSERT INTO twin_internal.retired_leaves SELECT 1, partition_name, $leaf, $leaf, 1, '\\x$set', NULL, NULL, now() FROM twin_internal.retired_leaves WHERE event_id = $event}, $not_said);
tamper('another archive', "UPDATE twin_internal.retired_leaves SET archive_file = 'b.tsarc' WHERE event_id = $event", $deleted);
tamper('another digest of it', "UPDATE twin_internal.retired_leaves SET archive_sha256 = sha256('b') WHERE event_id = $event", $deleted);
tamper('no archive', "UPDATE twin_internal.retired_leaves SET archive_file = NULL, archive_sha256 = NULL WHERE event_id = $event", $deleted);
tamper('another partition', "UPDATE twin_internal.retired_leaves SET partition_name = 'a' WHERE event_id = $event", $deleted);
tamper('bytes that are no set', "UPDATE twin_internal.retired_leaves SET leaf_set = set_byte(leaf_set, 25, 7) WHERE event_id = $event", $deleted);
tamper('a set cut short', "UPDATE twin_internal.retired_leaves SET leaf_set = substr(leaf_set, 1, 20) WHERE event_id = $event", $deleted);
tamper('a set that is gone', "DELETE FROM twin_internal.retired_leaves WHERE event_id = $event", $deleted);
tamper('all are gone', 'DELETE FROM twin_internal.retired_leaves', $deleted);
tamper('the events that tell of them are gone', "DELETE FROM twin_internal.kept_events; DELETE FROM twin_internal.events WHERE event_id = $second; DELETE FROM ONLY twin_internal.events_overflow WHERE event_id = $second", $deleted);
# the copies are there for what was dropped, and for nothing else
tamper('an event deleted of which there is a copy', "DELETE FROM twin_internal.events WHERE event_id = $second; DELETE FROM ONLY twin_internal.events_overflow WHERE event_id = $second", $deleted);
tamper('a copy changed', "UPDATE twin_internal.kept_events SET details = jsonb_set(details, '{archive_file}', '\"b.tsarc\"') WHERE event_id = $event; UPDATE twin_internal.retired_leaves SET archive_file = 'b.tsarc' WHERE event_id = $event", '(the event was deleted|the event, or its leaf, is not what was sealed|the event was changed)');
tamper('a dropped leaf changed in the tree', "UPDATE twin_internal.tiles SET hashes = set_byte(hashes, $middle % 256 * 32, get_byte(hashes, $middle % 256 * 32) # 1) WHERE level = 0 AND tile = $middle / 256", '(a node of the tree above the event was changed|the tree is not the one that a checkpoint signed|nodes of the tree are missing|the event.*)');
tamper("a dropped row's place taken away", "DELETE FROM twin_internal.sealed WHERE first_leaf = $middle", qr/leaf $middle belongs to no event any more|the event's place in the tree was taken away/);
is(verified(), 't|', 'and without that it is whole');
# events that somebody brings back
my $back = 'INSERT INTO twin_internal.events_overflow SELECT * FROM brought';
tamper('events brought back as they were', $back, '');
tamper('... and one of them changed', "UPDATE brought SET username = 'mallory' WHERE event_id = $access[3]; $back", 'the event was changed');
tamper('... and one of them twice', "$back; $back WHERE event_id = $access[3]", 'there are two events with this id');

# an application that calls its event so
my $details = sql($node, "SELECT jsonb_build_object('rows', '1', 'partition', 'x', 'first_leaf', '$leaf', 'last_leaf', '$leaf', 'leaves', '1', 'leaf_set_sha256', encode(sha256('\\x$set'), 'hex'))");
my $claimed = sql($node, "SELECT twin.record_event('partition_dropped', details => '$details')");
ok(settle(), 'an application says that something was dropped');
is(verified(), 't|', 'which is no fault');
my $made_up = "INSERT INTO twin_internal.retired_leaves VALUES ($claimed, 'x', $leaf, $leaf, 1, '\\x$set', NULL, NULL, now())";
tamper('and deletes it', "$gone; $made_up", $deleted);
# what somebody says in the log's own name after all names him
like(sql($node, "BEGIN; SELECT twin_internal.retire_leaves('x', '\\x$set', 1, NULL, NULL); SELECT session_user_name, event_type FROM twin.audit_log WHERE event_id = (SELECT max(event_id) FROM twin_internal.retired_leaves); ROLLBACK"),
	qr/^\d+\n\w+\|partition_dropped$/, 'who retires leaves himself is named');
fails_with($node, qq{BEGIN; SELECT twin_internal.retire_leaves('x', '\\x$set', 1, NULL, NULL); DELETE FROM twin_internal.kept_events}, '42501', 'the audit log is not edited', '... and has opened nothing');
fails_with($node, qq{SELECT twin_internal.retire_leaves('x', '\\x00', 1, NULL, NULL)}, '22P03', 'this is no set of leaves', 'only sets are');
my $beyond = '01' . sprintf('%016x', 1 << 40) x 2 . sprintf('%016x', 1) . '0001';
fails_with($node, qq{SELECT twin_internal.retire_leaves('x', '\\x$beyond', 1, NULL, NULL)}, '22023', 'is not in the audit log', '... of leaves that are there');
fails_with($node, q{BEGIN; INSERT INTO audited VALUES (99); SELECT twin_internal.leaf_set_of(w.t) FROM (SELECT tableoid AS t FROM twin_internal.events
	WHERE writer_xid = pg_current_xact_id() UNION ALL SELECT tableoid FROM ONLY twin_internal.events_overflow WHERE writer_xid = pg_current_xact_id()) w}, '55000', 'not sealed yet', 'and of rows that are sealed');
fails_with($node, 'DELETE FROM twin_internal.retired_leaves', '42501', 'the audit log is not edited', 'nobody edits what is said of them');
fails_with($node, 'DELETE FROM twin_internal.kept_events', '42501', 'the audit log is not edited', '... nor the copies');

# ---- it travels with a dump ----

my $dump = "$ENV{TESTDIR}/retired.sql";
$node->command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ], 'a dump');
sql($node, 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-q', '-h', $node->host, '-p', $node->port, '-d', 'restored', '-f', $dump ], 'is restored');
ok(events_sealed($node, db => 'restored'), 'and goes on');
is(sql($node, q{SELECT ok, coalesce(reason, '') FROM twin.verify_audit_log()}, db => 'restored'), 't|', 'what was dropped before is verified there');
is(sql($node, "SELECT count(*) FROM twin_internal.retired_leaves", db => 'restored'), '3', 'by what came with it');
$node->stop;
done_testing();

# Partitions of the audit log that are dropped: what stays provable of their events, and what a superuser cannot pass off as
# dropped by then.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $exports = "$ENV{TESTDIR}/exports";
mkdir $exports;
chmod 0755, $exports;
my $key = new_key();
my $node = new_node('retired', conf => "twin_security.checkpoint_interval = 1s\ntwin_security.heartbeat_interval = 1s\ntwin_security.export_directory = '$exports'\n");
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE auditor LOGIN IN ROLE twin_auditor;
	CREATE TABLE audited (id int PRIMARY KEY, t text);
	SELECT twin.audit_table('audited');
	CREATE TABLE seen (id int PRIMARY KEY);
	SELECT twin.audit_table('seen', reads => true)});

sub poll { my ($query) = @_; return $node->poll_query_until('postgres', $query) }
sub settle { return poll(q{SELECT ring_fill = 0 AND emitted = written + dropped AND seal_lag = '0' FROM twin.stat_audit}) }
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

sub detach { my ($class) = @_; my $part = month($class); edit_log($node, "ALTER TABLE twin_internal.events_$class DETACH PARTITION twin_internal.$part"); return "twin_internal.$part" }

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
my $event = retire($access);
is(verified(), 't|', 'dropped: it holds at once');
ok(settle(), 'the event that says so is sealed');
is(verified(), 't|', 'and it holds then');
my $size = ($proof =~ /"tree_size":(\d+)/)[0];
is(sql($node, "SELECT to_json(p) FROM twin.inclusion_proof($access[3], $size) p"), $proof, 'the proof of an event that has gone is the same');
is(sql($node, "SELECT count(*) FROM twin.audit_leaves(0, 100000) WHERE event_id IN (" . join(',', @access) . ") AND leaf IS NULL"), scalar @access, 'its leaf has no bytes');
is(sql($node, q{SELECT event_type, resource, details - 'leaf_set_sha256' - 'archive_sha256' - 'first_leaf' - 'last_leaf', application_made FROM twin.audit_log WHERE event_type = 'partition_dropped'}),
	qq(partition_dropped|$access|{"rows": "${\scalar @access}", "leaves": "${\scalar @access}", "partition": "$access", "archive_file": "a.tsarc"}|f), 'the event says what went');
done_testing();

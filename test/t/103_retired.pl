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

ok(poll(q{SELECT count(*) = 6 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relname ~ '_\d{4}_\d{2}$'}), 'the months are there');
for my $n (1 .. 5)
{
	sql($node, "INSERT INTO audited SELECT i, 'x' FROM generate_series($n * 1000, $n * 1000 + 99) i; UPDATE audited SET t = 'y' WHERE id % 10 = $n");
	sql($node, "SELECT count(*) FROM seen") for 1 .. 3;
	sql($node, "SELECT twin.record_event('made_$n') FROM generate_series(1, 20)");
	ok(settle(), "round $n is sealed");
}
is(verified(), 't|', 'the log is whole');

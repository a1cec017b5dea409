# What an administrator set for a database or the server stands in the way of neither the extension nor its events.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('settings', conf => "max_prepared_transactions = 2\ntwin_security.audit_enabled = off\n");
start_with($node, new_key());
sub settle { return events_written($node, db => $_[0]) }

my %settings = (
	quotes => [ standard_conforming_strings => 'off' ],
	jakarta => [ datestyle => 'SQL, DMY', timezone => 'Asia/Jakarta' ],
	kolkata => [ datestyle => 'German, DMY', timezone => 'Asia/Kolkata' ],
	strict => [ exit_on_error => 'on', default_transaction_isolation => 'serializable', default_transaction_read_only => 'on', default_transaction_deferrable => 'on', row_security => 'off',
		session_replication_role => 'replica', enable_seqscan => 'off' ]);
foreach my $db (sort keys %settings)
{
	my @pairs = @{ $settings{$db} };
	sql($node, "CREATE DATABASE $db");
	sql($node, 'CREATE EXTENSION twin_security', db => $db) if $db eq 'strict';
	while (my ($name, $value) = splice @pairs, 0, 2) { sql($node, "ALTER DATABASE $db SET $name = '$value'"); }
	sql($node, 'CREATE EXTENSION twin_security', db => $db) unless $db eq 'strict';
	my $off = 'SET default_transaction_read_only = off; SET session_replication_role = origin; SET default_transaction_isolation = \'read committed\'';
	sql($node, "$off; BEGIN; SELECT twin_internal.open_log(); UPDATE twin_internal.event_state SET created_at = now() - interval '2 hours'; SELECT twin_internal.start_event_writer(); COMMIT", db => $db);
	sql($node, "$off; SELECT twin.record_event('x')", db => $db);
	ok(settle($db), "$db: an event is written");
	sql($node, "$off; SELECT twin.record_event('y')", db => $db);
	settle($db);
	# tried again later where somebody was in the way
	$node->poll_query_until($db, 'SELECT count(*) = 0 FROM twin_internal.events_overflow');
	is(sql($node, qq{$off; SET TimeZone = 'UTC'; SET datestyle = 'ISO, YMD'; SELECT string_agg(c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid), E'\\n' ORDER BY 1) = string_agg(
		format(E'events_audit_%s FOR VALUES FROM (''%s+00'') TO (''%s+00'')', to_char(m, 'YYYY_MM'), m, m + interval '1 month'), E'\\n' ORDER BY 1)
		FROM generate_series(date_trunc('month', now() AT TIME ZONE 'UTC'), date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month', '1 month') m
		FULL JOIN pg_class c ON c.relname = 'events_audit_' || to_char(m, 'YYYY_MM')
		WHERE c.relname IS NULL OR c.relname ~ '^events_audit_[0-9_]+\$' AND c.relkind = 'r'}, db => $db), 't', "$db: this month and the next have their partitions, from midnight to midnight in UTC");
	is(sql($node, "$off; SELECT count(*) FROM twin_internal.events_overflow", db => $db), '0', "$db: and nothing is left aside");
}
sql($node, "SELECT twin.create_tenant('plant'); SELECT twin.create_user('ada', 'mauve Heron 51 quarry')", db => 'quotes');
is(sql($node, 'SELECT username FROM twin.users', db => 'quotes'), 'ada', 'names are checked the same way whatever a backslash means');

# a long transaction that makes the extension and then makes events
sql($node, 'CREATE DATABASE slow');
my $maker = $node->background_psql('slow');
$maker->query_safe("BEGIN; CREATE EXTENSION twin_security; SELECT twin.record_event('early')");
my $began = time;

# the server's settings are the launcher's
sql($node, "ALTER SYSTEM SET default_transaction_isolation = 'serializable'");
sql($node, "ALTER SYSTEM SET default_transaction_read_only = on");
sql($node, "ALTER SYSTEM SET default_transaction_deferrable = on; ");
sql($node, 'SELECT pg_reload_conf()');
local $ENV{PGOPTIONS} = '-c default_transaction_isolation=read\ committed -c default_transaction_read_only=off -c default_transaction_deferrable=off';
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE; SELECT 1; CREATE TABLE held ()');
sql($node, 'CREATE DATABASE late');
sql($node, 'CREATE EXTENSION twin_security', db => 'late');
sql($node, "SELECT twin.record_event('x')", db => 'late');
ok(settle('late'), 'a writer is started beside a serializable transaction');
$holder->query_safe('ROLLBACK');
$holder->quit;
sql($node, "ALTER SYSTEM RESET ALL");
sql($node, 'SELECT pg_reload_conf()');

sleep 1 while time < $began + 13;	# events of a database without the extension are kept for ten seconds
$maker->query_safe('COMMIT');
$maker->quit;
ok(settle('slow'), 'events wait for a CREATE EXTENSION that takes its time');
is(sql($node, q{SELECT (SELECT count(*) FROM twin.audit_log WHERE event_type = 'early'), (SELECT dropped FROM twin.stat_audit)}, db => 'slow'), '1|0', '... and none is dropped');

# two phases
sql($node, q{BEGIN; SELECT twin.create_tenant('ghost'); PREPARE TRANSACTION 'ghost'; ROLLBACK PREPARED 'ghost'}, db => 'quotes');
settle('quotes');
is(sql($node, q{SELECT outcome, details ->> 'prepared', xid IS NOT NULL FROM twin.audit_log WHERE resource = 'ghost'}, db => 'quotes'), 'success|true|t', 'what was prepared says that it was only that');
$node->stop;
done_testing();

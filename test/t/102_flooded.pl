# Who floods the log with denials keeps nothing out of it that those in charge do or try.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('flooded', conf => "twin_security.event_ring_size = 64kB\n");
start_with($node, new_key());
sql($node, q{CREATE EXTENSION twin_security; CREATE ROLE low LOGIN; CREATE TABLE closed (id int)});
sub settle { return events_sealed($node) }

sql($node, 'CREATE ROLE maker LOGIN CREATEROLE');
ok(settle(), 'nothing waits');
my $counts = 'SELECT dropped FROM twin_internal.stat_audit()';
my $owner = $node->background_psql('postgres', on_error_stop => 0);
my $maker = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'maker' ]);
my $nobody = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'low' ]);
my $locker = $node->background_psql('postgres');
ok(settle(), 'all have come in');
my $begun_at = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
ok(settle(), '... and are written');
lock_log($locker, 'events_overflow', 'ACCESS EXCLUSIVE');
my $dropped = $locker->query_safe($counts);
my $flood = q{DO $$ BEGIN FOR i IN 1..2000 LOOP BEGIN PERFORM * FROM closed; EXCEPTION WHEN insufficient_privilege THEN NULL; END; END LOOP; END $$};
$nobody->query($flood);
my $full = $locker->query_safe($counts);
cmp_ok($full, '>', $dropped, 'denials fill what anybody may have');
$owner->query($_)
  for 'SET session_replication_role = replica', 'RESET session_replication_role', 'DROP ROLE nobody_of_this_name',
  'GRANT SELECT ON closed TO nobody_of_this_name';
$maker->query('CREATE ROLE low');
is($locker->query_safe($counts), $full, 'of what those in charge do and try nothing is dropped');
$nobody->query('CREATE ROLE low');
cmp_ok($locker->query_safe($counts), '>', $full, '... while what he tries is');
$locker->quit;
$_->quit for $owner, $maker, $nobody;
ok(settle(), 'the log goes on');
my $kept = sql($node, qq{SELECT string_agg(event_type || ' ' || coalesce(action, '') || ' ' || coalesce(resource, '') || ' ' || outcome, E'\n' ORDER BY event_id)
	FROM twin.audit_log WHERE event_id > $begun_at AND event_type NOT IN ('permission_denied', 'login_success', 'heartbeat', 'alert_raised') AND session_user_name IN ('maker', (SELECT rolname FROM pg_roles WHERE oid = 10))});
is_deeply([ grep { !/^(audit|events_dropped)/ } split /\n/, $kept ], [ ('configuration_change SET session_replication_role success') x 2,
	map { ("$_ unknown", "$_ failure") } 'user_deleted DROP ROLE nobody_of_this_name', 'grant GRANT closed', 'user_created CREATE ROLE low' ],
	'every deed and every failure is in it, and what was told before the deed');

# who records in a loop waits for the writer, as long as it makes way
$dropped = sql($node, $counts);
is(sql($node, q{SELECT count(twin.record_event('counted')) FROM generate_series(1, 10000)}), 10000, 'one statement records more than the ring holds');
ok(settle(), '... and all of it is written');
is(sql($node, q{SELECT count(*), count(DISTINCT event_id) FROM twin.audit_log WHERE event_type = 'counted'}), '10000|10000', '... each once');
is(sql($node, $counts), $dropped, '... and nothing was dropped');
$locker = $node->background_psql('postgres');
lock_log($locker, 'events_overflow', 'ACCESS EXCLUSIVE');
fails_with($node, q{SELECT count(twin.record_event('counted')) FROM generate_series(1, 10000)}, '53000', 'could not be recorded', 'where the writer does not come forward, who records is told');
fails_with($node, q{SET statement_timeout = '100ms'; SELECT count(twin.record_event('counted')) FROM generate_series(1, 10000)}, '57014', 'timeout', '... and may stop waiting');
$locker->quit;
ok(settle(), 'the log goes on');
$node->stop;
done_testing();

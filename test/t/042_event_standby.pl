# Security events on a standby: nothing can be written there, so they wait in the ring and are written after promotion;
# what finds no room is dropped and counted. Events of the primary arrive as rows.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep);

my $key = new_key();
my $primary = new_node('primary', allows_streaming => 1, conf => "twin_security.event_ring_size = 64kB\n");
start_with($primary, $key);
sql($primary, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE app LOGIN;
	CREATE TABLE secret (v twin.encrypted_text(main));
	INSERT INTO secret VALUES ('x');
	GRANT ALL ON secret TO app;
	SELECT twin.record_event('on_primary')});
sub recorded { return "FROM twin.audit_log WHERE event_type IN ('on_primary', 'replicated')" }
$primary->poll_query_until('postgres', 'SELECT count(*) = 1 ' . recorded()) or die;
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
start_with($standby, $key);

sql($primary, "SELECT twin.record_event('replicated')");
$primary->poll_query_until('postgres', 'SELECT count(*) = 2 ' . recorded()) or die;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is(sql($standby, 'SELECT string_agg(event_type, $$ $$ ORDER BY event_id) ' . recorded()), 'on_primary replicated', "the primary's events can be read");
fails_with($standby, "SELECT twin.record_event('x')", '25006', 'nextval', 'an application cannot record on a standby');

# In sessions that are there already, for each that comes is an event.
my $watcher = $standby->background_psql('postgres', on_error_stop => 0);
my @apps = map { $standby->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]) } 1 .. 3;
my $before = $watcher->query_safe('SELECT emitted FROM twin.stat_audit');
is($watcher->query_safe('SELECT emitted, written, dropped, ring_fill > 0 FROM twin.stat_audit'), "$before|0|0|t", 'who came in waits in memory');
cmp_ok($before, '>=', 4, '... each of them');
session_fails($apps[0], 'SELECT v::text FROM secret;', '42501', 'a refusal on the standby');
sleep 1.5;
is($watcher->query_safe("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'twin_security event%'"), '0', 'starts no worker');
is($watcher->query_safe("SELECT emitted - $before, written, dropped FROM twin.stat_audit"), '1|0|0', 'waits as well');

# refusals may have three quarters of the 64 places, or what others left of them
my $kept = 48 - $before;
my $many = q{DO $$ BEGIN FOR i IN 1..30 LOOP BEGIN PERFORM v::text FROM secret; EXCEPTION WHEN insufficient_privilege THEN NULL; END; END LOOP; END $$};
$_->query_safe($many) foreach @apps[ 1, 2 ];
is($watcher->query_safe("SELECT emitted - $before, written, dropped, ring_fill FROM twin.stat_audit"), '61|0|' . (61 - $kept) . '|0.75',
	'what refusals may have of the ring is full, and what is dropped is counted');

$primary->stop;
$standby->promote;
$watcher->query_safe(q{DO $$ BEGIN FOR i IN 1..900 LOOP
	EXIT WHEN EXISTS (SELECT FROM twin.audit_log WHERE event_type = 'events_dropped') AND (SELECT ring_fill = 0 FROM twin.stat_audit); PERFORM pg_sleep(0.1); END LOOP; END $$});
is($watcher->query_safe("SELECT count(*) FROM twin.audit_log WHERE event_type = 'permission_denied'"), $kept, 'after promotion they are written');
is($watcher->query_safe(q{SELECT string_agg(details::text, ' ') FROM twin.audit_log WHERE event_type = 'events_dropped'}), '{"dropped": "' . (61 - $kept) . '"}', 'and how many were dropped');
$_->quit foreach $watcher, @apps;
is(sql($standby, "SELECT count(DISTINCT event_id) = count(*), bool_and(event_time <= recorded_at) FROM twin.audit_log"), 't|t',
	'under ids of their own, with the time when they happened');
sql($standby, "SELECT twin.record_event('promoted')");
ok($standby->poll_query_until('postgres', "SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'promoted'"), 'and it records like any primary');
$standby->stop;
done_testing();

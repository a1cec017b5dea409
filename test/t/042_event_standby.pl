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
$primary->poll_query_until('postgres', 'SELECT count(*) = 1 FROM twin.audit_log') or die;
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
start_with($standby, $key);

my $refused = 'SELECT v::text FROM secret';
sub refuse { fails_with($standby, $refused, '42501', 'permission denied to decrypt', $_[0], user => 'app'); return }

sql($primary, "SELECT twin.record_event('replicated')");
$primary->poll_query_until('postgres', 'SELECT count(*) = 2 FROM twin.audit_log') or die;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is(sql($standby, 'SELECT string_agg(event_type, $$ $$ ORDER BY event_id) FROM twin.audit_log'), 'on_primary replicated', "the primary's events can be read");
fails_with($standby, "SELECT twin.record_event('x')", '25006', 'nextval', 'an application cannot record on a standby');
refuse('a refusal on the standby');
sleep 1.5;
is(sql($standby, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'twin%'"), '0', 'starts no worker');
is(sql($standby, 'SELECT emitted, written, dropped, ring_fill > 0 FROM twin.stat_audit'), '1|0|0|t', 'waits in memory');

my $many = q{DO $$ BEGIN FOR i IN 1..30 LOOP BEGIN PERFORM v::text FROM secret; EXCEPTION WHEN insufficient_privilege THEN NULL; END; END LOOP; END $$};
sql($standby, $many, user => 'app') for 1 .. 2;
is(sql($standby, 'SELECT emitted, written, dropped, ring_fill FROM twin.stat_audit'), '61|0|13|0.75', 'what refusals may have of the ring is full, and what is dropped is counted');

$primary->stop;
$standby->promote;
ok($standby->poll_query_until('postgres', "SELECT count(*) = 48 FROM twin.audit_log WHERE event_type = 'permission_denied'"), 'after promotion they are written');
ok($standby->poll_query_until('postgres', q{SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'events_dropped' AND details = '{"dropped": "13"}'}),
	'and how many were dropped');
is(sql($standby, "SELECT count(DISTINCT event_id) = count(*), bool_and(event_time <= recorded_at) FROM twin.audit_log"), 't|t',
	'under ids of their own, with the time when they happened');
sql($standby, "SELECT twin.record_event('promoted')");
ok($standby->poll_query_until('postgres', "SELECT count(*) = 1 FROM twin.audit_log WHERE event_type = 'promoted'"), 'and it records like any primary');
$standby->stop;
done_testing();

# What is usual for whom is learned from the log: weeks as always raise nothing, what is unlike them is told with its reasons, once; and an analyst's word counts.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('unusual');
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE boss LOGIN IN ROLE twin_admin;
	CREATE ROLE auditor LOGIN IN ROLE twin_auditor});

# Waits until everything that was recorded so far has been watched.
sub watched
{
	events_written($node) or return 0;
	my $id = sql($node, q{SELECT twin.record_event('marker')});
	return $node->poll_query_until('postgres', qq{SELECT EXISTS (SELECT FROM twin_internal.sealed s, twin_internal.monitor_position p
		WHERE s.record_id = $id AND s.first_leaf < p.next_leaf)});
}

# An hour of somebody's work: reads and decryptions, from an address.
sub work
{
	my ($user, $time, $address, $rows, $values) = @_;
	return qq{SELECT twin.record_event('app_read', resource => 'api.units', username => '$user', client_address => '$address', event_time => $time, details => '{"rows": $rows}'),
		twin.record_event('app_decrypt', resource => 'main', username => '$user', client_address => '$address', event_time => $time, details => '{"values": $values}');};
}
my $alerts = q{SELECT count(*) FROM twin.alerts WHERE rule_name = 'unusual_access_patterns'};
sub alerts_about { my ($user) = @_; return sql($node, qq{$alerts AND subject = '$user'}) }

# ---- six weeks of ten people ----

sql($node, q{
	SELECT count(twin.record_event(what, resource => CASE what WHEN 'app_read' THEN 'api.units' ELSE 'main' END, username => 'user' || u, client_address => ('10.1.0.' || u)::inet,
		event_time => t, details => jsonb_build_object(CASE what WHEN 'app_read' THEN 'rows' ELSE 'values' END, CASE what WHEN 'app_read' THEN 20 + (u * 7 + extract(hour FROM t) * 3)::int % 30 ELSE 5 + u % 4 END)))
	FROM generate_series('2026-01-05 09:00+00'::timestamptz, '2026-02-15 16:00+00', '1 hour') t, generate_series(1, 10) u, unnest('{app_read,app_decrypt}'::text[]) what
	WHERE extract(isodow FROM t) < 6 AND extract(hour FROM t AT TIME ZONE 'UTC') BETWEEN 9 AND 16});
ok(watched(), 'six weeks of ten people are watched');
is(sql($node, $alerts), 0, '... and raise nothing');
is(sql($node, q{SELECT count(*), min(windows), max(windows), bool_and(last_score < 5) FROM twin.access_profiles WHERE username LIKE 'user%' AND NOT is_role}), '10|239|239|t',
	'a profile of each, of whole hours');

# ---- something unlike that ----

sql($node, work('user1', q{'2026-02-16 10:30+00'}, '10.1.0.1', 30, 7));
ok(watched() && sql($node, $alerts) == 0, 'an hour as always');
sql($node, work($_, q{'2026-02-16 02:30+00'}, '10.1.0.2', 30, 4000)) foreach qw(user2 user3);
ok(watched(), 'mass decryption at night');
is(sql($node, q{SELECT severity, count, cardinality(event_ids), details->>'subject_is', details->>'values_decrypted', is_false FROM twin.alerts WHERE subject = 'user2'}),
	'high|2|2|user|4000|f', '... is told');
my $because = sql($node, q{SELECT details->>'because' FROM twin.alerts WHERE subject = 'user2'});
like($because, qr/4000 values decrypted in this hour, where about \d are usual/, '... with how much was decrypted');
like($because, qr/active on Monday at 02:00 UTC, which is rare/, '... and at what time');
ok(sql($node, q{SELECT (details->'features'->>'values_decrypted')::float > 5 AND (details->'features'->>'network')::float < 1 FROM twin.alerts WHERE subject = 'user2'}) eq 't',
	'... and what each feature was');
sql($node, work('user2', q{'2026-02-16 03:30+00'}, '10.1.0.2', 30, 4000));
ok(watched() && alerts_about('user2') == 1, 'nothing more before the cooldown is over');
is(sql($node, q{SELECT (SELECT event_ids FROM twin.alerts WHERE subject = 'user3') = array_agg(event_id ORDER BY event_id) FROM twin.audit_log WHERE username = 'user3' AND event_time = '2026-02-16 02:30+00'}),
	't', 'an alert names its events');

# ---- what others do in somebody's name ----

sql($node, q{SELECT twin.record_event('login_failure', outcome => 'failure', username => 'nobody' || i, client_address => '203.0.113.9', event_time => '2026-02-16 10:00+00') FROM generate_series(1, 20) i});
ok(watched() && sql($node, q{SELECT count(*) FROM twin.access_profiles WHERE username LIKE 'nobody%'}) == 0, 'failed logins make no profile');
sql($node, q{SELECT twin.record_event('login_failure', outcome => 'failure', username => 'user4', client_address => '203.0.113.9', event_time => '2026-02-16 10:00+00')});
sql($node, work('user4', q{'2026-02-16 11:30+00'}, '203.0.113.9', 20000, 7));
ok(watched() && alerts_about('user4') == 1, '... and no network known: an account used from there is told');
like(sql($node, q{SELECT details->>'because' FROM twin.alerts WHERE subject = 'user4'}), qr/a network that is new to the user/, '... as what it is');
sql($node, work('user5', q{now() + interval '1000 years'}, '10.1.0.5', 30, 6));
ok(watched() && sql($node, q{SELECT last_active <= now() FROM twin.access_profiles WHERE username = 'user5'}) eq 't', 'nobody is active in the future');

# ---- what the database itself says ----

sql($node, q{
	CREATE TABLE units (id int, v text);
	INSERT INTO units SELECT i, 'unit' FROM generate_series(1, 60000) i;
	SELECT twin.audit_table('units', reads => true);
	CREATE ROLE reader LOGIN IN ROLE twin_viewer;
	GRANT SELECT ON units TO reader});
sql($node, q{SELECT count(twin.record_event('app_read', resource => 'units', event_time => now() - d * interval '1 day', details => '{"rows": 20}')) FROM generate_series(60, 1, -1) d}, user => 'reader');
sql($node, q{SELECT count(v) FROM units}, user => 'reader');
ok(watched(), 'a table is read');
is(sql($node, q{SELECT details->>'subject_is', details->>'rows_read' FROM twin.alerts WHERE subject = 'reader'}), 'role|60000', '... by a role, more of it than ever');

sql($node, q{SELECT twin.create_user('made', 'correct horse battery staple 9')});
ok(watched() && sql($node, q{SELECT count(*) FROM twin.access_profiles WHERE username = 'made'}) == 0, 'what is done to a user is not what he does');

# ---- restart ----

restart_with($node, $key);
my $known = sql($node, q{SELECT windows FROM twin.access_profiles WHERE username = 'user6'});
sql($node, work('user6', q{'2026-02-16 02:30+00'}, '10.1.0.6', 30, 2000));
ok(watched() && alerts_about('user6') == 1, 'after a restart it is still known what is usual');
is(sql($node, q{SELECT windows FROM twin.access_profiles WHERE username = 'user6'}), $known + 1, '... from the same hours, and the one that was open');

sql($node, work('user9', q{'2026-02-16 10:30+00'}, '10.1.0.9', 30, 6));
ok(watched(), 'an hour is open');
$node->stop('immediate');
start_with($node, $key);
sql($node, work('user9', q{'2026-02-16 10:40+00'}, '198.51.100.9', 30, 4000));
ok(watched() && alerts_about('user9') == 1, '... and after a crash it still is');
is(sql($node, q{SELECT count, cardinality(event_ids), details->>'values_decrypted' FROM twin.alerts WHERE subject = 'user9'}), '4|4|4006', '... with every event once');

# ---- an analyst's word ----

my $alert = sql($node, q{SELECT alert_id FROM twin.alerts WHERE subject = 'user2'});
sql($node, "SELECT twin.mark_alert_false($alert)", user => 'boss');
is(sql($node, "SELECT is_false FROM twin.alerts WHERE alert_id = $alert"), 't', 'an alert is marked as false');
sql($node, "SELECT twin.mark_alert_false($alert)", user => 'boss');
events_written($node);
is(sql($node, qq{SELECT count(*), min(details->>'subject') FROM twin.audit_log WHERE event_type = 'alert_marked_false' AND session_user_name = 'boss'}), '1|user2', '... which is an event, once');
sql($node, work($_, q{'2026-02-17 04:30+00'}, '10.1.0.2', 30, 4000)) foreach qw(user2 user3);
ok(watched(), 'the same a day later');
is(alerts_about('user2'), 1, '... raises nothing where it was marked');
is(alerts_about('user3'), 2, '... and does where it was not');
sql($node, work('user2', q{'2026-02-18 10:30+00'}, '198.51.100.7', 20000, 7));
ok(watched() && alerts_about('user2') == 2, '... and something else does all the same');

# ---- refusals ----

fails_with($node, "SELECT twin.mark_alert_false($$_[0])", $$_[1], '', $$_[2]) foreach [ 'NULL', '22004', 'no alert' ], [ 999999, '42704', 'an unknown alert' ], [ -1, '42704', 'a number that none has' ];
sql($node, q{INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('own', '{own_event}')});
sql($node, q{SELECT twin.record_event('own_event')});
ok(watched(), 'an alert of another rule');
my $own = sql($node, q{SELECT alert_id FROM twin.alerts WHERE rule_name = 'own'});
fails_with($node, "SELECT twin.mark_alert_false($own)", '55000', '', '... cannot be marked');
is(sql($node, "SELECT is_false FROM twin.alerts WHERE alert_id = $own"), 'f', '... and is not');
fails_with($node, "SET ROLE twin_auditor; SELECT twin.mark_alert_false($alert)", '42501', '', 'auditors mark nothing');

# ---- the rule ----

sql($node, q{UPDATE twin.alert_rules SET enabled = false WHERE rule_name = 'unusual_access_patterns'});
sql($node, work('user7', q{'2026-02-16 02:30+00'}, '10.1.0.7', 30, 4000));
ok(watched() && alerts_about('user7') == 0, 'a rule that is off raises nothing');
sql($node, q{UPDATE twin.alert_rules SET enabled = true, severity = 'critical', cooldown = '0' WHERE rule_name = 'unusual_access_patterns'});
sql($node, work('user7', q{'2026-02-17 02:30+00'}, '10.1.0.7', 30, 4000));
sql($node, work('user7', q{'2026-02-17 02:40+00'}, '10.1.0.7', 30, 4000)) if watched();
ok(watched(), 'a rule without cooldown');
is(sql($node, q{SELECT severity, count(*) FROM twin.alerts WHERE subject = 'user7' GROUP BY 1}), 'critical|1', '... raises one an hour, of its severity');

# ---- damage ----

sql($node, q{UPDATE twin_internal.access_profiles SET profile = '\xbadd' WHERE username = 'user8'});
sql($node, work('user8', q{'2026-02-17 10:30+00'}, '10.1.0.8', 30, 5));
ok(watched() && sql($node, q{SELECT octet_length(profile) > 1000 FROM twin_internal.access_profiles WHERE username = 'user8'}) eq 't', 'a damaged profile is learned anew');
like(slurp_file($node->logfile), qr/LOG:  what was learned of somebody's access cannot be read/, '... as the log says');
unlike(slurp_file($node->logfile), qr/could not be watched|could not be raised/, 'nothing failed');

# ---- an alert that cannot be raised ----

sql($node, q{CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'spoiled'; END $$;
	CREATE TRIGGER spoil BEFORE INSERT ON twin_internal.alerts FOR EACH ROW WHEN (NEW.subject = 'user10') EXECUTE FUNCTION spoil()});
sql($node, work('user10', q{'2026-02-17 02:30+00'}, '10.1.0.10', 30, 4000));
sql($node, work('user1', q{'2026-02-17 02:30+00'}, '10.1.0.1', 30, 4000));
ok(watched() && alerts_about('user10') == 0 && alerts_about('user1') == 1, 'an alert that cannot be raised costs no other');
like(slurp_file($node->logfile), qr/an alert of unusual access could not be raised.*spoiled/, '... is logged');
sql($node, 'DROP TRIGGER spoil ON twin_internal.alerts');
sql($node, work('user10', q{'2026-02-17 02:35+00'}, '10.1.0.10', 30, 1));
ok(watched() && alerts_about('user10') == 1, '... and is raised when it can be');

# ---- a batch that fails ----

sql($node, q{CREATE TRIGGER spoil BEFORE UPDATE ON twin_internal.access_profiles FOR EACH ROW WHEN (NEW.username = 'user10') EXECUTE FUNCTION spoil()});
my $seed = sql($node, 'SELECT seed FROM twin_internal.access_model');
sql($node, work('user10', q{'2026-02-18 02:35+00'}, '10.1.0.10', 30, 4000));
ok(watched() && alerts_about('user10') == 1, 'a batch that cannot be written raises nothing');
like(slurp_file($node->logfile), qr/LOG:  security events could not be watched: spoiled/, '... and is logged');
sql($node, 'DROP TRIGGER spoil ON twin_internal.access_profiles');
sql($node, work('user10', q{'2026-02-18 03:35+00'}, '10.1.0.10', 30, 4000));
ok(watched() && alerts_about('user10') == 2, '... later ones are watched');
is(sql($node, 'SELECT seed FROM twin_internal.access_model'), $seed, '... with what was learned before');

# ---- dump and restore ----

my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'a dump');
sql($node, 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], '... is restored');
my $learned = q{SELECT md5(string_agg(p::text, '' ORDER BY p.username, p.is_role)), (SELECT md5(m::text) FROM twin_internal.access_model m) FROM twin_internal.access_profiles p WHERE username LIKE 'user%'};
is(sql($node, $learned, db => 'restored'), sql($node, $learned), '... with what was learned');

# ---- many users ----

sql($node, q{INSERT INTO twin_internal.access_profiles SELECT 'old' || i, false, '\x00', '{}', '2025-01-01', 1, '2025-01-01'::timestamptz + i * interval '1 s', 0
	FROM generate_series(1, 10000 - (SELECT count(*) FROM twin_internal.access_profiles)) i});
is(sql($node, 'SELECT count(*) FROM twin.access_profiles'), 10000, 'ten thousand users are known');
restart_with($node, $key);
sql($node, work('one more', q{'2026-02-17 10:30+00'}, '10.1.0.8', 30, 5));
ok(watched(), 'one more');
is(sql($node, q{SELECT count(*) <= 10000, bool_or(username = 'one more'), bool_or(username = 'user1'), bool_or(username = 'old1'), count(*) FILTER (WHERE username LIKE 'old%') > 9000 FROM twin.access_profiles}),
	't|t|t|f|t', '... takes the place of those who were least recently active');

$node->stop;
done_testing();

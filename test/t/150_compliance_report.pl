# The compliance report says what counting the log would say, whatever part of it was counted beforehand: on random events, right after
# they were recorded, after a crash, behind a lock, in a restored database; and what was counted is there when the events are gone.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('report', conf => "twin_security.checkpoint_interval = 1s\n");
start_with($node, $key);
sql($node, q{CREATE EXTENSION twin_security; UPDATE twin.alert_rules SET enabled = false;
	CREATE TABLE readings (id bigint GENERATED ALWAYS AS IDENTITY, v integer); SELECT twin.audit_table('readings');
	CREATE TABLE secrets (v twin.encrypted_text(main)); INSERT INTO secrets SELECT i::text FROM generate_series(1, 30) i;
	CREATE ROLE reader LOGIN; GRANT SELECT ON secrets TO reader; SELECT twin.grant_key('main', 'reader', 'decrypt')});

# Whether all that is in the log now is counted.
sub counted { my ($db) = @_; return events_counted($node, db => $db // 'postgres') }

# Events of all sorts, in the past and in the future; rows of statements, and what was rolled back.
sub record
{
	my ($seed, %options) = @_;
	sql($node, qq{SELECT setseed($seed);
		SELECT count(twin.record_event((array['login_success', 'login_failure', 'logout', 'token_refresh', 'permission_denied', 'valve_opened'])[1 + floor(random() * 6)],
			severity => (array['info', 'low', 'high'])[1 + floor(random() * 3)], outcome => (array['success', 'failure', 'denied'])[1 + floor(random() * 3)],
			username => CASE WHEN random() < 0.7 THEN 'user' || floor(random() * 30) END, resource => 'unit ' || floor(random() * 9),
			client_address => ('192.0.2.' || floor(random() * 30))::inet, event_time => now() - random() * interval '40 days' + interval '5 days')) FROM generate_series(1, 700);
		INSERT INTO readings (v) SELECT i FROM generate_series(1, 2300) i;
		UPDATE readings SET v = 0 WHERE id % 7 = 0;
		BEGIN; INSERT INTO readings (v) SELECT i FROM generate_series(1, 1500) i; ROLLBACK;
		BEGIN; SAVEPOINT a; INSERT INTO readings (v) VALUES (1); ROLLBACK TO a; INSERT INTO readings (v) VALUES (2); COMMIT;
		DELETE FROM readings WHERE id % 11 = 0}, %options);
	sql($node, 'SELECT count(v::text) FROM secrets', %options, user => 'reader');
	return;
}

# How many of some periods the report and a count of the log in the same snapshot tell differently about; each is at random, but for a few.
my $compare = q{BEGIN ISOLATION LEVEL REPEATABLE READ;
	WITH times AS MATERIALIZED (
		SELECT least(a, b) AS a, greatest(a, b) AS b FROM (SELECT now() - random() * interval '40 days' + interval '5 days' AS a, now() - random() * interval '40 days' + interval '5 days' AS b
			FROM generate_series(1, 4) OFFSET 0) r
		UNION ALL VALUES (date_trunc('hour', now() - interval '9 days'), date_trunc('hour', now())), (timestamptz '2000-01-01', timestamptz '2100-01-01'),
			(now() - interval '7 minutes', now()), (date_trunc('day', now(), 'UTC') - interval '30 days', date_trunc('day', now(), 'UTC') + interval '1 day')
	), reports AS MATERIALIZED (SELECT a, b, twin.compliance_report(a, b) AS r FROM times
	), told AS (
		SELECT a, b, (r ->> 'total_audit_events')::numeric AS total, r -> 'events_by_type' AS types, r -> 'events_by_outcome' AS outcomes,
			(SELECT jsonb_object_agg(x ->> 'name', x -> 'events') FROM jsonb_array_elements(r #> '{events_by_user,top}') x) AS users,
			(SELECT jsonb_object_agg(x ->> 'name', x -> 'events') FROM jsonb_array_elements(r #> '{events_by_table,top}') x) AS tables,
			(SELECT jsonb_object_agg(x ->> 'address', x -> 'events') FROM jsonb_array_elements(r #> '{failed_logins,by_address}') x) AS addresses,
			(SELECT jsonb_object_agg(x ->> 'name', x -> 'values') FROM jsonb_array_elements(r #> '{decryptions,by_key}') x) AS keys,
			(SELECT sum((x ->> 'events')::numeric) FROM jsonb_array_elements(r #> '{timeline,steps}') x) AS steps,
			(r #>> '{log,covered_by_checkpoint}')::numeric + (r #>> '{log,after_checkpoint}')::numeric + (r #>> '{log,not_sealed}')::numeric AS covered,
			(r #>> '{events_by_user,others}')::numeric AS nobody, (r #>> '{log,not_sealed}')::numeric AS unsealed,
			(r #>> '{authorization_failures,total}')::numeric AS denied, (r #>> '{authentication_events,login_failure}')::numeric AS failed, (r #>> '{data_access_events,update}')::numeric AS updates
		FROM reports
	), log AS MATERIALIZED (SELECT l.*, l.event_type = 'login_failure' AND l.username IS NULL AS is_nobodys FROM twin.audit_log l
	), counted AS (
		SELECT a, b, (SELECT count(*) FROM log l WHERE event_time >= a AND event_time < b) AS total,
			(SELECT coalesce(jsonb_object_agg(event_type, c), '{}') FROM (SELECT event_type, count(*) AS c FROM log WHERE event_time >= a AND event_time < b GROUP BY 1) x) AS types,
			(SELECT coalesce(jsonb_object_agg(outcome, c), '{}') FROM (SELECT outcome, count(*) AS c FROM log WHERE event_time >= a AND event_time < b GROUP BY 1) x) AS outcomes,
			(SELECT jsonb_object_agg(u, c) FROM (SELECT coalesce(username, session_user_name) AS u, count(*) AS c FROM log
				WHERE event_time >= a AND event_time < b AND NOT is_nobodys AND coalesce(username, session_user_name) IS NOT NULL GROUP BY 1) x) AS users,
			(SELECT jsonb_object_agg(resource, c) FROM (SELECT resource, count(*) AS c FROM log
				WHERE event_time >= a AND event_time < b AND event_type IN ('create', 'read', 'update', 'delete', 'truncate') GROUP BY 1) x) AS tables,
			(SELECT jsonb_object_agg(host(client_address), c) FROM (SELECT client_address, count(*) AS c FROM log WHERE event_time >= a AND event_time < b AND event_type = 'login_failure' GROUP BY 1) x) AS addresses,
			(SELECT jsonb_object_agg(resource, c) FROM (SELECT resource, sum((details ->> 'values')::bigint) AS c FROM log WHERE event_time >= a AND event_time < b AND event_type = 'decrypt' GROUP BY 1) x) AS keys,
			nullif((SELECT count(*) FROM log WHERE event_time >= a AND event_time < b), 0) AS steps, (SELECT count(*) FROM log WHERE event_time >= a AND event_time < b) AS covered,
			(SELECT count(*) FROM log WHERE event_time >= a AND event_time < b AND (is_nobodys OR coalesce(username, session_user_name) IS NULL)) AS nobody,
			(SELECT count(*) FROM log WHERE event_time >= a AND event_time < b AND leaf_index IS NULL) AS unsealed,
			(SELECT count(*) FROM log WHERE event_time >= a AND event_time < b AND event_type = 'permission_denied') AS denied,
			(SELECT count(*) FROM log WHERE event_time >= a AND event_time < b AND event_type = 'login_failure') AS failed,
			(SELECT count(*) FROM log WHERE event_time >= a AND event_time < b AND event_type = 'update') AS updates FROM times
	)
	SELECT count(*), coalesce(string_agg((to_jsonb(t) || jsonb_build_object('counted', to_jsonb(c)))::text, E'\n'), '') FROM told t JOIN counted c USING (a, b)
		WHERE (t.total, t.types, t.outcomes, t.users, t.tables, t.addresses, t.keys, t.steps, t.covered, t.nobody, t.unsealed, t.denied, t.failed, t.updates)
			IS DISTINCT FROM (c.total, c.types, c.outcomes, c.users, c.tables, c.addresses, c.keys, c.steps, c.covered, c.nobody, c.unsealed, c.denied, c.failed, c.updates);
	COMMIT};
sub is_exact
{
	my ($name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(sql($node, $compare, %options), '0|', $name);
}

# ---- exact ----

record(0.1);
is_exact('right after events were recorded');
ok(counted(), 'all is counted before long');
is_exact('... and once it is');
cmp_ok(sql($node, q{SELECT sum(events) FROM twin_internal.event_counts WHERE span = 'hour' AND sort = 'type'}), '>', 3000, '... from what was counted');
is(sql($node, qq{SELECT count(*) FROM (SELECT date_trunc('$_', since, 'UTC') AS since, sort, event_type, outcome, class, severity, username, is_role, object, is_other, events, amount, span = 'hour' AS is_part
		FROM twin_internal.event_counts WHERE span IN ('hour', '$_')) c
	GROUP BY since, sort, event_type, outcome, class, severity, username, is_role, object, is_other
	HAVING (sum(events) FILTER (WHERE is_part), sum(amount) FILTER (WHERE is_part)) IS DISTINCT FROM (sum(events) FILTER (WHERE NOT is_part), sum(amount) FILTER (WHERE NOT is_part))}), '', "${_}s are the sums of their hours")
	foreach qw(day month);
record(0.2);
is_exact('half of it counted');

# a transaction that was open meanwhile is sealed late
my $open = $node->background_psql('postgres');
$open->query_safe(q{BEGIN; INSERT INTO readings (v) SELECT i FROM generate_series(1, 50) i});
record(0.3);
counted();
is_exact('before a transaction that is open has committed');
$open->query_safe('COMMIT');
is_exact('... right after it has');
ok(counted(), '... and is counted');
is_exact('... once');
$open->quit;

# ---- what delays counting ----

my $locker = $node->background_psql('postgres');
lock_log($locker, 'event_counts', 'SHARE');
record(0.4);
events_written($node);
ok(comes_true($node, 'SELECT twin_internal.unsealed_since() IS NULL'), 'events are sealed while somebody locks what is counted');
is_exact('... and the report is right');
$locker->query_safe('ROLLBACK');
$locker->quit;
ok(counted(), '... and they are counted afterwards');
record(0.5);
$node->stop('immediate');
start_with($node, $key);
is_exact('after a crash');
ok(counted(), '... counting goes on');
is_exact('... where it was');

# ---- a restored database ----

sql($node, 'CREATE DATABASE restored');
is(system('bash', '-o', 'pipefail', '-c', sprintf(q{pg_dump -d '%s' | psql -X -q -v ON_ERROR_STOP=1 -o /dev/null -d '%s'}, $node->connstr('postgres'), $node->connstr('restored'))), 0, 'dump and restore');
my $were = q{SELECT count(*), sum(events) FROM twin_internal.event_counts WHERE event_type IN ('create', 'update')};
is(sql($node, $were, db => 'restored'), sql($node, $were), 'what was counted comes along');
is_exact('in a restored database', db => 'restored');
record(0.6, db => 'restored');
is_exact('... with events of its own', db => 'restored');
edit_log($node, "UPDATE twin_internal.event_state SET created_at = now() - interval '2 hours'", db => 'restored');
sql($node, q{SELECT twin.record_event('wakes')}, db => 'restored');
ok(counted('restored'), '... which are counted when the restore is over');
is_exact('... exactly', db => 'restored');

# ---- names that somebody made up ----

edit_log($node, q{DELETE FROM twin_internal.event_counts; UPDATE twin_internal.event_counts_position SET next_leaf = 0;
	DO $$ BEGIN WHILE twin_internal.count_events(97, 3) > 0 LOOP END LOOP; END $$}, db => 'restored');
is(sql($node, q{SELECT count(*) FROM (SELECT FROM twin_internal.event_counts WHERE sort IN ('user', 'address') AND NOT is_other GROUP BY span, since, sort HAVING count(*) > 3) c}, db => 'restored'), '0',
	'of names in an hour a few have rows of their own');
is(sql($node, q{SELECT string_agg(r, ' ') FROM (SELECT (r ->> 'total_audit_events')::bigint = (SELECT count(*) FROM twin.audit_log), r #>> '{authentication_events,login_failure}' =
		(SELECT count(*)::text FROM twin.audit_log WHERE event_type = 'login_failure'),
		(SELECT sum((x ->> 'events')::bigint) FROM jsonb_array_elements(r #> '{events_by_user,top}') x) + (r #>> '{events_by_user,others}')::bigint = (SELECT count(*) FROM twin.audit_log),
		(r #>> '{events_by_user,others}')::bigint > 500
	FROM twin.compliance_report('2000-01-01', '2100-01-01') r) x (a, b, c, d), LATERAL (VALUES (concat(a, b, c, d))) v (r)}, db => 'restored'), 'tttt', '... and sums are right all the same');

# ---- what retention dropped ----

my $middle = "date_trunc('hour', now() - interval '20 days') + interval '30 minutes'";
sql($node, qq{SELECT twin.record_event('old', event_time => $middle + i * interval '1 minute') FROM generate_series(-20, 20, 10) i});
counted();
my $whole = sql($node, qq{SELECT r ->> 'total_audit_events', r #>> '{events_by_type,old}' FROM twin.compliance_report('2000-01-01', now()) r});
is(sql($node, qq{SELECT r #>> '{events_by_type,old}', r #>> '{reporting_period,is_widened}' FROM twin.compliance_report($middle, now()) r}), '3|false', 'part of an hour');
edit_log($node, "DELETE FROM twin_internal.$_ WHERE event_time < $middle + interval '5 minutes'") foreach qw(events events_overflow);
is(sql($node, qq{SELECT r #>> '{events_by_type,old}', r #>> '{reporting_period,is_widened}', (r #>> '{reporting_period,from}')::timestamptz = date_trunc('hour', $middle), (r #>> '{reporting_period,asked_from}')::timestamptz = $middle
	FROM twin.compliance_report($middle, now()) r}), '5|true|t|t', '... of which some was dropped is reported as the whole hour, and said to be');
is(sql($node, qq{SELECT r #>> '{events_by_type,old}', r #>> '{reporting_period,is_widened}', (r #>> '{reporting_period,to}')::timestamptz = date_trunc('hour', $middle) + interval '1 hour'
	FROM twin.compliance_report('2000-01-01', $middle) r}), '5|true|t', '... at the end, too');
is(sql($node, qq{SELECT r ->> 'total_audit_events', r #>> '{events_by_type,old}' FROM twin.compliance_report('2000-01-01', now() + interval '1 minute') r}) =~ s/^\d+//r, $whole =~ s/^\d+//r, 'whole hours are as they were');
cmp_ok(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_time < now()}), '<', (split /\|/, $whole)[0] - 500, '... though the events are gone');

# ---- the ends of time ----

sql($node, q{SELECT twin.record_event('ancient', event_time => '4714-11-24 00:00:00+00 BC'), twin.record_event('ancient', event_time => '4713-03-03 00:00:00+00 BC'),
	twin.record_event('remote', event_time => '294276-12-31 23:59:59.999+00')});
ok(counted(), 'events of the first month and of the last that there are do not stop the counting');
is(sql($node, qq{SELECT r #>> '{events_by_type,ancient}', (r #>> '{reporting_period,from}')::timestamptz = '4714-11-24 00:00:00+00 BC', r #>> '{timeline,step}' FROM twin.compliance_report(NULL, $_) r}), '2|t|year', "... nor a report to $_")
	foreach (q{'2000-01-01 00:00:00+00'}, 'NULL');
is(sql($node, q{SELECT r #>> '{events_by_type,remote}', r #>> '{reporting_period,is_widened}' FROM twin.compliance_report('2100-01-01', '294276-12-31 23:59:59.9999+00') r}), '1|false', '... nor one to the end');

done_testing();

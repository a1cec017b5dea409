# The kill switch: what it stops, that it says who and from when to when, in every database and report, across reloads, restarts and
# crashes; and settings out of files, told once per database.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $exports = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('switch', conf => "restart_after_crash = on\ntwin_security.checkpoint_interval = 1s\ntwin_security.export_directory = '$exports'\n");
start_with($node, $key);
sql($node, 'CREATE EXTENSION twin_security; CREATE ROLE app LOGIN; CREATE ROLE dba LOGIN SUPERUSER; CREATE TABLE secret (a int); CREATE DATABASE other');
sql($node, 'CREATE EXTENSION twin_security; CREATE TABLE secret (a int)', db => 'other');

sub settle { return events_written($node, db => $_[0]) }

sub turn
{
	my ($value, $user) = @_;
	sql($node, "ALTER SYSTEM SET twin_security.audit_enabled = $value", user => $user);
	sql($node, 'SELECT pg_reload_conf()');
	return $node->poll_query_until('postgres', q{SELECT current_setting('twin_security.audit_enabled')}, $value);
}
sub switched
{
	my ($db) = @_;
	settle($db);
	return sql($node, q{SELECT concat_ws(' ', event_type, action, severity, details ->> 'by') FROM twin.audit_log WHERE resource = 'twin_security.audit_enabled' AND event_type ~ '^audit_' ORDER BY event_id}, db => $db);
}
sub denials { my ($db) = @_; settle($db); return sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'permission_denied'}, db => $db) }
sub gaps { my ($db) = @_; return sql($node, 'SELECT switched_off_by, from_time < clock_timestamp(), to_time > from_time FROM twin.audit_gaps ORDER BY from_time', db => $db) }

is(switched('postgres'), 'audit_enabled start info', "the server's start is told");
is(gaps('postgres'), '', 'no gap');

# a database in which somebody is notices the switch, and its writer is somebody
settle('other');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'other'}), 'nobody is in the other database');

# ---- off, by whom ----

my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe('SELECT 1');
turn('off', 'dba');
fails_with($node, 'SELECT * FROM secret', '42501', '', 'a denial while it is off', user => 'app');
sql($node, 'CREATE ROLE unseen');
is(denials('postgres'), '0', 'is not recorded');
is(sql($node, "SELECT count(*) FROM twin.audit_log WHERE resource = 'unseen'"), '0', 'nor a command');
$session->query_safe('SELECT 1');
is(switched('postgres'), "audit_enabled start info\naudit_disabled switch critical dba", 'but who switched it off, once');
is(gaps('postgres'), 'dba|t|', 'the gap is seen while it is open');
ok($node->poll_query_until('postgres', q{SELECT bool_and(leaf_index IS NOT NULL) FROM twin.audit_log WHERE event_type = 'audit_disabled'}), '... and that is sealed while it is');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'configuration_change' AND resource = 'twin_security.audit_enabled' AND session_user_name = 'dba' AND outcome = 'success'}), '1', 'and the command');
fails_with($node, 'ALTER SYSTEM SET twin_security.audit_enabled = off', '42501', '', 'not everybody may', user => 'app');
fails_with($node, 'SET twin_security.audit_enabled = off', '55P02', '', 'nor anybody for a session');

# ---- on ----

turn('on', 'postgres');
fails_with($node, 'SELECT * FROM secret', '42501', '', 'a denial', user => 'app');
is(denials('postgres'), '1', 'is recorded again');
is(switched('postgres'), "audit_enabled start info\naudit_disabled switch critical dba\naudit_enabled switch high postgres", 'and who switched it on');
is(sql($node, q{SELECT (details ->> 'off_from')::timestamptz < (details ->> 'off_to')::timestamptz FROM twin.audit_log WHERE event_type = 'audit_enabled' AND action = 'switch'}), 't', 'from when to when');
is(gaps('postgres'), 'dba|t|t', 'the gap is closed');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'audit_disabled' AND event_id > (SELECT event_id FROM twin.audit_log WHERE event_type = 'audit_enabled' AND action = 'switch')}), '0', 'nothing after it');

# ---- every report shows it ----

my $hour = q{now() - interval '1 hour', clock_timestamp()};
is(sql($node, "SELECT g ->> 'switched_off_by', (g ->> 'to_time')::timestamptz > (g ->> 'from_time')::timestamptz FROM jsonb_array_elements(twin.compliance_report($hour) -> 'gaps') g"), 'dba|t', 'the compliance report');
my $page = sql($node, "SELECT twin.compliance_report_html($hour)");
like($page, qr/Recording was switched off 1 times within this time/, '... its page, at the beginning');
like($page, qr/Times without recording.*>dba</s, '... and with who it was');
ok($node->poll_query_until('postgres', q{SELECT (SELECT max(size) FROM twin_internal.checkpoints) > max(leaf_index) FROM twin.audit_log WHERE event_type = 'audit_enabled' AND action = 'switch'}), '(all of it is signed)');
sql($node, q{SELECT twin.export_audit_log('gap')});
my ($out, $err) = run_command([ $node->config_data('--bindir') . '/twin_verify', "$exports/gap" ]);
like($out, qr/^holds: .*^not recorded: from \S+ \S+ to \S+ \S+: the audit was switched off by dba \(event \d+\)$/ms, 'and the auditor\'s program') or diag($err);

# ---- the other database, where nobody was meanwhile ----

is(gaps('other'), '', 'a database where nobody was has no gap');
turn('off', 'dba');
sql($node, 'SELECT 1', db => 'other');
fails_with($node, 'SELECT * FROM secret', '42501', '', 'a denial there', user => 'app', db => 'other');
is(gaps('other'), 'dba|t|', 'one where somebody is has one');
my $visitor = $node->background_psql('other', on_error_stop => 0);
$visitor->query_safe('SELECT 1');
fails_with($node, 'DROP DATABASE other', '55006', '', 'a database in use is not dropped', user => 'dba');
sql($node, 'SELECT 1', db => 'other');
is(gaps('other'), 'dba|t|', 'and keeps its gap');
$visitor->quit;
is(denials('other'), '0', 'and nothing else');

# ---- a restart and a crash in between ----

$node->stop;
start_with($node, $key);
sql($node, 'SELECT 1', db => 'other');
like(switched('other'), qr/audit_disabled switch critical dba\naudit_disabled switch critical the configuration files$/, 'a server that starts with it off says so');
sql($node, 'ALTER SYSTEM RESET twin_security.audit_enabled', user => 'dba');
$node->stop;
start_with($node, $key);
settle('other');
is(sql($node, 'SELECT count(*), count(to_time), bool_and(to_time > from_time) FROM twin.audit_gaps', db => 'other'), '2|2|t', 'and its next start, with it on, closes the gap');
settle();
is(sql($node, 'SELECT count(*), count(to_time) FROM twin.audit_gaps'), '3|3', 'in each database');
sql($node, 'SET ROLE twin_auditor; SELECT * FROM twin.audit_gaps');
fails_with($node, 'SELECT * FROM twin.audit_gaps', '42501', '', 'gaps are for auditors', user => 'app');

# ---- by hand in the file ----

$node->append_conf('postgresql.conf', 'twin_security.audit_enabled = off');
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('twin_security.audit_enabled')}, 'off');
like(switched('postgres'), qr/audit_disabled switch critical the configuration files$/, 'who edits the file is not known, and that is said');
$node->append_conf('postgresql.conf', "twin_security.audit_enabled = on\n");
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('twin_security.audit_enabled')}, 'on');

# ---- other settings out of files: once per database, however many sessions ----

my @idle = map { my $one = $node->background_psql('postgres'); $one->query_safe('SELECT 1'); $one } 1 .. 4;
settle();
my $latest = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
$node->append_conf('postgresql.conf', "twin_security.login_lockout = 77\ntwin_security.key_command = 'echo canary-of-a-command'\nwork_mem = '5MB'\n");
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('twin_security.login_lockout')}, '77s');
$_->query_safe('SELECT 1; SELECT 2') foreach @idle;
settle();
is(sql($node, "SELECT concat_ws(' ', action, resource, details ->> 'old', details ->> 'new') FROM twin.audit_log WHERE event_type = 'configuration_change' AND event_id > $latest ORDER BY resource"),
	"configuration file twin_security.key_command  (not told)\nconfiguration file twin_security.login_lockout 60 77", 'each change once')
  or diag(sql($node, "SELECT event_id, action, resource, details FROM twin.audit_log WHERE event_id > $latest"));
is(sql($node, q{SELECT count(*) FROM twin.audit_log e WHERE e::text ~ 'canary'}), '0', 'without what may be secret');
$_->quit foreach @idle;
eval { $session->quit };
settle();
$latest = sql($node, 'SELECT max(event_id) FROM twin.audit_log');
$node->append_conf('postgresql.conf', 'twin_security.login_lockout = 78');
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('twin_security.login_lockout')}, '78s');
settle();
is(sql($node, "SELECT string_agg(concat_ws(' ', resource, details ->> 'old', details ->> 'new'), ', ') FROM twin.audit_log WHERE event_type = 'configuration_change' AND event_id > $latest"),
	'twin_security.login_lockout 77 78', 'a session that has begun since knows what the value was');
$node->stop;
done_testing();

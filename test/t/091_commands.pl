# Commands of administrators: before the deed and with its outcome, by every way, and what takes protection away.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('commands', conf => "max_prepared_transactions = 2\n");
start_with($node, new_key());
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE app LOGIN;
	CREATE TABLE plain (a int);
	CREATE TABLE parted (a int) PARTITION BY RANGE (a);
	CREATE TABLE part PARTITION OF parted FOR VALUES FROM (1) TO (2)});

sub settle { return events_written($node, db => $_[0]) }
my $latest = 0;

# What comes by itself at any time, or is told of elsewhere.
my $others = q{('login_success', 'audit_enabled', 'audit_epoch', 'heartbeat', 'alert_raised')};

# What a piece of SQL leaves in the log, as "type outcome action resource" lines, without sessions.
sub log_of
{
	my ($sql, %options) = @_;
	settle();
	$latest = sql($node, 'SELECT coalesce(max(event_id), 0) FROM twin.audit_log');
	$node->psql('postgres', $sql, on_error_stop => 0, extra_params => [ $options{user} ? ('-U', $options{user}) : () ]);
	settle();
	return sql($node, "SELECT concat_ws(' ', event_type, outcome, action, resource) FROM twin.audit_log WHERE event_id > $latest AND event_type NOT IN $others AND event_type <> 'permission_denied' ORDER BY event_id");
}
sub recorded
{
	my ($name, $sql, $expected, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(log_of($sql, %options), join("\n", @$expected), $name);
}
sub both { my ($type, $rest, $outcome) = @_; return [ "$type unknown $rest", "$type " . ($outcome // 'success') . " $rest" ] }
sub details { return sql($node, "SELECT details FROM twin.audit_log WHERE event_id > $latest AND event_type NOT IN $others ORDER BY event_id DESC LIMIT 1") }

# ---- roles ----

recorded('CREATE ROLE', "CREATE ROLE r SUPERUSER PASSWORD 'canary-password'", both('user_created', 'CREATE ROLE r'));
is(details(), '{"password": "given", "superuser": "true"}', '... with what it may, and without its password');
recorded('ALTER ROLE', "ALTER ROLE r NOSUPERUSER PASSWORD 'canary-password'", both('user_updated', 'ALTER ROLE r'));
recorded('ALTER ROLE RENAME', 'ALTER ROLE r RENAME TO r2', both('user_updated', 'ALTER ROLE r'));
recorded('GRANT of a role', 'GRANT r2 TO app, twin_viewer', both('role_assigned', 'GRANT ROLE r2'));
is(details(), '{"members": "app, twin_viewer"}', '... and to whom');
recorded('REVOKE of a role', 'REVOKE r2 FROM app, twin_viewer', both('role_revoked', 'REVOKE ROLE r2'));
recorded('DROP ROLE', 'DROP ROLE r2', both('user_deleted', 'DROP ROLE r2'));
recorded('a role that is rolled back', 'BEGIN; CREATE ROLE never; ROLLBACK', both('user_created', 'CREATE ROLE never', 'failure'));
recorded('... by a savepoint', 'BEGIN; SAVEPOINT s; CREATE ROLE never; ROLLBACK TO s; COMMIT', both('user_created', 'CREATE ROLE never', 'failure'));
recorded('a role that cannot be', 'CREATE ROLE app', both('user_created', 'CREATE ROLE app', 'failure'));
is(details(), '{"sqlstate": "42710"}', '... and why');
recorded('a role that one may not make', 'CREATE ROLE mine', both('user_created', 'CREATE ROLE mine', 'denied'), user => 'app');
recorded('in a block', q{DO $$ BEGIN CREATE ROLE inner_one; EXECUTE 'CREATE ROLE app'; EXCEPTION WHEN OTHERS THEN NULL; END $$},
	[ 'user_created unknown CREATE ROLE inner_one', 'user_created unknown CREATE ROLE app', 'user_created failure CREATE ROLE app', 'user_created failure CREATE ROLE inner_one' ]);
recorded('prepared', q{BEGIN; CREATE ROLE later; PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'; DROP ROLE later},
	[ @{ both('user_created', 'CREATE ROLE later') }, @{ both('user_deleted', 'DROP ROLE later') } ]);

# ---- privileges ----

recorded('GRANT', 'GRANT SELECT, UPDATE ON plain TO app', both('grant', 'GRANT plain'));
is(details(), '{"grantees": "app", "privileges": "select, update"}', '... what to whom');
recorded('REVOKE', 'REVOKE ALL ON plain FROM app', both('grant', 'REVOKE plain'));

# ---- settings ----

recorded('ALTER SYSTEM', 'ALTER SYSTEM SET twin_security.bcrypt_cost = 11', both('configuration_change', 'ALTER SYSTEM twin_security.bcrypt_cost'));
is(details(), '{"value": "11", "setting": "twin_security.bcrypt_cost"}', '... which value');
recorded('ALTER SYSTEM with a text', "ALTER SYSTEM SET primary_conninfo = 'password=canary-password'", both('configuration_change', 'ALTER SYSTEM primary_conninfo'));
is(details(), '{"value": "(not told)", "setting": "primary_conninfo"}', '... tells none that may be secret');
recorded('ALTER SYSTEM that is none', 'ALTER SYSTEM SET no.thing = 1', both('configuration_change', 'ALTER SYSTEM no.thing', 'failure'));
recorded('ALTER SYSTEM by somebody', 'ALTER SYSTEM SET work_mem = 1024', both('configuration_change', 'ALTER SYSTEM work_mem', 'denied'), user => 'app');
sql($node, 'ALTER SYSTEM RESET ALL');
recorded('ALTER ROLE SET', 'ALTER ROLE app SET row_security = off', both('configuration_change', 'ALTER ROLE app'));
recorded('ALTER DATABASE SET', 'ALTER DATABASE postgres SET twin_security.token_issuer = "x"', both('configuration_change', 'ALTER DATABASE postgres'));
sql($node, 'ALTER ROLE app RESET ALL; ALTER DATABASE postgres RESET ALL');
my $replica = 'configuration_change success SET session_replication_role';
recorded('SET', 'SET session_replication_role = replica', [$replica]);
recorded('SET and RESET', 'SET session_replication_role = replica; RESET session_replication_role; RESET ALL', [ $replica, $replica ]);
recorded('SET to what it is', 'SET session_replication_role = origin', ['']);
recorded('SET LOCAL', 'BEGIN; SET LOCAL session_replication_role = replica; COMMIT', [ $replica, 'configuration_change success end of SET session_replication_role' ]);
recorded('SET that is rolled back', 'BEGIN; SET session_replication_role = replica; ROLLBACK', [ $replica, 'configuration_change success end of SET session_replication_role' ]);
recorded('set_config()', "SELECT set_config('session_replication_role', 'replica', false)", [$replica]);
recorded('set_config() and back in one statement', "SELECT set_config('session_replication_role', 'replica', false), set_config('session_replication_role', 'origin', false)", [ $replica, $replica ]);
recorded('a SET clause', q{CREATE FUNCTION in_replica() RETURNS int LANGUAGE sql SET session_replication_role = replica AS 'SELECT 1'; SELECT in_replica()},
	[ $replica, $replica, 'ddl success CREATE FUNCTION in_replica', $replica, $replica ]);    # its body is checked under it, too
recorded('of ours', 'SET twin_security.token_leeway = 5', ['configuration_change success SET twin_security.token_leeway']);
is(details(), '{"new": "5", "old": "0"}', '... old and new');
recorded('row_security', 'SET row_security = off', ['configuration_change success SET row_security'], user => 'app');
recorded('a setting of no interest', "SET work_mem = '5MB'; SET application_name = 'x'", ['']);

# ---- objects ----

recorded('DDL', 'CREATE TABLE made (a int, b text); CREATE INDEX i ON made (a); ALTER TABLE made ADD c int; DROP TABLE made',
	[ 'ddl success CREATE TABLE made', 'ddl success CREATE INDEX made i', 'ddl success ALTER TABLE made', 'ddl success DROP TABLE made' ]);
recorded('a temporary table', 'CREATE TEMP TABLE made (a int)', ['']);
recorded('CONCURRENTLY', 'CREATE INDEX CONCURRENTLY i ON plain (a); DROP INDEX CONCURRENTLY i', [ 'ddl success CREATE INDEX plain i', 'ddl success DROP INDEX i' ]);
recorded('EXPLAIN ANALYZE', 'EXPLAIN (ANALYZE) CREATE TABLE explained AS SELECT 1 AS a; EXPLAIN (ANALYZE off) CREATE TABLE not_made AS SELECT 1 AS a; EXPLAIN CREATE TABLE nor_this AS SELECT 1 AS a; DROP TABLE explained',
	[ 'ddl success CREATE TABLE AS explained', 'ddl success DROP TABLE explained' ]);
recorded('a literal', q{COMMENT ON TABLE plain IS 'canary-comment'; ALTER TABLE plain ADD d text DEFAULT 'canary-default'}, [ 'ddl success COMMENT plain', 'ddl success ALTER TABLE plain' ]);
recorded('row security off', 'ALTER TABLE plain ENABLE ROW LEVEL SECURITY; ALTER TABLE plain DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY',
	[ @{ both('ddl', 'ALTER TABLE plain') }, @{ both('ddl', 'ALTER TABLE plain') } ]);
is(details(), '{"change": "disable row level security, no force row level security"}', '... says what');
recorded('DETACH', 'ALTER TABLE parted DETACH PARTITION part', both('ddl', 'ALTER TABLE parted'));
recorded('an event trigger', q{CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION e(); ALTER EVENT TRIGGER e DISABLE; DROP EVENT TRIGGER e},
	[ 'ddl success CREATE FUNCTION e', @{ both('ddl', 'CREATE EVENT TRIGGER e') }, @{ both('ddl', 'ALTER EVENT TRIGGER e') }, @{ both('ddl', 'DROP EVENT TRIGGER e') } ]);
my $file = PostgreSQL::Test::Utils::tempdir() . '/out';
recorded('COPY to a file', "COPY plain TO '$file'", both('server_file', 'COPY plain'));
recorded('COPY to a program', "COPY plain TO PROGRAM 'cat >/dev/null # canary-program'", both('server_program', 'COPY plain'));
recorded('COPY to the client', 'COPY plain TO STDOUT', ['']);
recorded('LOAD', "LOAD 'auto_explain'", both('library_loaded', 'LOAD auto_explain'));
recorded('another extension', 'CREATE EXTENSION pgtap; DROP EXTENSION pgtap', [ @{ both('extension_created', 'CREATE EXTENSION pgtap') }, @{ both('extension_dropped', 'DROP EXTENSION pgtap') } ]);
is(sql($node, q{SELECT count(*) FROM twin.audit_log e WHERE e::text ~ 'canary'}), '0', 'no literal of any command stands in the log');

# ---- what protects ----

sql($node, q{CREATE TABLE guarded (a int); CREATE TRIGGER keep BEFORE UPDATE ON guarded FOR EACH ROW EXECUTE FUNCTION twin_internal.keep_as_it_is();
	ALTER TABLE guarded ENABLE ALWAYS TRIGGER keep});
my @off = ('audit_disabled unknown ALTER TABLE public.guarded', 'audit_disabled success ALTER TABLE public.guarded');
my @alter = @{ both('ddl', 'ALTER TABLE guarded') };
recorded('a trigger of ours disabled', 'ALTER TABLE guarded DISABLE TRIGGER keep', [ $alter[0], $off[0], $off[1], $alter[1] ]);
is(sql($node, "SELECT severity, details FROM twin.audit_log WHERE event_id > $latest AND event_type = 'audit_disabled' LIMIT 1"), 'critical|{"name": "keep", "change": "trigger disabled"}', '... is critical');
sql($node, 'ALTER TABLE guarded ENABLE ALWAYS TRIGGER keep');
recorded('all disabled, and rolled back', 'BEGIN; ALTER TABLE guarded DISABLE TRIGGER ALL; ROLLBACK', [ $alter[0], $off[0], 'audit_disabled failure ALTER TABLE public.guarded', 'ddl failure ALTER TABLE guarded' ]);
recorded('one that fires less', 'ALTER TABLE guarded ENABLE REPLICA TRIGGER keep', [ $alter[0], @off, $alter[1] ]);
recorded('dropped', 'DROP TRIGGER keep ON guarded', [ 'audit_disabled unknown DROP TRIGGER public.guarded', 'audit_disabled success DROP TRIGGER public.guarded', 'ddl success DROP TRIGGER guarded.keep' ]);
sql($node, 'CREATE SCHEMA s; ALTER TABLE guarded SET SCHEMA s; CREATE TRIGGER keep BEFORE UPDATE ON s.guarded FOR EACH ROW EXECUTE FUNCTION twin_internal.keep_as_it_is()');
like(log_of('DROP SCHEMA s CASCADE'), qr/audit_disabled unknown DROP SCHEMA s\.guarded\n.*audit_disabled success DROP SCHEMA s\.guarded\nddl success DROP SCHEMA s/s, 'a table dropped by CASCADE');
my $alter = "BEGIN; DO 'BEGIN PERFORM twin_internal.open_log(); END'; ALTER FUNCTION twin.current_user_id() COST";
recorded('a function of ours', "$alter 7; COMMIT", [ 'audit_log_opened success open', 'extension_changed unknown ALTER FUNCTION current_user_id', 'extension_changed success ALTER FUNCTION current_user_id', 'ddl success ALTER FUNCTION twin.current_user_id' ]);
sql($node, "$alter 1; COMMIT");
recorded('the extension, refused', 'DROP EXTENSION twin_security', both('extension_dropped', 'DROP EXTENSION twin_security', 'denied'), user => 'app');
recorded('the extension, dropped and back', 'BEGIN; DROP EXTENSION twin_security; ROLLBACK', both('extension_dropped', 'DROP EXTENSION twin_security', 'failure'));
is(sql($node, "SELECT severity FROM twin.audit_log WHERE event_id > $latest AND event_type = 'extension_dropped' LIMIT 1"), 'critical', '... is critical');

# ---- another database ----

sql($node, 'CREATE DATABASE other');
is(sql($node, q{SELECT 1}, db => 'other'), '1', 'a database without the extension');
sql($node, 'CREATE EXTENSION twin_security; CREATE ROLE of_other', db => 'other');
settle('other');
is(sql($node, q{SELECT string_agg(concat_ws(' ', event_type, outcome, resource), ', ' ORDER BY event_id) FROM twin.audit_log WHERE event_type ~ 'user|extension'}, db => 'other'),
	'extension_created success twin_security, user_created unknown of_other, user_created success of_other', 'its own commands stand in its own log');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE resource = 'of_other'}), '0', 'and in no other');
$node->stop;

# ---- without preloading ----

my $bare = new_node('bare', preload => 0);
start_with($bare, new_key());
sql($bare, 'CREATE EXTENSION twin_security; CREATE ROLE app; SET session_replication_role = replica');
fails_with($bare, 'SELECT * FROM twin.stat_audit', '55000', 'needs twin_security to be preloaded', 'without preloading nothing of this is recorded, and that is said');
is(sql($bare, 'SELECT count(*) FROM twin.audit_log'), '0', 'the log is empty');
$bare->stop;
done_testing();

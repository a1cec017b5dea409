# What a superuser or an owner does past the audit's hooks and triggers: it is refused, recorded, or the seal shows it.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('attacks', conf => "twin_security.heartbeat_interval = '1s'\n");
start_with($node, new_key());
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE owner LOGIN;
	CREATE ROLE low LOGIN;
	CREATE SCHEMA app AUTHORIZATION owner;
	CREATE TABLE app.t (id int PRIMARY KEY, amount int);
	ALTER TABLE app.t OWNER TO owner;
	INSERT INTO app.t VALUES (1, 1);
	SELECT twin.audit_table('app.t', reads => true)});

sub settle { return events_written($node) }

# What a piece of SQL leaves in the log, one line each; statements are sent one by one.
my $latest = 0;
sub recorded
{
	my ($name, $sql, $expected, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	settle();
	$latest = sql($node, 'SELECT coalesce(max(event_id), 0) FROM twin.audit_log');
	$node->psql('postgres', $sql, on_error_stop => 0, extra_params => [ $options{user} ? ('-U', $options{user}) : () ]);
	settle();
	return is(sql($node, qq{SELECT concat_ws(' ', event_type, severity, outcome, action, resource) FROM twin.audit_log
		WHERE event_id > $latest AND event_type NOT IN ('login_success', 'heartbeat', 'alert_raised', 'read') ORDER BY event_id}), join("\n", @$expected), $name);
}
sub both { my ($type, $rest) = @_; my ($severity, $what) = split / /, $rest, 2; return map { "$type $severity $_ $what" } qw(unknown success) }

# ---- catalogs ----

recorded('a catalog edited', q{UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'app.t'::regclass; UPDATE pg_trigger SET tgenabled = 'O' WHERE false},
	[ (both('configuration_change', 'critical UPDATE pg_catalog.pg_trigger')) x 2 ]);
is(sql($node, "SELECT details FROM twin.audit_log WHERE event_id > $latest AND event_type = 'configuration_change' LIMIT 1"), '{"change": "catalog edited"}', '... says so');
sql($node, q{UPDATE pg_trigger SET tgenabled = CASE tgname WHEN 'twin_audit_row' THEN 'R' WHEN 'twin_audit_truncate' THEN 'A' ELSE 'O' END::"char" WHERE tgrelid = 'app.t'::regclass});
recorded('... rolled back', q{BEGIN; DELETE FROM pg_auth_members WHERE false; ROLLBACK},
	[ 'configuration_change critical unknown DELETE pg_catalog.pg_auth_members', 'configuration_change critical failure DELETE pg_catalog.pg_auth_members' ]);
recorded('... in a WITH', q{WITH w AS (UPDATE pg_class SET relhastriggers = true WHERE false RETURNING oid) SELECT count(*) FROM w},
	[ both('configuration_change', 'critical SELECT pg_catalog.pg_class') ]);
recorded('... in a block, through a view, by a cursor that is none',
	q{CREATE VIEW app.shown AS SELECT oid, evtenabled FROM pg_event_trigger; DO $$ BEGIN UPDATE app.shown SET evtenabled = 'D' WHERE false; END $$; DROP VIEW app.shown},
	[ 'ddl info success CREATE VIEW app.shown', both('configuration_change', 'critical UPDATE pg_catalog.pg_event_trigger'), 'ddl info success DROP VIEW app.shown' ]);
recorded('... by COPY', q{COPY pg_auth_members FROM '/dev/null'}, [ both('configuration_change', 'critical COPY pg_auth_members') ]);
recorded('only explained', q{EXPLAIN UPDATE pg_trigger SET tgenabled = 'D'}, []);
recorded('refused', q{UPDATE pg_trigger SET tgenabled = 'D'}, ['permission_denied medium denied UPDATE pg_trigger'], user => 'low');
recorded('read', q{SELECT count(*) FROM pg_trigger; CREATE TEMP TABLE x (a int); INSERT INTO x VALUES (1)}, []);

# ---- which tables are audited ----

sub tables { my ($outcome, $rest) = @_; return [ "$outcome success $rest app.t" ] }
recorded('a column skipped by hand', q{UPDATE twin_internal.audited_tables SET skip_columns = '{amount}'}, tables('audit_disabled critical', 'update'));
is(sql($node, "SELECT details ->> 'skip_columns' FROM twin.audit_log WHERE event_id > $latest AND event_type = 'audit_disabled' LIMIT 1"), '["amount"]', '... says which');
recorded('... in a function', q{DO $$ BEGIN DELETE FROM twin_internal.audited_tables; END $$}, tables('audit_disabled critical', 'delete'));
recorded('and back', q{INSERT INTO twin_internal.audited_tables (relation, skip_columns, digest_columns, mode, reads) VALUES ('app.t', '{}', '{}', 'image', true)}, tables('audit_enabled critical', 'insert'));
recorded('audit_table()', q{SET quote_all_identifiers = on; SELECT twin.audit_table('app.t', reads => true)}, tables('audit_enabled medium', 'audit_table'));

# What the heartbeats say of triggers and audited tables, when it is another than before.
sub digest_after { my ($before) = @_; my $of = q{SELECT details ->> 'triggers_digest' FROM twin.audit_log WHERE event_type = 'heartbeat' ORDER BY event_id DESC LIMIT 1};
	$node->poll_query_until('postgres', "SELECT ($of) IS DISTINCT FROM '$before'"); return sql($node, $of) }
my $before = digest_after('');
sql($node, q{UPDATE twin_internal.audited_tables SET mode = 'digest'});
isnt(digest_after($before), $before, "a heartbeat's digest holds what is audited");
sql($node, q{UPDATE twin_internal.audited_tables SET mode = 'image'});

# ---- commands inside commands ----

recorded('CREATE SCHEMA with elements', 'CREATE SCHEMA x CREATE TABLE y (a int PRIMARY KEY) CREATE VIEW z AS SELECT 1 GRANT SELECT ON app.t TO low',
	[ 'grant medium unknown GRANT app.t', 'ddl info success CREATE TABLE x.y', 'ddl info success CREATE VIEW x.z', 'grant medium success GRANT app.t', 'ddl info success CREATE SCHEMA x' ]);

recorded('what ALTER TABLE does to rows', 'CREATE TABLE app.p (id int NOT NULL, amount int); ALTER TABLE app.p ALTER amount TYPE bigint; ALTER TABLE app.t ALTER amount TYPE bigint USING 0, DROP COLUMN IF EXISTS no',
	[ 'ddl info success CREATE TABLE app.p', 'ddl info success ALTER TABLE app.p', 'ddl high unknown ALTER TABLE app.t', 'ddl high success ALTER TABLE app.t' ]);
is(sql($node, "SELECT details FROM twin.audit_log WHERE event_id > $latest AND severity = 'high' ORDER BY event_id LIMIT 1"), '{"change": "alter column type amount using, drop column no", "values": "rewritten, dropped"}', '... is said, and of weight where the table is audited');
recorded('a table put above', 'ALTER TABLE app.t INHERIT app.p', [ 'ddl high unknown ALTER TABLE app.t', 'ddl high failure ALTER TABLE app.t' ]);
is(sql($node, "SELECT details ->> 'change' FROM twin.audit_log WHERE event_id > $latest AND outcome = 'unknown'"), 'inherit app.p', '... which one');

# ---- who ----

sql($node, q{SET SESSION AUTHORIZATION owner; UPDATE app.t SET amount = 7; CREATE TABLE app.mine (a int)});
settle();
is(sql($node, q{SELECT string_agg(concat_ws(' ', event_type, session_user_name = (SELECT rolname FROM pg_roles WHERE oid = 10), outer_user_name, effective_user_name), ', ' ORDER BY event_type)
	FROM twin.audit_log WHERE event_type = 'update' AND new ->> 'amount' = '7' OR resource = 'app.mine'}), 'ddl t owner owner, update t owner owner', 'who was connected is recorded, whatever he calls his session');

# ---- from a database without the extension ----

sql($node, 'CREATE DATABASE bare');
sub from_bare { my ($sql) = @_; settle(); $latest = sql($node, 'SELECT max(event_id) FROM twin.audit_log'); $node->psql('bare', $sql); settle();
	return sql($node, qq{SELECT string_agg(concat_ws(' ', event_type, outcome, action, resource, details ->> 'given_in'), ', ' ORDER BY event_id) FROM twin.audit_log
		WHERE event_id > $latest AND event_type NOT IN ('login_success', 'heartbeat', 'alert_raised')}) }
is(from_bare('CREATE ROLE hidden; GRANT twin_admin TO hidden'), 'user_created unknown CREATE ROLE hidden bare, user_created success CREATE ROLE hidden bare, role_assigned unknown GRANT ROLE twin_admin bare, role_assigned success GRANT ROLE twin_admin bare',
	'roles are recorded from whatever database they are made');
is(from_bare('UPDATE pg_authid SET rolsuper = rolsuper WHERE false'), 'configuration_change unknown UPDATE pg_catalog.pg_authid bare, configuration_change success UPDATE pg_catalog.pg_authid bare', '... and what is done to their catalog');
is(from_bare('CREATE TABLE x (a int); UPDATE pg_class SET relname = relname WHERE false; DROP TABLE x'), '', 'what is that database\'s own is not');

# ---- alarms ----

recorded('an alarm that somebody raises', q{DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'TW106'; END $$; DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'XX001'; END $$}, [ 'system_error high error SELECT' ], user => 'low');
is(sql($node, "SELECT application_made FROM twin.audit_log WHERE event_id > $latest AND event_type = 'system_error'"), 't', '... is none of ours: integrity is what the extension finds, and the rest is marked');

# ---- triggers ----

recorded('a trigger put in the place of ours', q{CREATE TABLE app.g (a int); CREATE TRIGGER keep BEFORE UPDATE ON app.g FOR EACH ROW EXECUTE FUNCTION twin_internal.keep_as_it_is();
	CREATE OR REPLACE TRIGGER keep BEFORE UPDATE ON app.g FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()},
	[ 'ddl info success CREATE TABLE app.g', 'ddl info success CREATE TRIGGER app.g keep', both('audit_disabled', 'critical CREATE TRIGGER app.g'), 'ddl info success CREATE TRIGGER app.g keep' ]);
recorded('the owner disables ours', 'ALTER TABLE app.t DISABLE TRIGGER twin_audit_delete',
	[ 'ddl high unknown ALTER TABLE app.t', 'audit_disabled critical unknown ALTER TABLE app.t', 'permission_denied medium denied ALTER TABLE twin_audit_delete', 'ddl high denied ALTER TABLE app.t', 'audit_disabled critical failure ALTER TABLE app.t' ], user => 'owner');

# ---- names ----

sql($node, 'SET quote_all_identifiers = on; SELECT * FROM app.t; UPDATE app.t SET amount = 5', user => 'owner');
settle();
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM twin.audit_log WHERE event_type = 'read'});
is(sql($node, q{SELECT DISTINCT resource FROM twin.audit_log WHERE event_type IN ('read', 'update')}), 'app.t', 'reads and changes are found by the name, whatever a session quotes');

# ---- the rows of the log ----

$node->poll_query_until('postgres', q{SELECT bool_and(leaf_index IS NOT NULL) FROM twin.audit_log WHERE event_type = 'update'});
is(sql($node, 'SELECT ok FROM twin.verify_audit_log()'), 't', 'the log holds');
edit_log($node, q{UPDATE twin_internal.events_overflow SET row_count = NULL WHERE event_type = 'update'; UPDATE twin_internal.events SET row_count = NULL WHERE event_type = 'update'});
is(sql($node, q{SELECT ok, (SELECT event_type FROM twin.audit_log WHERE event_id = first_bad) FROM twin.verify_audit_log()}), 'f|update', 'a change whose rows are hidden is one');
$node->stop;
done_testing();

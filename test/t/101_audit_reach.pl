# How far the audit log reaches: tables above audited ones, other databases of the cluster, who a superuser pretends to be,
# alarms that anybody writes himself, and values that no trigger sees.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('reach', conf => "max_worker_processes = 16\n");
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE owner LOGIN;
	CREATE ROLE low LOGIN;
	CREATE ROLE maker LOGIN CREATEROLE;
	CREATE DATABASE bare;
	CREATE SCHEMA app AUTHORIZATION owner;
	GRANT twin_auditor TO owner;
	SET ROLE owner;
	CREATE TABLE app.t (id int NOT NULL, amount int, note text);
	INSERT INTO app.t VALUES (1, 1, 'a'), (2, 2, 'b');
	CREATE TABLE app.over (id int NOT NULL, amount int, note text);
	CREATE TABLE app.root (id int NOT NULL, amount int, note text) PARTITION BY RANGE (id);
	CREATE TABLE app.p (id int NOT NULL, v int) PARTITION BY RANGE (id);
	CREATE TABLE app.late (id int NOT NULL, amount int, note text)});

sub settle { return events_written($node) }
my $latest = 0;
my $told = q{concat_ws(' ', event_type, severity, outcome, action, resource)};

# Runs SQL; what it left in the log, by an expression.
sub left
{
	my ($sql, $expression, %options) = @_;
	settle();
	$latest = sql($node, 'SELECT coalesce(max(event_id), 0) FROM twin.audit_log');
	$node->psql($options{db} // 'postgres', $sql, on_error_stop => 0, extra_params => [ $options{user} ? ('-U', $options{user}) : () ]);
	settle();
	return sql($node, "SELECT $expression FROM twin.audit_log WHERE event_id > $latest AND event_type NOT IN ('login_success', 'heartbeat', 'alert_raised', 'read') ORDER BY event_time");
}
sub leaves
{
	my ($name, $sql, $expected, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(left($sql, $options{tell} // $told, %options), join("\n", @$expected), $name);
}
sub both { my ($type, $severity, $rest, $outcome) = @_; return ("$type $severity unknown $rest", "$type $severity " . ($outcome // 'success') . " $rest") }

# ---- what is above an audited table ----

# A transaction that began before the tables were audited.
my $before = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'owner' ]);
$before->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM app.t');
my $before2 = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'owner' ]);
$before2->query_safe('BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM app.p');
sql($node, "SELECT twin.audit_table('app.t', digest_columns => '{note}'), twin.audit_table('app.p')");
$before->query('ALTER TABLE app.t INHERIT app.over');
like($before->{stderr}, qr/app\.t" is audited since this transaction began/, 'a transaction that is older puts no table above an audited one');
$before->{stderr} = '';
$before->query('ROLLBACK');
$before2->query('CREATE TABLE app.p1 PARTITION OF app.p FOR VALUES FROM (0) TO (10)');
like($before2->{stderr}, qr/is audited since this transaction began/, '... nor a partition below, that it would not audit');
$before2->query('ROLLBACK');
$_->quit foreach $before, $before2;
is(sql($node, "SELECT count(*) FROM pg_inherits WHERE inhrelid = 'app.t'::regclass OR inhparent = 'app.p'::regclass"), '0', '... and neither is there');
sql($node, 'CREATE TABLE app.p2 PARTITION OF app.p FOR VALUES FROM (10) TO (20)');
leaves('one that is younger', 'BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TABLE app.p3 PARTITION OF app.p FOR VALUES FROM (20) TO (30); INSERT INTO app.p3 VALUES (21, 1); COMMIT',
	[ 'ddl', 'create' ], user => 'owner', tell => 'event_type');
leaves('INHERIT is refused, and told', 'ALTER TABLE app.t INHERIT app.over; UPDATE app.over SET amount = -1',
	[ both('ddl', 'high', 'ALTER TABLE app.t', 'failure') ], user => 'owner');
is(sql($node, "SELECT details FROM twin.audit_log WHERE event_id > $latest AND outcome = 'failure'"), '{"change": "inherit app.over", "sqlstate": "55000"}', '... with the table');
leaves('ATTACH, too', 'ALTER TABLE app.root ATTACH PARTITION app.t FOR VALUES FROM (0) TO (9)', [ both('ddl', 'high', 'ALTER TABLE app.root', 'failure') ], user => 'owner');
is(sql($node, 'SELECT string_agg(amount::text, $$ $$ ORDER BY id) FROM app.t'), '1 2', '... and no row is another');
fails_with($node, 'ALTER TABLE app.t INHERIT app.over', '55000', 'is audited and', 'a superuser does not either');
fails_with($node, "BEGIN; CREATE TABLE app.kid (x int) INHERITS (app.t, app.over); SELECT twin.audit_table('app.kid')", '55000', 'is audited and', 'with two parents both count');
leaves('a child of an audited table is no part of it, and told', 'CREATE TABLE app.kid2 (id int NOT NULL, amount int, note text); ALTER TABLE app.kid2 INHERIT app.t; ALTER TABLE app.kid2 NO INHERIT app.t; DROP TABLE app.kid2',
	[ 'ddl info success CREATE TABLE app.kid2', both('ddl', 'high', 'ALTER TABLE app.kid2'), both('ddl', 'high', 'ALTER TABLE app.kid2'), 'ddl info success DROP TABLE app.kid2' ], user => 'owner');

# ---- what is restored ----

sql($node, q{SET ROLE owner; CREATE TABLE app.base (id int, salary int, thumb text); CREATE TABLE app.heir (extra int) INHERITS (app.base); CREATE TABLE app.heir2 () INHERITS (app.heir)});
sql($node, q{SELECT twin.audit_table('app.base', '{thumb}', '{salary}'), twin.audit_table('app.heir', '{thumb}', '{salary}'), twin.audit_table('app.heir2', '{thumb}', '{salary}');
	CREATE DATABASE copy});
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'a database with such tables is dumped');
$node->command_ok([ 'pg_restore', '-j', '2', '--exit-on-error', '-d', $node->connstr('copy'), $dump ], '... and restored');
is(sql($node, q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'twin\_audit\_%'}, db => 'copy'), sql($node, q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'twin\_audit\_%'}), '... with all triggers');
fails_with($node, 'ALTER TABLE app.t INHERIT app.over', '55000', 'is audited and', '... and guarded as before', db => 'copy');
sql($node, 'DROP DATABASE copy');

# ---- columns renamed from above ----

sql($node, 'SET ROLE owner; ALTER TABLE app.base RENAME salary TO pay; ALTER TABLE app.base RENAME thumb TO face; ALTER TABLE app.base RENAME id TO thumb');
is(sql($node, q{SELECT string_agg(DISTINCT skip_columns::text || digest_columns::text, ' ') FROM twin_internal.audited_tables WHERE relation::text ~ 'heir|base'}), '{face}{pay}', 'columns renamed through the parent are followed in all below');
sql($node, q{INSERT INTO app.heir2 VALUES (1, 4711, 'canary', 2)});
is(sql($node, q{SELECT (new #>> '{pay,digest}' ~ '^[0-9a-f]{64}$') || ' ' || (new - 'pay')::text FROM twin.audit_log WHERE resource = 'app.heir2' AND event_type = 'create'}), 'true {"extra": 2, "thumb": 1}', '... digested and skipped as before');
sql($node, q{CREATE TYPE app.row AS (id int, salary int); CREATE TABLE app.typed OF app.row; SELECT twin.audit_table('app.typed', digest_columns => '{salary}'); ALTER TYPE app.row RENAME ATTRIBUTE salary TO pay CASCADE});
is(sql($node, q{SELECT digest_columns FROM twin_internal.audited_tables WHERE relation = 'app.typed'::regclass}), '{pay}', '... also through a type');

# ---- values that no trigger sees ----

my @alter = both('ddl', 'high', 'ALTER TABLE app.t');
my $values = "concat_ws(' ', outcome, details ->> 'change', details ->> 'name', details ->> 'values')";
leaves('a type changed', 'ALTER TABLE app.t ALTER amount TYPE bigint USING 0', [ 'unknown alter column type amount using rewritten', 'success alter column type amount using rewritten' ], user => 'owner', tell => $values);
leaves('values rewritten under the same type', 'ALTER TABLE app.t ALTER amount TYPE bigint USING 1', \@alter, user => 'owner');
is(sql($node, "SELECT details FROM twin.audit_log WHERE event_id > $latest AND outcome = 'success' AND event_type = 'ddl'"), '{"change": "alter column type amount using", "values": "rewritten"}', '... says so');
leaves('columns that come and go', q{ALTER TABLE app.t DROP amount, ADD COLUMN amount int DEFAULT 7, ADD plain int}, [ 'unknown drop column amount, add column amount, add column plain dropped, added', 'success drop column amount, add column amount, add column plain dropped, added' ], user => 'owner', tell => $values);
sql($node, q{CREATE DOMAIN app.percent AS int; SET ROLE owner; ALTER TABLE app.t ADD share app.percent});
like(left('DROP DOMAIN app.percent CASCADE', $told), qr/^ddl high unknown DROP DOMAIN app\.t\nddl high success DROP DOMAIN app\.t$/m, 'a column that goes with its type');
like(left('ALTER TYPE app.row ALTER ATTRIBUTE pay TYPE text CASCADE', $told), qr/^ddl high unknown ALTER TYPE app\.typed$/m, 'or changes with it');
leaves('of a table that is not audited', 'ALTER TABLE app.over DROP amount', ['ddl info success ALTER TABLE app.over'], user => 'owner');
is(sql($node, "SELECT details FROM twin.audit_log WHERE event_id > $latest AND event_type = 'ddl'"), '{"change": "drop column amount"}', '... what, too');

# ---- who it was ----

my $superuser = sql($node, 'SELECT current_user');
my $who = "concat_ws(' ', event_type, severity, resource, session_user_name, outer_user_name, effective_user_name)";
leaves('SET SESSION AUTHORIZATION', "SET SESSION AUTHORIZATION owner; UPDATE app.t SET note = 'x' WHERE id = 1; SET ROLE twin_auditor; SET ROLE NONE; RESET SESSION AUTHORIZATION; DELETE FROM app.t WHERE id = 2",
	[
		"configuration_change high session_authorization $superuser $superuser $superuser",
		"update info app.t $superuser owner owner",
		"configuration_change high session_authorization $superuser owner owner",
		"delete info app.t $superuser $superuser $superuser"
	],
	tell => $who);
is(sql($node, "SELECT string_agg(details::text, ' ' ORDER BY event_id) FROM twin.audit_log WHERE event_id > $latest AND event_type = 'configuration_change'"), qq({"new": "owner", "old": "$superuser"} {"new": "$superuser", "old": "owner"}), '... is told, and so is its end');
leaves('... in a function and rolled back', "BEGIN; SELECT set_config('session_authorization', 'low', true); SELECT * FROM app.t; ROLLBACK",
	[ "configuration_change high session_authorization $superuser $superuser $superuser", "permission_denied medium app $superuser low low", "configuration_change high session_authorization $superuser low low" ], tell => $who);
leaves('by who may not', 'SET SESSION AUTHORIZATION owner', [ 'permission_denied medium denied SET' ], user => 'low');

# ---- alarms that anybody writes ----

sub raising { my ($code) = @_; return "DO \$\$ BEGIN RAISE EXCEPTION 'canary-raise' USING ERRCODE = '$code'; END \$\$" }
my $alarm = "concat_ws(' ', event_type, severity, application_made)";
foreach my $code (qw(TW106 TW101 TW201))
{
	leaves("a RAISE of $code is no alarm", raising($code), [], user => 'low', tell => $alarm);
}
leaves('... nor one that is swallowed', q{DO $$ BEGIN RAISE SQLSTATE 'TW106'; EXCEPTION WHEN OTHERS THEN NULL; END $$}, [], user => 'low', tell => $alarm);
leaves('a RAISE of XX001 is the application\'s', raising('XX001'), ['system_error high t'], user => 'low', tell => $alarm);
sql($node, q{CREATE FUNCTION app.alarm(code text, a int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = code; END $$;
	GRANT USAGE ON SCHEMA app TO low; CREATE TABLE app.many AS SELECT g AS a FROM generate_series(1, 100000) g; GRANT SELECT ON app.many TO low; ALTER TABLE app.many SET (parallel_workers = 2)});
my $workers = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off;';
leaves("... also in parallel workers ($_)", "$workers SELECT sum(app.alarm('$_', a)) FROM app.many", [], user => 'low', tell => $alarm) foreach 'TW106';
leaves('... both', "$workers SELECT sum(app.alarm('XX001', a)) FROM app.many", ['system_error high t'], user => 'low', tell => $alarm);
leaves('the server\'s own is the server\'s', q{SELECT pg_read_file('nowhere')}, ['system_error high f'], tell => $alarm);
sql($node, q{SELECT twin.grant_key(k, 'low', 'decrypt') FROM unnest('{main,environment}'::text[]) k});
(my $damaged = sql($node, q{SELECT twin.encrypt_data('canary')})) =~ s/(.)(.{8})$/($1 eq 'A' ? 'B' : 'A') . $2/e;
leaves('damage that the extension finds is an alarm', "SELECT twin.decrypt_data('$damaged')", ['integrity_failure high f'], user => 'low', tell => $alarm);
leaves('... in parallel workers, too', "$workers SET @{[ parallel_mode($node) ]} = on; SELECT count(twin.decrypt_data('$damaged' || left(a::text, 0))) FROM app.many WHERE a < 9", ['integrity_failure high f'], user => 'low', tell => $alarm);

# ---- commands given in a database without the extension ----

sub elsewhere { my ($name, $sql, $expected, %options) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; return leaves($name, $sql, $expected, db => 'bare', %options) }
elsewhere('a role made elsewhere', 'CREATE ROLE hidden LOGIN SUPERUSER', [ both('user_created', 'medium', 'CREATE ROLE hidden') ]);
is(sql($node, "SELECT details FROM twin.audit_log WHERE event_id > $latest AND event_type = 'user_created' LIMIT 1"), '{"canlogin": "true", "given_in": "bare", "superuser": "true"}', '... and where');
sql($node, 'GRANT twin_admin TO maker WITH ADMIN OPTION');    # from 16 on CREATEROLE alone gives away no role
elsewhere('a membership', 'GRANT twin_admin TO hidden', [ both('role_assigned', 'medium', 'GRANT ROLE twin_admin') ], user => 'maker');
elsewhere('one that is refused', 'CREATE ROLE mine', [ both('user_created', 'medium', 'CREATE ROLE mine', 'denied') ], user => 'low');
elsewhere('rolled back', 'BEGIN; DROP ROLE hidden; ROLLBACK', [ both('user_deleted', 'medium', 'DROP ROLE hidden', 'failure') ]);
elsewhere('a setting of a role', 'ALTER ROLE hidden SET session_replication_role = replica', [ both('configuration_change', 'medium', 'ALTER ROLE hidden') ]);
elsewhere('of a database', 'ALTER DATABASE postgres SET row_security = off', [ both('configuration_change', 'medium', 'ALTER DATABASE postgres') ]);
elsewhere('of the server', 'ALTER SYSTEM SET twin_security.checkpoint_interval = 77', [ both('configuration_change', 'high', 'ALTER SYSTEM twin_security.checkpoint_interval') ]);
elsewhere('databases', 'ALTER DATABASE postgres CONNECTION LIMIT 99; GRANT CREATE ON DATABASE postgres TO low; CREATE DATABASE third; DROP DATABASE third',
	[ 'ddl info success ALTER DATABASE postgres', both('grant', 'medium', 'GRANT postgres'), 'ddl info success CREATE DATABASE third', 'ddl info success DROP DATABASE third' ]);
elsewhere('a rename', 'ALTER ROLE hidden RENAME TO seen; DROP ROLE seen', [ both('user_updated', 'medium', 'ALTER ROLE hidden'), both('user_deleted', 'medium', 'DROP ROLE seen') ]);
elsewhere('what is of that database alone', 'CREATE TABLE own (a int); GRANT SELECT ON own TO low; COMMENT ON TABLE own IS $$x$$; DROP TABLE own', []);
elsewhere('in a transaction', 'BEGIN; CREATE ROLE later; CREATE TABLE x (a int); COMMIT; DROP ROLE later', [ both('user_created', 'medium', 'CREATE ROLE later'), both('user_deleted', 'medium', 'DROP ROLE later') ]);
$node->stop;

done_testing();

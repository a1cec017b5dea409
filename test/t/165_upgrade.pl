# A database that was made by an older version and updated step by step is the same as one made new: members, definitions,
# owners, comments, privileges, what travels with a dump, rows that come with the extension; and what users had stays. Every
# released version walks to the present one. That the comparison sees what a step forgets is shown with steps made here, in
# an installation of PostgreSQL of this test's own.
use strict;
use warnings;
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinShape;
use TwinTest;

# ---- an installation whose scripts may be added to ----

my $own = PostgreSQL::Test::Utils::tempdir();
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
my ($bindir, $sharedir, $pkglibdir) = map { chomp(my $folder = `$pg_config --$_`); $folder } qw(bindir sharedir pkglibdir);
my $root = $bindir;
$root = dirname($root) until index("$sharedir/", "$root/") == 0 && index("$pkglibdir/", "$root/") == 0;
my ($own_bin, $own_share, $own_lib) = map { $own . substr $_, length $root } $bindir, $sharedir, $pkglibdir;
# programs find their files from where they lie themselves; libraries may be links
run_pipe("mkdir -p '$own_bin' '$own_share' '" . dirname($own_lib) . "' && cp -L '$bindir'/* '$own_bin' && cp -RL '$sharedir'/. '$own_share' && ln -s '$pkglibdir' '$own_lib'");
my $scripts = "$own_share/extension";
my ($version) = slurp_file("$scripts/twin_security.control") =~ /^default_version = '(.*)'/m;

my $node = new_node('upgrade', install_path => dirname($own_bin));
start_with($node, new_key());

sub database
{
	my ($name, $create) = @_;
	sql($node, "CREATE DATABASE $name");
	sql($node, $create, db => $name);
	return $name;
}

# The versions on the way from one to another, without the first.
sub way
{
	my ($from, $to) = @_;
	my $path = sql($node, "SELECT path FROM pg_extension_update_paths('twin_security') WHERE source = '$from' AND target = '$to'");
	my (undef, @way) = split /--/, $path;
	return @way;
}

sub update { my ($db, $to) = @_; return sql($node, "ALTER EXTENSION twin_security UPDATE TO '$to'", db => $db); }

# ---- released versions ----

my @released = sort grep { $_ ne $version } map { m{/twin_security--((?:(?!--).)+)\.sql$} ? $1 : () } glob "$scripts/twin_security--*.sql";
my $fresh = @released ? shape_of($node, database('fresh', 'CREATE EXTENSION twin_security')) : {};
foreach my $from (@released)
{
	my $db = database('from_' . $from =~ tr/./_/r, "CREATE EXTENSION twin_security VERSION '$from'");
	my @way = way($from, $version);
	ok(scalar @way, "$from: there is a way to $version");
	update($db, $_) foreach @way;
	is(join("\n", differences(shape_of($node, $db), $fresh)), '', "$from: after " . join(', ', @way) . ' it is as one made new');
}
pass('released versions before this one: ' . scalar @released);

# ---- versions of this test's ----

my ($next, $last, $bad) = map { "$version.$_" } 1 .. 3;
my %script = (
	# what a step adds ...
	"$version--$next" => q{
		CREATE TABLE twin_internal.step_notes (gone integer, note text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
		COMMENT ON TABLE twin_internal.step_notes IS 'notes';
		SELECT pg_catalog.pg_extension_config_dump('twin_internal.step_notes', '');
		CREATE FUNCTION twin.step_count() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp BEGIN ATOMIC SELECT 0::bigint; END;
		COMMENT ON FUNCTION twin.step_count() IS 'how many';
		CREATE FUNCTION twin.step_gone() RETURNS integer LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT 1; END;},
	# ... and the next one changes
	"$next--$last" => q{
		DROP FUNCTION twin.step_gone();
		ALTER TABLE twin_internal.step_notes DROP COLUMN gone, ADD COLUMN kind text NOT NULL DEFAULT 'plain' CHECK (kind <> '');
		CREATE INDEX step_notes_kind ON twin_internal.step_notes (kind);
		CREATE OR REPLACE FUNCTION twin.step_count() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
			BEGIN ATOMIC SELECT count(*) FROM twin_internal.step_notes; END;
		REVOKE ALL ON FUNCTION twin.step_count() FROM PUBLIC;
		GRANT EXECUTE ON FUNCTION twin.step_count() TO twin_admin;
		GRANT EXECUTE ON FUNCTION twin.step_count() TO twin_auditor;
		ALTER TABLE twin_internal.tenants ADD COLUMN region text;
		INSERT INTO twin_internal.step_notes (note, at) VALUES ('seed', '2026-01-01 00:00:00+00');},
	# the same, written anew
	$last => slurp_file("$scripts/twin_security--$version.sql") . q{
		ALTER TABLE twin_internal.tenants ADD COLUMN region text;
		CREATE TABLE twin_internal.step_notes (note text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), kind text NOT NULL DEFAULT 'plain' CHECK (kind <> ''));
		CREATE INDEX step_notes_kind ON twin_internal.step_notes (kind);
		INSERT INTO twin_internal.step_notes (note, at) VALUES ('seed', '2026-01-01 00:00:00+00');
		SELECT pg_catalog.pg_extension_config_dump('twin_internal.step_notes', '');
		CREATE FUNCTION twin.step_count() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
			BEGIN ATOMIC SELECT count(*) FROM twin_internal.step_notes; END;
		REVOKE ALL ON FUNCTION twin.step_count() FROM PUBLIC;
		GRANT EXECUTE ON FUNCTION twin.step_count() TO twin_auditor;
		GRANT EXECUTE ON FUNCTION twin.step_count() TO twin_admin;
		COMMENT ON FUNCTION twin.step_count() IS 'how many';
		COMMENT ON TABLE twin_internal.step_notes IS 'notes';},
	# a step that somebody wrote in a hurry
	"$version--$bad" => q{
		CREATE FUNCTION twin.step_left() RETURNS integer LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT 1; END;
		CREATE TABLE twin_internal.step_notes (note text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), kind text NOT NULL DEFAULT 'plain');
		CREATE FUNCTION twin.step_count() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
			BEGIN ATOMIC SELECT count(*) FROM twin_internal.step_notes; END;
		ALTER TABLE twin_internal.tenants ADD COLUMN region text DEFAULT 'here';
		ALTER FUNCTION twin.generate_key() STRICT PARALLEL UNSAFE;
		ALTER TABLE twin_internal.installation ENABLE TRIGGER keep_installation;
		GRANT SELECT ON twin_internal.users TO twin_viewer;
		COMMENT ON VIEW twin.keys IS 'keys';
		CREATE OR REPLACE VIEW twin_internal.check_server_1 AS SELECT 'warn' AS status, s.name AS object, NULL::text AS detail FROM pg_catalog.pg_settings s WHERE false;
		ALTER EVENT TRIGGER twin_security_watch_schema DISABLE;
		ALTER OPERATOR pg_catalog.= (twin.encrypted_text_eq, text) SET (RESTRICT = NONE);
		DELETE FROM twin_internal.branch_ends WHERE branch = 15;});

sub write_file
{
	my ($path, $text) = @_;
	open my $file, '>', $path or die "$path: $!";
	print $file $text;
	close $file or die "$path: $!";
	return;
}

# Which version CREATE EXTENSION makes.
sub set_present
{
	my ($is) = @_;
	my $control = slurp_file("$scripts/twin_security.control");
	$control =~ s/^(default_version = )'.*'/$1'$is'/m;
	return write_file("$scripts/twin_security.control", $control);
}
write_file("$scripts/twin_security--$_.sql", $script{$_}) foreach keys %script;

# Interrupts an update in the middle, again and again: a table that it changes is somebody's meanwhile.
sub interrupt
{
	my ($to) = @_;
	my ($holder, $updating) = map { $node->background_psql('old', on_error_stop => 0) } 1, 2;
	my $update = "ALTER EXTENSION twin_security UPDATE TO '$to'";
	my $pid = $updating->query_safe('SELECT pg_backend_pid()');
	my $state = q{SELECT extversion, twin.step_gone(), (SELECT count(*) FROM twin_internal.step_notes) FROM pg_extension WHERE extname = 'twin_security'};
	my $before = sql($node, $state, db => 'old');
	my $is_waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $pid AND NOT granted)";

	$holder->query_safe('BEGIN; LOCK TABLE twin_internal.tenants');
	session_fails($updating, "SET lock_timeout = 50; $update", '55P03', "the step to $to: lock_timeout ends it");
	session_fails($updating, "SET lock_timeout = 0; SET statement_timeout = 500; $update", '57014', '... and statement_timeout');
	$updating->query_safe('SET statement_timeout = 0');
	begin_query($updating, "$update;");
	ok(comes_true($node, $is_waiting, db => 'old'), '... and when it waits ...');
	sql($node, "SELECT pg_cancel_backend($pid)");
	session_fails($updating, 'SELECT 1 WHERE false', '57014', '... a cancel');
	begin_query($updating, "$update;");
	ok(comes_true($node, $is_waiting, db => 'old'), '... and when it waits again ...');
	is(sql($node, "SELECT pg_terminate_backend($pid, 60000)"), 't', '... pg_terminate_backend()');
	eval { $updating->quit };
	$holder->query_safe('ROLLBACK');
	$holder->quit;
	is(sql($node, $state, db => 'old'), $before, '... and nothing has changed');
	return;
}

# what users have, made by the older version
my $used = q{SELECT twin.create_tenant('north'); SELECT twin.create_user('ada', 'a long enough word 7', tenant_id => (SELECT tenant_id FROM twin.tenants));
	SELECT twin.create_key('pii'); SELECT twin.grant_key('pii', 'reader', 'decrypt'); SELECT twin.grant_key('pii', 'postgres', 'encrypt');
	CREATE TABLE people (id int PRIMARY KEY, email twin.encrypted_text_eq(pii)); GRANT SELECT ON people TO reader;
	INSERT INTO people SELECT i, 'p' || i || '@twin.example' FROM generate_series(1, 50) i;
	DELETE FROM twin.alert_rules WHERE rule_name = (SELECT min(rule_name) FROM twin.alert_rules); UPDATE twin.rate_limits SET burst = 77 WHERE route = '*';
	SELECT twin.audit_table('people'); UPDATE people SET email = 'changed@twin.example' WHERE id = 50};
my %kept = (
	'values open' => q{SET ROLE reader; SELECT md5(string_agg(email::text, ',' ORDER BY id)) FROM people},
	'an index finds them' => q{SET enable_seqscan = off; SELECT id FROM people WHERE email = 'p7@twin.example'},
	'accounts' => 'SELECT username, tenant_id, role_name FROM twin.users',
	'rules' => 'SELECT rule_name FROM twin.alert_rules ORDER BY 1',
	'limits' => 'SELECT route, scope, burst FROM twin.rate_limits ORDER BY 1, 2',
	'keys' => 'SELECT key_id, key_name, version FROM twin.keys ORDER BY 1',
	'changes that were audited' => q{SELECT count(*), min(resource) FROM twin.audit_log WHERE event_type = 'update'});
my %was;
sub look { my ($db) = @_; %was = map { $_ => answer_of($node, $kept{$_}, db => $db, user => /opens?$/ ? 'reader' : undef) } keys %kept; return; }

sub check_kept
{
	my ($db, $how) = @_;
	is(answer_of($node, $kept{$_}, db => $db, user => /opens?$/ ? 'reader' : undef), $was{$_}, "$how: $_") foreach sort keys %kept;
	is(sql($node, q{SELECT ok, coalesce(reason, '') FROM twin.verify_audit_log()}, db => $db), 't|', "$how: the log verifies");
	return;
}
sql($node, 'CREATE ROLE reader LOGIN');
sql($node, $used, db => database('old', 'CREATE EXTENSION twin_security'));
look('old');
unlike(join(' ', values %was), qr/ERROR|^\w{5}: /, 'what there is to keep');
ok(events_sealed($node, db => 'old'), 'the log is sealed as far as it goes');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
run_pipe("pg_dump -Fc -Z0 -d '" . $node->connstr('old') . "' -f $dump");

set_present($last);
my $new = shape_of($node, database('new', 'CREATE EXTENSION twin_security'));
cmp_ok(scalar(keys %$new), '>', 5000, 'every member is looked at');
my ($rows, $rows_again) = map { rows_of($node, $_) } 'new', database('new_again', 'CREATE EXTENSION twin_security');
# rows that differ from one new database to the next (keys, marks, times) cannot be compared
delete @$rows{ grep { $rows->{$_} ne $rows_again->{$_} } keys %$rows };
cmp_ok(scalar(keys %$rows), '>', 40, 'nearly all tables have the same rows in every new database');

database('walked', "CREATE EXTENSION twin_security VERSION '$version'");
is(join(' ', way($version, $last)), "$next $last", 'there is a way');
foreach my $to (way($version, $last))
{
	interrupt($to) if $to eq $last;
	update($_, $to) foreach qw(walked old);
	is(sql($node, q{SELECT extversion FROM pg_extension WHERE extname = 'twin_security'}, db => 'old'), $to, "the step to $to");
}
is(join("\n", differences(shape_of($node, 'walked'), $new)), '', 'a database that took every step is as one made new');
my $walked_rows = rows_of($node, 'walked');
is(join("\n", grep { $rows->{$_} ne ($walked_rows->{$_} // '') } sort keys %$rows), '', '... in its rows, too');
check_kept('old', 'updated');

# ---- what a step forgets is named ----

update(database('hurried', "CREATE EXTENSION twin_security VERSION '$version'"), $bad);
is(join("\n", map { s/; Owner: .*//r } differences(shape_of($node, 'hurried'), $new)), join("\n", sort(
	'missing: FUNCTION step_count(); Type: ACL; Schema: twin', 'missing: FUNCTION step_count(); Type: COMMENT; Schema: twin',
	'missing: TABLE step_notes; Type: COMMENT; Schema: twin_internal', 'missing: dump of twin_internal.step_notes',
	'missing: step_notes_kind; Type: INDEX; Schema: twin_internal',
	'otherwise: =; Type: OPERATOR; Schema: pg_catalog', 'otherwise: twin_security_watch_schema; Type: EVENT TRIGGER; Schema: -', 'otherwise: VIEW keys; Type: COMMENT; Schema: twin',
	'otherwise: check_server_1; Type: VIEW; Schema: twin_internal', 'otherwise: generate_key(); Type: FUNCTION; Schema: twin',
	'otherwise: installation keep_installation; Type: TRIGGER; Schema: twin_internal', 'otherwise: step_count(); Type: FUNCTION; Schema: twin',
	'otherwise: step_notes; Type: TABLE; Schema: twin_internal', 'otherwise: tenants; Type: TABLE; Schema: twin_internal',
	'too much: TABLE users; Type: ACL; Schema: twin_internal', 'too much: step_left(); Type: FUNCTION; Schema: twin')), 'what a step forgets, or does besides, is named');
my $hurried_rows = rows_of($node, 'hurried');
is(join(' ', grep { $rows->{$_} ne $hurried_rows->{$_} } sort keys %$rows), 'rows of twin_internal.branch_ends rows of twin_internal.step_notes', '... rows, too');

# ---- a dump of an older version, restored into a newer one ----

sql($node, 'CREATE DATABASE restored');
run_pipe("pg_restore -e -d '" . $node->connstr('restored') . "' $dump");
is(sql($node, q{SELECT extversion FROM pg_extension WHERE extname = 'twin_security'}, db => 'restored'), $last, 'a dump is restored into the present version');
check_kept('restored', 'restored');
is(join("\n", grep { /^missing: / } differences(shape_of($node, 'restored'), $new)), '', 'restored: with all that belongs to it');
$node->stop;

done_testing();

# pg_upgrade from every older major that is here with the extension to this one, and a dump of it restored here: the demo twin with keys,
# accounts, encrypted columns, policies, a sealed log, alerts, an incident, a policy of retention and a hold. Everything opens and is found,
# tokens of before are valid, policies hold, the log is whole, checkpoints of before are of the same tree, and it goes on.
# Then what only newer servers let an administrator set, by which our workers must not be stopped. test/majors runs it where it has something to do.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my ($bindir) = map { chomp(my $folder = `$_ --bindir`); $folder } $ENV{PG_CONFIG} // 'pg_config';
my ($major) = `$bindir/postgres --version` =~ / (\d+)/ or die 'no version';
my @older = sort grep { /^\d+$/ && $_ < $major } map {
	my $place = $_;
	-x "$place/bin/initdb" && -f "$place/lib/twin_security.so" && $place =~ m{/(\d+)$} ? $1 : ()
} glob '/usr/lib/postgresql/*';
plan skip_all => "no PostgreSQL older than $major is here with the extension: no pg_upgrade from one major to another is tried (test/majors does)" unless @older;
my ($source) = $ENV{TWIN_SOURCE} or die 'TWIN_SOURCE does not name the sources (test/run_tap does)';
my $conf = "twin_security.checkpoint_interval = 1s\ntwin_security.retention_interval = 0\n";
my @db = (db => 'twin');
my @app = (@db, user => 'demo_app');
my @operator = (@db, user => 'demo_operator');
my $password = 'Wintergreen-' . unpack 'H*', random_bytes(6);
my $files = PostgreSQL::Test::Utils::tempdir();
chdir $files;

sub settle { my ($node, @in) = @_; return comes_true($node, q{SELECT s.ring_fill = 0 AND s.emitted = s.written + s.dropped AND s.seal_lag = '0' AND s.sealed = c.size AND c.size > 1
	FROM twin.stat_audit s, twin_internal.checkpoints c ORDER BY c.size DESC LIMIT 1}, @in) }

# ---- the twin in an older major ----

sub make_twin
{
	my ($node) = @_;
	sql($node, 'CREATE DATABASE twin');
	sql($node, 'SET client_min_messages = warning; CREATE EXTENSION twin_security;' . join('', map { slurp_file("$source/demo/$_.sql") } qw(schema roles units)), @db);
	sql($node, 'SELECT twin.create_tenant(tenant_name) FROM thermacore.tenants WHERE tenant_id <= 2 ORDER BY tenant_id;' . join('',
		map { my ($name, $role, $tenant) = @$_; "SELECT twin.create_user('$name', '$password', '$name\@tenant$tenant.example.com', '$role', $tenant);" }
		  [ 'oleg', 'operator', 1 ], [ 'vera', 'viewer', 1 ], [ 'vito', 'viewer', 2 ]) . slurp_file("$source/demo/access.sql"), @db);
	sql($node, q{
		SELECT twin.audit_table('thermacore.setpoints'), twin.audit_table('thermacore.units', reads => true);
		UPDATE thermacore.setpoints SET celsius = 21.5 WHERE unit_id = 3;
		INSERT INTO thermacore.sensor_readings (sensor_id, recorded_at, value) SELECT 1, '2026-01-01'::timestamptz + i * interval '1 minute', i / 10.0 FROM generate_series(1, 300) i;
		SELECT twin.rotate_key('contacts'); SELECT twin.rotate_key('contacts');
		UPDATE thermacore.units SET client_phone = '+1 555 0100' WHERE unit_id = 7;
		SELECT twin.create_decrypted_view('thermacore.units', 'thermacore.open_units');
		GRANT SELECT ON thermacore.open_units TO demo_operator;
		SELECT twin.add_retention_policy('readings', interval '2 years', 'thermacore.imports', 'loaded_at');
		SELECT twin.place_legal_hold('case 1', policy_name => 'readings');
		SELECT twin.open_incident('data_breach');
		SELECT twin.block_address('203.0.113.9', interval '1 day', 'of before');
		ANALYZE thermacore.units}, @db);
	comes_true($node, q{SELECT count(*) > 0 FROM twin.alerts WHERE rule_name = 'admin_actions'}, @db) or die 'no alert';
	return;
}

# What must be the same afterwards, by what it is.
my %kept = (
	'stored values' => q{SELECT md5(string_agg(r, E'\n' ORDER BY r)) FROM (SELECT u::text FROM thermacore.units u UNION ALL SELECT s::text FROM thermacore.sensor_readings s
		UNION ALL SELECT p::text FROM thermacore.setpoints p UNION ALL SELECT e::text FROM thermacore.users e) s (r)},
	keys => 'SELECT key_id, key_name, version, state FROM twin.keys ORDER BY 1',
	accounts => 'SELECT md5(string_agg(u::text, chr(10) ORDER BY user_id)) FROM twin_internal.users u',
	'what policies there are' => 'SELECT tablename, policyname, cmd, roles, qual, with_check FROM pg_policies ORDER BY 1, 2',
	alerts => q{SELECT alert_id, rule_name, subject, raised_at FROM twin.alerts WHERE raised_at < 'TIME' ORDER BY 1},
	incidents => 'SELECT incident_id, incident_type, status FROM twin.incidents ORDER BY 1',
	'addresses that are blocked' => 'SELECT address, reason FROM twin.blocked_addresses',
	'policies of retention' => 'SELECT policy_name, keep, enabled FROM twin.retention_policies ORDER BY 1',
	holds => 'SELECT hold_id, case_ref, policy_name, placed_at FROM twin.legal_holds',
	'audited tables' => q{SELECT relation::text, mode, reads FROM twin.audited_tables ORDER BY 1},
	checkpoints => 'SELECT md5(string_agg(note::text, chr(10) ORDER BY size)) FROM twin_internal.checkpoints WHERE size <= SIZE',
	leaves => q{SELECT md5(string_agg(leaf_index || ' ' || event_id || ' ' || leaf::text, ',' ORDER BY leaf_index)) FROM twin.audit_leaves(0, SIZE - 1)},
);
my %opened = (
	'values open' => q{SELECT md5(string_agg(concat(client_name::text, client_contact::text, client_email::text, client_phone::text), ',' ORDER BY unit_id)) FROM thermacore.units},
	'measured ones too' => 'SELECT sum(value::float8) FROM thermacore.sensor_readings',
	'the decrypted view' => 'SELECT client_phone, client_email FROM thermacore.open_units WHERE unit_id = 7',
);
my $found_by = q{SELECT client_email::text FROM thermacore.units WHERE unit_id = 77};
my $statistics = q{SELECT attname, null_frac, avg_width, n_distinct, most_common_vals IS NULL AS no_values FROM pg_stats WHERE tablename = 'units' AND attname LIKE 'client%' ORDER BY 1};
my $whole = q{SELECT ok, checked = (SELECT size FROM twin_internal.ledger_state), coalesce(reason, '') FROM twin.verify_audit_log()};

sub kept { my ($what, $was) = @_; return $kept{$what} =~ s/SIZE/$was->{size}/r =~ s/TIME/$was->{time}/r }
sub as { my ($token, $sql) = @_; return "BEGIN; SELECT twin.authenticate('$token') \\g /dev/null\n$sql; COMMIT" }

# Everything of the old cluster that is looked at again.
sub remember
{
	my ($node) = @_;
	my %was;
	foreach my $who (qw(oleg vera vito))
	{
		my $answer = sql($node, "SELECT l ->> 'access_token', l ->> 'refresh_token' FROM twin_api.login('$who', '$password') l", @app);
		($was{$who}, $was{"refresh $who"}) = split /\|/, $answer;
		$was{"rows of $who"} = sql($node, as($was{$who}, 'SELECT md5(string_agg(s::text, chr(10) ORDER BY unit_id)), count(*) FROM thermacore.setpoints s'), @app);
	}
	settle($node, @db) or die 'not sealed';
	$was{time} = sql($node, 'SELECT now()', @db);
	my $checkpoint = sql($node, 'SELECT twin.audit_checkpoint()', @db);
	$was{checkpoint} = $checkpoint;
	$was{size} = (split /\n/, $checkpoint)[1];
	$was{$_} = sql($node, kept($_, \%was), @db) foreach keys %kept;
	$was{$_} = sql($node, $opened{$_}, @operator) foreach keys %opened;
	$was{email} = sql($node, $found_by, @operator);
	$was{statistics} = sql($node, $statistics, @db);
	return \%was;
}

# The same in the new cluster, and that it goes on.
sub check_twin
{
	my ($node, $was, $how, $db, $tokens_count) = @_;
	my @in = (db => $db);
	my @as_app = (@in, user => 'demo_app');
	my @as_operator = (@in, user => 'demo_operator');

	is(sql($node, kept($_, $was), @in), $was->{$_}, "$how: $_") foreach sort keys %kept;
	is(sql($node, $opened{$_}, @as_operator), $was->{$_}, "$how: $_") foreach sort keys %opened;
	is(sql($node, "SELECT unit_id FROM thermacore.units WHERE client_email = '$was->{email}'", @as_operator), '77', "$how: equality finds");
	like(sql($node, "SET enable_seqscan = off; EXPLAIN (COSTS OFF) SELECT unit_id FROM thermacore.units WHERE client_email = '$was->{email}'", @as_operator),
		qr/units_client_email/, "$how: ... by the index");
	fails_with($node, 'SELECT client_email::text FROM thermacore.units', '42501', 'permission denied to decrypt', "$how: who has no grant opens nothing", @in, user => 'demo_viewer');
	# a restored dump is another database, whose tokens are its own: users log in there
	unless ($tokens_count)
	{
		fails_with($node, "SELECT twin.authenticate('$was->{vera}')", 'TW505', '', "$how: tokens of the other database are none of this one's", @as_app);
		$was = { %$was, map { $_ => sql($node, "SELECT twin_api.login('$_', '$password') ->> 'access_token'", @as_app) } qw(oleg vera vito) };
	}
	is(sql($node, as($was->{$_}, 'SELECT md5(string_agg(s::text, chr(10) ORDER BY unit_id)), count(*) FROM thermacore.setpoints s'), @as_app), $was->{"rows of $_"}, "$how: the token of $_ is valid, and shows the same rows")
	  foreach qw(oleg vera vito);
	isnt($was->{'rows of vera'}, $was->{'rows of vito'}, "$how: ... which are a tenant's");
	is(sql($node, 'SELECT count(*) FROM thermacore.setpoints', @as_app), '0', "$how: nobody sees none");
	is(sql($node, as($was->{vera}, 'WITH c AS (UPDATE thermacore.setpoints SET celsius = 30 RETURNING 1) SELECT count(*) FROM c'), @as_app), '0', "$how: a viewer changes nothing");
	is(sql($node, "SELECT (twin_api.refresh('" . $was->{'refresh oleg'} . "') ->> 'access_token') IS NOT NULL", @as_app), $tokens_count ? 't' : 'f', "$how: sessions " . ($tokens_count ? 'go on' : 'end with it'));
	is(sql($node, "SELECT (twin_api.login('vera', '$password') ->> 'access_token') IS NOT NULL", @as_app), 't', "$how: passwords are as they were");

	# new ones
	sql($node, as($was->{oleg}, q{UPDATE thermacore.setpoints SET celsius = 44.5, note = 'of the newer server' WHERE unit_id = 3}), @as_app);
	ok(settle($node, @in), "$how: new events are sealed");
	is(sql($node, q{SELECT username, new ->> 'celsius' FROM twin.audit_log WHERE resource = 'thermacore.setpoints' AND event_type = 'update' AND leaf_index IS NOT NULL ORDER BY event_id DESC LIMIT 1}, @in),
		'oleg|44.5', "$how: ... the one just made among them");
	is(sql($node, $whole, @in), 't|t|', "$how: the log is whole");
	is(sql($node, "SELECT convert_from(note, 'UTF8') FROM twin_internal.checkpoints WHERE size = $was->{size}", @in), $was->{checkpoint}, "$how: a checkpoint of before");
	is(sql($node, "SELECT twin.consistency_proof($was->{size}, size) IS NOT NULL FROM twin_internal.ledger_state", @in), 't', "$how: ... is of the tree that grew");
	is(sql($node, q{SELECT epoch FROM twin_internal.epochs ORDER BY epoch DESC LIMIT 1}, @in), '2', "$how: in a new epoch");
	sql($node, "SELECT twin.rotate_key('readings'); SELECT twin.rotate_key('readings');
		INSERT INTO thermacore.sensor_readings (sensor_id, recorded_at, value) VALUES (2, now(), 36.6)", @in);
	is(sql($node, 'SELECT value::float8 FROM thermacore.sensor_readings WHERE sensor_id = 2', @as_operator), '36.6', "$how: keys are rotated and new values open");
	return;
}

# ---- each way ----

my $last;
foreach my $from (@older)
{
	my $key = new_key();
	my $place = "/usr/lib/postgresql/$from";
	my $how = "$from to $major";
	my $old = new_node("from$from", install_path => $place, conf => $conf, extra => [ '-E', 'UTF8', '--no-locale' ]);
	start_with($old, $key, undef, JWT_SECRET_KEY => 'tests sign with this, and nobody else');
	make_twin($old);
	my $was = remember($old);
	run_pipe("$bindir/pg_dump -Fc -d '" . $old->connstr('twin') . "' -f $files/$from.dump && $bindir/pg_dumpall --globals-only -d '" . $old->connstr('twin') . "' > $files/$from.globals");

	# a new cluster must have checksums where the old one has them: from 18 on initdb says yes by itself
	my @no_checksums = `$bindir/initdb --help` =~ /(--no-data-checksums)/;
	my $new = new_node("to$major$from", conf => $conf, extra => [ '-E', 'UTF8', '--no-locale', @no_checksums ]);
	$old->stop;
	{
		local %ENV = (%ENV, ENCRYPTION_KEY => $key, JWT_SECRET_KEY => 'tests sign with this, and nobody else');
		command_ok([ "$bindir/pg_upgrade", '-N', '-b', "$place/bin", '-B', $bindir, '-d', $old->data_dir, '-D', $new->data_dir,
			'-p', $old->port, '-P', $new->port, '-s', $old->host ], "pg_upgrade $how") or next;
	}
	start_with($new, $key, undef, JWT_SECRET_KEY => 'tests sign with this, and nobody else');
	ok($new->poll_query_until('twin', 'SELECT count(*) = 2 FROM twin_internal.epochs'), "$how: an epoch begins by itself");
	# from 18 on statistics travel; before, only ANALYZE brings them
	is(sql($new, $statistics, @db), $major >= 18 ? $was->{statistics} : '', "$how: statistics " . ($major >= 18 ? 'come with it' : 'are left behind'));
	sql($new, 'ANALYZE thermacore.units', @db);
	is(sql($new, $statistics, @db), $was->{statistics}, "$how: ANALYZE finds what it found");
	check_twin($new, $was, $how, 'twin', 1);

	# a dump of the old one, where its roles are
	sql($new, 'CREATE DATABASE restored');
	run_pipe("$bindir/pg_restore -e -d '" . $new->connstr('restored') . "' $files/$from.dump");
	ok($new->poll_query_until('restored', 'SELECT count(*) = 2 FROM twin_internal.epochs'), "dump of $how: an epoch begins");
	check_twin($new, $was, "dump of $how", 'restored', 0);
	$last->stop if $last;
	$last = $new;
}

# ---- settings of newer servers ----

SKIP:
{
	skip "PostgreSQL $major has no transaction_timeout", 3 if $major < 17;
	# these sessions have what they need, whatever the database says
	local $ENV{PGOPTIONS} = '-c transaction_timeout=0 -c restrict_nonsystem_relation_kind=';
	my $set = sub { my ($name, $value) = @_; return sql($last, "ALTER DATABASE twin SET $name = $value", @db) };
	$set->('transaction_timeout', "'1ms'");
	$set->('restrict_nonsystem_relation_kind', "'view'");
	sql($last, q{CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler}, @db);
	$set->('default_table_access_method', 'other');
	# the writer that runs has the settings of before: a new one
	my $writer = sql($last, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'twin_security event writer' AND datname = 'twin'});
	sql($last, "SELECT pg_terminate_backend($_, 60000)") foreach grep { length } split /\n/, $writer;
	sql($last, q{SELECT twin.record_event('in_a_hurry') FROM generate_series(1, 2000)}, @db);
	ok(settle($last, @db), 'no transaction_timeout, and nothing else of the database, keeps events from being written and sealed');
	is(sql($last, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'in_a_hurry'}, @db), '2000', '... none of them');
	is(sql($last, q{SELECT count(*) FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'other' AND c.relnamespace = 'twin_internal'::regnamespace}, @db), '0', '... and no table of ours is of another kind');
}
$last->stop;

done_testing();

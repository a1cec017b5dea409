# What leaves a server, or is written while it works: decoded changes, spilled transactions, subscribers, standbys, base
# backups, temporary files, materialised views, logs. Every row carries one canary in encrypted columns and another in a
# plain one: where the plain one is found, the encrypted one must not be.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('primary', allows_streaming => 'logical', conf => q{
	logical_decoding_work_mem = 64kB
	log_replication_commands = on
	log_temp_files = 0
	max_replication_slots = 20
	max_wal_senders = 20});
start_with($node, $key);
my $data = $node->data_dir;
my $files = PostgreSQL::Test::Utils::tempdir();
my ($secret, $plain) = (canary(), canary());

# Tests that a place holds the plain canary, so that the search is known to work there, and not the encrypted one.
sub only_armor
{
	my ($place, $found_secret, $found_plain) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($found_plain, "$place: the plain column is found");
	return is($found_secret, '', "$place: the encrypted ones are not");
}
sub only_armor_in
{
	my ($place, $text) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($text, qr/tsec1:|74736563313a/, "$place: there is armor") unless $place =~ /binary/;
	return only_armor($place, holds($text, $secret) ? 'found' : '', holds($text, $plain));
}
sub only_armor_below
{
	my ($place, @folders) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return only_armor($place, map { files_holding($_, @folders) } $secret, $plain);
}

# Rows for COPY: no statement ever holds the encrypted canary, except by a literal where nothing logs it.
sub rows_file
{
	my ($first, $count) = @_;
	my $file = "$files/rows$first";
	append_to_file($file, join '', map { "$_\t$secret$_\t$secret$_\t$plain$_\n" } $first .. $first + $count - 1);
	return $file;
}

sql($node, q{
	CREATE EXTENSION twin_security;
	SELECT twin.grant_key('main', 'postgres', 'decrypt');
	CREATE TABLE t (id int PRIMARY KEY, v twin.encrypted_text(main), e twin.encrypted_text_eq(main), p text);
	ALTER TABLE t REPLICA IDENTITY FULL;
	CREATE PUBLICATION data FOR TABLE t});

# ---- decoded changes, old key images included ----

my %reads = (
	'test_decoding' => q{SELECT string_agg(data, E'\n') FROM pg_logical_slot_get_changes('SLOT', NULL, NULL)},
	'pgoutput' => q{SELECT string_agg(encode(data, 'hex'), '') FROM pg_logical_slot_get_binary_changes('SLOT', NULL, NULL,
		'proto_version', '1', 'publication_names', 'data')},
	'pgoutput, binary' => q{SELECT string_agg(encode(data, 'hex'), '') FROM pg_logical_slot_get_binary_changes('SLOT', NULL, NULL,
		'proto_version', '1', 'publication_names', 'data', 'binary', 'true')});
my %slot = map { $_ => s/\W+/_/r } keys %reads;
sql($node, "SELECT pg_create_logical_replication_slot('$slot{$_}', '" . s/,.*//r . "')") foreach keys %reads;
sql($node, "SELECT pg_create_logical_replication_slot('received_$_', '$_')") foreach 'test_decoding', 'pgoutput';
my $rows = rows_file(1, 20);
sql($node, qq{COPY t FROM '$rows'; UPDATE t SET v = 'new $secret', p = 'new $plain' WHERE id = 1; UPDATE t SET e = 'new $secret' WHERE id = 2;
	UPDATE t SET id = 1000 WHERE id = 3; DELETE FROM t WHERE id = 4});
foreach my $plugin (sort keys %reads)
{
	my $changes = sql($node, $reads{$plugin} =~ s/SLOT/$slot{$plugin}/r);
	like($changes, qr/old-key: .*e\[twin.encrypted_text_eq\]:'tsec1:/, 'test_decoding prints old images') if $plugin eq 'test_decoding';
	only_armor_in("changes by $plugin", $changes);
}
my %options = (test_decoding => [], pgoutput => [ '-o', 'proto_version=1', '-o', 'publication_names=data' ]);
my $end = sql($node, 'SELECT pg_current_wal_insert_lsn()');
foreach my $plugin (sort keys %options)
{
	$node->command_ok([ 'pg_recvlogical', '-d', $node->connstr('postgres'), '-S', "received_$plugin", '--start', '--no-loop', '--endpos', $end,
		'-f', "$files/received", @{ $options{$plugin} } ], "pg_recvlogical with $plugin");
	only_armor_in("pg_recvlogical with $plugin", file_bytes("$files/received"));
	unlink "$files/received";
}
sql($node, 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');

# ---- a subscriber, with a big transaction in flight ----

my $subscriber = new_node('subscriber', conf => 'wal_retrieve_retry_interval = 100ms');
start_with($subscriber, undef);
sql($subscriber, q{CREATE EXTENSION twin_security;
	CREATE TABLE t (id int PRIMARY KEY, v twin.encrypted_text(main), e twin.encrypted_text_eq(main) UNIQUE, p text UNIQUE)});
subscribe($subscriber, $node, 'subscriber', 'data', with => 'streaming = on');
sql($node, "SELECT pg_create_logical_replication_slot('spilling', 'test_decoding')");
my $receiver = IPC::Run::start([ 'pg_recvlogical', '-d', $node->connstr('postgres'), '-S', 'spilling', '--start', '--no-loop', '-f', '/dev/null' ]);
my $session = $node->background_psql('postgres');
$rows = rows_file(2000, 3000);
$session->query_safe("BEGIN; COPY t FROM '$rows'; UPDATE t SET v = v, p = p WHERE id >= 2000 /* $plain */");

# Waits until files that match a pattern are there and have some size.
sub wait_for_files
{
	my ($pattern, $size) = @_;
	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $total = 0;
		$total += -s $_ // 0 foreach glob $pattern;
		return 1 if $total > $size;
		select undef, undef, undef, 0.1;
	}
	return 0;
}
ok(wait_for_files("$data/pg_replslot/spilling/*.spill", 100000), 'the transaction spills while it is in flight');
only_armor_below('spilled changes', "$data/pg_replslot");
my $streamed = $subscriber->data_dir . '/base/pgsql_tmp';
ok(wait_for_files("$streamed/*/*", 100000), 'the subscriber keeps what is streamed to it in files');
only_armor_below('streamed changes', $streamed);
my $views = sql($node, q{SELECT string_agg(format('SELECT r::text FROM %I r', viewname), ' UNION ALL ') FROM pg_views
	WHERE schemaname = 'pg_catalog' AND viewname ~ '^pg_stat_|^pg_statio_|^pg_replication|^pg_locks|^pg_prepared|^pg_cursors'});
like($views, qr/FROM $_ /, "views of what is going on: $_") foreach 'pg_stat_activity', 'pg_stat_progress_copy', 'pg_stat_replication';
only_armor('views of what is going on', map { holds(sql($node, $views), $_) || '' } $secret, $plain);
$session->query_safe('COMMIT');
catch_up($node, 'subscriber');
$receiver->signal('INT');
$receiver->finish;
sql($node, "SELECT pg_drop_replication_slot('spilling')");
my $count = 'SELECT count(*) FROM t';
is(sql($subscriber, $count), sql($node, $count), 'the transaction arrived');

# conflicts stop the worker and are logged with the row
my $log_from = -s $subscriber->logfile;
sql($subscriber, qq{INSERT INTO t (id, p) VALUES (-1, 'clash $plain')});
sql($node, qq{INSERT INTO t VALUES (5000, '$secret', '$secret', 'clash $plain')});
$subscriber->wait_for_log(qr/duplicate key value violates unique constraint "t_p_key".*?\n.*Key \(p\)=\(clash $plain\)/, $log_from);
sql($subscriber, 'DELETE FROM t WHERE id = -1');
catch_up($node, 'subscriber');
sql($subscriber, 'UPDATE t SET id = -5000, p = NULL WHERE id = 5000');
sql($node, qq{INSERT INTO t VALUES (5001, '$secret', '$secret', NULL)});
$subscriber->wait_for_log(qr/duplicate key value violates unique constraint "t_e_key".*?\n.*Key \(e\)=\(tsec1:/, $log_from);
sql($subscriber, 'DELETE FROM t WHERE id = -5000');
catch_up($node, 'subscriber');
sql($subscriber, 'CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT');
only_armor_below("subscriber: $_", $subscriber->data_dir . "/$_") foreach 'base', 'pg_wal';
only_armor_below('subscriber: log', $subscriber->logfile);
is(files_holding($secret, $subscriber->basedir), '', 'subscriber: nothing anywhere');

# ---- base backup and standby ----

sql($node, 'CHECKPOINT');
$node->backup('base');
only_armor_below('base backup', $node->backup_dir);
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "log_min_duration_statement = 0\nlog_parameter_max_length = -1");
start_with($standby, $key);
$rows = rows_file(6000, 100);
sql($node, "COPY t FROM '$rows'; UPDATE t SET v = v::text WHERE id > 6050");
sql($node, 'SELECT pg_switch_wal()');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is(sql($standby, 'SELECT count(*) FROM t WHERE v::text = e::text AND id > 6000'), '99', 'the standby opens what arrived');
sql($standby, qq{CHECKPOINT; SELECT * FROM t WHERE id > 6000; SELECT id FROM t WHERE p = '$plain'; SELECT count(*) FROM t a JOIN t b USING (e)});
only_armor_below("standby: $_", $standby->data_dir . "/$_") foreach 'base', 'pg_wal';
only_armor_below('standby: log', $standby->logfile);
is(files_holding($secret, $standby->basedir), '', 'standby: nothing anywhere');
$standby->stop;

# ---- temporary files ----

my $temporary = "$data/base/pgsql_tmp";
$log_from = -s $node->logfile;
$session->query_safe(q{SET work_mem = '64kB'; SET hash_mem_multiplier = 1; SET enable_mergejoin = off; SET enable_nestloop = off; SET enable_sort = off;
	SET max_parallel_workers_per_gather = 0; ANALYZE t; BEGIN});
my %spilling = (
	'a hash join' => [ 'SELECT a.v, a.e, b.v FROM t a JOIN t b ON a.e = b.e', 'SELECT a.p, b.p FROM t a JOIN t b ON a.p = b.p' ],
	'a hash aggregate' => [ 'SELECT e, count(v) FROM t GROUP BY e', 'SELECT p, count(id) FROM t GROUP BY p' ],
	'a sort' => [ 'SELECT v, e FROM t ORDER BY e USING ~<~', 'SELECT p FROM t ORDER BY p' ],
	'a held cursor' => [ 'SELECT v, e FROM t', 'SELECT p FROM t' ]);
foreach my $what (sort keys %spilling)
{
	my @found;
	foreach my $query (@{ $spilling{$what} })
	{
		my $held = $what eq 'a held cursor' ? 'CURSOR WITH HOLD' : 'CURSOR';
		$session->query_safe("DECLARE c $held FOR $query; FETCH 1 FROM c" . ($held ne 'CURSOR' ? '; COMMIT; BEGIN' : ''));
		push @found, [ map { files_holding($_, $temporary) } $secret, $plain ];
		cmp_ok(-s (glob "$temporary/*")[0] // 0, '>', 10000, "$what: goes to disk");
		$session->query_safe('CLOSE c');
	}
	only_armor("temporary files of $what", $found[0][0], $found[1][1]);
}
$session->query_safe('COMMIT');
$session->quit;
my $log = slurp_file($node->logfile, $log_from);
like($log, qr/LOG:  temporary file: path "base\/pgsql_tmp/, 'temporary files are logged');
is(holds($log, $secret), 0, 'by name and size alone');
my $limit = answer_of($node, q{SET work_mem = '64kB'; SET temp_file_limit = '200kB'; SET enable_sort = on; SELECT v, e, p FROM t ORDER BY e USING ~<~});
like($limit, qr/^53400: temporary file size exceeds temp_file_limit/, 'a sort beyond temp_file_limit fails');
is(holds($limit, $secret), 0, 'and shows no value');

# ---- materialised views ----

only_armor_below('WAL of all that', "$data/pg_wal");
sql($node, q{CREATE MATERIALIZED VIEW encrypted AS SELECT id, v, e, p FROM t; CREATE UNIQUE INDEX ON encrypted (id);
	REFRESH MATERIALIZED VIEW CONCURRENTLY encrypted;
	CREATE MATERIALIZED VIEW decrypted AS SELECT v::text AS clear FROM t; CHECKPOINT});
my %file = map { $_ => "$data/" . sql($node, "SELECT pg_relation_filepath('$_')") } qw(encrypted decrypted);
only_armor_below('a materialised view of encrypted columns', $file{encrypted});
isnt(files_holding($secret, $file{decrypted}), '', 'a stated limit: one of a decrypted expression stores it in clear');
sql($node, 'DROP MATERIALIZED VIEW decrypted');

# ---- what is logged when a row is refused ----

sql($node, q{
	CREATE TABLE picked (e twin.encrypted_text_eq(main) UNIQUE, p text UNIQUE);
	CREATE TABLE child (e twin.encrypted_text_eq(main) REFERENCES picked (e), p text REFERENCES picked (p));
	CREATE TABLE listed (e twin.encrypted_text_eq(main), p text) PARTITION BY LIST (e);
	CREATE TABLE listed_plain (e twin.encrypted_text_eq(main), p text) PARTITION BY LIST (p);
	CREATE TABLE excluding (e twin.encrypted_text_eq(main), p text, EXCLUDE USING hash (e WITH =), EXCLUDE USING hash (p WITH =))});
append_to_file("$files/$_", $_ eq 'e' ? "$secret\n" : "$plain\n") foreach 'e', 'p';
my %refused = (
	'a foreign key' => [ 'child', qr/Key \(e\)=\(tsec1:.*is not present/ ],
	'a partition that is not there' => [ 'listed', qr/no partition of relation.*\n.*DETAIL:  \(withheld\)/ ],
	'an exclusion constraint' => [ 'excluding', qr/Key \(e\)=\(tsec1:.*conflicts with existing key/ ]);
foreach my $what (sort keys %refused)
{
	my ($table, $expected) = @{ $refused{$what} };
	$log_from = -s $node->logfile;
	foreach my $column ('e', 'p')
	{
		my $into = $table eq 'listed' && $column eq 'p' ? 'listed_plain' : $table;
		$node->psql('postgres', "CREATE TEMP TABLE loaded (e twin.encrypted_text_eq(main), p text); COPY loaded ($column) FROM '$files/$column';
			INSERT INTO $into ($column) SELECT $column FROM loaded; INSERT INTO $into ($column) SELECT $column FROM loaded");
	}
	my $logged = slurp_file($node->logfile, $log_from);
	like($logged, $expected, "$what: is in the log");
	# of a whole row the log has nothing; of a key what an index holds
	if ($table eq 'listed') { is(holds($logged, $secret) + holds($logged, $plain), 0, "$what: nothing of the row"); }
	else { only_armor("$what, in the log", holds($logged, $secret) || '', holds($logged, $plain)); }
}

# ---- everything that was written ----

unlink glob "$files/*";
sql($node, 'DROP MATERIALIZED VIEW encrypted; CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT');
only_armor_below('tables and indexes', "$data/base");
isnt(files_holding($secret, "$data/pg_wal"), '', 'the materialised view of a decrypted expression went through WAL in clear as well');
is(holds(slurp_file($node->logfile), $secret), 0, 'the log, from beginning to end');

done_testing();

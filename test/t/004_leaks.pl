# The leak suite: plaintexts that nobody can guess go in on every way the documentation advises (parameters typed as
# the encrypted type, COPY, INSERT ... SELECT, UPDATE), with logging and statistics turned up as far as they go, and
# are then searched for everywhere a server writes.  Where PostgreSQL itself shows what somebody typed, that limit is
# asserted as such, beside the way that avoids it.
use strict;
use warnings;
use Digest::MD5;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('leaks', preload => 0, allows_streaming => 1, conf => q{
	shared_preload_libraries = 'twin_security, pg_stat_statements, auto_explain'
	log_statement = all
	log_min_duration_statement = 0
	log_duration = on
	log_parameter_max_length = -1
	log_temp_files = 0
	auto_explain.log_min_duration = 0
	auto_explain.log_analyze = on
	auto_explain.log_verbose = on
	auto_explain.log_nested_statements = on
	pg_stat_statements.track = all
	track_activity_query_size = 16kB
	track_functions = all});
start_with($node, $key);
my $files = PostgreSQL::Test::Utils::tempdir();
my $quiet = "SET log_statement = none; SET log_min_duration_statement = -1; SET auto_explain.log_min_duration = -1;
	SET pg_stat_statements.track = none; SET pg_stat_statements.track_utility = off;";
sql($node, q{
	CREATE EXTENSION twin_security; CREATE EXTENSION pg_stat_statements;
	SELECT twin.create_key('pii');
	SELECT twin.grant_key('main', 'postgres', 'decrypt');
	CREATE ROLE stranger LOGIN;
	CREATE TABLE t (id int NOT NULL, v twin.encrypted_text(main), e twin.encrypted_text_eq(main) UNIQUE);
	CREATE TABLE numbers (n twin.encrypted_bigint(main), j twin.encrypted_jsonb(main), d twin.encrypted_date(main));
	GRANT ALL ON t TO stranger});

# Runs statements with the value in place of :v, as a parameter whose type the server finds out, as most drivers leave
# it to do; returns standard error.
sub parameter_command
{
	my ($sql, $value, %options) = @_;
	my $file = "$files/script" . rand();
	append_to_file($file, $sql);
	return [ 'pgbench', '-n', '-t', '1', '-M', $options{mode} // 'extended', '-f', $file, '-D', "v=$value",
		$node->connstr('postgres') . ' user=' . ($options{user} // 'postgres') ];
}

sub with_parameter
{
	my ($sql, $value, %options) = @_;
	local $ENV{PGOPTIONS} = $options{settings} // '';
	my ($out, $err);
	IPC::Run::run(parameter_command($sql, $value, %options), '>', \$out, '2>', \$err);
	return $err;
}

# ---- in, on every advised way ----

my %secret = map { $_ => canary() } qw(insert prepared update conflict copy select search default check view policy body);
my %done = (
	insert => with_parameter('INSERT INTO t VALUES (1, :v, :v);', $secret{insert}),
	prepared => with_parameter('INSERT INTO t VALUES (2, :v, :v);', $secret{prepared}, mode => 'prepared'),
	update => with_parameter('UPDATE t SET v = :v, e = :v WHERE id = 2;', $secret{update}),
	conflict => with_parameter(q{INSERT INTO t SELECT 3, v, e FROM t WHERE id = 1 ON CONFLICT (e) DO UPDATE SET v = :v, e = :v;},
		$secret{conflict}),
	search => with_parameter('INSERT INTO t VALUES (4, :v, :v); SELECT id FROM t WHERE e = :v; SELECT id FROM t WHERE e IN (:v, :v);',
		$secret{search}));
is(join('', map { $done{$_} =~ /error|ERROR/i ? "$_: $done{$_}" : '' } sort keys %done), '', 'statements with parameters succeed');
sql($node, "COPY t FROM STDIN;\n5\t$secret{copy}\t$secret{copy}\n\\.\n");
append_to_file("$files/external", $secret{select});
sql($node, qq{CREATE FUNCTION external() RETURNS text LANGUAGE sql VOLATILE AS \$\$ SELECT pg_read_file('$files/external') \$\$;
	INSERT INTO t SELECT 6, external(), external();
	CREATE TABLE control (v text); INSERT INTO control SELECT md5(external());
	CREATE TABLE moved (v twin.encrypted_text(pii)); SELECT twin.grant_key('pii', 'postgres', 'decrypt');
	INSERT INTO moved SELECT v FROM t});
sql($node, qq{$quiet
	ALTER TABLE t ADD COLUMN w twin.encrypted_text_eq(main) DEFAULT '$secret{default}';
	ALTER TABLE t ADD CHECK (e <> '$secret{check}');
	CREATE VIEW chosen AS SELECT id FROM t WHERE e = '$secret{view}';
	CREATE POLICY chosen ON t USING (e <> '$secret{policy}');
	CREATE FUNCTION chosen() RETURNS SETOF int STABLE BEGIN ATOMIC SELECT id FROM t WHERE e = '$secret{body}'; END});
is(sql($node, 'SELECT string_agg(v::text, $$ $$ ORDER BY id) FROM t'),
	join(' ', @secret{qw(conflict update search copy select)}), 'all of them arrived and open');
sql($node, 'ANALYZE; SELECT * FROM t');

# ---- out, nowhere ----

my $sleep = parameter_command('SELECT pg_sleep(60) FROM t WHERE e = :v;', $secret{search});
my $sleeper = IPC::Run::start($sleep, '>', \my $slept, '2>&1');
my $asleep = q{FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'};
$node->poll_query_until('postgres', "SELECT count(*) = 1 $asleep") or die;
is(holds(sql($node, 'SELECT a::text FROM pg_stat_activity a'), $secret{search}), 0, 'a running statement shows no parameter');
sql($node, "SELECT pg_terminate_backend(pid) $asleep");
$sleeper->finish;

my @server_views = ('pg_stat_statements', 'pg_stats', 'pg_statistic', 'pg_statistic_ext_data', 'pg_stats_ext', 'pg_stat_activity',
	'pg_attrdef', 'pg_constraint', 'pg_rewrite', 'pg_policy', 'pg_proc', 'pg_prepared_statements');
my %shown = map { $_ => sql($node, "SET log_statement = none; SELECT r::text FROM $_ r") } @server_views;
my %explained = map { $_ => sql($node, "$quiet SET enable_seqscan = off; " . s/SECRET/'$secret{search}'/gr) } (
	'EXPLAIN (VERBOSE, ANALYZE) SELECT * FROM t WHERE e = SECRET',
	'EXPLAIN (VERBOSE, ANALYZE) SELECT * FROM t WHERE e = SECRET::text',
	'EXPLAIN (VERBOSE, ANALYZE) SELECT * FROM t WHERE SECRET::text = e',
	'EXPLAIN (VERBOSE, ANALYZE) SELECT * FROM t WHERE e <> SECRET::text',
	q{EXPLAIN (VERBOSE, ANALYZE) SELECT * FROM t WHERE e IN (SECRET, 'other')},
	'EXPLAIN (VERBOSE, ANALYZE) SELECT * FROM t a JOIN t b ON a.e = b.e AND b.e = SECRET::text',
	'EXPLAIN (VERBOSE) UPDATE t SET v = SECRET, e = SECRET',
	q{EXPLAIN (VERBOSE) INSERT INTO t (id, v) VALUES (1, SECRET), (2, 'x')},
	'PREPARE p (text) AS SELECT * FROM t WHERE e = $1; EXPLAIN (VERBOSE, ANALYZE) EXECUTE p (SECRET)',
	'SET plan_cache_mode = force_generic_plan; PREPARE p (text) AS SELECT * FROM t WHERE e = $1;
		EXPLAIN (VERBOSE, ANALYZE) EXECUTE p (SECRET)',
	'PREPARE p (twin.encrypted_text_eq) AS SELECT * FROM t WHERE e = $1; EXPLAIN (VERBOSE, ANALYZE) EXECUTE p (SECRET)');
like($explained{$_}, qr/(?:Index Cond|Filter|Update|Values)/, "explained: $_") foreach sort keys %explained;
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', "$files/dump" ], 'pg_dump');
$node->command_ok([ 'pg_dump', '--inserts', '-d', $node->connstr('postgres'), '-f', "$files/dump_inserts" ], 'pg_dump --inserts');
unlink "$files/external", glob "$files/script*";
sql($node, 'CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT');
foreach my $way (sort keys %secret)
{
	is(files_holding($secret{$way}, $node->data_dir), '', "$way: not in any file of the data directory, WAL included");
	is(holds(slurp_file($node->logfile), $secret{$way}), 0, "$way: not in the log");
	is(join(' ', grep { holds($shown{$_}, $secret{$way}) } @server_views), '', "$way: not in the catalogs and statistics");
	is(files_holding($secret{$way}, $files), '', "$way: not in a dump");
}
isnt(files_holding(Digest::MD5::md5_hex($secret{select}), $node->data_dir), '', 'the search does find what is stored in clear');
is(join("\n", grep { holds($explained{$_}, $secret{search}) } sort keys %explained), '', 'EXPLAIN shows armor in place of plaintext');
like($explained{'EXPLAIN (VERBOSE, ANALYZE) SELECT * FROM t WHERE e = SECRET::text'}, qr/Index Cond: .*'tsec1:/, 'it does show it');
is(sql($node, q{SELECT count(*) FROM pg_stats WHERE tablename IN ('t', 'moved') AND attname IN ('v', 'e', 'w')
	AND (most_common_vals IS NOT NULL OR histogram_bounds IS NOT NULL OR correlation IS NOT NULL)}), '0',
	'statistics hold no values at all');
like(slurp_file($node->logfile), qr/parameters: \$1 = 'tsec1:/, 'parameters are logged as armor');

# ---- temporary files ----

my $spill = canary();
my $session = $node->background_psql('postgres');
$session->query_safe("$quiet SET work_mem = '64kB'; SET enable_hashagg = off;
	CREATE TABLE big AS SELECT 1 AS id, v, e FROM t WITH NO DATA;
	INSERT INTO big SELECT i, '$spill' || i, '$spill' || i FROM generate_series(1, 5000) i;
	BEGIN");
my $temporary = $node->data_dir . '/base/pgsql_tmp';
foreach my $order ('ORDER BY e USING ~<~', 'ORDER BY id')
{
	$session->query_safe("DECLARE c CURSOR FOR SELECT v, e FROM big $order; FETCH 1 FROM c");
	cmp_ok(-s (glob "$temporary/*")[0], '>', 100000, "$order: the sort went to disk");
	is(files_holding($spill, $temporary), '', "$order: its temporary files hold no plaintext");
	$session->query_safe('CLOSE c');
}
$session->query_safe('DECLARE c CURSOR FOR SELECT 1 FROM big ORDER BY v::text; FETCH 1 FROM c');
isnt(files_holding($spill, $temporary), '', 'a stated limit: what a query decrypts and then sorts on disk is there in clear');
$session->query_safe('CLOSE c; COMMIT');

# ---- errors ----

my $secret = canary();
my $log_from = -s $node->logfile;
sub not_shown
{
	my ($err, $expected, $how) = @_;
	like($err, $expected, "$how: fails");
	is(holds($err, $secret), 0, "$how: the message does not show the value");
	return;
}
with_parameter('INSERT INTO t VALUES (7, :v, :v);', $secret);
my $again = with_parameter('INSERT INTO t VALUES (8, :v, :v);', $secret);
not_shown($again, qr/duplicate key.*\n.*Key \(e\)=\(tsec1:/, 'unique');
sql($node, "$quiet CREATE TABLE picky (id int NOT NULL, e twin.encrypted_text_eq(main) CHECK (e <> '$secret'))");
not_shown(with_parameter('INSERT INTO picky VALUES (1, :v);', $secret),
	qr/picky_e_check.*\n.*Failing row contains \(1, tsec1:/, 'check');
not_shown(with_parameter('INSERT INTO picky (e) VALUES (:v);', $secret),
	qr/not-null.*\n.*Failing row contains \(null, tsec1:/, 'not-null');
foreach my $column ('n', 'j', 'd')
{
	not_shown(with_parameter("INSERT INTO numbers ($column) VALUES (:v);", $secret),
		qr/invalid input for type/, "a bad parameter for column $column");
	my ($out, $err);
	$node->psql('postgres', "COPY numbers ($column) FROM STDIN;\n$secret\n\\.\n", stderr => \$err);
	not_shown($err, qr/invalid input for type/, "COPY of a bad value into column $column");
	not_shown(answer_of($node, "$quiet SET log_min_error_statement = panic; INSERT INTO numbers ($column) VALUES ('$secret')"),
		qr/invalid input for type/, "a bad literal for column $column");
}
foreach my $type (split ' ', sql($node, q{SELECT string_agg(typname, ' ') FROM pg_type WHERE typnamespace = 'twin'::regnamespace
	AND typname LIKE 'encrypted\_%' AND typname !~ 'text|bytea'}))
{
	not_shown(answer_of($node, "$quiet SET log_min_error_statement = panic; SELECT '{\"a\": $secret'::twin.$type"),
		qr/invalid input for type/, "a failed cast to $type");
}
not_shown(with_parameter('INSERT INTO t VALUES (9, :v, :v);', $secret, user => 'stranger'),
	qr/permission denied to encrypt with key "main"/, 'a parameter without the grant');
my ($out, $err);
$node->psql('postgres', "COPY t (id, v) FROM STDIN;\n9\t$secret\n\\.\n", stderr => \$err, extra_params => [ '-U', 'stranger' ]);
not_shown($err, qr/permission denied to encrypt with key "main"/, 'COPY without the grant');
restart_with($node, undef);
$node->psql('postgres', "COPY t (id, v) FROM STDIN;\n9\t$secret\n\\.\n", stderr => \$err);
not_shown($err, qr/ENCRYPTION_KEY is not set/, 'COPY without a key');
not_shown(with_parameter('INSERT INTO t VALUES (9, :v, :v);', $secret),
	qr/ENCRYPTION_KEY is not set/, 'a parameter without a key');
restart_with($node, $key);
is(holds(slurp_file($node->logfile, $log_from), $secret), 0, 'the log does not show the value of any of these');

# ---- stated limits: what PostgreSQL shows by itself ----

my $typed = canary();
my $limit = sub {
	my ($sql, $name, %options) = @_;
	my $from = -s $node->logfile;
	ref $sql ? $sql->() : $node->psql('postgres', $sql, %options);
	return is(holds(slurp_file($node->logfile, $from), $typed), $options{hidden} ? 0 : 1, $name);
};
$limit->("INSERT INTO t VALUES (20, '$typed', '$typed')", 'limit: a literal stands in the logged statement');
is(holds(sql($node, 'SELECT query FROM pg_stat_statements'), $typed), 0, 'though not in pg_stat_statements');
$limit->(sub { with_parameter('SELECT id FROM t WHERE e = :v::text;', $typed) }, 'limit: a parameter typed as text is logged as such');
my @shown = (settings => '-c log_parameter_max_length_on_error=-1');
$limit->(sub { with_parameter('INSERT INTO t VALUES (21, :v, :v);', $typed, @shown) },
	'limit: log_parameter_max_length_on_error shows the text the client sent, after an error');
$limit->(sub { with_parameter('UPDATE t SET v = :v WHERE id = 20;', $typed, @shown) },
	'though not with what else is logged meanwhile, here by auto_explain, from which secrets are taken', hidden => 1);
$limit->(sub { with_parameter('INSERT INTO t VALUES (21, :v, :v); SELECT id FROM t WHERE e = :v;', $typed) },
	'while its default of 0 shows nothing', hidden => 1);
my $bad_line = "COPY picky FROM STDIN;\n\\N\t$typed\n\\.\n";
$limit->($bad_line, 'a line that COPY refuses as a whole is not in its context', hidden => 1);
$limit->("SELECT v::text::int FROM t WHERE id = 20", 'limit: a cast of the decrypted value that fails names it');
my $array = "EXPLAIN SELECT id FROM t WHERE e = ANY (ARRAY['$typed', 'other'\:\:TYPE])";
is(holds(sql($node, $array =~ s/TYPE/text/r), $typed), 1, 'limit: EXPLAIN shows plaintexts in an array of the base type');
is(holds(sql($node, $array =~ s/TYPE/twin.encrypted_text_eq/r), $typed), 0, 'and armor in one of the encrypted type');
fails_with($node, 'CREATE STATISTICS t_statistics (mcv) ON id, e FROM t', '0A000', 'would cover an encrypted column',
	'extended statistics, which would keep values and how often they occur, are refused');
$session = $node->background_psql('postgres');
$session->query_safe("SELECT id FROM t WHERE e = '$typed'");
is(holds(sql($node, 'SELECT query FROM pg_stat_activity'), $typed), 1, 'limit: a literal stands in pg_stat_activity');
$session->quit;

done_testing();

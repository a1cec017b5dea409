# Masks of columns' own go where the columns go: through every way of dumping and restoring, with the library preloaded
# or not, and pg_upgrade; other sessions see a new one at once; databases of any encoding have masks.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $roles = 'CREATE ROLE clerk LOGIN; CREATE ROLE boss LOGIN; CREATE ROLE owner LOGIN';
my $source = new_node('source');
start_with($source, $key);
sql($source, qq{
	$roles;
	CREATE EXTENSION twin_security;
	GRANT twin_admin TO boss;
	SELECT twin.grant_key('main', 'clerk', 'mask');
	CREATE SCHEMA "Odd Schema"; GRANT USAGE ON SCHEMA "Odd Schema" TO PUBLIC;
	CREATE DOMAIN address AS twin.encrypted_text_eq(main);
	CREATE TABLE "Odd Schema"."Odd ""Table" ("odd.column" address, "card'" twin.encrypted_text(main), n twin.encrypted_bigint(main));
	CREATE TABLE parted (id int, born twin.encrypted_date(main)) PARTITION BY RANGE (id);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
	ALTER TABLE parted OWNER TO owner; ALTER TABLE parted_1 OWNER TO owner;
	CREATE TABLE narrow (a twin.encrypted_text(main), doomed twin.encrypted_text(main), b twin.encrypted_text(main));
	CREATE MATERIALIZED VIEW copied AS SELECT a FROM narrow WITH NO DATA;
	CREATE VIEW seen AS SELECT twin.mask("odd.column") AS address, twin.reveal(n) AS n FROM "Odd Schema"."Odd ""Table";
	INSERT INTO "Odd Schema"."Odd ""Table" VALUES ('john\@example.com', '4111 1111 1111 1111', 43210);
	INSERT INTO parted VALUES (1, date '1985-05-17');
	INSERT INTO narrow VALUES ('ABCDEFGHIJKL', 'x', 'John Doe');
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk; GRANT SELECT ON ALL TABLES IN SCHEMA "Odd Schema" TO clerk});
sql($source, q{SELECT twin.set_mask('"Odd Schema"."Odd ""Table"', 'odd.column', 'full'), twin.set_mask('"Odd Schema"."Odd ""Table"', 'card''', 'card'),
	twin.set_mask('"Odd Schema"."Odd ""Table"', 'n', 'number(5000)'), twin.set_mask('parted', 'born', 'date(month)'),
	twin.set_mask('narrow', 'a', 'partial(2,4)'), twin.set_mask('narrow', 'b', 'name'), twin.set_mask('narrow', 'doomed', 'full'),
	twin.set_mask('copied', 'a', 'full')}, user => 'boss');
sql($source, 'ALTER TABLE narrow DROP COLUMN doomed');    # column numbers differ after a restore

my $labels = q{SELECT objtype, objname, label FROM pg_seclabels WHERE provider = 'twin_security' ORDER BY 2};
my $masks = q{SELECT twin.mask("odd.column"), twin.mask("card'"), twin.mask(n) FROM "Odd Schema"."Odd ""Table";
	SELECT twin.mask(born), twin.reveal(born) FROM parted_1; SELECT twin.mask(a), twin.mask(b) FROM narrow; SELECT * FROM seen};
my $masked = "***|**** **** **** 1111|40000-44999\n1985-05|1985-05-01\nAB***IJKL|J. D.\n***|40000";
my $labels_were = sql($source, $labels);
is(() = $labels_were =~ /^column/mg, 7, 'a mask goes with its column');
is(sql($source, $masks, user => 'clerk'), $masked, 'masks are in force');
fails_with($source, 'SELECT twin.mask(a) FROM narrow', '42501', 'permission denied to mask', 'a superuser without a grant sees none');
fails_with($source, q{SECURITY LABEL FOR twin_security ON COLUMN parted.born IS 'mask=date'}, '42501', 'permission denied to set',
	'an owner sets none', user => 'owner');
fails_with($source, q{SECURITY LABEL FOR twin_security ON COLUMN parted.born IS NULL}, '42501', 'permission denied to set',
	'nor removes one', user => 'owner');
fails_with($source, q{SECURITY LABEL FOR twin_security ON COLUMN narrow.a IS 'mask=full'}, '42501', 'must be owner',
	'an administrator who owns no table uses twin.set_mask()', user => 'boss');

# ---- dump and restore ----

my $files = PostgreSQL::Test::Utils::tempdir();
my $from = "-d '" . $source->connstr('postgres') . "'";
my %ways = (
	plain => "pg_dump $from | psql -X -q -v ON_ERROR_STOP=1 TO",
	custom => "pg_dump -Fc $from -f $files/custom && pg_restore -e TO $files/custom",
	parallel => "pg_dump -Fc $from -f $files/parallel && pg_restore -e -j4 TO $files/parallel",
	sections => "pg_dump -Fc $from -f $files/sections && for part in pre-data data post-data; do "
	  . "pg_restore -e --section=\$part TO $files/sections || exit 1; done");
my %node = (preloaded => new_node('preloaded'), 'not preloaded' => new_node('bare', preload => 0));
foreach my $kind (sort keys %node)
{
	my $target = $node{$kind};
	start_with($target, $key);
	sql($target, $roles);
	foreach my $how (sort keys %ways)
	{
		my ($out, $err);
		sql($target, "CREATE DATABASE $how");
		IPC::Run::run([ 'bash', '-o', 'pipefail', '-c', $ways{$how} =~ s{\bTO\b}{"-d '" . $target->connstr($how) . "'"}gre ],
			'>', \$out, '2>', \$err);
		is($?, 0, "$how, $kind: dump and restore succeed") or diag($err);
		is(sql($target, $labels, db => $how), $labels_were, "$how, $kind: the masks are there");
		is(sql($target, $masks, db => $how, user => 'clerk'), $masked, "$how, $kind: and in force");
	}
	# a session that has loaded nothing
	sql($target, q{SECURITY LABEL FOR twin_security ON COLUMN narrow.a IS 'mask=full'}, db => 'plain');
	is(sql($target, 'SELECT twin.mask(a) FROM narrow', db => 'plain', user => 'clerk'), '***', "$kind: a label may be the first thing a session sets");
	fails_with($target, q{SECURITY LABEL FOR twin_security ON COLUMN narrow.a IS 'mask=everything'}, '22023', 'invalid mask',
		"$kind: and is checked", db => 'plain');
	sql($target, 'ALTER TABLE narrow RENAME TO renamed; ALTER TABLE renamed RENAME COLUMN b TO c; ALTER TABLE renamed DROP COLUMN a CASCADE', db => 'plain');
	is(sql($target, 'SELECT twin.mask(c) FROM renamed', db => 'plain', user => 'clerk'), 'J. D.', "$kind: a mask survives renames after a restore");
	is(sql($target, "SELECT count(*) FROM pg_seclabel WHERE objoid = 'renamed'::regclass", db => 'plain'), '1', "$kind: and goes with its column");
}

# without labels values are masked by default: never shown
sql($source, 'CREATE DATABASE unlabelled');
system_or_bail("pg_dump --no-security-labels $from | psql -X -q -v ON_ERROR_STOP=1 -d '" . $source->connstr('unlabelled') . "'");
is(sql($source, $masks, db => 'unlabelled', user => 'clerk'),
	"j***\@example.com|**** **** **** 1111|40000-49999\n1985|1985-01-01\n***|***\nj***\@example.com|40000",
	'restored without labels, columns have the default masks');

# ---- pg_upgrade ----

my $upgraded = new_node('upgraded', preload => 0);
$source->stop;
{
	my $bin = $source->config_data('--bindir');
	local %ENV = (%ENV, ENCRYPTION_KEY => $key);
	chdir $files or die $!;
	command_ok([ 'pg_upgrade', '-N', '-b', $bin, '-B', $bin, '-d', $source->data_dir, '-D', $upgraded->data_dir,
		'-p', $source->port, '-P', $upgraded->port, '-s', $source->host ], 'pg_upgrade into a cluster without preloading');
}
start_with($upgraded, $key);
is(sql($upgraded, $labels), $labels_were, 'pg_upgrade: the masks are there');
is(sql($upgraded, $masks, user => 'clerk'), $masked, 'pg_upgrade: and in force');
$upgraded->stop;

# ---- sessions, and workers of a query ----

start_with($source, $key);
my $clerk = $source->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'clerk' ]);
my $value = q{CREATE FUNCTION pg_temp.unknown() RETURNS text LANGUAGE plpgsql STABLE AS
	$$ DECLARE v twin.encrypted_text; BEGIN SELECT b INTO v FROM narrow; RETURN twin.mask(v); END $$};
$clerk->query_safe("SET plan_cache_mode = force_generic_plan; PREPARE p AS SELECT twin.mask(b) FROM narrow; $value");
is($clerk->query_safe('EXECUTE p'), 'J. D.', 'a prepared statement masks');
is($clerk->query_safe('SELECT pg_temp.unknown()'), '***', 'what came out of a masked column does not');
sql($source, q{SELECT twin.set_mask('narrow', 'b', 'full')}, user => 'boss');
is($clerk->query_safe('EXECUTE p'), '***', 'another session sets a mask: the kept plan is made anew');
sql($source, q{SELECT twin.set_mask('narrow', 'b', NULL)}, user => 'boss');
is($clerk->query_safe('EXECUTE p'), '***', 'and takes it away: text of no known form is masked fully');
sql($source, q{SELECT twin.create_key('other'); SELECT twin.grant_key('other', 'clerk', 'mask');
	CREATE TABLE other (m twin.encrypted_text(other), f twin.encrypted_text(other)); INSERT INTO other VALUES ('john@example.com', 'x');
	GRANT SELECT ON other TO clerk});
$clerk->query_safe(q{CREATE FUNCTION pg_temp.other() RETURNS text LANGUAGE plpgsql STABLE AS
	$$ DECLARE v twin.encrypted_text; BEGIN SELECT m INTO v FROM other; RETURN twin.mask(v); END $$});
is($clerk->query_safe('SELECT pg_temp.other()'), 'j***@example.com', 'a variable under a key without masked columns');
sql($source, q{SELECT twin.set_mask('other', 'f', 'full')}, user => 'boss');
is($clerk->query_safe('SELECT pg_temp.other()'), '***', 'is masked fully as soon as another session masks a column under it');
sql($source, 'DROP TABLE other CASCADE; CREATE TABLE other (m twin.encrypted_text(other)); INSERT INTO other VALUES (\'john@example.com\'); GRANT SELECT ON other TO clerk');
is($clerk->query_safe('SELECT pg_temp.other()'), 'j***@example.com', 'until that column is gone');
$clerk->quit;

sql($source, q{CREATE TABLE many (v twin.encrypted_text(main)); INSERT INTO many SELECT '4111 1111 1111 ' || 1000 + i % 10 FROM generate_series(1, 2000) i;
	GRANT SELECT ON many TO clerk; SELECT twin.set_mask('many', 'v', 'card'); ANALYZE many});
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; ';
like(sql($source, "$parallel EXPLAIN SELECT count(*) FROM many WHERE twin.mask(v) LIKE '****%' AND twin.reveal(v) LIKE '%3'", user => 'clerk'), qr/Parallel/, 'workers mask');
is(sql($source, "$parallel SELECT count(*) FROM many WHERE twin.mask(v) LIKE '****%' AND twin.reveal(v) LIKE '%3'", user => 'clerk'), '200', 'as the leader does');

# ---- nothing is left behind ----

my $canary = canary();
my $secret = canary();
$source->append_conf('postgresql.conf', "session_preload_libraries = 'auto_explain'\nauto_explain.log_min_duration = 0\nauto_explain.log_verbose = on\n"
	  . "auto_explain.log_analyze = on\nlog_min_messages = debug1\nlog_temp_files = 0");
sql($source, q{CREATE TABLE kept (v twin.encrypted_text(main), doc twin.encrypted_jsonb(main)); GRANT SELECT ON kept TO clerk;
	SELECT twin.set_mask('kept', 'v', 'email')});
sql($source, "INSERT INTO kept SELECT '$canary' || i || '\@example.com', jsonb_build_object('k', '$secret' || i) FROM generate_series(1, 500) i");
restart_with($source, $key);
my $seen = sql($source, q{SET work_mem = '64kB'; SELECT DISTINCT twin.mask(v), twin.reveal(v), twin.mask(doc), twin.reveal(doc) FROM kept;
	EXPLAIN (ANALYZE, VERBOSE) SELECT twin.mask(v), twin.reveal(doc) FROM kept ORDER BY 1, 2;
	DO $$ BEGIN PERFORM twin.decrypt(v) FROM kept; EXCEPTION WHEN insufficient_privilege THEN RAISE LOG '%', SQLERRM; END $$;
	CREATE TEMP TABLE mine AS SELECT twin.reveal(v) AS v, twin.reveal(doc) AS doc FROM kept; ANALYZE mine}, user => 'clerk');
like($seen, qr/^c\*\*\*\@example.com\|c\*\*\*\@example.com\|/, 'what a clerk sees');
sql($source, 'ANALYZE kept; CHECKPOINT');
ok(!holds($seen, $_), 'no plaintext in what a clerk sees, plans included') foreach $canary, $secret;
is(files_holding($_, $source->data_dir, $source->logfile), '', 'nor in heap, WAL, statistics, temporary files or log') foreach $canary, $secret;
like(file_bytes($source->logfile), qr/mask_as/, 'though the log holds the plans');

# ---- encodings: characters are never cut, and what an encoding has no place for is masked ----

my %texts = (LATIN1 => 'chr(252)', EUC_JP => q{convert_from('\xb4c1', 'EUC_JP')}, UTF8 => 'chr(28450)', SQL_ASCII => q{'x'});
foreach my $encoding (sort keys %texts)
{
	my @db = (db => lc "db_$encoding");
	my $letter = $texts{$encoding};
	sql($source, "CREATE DATABASE db_$encoding TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'");
	sql($source, qq{CREATE EXTENSION twin_security; SELECT twin.grant_key('main', 'clerk', 'mask');
		CREATE TABLE words (mail twin.encrypted_text(main), ends twin.encrypted_text(main), doc twin.encrypted_jsonb(main)); GRANT SELECT ON words TO clerk;
		INSERT INTO words VALUES ($letter || 'bc\@example.com', $letter || 'bcdefgh' || $letter, jsonb_build_object('k' || $letter, $letter));
		SELECT twin.set_mask('words', 'mail', 'email'), twin.set_mask('words', 'ends', 'partial(1,1)'), twin.set_mask('words', 'doc', 'default')}, @db);
	is(sql($source, qq{SELECT twin.mask(mail) = $letter || '***\@example.com', twin.mask(ends) = $letter || '***' || $letter,
		twin.reveal(doc) = jsonb_build_object('k' || $letter, '***'), twin.mask(doc) = '{"k' || $letter || '": "***"}' FROM words}, @db, user => 'clerk'),
		't|t|t|t', "$encoding: whole characters");
}
sql($source, 'CREATE DATABASE smaller TEMPLATE template0 ENCODING \'LATIN1\' LOCALE \'C\'');
system_or_bail("pg_dump -d '" . $source->connstr('db_utf8') . "' | psql -X -q -v ON_ERROR_STOP=1 -d '" . $source->connstr('smaller') . "'");
is(sql($source, 'SELECT twin.mask(mail), twin.mask(ends), twin.mask(doc), twin.reveal(mail), twin.reveal(doc) FROM words', db => 'smaller', user => 'clerk'),
	'***|***|***|***|"***"', 'so is what a database has no characters for');

done_testing();

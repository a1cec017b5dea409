# Converting a column: what is refused, and that nothing is changed then; what is carried over, compared as the server
# prints it.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('refused', conf => "max_worker_processes = 16\nwal_level = logical");
start_with($node, new_key());
my $space = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', qq{
	CREATE EXTENSION twin_security;
	SELECT twin.create_key('pii'), twin.create_key('other'), twin.create_key('dead');
	SELECT twin.grant_key(k, current_user::regrole, p) FROM unnest('{pii,other,dead}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p;
	SELECT twin.destroy_key('dead');
	CREATE ROLE owner; CREATE ROLE writer; CREATE ROLE reader; CREATE ROLE login LOGIN CONNECTION LIMIT 1;
	GRANT owner TO login;
	GRANT CREATE ON SCHEMA public TO owner;
	SELECT twin.grant_key('pii', 'owner', 'encrypt');
	CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE TYPE mood AS ENUM ('fine');
	CREATE DOMAIN mail AS text;
	CREATE SCHEMA elsewhere});
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '$space'");

# ---- refused ----

my $floor = sql($node, q{SELECT 'elsewhere'::regnamespace::oid});
my %made_by_users = (pg_class => 'oid', pg_attribute => 'attrelid', pg_attrdef => 'adrelid', pg_constraint => 'oid', pg_trigger => 'oid',
	pg_index => 'indexrelid', pg_depend => 'objid', pg_inherits => 'inhrelid', pg_description => 'objoid', pg_seclabel => 'objoid', pg_publication_rel => 'oid');
my $rows = join ' UNION ALL ', map { "SELECT to_jsonb(c) - '{relpages,reltuples,relallvisible}'::text[] FROM $_ c WHERE $made_by_users{$_} > $floor" }
  sort keys %made_by_users;
my $catalogs = "SELECT count(*) || md5(string_agg(j::text, ' ' ORDER BY j::text)) FROM ($rows) s (j)";

# Makes a table t, tries to convert its column v, wants an answer, and the catalogs as before.
sub refused
{
	my ($name, $setup, $message, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $call = $options{call} // q{CALL twin.encrypt_column('t', 'v', 'pii', true)};
	my $before = sql($node, "$setup; $catalogs");
	$call = "$options{before}; $call" if $options{before};
	fails_with($node, $call, $options{state} // '0A000', $message, "refused: $name");
	is(sql($node, "$catalogs; " . ($options{after} // 'DROP TABLE t CASCADE')), $before, '... and nothing is changed');
	return;
}

my $t = q{CREATE TABLE t (id int PRIMARY KEY, v text, w text)};
refused('a generated column', q{CREATE TABLE t (id int, v text GENERATED ALWAYS AS ('x' || id::text) STORED)}, 'generated');
refused('what a generated column is made of', q{CREATE TABLE t (id int, v text, g text GENERATED ALWAYS AS (upper(v)) STORED)}, 'uses it');
refused('an identity column', q{CREATE TABLE t (v int GENERATED ALWAYS AS IDENTITY)}, 'identity');
refused('a serial column', q{CREATE TABLE t (v serial)}, 'sequence public.t_v_seq uses it');
refused('a view', "$t; CREATE VIEW x AS SELECT v FROM t", 'view public.x uses it');
refused('a materialised view', "$t; CREATE MATERIALIZED VIEW x AS SELECT v FROM t", 'materialized view public.x uses it');
refused('a rule', "$t; CREATE RULE r AS ON INSERT TO t WHERE new.v = 'x' DO INSTEAD NOTHING", 'rule r on table public.t uses it');
refused('a policy', "$t; CREATE POLICY p ON t USING (v = 'x')", 'policy p on table public.t uses it');
refused('a check', 'CREATE TABLE t (id int, v text CONSTRAINT k CHECK (length(v) > 1))', 'constraint k on table public.t uses it');
refused('a check of two columns', 'CREATE TABLE t (id int, v text, CONSTRAINT k CHECK (length(v) > id))', 'constraint k on table public.t uses it');
refused('a foreign key to it', 'CREATE TABLE t (v text UNIQUE); CREATE TABLE f (v text REFERENCES t (v))', 'refers to it',
	after => 'DROP TABLE f, t');
refused('a foreign key from it', 'CREATE TABLE f (v text UNIQUE); CREATE TABLE t (v text REFERENCES f (v))', 'uses it', after => 'DROP TABLE t, f');
refused('a foreign key to a primary key that includes it',
	'CREATE TABLE t (id int, v text, PRIMARY KEY (id) INCLUDE (v)); CREATE TABLE f (id int REFERENCES t)', 'depends on t_pkey', after => 'DROP TABLE f, t');
my $f = q{CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'};
refused('a trigger with a condition', "$t; $f; CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW WHEN (new.v = 'x') EXECUTE FUNCTION f()",
	'trigger x on table public.t uses it', after => 'DROP TABLE t; DROP FUNCTION f');
refused('a trigger on update of it', "$t; $f; CREATE TRIGGER x BEFORE UPDATE OF v ON t FOR EACH ROW EXECUTE FUNCTION f()", 'trigger "x" names it',
	after => 'DROP TABLE t; DROP FUNCTION f');
refused('a trigger that comes after ours', qq{$t; $f; CREATE TRIGGER "\x7e\x7e\x7e" BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()}, 'fires after',
	after => 'DROP TABLE t; DROP FUNCTION f');
refused('a function that names it', "$t; CREATE FUNCTION g() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT v FROM t; END", 'function public.g\(\) uses it');
refused('a partition key', q{CREATE TABLE t (v text) PARTITION BY LIST (v)}, 'partition key');
refused('a partition key that is an expression', q{CREATE TABLE t (v text) PARTITION BY LIST (upper(v))}, 'partition key');
refused('a key of a partitioned table', q{CREATE TABLE t (id int, v text, UNIQUE (id, v)) PARTITION BY RANGE (id)}, 'partitioned table cannot be built');
refused('an index expression', "$t; CREATE INDEX x ON t (lower(v))", 'x: it uses the column in an expression');
refused('an index expression beside it', "$t; CREATE INDEX x ON t (v, upper(v))", 'x: it uses the column in an expression');
refused('an index condition', "$t; CREATE INDEX x ON t (id) WHERE v IS NOT NULL", 'x: it uses the column in an expression');
refused('an index condition on the key', "$t; CREATE INDEX x ON t (v) WHERE v > 'a'", 'x: it uses the column in an expression');
refused('a gin index', 'CREATE TABLE t (v jsonb); CREATE INDEX x ON t USING gin (v)', 'x: a gin index',
	call => q{CALL twin.encrypt_column('t', 'v', 'pii')});
refused('a gist index', 'CREATE TABLE t (v inet); CREATE INDEX x ON t USING gist (v inet_ops)', 'x: a gist index');
refused('a brin index', "$t; CREATE INDEX x ON t USING brin (v)", 'x: a brin index');
refused('an operator class of its own', "$t; CREATE INDEX x ON t (v text_pattern_ops)", 'x: it has an operator class');
refused('a collation of its own', qq{$t; CREATE INDEX x ON t (v COLLATE "POSIX")}, 'x: it has an operator class or a collation');
refused('an index without searchable', "$t; CREATE INDEX x ON t (v)", 'x: an index needs searchable',
	call => q{CALL twin.encrypt_column('t', 'v', 'pii')});
refused('a replica identity', 'CREATE TABLE t (v text NOT NULL UNIQUE); ALTER TABLE t REPLICA IDENTITY USING INDEX t_v_key', 'replica identity');
refused('the order of a table', "$t; CREATE INDEX x ON t (v); ALTER TABLE t CLUSTER ON x", 'clustered by');
refused('a deferrable constraint', 'CREATE TABLE t (v text UNIQUE DEFERRABLE)', 'deferrable');
refused('an exclusion constraint', 'CREATE TABLE t (v text, EXCLUDE USING btree (v WITH =))', 'exclusion');
refused('a column list', "$t; CREATE PUBLICATION p FOR TABLE t (id, v)", 'publication', after => 'DROP PUBLICATION p; DROP TABLE t');
refused('a row filter', "$t; CREATE PUBLICATION p FOR TABLE t WHERE (v = 'x')", 'publication', after => 'DROP PUBLICATION p; DROP TABLE t');
refused('extended statistics', "$t; CREATE STATISTICS s ON v, w FROM t", 'statistics object public.s');
refused('a collation that finds different texts equal', 'CREATE TABLE t (v text COLLATE loose)', 'makes different texts equal');
refused("type $_", "CREATE TABLE t (v $_)", 'no encrypted form of type') foreach 'json', 'timestamp', 'mood', 'mail', 'text[]', 'money', 'xml';
refused('the name taken', 'CREATE TABLE t (v text, v_sealed text)', 'exists');
refused('a partition', 'CREATE TABLE p (v text, id int) PARTITION BY LIST (id); CREATE TABLE t PARTITION OF p DEFAULT', 'is a partition',
	after => 'DROP TABLE p');
refused('a parent', 'CREATE TABLE t (v text); CREATE TABLE c () INHERITS (t)', 'inherit', after => 'DROP TABLE t CASCADE');
refused('a child', 'CREATE TABLE p (v text); CREATE TABLE t () INHERITS (p)', 'inherit', after => 'DROP TABLE p CASCADE');
refused('a default of a partition', q{CREATE TABLE t (id int, v text) PARTITION BY LIST (id); CREATE TABLE t1 PARTITION OF t DEFAULT;
	ALTER TABLE t1 ALTER v SET DEFAULT 'x'}, 'default of its own');
refused('a view of a partition', q{CREATE TABLE t (id int, v text) PARTITION BY LIST (id); CREATE TABLE t1 PARTITION OF t DEFAULT;
	CREATE VIEW x AS SELECT v FROM t1}, 'view public.x uses it');
refused('a view', 'CREATE VIEW t AS SELECT 1 AS v', 'is not a table', state => '42809', after => 'DROP VIEW t');
refused('no such column', 'CREATE TABLE t (w text)', 'does not exist', state => '42703');
refused('a writer who may not encrypt', "$t; GRANT UPDATE (v) ON t TO writer", 'role "writer" may write', state => '42501');
refused('a session that may not encrypt', "$t; ALTER TABLE t OWNER TO owner", 'permission denied', state => '42501',
	call => q{CALL twin.encrypt_column('t', 'v', 'other', true)}, before => 'SET ROLE owner');
refused('somebody else', $t, 'must be owner', state => '42501', before => 'SET ROLE writer');
refused('an unknown key', $t, 'does not exist', state => '42704', call => q{CALL twin.encrypt_column('t', 'v', 'unknown')});
refused('a destroyed key', $t, 'no version left', state => 'TW102', call => q{CALL twin.encrypt_column('t', 'v', 'dead')});
refused('the key of literals', $t, 'no column may hold', state => '22023', call => q{CALL twin.encrypt_column('t', 'v', 'literal')});
refused('a batch of no rows', $t, '1 to 1000000', state => '22023', call => q{CALL twin.encrypt_column('t', 'v', 'pii', false, 0)});
refused('a transaction', $t, 'cannot run inside a transaction', state => '25001', before => 'BEGIN');
refused('a function', "$t; CREATE FUNCTION g() RETURNS void LANGUAGE plpgsql AS \$\$BEGIN CALL twin.encrypt_column('t', 'v', 'pii'); END\$\$",
	'cannot run inside a transaction', state => '25001', call => 'SELECT g()', after => 'DROP FUNCTION g; DROP TABLE t');
refused('a block with a handler', $t, 'cannot run inside a transaction', state => '25001',
	call => q{DO $$BEGIN BEGIN CALL twin.encrypt_column('t', 'v', 'pii'); EXCEPTION WHEN division_by_zero THEN NULL; END; END$$});
refused('a temporary table', 'SELECT', 'temporary', before => 'CREATE TEMP TABLE t (v text)', after => 'SELECT');
is(sql($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}) . sql($node, 'SELECT count(*) FROM twin.stat_progress'), '00',
	'no refusal leaves a lock or an entry of progress');

# ---- carried over ----

# Everything the server prints of a table but the column's type and default.
sub printed
{
	my ($table) = @_;
	return sql($node, qq{
		SELECT pg_get_indexdef(c.oid) || coalesce(' in ' || s.spcname, '') || coalesce(obj_description(c.oid, 'pg_class'), '') || x.indisvalid
			FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
			WHERE x.indrelid IN (SELECT '$table'::regclass UNION SELECT relid FROM pg_partition_tree('$table')) ORDER BY 1;
		SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint'), convalidated FROM pg_constraint
			WHERE conrelid IN (SELECT '$table'::regclass UNION SELECT relid FROM pg_partition_tree('$table')) ORDER BY 1, 2;
		SELECT attrelid::regclass, attname, attnotnull, attcollation::regcollation, (SELECT array_agg(a ORDER BY a::text) FROM unnest(attacl) a), attstattarget, (SELECT array_agg(o) FROM unnest(attoptions) o WHERE o !~ '^pg_attver'),
			col_description(attrelid, attnum) FROM pg_attribute
			WHERE attrelid IN (SELECT '$table'::regclass UNION SELECT relid FROM pg_partition_tree('$table')) AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2;
		SELECT h.inhrelid::regclass::text, h.inhparent::regclass::text FROM pg_inherits h JOIN pg_index x ON x.indexrelid = h.inhrelid ORDER BY 1, 2;
		SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE NOT tgisinternal AND oid > $floor ORDER BY 1, 2});
}

my $odd = 'Odd "Tä ble"';
$node->safe_psql('postgres', qq{
	CREATE TABLE elsewhere."Odd ""Tä ble" (id int, "the %I 'col" varchar(40) COLLATE "C" NOT NULL DEFAULT lower('SomeDefault'), w text DEFAULT 'plain',
		CONSTRAINT "its key" PRIMARY KEY ("the %I 'col", id) WITH (fillfactor = 71), CONSTRAINT "nnd" UNIQUE NULLS NOT DISTINCT ("the %I 'col") INCLUDE (w));
	CREATE INDEX "a very long name of an index that is cut somewhere near its e" ON elsewhere."Odd ""Tä ble" (w text_pattern_ops DESC, "the %I 'col" DESC NULLS LAST)
		INCLUDE (id) WITH (fillfactor = 70) TABLESPACE space WHERE w <> 'the %I';
	CREATE INDEX ON elsewhere."Odd ""Tä ble" USING hash ("the %I 'col") WITH (fillfactor = 50);
	CREATE INDEX ON elsewhere."Odd ""Tä ble" ((w || 'x') COLLATE "POSIX" NULLS FIRST, "the %I 'col" NULLS FIRST);
	CREATE INDEX untouched ON elsewhere."Odd ""Tä ble" (w);
	COMMENT ON COLUMN elsewhere."Odd ""Tä ble"."the %I 'col" IS 'a ''comment';
	COMMENT ON CONSTRAINT nnd ON elsewhere."Odd ""Tä ble" IS 'of a constraint';
	COMMENT ON INDEX elsewhere."a very long name of an index that is cut somewhere near its e" IS 'of an index';
	ALTER TABLE elsewhere."Odd ""Tä ble" ALTER "the %I 'col" SET STATISTICS 7, ALTER "the %I 'col" SET (n_distinct = -0.5);
	GRANT SELECT ("the %I 'col") ON elsewhere."Odd ""Tä ble" TO reader WITH GRANT OPTION;
	GRANT REFERENCES ("the %I 'col"), SELECT ("the %I 'col") ON elsewhere."Odd ""Tä ble" TO PUBLIC;
	INSERT INTO elsewhere."Odd ""Tä ble" (id, "the %I 'col") SELECT i, 'value ' || i FROM generate_series(1, 50) i});
my $before = printed(q{elsewhere."Odd ""Tä ble"});
sql($node, q{CALL twin.encrypt_column('elsewhere."Odd ""Tä ble"', 'the %I ''col', 'pii', true, 7)});
is(printed(q{elsewhere."Odd ""Tä ble"}), $before, 'indexes, constraints, comments, privileges, collation and statistics targets are carried over');
is(sql($node, q{INSERT INTO elsewhere."Odd ""Tä ble" (id) VALUES (99); SELECT "the %I 'col"::text FROM elsewhere."Odd ""Tä ble" WHERE id = 99}), 'somedefault',
	'so is the default');
is(sql($node, q{SELECT pg_get_expr(adbin, adrelid) ~ '^''tsec1:' FROM pg_attrdef WHERE adrelid = 'elsewhere."Odd ""Tä ble"'::regclass AND pg_get_expr(adbin, adrelid) !~ 'plain'}),
	't', 'and it is sealed');
is(sql($node, q{SELECT count(*) FROM elsewhere."Odd ""Tä ble" WHERE "the %I 'col"::text = 'value ' || id AND "the %I 'col" = ('value ' || id)}), '50', 'and so are the values');
fails_with($node, q{INSERT INTO elsewhere."Odd ""Tä ble" (id, "the %I 'col") VALUES (100, 'value 7')}, '23505', 'nnd', 'the unique constraint holds');

# an owner who may not log in, from a session that has used up his connections; defaults by expressions; a function of
# the owner's that is called for the default is called as him
$node->safe_psql('postgres', q{
	SET ROLE owner;
	CREATE FUNCTION public.spy() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 'made by ' || current_user; END$$;
	CREATE FUNCTION public.one() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT count(*)::int FROM (VALUES (1)) v';
	CREATE TABLE public.owned (id int, v text UNIQUE DEFAULT public.spy(), n int DEFAULT public.one(), s text DEFAULT 'by ' || current_user);
	INSERT INTO public.owned SELECT i, 'v' || i, i, 's' FROM generate_series(1, 20) i});
sql($node, q{SET ROLE owner; CALL twin.encrypt_column('owned', 's', 'pii')}, user => 'login');
sql($node, q{SET ROLE owner; CALL twin.encrypt_column('owned', 'v', 'pii', true)}, user => 'login');
sql($node, q{CALL twin.encrypt_column('owned', 'n', 'pii')});
is(sql($node, q{INSERT INTO owned (id) VALUES (21); SELECT v::text || ', ' || n::bigint || ', ' || s::text FROM owned WHERE id = 21}), 'made by owner, 1, by postgres',
	'a constant default is computed as the owner, another one is kept as it is');
is(sql($node, q{SELECT c.relowner::regrole FROM pg_class c WHERE relname = 'owned_v_key'}), 'owner', 'the index belongs to the owner, who cannot log in');

# partitions
$node->safe_psql('postgres', q{
	CREATE TABLE parted (id int, w int, v text NOT NULL DEFAULT 'none') PARTITION BY RANGE (id);
	CREATE TABLE parted1 (x int, v text NOT NULL DEFAULT 'none', id int, w int);
	ALTER TABLE parted1 DROP x;
	ALTER TABLE parted ATTACH PARTITION parted1 FOR VALUES FROM (0) TO (100);
	CREATE TABLE parted2 PARTITION OF parted FOR VALUES FROM (100) TO (200) PARTITION BY LIST (w);
	CREATE TABLE parted21 PARTITION OF parted2 DEFAULT;
	CREATE INDEX ON parted (v, w);
	CREATE UNIQUE INDEX ON parted (id, w, v);
	CREATE INDEX its_own ON parted21 (v);
	ALTER TABLE parted1 ADD CONSTRAINT k UNIQUE (v);
	COMMENT ON COLUMN parted1.v IS 'its own';
	GRANT SELECT (v) ON parted1 TO reader;
	INSERT INTO parted SELECT i, i, 'p' || i FROM generate_series(1, 199) i});
$before = printed('parted');
sql($node, q{CALL twin.encrypt_column('parted', 'v', 'pii', true, 10)});
is(printed('parted'), $before, 'partitions: their indexes, attached and of their own, keep their names and places');
is(sql($node, q{SELECT count(*) FROM parted WHERE v::text = 'p' || id}), '199', '... and their rows their values');
sql($node, q{SELECT twin.rotate_key('pii'), twin.rotate_key('pii'); CALL twin.reencrypt_column('parted', 'v', 10)});
is(sql($node, q{SELECT count(DISTINCT version) || ' ' || sum("values") FROM twin.key_census('parted') WHERE key_name = 'pii'}), '1 199', '... re-encrypted as one');

# every type, its widened forms, empty tables, NULLs, a dropped column before it, and 1590 columns
sql($node, 'CREATE TABLE wide (' . join(', ', map { "c$_ int" } 1 .. 1590) . q{, v text); INSERT INTO wide (c1, v) VALUES (1, 'x'); CALL twin.encrypt_column('wide', 'v', 'pii')});
is(sql($node, 'SELECT v::text FROM wide'), 'x', 'a table with almost as many columns as there can be');
my %values = (text => q{'é'}, 'varchar(9)' => q{'v'}, 'char(5)' => q{'c'}, bytea => q{'\x0001'}, jsonb => q{'{"a": 1}'}, numeric => '1.50', smallint => '-3',
	int => '7', bigint => '8000000000', real => '1.5', float8 => '-0.1', date => q{'infinity'}, timestamptz => q{'2024-01-01 UTC'}, boolean => 'true',
	uuid => q{'6f1d7e5a-0000-4000-8000-000000000001'}, inet => q{'10.0.0.1/8'}, cidr => q{'10.0.0.0/8'});
foreach my $type (sort keys %values)
{
	my $base = $type =~ /char/ ? 'text' : $type =~ /int$/ ? 'bigint' : $type eq 'real' ? 'float8' : $type eq 'cidr' ? 'inet' : $type;
	sql($node, "CREATE TABLE typed (gone text, v $type); ALTER TABLE typed DROP gone; INSERT INTO typed VALUES ($values{$type}), (NULL)");
	my $was = sql($node, "SELECT v::$base FROM typed ORDER BY v IS NULL");
	sql($node, q{CALL twin.encrypt_column('typed', 'v', 'pii')});
	is(sql($node, "SELECT v::$base FROM typed ORDER BY v IS NULL"), $was, "$type becomes " . sql($node, q{SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'typed'::regclass AND attname = 'v'}));
	sql($node, 'DROP TABLE typed');
}

# ---- called again with other arguments; given up ----

sql($node, 'CREATE TABLE t (id int PRIMARY KEY, v text UNIQUE, w text); INSERT INTO t SELECT i, i, i FROM generate_series(1, 100) i');
# duplicates make the index fail; what is there stays and can be given up
$node->safe_psql('postgres', q{CREATE UNIQUE INDEX x ON t (v) INCLUDE (w)});
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; SELECT count(*) FROM t');
my $call = q{CALL twin.encrypt_column('t', 'v', 'pii', true)};
fails_with($node, "SET statement_timeout = '500ms'; $call", '57014', 'statement timeout', 'it waits for readers of the table, and can be cancelled meanwhile');
$holder->query_safe('COMMIT');
$holder->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
fails_with($node, "SET statement_timeout = '2s'; $call", '57014', 'statement timeout', 'and for old snapshots before the columns are swapped');
$holder->quit;
fails_with($node, q{CALL twin.encrypt_column('t', 'v', 'other', true)}, '55000', 'under another key', 'another key cannot go on with it');
fails_with($node, q{CALL twin.encrypt_column('t', 'v', 'pii', false)}, '55000', 'another value of searchable', 'nor another kind of type');
fails_with($node, q{CALL twin.encrypt_column('t', 'w', 'pii')}, '0A000', 'another column of the table is being converted: v', 'nor another column begin');
fails_with($node, q{SELECT twin.cancel_encryption('t', 'w')}, '55000', 'not being converted', 'nor be given up');
sql($node, 'ALTER TABLE t DISABLE TRIGGER "~~twin_security_encrypt"');
fails_with($node, $call, '55000', 'disabled or changed', 'a disabled trigger is noticed');
sql($node, 'ALTER TABLE t ENABLE ALWAYS TRIGGER "~~twin_security_encrypt"; CREATE VIEW late AS SELECT v FROM t');
fails_with($node, $call, '0A000', 'view public.late uses it.*goes on where it is', 'so is a view that came meanwhile');
fails_with($node, q{SET ROLE writer; SELECT twin.cancel_encryption('t', 'v')}, '42501', 'must be owner', 'only the owner gives it up');
sql($node, q{SELECT twin.cancel_encryption('t', 'v')});
is(sql($node, q{SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped}), 'id,v,w',
	'given up: the plain column is left');
is(sql($node, q{SELECT count(*) FROM pg_class WHERE relname LIKE 'twin\_sealed%'}), '0', 'and no index');
sql($node, "DROP VIEW late; $call");
is(sql($node, q{SELECT count(*) FROM t WHERE v::text = w}), '100', 'it can begin anew');
fails_with($node, q{CALL twin.encrypt_column('t', 'v', 'other', true)}, '55000', 'encrypted already, under another key', 'and when it is done no other key is taken for granted');
sql($node, $call);
pass('but the same call is welcome');

# a reader who stays for longer than the lock is waited for at once; whoever comes meanwhile waits for a second at most
sql($node, 'CREATE TABLE busy (v text)');
my ($out, $err) = ('', '');
my $stays = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'BEGIN; LOCK busy IN ACCESS SHARE MODE; SELECT pg_sleep(2.5); COMMIT' ], '<', \undef, '>', \$out);
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE relation = 'busy'::regclass}) or die;
my $waits = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{CALL twin.encrypt_column('busy', 'v', 'pii')} ], '<', \undef, '2>', \$err);
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE relation = 'busy'::regclass AND NOT granted}) or die;
is(sql($node, q{SET lock_timeout = '2s'; INSERT INTO busy VALUES ('x'); SELECT 'written'}), 'written', 'a writer is let in between the attempts to lock the table');
IPC::Run::finish($_) foreach $stays, $waits;
is($err, '', 'which come to an end when the reader does');
is(sql($node, 'SELECT v::text FROM busy'), 'x', 'and nothing is lost');

done_testing();

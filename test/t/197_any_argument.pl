# Every function that SQL can call answers every argument, however strange, with a result or with an error of its own: no
# internal error (class XX), no server that ends, no call that goes on for ever. So do the types' receive functions with bytes
# that nobody sent on purpose. On a server that watches its memory (test/run_sanitized) this finds what an answer does not show.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('any', conf => "twin_security.bcrypt_cost = 10\nmax_stack_depth = 1MB\n");
start_with($node, new_key(), undef, JWT_SECRET_KEY => 'tests sign with this, and nobody else');
sql($node, q{
	CREATE EXTENSION twin_security;
	SELECT twin.create_key('pii');
	SELECT twin.grant_key('pii', current_user::regrole, p) FROM unnest('{encrypt,decrypt,mask}'::text[]) p;
	CREATE TABLE plain (id bigint PRIMARY KEY, v text, t timestamptz);
	CREATE TABLE sealed (id bigint PRIMARY KEY, v twin.encrypted_text_eq(pii));
	INSERT INTO sealed VALUES (1, 'x')});

# ---- arguments, by type: expressions of SQL; the first is what the other arguments are meanwhile ----

my %values = (
	text => [ q{'pii'}, q{''}, q{'a'}, q{'1'}, q{'-1'}, q{'99999999999999999999'}, q{repeat('x', 100000)}, q{E'\\x01\\x7f%s%n'}, q!'{"a":[[[{"b":'!, q{'{}'},
		q{'[]'}, q{repeat('[', 20000)}, q{'eyJhbGciOiJub25lIn0.eyJleHAiOjF9.'}, q{'../../../etc/passwd'}, q{U&'\\+01F600\\202E\\FEFF'}, q{'tsec1:AQAAAAA'},
		q{'$2b$04$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui'}, q{'public.plain'}, q{'a;b"c''d'}, q{'infinity'} ],
	bytea => [ q{'\\x00'}, q{''}, q{decode(repeat('ff', 1000), 'hex')}, q{decode('01' || repeat('00', 60), 'hex')}, q{decode(repeat('30', 100000), 'hex')}, q{'{"a":1}'} ],
	boolean => [ 'true', 'false' ],
	smallint => [ 1, 0, '-32768', 32767 ],
	integer => [ 1, 0, -1, '-2147483648', 2147483647 ],
	bigint => [ 1, 0, -1, '-9223372036854775808', '9223372036854775807' ],
	real => [ 1, q{'nan'}, q{'-infinity'}, '1e38', '-1e-38' ],
	'double precision' => [ 1, q{'nan'}, q{'infinity'}, '1e308', '-5e-324' ],
	numeric => [ 1, q{'nan'}, q{'-infinity'}, '1e1000', '-1e-1000', '0.000' ],
	date => [ q{'2026-01-01'}, q{'infinity'}, q{'4713-01-01 BC'}, q{'5874897-12-31'} ],
	'timestamp with time zone' => [ q{'2026-01-01'}, q{'-infinity'}, q{'infinity'}, q{'4713-01-01 BC'}, q{'294276-12-31'} ],
	'timestamp without time zone' => [ q{'2026-01-01'}, q{'infinity'}, q{'4713-01-01 BC'}, q{'294276-12-31'} ],
	interval => [ q{'1 hour'}, q{'0'}, q{'-1 day'}, q{'178000000 years'}, q{'-9223372036854775807 us'} ],
	inet => [ q{'192.0.2.1'}, q{'::ffff:10.0.0.1/100'}, q{'0.0.0.0/0'}, q{'::/0'} ],
	uuid => [ q{'00000000-0000-0000-0000-000000000000'} ],
	json => [ q{'{}'}, q{'[]'}, q{'null'}, q{'"a"'}, q{'1e99999'}, q{'{"a":1,"a":2}'}, q{(repeat('[', 500) || repeat(']', 500))} ],
	oid => [ q{'plain'::regclass}, 0, '4294967295', q{'sealed'::regclass} ],
	name => [ q{'v'}, q{''}, q{'absent'}, q{repeat('ü', 31)} ],
	tid => [ q{'(0,1)'}, q{'(4294967295,65535)'} ],
	xid => [ q{'3'}, q{'0'}, q{'4294967295'} ],
	pg_lsn => [ q{'0/0'}, q{'FFFFFFFF/FFFFFFFF'} ],
	int4range => [ q{'[1,2)'}, q{'empty'}, q{'(,)'} ],);
$values{$_} = $values{json} foreach 'jsonb';
$values{$_} = $values{text} foreach 'character varying', 'character', 'anyelement', 'cstring';
$values{cidr} = [ q{'192.0.2.0/24'}, q{'::/0'} ];
$values{regclass} = [ q{'plain'}, q{'sealed'}, 0, '4294967295', q{'pg_class'}, q{'pg_stat_activity'} ];
$values{$_} = [ 0, '4294967295' ] foreach 'regprocedure', 'regproc', 'regtype', 'regrole', 'regnamespace';

# Whatever is text to the input function of an encrypted type is a value to it.
my @rows = map { my $type = $_; map { [ $type, $_ + 1, $values{$type}[$_] ] } 0 .. $#{ $values{$type} } } sort keys %values;
sql($node, 'CREATE TABLE given (type text, number integer, expression text); INSERT INTO given VALUES '
	  . join(', ', map { sprintf q{('%s', %d, $e$%s$e$)}, @$_ } @rows));

# The SQLSTATE of every call of a function that is not an answer of its own.
sql($node, <<'SQL');
CREATE FUNCTION try_all(called oid) RETURNS TABLE (call text, state text, message text) LANGUAGE plpgsql AS $f$
DECLARE
	f pg_proc := (SELECT p FROM pg_proc p WHERE p.oid = called);
	types text[] := ARRAY(SELECT format_type(t, NULL) FROM unnest(f.proargtypes) WITH ORDINALITY a (t, n) ORDER BY n);
	usual text[] := ARRAY[]::text[];
	arguments text[];
	one record;
BEGIN
	FOR i IN 1 .. cardinality(types) LOOP
		usual := usual || coalesce((SELECT g.expression || '::' || types[i] FROM given g WHERE g.type = types[i] AND g.number = 1), 'NULL::' || types[i]);
	END LOOP;
	FOR one IN
		SELECT 0 AS place, NULL AS expression
		UNION ALL SELECT n, 'NULL' FROM generate_series(1, cardinality(types)) n
		UNION ALL SELECT n, g.expression FROM unnest(types) WITH ORDINALITY a (t, n) JOIN given g ON g.type = t
		-- of an array: elements of each kind, and none; of our own types: texts
		UNION ALL SELECT n, format('ARRAY[%s, NULL, %1$s]', g.expression) FROM unnest(types) WITH ORDINALITY a (t, n) JOIN given g ON g.type = rtrim(t, '[]') AND t LIKE '%[]'
		UNION ALL SELECT n, e FROM unnest(types) WITH ORDINALITY a (t, n), unnest(ARRAY[$$'{}'$$, $$'{{NULL},{NULL}}'$$]) e WHERE t LIKE '%[]'
		UNION ALL SELECT n, e FROM unnest(types) WITH ORDINALITY a (t, n), unnest(ARRAY[$$'1'$$, $$''$$, $$'x'$$, $$'infinity'$$]) e WHERE t LIKE 'twin.%' AND t NOT LIKE '%[]'
	LOOP
		arguments := usual;
		IF one.place > 0 THEN arguments[one.place] := format('%s::%s', one.expression, types[one.place]); END IF;
		BEGIN
			EXECUTE format('SELECT count(*) FROM %s(%s)', f.oid::regproc, array_to_string(arguments, ', '));
			RAISE SQLSTATE 'ZZ000'; -- what it did is taken back
		EXCEPTION WHEN OTHERS THEN
			-- as the server's own functions say it of OIDs; what a caller is told of foreign bytes; and our own word to callers of our own
			IF SQLSTATE LIKE 'XX%' AND SQLERRM !~ '^(cache lookup failed for|could not open relation with OID|these are not security events)'
				AND NOT (SQLERRM LIKE 'twin\_security: %' AND f.pronamespace = 'twin_internal'::regnamespace) THEN
				call := format('%s(%s)', f.oid::regproc, left(array_to_string(arguments, ', '), 200)); state := SQLSTATE; message := SQLERRM;
				RETURN NEXT;
			END IF;
		END;
	END LOOP;
END $f$;
SQL

# What is not called: the types' own functions take what only their types hold, and get it below; what waits, waits by its nature.
my @functions = split /\n/, sql($node, q{
	SELECT p.oid || ' ' || p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace::regnamespace::text IN ('twin', 'twin_api', 'twin_console', 'twin_internal') AND p.prokind = 'f'
		AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype, 'cstring'::regtype)
		AND NOT p.proargtypes::oid[] && ARRAY['internal'::regtype, 'cstring'::regtype]::oid[]
	ORDER BY p.oid::regprocedure::text});
cmp_ok(scalar @functions, '>', 300, 'functions are there to be called');

# One session for all, so that what one call leaves behind meets the next. A function that goes on for ever is stopped, and named.
my ($out, $err);
my $died = 2 == $node->psql(
	'postgres',
	"SET client_min_messages = error; SET statement_timeout = '${PostgreSQL::Test::Utils::timeout_default}s';"
	  . join('', map { my ($oid, $name) = split / /, $_, 2; "\n\\echo ? $name\nSELECT call || ': ' || state || ' ' || message FROM try_all($oid);" } @functions),
	stdout => \$out,
	stderr => \$err,
	on_error_stop => 0);
my @asked = grep { /^\? / } split /\n/, $out;
my @wrong = grep { !/^\? / } split /\n/, $out;
is(join("\n", @wrong, $err), '', 'every function answers every argument itself');
ok(!$died && @asked == @functions, 'the server is there') || diag("the last that was called: $asked[-1]");

# ---- bytes that a binary COPY brings ----

my $folder = $node->basedir;
chmod 0755, $folder;
my @types = split /\n/, sql($node, q{SELECT typname FROM pg_type WHERE typnamespace = 'twin'::regnamespace AND typname LIKE 'encrypted\_%' AND typtype = 'b' ORDER BY 1});
cmp_ok(scalar @types, '>', 10, 'types are there to be sent to');
srand 197;
my ($signature, $accepted, %states) = ("PGCOPY\n\377\r\n\0" . pack('N2', 0, 0), 0);
foreach my $type (@types)
{
	sql($node, "CREATE TABLE got_$type (v twin.$type(pii))");
	my @tries = map { join '', map { chr int rand 256 } 1 .. int rand 120 } 1 .. 20;
	# the beginnings of headers, and what is nearly one
	push @tries, map { chr($_ % 3) . chr(int($_ / 3) % 8) . pack('N', 1) . 'x' x ($_ * 4) } 0 .. 24;
	my $calls = '';
	foreach my $i (0 .. $#tries)
	{
		my $name = "$folder/bytes-$type-$i";
		open my $file, '>:raw', $name or die "$name: $!";
		print $file $signature, pack('n N', 1, length $tries[$i]), $tries[$i], pack('n', 0xffff);
		close $file;
		chmod 0644, $name;
		$calls .= "SELECT got(\$q\$COPY got_$type FROM '$name' BINARY\$q\$);";
	}
	sql($node, q{CREATE OR REPLACE FUNCTION got(command text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; RETURN '00000'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$});
	$states{$_}++ foreach split /\n/, sql($node, $calls);
	# what looked like a value to the receive function is none when it is opened
	is(answer_of($node, "SELECT count(twin.decrypt(v)) FROM got_$type HAVING count(*) > 0") =~ /\A(?:|TW\d\d\d: .*|0A000: .*|22P0[23]: .*)\z/s, 1, "$type: nothing that was invented opens");
}
is(join(' ', grep { !/\A(?:00000|0A000|22P02|22P03|TW105|TW201)\z/ } sort keys %states), '', 'bytes are taken as they are or refused in its own words');

is(sql($node, 'SELECT twin.decrypt(v) FROM sealed'), 'x', 'and all works as before');
$node->stop;
is($node->log_contains(qr/PANIC|TRAP:|terminated by signal/) ? 1 : 0, 0, 'nothing crashed');
done_testing();

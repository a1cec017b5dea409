# Random queries: a table with encrypted columns, and its decrypted view, answer as the same table in plain does.
#	TWIN_QUERIES=5000 TWIN_SEED=7 test/run_tap 019_random_queries.pl	for a longer search
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $seed = $ENV{TWIN_SEED} // 20;
my $count = $ENV{TWIN_QUERIES} // 700;
srand($seed);

my @types = qw(text bigint numeric float8 date timestamptz inet boolean uuid bytea);
my @added = qw(text bigint date timestamptz inet); # with min and max that print the same whatever the input's form
my @searchable = map { [ "s_$_", $_ ] } @types;
my @columns = (@searchable, map { [ "c_$_", $_ ] } @types);

# An expression for a column's value, of few possible ones; with a row's number i, or a random constant.
my %value = (
	text => q{(ARRAY['a', 'b', 'aa', 'B', 'zebra', '', 'ä', 'x1', 'x2', repeat('long', 30)])[1 + N % 10]},
	bigint => '(N % 40 - 20)::bigint',
	numeric => q{(ARRAY[1.0, 1.00, 0, -3.5, 'NaN', 10, 7]::numeric[])[1 + N % 7]},
	float8 => q{(ARRAY[0, '-0', 'NaN', 1.5, 'Infinity', -2]::float8[])[1 + N % 6]},
	date => q{(date '2020-01-01' + N % 20)},
	timestamptz => q{(timestamptz '2020-01-01 UTC' + N % 20 * interval '1 hour')},
	inet => q{('10.0.0.' || N % 20)::inet},
	boolean => '(N % 2 = 0)',
	uuid => q{lpad((N % 20)::text, 32, '0')::uuid},
	bytea => q{decode(lpad((N % 20)::text, 2, '0'), 'hex')});

sub pick { return $_[ rand @_ ]; }
sub chance { return rand() < $_[0]; }
sub constant { my ($type) = @_; my $n = int rand 1000; return $value{$type} =~ s/\bN\b/$n/gr; }
sub column { return @{ pick(@columns) }; }
sub table { return pick(qw(many many parted few)); }
sub direction { return pick('', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST', ' USING <'); }

# A value as it is printed; {x:type} becomes x, or x cast to type.
sub shown { my ($expression, $type) = @_; return "{$expression:$type}"; }

# ---- conditions ----

sub condition
{
	my ($a, $depth) = @_;
	my ($column, $type) = column();
	my $sort = int rand(($depth // 0) > 2 ? 5 : 8);

	return "$a.$column IS " . pick('', 'NOT ') . 'NULL' if $sort == 0;
	return "$a.$column " . pick('<', '<=', '>', '>=') . ' ' . constant($type) if $sort == 1;
	return "$a.$column BETWEEN " . constant($type) . ' AND ' . constant($type) if $sort == 2;
	return "$a.s_$type " . pick('=', '=', '<>') . ' ' . constant($type) if $sort == 3;
	return "$a.s_$type IN (" . join(', ', map { constant($type) } 1 .. 3) . ')' if $sort == 4;
	return 'NOT (' . condition($a, ($depth // 0) + 1) . ')' if $sort == 5;
	return '(' . condition($a, ($depth // 0) + 1) . pick(' AND ', ' OR ') . condition($a, ($depth // 0) + 1) . ')';
}

# ---- queries: [whether their order is fixed, text] ----

sub ordered
{
	my @keys = map { [column()] } 1 .. 1 + rand 3;
	my $from = table() . ' a' . (chance(.2) ? ' JOIN few b ON a.' . pick(map { "$_->[0] = b.$_->[0]" } @searchable[ 0 .. 4 ]) : '');
	my $also = $from =~ /JOIN/ ? ', b.id' : '';
	return [ 1, 'SELECT ' . join(', ', map { shown("a.$_->[0]", $_->[1]) } @keys) . ", a.id$also FROM $from" . (chance(.6) ? ' WHERE ' . condition('a') : '') .
		' ORDER BY ' . join(', ', map { "a.$_->[0]" . direction() } @keys) . ", a.id$also" . (chance(.4) ? ' LIMIT ' . int rand 30 : '') ];
}

sub distinct
{
	my ($column, $type) = column();
	my ($x, $y) = map { pick(@searchable) } 1 .. 2;
	return [ 1, "SELECT DISTINCT ON (a.$column) " . shown("a.$column", $type) . ', a.id FROM ' . table() . ' a WHERE ' . condition('a') .
		" ORDER BY a.$column" . direction() . ', a.id' ] if chance(.4);
	return [ 1, 'SELECT ' . shown('x', $x->[1]) . ', ' . shown('y', $y->[1]) . " FROM (SELECT DISTINCT a.$x->[0] x, a.$y->[0] y FROM " . table() .
		' a WHERE ' . condition('a') . ' ORDER BY 1' . pick('', ' DESC') . ', 2' . pick('', ' DESC') . ' LIMIT 50) z' ];
}

sub united
{
	my ($x, $type) = @{ pick(@searchable) };
	return [ 1, 'SELECT ' . shown('x', $type) . " FROM (SELECT a.$x x FROM " . table() . ' a WHERE ' . condition('a') . ' ' .
		pick('UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT', 'EXCEPT ALL') . " SELECT a.$x FROM " . table() . ' a WHERE ' . condition('a') .
		' ORDER BY 1' . pick('', ' DESC') . ') z' ];
}

sub grouped
{
	my @keys = map { pick(@searchable) } 1 .. 1 + rand 2;
	my $value = pick('s', 'c') . '_' . pick(@added);
	my $by = join(', ', map { "a.$_->[0]" } @keys);
	my @computed = ("count(DISTINCT a.$value)", "min(a.$value)", "max(a.$value)", "array_agg(a.id ORDER BY a.$value" . direction() . ', a.id)',
		'sum(a.s_bigint)', 'round(avg(a.c_bigint), 8)', 'sum(a.c_bigint) FILTER (WHERE a.id % 2 = 0)');
	return [ 0, 'SELECT ' . join(', ', (map { shown("a.$_->[0]", $_->[1]) } @keys), pick(@computed), pick(@computed)) . ' FROM ' . table() . ' a WHERE ' .
		condition('a') . ' GROUP BY ' . (chance(.3) ? pick('ROLLUP', 'CUBE') . " ($by)" : $by) . (chance(.5) ? " ORDER BY $by" : '') ];
}

sub windowed
{
	my ($order) = column();
	my $value = pick('s', 'c') . '_' . pick(@added);
	my $frame = pick('', ' GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING', ' GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING EXCLUDE TIES',
		', a.id ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING');
	return [ 1, 'SELECT a.id, rank() OVER w, ' . pick("min(a.$value)", "max(a.$value)", 'sum(a.c_bigint)', 'count(*)') . ' OVER w FROM ' . table() . ' a WHERE ' .
		condition('a') . ' WINDOW w AS (' . (chance(.5) ? 'PARTITION BY a.' . pick(@searchable)->[0] . ' ' : '') . "ORDER BY a.$order" . pick('', ' DESC') .
		"$frame) ORDER BY a.id" ];
}

sub nested
{
	my ($x, $y, $type) = ((column())[0], column());
	return [ 1, pick(
		"SELECT a.id, (SELECT b.id FROM few b WHERE b.$y >= a.$y ORDER BY b.$y, b.id LIMIT 1) FROM few a ORDER BY a.$x, a.id",
		'WITH w AS ' . pick('', 'MATERIALIZED ') . '(SELECT * FROM ' . table() . ' a WHERE ' . condition('a') . " ORDER BY a.$x, a.id LIMIT 30) SELECT id FROM w ORDER BY $y, id",
		"SELECT a.id, b.id FROM few a LEFT JOIN LATERAL (SELECT * FROM few b WHERE b.s_$type = a.s_$type AND " . condition('b') . " ORDER BY b.$x, b.id LIMIT 2) b ON true ORDER BY 1, 2",
		"SELECT a.id, b.id FROM few a " . pick('LEFT', 'FULL', 'RIGHT') . " JOIN few b ON a.s_$type = b.s_$type AND a.id <> b.id ORDER BY a.$x, a.id, b.$y DESC, b.id",
		'SELECT f.id FROM first_of(' . int(rand 20) . ') f ORDER BY 1',
		'SELECT a.id FROM (SELECT * FROM ' . table() . " z ORDER BY z.$x OFFSET 0) a ORDER BY a.$x, a.$y" . direction() . ', a.id') ];
}

# On the decrypted view, where every column is plain.
sub viewed
{
	my $type = pick(@types);
	my $test = sub {
		my ($a) = @_;
		my ($column, $of) = column();
		return pick("$a.$column = " . constant($of), condition($a), "$a.s_$of = ANY (ARRAY[" . constant($of) . ', NULL])', "($a.s_$of = " . constant($of) . ') IS NOT TRUE');
	};
	return [ 0, pick(
		'SELECT a.id FROM v_many a WHERE ' . $test->('a'),
		'SELECT a.id, b.id FROM v_few a ' . pick('LEFT', 'INNER', 'RIGHT') . ' JOIN v_few b ON ' . pick('a.id = b.id', "a.s_$type = b.s_$type") . ' AND ' . $test->(pick('a', 'b')) . ' WHERE ' . $test->(pick('a', 'b')),
		'SELECT a.id FROM v_few a WHERE ' . pick('', 'NOT ') . "EXISTS (SELECT FROM v_few b WHERE b.s_$type = a.s_$type AND " . $test->('b') . ')',
		"SELECT a.id FROM v_few a WHERE a.s_$type " . pick('IN', 'NOT IN') . " (SELECT b.s_$type FROM v_few b WHERE " . $test->('b') . ')',
		'SELECT a.id FROM (SELECT * FROM v_few UNION ALL SELECT * FROM v_many) a WHERE ' . $test->('a'),
		'SELECT a.id, b.one FROM v_few a LEFT JOIN (SELECT *, 1 AS one FROM v_few) b ON b.id = a.id AND ' . $test->('b') . ' WHERE ' . $test->(pick('a', 'b')),
		"UPDATE v_few a SET s_$type = " . constant($type) . ', c_bigint = a.c_bigint + 1 WHERE ' . $test->('a') . ' RETURNING a.id, a.c_bigint',
		'DELETE FROM v_few a WHERE ' . $test->('a') . ' RETURNING a.id') ];
}

# ---- the same tables twice ----

sub tables
{
	my ($encrypted) = @_;
	my $sql = '';

	foreach my $table (qw(many few parted))
	{
		my $shape = join ', ', map { "$_->[0] " . ($encrypted ? "twin.encrypted_$_->[1]" . ($_->[0] =~ /^s/ ? '_eq' : '') . '(main)' : $_->[1]) } @columns;
		$sql .= "CREATE TABLE $table (id integer" . ($table eq 'parted' ? ", $shape) PARTITION BY RANGE (id);" : " PRIMARY KEY, $shape);");
	}
	$sql .= 'CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100); CREATE TABLE parted_2 PARTITION OF parted DEFAULT;';
	foreach my $size ([ many => 400 ], [ few => 40 ], [ parted => 200 ])
	{
		my $i = 0;
		my @values = map { $i++; my $n = "(abs(hashint4(i * 50 + $i)) % 1000)"; "CASE WHEN $n % 11 = 0 THEN NULL ELSE " . ($value{ $_->[1] } =~ s/\bN\b/$n/gr) . ' END' } @columns;
		$sql .= "INSERT INTO $size->[0] SELECT i, " . join(', ', @values) . " FROM generate_series(1, $size->[1]) i;";
	}
	$sql .= "CREATE INDEX ON $_->[0] ($_->[1]);" foreach map { my $table = $_; map { [ $table, "s_$_" ] } qw(text bigint numeric date) } qw(many parted);
	$sql .= 'CREATE INDEX ON many (s_text, s_bigint, id); CREATE INDEX ON few USING hash (s_bigint);';
	$sql .= 'CREATE FUNCTION first_of(n integer) RETURNS TABLE (id integer) LANGUAGE sql STABLE AS $$ SELECT m.id FROM many m ORDER BY m.s_text, m.c_date DESC, m.id LIMIT n $$;';
	$sql .= $encrypted ? "SELECT twin.create_decrypted_view('$_', 'v_$_');" : "CREATE VIEW v_$_ AS SELECT * FROM $_;" foreach qw(many few);
	return "$sql ANALYZE many, few, parted;";
}

# The text of a query for plain or encrypted columns.  Equal numbers may be written in more than one way.
sub text_for
{
	my ($query, $encrypted) = @_;
	my $show = sub {
		my ($expression, $type) = @_;
		$expression = "($expression)::$type" if $encrypted;
		return $type eq 'numeric' ? "trim_scale($expression)" : $type eq 'float8' ? "($expression + 0)" : $expression;
	};
	$query =~ s/\{([^{}]+):(\w+)\}/$show->($1, $2)/ge;
	return $query =~ /^(?:UPDATE|DELETE)/ ? "BEGIN; $query; ROLLBACK;" : "$query;";
}

my @settings = ('RESET enable_seqscan', 'RESET enable_sort; RESET work_mem', "SET work_mem = '64kB'", 'SET enable_hashagg = off', 'SET enable_hashjoin = off', 'SET enable_sort = off',
	'SET enable_nestloop = off', 'SET enable_seqscan = off', 'RESET enable_hashagg; RESET enable_hashjoin; RESET enable_nestloop',
	'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0');
my @makers = (\&ordered, \&distinct, \&united, \&grouped, \&windowed, \&nested, \&viewed, \&viewed);
my (@queries, %script);
foreach my $number (1 .. $count)
{
	my $query = pick(@makers)->();
	my $setting = chance(.15) ? pick(@settings) . ';' : '';
	push @queries, $query;
	$script{$_} .= "$setting\n\\echo #$number\n" . text_for($query->[1], $_ eq 'sealed') . "\n" foreach qw(plain sealed);
}

my $node = new_node('random', conf => "jit = off\n");
start_with($node, new_key());
my %answers;
foreach my $database (qw(plain sealed))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
	sql($node, "CREATE EXTENSION twin_security; SELECT twin.grant_key('main', CURRENT_USER::regrole, 'decrypt')", db => $database) if $database eq 'sealed';
	sql($node, tables($database eq 'sealed'), db => $database);
	my ($out, $err);
	$node->psql($database, "SET timezone = 'UTC';\n$script{$database}", on_error_stop => 0, stdout => \$out, stderr => \$err, extra_params => ['-q']);
	is($err, '', "$database: no query fails") or diag(substr $err, 0, 2000);
	$answers{$database} = { ("\n$out") =~ /\n#(\d+)((?:\n(?!#\d).*)*)/g };
	is(scalar(keys %{ $answers{$database} }), $count, "$database: all are answered");
}

my $different = 0;
foreach my $number (1 .. $count)
{
	my ($fixed, $query) = @{ $queries[ $number - 1 ] };
	my ($plain, $sealed) = map { my $answer = $answers{$_}{$number} // ''; $fixed ? $answer : join "\n", sort split /\n/, $answer } qw(plain sealed);
	next if $plain eq $sealed;
	diag("seed $seed, query $number: " . text_for($query, 1)) if $different++ < 5;
}
is($different, 0, "$count random queries are answered as over plain columns");

done_testing();

# Values that were altered, cut, spliced or moved are refused or raise an integrity error, and never give data: edited as
# armor, slipped past the casts, or written into the table's file while the server is down.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $key = new_key();
my $node = new_node('tamper');
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	SELECT twin.create_key('pii'), twin.create_key('other');
	CREATE ROLE app LOGIN; CREATE ROLE mallory LOGIN;
	SELECT twin.grant_key(k, 'app', p) FROM unnest('{main,pii}'::text[]) k, unnest('{encrypt,decrypt}'::text[]) p;
	SELECT twin.grant_key('pii', 'mallory', p) FROM unnest('{encrypt,decrypt}'::text[]) p;
	GRANT CREATE ON SCHEMA public TO app, mallory});
my @app = (user => 'app');

# ---- armor, bit by bit ----

# the SQLSTATE with which armor is refused as a value of a type, at input or when it is opened; else what it opens to
sql($node, q{
	CREATE FUNCTION armor_of(bytea) RETURNS text LANGUAGE sql AS
		$$ SELECT 'tsec1:' || translate(encode($1, 'base64'), E'+/=\n', '-_') $$;
	CREATE FUNCTION verdict(armor text, type text) RETURNS text LANGUAGE plpgsql AS $$
		DECLARE plain text;
		BEGIN
			EXECUTE format('CREATE TEMP TABLE IF NOT EXISTS kept_%1$s (v twin.%1$s(main))', type);
			EXECUTE format('TRUNCATE kept_%1$s; INSERT INTO kept_%1$s VALUES (%2$L)', type, armor);
			EXECUTE format('SELECT v::text FROM kept_%1$s', type) INTO plain;
			RETURN 'opens to ' || plain;
		EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
		END $$});
my $refused = qr/\A(?:22P02|22P03|0A000|TW201|TW105)\z/;

# Judges every value of an SQL expression in i; returns the verdicts with their numbers.
sub verdicts
{
	my ($type, $count, $armor) = @_;
	my $answer = sql($node, "SET client_min_messages = error;
		SELECT verdict, count(*) FROM (SELECT verdict($armor, '$type') FROM generate_series(0, $count - 1) i) s GROUP BY 1", @app);
	return map { split /\|/ } split /\n/, $answer;
}

foreach my $type ('encrypted_text', 'encrypted_text_eq', 'encrypted_bigint', 'encrypted_jsonb_eq', 'encrypted_boolean')
{
	my $plain = { encrypted_bigint => '4711', encrypted_jsonb_eq => '{"a": 1}', encrypted_boolean => 'true' }->{$type} // 'canary';
	my $armor = sql($node, "SELECT '$plain'::text::twin.$type(main)" =~ s/::text::twin\.(?!encrypted_text)/::twin./r, @app);
	my ($bytes, $length) = ("'\\x" . unpack('H*', bytes_of_armor($armor)) . "'::bytea", length bytes_of_armor($armor));
	is(join(' ', verdicts($type, 1, "'$armor'")), "opens to $plain 1", "$type: untouched");

	my $all = 8 * $length;
	my %flipped = verdicts($type, $all, "armor_of(set_bit($bytes, i, 1 - get_bit($bytes, i)))");
	is(join(' ', grep { !/$refused/ } keys %flipped), '', "$type: no value with one of its $all bits flipped opens");
	is($flipped{TW105}, 32, "$type: the 32 of the key id name a key nobody holds");
	my $authenticated = 8 * ($length - 6);
	is($flipped{TW201}, $authenticated, "$type: the $authenticated behind it fail the integrity check");

	my %cut = (
		verdicts($type, $length, "armor_of(substr($bytes, 1, i))"),
		verdicts($type, 40, "armor_of($bytes || decode(repeat('41', i + 1), 'hex'))"),
		verdicts($type, $length - 1, "armor_of(substr($bytes, i + 2))"));
	is(join(' ', grep { !/$refused/ } keys %cut), '', "$type: nor one that was cut or lengthened");
	my $characters = length($armor) - 6;
	my $other = "coalesce(nullif(ascii(substr('$armor', 7 + i / 7, 1)) # (1 << i % 7), 0), 1)";
	my %misspelt = verdicts($type, 7 * $characters, "overlay('$armor' PLACING chr($other) FROM 7 + i / 7 FOR 1)");
	is(join(' ', grep { !/$refused/ } keys %misspelt), '', "$type: nor one with a bit of its armor flipped");
}

# parts of two values put together
my ($one, $two) = map { bytes_of_armor($_) } split /\n/, sql($node,
	q{SELECT v FROM (VALUES ('same'::text), ('text')) s (t), LATERAL (SELECT t::twin.encrypted_text_eq(main)) e (v)}, @app);
my %part = (key => [ 2, 4 ], tag => [ 6, 16 ], nonce => [ 22, 12 ], ciphertext => [ 34, 4 ], 'authentication tag' => [ 38, 16 ]);
foreach my $name (grep { $_ ne 'key' } sort keys %part)
{
	my $spliced = $one;
	substr($spliced, $part{$name}[0], $part{$name}[1]) = substr($two, $part{$name}[0], $part{$name}[1]);
	is(join(' ', verdicts('encrypted_text_eq', 1, "'" . armor_of_bytes($spliced) . "'")), 'TW201 1', "the $name of another value");
}

# ---- moved to another type or key ----

sql($node, q{CREATE TABLE kinds (t twin.encrypted_text(main), te twin.encrypted_text_eq(main), b twin.encrypted_bytea(main),
		n twin.encrypted_bigint(main), z twin.encrypted_timestamptz(main));
	INSERT INTO kinds VALUES ('canary', 'canary', '\x63616e617279', 1, now())}, @app);
foreach my $move ([ t => 'encrypted_bytea', 'TW201' ], [ t => 'encrypted_jsonb', 'TW201' ], [ b => 'encrypted_text', 'TW201' ],
	[ n => 'encrypted_timestamptz', 'TW201' ], [ n => 'encrypted_float8', 'TW201' ], [ z => 'encrypted_bigint', 'TW201' ],
	[ t => 'encrypted_text_eq', '22P02' ], [ te => 'encrypted_text', '22P02' ])
{
	my ($column, $type, $state) = @$move;
	is(join(' ', verdicts($type, 1, "'" . sql($node, "SELECT $column FROM kinds") . "'")), "$state 1", "a value of column $column as $type");
}

sql($node, q{
	CREATE TABLE a (v twin.encrypted_text(main)); INSERT INTO a VALUES ('canary');
	CREATE DOMAIN pii_text AS twin.encrypted_text(pii);
	CREATE TYPE pii_pair AS (n int, v twin.encrypted_text(pii));
	CREATE TABLE b (v twin.encrypted_text(pii), d pii_text, l twin.encrypted_text(pii)[], p pii_pair);
	GRANT ALL ON a, b TO mallory}, @app);
my $value = sql($node, 'SELECT v FROM a');
my $binary = PostgreSQL::Test::Utils::tempdir() . '/a';
chmod 0755, $binary =~ s{/a$}{}r;
sql($node, "COPY a TO '$binary' (FORMAT binary)");
my %smuggling = (
	'COPY' => "COPY b (v) FROM STDIN;\n$value\n\\.\n",
	'COPY into a domain' => "COPY b (d) FROM STDIN;\n$value\n\\.\n",
	'COPY into an array' => "COPY b (l) FROM STDIN;\n{$value}\n\\.\n",
	'COPY into a composite' => "COPY b (p) FROM STDIN;\n(1,$value)\n\\.\n",
	'COPY BINARY' => "\\copy b (v) FROM '$binary' (FORMAT binary)",
	'a literal' => "INSERT INTO b (v) VALUES ('$value')",
	'a query' => 'INSERT INTO b (v) SELECT v FROM a',
	'a query into a domain' => 'INSERT INTO b (d) SELECT v FROM a',
	'an array' => "INSERT INTO b (l) SELECT ARRAY['$value'::twin.encrypted_text]",
	'an array literal' => "INSERT INTO b (l) VALUES ('{$value}')",
	'a composite' => "INSERT INTO b (p) SELECT ROW(1, '$value'::twin.encrypted_text)::pii_pair",
	'a composite literal' => "INSERT INTO b (p) VALUES ('(1,$value)')",
	'json' => "INSERT INTO b (v) SELECT (jsonb_populate_record(NULL::b, jsonb_build_object('v', '$value'))).v",
	'a declared result' => "CREATE FUNCTION laundry() RETURNS SETOF record LANGUAGE sql AS 'SELECT v FROM a';
		INSERT INTO b (v) SELECT v FROM laundry() AS l (v twin.encrypted_text(pii))",
	'UPDATE' => 'INSERT INTO b VALUES (NULL); UPDATE b SET v = a.v FROM a',
	'PL/pgSQL' => "DO \$\$ DECLARE p pii_pair; BEGIN p.v := '$value'::twin.encrypted_text; INSERT INTO b (p) VALUES (p); END \$\$",
	'an explicit cast' => "SELECT '$value'::twin.encrypted_text(pii)::text");
foreach my $how (sort keys %smuggling)
{
	fails_with($node, $smuggling{$how}, '42501', 'permission denied to decrypt with key "main"',
		"$how: a value under a key one may not open is not brought under one's own", user => 'mallory');
}
fails_with($node, "INSERT INTO b (v) SELECT v FROM (SELECT '$value'::text) s (v)", '22023', 'text that looks like armor is not encrypted',
	'text that is armor is not taken for a value', user => 'mallory');
fails_with($node, "PREPARE s(text) AS INSERT INTO b (v) VALUES (\$1); EXECUTE s('$value')", '22023', 'text that looks like armor is not encrypted',
	'nor is a parameter: an application that may read would open it for a client who may not', @app);
is(sql($node, 'SELECT count(v) + count(d) + count(l) + count(p) FROM b'), '0', 'nothing of it was stored');
is(sql($node, "INSERT INTO b (v) VALUES ('$value') RETURNING v::text; DELETE FROM b", @app), 'canary', 'who may use both keys can do it');

# a superuser relabels a column
sql($node, q{CREATE TABLE relabelled (v twin.encrypted_text(main)); INSERT INTO relabelled TABLE a; GRANT SELECT ON relabelled TO app;
	UPDATE pg_attribute SET atttypmod = twin_internal.key_modifier('pii') WHERE attrelid = 'relabelled'::regclass AND attname = 'v'});
fails_with($node, 'SELECT v::text FROM relabelled', 'TW201', 'not the key of its column',
	'a value under another key than its column declares does not open, even for who may use both', @app);

# ---- bytes in the table's file ----

sql($node, q{CREATE TABLE h (id int PRIMARY KEY, e twin.encrypted_text_eq(main), p twin.encrypted_text(pii), y twin.encrypted_bytea(main),
		v twin.encrypted_text(main));
	INSERT INTO h SELECT i, 'plain ' || lpad(i::text, 2, '0'), 'plain ' || lpad(i::text, 2, '0'),
		convert_to('plain ' || lpad(i::text, 2, '0'), 'UTF8'), 'plain ' || lpad(i::text, 2, '0') FROM generate_series(1, 20) i;
	CREATE TABLE cut (e twin.encrypted_text_eq(main)); INSERT INTO cut VALUES ('cut');
	CREATE TABLE long (id int, v twin.encrypted_text(main));
	INSERT INTO long SELECT i, repeat('long ' || i, 1000) FROM generate_series(1, 3) i}, @app);
my %stored;
foreach my $row (split /\n/, sql($node, 'SELECT id, e, p, y, v FROM h'))
{
	my ($id, @armor) = split /\|/, $row;
	@{ $stored{$id} }{qw(e p y v)} = map { bytes_of_armor($_) } @armor;
}
my $long = bytes_of_armor(sql($node, 'SELECT v FROM long WHERE id = 2'));
my $cut = bytes_of_armor(sql($node, 'SELECT e FROM cut'));
my ($heap, $cut_heap, $toast) = map { $node->data_dir . '/' . sql($node, "SELECT pg_relation_filepath($_) FROM pg_class WHERE relname = 'long'") }
  ("'h'", "'cut'", 'reltoastrelid');
$node->stop;

# Replaces bytes of a file that occur in it exactly once.
sub replace_in_file
{
	my ($path, $from, $to) = @_;
	my $content = file_bytes($path);
	my $at = index $content, $from;
	die 'the stored bytes were not found exactly once' if $at < 0 || index($content, $from, $at + 1) >= 0;
	die 'not the same length' if length $from != length $to;
	substr($content, $at, length $to) = $to;
	open my $file, '>:raw', $path or die $!;
	print $file $content;
	close $file;
	return;
}
sub damage
{
	my ($id, $column, $offset, $xor) = @_;
	my $new = $stored{$id}{$column};
	substr($new, $offset, 1) ^= chr $xor;
	return replace_in_file($heap, $stored{$id}{$column}, $new);
}
my %damage = (    # row => [ what, column, how, expected SQLSTATE ]
	2 => [ 'a bit of the ciphertext', 'v', sub { damage(2, 'v', 20, 1) }, 'TW201' ],
	3 => [ 'a bit of the nonce', 'v', sub { damage(3, 'v', 6, 0x80) }, 'TW201' ],
	4 => [ 'a bit of the authentication tag', 'v', sub { damage(4, 'v', -1, 0x10) }, 'TW201' ],
	5 => [ 'a bit of the key id', 'v', sub { damage(5, 'v', 3, 4) }, 'TW105' ],
	6 => [ 'the algorithm', 'v', sub { damage(6, 'v', 0, 2) }, '0A000' ],
	7 => [ 'an unknown flag', 'v', sub { damage(7, 'v', 1, 0x40) }, '0A000' ],
	8 => [ 'the flag of blind tags', 'v', sub { damage(8, 'v', 1, 1) }, '(?:TW201|22P03)' ],
	9 => [ 'a bit of the blind tag', 'e', sub { damage(9, 'e', 10, 1) }, 'TW201' ],
	10 => [ 'the value of a column under another key', 'v', sub { replace_in_file($heap, $stored{10}{v}, $stored{10}{p}) }, 'TW201' ],
	11 => [ 'the value of a column of another type', 'v', sub { replace_in_file($heap, $stored{11}{v}, $stored{12}{y}) }, 'TW201' ],
	13 => [ 'a value cut by one byte', 'v', sub { shorten($heap, $stored{13}{v}, 1) }, 'TW201' ],
	14 => [ 'a value cut within its header', 'v', sub { shorten($heap, $stored{14}{v}, 40) }, '22P03' ]);

# Shortens the last value of a row by lowering the length in its one-byte header.
sub shorten
{
	my ($path, $bytes, $by) = @_;
	my $header = sub { chr((length($bytes) + 1 - $_[0]) << 1 | 1) };
	return replace_in_file($path, $header->(0) . $bytes, $header->($by) . $bytes);
}
shorten($cut_heap, $cut, length($cut) - 10);
$_->[2]->() foreach values %damage;
my $chunk = substr $long, 100, 1000;
replace_in_file($toast, $chunk, substr($chunk, 0, 999) . (substr($chunk, 999) ^ "\1"));
start_with($node, $key);

foreach my $id (sort { $a <=> $b } keys %damage)
{
	my ($what, $column, undef, $state) = @{ $damage{$id} };
	fails_with($node, "SELECT $column\:\:text FROM h WHERE id = $id", $state, '', "in the file: $what", @app);
	is(sql($node, "SELECT count(*) FROM h WHERE id = $id AND $column IS NOT NULL"), '1', "in the file: $what: the row can still be found");
}
fails_with($node, 'SELECT v::text FROM long WHERE id = 2', 'TW201', 'integrity', 'in the file: a bit of a value stored out of line', @app);
my $intact = join ',', grep { !$damage{$_} } 1 .. 20;
is(sql($node, "SELECT count(*) FROM h WHERE id IN ($intact) AND ROW(e::text, p::text, v::text, convert_from(y::bytea, 'UTF8'))
	= ROW('plain ' || lpad(id::text, 2, '0'), e::text, e::text, e::text)", @app), 20 - keys %damage, 'the neighbours are as they were');
is(sql($node, 'SELECT count(v::text) FROM long WHERE id <> 2', @app), '2', 'out of line as well');
is(sql($node, q{SELECT count(*) FROM h WHERE e = 'plain 09'}), '0', 'a damaged blind tag is not found');
is(sql($node, q{SELECT count(*) FROM cut WHERE e = 'cut'}), '0', 'nor is a value cut within its blind tag, whose bytes still follow it');
is(sql($node, 'SELECT count(DISTINCT e) FROM cut JOIN cut c USING (e)'), '1', 'it can be compared');
is(sql($node, q{SELECT count(*), count(DISTINCT e) FROM h a JOIN h b USING (e)}), '20|20', 'and raises nothing where tags are compared');
is(sql($node, 'SELECT sum(integrity_failures) FROM twin.stat_keyring'), '8', 'every integrity failure was counted');

$node->stop;
replace_in_file($heap, $stored{19}{v}, $stored{20}{v});
start_with($node, $key);
is(sql($node, 'SELECT v::text FROM h WHERE id = 19', @app), 'plain 20', 'a stated limit: values of one column can be copied between rows');

done_testing();

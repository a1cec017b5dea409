# What an extension is in a database, so that two can be compared: every member with its definition, owner, comment and
# privileges as pg_dump sees it for pg_upgrade, what travels with a dump, and the rows that come with CREATE EXTENSION.
package TwinShape;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use TwinTest;

our @EXPORT = qw(shape_of loosely rows_of differences);

# An entry of a dump without what differs from one installation to the next: numbers of objects, and traces of dropped columns.
sub plain
{
	my ($text, $is_list) = @_;
	$text =~ s/^-- [^\n]*\n//mg;
	$text =~ s/^SELECT pg_catalog\.binary_upgrade_[^\n]*\n//mg;
	$text =~ s/^UPDATE pg_catalog\.pg_(?:class|attribute)\nSET [^;]*;\n//mg;
	$text =~ s/^[^\n]*"\.{8}pg\.dropped\.\d+\.{8}"[^\n]*\n//mg;
	$text =~ s/,$//mg;
	my @lines = grep { /\S/ } split /\n/, $text;
	return join "\n", $is_list ? sort @lines : @lines;
}

# Name, kind and owner of every member => what makes it.  Two of one name (operators) are one entry.
sub shape_of
{
	my ($node, $db) = @_;
	my ($dump, $err);
	IPC::Run::run([ 'pg_dump', '--binary-upgrade', '--schema-only', '-d', $node->connstr($db) ], '>', \$dump, '2>', \$err) or die "pg_dump: $err";
	my (undef, @entries) = split /^--\n-- Name: ([^\n]+)\n--\n/m, $dump;
	my %parts;
	while (my ($name, $text) = splice @entries, 0, 2)
	{
		next if $name =~ /; Type: EXTENSION;|^\S+; Type: SEQUENCE SET;/;
		$text =~ s/^--\n-- PostgreSQL database dump complete.*//ms;
		push @{ $parts{$name} }, plain($text, $name =~ /; Type: ACL;/);
	}
	my %shape = map { $_ => join "\n", sort @{ $parts{$_} } } keys %parts;
	my $told = sql($node, q{SELECT 'dump of ' || unnest(extconfig)::regclass || '=' || unnest(extcondition) FROM pg_extension WHERE extname = 'twin_security'}, db => $db);
	$shape{$1} = $2 while $told =~ /^([^=]+)=(.*)$/mg;
	return \%shape;
}

# The same without casts, parentheses and names of columns in lists: what was printed, read and printed again may have others.
sub loosely
{
	my ($shape) = @_;
	my $type = qr/(?:character varying|timestamp with(?:out)? time zone|double precision|bit varying|"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?(?:\[\])*/;
	return { map { $_ => $shape->{$_} =~ s/::$type//gr =~ s/ AS (?:"[^"]+"|\w+)//gr =~ s/[()\s]+//gr } keys %$shape };
}

# Every table of the extension => a digest of its rows.
sub rows_of
{
	my ($node, $db) = @_;
	my $told = sql($node, q{SELECT format('SELECT %L, count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C")) FROM %s t', 'rows of ' || c.oid::regclass, c.oid::regclass)
		FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' WHERE c.relkind = 'r' \gexec
	}, db => $db);
	my %rows;
	$rows{$1} = $2 while $told =~ /^(rows of [^|]+)\|(.*)$/mg;
	return \%rows;
}

# What one has and the other has not, and what is otherwise; by name, sorted.
sub differences
{
	my ($have, $want) = @_;
	return sort((map { "missing: $_" } grep { !exists $have->{$_} } keys %$want), (map { "too much: $_" } grep { !exists $want->{$_} } keys %$have),
		(map { "otherwise: $_" } grep { exists $want->{$_} && $have->{$_} ne $want->{$_} } keys %$have));
}

1;

# Text travels between databases of different encodings, and a restore whose checks seal literals still gets its keys.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('encodings');
start_with($node, new_key());

# Dumps one database into another, which must succeed.
sub copy_database
{
	my ($from, $to) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$from.sql";
	run_log([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $file, $from ]) or die "pg_dump of $from failed";
	ok(run_log([ 'psql', '-X', '-q', '-h', $node->host, '-p', $node->port, '-v', 'ON_ERROR_STOP=1', '-f', $file, $to ]), "$from is restored into $to");
}

# ---- encodings ----

sql($node, "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
sql($node, "CREATE DATABASE utf TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
sql($node, "CREATE DATABASE latin_again TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
sql($node, q{CREATE EXTENSION twin_security;
	SELECT twin.grant_key('main', current_user::regrole, 'decrypt');
	CREATE TABLE words (t twin.encrypted_text_eq(main), j twin.encrypted_jsonb_eq(main));
	INSERT INTO words VALUES (convert_from('\x63616633', 'LATIN1') || chr(233), jsonb_build_object('k' || chr(233), chr(233)))}, db => 'latin');
my $holds = q{SELECT octet_length(t::text) || ' ' || (t = 'caf3' || chr(233)) || ' ' || (j = jsonb_build_object('k' || chr(233), chr(233)))
	|| ' ' || (j::jsonb ->> ('k' || chr(233)) = chr(233)) FROM words};
is(sql($node, $holds, db => 'latin'), '5 true true true', 'a database in LATIN1 holds text and jsonb in its own encoding');
copy_database('latin', 'utf');
is(sql($node, $holds, db => 'utf'), '6 true true true', 'in one in UTF-8 they open, and are found by their plaintext');
is(sql($node, q{SELECT length(upper(j::jsonb::text)) > 0 FROM words}, db => 'utf'), 't', 'and are valid text there');
copy_database('utf', 'latin_again');
is(sql($node, $holds, db => 'latin_again'), '5 true true true', 'and back');

# what has no place in an encoding is refused and not shown
sql($node, q{INSERT INTO words (t) VALUES (chr(28450) || 'canary')}, db => 'utf');
sql($node, 'CREATE DATABASE narrow TEMPLATE template0 ENCODING \'LATIN1\' LOCALE \'C\'');
copy_database('utf', 'narrow');
fails_with($node, 'SELECT t::text FROM words', '22021', "no text in this database's encoding", 'a character it has not is refused', db => 'narrow');
ok(!holds(answer_of($node, 'SELECT t::text FROM words', db => 'narrow'), 'canary'), 'and the error does not show it');

# ---- a restore that seals literals on its way ----

sql($node, 'CREATE DATABASE checked');
sql($node, 'CREATE DATABASE restored');
sql($node, q{CREATE EXTENSION twin_security;
	SELECT twin.grant_key('main', current_user::regrole, 'decrypt');
	CREATE FUNCTION sealing(v twin.encrypted_text_eq) RETURNS boolean LANGUAGE plpgsql AS
		$$ BEGIN RETURN length(format('%s', 'x'::text::twin.encrypted_text)) > 0; END $$;
	CREATE TABLE b (status twin.encrypted_text_eq(main) CHECK (public.sealing(status)));
	INSERT INTO b VALUES ('active')}, db => 'checked');
copy_database('checked', 'restored');
is(sql($node, 'SELECT status::text FROM b', db => 'restored'), 'active', 'a check that seals literals does not keep the keys out');

done_testing();

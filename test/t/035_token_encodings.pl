# Tokens are UTF-8 whatever the database's encoding is: they are issued and read across encodings, and characters that
# a database lacks are an answer of their own.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url);

my $node = new_node('encodings');
my $secret = 'one secret for databases of many encodings';
start_with($node, new_key(), undef, JWT_SECRET_KEY => $secret);
# ours name the database they are of; others who hold the secret name no key
sub of_nobody
{
	my ($token) = @_;
	my $text = encode_base64url('{"alg":"HS256"}') . '.' . (split /\./, $token)[1];
	return "$text." . encode_base64url(hmac_sha256($text, $secret));
}
foreach my $encoding ('UTF8', 'LATIN1', 'EUC_JP', 'SQL_ASCII')
{
	my $db = lc $encoding;
	sql($node, "CREATE DATABASE $db TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'");
	sql($node, 'CREATE EXTENSION twin_security', db => $db);
}

# the claim is one character: e with acute in LATIN1 and UTF8, hiragana a in EUC_JP and UTF8
my $issue = q{SELECT twin.issue_token(jsonb_build_object('user_id', %s, 'note', 'x' || %s))};
my $read = q{SELECT (c->>'user_id' = %s)::text || ' ' || (c->>'note' = 'x' || %s)::text FROM twin.verify_token('%s') c};

my $from_latin = sql($node, sprintf($issue, ('chr(233)') x 2), db => 'latin1');
my $from_utf8 = sql($node, sprintf($issue, ('chr(233)') x 2), db => 'utf8');
my $japanese = sql($node, sprintf($issue, (q{convert_from('\xa4a2', 'EUC_JP')}) x 2), db => 'euc_jp');
fails_with($node, "SELECT twin.verify_token('$from_latin')", 'TW505', 'no key', 'a token of one database is nothing in another, though the secret is the same', db => 'utf8');
$_ = of_nobody($_) foreach $from_latin, $from_utf8, $japanese;
is(sql($node, sprintf($read, ('chr(233)') x 2, $from_latin), db => 'utf8'), 'true true', 'LATIN1 to UTF8');
is(sql($node, sprintf($read, ('chr(233)') x 2, $from_utf8), db => 'latin1'), 'true true', 'UTF8 to LATIN1');
is(sql($node, sprintf($read, ('chr(12354)') x 2, $japanese), db => 'utf8'), 'true true', 'EUC_JP to UTF8');
is(sql($node, sprintf($read, (q{convert_from('\xa4a2', 'EUC_JP')}) x 2, $japanese), db => 'euc_jp'), 'true true', 'EUC_JP and back');
fails_with($node, "SELECT twin.verify_token('$japanese')", 'TW517', 'encoding lacks', 'what LATIN1 lacks is said', db => 'latin1');
is(sql($node, "SELECT octet_length(twin.verify_token('$from_utf8')->>'user_id')", db => 'sql_ascii'), '2', 'SQL_ASCII takes the bytes as they are');

# revoked by name, across encodings of the same name
sql($node, 'SELECT twin_internal.revoke_user(chr(233))', db => 'latin1');
fails_with($node, "SELECT twin.verify_token('$from_utf8')", 'TW510', 'revoked', 'a user is the same in UTF-8 and LATIN1', db => 'latin1');
is(sql($node, sprintf($read, ('chr(233)') x 2, $from_utf8), db => 'utf8'), 'true true', 'and another database has revocations of its own');

# a key whose map and issuer hold such characters
my $jwk = q({"kty":"oct","alg":"HS256","kid":"k","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"});
sql($node, qq{SELECT twin.add_verification_key('$jwk', 'iss' || chr(233), NULL, jsonb_build_object('user', 'us' || chr(233), 'roles', '[]'::jsonb))}, db => 'latin1');
sql($node, 'CREATE EXTENSION pgcrypto', db => 'utf8');
my $signed = sql($node, q{WITH b AS (SELECT translate(encode(convert_to('{"alg":"HS256","kid":"k"}', 'UTF8'), 'base64'), '+/=' || chr(10), '-_') || '.' ||
	translate(encode(convert_to('{"exp":' || floor(extract(epoch FROM now()))::bigint + 600 || ',"iss":"iss' || chr(233) || '","us' || chr(233) || '":"7"}', 'UTF8'), 'base64'), '+/=' || chr(10), '-_') AS t)
	SELECT t || '.' || translate(encode(hmac(t, '0123456789abcdef0123456789abcdef', 'sha256'), 'base64'), '+/=', '-_') FROM b}, db => 'utf8');
is(sql($node, "SELECT twin.verify_token('$signed') IS NOT NULL", db => 'latin1'), 't', 'an issuer and a claim of such a name');
fails_with($node, "SELECT twin.verify_token('$signed')", 'TW505', 'no key', 'which another database does not know', db => 'utf8');
$node->stop;

done_testing();

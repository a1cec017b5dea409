# docs/runbook.md in the situations that it is for: the commands are taken out of its text, word for word and in order. A key that was
# lost, and found; a key that leaked; a leaked token secret; a compromised account; a log that somebody changed;
# a secret in a repository's history.
use strict;
use warnings;
use Test::More;
use TwinTest;

my $book = PostgreSQL::Test::Utils::slurp_file("$ENV{TWIN_SOURCE}/docs/runbook.md");
my $folder = PostgreSQL::Test::Utils::tempdir();
my $environment = "$folder/environment";
my $node = new_node('runbook', conf => "twin_security.checkpoint_interval = 1s\n");

# ---- the text: blocks of commands by heading ----

my (%blocks, %is_tried, $heading, $kind, $block);
foreach (split /^/, $book)
{
	if (defined $block)
	{
		if (/^```$/) { push @{ $blocks{$heading} }, { kind => $kind, text => $block }; undef $block }
		else { $block .= $_ }
	}
	elsif (/^```(sql|sh)?$/) { ($kind, $block) = ($1 // 'other', '') }
	elsif (/^## (.*)$/) { $heading = $1 }
	$heading //= 'beginning';
}

# Runs the blocks of an entry one after the other, or only those that match; each must succeed. Gives what they print.
sub follow
{
	my ($entry, $only) = @_;
	my $said = '';
	foreach my $part (grep { !$only || $_->{text} =~ $only } @{ $blocks{$entry} // die "no entry \"$entry\"" })
	{
		my ($out, $err) = ('', '');
		my @command = $part->{kind} eq 'sql' ? ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1') : ('bash', '-eu', '-o', 'pipefail');
		next if $part->{kind} eq 'other';
		local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'twin', PGUSER => 'postgres', ENVIRONMENT => $environment,
			SERVER => 'postgresql@15-main', PATH => "$folder:$ENV{PATH}", PGDATA => $node->data_dir, SERVER_LOG => $node->logfile);
		delete @ENV{qw(ENCRYPTION_KEY ENCRYPTION_KEY_PREVIOUS JWT_SECRET_KEY)};
		my $is_done = IPC::Run::run(\@command, '<', \$part->{text}, '>', \$out, '2>', \$err, init => sub { chdir $folder or die $! });
		ok($is_done, "$entry: " . ($part->{text} =~ /^(.{0,70})/)[0]) || diag("$part->{text}\n$out\n$err");
		$is_tried{ $part->{text} } = 1;
		$said .= $out;
	}
	$node->_update_pid(1);
	return $said;
}

# What systemd does with Debian's unit: the environment file, and the server anew.
sub write_file { my ($path, $text, $mode) = @_; open my $file, '>', $path or die "$path: $!"; print $file $text; close $file; chmod $mode, $path; return }
write_file("$folder/systemctl", <<'SYSTEMD', 0755);
#!/bin/bash
set -eu
[ "$*" = "restart $SERVER" ]
while IFS= read -r line; do
	[[ $line =~ ^([A-Z_]+)\ =\ \'(.*)\'$ ]] || { echo "not a line of an environment file" >&2; exit 1; }
	export "${BASH_REMATCH[1]}=${BASH_REMATCH[2]}"
done <"$ENVIRONMENT"
exec pg_ctl -D "$PGDATA" -l "$SERVER_LOG" -w -m fast restart >/dev/null
SYSTEMD

sub keys_are { my (%keys) = @_; return write_file($environment, join('', map { "$_ = '$keys{$_}'\n" } sort keys %keys), 0600) }
sub key_of { my ($name) = @_; return file_bytes($environment) =~ /^$name = '(.*)'$/m ? $1 : undef }
sub in_twin { my ($sql, %options) = @_; return sql($node, $sql, db => 'twin', %options) }

my ($key, $secret) = (new_key(), new_key());
keys_are(ENCRYPTION_KEY => $key, JWT_SECRET_KEY => $secret);
start_with($node, $key, undef, JWT_SECRET_KEY => $secret);
sql($node, 'CREATE DATABASE twin');
sql($node, PostgreSQL::Test::Utils::slurp_file("$ENV{TWIN_SOURCE}/test/docs/runbook.sql"), db => 'twin');
in_twin(q{CREATE ROLE reader LOGIN; GRANT SELECT ON people TO reader; SELECT twin.grant_key('pii', 'reader', 'decrypt')});
my @reader = (user => 'reader');
my $everybody = 'SELECT count(email::text), max(email::text) FROM people';
my $all_open = '10|p9@twin.example';

# ---- an account ----

# In a database where the environment's secret signs tokens: twin has a signing key.
my $log_in = q{SELECT twin_api.login('mallory', %s) ->> 'access_token'};
my $token = in_twin(sprintf $log_in, q{'not what anybody guesses 7'});
like(in_twin("SELECT twin.verify_token('$token') ->> 'user_id'"), qr/^\d+$/, 'mallory is logged in');
events_sealed($node, db => 'twin');
my $said = follow('An account is compromised');
like($said, qr/^mallory\|f$/m, 'he was disabled first');
like($said, qr/login_success/, 'what was done in his name was shown');
fails_with($node, "SELECT twin.verify_token('$token')", 'TW510', '', 'his token is refused', db => 'twin');
is(in_twin(q{SELECT count(*) FROM twin.sessions WHERE username = 'mallory' AND ended_at IS NULL}), '0', 'no session of his is open');
is(in_twin(sprintf $log_in, q{'not what anybody guesses 7'}), '', 'the password that leaked is none any more');
is(in_twin(q{SELECT is_active FROM twin.users WHERE username = 'mallory'}), 't', 'and he may come back');
is(in_twin('SELECT count(*) FROM twin.blocked_addresses'), '1', 'the stranger\'s address is blocked');
follow("Somebody is blocked, or locked out, by mistake");
is(in_twin('SELECT count(*) FROM twin.blocked_addresses'), '0', 'and let in again');

# ---- the secret that signs tokens, and a key that does ----

in_twin(q{SELECT twin.create_user('ada', 'nobody guesses this one 8')});
my $keyring_token = in_twin(q{SELECT twin_api.login('ada', 'nobody guesses this one 8') ->> 'access_token'});
sql($node, q{CREATE EXTENSION twin_security; SELECT twin.create_user('vera', 'nobody guesses this one 9')});
my $secret_token = sql($node, q{SELECT twin_api.login('vera', 'nobody guesses this one 9') ->> 'access_token'});
like(sql($node, "SELECT twin.verify_token('$secret_token') ->> 'user_id'"), qr/^\d+$/, 'a token that JWT_SECRET_KEY signed holds');
follow('The token secret has leaked');
isnt(key_of('JWT_SECRET_KEY'), $secret, 'the secret is another');
is(key_of('JWT_SECRET_KEY_PREVIOUS'), undef, 'and the old one is not kept');
fails_with($node, "SELECT twin.verify_token('$secret_token')", '(?:TW505|TW506)', '', 'a token of the old secret is refused');
fails_with($node, "SELECT twin.verify_token('$keyring_token')", 'TW\d\d\d', '', 'one of the key that signed before, too', db => 'twin');
is(in_twin('SELECT count(*) FROM twin.sessions WHERE ended_at IS NULL'), '0', 'nobody is logged in');
like(in_twin(q{SELECT twin_api.login('ada', 'nobody guesses this one 8') ->> 'access_token'}), qr/^ey/, 'and may log in');
is((stat $environment)[2] & 0777, 0600, 'nobody else reads the environment file');

# ---- the master key ----

my $before = in_twin('SELECT email FROM people WHERE id = 1');
$said = follow('ENCRYPTION_KEY has leaked');
unlike($said, qr/^(?:KEY|TOKEN)-/m, 'the checks have nothing to say at the end');
isnt(key_of('ENCRYPTION_KEY'), $key, 'the key is another');
is(key_of('ENCRYPTION_KEY_PREVIOUS'), undef, 'the leaked one is gone');
is(in_twin($everybody, @reader), $all_open, 'every value opens');
isnt(in_twin('SELECT email FROM people WHERE id = 1'), $before, 'under a key that no old copy holds');
is(in_twin(q{SELECT string_agg(DISTINCT state, ' ') FROM twin.keys WHERE key_name = 'pii' AND version = 1}), 'retired', 'whose version is retired');
is(in_twin(q{SELECT id FROM people WHERE email = 'p7@twin.example'}), '7', 'and is found by its new tag');

# ---- somebody changes the log ----

in_twin(q{UPDATE people SET name = 'changed' WHERE id = 3});
events_sealed($node, db => 'twin');
is(in_twin('SELECT ok FROM twin.verify_audit_log()'), 't', 'the log verifies');
my $victim = in_twin(q{SELECT min(event_id) FROM twin.audit_log WHERE event_type = 'user_disabled'});
my ($table) = grep { in_twin("SELECT count(*) FROM twin_internal.$_ WHERE event_id = $victim") } qw(events events_overflow);
my $truth = in_twin("SELECT severity FROM twin_internal.$table WHERE event_id = $victim");
edit_log($node, "UPDATE twin_internal.$table SET severity = 'critical' WHERE event_id = $victim", db => 'twin');
events_sealed($node, db => 'twin');
$said = follow('Verification fails', qr/first_bad/);
like($said, qr/^f\|\d+\|$victim\|the event was changed$/m, 'the runbook\'s first look names the event');
like($said, qr/\|audit_log_opened\|/, 'and the session that opened the log');
my ($reason) = $said =~ /^f\|\d+\|$victim\|(.*)$/m;
like($book, qr/^\| \Q$reason\E;.*\| put the row back, below \|$/m, 'its table says what to do about that');
my ($mend) = map { $_->{text} } grep { $_->{text} =~ /open_log/ } @{ $blocks{'Verification fails'} };
$mend =~ s/UPDATE twin_internal\.events SET \.\.\. WHERE event_id = \.\.\.;.*/UPDATE twin_internal.$table SET severity = '$truth' WHERE event_id = $victim;/ or die 'the text says it otherwise';
in_twin($mend);
events_sealed($node, db => 'twin');
like(follow('Verification fails', qr/SELECT ok FROM/), qr/^t$/m, 'with the row put back it verifies');

# every reason that the source can give stands in the table
my @reasons;
foreach my $file (glob "$ENV{TWIN_SOURCE}/src/extension/ledger/verify*.c")
{
	my $text = PostgreSQL::Test::Utils::slurp_file($file);
	push @reasons, $text =~ /"((?:the|an?|there|nodes|events|what) [^"\\%]{12,})"/g;
}
cmp_ok(scalar @reasons, '>', 20, 'the reasons were found in the source');
is(join("\n", grep { index($book, $_) < 0 } @reasons), '', 'and the runbook has each');

# ---- the key is lost ----

my ($right, $wrong) = (key_of('ENCRYPTION_KEY'), new_key());
keys_are(ENCRYPTION_KEY => $wrong, JWT_SECRET_KEY => key_of('JWT_SECRET_KEY'));
restart_with($node, $wrong);
fails_with($node, $everybody, 'TW101', 'wrong key', 'without the key nothing opens', db => 'twin', @reader);
fails_with($node, q{SELECT twin.create_key('found')}, 'TW101', 'wrong key', 'and a key that is another is told', db => 'twin');
$said = follow('ENCRYPTION_KEY is lost', qr/pg_attribute/);
like($said, qr/^people\|email\|twin\.encrypted_text_eq\(pii\)$/m, 'what is lost is listed');
like($said, qr/^t\|\d+\|$/m, 'and the log verifies');
is(in_twin('SELECT count(*) FROM people a JOIN people b USING (email)'), '10', 'values compare');

# it is gone for good: another database
follow('ENCRYPTION_KEY is lost', qr/createdb/);
is(sql($node, 'SELECT count(*), count(name), count(email) FROM people', db => 'twin_anew'), '10|10|0', 'another database has what needed no key');
sql($node, q{SELECT twin.grant_key('pii', 'postgres', 'encrypt'); UPDATE people SET email = 'new@twin.example' WHERE id = 1}, db => 'twin_anew');
like(sql($node, 'SELECT email FROM people WHERE id = 1', db => 'twin_anew'), qr/^tsec1:/, 'and seals again');

# it turns up
keys_are(ENCRYPTION_KEY => $right, JWT_SECRET_KEY => key_of('JWT_SECRET_KEY'));
follow('ENCRYPTION_KEY is lost', qr/create_key\('found'\)/);
is(in_twin($everybody, @reader), $all_open, 'with the key that was found all opens');

# ---- a secret in a repository ----

SKIP:
{
	if (system('git filter-repo --version >/dev/null 2>&1') != 0)
	{
		$is_tried{ $_->{text} } = 1 foreach @{ $blocks{'A secret was committed to git'} };
		skip 'git-filter-repo is not installed', 3;
	}
	local %ENV = (%ENV, HOME => $folder);
	my $leaked = unpack 'H*', random_bytes(32);
	my $found_in = sub { my ($clone) = @_; my $said; run_pipe("cd $folder && git clone -q -b main host.git $clone");
		IPC::Run::run([ 'bash', "$folder/$clone/test/check/secrets.sh" ], '>&', \$said); return $said };
	run_pipe("cd $folder && git init -q --bare host.git && git init -q -b main work && cd work && git config user.name a && git config user.email a\@b && mkdir -p test/check " .
		"&& cp $ENV{TWIN_SOURCE}/test/check/secrets.sh test/check && echo 'key = $leaked' >conf && git add . && git commit -q -m 'with $leaked' " .
		'&& echo nothing >conf && git commit -q -a -m "gone" && git push -q ../host.git main');
	like($found_in->('before'), qr/looks like a hexadecimal key/, 'a secret stands in a history');
	local %ENV = (%ENV, URL => "$folder/host.git", LEAKED => $leaked);
	follow('A secret was committed to git');
	is($found_in->('after'), '', 'in a fresh clone the rule finds nothing');
	IPC::Run::run([ 'git', '-C', "$folder/after", 'log', '--all', '-p' ], '>', \my $history) or die 'git log';
	ok($history =~ /\+key = \*\*\*REMOVED/ && index($history, $leaked) < 0, 'nothing of it is left, in files and messages');
}

# ---- no command of the text is left that nobody tried ----

is(join("\n---\n", map { my $entry = $_; map { "$entry: $_->{text}" } grep { $_->{kind} eq 'sh' && !$is_tried{ $_->{text} } } @{ $blocks{$entry} } } sort keys %blocks),
	'', 'every shell command of the runbook was run');
unlike(file_bytes($node->logfile), qr/\Q$right\E|\Q$secret\E|\Q$key\E/, 'no key stands in the server\'s log');

$node->stop;
done_testing();

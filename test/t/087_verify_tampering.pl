# twin_verify, tried on thousands of tamperings with exports: through its functions, and some hundred through the program.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = $ENV{TWIN_SOURCE};
my $work = "$ENV{TESTDIR}/tamper";
mkdir $work;
my $program = bindir() . '/twin_verify';
my $sources = join ' ', "$source/test/verify/log.c", "$source/test/verify/tamper.c", (grep { !m{/main\.c$} } glob("$source/src/verify/*.c")),
  map { "$source/src/common/$_.c" } qw(merkle merkle_proof note note_key leaf leaf_json leaf_change leaf_time change jsonscan jsonwrite segment manifest leafset dropped archive_file archive_key archive_manifest archive_name archive_record archive_tally aead xaes digest encode library secret strictjson);
my $tampered = $ENV{TAMPER_COUNT} // 10000;

sub bindir { my ($out) = run_command([ 'pg_config', '--bindir' ]); return $out; }

sub build
{
	my ($name, $flags) = @_;
	is(system("gcc -std=gnu11 -D_GNU_SOURCE -g $flags -I$source/src -o $work/$name $sources -lcrypto -ljansson -lzstd"), 0, "built with $flags")
	  or die 'it is not built';
	return "$work/$name";
}

sub folder
{
	my ($name) = @_;
	mkdir "$work/$name";
	return "$work/$name";
}

# Runs the tool, whose TAP becomes one line here.
sub tries
{
	my ($name, @command) = @_;
	my ($out, $err) = run_command(\@command);
	my @lines = grep { /^ok \d+ - / } split /\n/, $out;
	diag("$out\n$err") if !ok($out =~ /^1\.\.(\d+)$/m && @lines == $1 && $out !~ /^not ok/m, $name);
	note($out);
}

# ---- every kind of tampering ----

my $fast = build('tamper', '-O2');
my $careful = build('tamper_asan', '-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer');
my $seed = int(rand(2**31));
note("seed $seed");
tries("$tampered tamperings are found, untouched exports hold", $fast, folder('many'), $tampered, $seed, $program, 300);
tries('and memory is as it should be', $careful, folder('few'), 400, $seed + 1);

# ---- the program ----

is(system($fast, 'export', folder('export'), 300, 0), 0, 'an export');
my ($key, $witness) = ("$work/export.key", "$work/export.witness");

# Exit status, standard output and error of the program.
sub verify
{
	my (@arguments) = @_;
	my ($out, $err) = run_command([ $program, @arguments ]);
	return ($? >> 8, $out, $err);
}

my ($status, $out, $err) = verify("$work/export", '--key', $key, '--witness', $witness);
is($status, 0, 'it holds');
like($out, qr/^holds: 300 events \(leaves 0 to 299\), recorded from \S+ to \S+\n\d+ checkpoints of 2 epochs, 2 of your notes\n/, 'and says what');
unlike($out, qr/not proven/, 'with key and notes nothing is left unproven');
($status, $out) = verify("$work/export");
is($status, 0, 'without key and notes it holds in itself');
like($out, qr/not proven: no key was given.*not proven: no note that was kept outside/s, 'which is said to prove less');
($status, $out) = verify("$work/export", '--key', 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
is($status, 1, 'under another key it does not hold');
like($out, qr/^TAMPERED: keys.txt: from leaf 0 on the log is signed as .* with a key that you did not give$/m, 'and the epoch is named');
($status, $out) = verify("$work/export", '--json', '--key', $key);
like($out, qr/"holds": true,\s+"status": 0,.*"problem_count": 0,/s, 'JSON');
($status, $out, $err) = verify("$work/export", '--events', '--key', $key);
is(scalar(split /\n/, $out), 300, 'events as lines of JSON');
like($out, qr/^\{"leaf_index":0,"event_id":1000,"event_time":"2026-/, 'with their leaves');
like($err, qr/^holds: 300 events/, 'and the report elsewhere');

# ---- what the log itself says of rows that were never sealed as they were written ----

foreach my $case (
	[ 1, 'a heartbeat that says so', 'heartbeat', '{"leaf": "7", "altered": "yes", "emitted": "9"}', 0 ],
	[ 0, 'one that says something else', 'heartbeat', '{"leaf": "7", "signed": "no", "note": "\"altered\": \"yes\"", "in": {"altered": "yes"}}', 0 ],
	[ 0, 'another event', 'update', '{"altered": "yes"}', 0 ],
	[ 0, 'one that an application made', 'heartbeat', '{"altered": "yes"}', 1 ])
{
	my ($wanted, $name, @event) = @$case;
	my @with = ('--key', "$work/told.key", '--witness', "$work/told.witness");
	is(system($fast, 'export', folder('told'), 60, 0, 7, @event), 0, "an export with $name");
	($status, $out) = verify("$work/told", @with);
	is($status, $wanted, "$name: status $wanted");
	next if !$wanted;
	like($out, qr/^TAMPERED: leaves-\S+: the heartbeat of leaf 7 says that events before it were changed, removed or added before they were sealed \(event 8000, heartbeat, 2026-\S+\)$/m, '... with event and time');
	unlike($out, qr/^holds/m, '... and nothing holds');
	($status, $out) = verify("$work/told", @with, '--json');
	is($status, 1, '... in JSON, too');
	like($out, qr/"holds": false,\s+"status": 1,.*"kind": "tampered",[^}]*the heartbeat of leaf 7 says[^}]*"leaf": 7,\s+"event_id": 8000,\s+"event_time": "2026-[^}]*"event_type": "heartbeat"\s+\}\s+\],\s+"problem_count": 1,/s, '... as the one problem');
}

# ---- what the log says of times in which nothing was captured ----

my ($from, $to, $later) = map { "2026-11-23 $_:00:00+00" } 10 .. 12;
sub off { my ($since, $by) = @_; return ('audit_disabled', qq({"by": "$by", "since": "$since"}), 0) }
sub on { return ('audit_enabled', qq({"by": "dba", "off_from": "$from", "off_to": "$to"}), 0) }
foreach my $case (
	[ 'switched off and on', [ 7, off($from, 'dba'), 9, on() ], "from $from to $to: the audit was switched off by dba (event 8000)" ],
	[ 'off to the end', [ 7, off($from, 'dba') ], "from $from on, beyond the last event: the audit was switched off by dba (event 8000)" ],
	[ 'off before the beginning', [ 9, on() ], "from $from to $to: the audit was switched off (event 10000)" ],
	[ 'off, a start with it off, and one with it on', [ 7, off($from, 'dba'), 8, off($to, 'the configuration files'), 9, 'audit_enabled', qq({"server_started": "$later"}), 0 ],
		"from $from to $to: the audit was switched off by dba (event 8000)", "from $to to $later: the audit was switched off by the configuration files (event 9000)" ],
	[ 'what speaks to a terminal', [ 7, off($from, '\\u001b[2J') ], "from $from on, beyond the last event: the audit was switched off by ?[2J (event 8000)" ],
	[ 'what an application says', [ 7, (off($from, 'dba'))[ 0, 1 ], 1 ] ],
	[ 'a start', [ 7, 'audit_enabled', qq({"server_started": "$from"}), 0 ] ])
{
	my ($name, $events, @expected) = @$case;
	is(system($fast, 'export', folder('gaps'), 60, 0, @$events), 0, "an export with: $name");
	($status, $out) = verify("$work/gaps", '--key', "$work/gaps.key", '--witness', "$work/gaps.witness");
	is($status, 0, '... holds');
	is_deeply([ $out =~ /^not recorded: (.*)$/mg ], \@expected, '... and the report says when nothing was captured');
}
is(system($fast, 'export', folder('gaps'), 60, 0, 7, off($from, 'dba'), 9, on()), 0, 'one more');
like((verify("$work/gaps", '--json'))[1], qr/"gaps": \[\s+\{\s+"from": "\Q$from\E",\s+"to": "\Q$to\E",\s+"by": "dba",\s+"event_id": 8000\s+\}\s+\],\s+"gap_count": 1,/, '... in JSON, too');

# ---- what is wrong usage, and what cannot be read ----

foreach my $case ([ 2 ], [ 2, "$work/export", 'more' ], [ 2, '--no-such' ], [ 2, '--leaf', $key ], [ 2, "$work/export", '--leaf', $key ],
	[ 2, "$work/export", '--key', "$work/no_such_file" ], [ 2, "$work/export", '--key', $witness ], [ 3, "$work/no_such_folder" ],
	[ 3, $key ], [ 3, "$work/export", '--witness', "$work/no_such_file" ], [ 3, "$work/export", '--witness', $key ],
	[ 0, '--help' ], [ 0, '--version' ])
{
	my ($wanted, @arguments) = @$case;
	is((verify(@arguments))[0], $wanted, "status $wanted of: @arguments");
}
is((verify($work))[0], 1, 'a folder without manifest');
SKIP:
{
	skip 'root reads everything', 1 if $> == 0;
	chmod 0, "$work/export/checkpoints.txt";
	is((verify("$work/export"))[0], 3, 'a file that may not be read');
}
done_testing();

# twin.siem_events(): a shipper that goes on after the last event it has gets every sealed event once, in the ledger's
# order, however transactions overlap, through a restart and kill -9; and its rights, errors and forms.
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;
use Time::HiRes qw(sleep time);

my $key = new_key();
my $node = new_node('siem', conf => "max_connections = 40\nrestart_after_crash = on\n");
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE ROLE shipper LOGIN IN ROLE twin_auditor; CREATE ROLE app LOGIN IN ROLE twin_operator; CREATE ROLE nobody_special LOGIN;
	CREATE TABLE unit (id int PRIMARY KEY, name text, n int);
	INSERT INTO unit SELECT i, 'unit ' || i, 0 FROM generate_series(1, 50) i;
	SELECT twin.audit_table('unit');
	GRANT ALL ON unit TO app});
my @shipper = (user => 'shipper');

# ---- the shipper ----

# Each session is an event, so what the test asks again and again it asks in one.
my ($shipper, $watch);
sub session
{
	my (@options) = @_;
	my $session = $node->background_psql('postgres', @options);
	return $session;
}
sub connect_again
{
	$shipper = session(extra_params => [ '-U', 'shipper' ]);
	$watch = session();
	return;
}
sub disconnect { $_->quit foreach ($shipper, $watch); return }
connect_again();

my (@ids, %line_of);
my $last = 0;
my $repeated = 0;

# Fetches until nothing comes; answers how many came, but for heartbeats, which come at any time.
sub ship
{
	my ($most) = @_;
	my $count = 0;
	while (1)
	{
		my $answer = $shipper->query_safe("SELECT event_id || ' ' || event FROM twin.siem_events('native', $last, $most)");
		my @lines = split /\n/, $answer;
		last unless @lines;
		foreach my $line (@lines)
		{
			my ($id, $event) = split / /, $line, 2;
			$repeated++ if exists $line_of{$id};
			$line_of{$id} = $event;
			push @ids, $id;
			$last = $id;
			$count++ unless $event =~ /"event_type": "heartbeat"/;
		}
	}
	return $count;
}

# Waits until all is sealed that was recorded.
sub all_sealed
{
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	until ($watch->query_safe(q{SELECT s.ring_fill = 0 AND s.emitted = s.written + s.dropped AND s.seal_lag = '0' AND twin_internal.unsealed_since() IS NULL FROM twin.stat_audit s}) eq 't')
	{
		return 0 if time > $until;
		sleep 0.1;
	}
	return 1;
}

# ---- writers whose transactions overlap, some rolled back, while the shipper asks ----

my $directory = PostgreSQL::Test::Utils::tempdir();
sub write_script
{
	my ($name, $text) = @_;
	open my $file, '>', "$directory/$name" or die $!;
	print $file $text;
	close $file;
	return "$directory/$name";
}
my $changes = write_script('changes', <<'SQL');
\set id random(1, 50)
\set wait random(1, 200)
BEGIN;
UPDATE unit SET n = n + 1 WHERE id = :id;
\sleep :wait ms
COMMIT;
SQL
my $undone = write_script('undone', <<'SQL');
\set id random(1000, 900000)
\set wait random(1, 80)
BEGIN;
INSERT INTO unit SELECT i, 'x', 0 FROM generate_series(:id, :id + 5) i ON CONFLICT DO NOTHING;
SELECT twin.record_event('tried', details => '{"a": "b"}');
\sleep :wait ms
ROLLBACK;
SQL
my @writers;
foreach my $script ([ $changes, 6 ], [ $undone, 3 ])
{
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null';
		exec 'pgbench', '-n', '-c', $script->[1], '-j', 1, '-T', 12, '-f', $script->[0], '-h', $node->host, '-p', $node->port, '-U', 'app', 'postgres' or POSIX::_exit(1);
	}
	push @writers, $pid;
}
# one that is open all the time: its events come when it commits, and hold up nobody's
my $slow = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
$slow->query_safe("BEGIN; UPDATE unit SET name = 'slow' WHERE id = 50 AND false; INSERT INTO unit VALUES (1000001, 'slow', 0)");
my ($rounds, $shipped) = (0, 0);
my $end = time + 11;
while (time < $end)
{
	$rounds++;
	$shipped += ship(7);
	sleep 0.1;
}
cmp_ok($shipped, '>', 50, "events come while transactions are open ($shipped in $rounds rounds)");
waitpid $_, 0 foreach @writers;
$slow->query_safe('COMMIT');
$slow->quit;
ok(all_sealed(), 'all is sealed');
ship(1000);

is(ship(1000), 0, 'then nothing comes');
my $in_log = $watch->query_safe('SELECT event_id FROM twin.audit_log WHERE event_type <> \'heartbeat\' ORDER BY 1');
my $got = join "\n", sort { $a <=> $b } grep { $line_of{$_} !~ /"event_type": "heartbeat"/ } @ids;
is($got, $in_log, 'every event of the log came');
is($repeated, 0, '... none twice');
my @leaves = map { decode_json($line_of{$_})->{details}{_event}{leaf_index} } @ids;
is((grep { $leaves[$_] != $_ } 0 .. $#leaves), 0, "... in the ledger's order, without a gap");
is((grep { /unit/ && /slow/ } values %line_of), 1, 'the slow one among them');
is((grep { /"tried"/ } values %line_of), sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'tried'}), '... and what a rolled back transaction recorded');

# ---- a restart and a crash ----

sql($node, "SELECT twin.record_event('before_restart')", user => 'app');
disconnect();
restart_with($node, $key);
connect_again();
sql($node, "UPDATE unit SET n = -1 WHERE id <= 3");
ok(all_sealed(), '... sealed');
ship(2);
is((grep { /before_restart/ } values %line_of), 1, 'after a restart it goes on');
sql($node, "INSERT INTO unit VALUES (1000002, 'after', 1)");
$node->stop('immediate');
eval { $_->quit } foreach ($shipper, $watch);
start_with($node, $key);
connect_again();
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM twin.siem_events('native', } . $last . q{, 1000) WHERE event LIKE '%1000002%'});
ship(1000);
is((grep { /1000002/ && /"event_type": "create"/ } values %line_of), 1, 'after a crash, too');
is($repeated, 0, 'none came twice');
is((join ' ', map { decode_json($line_of{$_})->{details}{_event}{leaf_index} } @ids), (join ' ', 0 .. $#ids), '... nor is there a gap');

# ---- forms ----

sql($node, q~SELECT twin.record_event('hostile', 'critical', 'denied', E'a|b=c\\\\\n"]', E'"}, {"x": 1\r\n<13>1 CEF:0|', E'Jürgen =|\\\\ 張', '2001:db8::7', NULL, '{"a": "\n=|]\"\\\\"}')~);
ok(all_sealed(), 'hostile texts are sealed');
my $from = $last;
my %lines = map { $_ => sql($node, "SELECT event FROM twin.siem_events('$_', $from, 1000) WHERE event LIKE '%hostile%'", @shipper) } qw(native ecs ocsf cef rfc5424);
foreach my $format (sort keys %lines)
{
	is(($lines{$format} =~ tr/\n//), 0, "$format: one line");
}
my $native = decode_json($lines{native});
is(join(' ', sort keys %$native), 'action details event_type outcome resource severity source source_ip timestamp user', 'native has its ten members');
is($native->{resource}, qq~"}, {"x": 1\r\n<13>1 CEF:0|~, '... and hostile texts in them');
is($native->{user}, "J\x{fc}rgen =|\\ \x{5f35}", '... in any script');
is($native->{details}{a}, qq~\n=|]"\\~, '... in details, too');
is($native->{source_ip}, '2001:db8::7', '... and addresses');
is(decode_json($lines{ecs})->{event}{action}, 'hostile', 'ecs');
is(decode_json($lines{ocsf})->{severity_id}, 5, 'ocsf');
like($lines{cef}, qr/^CEF:0\|twin_security\|twin_security\|[\d.]+\|hostile\|hostile\|10\|/, 'cef');
like($lines{rfc5424}, qr/^<106>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ twin_security \d+ hostile \[twin\@32473 [^\n]*\] \xef\xbb\xbf\{"/, 'rfc5424');
my $change = sql($node, "SELECT event::jsonb -> 'details' -> '_event' ->> 'record_id', event::jsonb -> 'details' -> '_event' -> 'new' ->> 'name' FROM twin.siem_events('native', 0, 100000) WHERE event LIKE '%1000002%'", @shipper);
is($change, '1000002|after', 'a changed row has its key and what it became');
is(sql($node, q{SELECT count(*) FROM twin.siem_events('native', 0, 100000) n JOIN twin.audit_log l USING (event_id)
	WHERE n.event::jsonb ->> 'event_type' IS DISTINCT FROM l.event_type OR n.event::jsonb ->> 'resource' IS DISTINCT FROM l.resource
	OR n.event::jsonb ->> 'outcome' IS DISTINCT FROM l.outcome OR (n.event::jsonb -> 'details' -> '_event' -> 'new') IS DISTINCT FROM l.new}), '0', 'all say what the log says');


# ---- what has only begun ----

$watch->query_safe('CREATE ROLE later');
ok(all_sealed(), 'a command is sealed');
sub told { my ($format, $what) = @_; return $watch->query_safe("SELECT string_agg($what, ' ' ORDER BY event_id) FROM twin.siem_events('$format', $from, 1000) WHERE event LIKE '%user\\_created%' AND event LIKE '%later%'") }
is(told('native', "event::jsonb ->> 'outcome'"), 'unknown success', 'native: a deed is told before it is done');
is(told('ecs', "event::jsonb #>> '{event,outcome}'"), 'unknown success', '... ecs: which is no failure');
is(told('ocsf', "event::jsonb ->> 'status_id'"), '0 1', '... ocsf');
is(told('cef', "substring(event FROM ' outcome=(\\w+) ')"), 'unknown success', '... cef');
is(told('rfc5424', "substring(event FROM ' outcome=\"(\\w+)\" ')"), 'unknown success', '... rfc5424');

# ---- errors and rights ----

fails_with($node, q{SELECT * FROM twin.siem_events('xml')}, '22023', 'unknown format', 'an unknown format', @shipper);
fails_with($node, q{SELECT * FROM twin.siem_events(NULL)}, '22023', 'unknown format', '... or none', @shipper);
fails_with($node, q{SELECT * FROM twin.siem_events('cef', 123456789)}, '22023', 'not in the ledger', 'an event that is not there', @shipper);
fails_with($node, q{SELECT * FROM twin.siem_events('cef', 1001)}, '22023', 'not in the ledger', '... nor one between rows', @shipper);
fails_with($node, q{SELECT * FROM twin.siem_events('cef', -1)}, '22023', 'negative', 'a negative one', @shipper);
fails_with($node, q{SELECT * FROM twin.siem_events('cef', 9223372036854775807)}, '22023', 'not in the ledger', 'the greatest number', @shipper);
is(sql($node, q{SELECT count(*) FROM twin.siem_events('cef', 0, 0)}, @shipper), '0', 'none at most');
is(sql($node, q{SELECT count(*) FROM twin.siem_events('cef', 0, 3)}, @shipper), '3', 'three at most');
fails_with($node, q{SELECT * FROM twin.siem_events('cef')}, '42501', 'permission denied', 'not for operators', user => 'app');
fails_with($node, q{SELECT * FROM twin.siem_events('cef')}, '42501', 'permission denied', 'nor for anybody', user => 'nobody_special');
is(sql($node, q{BEGIN READ ONLY; SELECT count(*) FROM twin.siem_events('cef', 0, 3)}, @shipper), '3', 'a transaction may be read only');
is(sql($node, "SELECT count(*) FROM twin.siem_events('native') WHERE event_id > 0") > 100, 1, 'all at once');
done_testing();

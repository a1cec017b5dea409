# Metrics from end to end: the database's figures behind the gateway's own, through a database that is away or locked; the
# text against both formats; Prometheus itself collecting them, with the rules and the dashboard of deploy/; and the page
# that documents them.
use strict;
use warnings;
use File::Copy qw(copy);
use IPC::Run ();
use JSON::PP;
use PostgreSQL::Test::Utils ();
use Test::More;
use Time::HiRes qw(time sleep);
use TwinTest;
use TwinGateway;

my ($node, $password) = new_twin('metrics', conf => "max_prepared_transactions = 5\nwal_level = replica\nmax_wal_senders = 4\n");
my $gateway = new_gateway($node, conf => { 'db-pool' => 3 });

# ---- a strict reader of OpenMetrics: (family => [kind, samples], ...); dies of what it does not allow ----

my $NAME = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $TEXT = qr/(?:[^"\\\n]|\\["\\n])*/;
my $NUMBER = qr/[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|[Ii]nf(?:inity)?|NaN)/;
sub read_metrics
{
	my ($text) = @_;
	$text =~ s/\n# EOF\n?\z// or die 'no end';
	my (%family, %seen, $current);
	foreach my $line (split /\n/, $text, -1)
	{
		if ($line =~ /^# (HELP|TYPE|UNIT) ($NAME) (.+)$/)
		{
			my ($what, $name, $said) = ($1, $2, $3);
			die "metadata of $name twice or late" if $family{$name} && (($current // '') ne $name || $family{$name}{$what} || $family{$name}{samples});
			die "quotes: $line" if $what eq 'HELP' && $said !~ /^$TEXT$/;
			die "type: $line" if $what eq 'TYPE' && $said !~ /^(?:counter|gauge|histogram|unknown)$/;
			die "unit: $line" if $what eq 'UNIT' && $name !~ /_\Q$said\E$/;
			$family{$name}{$what} = $said;
			$current = $name;
			next;
		}
		my ($name, $labels, $value) = $line =~ /^($NAME)(?:\{((?:$NAME="$TEXT"(?:,|(?=\})))*)\})? ($NUMBER)$/ or die "no sample: $line";
		my $kind = defined $current ? $family{$current}{TYPE} // 'unknown' : 'unknown';
		my %allowed = (counter => ['_total'], gauge => [''], unknown => [''], histogram => [ '_bucket', '_count', '_sum' ]);
		($current) = grep { defined } $current, $name;
		die "sample of no family, or of another: $line" unless grep { $name eq "$current$_" } @{ $allowed{$kind} };
		die "twice: $line" if $seen{ "$name {" . ($labels // '') }++;
		die "a counter below 0: $line" if $kind eq 'counter' && $value !~ /^\d/;
		push @{ $family{$current}{samples} }, [ $name, $labels // '', $value ];
	}
	# a family's name with a suffix is no other's
	foreach my $name (keys %family) { exists $family{"$name$_"} and die "$name$_ and $name clash" foreach qw(_total _created _count _sum _bucket _info) }
	return %family;
}
sub is_strict { my ($text, $name) = @_; my %family = eval { read_metrics($text) }; is($@, '', $name); return %family; }
ok(!eval { read_metrics($_->[0]); 1 }, "the reader is strict: $_->[1]") foreach (
	[ "a 1\n", 'no end' ], [ "# TYPE a counter\na 1\n# EOF\n", 'suffix' ], [ "# TYPE a_total counter\na_total 1\n# EOF\n", 'the other format' ],
	[ "# TYPE a gauge\na{b=\"c\"d\"} 1\n# EOF\n", 'quotes' ], [ "# TYPE a gauge\na 1\na 2\n# EOF\n", 'twice' ], [ "# UNIT a seconds\na 1\n# EOF\n", 'unit' ],
	[ "# TYPE a gauge\na 1\n\n# EOF\n", 'empty lines' ]);

# What promtool says to a text: (exit, output)
sub found { my ($name) = @_; foreach (split(/:/, $ENV{PATH}), '/usr/sbin') { return "$_/$name" if -x "$_/$name" } return; }
my $promtool = found('promtool');
my $prometheus = found('prometheus');
sub write_to { my ($path, $text) = @_; open my $file, '>', $path or die "$path: $!"; print $file $text; close $file or die $!; return $path; }
sub run_tool { my ($in, @command) = @_; my ($out, $err) = ('', ''); IPC::Run::run([@command], '<', \$in, '>', \$out, '2>', \$err); return ($? >> 8, "$out$err"); }

my $both = sql($node, 'SELECT twin.metrics()');
my %both = is_strict($both, 'twin.metrics() is OpenMetrics');
is_strict(sql($node, q{SELECT twin.metrics('openmetrics')}), '... and so with types');
SKIP:
{
	skip 'promtool is not installed (Debian: prometheus)', 2 unless $promtool;
	is((run_tool("$both\n", $promtool, 'check', 'metrics'))[0], 0, '... and good as Prometheus\' own format');
	is((run_tool(sql($node, q{SELECT twin.metrics('prometheus')}) . "\n", $promtool, 'check', 'metrics'))[0], 0, '... and so with types');
}

# ---- what is counted ----

sub metric { my ($name) = @_; return sql($node, 'SELECT twin.metrics()') =~ /^\Q$name\E (\S+)$/m ? $1 : undef; }
sub rises
{
	my ($name, $by, $what, $do) = @_;
	my $from = metric($name);
	$do->();
	is(metric($name) - $from, $by, "$what: $name");
	return;
}
rises('twin_security_logins_total{outcome="failure",reporter="database"}', 1, 'a wrong password', sub { $gateway->login('oleg', 'wrong') });
rises('twin_security_tokens_issued_total{type="access"}', 1, 'a login', sub { $gateway->login('oleg', $password) });
rises('twin_security_tokens_issued_total{type="refresh"}', 1, 'a login', sub { $gateway->login('oleg', $password) });
rises('twin_security_token_refusals_total', 300, 'a flood, of which few are recorded', sub { $node->psql('postgres', join(';', map { "SELECT twin.authenticate('a.b.$_')" } 1 .. 300), on_error_stop => 0) });
cmp_ok(metric('twin_security_events_withheld_total'), '>', 100, '... the rest is withheld');
is(sql($node, q{SELECT count(*) FROM twin.stat_events WHERE event_type = 'events_withheld'}), 1, '... of which an event tells');
is(metric('twin_security_denials_total{type="events_withheld"}'), undef, '... that is no refusal more');
my $creates = sub { sql($node, q{SELECT coalesce(sum(events), 0) FROM twin.stat_events WHERE event_type = 'create'}) };
sql($node, q{CREATE TABLE watched (n int); SELECT twin.audit_table('watched')});
my $from = $creates->();
sql($node, q{BEGIN; INSERT INTO watched VALUES (1), (2); SAVEPOINT s; INSERT INTO watched VALUES (3); ROLLBACK TO s; SAVEPOINT t; INSERT INTO watched VALUES (4); RELEASE t; COMMIT;
	BEGIN; INSERT INTO watched VALUES (5); ROLLBACK});
is($creates->() - $from, 3, 'changes are counted when they commit, and only then');
$from = $creates->();
sql($node, 'DO $$ BEGIN FOR i IN 1 .. 200 LOOP BEGIN INSERT INTO watched VALUES (i); IF i % 2 = 0 THEN RAISE EXCEPTION division_by_zero; END IF; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$');
is($creates->() - $from, 100, '... in many subtransactions');

$from = $creates->();
sql($node, q{BEGIN; INSERT INTO watched VALUES (6); PREPARE TRANSACTION 'later'});
is($creates->() - $from, 1, '... of a prepared transaction when it is prepared');
sql($node, q{COMMIT PREPARED 'later'});
is($creates->() - $from, 1, '... and not again');
my $failures = sql($node, q{SELECT coalesce(sum(failures), -1) FROM twin.stat_workers});
is($failures, 0, 'no worker fails');

sql($node, 'CREATE DATABASE other');
$node->safe_psql('other', q{CREATE EXTENSION twin_security; SELECT twin.record_event('of_the_other')});
is($node->safe_psql('other', q{SELECT events FROM twin.stat_events WHERE event_type = 'application'}), 1, 'another database counts its own');
PostgreSQL::Test::Utils::run_log([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 100, '-f', write_to(PostgreSQL::Test::Utils::tempdir('bench') . '/one', "SELECT twin.record_event('login_failure', outcome => 'failure');\n"), $node->connstr('other') ]);
is($node->safe_psql('other', q{SELECT events FROM twin.stat_events WHERE event_type = 'login_failure'}), 800, '... of sessions that come at once, every one');
$node->safe_psql('other', q{BEGIN; SELECT count(twin_internal.emit_event('kind_' || i, 'x')) FROM generate_series(1, 900) i; COMMIT});
is($node->safe_psql('other', q{SELECT sum(events), count(*) < 530, max(events) FILTER (WHERE event_type = 'other') > 300 FROM twin.stat_events WHERE event_type ~ '^(kind_|other$)'}), '900|t|t',
	'... and kinds that find no place together');
like($node->safe_psql('other', 'SELECT twin.metrics()'), qr/^twin_security_build_info\{version="[^"]+",database="other"\} 1$/m, '... and says which it is');
is(sql($node, q{SELECT count(*) FROM twin.stat_events WHERE event_type = 'application'}), 0, '... and this one does not');

# a dump brings alerts, and no numbers; these are made of what it brings
sql($node, q{SELECT twin_internal.raise_alert('of_a_dump', s, NULL, 1, '{}') FROM unnest('{high,high,low}'::text[]) s});
my $dump = PostgreSQL::Test::Utils::tempdir('dump') . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'a dump');
sql($node, 'CREATE DATABASE copy');
$node->run_log([ 'pg_restore', '-d', 'copy', $dump ]);
is($node->safe_psql('copy', q{SELECT string_agg(labels ->> 'severity' || ' ' || value, ', ' ORDER BY labels ->> 'severity') FROM twin.stat_metrics
	WHERE metric = 'twin_security_alerts_total' AND labels ->> 'rule' = 'of_a_dump'}), 'high 2, low 1', '... has the alerts counted again');
is($node->safe_psql('copy', q{SELECT count(*) FROM twin.stat_metrics WHERE metric IN ('twin_security_scrape_error', 'twin_security_scrape_dropped_series') AND value <> 0}), 0, '... and every source is there once');

# ---- on a standby ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby_of_metrics');
$standby->init_from_backup($node, 'base', has_streaming => 1);
start_with($standby, @{ $node->{twin_keys} });
my %standby = is_strict(sql($standby, 'SELECT twin.metrics()'), 'a standby tells its own figures');
is(join(' ', map { $_->[1] } grep { $_->[2] ne '0' } @{ $standby{twin_security_scrape_error}{samples} }), '', '... all of them');
is(join(' ', map { $_->[2] } @{ $standby{twin_security_worker_up}{samples} }), '1 1', '... and no worker is missed where there is nothing to write');
$standby->stop('immediate');

# ---- behind the gateway ----

sub scrape
{
	my ($accept) = @_;
	my $socket = $gateway->connect_to($gateway->{admin_port});
	print $socket "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: $accept\r\nConnection: close\r\n\r\n";
	return TwinGateway::finish($socket, 20);
}
my $accept = 'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
my $answer = scrape($accept);
like($answer->header('Content-Type'), qr{^application/openmetrics-text; version=1\.0\.0}, 'whoever wants OpenMetrics');
my %all = is_strict($answer->{body}, '... is given it, as a whole');
ok($all{twin_gateway_requests} && $all{twin_security_logins}, '... with the gateway\'s own figures and the database\'s');
my $socket = $gateway->connect_to($gateway->{admin_port});
print $socket "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
my $head = do { local $/; <$socket> };
like($head, qr{^HTTP/1\.1 200 .*\r\nContent-Length: \d{4,}\r\n(?:.*\r\n)?\r\n\z}s, 'HEAD has no body');
$answer = scrape('*/*');
like($answer->header('Content-Type'), qr{^text/plain; version=0\.0\.4}, 'anybody else is given Prometheus\' own format');
like($answer->{body}, qr/^# TYPE $_ counter$/m, "... of which families have the name of their samples: $_") foreach qw(twin_gateway_requests_total twin_security_logins_total);
SKIP:
{
	skip 'promtool is not installed', 1 unless $promtool;
	is((run_tool($answer->{body}, $promtool, 'check', 'metrics'))[1], '', '... and promtool has no complaint');
}
is($gateway->metric('twin_gateway_database_metrics_up'), 1, '... and says so');
unlike($answer->{body}, qr/oleg|ada|vera|127\.0\.0\.1|\Q$password\E/, '... that tell of nobody');
my $client = sub { my @answer = $node->psql('postgres', $_[0], extra_params => [ '-U', 'twin_gateway' ]); return $answer[0] == 0 ? 'allowed' : $answer[2] };
is($client->('SELECT twin.metrics()'), 'allowed', 'its login may ask without a token');
like($client->($_), qr/permission denied/, "... and no more: $_") foreach 'SELECT * FROM twin.stat_metrics', 'SELECT * FROM twin_internal.metric_samples()', 'SET ROLE twin_admin; SELECT * FROM twin.stat_events';
is($gateway->get('/rpc/metrics')->{status}, 404, 'clients reach it neither by the API');
my $begin = time;
my %when;
$when{ $gateway->metric('twin_security_scrape_duration_seconds') }++ foreach 1 .. 40;
cmp_ok(scalar keys %when, '<=', 2 + int(time - $begin), 'whoever asks in a loop is given what was there: the database is asked once a second');

# somebody locks what a source reads
my $locker = $node->background_psql('postgres');
lock_log($locker, 'tiles', 'ACCESS EXCLUSIVE');
$locker->query_safe('LOCK TABLE twin_internal.key_versions IN ACCESS EXCLUSIVE MODE');
$begin = time;
my $locked = sql($node, 'SELECT twin.metrics()');
is_soon($begin, 'a lock does not keep anybody waiting');
like($locked, qr/^twin_security_scrape_error\{source="$_"\} 1$/m, "... the source says so: $_") foreach qw(keys log);
like($locked, qr/^twin_security_scrape_error\{source="events"\} 0$/m, '... others do not');
like($locked, qr/^twin_security_logins_total\{/m, '... and their figures are there');
unlike($locked, qr/^twin_security_key_age_seconds\{/m, '... what is not known is left out');
is_strict($locked, '... and all is OpenMetrics still');
$locker->query_safe('COMMIT');
$locker->quit;

# the database goes and comes
$node->stop('immediate');
sleep 1.1;
$begin = time;
$answer = $gateway->admin('/metrics');
is($answer->{status}, 200, 'without the database');
is_soon($begin, '... at once');
like($answer->{body}, qr/^twin_gateway_database_metrics_up 0$/m, '... it is said');
is_strict(scrape($accept)->{body}, '... in OpenMetrics too');
like($gateway->log_text, qr/"database_metrics_failed"/, '... and logged');
start_again($node);
ok(wait_until(30, sub { sleep 0.5; ($gateway->metric('twin_gateway_database_metrics_up') // 0) == 1 }), 'it comes again');

# a database that hangs
$locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE twin_internal.metric_sources IN ACCESS EXCLUSIVE MODE; LOCK TABLE pg_catalog.pg_proc IN ACCESS EXCLUSIVE MODE');
sleep 1.1;
$begin = time;
$answer = $gateway->admin('/metrics');
is_soon($begin, 'a database that hangs holds nobody up');
like($answer->{body}, qr/^twin_gateway_database_metrics_up 0$/m, '... it is said');
$locker->query_safe('ROLLBACK');
$locker->quit;
ok(wait_until(30, sub { sleep 0.5; ($gateway->metric('twin_gateway_database_metrics_up') // 0) == 1 }), 'it goes on');

# ---- what is documented ----

my $page = file_bytes("$ENV{TWIN_SOURCE}/docs/metrics.md");
my %documented = map { /^\| `(twin_security_\w+)` \| (\w+) \| (\w*) \| ([^|]*?) \| (.*) \|$/ ? ($1 => "$2|$3|$5") : () } split /\n/, $page;
my %labels_said = map { /^\| `(twin_security_\w+)` \| \w+ \| \w* \| ([^|]*?) \|/ ? ($1 => $2) : () } split /\n/, $page;
my %present = map { my @f = split /\|/; my ($name, @rest) = @f; ($name => join '|', @rest) }
	split /\n/, sql($node, q{SELECT concat_ws('|', family || CASE kind WHEN 'counter' THEN '_total' ELSE '' END, kind, coalesce(unit, ''), help) FROM twin_internal.metric_families});
# what the page says of sources that this build does not have
my %elsewhere = map { $_ => 1 } file_bytes("$ENV{TWIN_SOURCE}/src/extension/metrics/watching.sql") =~ /^\t\('(twin_security_\w+)'/mg;
my $is_here = sub { my ($name) = @_; return !$elsewhere{$name} || exists $present{$name} };
is_deeply({ map { ($_ => $documented{$_}) } grep { $is_here->($_) } keys %documented }, \%present, 'docs/metrics.md says what is there: names, types, units, meanings');
%all = read_metrics(scrape($accept)->{body});
foreach my $family (sort grep { /^twin_security_/ } keys %all)
{
	foreach my $sample (@{ $all{$family}{samples} // [] })
	{
		my $names = join ', ', $sample->[1] =~ /($NAME)="/g;
		is($names, $labels_said{ $sample->[0] }, "labels of $sample->[0]") if $names ne ($labels_said{ $sample->[0] } // 'none');
	}
}

# ---- Prometheus ----

my $place = PostgreSQL::Test::Utils::tempdir('prometheus');
my $pid;
END { my $status = $?; if ($pid) { kill TERM => $pid; waitpid $pid, 0 } $? = $status }


# The names in an expression that are metrics: what is no function, word or label.
sub metrics_of { my ($expression) = @_; $expression =~ s/"[^"]*"//g; return $expression =~ /\b((?:twin_security|twin_gateway|pgrst)_\w+|up)\b(?=[\s{\[),\/]|$)/g }

my $rules = file_bytes("$ENV{TWIN_SOURCE}/deploy/prometheus-rules.yml");
my %expressions = map { ($_ => 1) } $rules =~ /^\s+expr: (.+)$/mg;
cmp_ok(scalar keys %expressions, '>', 15, 'the rules have expressions');
my $dashboard = decode_json(file_bytes("$ENV{TWIN_SOURCE}/deploy/grafana-dashboard.json"));
my %panel;
foreach my $panel (@{ $dashboard->{panels} })
{
	is($panel{ $panel->{id} }++, undef, "a panel's number: $panel->{id}") if $panel{ $panel->{id} };
	foreach my $target (@{ $panel->{targets} // [] })
	{
		my $expression = $target->{expr};
		$expression =~ s/\$__rate_interval/1m/g;
		$expression =~ s/\$(?:job|instance)/.*/g;
		unlike($expression, qr/\$/, "no variable that nobody sets: $expression") if $expression =~ /\$/;
		$expressions{$expression} = 1;
	}
}
# every series that they name is there, by its name and by what they want of its labels
my @series = map { my ($name, $samples) = ($_, $all{$_}{samples}); map { [ $_->[0], $_->[1] ] } @{ $samples // [] } } keys %all;
my %unknown;
foreach my $expression (keys %expressions)
{
	while ($expression =~ /\b((?:twin_security|twin_gateway|pgrst)_\w+)(?:\{([^}]*)\})?/g)
	{
		my ($name, $wanted) = ($1, $2 // '');
		my @found = grep { $_->[0] eq $name } @series;
		next if $name eq 'twin_security_alerts_total' && !@found;	# no rule is, in this database
		while ($wanted =~ /(\w+)(=~?|!=)"([^"]*)"/g)
		{
			my ($label, $how, $value) = ($1, $2, $3);
			next if $label =~ /^(?:job|instance)$/ || $how eq '!=';
			my $pattern = $how eq '=' ? qr/\Q$value\E/ : qr/$value/;
			@found = grep { $_->[1] =~ /(?:^|,)$label="$pattern"/ } @found;
			# each of several words
			foreach my $word ($how eq '=~' ? grep { /^\w+$/ } split(/\|/, $value) : ()) { $unknown{"$name\{$label=\"$word\"}"} = 1 unless grep { $_->[1] =~ /(?:^|,)$label="$word"/ } @found }
		}
		$unknown{$expression} = 1 unless @found;
	}
}
is(join(' ; ', sort keys %unknown), '', 'every series that rules and dashboard name is told');

SKIP:
{
	skip 'prometheus is not installed', 1 unless $prometheus && $promtool;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $scrape = file_bytes("$ENV{TWIN_SOURCE}/deploy/prometheus.yml");
	$scrape =~ s/127\.0\.0\.1:3001/127.0.0.1:$gateway->{admin_port}/ or die 'no target';
	$scrape =~ s/_interval: 15s/_interval: 1s/g;
	write_to("$place/prometheus.yml", $scrape);
	write_to("$place/prometheus-rules.yml", $rules);
	write_to("$place/rules_test.yml", file_bytes("$ENV{TWIN_SOURCE}/test/prometheus/rules_test.yml"));
	my ($code, $out) = run_tool('', $promtool, 'check', 'config', "$place/prometheus.yml");
	is($code, 0, 'promtool takes the configuration and the rules') or diag $out;
	($code, $out) = run_tool('', $promtool, 'test', 'rules', "$place/rules_test.yml");
	is($code, 0, 'the rules do what they say') or diag $out;

	$pid = fork // die $!;
	if ($pid == 0)
	{
		open STDOUT, '>', "$place/log" or die $!;
		open STDERR, '>&', \*STDOUT or die $!;
		exec $prometheus, "--config.file=$place/prometheus.yml", "--storage.tsdb.path=$place/data", "--web.listen-address=127.0.0.1:$port", '--log.level=warn' or POSIX::_exit(127);
	}
	my $ask = sub {
		my ($path) = @_;
		my $socket = $gateway->connect_to($port) or return undef;
		print $socket "GET $path HTTP/1.0\r\nHost: x\r\n\r\n";
		local $/;
		my $said = <$socket> // '';
		return eval { decode_json((split /\r\n\r\n/, $said, 2)[1]) };
	};
	my $query = sub { return $ask->('/api/v1/query?query=' . escape($_[0])) };
	my $value = sub { my $said = $query->($_[0]); return $said->{data}{result}[0]{value}[1] };
	ok(wait_until(60, sub { sleep 0.5; ($value->('up{job="twin_gateway"}') // 0) == 1 && ($value->('count_over_time(up[1m])') // 0) >= 3 }), 'Prometheus collects') or diag file_bytes("$place/log");
	is($ask->('/api/v1/targets')->{data}{activeTargets}[0]{lastError}, '', '... without a complaint');
	is($value->('twin_security_worker_up{worker="event_launcher"}'), 1, '... and knows the database\'s figures');
	is($ask->('/api/v1/metadata?metric=twin_security_logins')->{data}{twin_security_logins}[0]{type}, 'counter', '... and their types');

	my %missing;
	foreach my $expression (sort keys %expressions)
	{
		my $said = $query->($expression);
		is($said->{status}, 'success', "can be asked: $expression") or diag $said->{error};
		$missing{$_} = 1 foreach grep { $is_here->($_) && !defined $value->("count($_)") } metrics_of($expression);
	}
	is(join(' ', sort keys %missing), 'twin_security_alerts_total', 'all that rules and dashboard name is there (of alerts: no rule is, in this database)') if $missing{twin_security_alerts_total};
	is(join(' ', sort grep { $_ ne 'twin_security_alerts_total' } keys %missing), '', 'every metric of rules and dashboard is there');
	my $groups = $ask->('/api/v1/rules')->{data}{groups};
	is(join(' ', map { $_->{name} } grep { $_->{health} eq 'err' } map { @{ $_->{rules} } } @$groups), '', 'no rule fails');

	# something happens, and it is seen
	$gateway->login('oleg', 'wrong') foreach 1 .. 3;
	ok(wait_until(20, sub { sleep 0.5; ($value->('increase(twin_security_logins_total{outcome="failure",reporter="database"}[1m])') // 0) > 0 }), 'failed logins are seen to rise');
	$gateway->stop;
	ok(wait_until(20, sub { sleep 0.5; ($value->('up{job="twin_gateway"}') // 1) == 0 }), 'a gateway that is gone is seen');
	ok(wait_until(20, sub { sleep 0.5; grep { $_->{labels}{alertname} eq 'TwinGatewayDown' } @{ $ask->('/api/v1/alerts')->{data}{alerts} // [] } }), '... and the rule about it pends');
}

done_testing();

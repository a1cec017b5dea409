# Where a report is asked for, or somebody's data: on a standby, in a database whose events are not written, without preloading, and while
# another transaction is open for long.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my @keys = (new_key());
my $node = new_node('reports', allows_streaming => 1, conf => "twin_security.databases = 'postgres'\n");
start_with($node, @keys);
sql($node, 'CREATE DATABASE other');
sql($node, 'CREATE EXTENSION twin_security', db => $_) foreach 'postgres', 'other';
sql($node, q{SELECT count(twin.record_event('app.seen')) FROM generate_series(1, 20); CREATE TABLE people (who text, name text); INSERT INTO people VALUES ('bob', 'Bob');
	SET client_min_messages = 'error'; SELECT twin.register_subject_column('people', 'name', 'who')});
events_written($node);
my $count = q{SELECT (twin.compliance_report(NULL, NULL) #>> '{events_by_type,app.seen}')::integer};
my $page = q{SELECT twin.compliance_report_html(NULL, NULL) ~ '</html>'};
my $bob = q{SELECT twin.export_subject('bob') #>> '{tables,public.people,0,name}'};
my $erase = q{SELECT twin.erase_subject('bob', 'r') #>> '{erased,public.people,name}'};
is(sql($node, $count), '20', 'a report');
is(answer_of($node, $page), 't', 'its page');
is(answer_of($node, $page, db => 'other'), 't', 'in a database whose events are not written');

# events that are written while a transaction that is open for long sees none of them
my $long = $node->background_psql('postgres');
is($long->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; $count"), '20', 'in a long transaction');
sql($node, q{SELECT count(twin.record_event('app.seen')) FROM generate_series(1, 5)});
events_written($node);
is($long->query_safe($count), '20', '... it says the same again');
is(sql($node, $count), '25', '... and another says more');
$long->quit;

$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
start_with($standby, @keys);
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is(answer_of($standby, $count), '25', 'on a standby');
is(answer_of($standby, $page), 't', '... its page');
is(answer_of($standby, $bob), 'Bob', '... what is held about somebody');
fails_with($standby, $erase, '25006', '', '... who is not erased there');
$standby->stop;

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
restart_with($node, @keys);
is(answer_of($node, $count), '25', 'without preloading');
is(answer_of($node, $page), 't', '... its page');
is(answer_of($node, $bob), 'Bob', '... what is held about somebody');
is(answer_of($node, $erase), '1', '... and who is erased');
is(sql($node, q{SELECT count(*) FROM twin.audit_log WHERE event_type = 'subject_erased'}), '1', '... with a certificate');

done_testing();

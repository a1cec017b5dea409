# Legal holds across sessions: what is told of them, who waits for whom while something is dropped, and dumps.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('holds');
start_with($node, my $key = new_key());
sql($node, 'CREATE EXTENSION twin_security; CREATE ROLE clerk LOGIN IN ROLE twin_admin; CREATE TABLE notes (at timestamptz, who text, note text)');
sql($node, q{SET client_min_messages = 'error'; SELECT twin.register_subject_column('notes', 'note', 'who');
	INSERT INTO twin_internal.retention_policies (policy_name, relation, time_column, keep) VALUES ('tap_notes', 'notes', 'at', '1 day');
	INSERT INTO notes VALUES ('2020-01-01', 'bob', 'x')});

# ---- what is told ----

my $person = canary();
my $id = sql($node, "SELECT twin.place_legal_hold('Doe v. Twin', 'tap_notes', '2019-01-01', '2021-01-01', '$person')", user => 'clerk');
sql($node, "SELECT twin.release_legal_hold($id, 'settled')", user => 'clerk');
events_written($node);
is(sql($node, q{SELECT event_type, severity, outcome, resource, session_user_name, details - '{from,to}'::text[] FROM twin.audit_log WHERE event_type LIKE 'legal\_hold%' ORDER BY event_id}),
	qq{legal_hold_placed|medium|success|Doe v. Twin|clerk|{"policy": "tap_notes", "hold_id": $id, "of_subject": true}\n}
	  . qq{legal_hold_released|medium|success|Doe v. Twin|clerk|{"reason": "settled", "hold_id": $id}}, 'both are told, with the case');
is(sql($node, "SELECT count(*) FROM twin.audit_log l WHERE l::text LIKE '%$person%'"), '0', '... and without the person');
is(sql($node, 'SELECT placed_by, released_by, subject FROM twin.legal_holds'), "clerk|clerk|$person", '... who is in the table');

# ---- whoever drops, and whoever places a hold ----

my $dropper = $node->background_psql('postgres');
my $placer = $node->background_psql('postgres', extra_params => [ '-U', 'clerk' ]);
my $drop = q{LOCK TABLE twin_internal.legal_holds IN SHARE MODE; SELECT twin_internal.holds_on('tap_notes', 'notes', '2020-01-01', '2020-02-01')};

$dropper->query_safe('BEGIN');
is($dropper->query_safe($drop), '{}', 'nothing is held');
is(sql($node, "BEGIN; $drop; COMMIT"), '{}', 'two may look at once');
$placer->query_until(qr/placing/, "\\echo placing\nSELECT twin.place_legal_hold('late', 'tap_notes');\n");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'twin_internal.legal_holds'::regclass AND NOT granted});
pass('a hold that comes meanwhile waits');
$dropper->query_safe(q{INSERT INTO twin_internal.retention_items (policy_name, relation, partition_name, from_time, to_time, state, archive_file)
	VALUES ('tap_notes', 'public.notes', 'public.notes', '2020-01-01', '2020-02-01', 'dropped', 'public.notes.x.tsarc'); COMMIT});
$placer->query('SELECT 1');
like($placer->{stderr}, qr/WARNING:.*some of what is held was dropped before.*public\.notes\.x\.tsarc/s, '... and says then what is gone, and where its archive is');
$placer->{stderr} = '';
is(sql($node, "SELECT count(*) FROM twin.legal_holds WHERE case_ref = 'late'"), '1', '... and is placed');
sql($node, "SELECT twin.release_legal_hold(hold_id, 'x') FROM twin.legal_holds WHERE case_ref = 'late'");

$placer->query_safe("BEGIN; SET client_min_messages = 'error'; SELECT twin.place_legal_hold('first', 'tap_notes')");
fails_with($node, "SET lock_timeout = '200ms'; BEGIN; $drop", '55P03', '', 'whoever drops waits for a hold that is about to be placed');
$placer->query_safe('COMMIT');
my $first = sql($node, "SELECT hold_id FROM twin.legal_holds WHERE case_ref = 'first'");
is(sql($node, "BEGIN; $drop; COMMIT"), "{$first}", '... and sees it then');
# released, and rolled back: it is held still
$placer->query_safe("BEGIN; SELECT twin.release_legal_hold($first, 'x'); ROLLBACK");
is(sql($node, "BEGIN; $drop; COMMIT"), "{$first}", 'a release that is rolled back is none');
# two who release at once
$dropper->query_safe("BEGIN; SELECT twin.release_legal_hold($first, 'x')");
fails_with($node, "SET lock_timeout = '200ms'; SELECT twin.release_legal_hold($first, 'y')", '55P03', '', 'who releases waits for another who does');
$dropper->query_safe('COMMIT');
fails_with($node, "SELECT twin.release_legal_hold($first, 'y')", '55000', 'already', '... and comes too late');
$_->quit foreach $dropper, $placer;

# ---- one person, while it is erased ----

my $eraser = $node->background_psql('postgres', on_error_stop => 0);
$eraser->query_safe(q{BEGIN; SELECT twin.erase_subject('bob', 'r')});
fails_with($node, q{SET lock_timeout = '200ms'; SELECT twin.place_legal_hold('too late', subject => 'bob')}, '55P03', '', 'no hold is placed while somebody is erased');
$eraser->query_safe('ROLLBACK');
sql($node, q{SET client_min_messages = 'error'; SELECT twin.place_legal_hold('in time', subject => 'bob')});
session_fails($eraser, q{SELECT twin.erase_subject('bob', 'r');}, '55006', 'under a hold nobody is');
is(sql($node, 'SELECT note FROM notes'), 'x', '... at all');
$eraser->quit;

# ---- dumps ----

my $all = 'SELECT * FROM twin.legal_holds ORDER BY hold_id';
my $expected = sql($node, $all);
my ($from, $dump) = ('postgres', $node->basedir . '/holds.dump');
foreach my $round (1, 2)
{
	sql($node, "CREATE DATABASE round_$round");
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr($from) ], "dump $round");
	$from = "round_$round";
	$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr($from), $dump ], "restore $round");
	is(sql($node, $all, db => $from), $expected, 'holds come with a dump');
	is(sql($node, q{SELECT twin_internal.holds_on('tap_notes', 'notes', '2020-01-01', '2020-02-01') <> '{}'}, db => $from), 't', '... and hold');
	fails_with($node, 'DELETE FROM twin_internal.legal_holds', '42501', 'not deleted', '... and are kept', db => $from);
}
is(sql($node, q{SET client_min_messages = 'error'; SELECT twin.place_legal_hold('next') > (SELECT max(hold_id) FROM twin.legal_holds)}, db => $from), 't', '... and the next has a number of its own');

done_testing();

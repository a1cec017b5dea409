# What the rules found comes, later if need be: whoever holds a lock, a row or the queue of notifications, and whatever the server
# lacks for a while, costs no alert, no block and no word of an analyst, and keeps nobody else's work.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinTest;

my $node = new_node('nothing_lost', conf => "fsync = off\n");
start_with($node, new_key(), undef, clock_of($node), JWT_SECRET_KEY => 'the secret of these tokens is not of others');
sql($node, 'CREATE EXTENSION twin_security');
sql($node, q{UPDATE twin.alert_rules SET playbook = NULL; CREATE TABLE units (id int); SELECT twin.audit_table('units')});
sub poll { my ($query) = @_; return comes_true($node, $query) }
sub watched { return comes_true($node, q{SELECT s.ring_fill = 0 AND s.emitted = s.written + s.dropped AND s.seal_lag = '0' AND p.next_leaf = l.size
	FROM twin.stat_audit s, twin_internal.monitor_position p, twin_internal.ledger_state l}) }
sub attack { my ($address) = @_; return sql($node, "SELECT count(twin.record_event('login_failure', client_address => '$address')) FROM generate_series(1, 5)") }
sub alerts { my ($address) = @_; return sql($node, "SELECT count(*) || ' of ' || coalesce(sum(count), 0) FROM twin.alerts WHERE subject = '$address'") }
my $offset = 0;
sub logged { my $text = substr(file_bytes($node->logfile), $offset); return $text }
sub session { return $node->background_psql('postgres', on_error_stop => 0) }
my $session;

# ---- locks ----

my $n = 0;
foreach my $lock ('alerts IN ACCESS EXCLUSIVE', 'alerts IN SHARE', 'alert_deliveries IN SHARE', 'access_profiles IN EXCLUSIVE')
{
	my $address = '203.0.113.' . ++$n;
	watched();
	$offset = -s $node->logfile;
	$session = session();
	$session->query_safe("BEGIN; LOCK TABLE twin_internal.$lock MODE");
	attack($address);
	ok(poll(q{SELECT failures > 1 FROM twin.stat_workers WHERE worker = 'event writer'}), "somebody holds $lock: the rules wait, which shows");
	sql($node, 'INSERT INTO units VALUES (1)');
	my $begin = time;
	ok(poll(q{SELECT seal_lag = '0' AND ring_fill = 0 FROM twin.stat_audit}), '... events are written and sealed meanwhile');
	is_soon($begin, '... in time');
	$session->query_safe('COMMIT');
	ok(poll("SELECT count(*) = 1 FROM twin.alerts WHERE subject = '$address'"), '... and then the alert is raised');
	is(alerts($address), '1 of 5', '... once, with all that it counts');
	unlike(logged(), qr/could not be raised|not watched|passed over/, '... nothing is passed over');
	$session->quit;
}
watched();
ok(poll(q{SELECT failures = 0 FROM twin.stat_workers WHERE worker = 'event writer'}), 'and all is well again');

# ---- what stands in the way of one alert, after its events were counted ----

sql($node, q{
	CREATE TABLE in_the_way (state text);
	CREATE FUNCTION stand_in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$
	DECLARE found_state text;
	BEGIN
		SELECT state INTO found_state FROM public.in_the_way;
		IF FOUND THEN RAISE EXCEPTION 'not now' USING ERRCODE = found_state; END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER stand_in_the_way BEFORE INSERT ON twin_internal.alerts FOR EACH ROW EXECUTE FUNCTION stand_in_the_way()});
foreach my $state ('55P03', '40P01', '40001', '53100', '53200', '57P01')
{
	my $address = '203.0.113.' . ++$n;
	watched();
	sql($node, "INSERT INTO in_the_way VALUES ('$state')");
	$offset = -s $node->logfile;
	attack($address);
	$node->wait_for_log(qr/not now.*not now/s, $offset);
	sql($node, 'DELETE FROM in_the_way');
	ok(poll("SELECT count(*) = 1 FROM twin.alerts WHERE subject = '$address'"), "an alert that met $state is raised later");
	is(alerts($address), '1 of 5', '... once');
}
sql($node, q{INSERT INTO in_the_way VALUES ('P0001')});
watched();
$offset = -s $node->logfile;
attack('203.0.113.100');
watched();
like(logged(), qr/could not be raised: not now/, 'what does not pass by itself is told, and nobody waits for it');

# ... and what should pass and does not is waited for six hours, by whatever clock
watched();
sql($node, q{UPDATE in_the_way SET state = '55P03'});
$offset = -s $node->logfile;
attack('203.0.113.110');
ok($node->wait_for_log(qr/not now.*not now/s, $offset), 'something is in the way, and stays there');
set_clock($node, 7 * 3600);
$offset = -s $node->logfile;
ok($node->wait_for_log(qr/not now.*not now/s, $offset), 'a clock that is set by seven hours');
unlike(logged(), qr/could not be/, '... makes nobody impatient');
time_passes($node, 7 * 3600);
ok($node->wait_for_log(qr/could not be raised: not now/, $offset), 'after seven hours it is told, and the rules go on');
sql($node, 'DELETE FROM in_the_way');
attack('203.0.113.111');
ok(poll(q{SELECT count(*) = 1 FROM twin.alerts WHERE subject = '203.0.113.111'}), '... to the next');
is(alerts('203.0.113.110'), '0 of 0', '... without the one that could not be raised');
sql($node, 'DROP TRIGGER stand_in_the_way ON twin_internal.alerts');

# ---- what cannot be read for a while ----

watched();
$offset = -s $node->logfile;
$session = session();
lock_log($session, 'events_overflow', 'ACCESS EXCLUSIVE');
attack('203.0.113.101');
sleep 9;
$session->query_safe('COMMIT');
ok(poll(q{SELECT count(*) = 1 FROM twin.alerts WHERE subject = '203.0.113.101'}), 'events that somebody kept from being read are watched later');
is(alerts('203.0.113.101'), '1 of 5', '... all of them');
unlike(logged(), qr/cannot be read, and is not watched/, '... however often it was tried');
$session->quit;

done_testing();

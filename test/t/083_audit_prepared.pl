# What a prepared transaction changed is sealed when COMMIT PREPARED makes it visible, and not when something else happens to be recorded: nobody's transaction wrote it, then.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $node = new_node('prepared', conf => "max_prepared_transactions = 4\ntwin_security.checkpoint_interval = 1s\n");
my $key = new_key();
start_with($node, $key);
sql($node, q{
	CREATE EXTENSION twin_security;
	CREATE TABLE units (id int PRIMARY KEY);
	SELECT twin.audit_table('units');
	CREATE FUNCTION await_leaf(wanted text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 900 LOOP
			IF (SELECT count(leaf_index) > 0 FROM twin.audit_log WHERE resource = 'public.units' AND record_id = wanted) THEN RETURN 'sealed'; END IF;
			PERFORM pg_sleep(0.1);
		END LOOP;
		RETURN 'not sealed';
	END $$});

# All in one session: a login is an event, upon which everything would be sealed. Long enough after PREPARE that nothing is under way any more.
my $wait = 'DO $$ BEGIN PERFORM pg_sleep(4); END $$';
is(sql($node, qq{BEGIN; INSERT INTO units VALUES (1); PREPARE TRANSACTION 'one'; $wait; SELECT count(*) FROM twin.audit_log WHERE resource = 'public.units' AND record_id = '1'; COMMIT PREPARED 'one'; SELECT await_leaf('1')}),
	"0\nsealed", 'with the next second, although nothing else is recorded');
is(sql($node, qq{BEGIN; INSERT INTO units VALUES (2); PREPARE TRANSACTION 'two'; $wait; ROLLBACK PREPARED 'two'; SELECT count(*) FROM twin.audit_log WHERE resource = 'public.units' AND record_id = '2'}),
	'0', 'what is rolled back never was');
sql($node, q{BEGIN; INSERT INTO units VALUES (3); PREPARE TRANSACTION 'three'});
restart_with($node, $key);
is(sql($node, qq{$wait; COMMIT PREPARED 'three'; SELECT await_leaf('3')}), 'sealed', 'after a restart of the server, too');
is(sql($node, 'SELECT ok FROM twin.verify_audit_log()'), 't', 'and verified');
$node->stop;
done_testing();

-- topic.sql: what it takes to hand a message to thousands of subscriptions, and to judge them again after news; bench/run
-- measures publishers against NOTIFY with the table made here.
\set ON_ERROR_STOP on
CREATE TABLE bench.told (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int);
CREATE TABLE bench.clients AS
	SELECT i, twin.issue_token(jsonb_build_object('user_id', i::text, 'role', 'viewer', 'tenant_id', 1, 'sid', 's' || i)) AS token FROM generate_series(1, 5000) i;
CREATE TABLE bench.feeds (round integer, what text, ms double precision);
SELECT twin.open_listener() IS NOT NULL;
CREATE PROCEDURE bench.feed(round integer) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	own bigint[];
BEGIN
	own := ARRAY(SELECT twin.subscribe(token, ARRAY['units.' || i, 'alerts']) FROM bench.clients);
	INSERT INTO bench.feeds SELECT round, 'subscribe', 1e3 * extract(epoch FROM clock_timestamp() - began);
	COMMIT;
	PERFORM twin.publish('alerts', '{"id": 1}', 1) FROM generate_series(1, 100);
	COMMIT;
	began := clock_timestamp();
	PERFORM FROM twin.receive('0');
	INSERT INTO bench.feeds SELECT round, 'to all', 1e3 * extract(epoch FROM clock_timestamp() - began) / 100;
	PERFORM twin.publish('units.' || i, '{"id": 1}', 1) FROM generate_series(1, 1000) i;
	COMMIT;
	began := clock_timestamp();
	PERFORM FROM twin.receive('0');
	INSERT INTO bench.feeds SELECT round, 'to one', 1e3 * extract(epoch FROM clock_timestamp() - began) / 1000;
	PERFORM twin_internal.revoke_user((1000000 + round)::text);
	PERFORM twin.publish('alerts', '{"id": 1}', 1);
	COMMIT;
	began := clock_timestamp();
	PERFORM FROM twin.receive('0');
	INSERT INTO bench.feeds SELECT round, 'after news', 1e3 * extract(epoch FROM clock_timestamp() - began);
	PERFORM twin.unsubscribe(s) FROM unnest(own) s;
	COMMIT;
END $$;
CALL bench.feed(0); CALL bench.feed(1); CALL bench.feed(2); CALL bench.feed(3); CALL bench.feed(4); CALL bench.feed(5);
CREATE FUNCTION bench.feed_ms(of_what text) RETURNS double precision LANGUAGE sql STABLE AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FROM bench.feeds WHERE what = of_what AND round > 0
$$;
CALL bench.report('subscribe() of 5,000 clients, us each', bench.feed_ms('subscribe') / 5, NULL);
CALL bench.report('a message to one of 5,000 subscriptions, us', bench.feed_ms('to one') * 1000, NULL);
CALL bench.report('a message to all of 5,000 subscriptions, ms', bench.feed_ms('to all'), NULL);
CALL bench.report('a message to all of 5,000 subscriptions after a revocation, all judged again, ms', bench.feed_ms('after news'), NULL);

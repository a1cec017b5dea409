/*
 * delivery.sql
 *		Who is told of alerts: channels that twin_notifier registers, and one row for each alert and channel until it is
 *		told, or given up.
 *
 * The notifier's role can do nothing but call the three functions below. A claim is a lease: whoever took it tells the
 * channel and then settles; if he dies, the lease runs out, and somebody tells it again. So every alert is told at least
 * once, and delivery_key is the same each time.
 *
 * Channels do not travel with a dump (whoever notifies for the restored database registers his own), so restored alerts
 * make no deliveries; the deliveries themselves travel.
 */

CREATE TABLE twin_internal.alert_channels (
	channel text COLLATE "C" PRIMARY KEY CHECK (channel ~ '^[a-z][a-z0-9_]{0,62}$'),
	kind text NOT NULL CHECK (kind IN ('smtp', 'webhook', 'syslog')),
	min_severity text NOT NULL CHECK (min_severity IN ('info', 'low', 'medium', 'high', 'critical')),
	rules text[] CHECK (pg_catalog.cardinality(rules) BETWEEN 1 AND 100 AND pg_catalog.array_position(rules, NULL) IS NULL),	/* null: all */
	max_age interval NOT NULL CHECK (max_age BETWEEN interval '1 minute' AND interval '31 days'),
	is_on boolean NOT NULL,	/* off: its configuration lacks something, and deliveries wait */
	notifier text NOT NULL CHECK (notifier ~ '^[a-z][a-z0-9_]{0,62}$'),
	registered_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE twin_internal.alert_channels IS 'channels that a notifier registered: what each is told, and for how long an alert is worth telling';
SELECT twin_internal.keep_from_publishers('twin_internal.alert_channels');

CREATE TABLE twin_internal.alert_deliveries (
	delivery_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	alert_id bigint NOT NULL REFERENCES twin_internal.alerts ON DELETE CASCADE,
	channel text COLLATE "C" NOT NULL,
	delivery_key uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),	/* by which receivers know it again, wherever it is restored */
	state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
	attempts integer NOT NULL DEFAULT 0,	/* begun ones */
	next_attempt_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),	/* of a claimed one: when the lease ends */
	claim uuid,	/* whose attempt it is */
	worth_since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),	/* max_age counts from here */
	delivered_at timestamptz,
	urgency smallint NOT NULL,	/* of the alert's severity: who is told first */
	last_error text CHECK (pg_catalog.octet_length(last_error) <= 1000),
	UNIQUE (alert_id, channel)
);
COMMENT ON TABLE twin_internal.alert_deliveries IS 'one row for each alert and channel that is, was or could not be told of it';
SELECT twin_internal.keep_from_publishers('twin_internal.alert_deliveries');
COMMENT ON SEQUENCE twin_internal.alert_deliveries_delivery_id_seq IS 'numbers of deliveries';
CREATE INDEX alert_deliveries_urgent ON twin_internal.alert_deliveries (channel, urgency, next_attempt_at) WHERE state = 'pending';
CREATE INDEX alert_deliveries_due ON twin_internal.alert_deliveries (channel, next_attempt_at) WHERE state = 'pending';
CREATE INDEX alert_deliveries_old ON twin_internal.alert_deliveries (channel, worth_since) WHERE state = 'pending';
CREATE INDEX alert_deliveries_settled ON twin_internal.alert_deliveries (state, worth_since) WHERE state <> 'pending';

SELECT pg_catalog.pg_extension_config_dump('twin_internal.alert_deliveries', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.alert_deliveries_delivery_id_seq', '');

CREATE VIEW twin.alert_deliveries AS
	SELECT d.delivery_id, d.alert_id, d.channel, d.state, d.attempts,
			CASE d.state WHEN 'pending' THEN d.next_attempt_at END AS next_attempt_at, d.delivered_at, d.last_error
		FROM twin_internal.alert_deliveries d;
COMMENT ON VIEW twin.alert_deliveries IS 'who was told of which alert: pending, delivered, or dead (given up: see last_error and twin.retry_delivery())';

CREATE VIEW twin.alert_channels AS
	SELECT c.channel, c.kind, c.min_severity, c.rules, c.max_age, c.is_on, c.notifier, c.registered_at
		FROM twin_internal.alert_channels c;
COMMENT ON VIEW twin.alert_channels IS 'channels that a twin_notifier registered; of one that is off the configuration lacks something, and its deliveries wait';

/* ---- which channels an alert is for ---- */

CREATE FUNCTION twin_internal.urgency(severity text) RETURNS smallint
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT array_position('{info,low,medium,high,critical}'::text[], severity)::smallint;
	END;
COMMENT ON FUNCTION twin_internal.urgency(text) IS 'severities as numbers, 1 to 5: the more the worse';

CREATE FUNCTION twin_internal.channel_wants(wanting twin_internal.alert_channels, rule_name text, severity text) RETURNS boolean
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT (wanting.rules IS NULL OR rule_name = ANY (wanting.rules))
			AND twin_internal.urgency(severity) >= twin_internal.urgency(wanting.min_severity);
	END;
COMMENT ON FUNCTION twin_internal.channel_wants(twin_internal.alert_channels, text, text) IS 'whether a channel is told of alerts of a rule and severity';

CREATE FUNCTION twin_internal.deliver_alerts() RETURNS trigger
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO twin_internal.alert_deliveries (alert_id, channel, urgency)
		SELECT r.alert_id, c.channel, twin_internal.urgency(r.severity) FROM raised r, twin_internal.alert_channels c
			WHERE twin_internal.channel_wants(c, r.rule_name, r.severity) ORDER BY r.alert_id, c.channel;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.deliver_alerts() IS 'has alerts told to the channels that want them';
CREATE TRIGGER deliver_alerts AFTER INSERT ON twin_internal.alerts
	REFERENCING NEW TABLE AS raised FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.deliver_alerts();

/* ---- what the notifier calls ---- */

/* Deliveries that nobody will tell any more, of a channel; one event tells of all of them. */
CREATE FUNCTION twin_internal.bury_deliveries(named_channel text, older_than timestamptz, reason text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	buried bigint;
BEGIN
	UPDATE twin_internal.alert_deliveries d SET state = 'dead', claim = NULL, last_error = reason
		WHERE d.channel = named_channel AND d.state = 'pending' AND d.worth_since < older_than
			AND (d.claim IS NULL OR d.next_attempt_at <= clock_timestamp());
	GET DIAGNOSTICS buried = ROW_COUNT;
	IF buried > 0 THEN
		PERFORM twin_internal.emit_event('alert_delivery_failed', named_channel, 'give up', jsonb_build_object('deliveries', buried, 'reason', reason), 'high');
	END IF;
	RETURN buried;
END
$$;
COMMENT ON FUNCTION twin_internal.bury_deliveries(text, timestamptz, text) IS 'gives up what a channel was not told before a time';

/*
 * A transaction that raises an alert while a channel comes or goes does not see that, and nobody waits for the other: what it
 * left out or added too much is made good when it is over.
 */
CREATE TABLE twin_internal.changed_channels (
	channel text COLLATE "C" PRIMARY KEY,
	before xid8	/* transactions that may not have seen it; null: nobody has looked since */
);
COMMENT ON TABLE twin_internal.changed_channels IS 'channels that came or went, until no transaction is left that did not see it';
SELECT twin_internal.keep_from_publishers('twin_internal.changed_channels');

CREATE FUNCTION twin_internal.settle_channel(named_channel text) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO twin_internal.alert_deliveries (alert_id, channel, urgency, worth_since)
		SELECT a.alert_id, c.channel, twin_internal.urgency(a.severity), a.raised_at FROM twin_internal.alert_channels c
			JOIN twin_internal.alerts a ON a.raised_at > clock_timestamp() - c.max_age AND a.delivered_at IS NULL AND NOT a.is_false
			WHERE c.channel = named_channel AND twin_internal.channel_wants(c, a.rule_name, a.severity)
		ON CONFLICT DO NOTHING;
	IF NOT EXISTS (SELECT FROM twin_internal.alert_channels c WHERE c.channel = named_channel) THEN
		PERFORM twin_internal.bury_deliveries(named_channel, 'infinity', 'the channel was removed');
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.settle_channel(text) IS 'has a new channel told of alerts that nobody was told of and that are worth it still; gives up what one that is gone was not told';

CREATE FUNCTION twin_internal.note_changed_channel() RETURNS trigger
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	changed text := CASE TG_OP WHEN 'DELETE' THEN OLD.channel ELSE NEW.channel END;
BEGIN
	INSERT INTO twin_internal.changed_channels (channel) VALUES (changed) ON CONFLICT (channel) DO UPDATE SET before = NULL;
	PERFORM twin_internal.settle_channel(changed);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.note_changed_channel() IS 'settles a channel that came or went, and has it settled again';
CREATE TRIGGER note_changed AFTER INSERT OR DELETE ON twin_internal.alert_channels
	FOR EACH ROW EXECUTE FUNCTION twin_internal.note_changed_channel();

CREATE FUNCTION twin_internal.settle_channels() RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	changed twin_internal.changed_channels;
	is_last boolean;
BEGIN
	FOR changed IN SELECT c.* FROM twin_internal.changed_channels c FOR UPDATE SKIP LOCKED LOOP
		/* what is over now is seen below; who keeps a snapshot of before may have no transaction's number yet */
		is_last := changed.before <= pg_snapshot_xmin(pg_current_snapshot())
			AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
				AND age(a.backend_xmin) > age(changed.before::xid));
		PERFORM twin_internal.settle_channel(changed.channel);
		IF is_last THEN
			DELETE FROM twin_internal.changed_channels c WHERE c.channel = changed.channel;
		ELSIF changed.before IS NULL THEN
			UPDATE twin_internal.changed_channels c SET before = pg_snapshot_xmax(pg_current_snapshot()) WHERE c.channel = changed.channel;
		END IF;
	END LOOP;
	RETURN (SELECT clock_timestamp() FROM twin_internal.changed_channels LIMIT 1);
EXCEPTION WHEN lock_not_available THEN	/* somebody settles a delivery of one */
	RETURN clock_timestamp();
END
$$;
COMMENT ON FUNCTION twin_internal.settle_channels() IS 'settles channels that came or went; returns when to come again';

CREATE FUNCTION twin_internal.described_channels(notifier text, channels jsonb) RETURNS SETOF twin_internal.alert_channels
	LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 4 SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT c.channel COLLATE "C", c.kind, c.min_severity, c.rules, c.max_age, c.is_on, $1, coalesce(k.registered_at, clock_timestamp())
			FROM jsonb_to_recordset($2) c (channel text, kind text, min_severity text, rules text[], max_age interval, is_on boolean)
				LEFT JOIN twin_internal.alert_channels k USING (channel);
	END;
COMMENT ON FUNCTION twin_internal.described_channels(text, jsonb) IS 'the rows of alert_channels as a notifier describes them';

CREATE FUNCTION twin_internal.gone_channels(notifier text, channels jsonb) RETURNS SETOF text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 1 SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT c.channel FROM twin_internal.alert_channels c
			WHERE c.notifier = $1 AND NOT $2 @> jsonb_build_array(jsonb_build_object('channel', c.channel));
	END;
COMMENT ON FUNCTION twin_internal.gone_channels(text, jsonb) IS 'channels that a notifier had and describes no more';

/* Where nothing changes nothing is locked: whoever holds the channels keeps none from being told. */
CREATE FUNCTION twin.register_alert_channels(notifier text, channels jsonb) RETURNS integer
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
	wanted twin_internal.alert_channels;
	known twin_internal.alert_channels;
	gone text;
	changed integer := 0;
BEGIN
	IF jsonb_typeof(channels) <> 'array' OR jsonb_array_length(channels) > 32 THEN
		RAISE EXCEPTION 'channels must be an array of at most 32' USING ERRCODE = '22023';
	END IF;
	/* where no writer of events does */
	PERFORM twin_internal.settle_channels();
	IF NOT EXISTS (SELECT FROM (SELECT d.* FROM twin_internal.described_channels(notifier, channels) d EXCEPT TABLE twin_internal.alert_channels) s)
		AND NOT EXISTS (SELECT FROM twin_internal.gone_channels(notifier, channels)) THEN
		RETURN 0;
	END IF;
	BEGIN
		/* one notifier at a time; claims and alerts only read */
		LOCK TABLE twin_internal.alert_channels IN SHARE ROW EXCLUSIVE MODE;
	EXCEPTION WHEN lock_not_available THEN
		RETURN NULL;
	END;
	FOR wanted IN SELECT d.* FROM twin_internal.described_channels(notifier, channels) d LOOP
		SELECT c.* INTO known FROM twin_internal.alert_channels c WHERE c.channel = wanted.channel;
		IF FOUND THEN
			CONTINUE WHEN wanted IS NOT DISTINCT FROM known;
			UPDATE twin_internal.alert_channels c SET kind = wanted.kind, min_severity = wanted.min_severity, rules = wanted.rules, max_age = wanted.max_age,
					is_on = wanted.is_on, notifier = wanted.notifier
				WHERE c.channel = wanted.channel;
		ELSE
			INSERT INTO twin_internal.alert_channels VALUES (wanted.*);
		END IF;
		changed := changed + 1;
		PERFORM twin_internal.emit_event('alert_channel_changed', wanted.channel, CASE WHEN known.channel IS NULL THEN 'create' ELSE 'update' END,
			to_jsonb(wanted) - 'channel' - 'registered_at', 'medium');
	END LOOP;
	FOR gone IN SELECT twin_internal.gone_channels(notifier, channels) LOOP
		DELETE FROM twin_internal.alert_channels c WHERE c.channel = gone;
		changed := changed + 1;
		PERFORM twin_internal.emit_event('alert_channel_changed', gone, 'delete', NULL, 'medium');
	END LOOP;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION twin.register_alert_channels(text, jsonb) IS
	'for twin_notifier: all channels that it has, [{channel, kind, min_severity, rules, max_age, is_on}]; those it had before and has no more are removed; gives how many changed, null when somebody else holds the list of channels: then it is to be called again';

/*
 * Due deliveries of a channel, locked: the most urgent first, but a fourth (by chance, of few) is what has waited longest,
 * so that a flood neither delays what is worse nor ends all else.
 */
CREATE FUNCTION twin_internal.due_deliveries(named_channel text, most integer) RETURNS bigint[]
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	waited integer := most / 4 + (random() * 4 < most % 4)::integer;
	due bigint[] := ARRAY(SELECT d.delivery_id FROM twin_internal.alert_deliveries d
		WHERE d.channel = named_channel AND d.state = 'pending' AND d.next_attempt_at <= clock_timestamp()
		ORDER BY d.next_attempt_at LIMIT waited FOR UPDATE SKIP LOCKED);
	left_over integer := most - cardinality(due);
	more bigint[];
BEGIN
	FOR level IN REVERSE 5 .. 1 LOOP
		EXIT WHEN left_over <= 0;
		more := ARRAY(SELECT d.delivery_id FROM twin_internal.alert_deliveries d
			WHERE d.channel = named_channel AND d.state = 'pending' AND d.urgency = level AND d.next_attempt_at <= clock_timestamp() AND d.delivery_id <> ALL (due)
			ORDER BY d.next_attempt_at LIMIT left_over FOR UPDATE SKIP LOCKED);
		due := due || more;
		left_over := left_over - cardinality(more);
	END LOOP;
	RETURN due;
END
$$;
COMMENT ON FUNCTION twin_internal.due_deliveries(text, integer) IS 'which deliveries of a channel are to be told next';

CREATE FUNCTION twin.claim_deliveries(channel text, max_deliveries integer, lease interval)
	RETURNS TABLE (delivery_id bigint, delivery_key uuid, claim uuid, attempts integer, alert_id bigint, rule_name text, raised_at text, severity text, subject text,
		count bigint, event_ids jsonb, incident_id text, details jsonb)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE ROWS 4 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	due bigint[];
BEGIN
	IF lease NOT BETWEEN interval '1 second' AND interval '1 hour' OR max_deliveries NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'a lease lasts from a second to an hour, of 1 to 1000 deliveries' USING ERRCODE = '22023';
	END IF;
	PERFORM twin_internal.bury_deliveries(c.channel, clock_timestamp() - c.max_age, 'too old to be worth telling')
		FROM twin_internal.alert_channels c WHERE c.channel = claim_deliveries.channel;
	due := twin_internal.due_deliveries(claim_deliveries.channel, max_deliveries);
	RETURN QUERY
		WITH taken AS (
			UPDATE twin_internal.alert_deliveries d
				SET claim = gen_random_uuid(), attempts = d.attempts + 1, next_attempt_at = clock_timestamp() + lease
				WHERE d.delivery_id = ANY (due) RETURNING d.*)
		SELECT t.delivery_id, t.delivery_key, t.claim, t.attempts, a.alert_id, a.rule_name,
				to_char(a.raised_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), a.severity, a.subject, a.count,
				to_jsonb(a.event_ids[1:16]), a.incident_id,
				CASE WHEN octet_length(a.details::text) <= 16384 THEN a.details ELSE '{"truncated": true}' END
			FROM taken t JOIN twin_internal.alerts a USING (alert_id) ORDER BY t.urgency DESC, t.delivery_id;
END
$$;
COMMENT ON FUNCTION twin.claim_deliveries(text, integer, interval) IS
	'for twin_notifier: takes deliveries of a channel that are due, the most urgent first, for as long as the lease lasts; others pass over them';

CREATE FUNCTION twin.settle_delivery(delivery_id bigint, claim uuid, outcome text, error text DEFAULT NULL, retry_in interval DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	/* what a receiver answered may be anything */
	said text := left(regexp_replace(error, '[^ -~]', '?', 'g'), 200);
	settled twin_internal.alert_deliveries;
BEGIN
	IF delivery_id IS NULL OR claim IS NULL OR coalesce(outcome, '') NOT IN ('delivered', 'retry', 'dead', 'released') THEN
		RAISE EXCEPTION 'a delivery is settled as delivered, retry, dead or released' USING ERRCODE = '22023';
	END IF;
	IF outcome = 'retry' AND (retry_in IS NULL OR retry_in NOT BETWEEN interval '0' AND interval '1 day') THEN
		RAISE EXCEPTION 'the next attempt must be within a day' USING ERRCODE = '22023';
	END IF;
	/* that it is told stays true, whatever became of the claim since */
	UPDATE twin_internal.alert_deliveries d SET claim = NULL,
			state = CASE outcome WHEN 'delivered' THEN 'delivered' WHEN 'dead' THEN 'dead' ELSE 'pending' END,
			attempts = CASE outcome WHEN 'released' THEN d.attempts - 1 ELSE d.attempts END,
			next_attempt_at = CASE outcome WHEN 'retry' THEN clock_timestamp() + retry_in ELSE clock_timestamp() END,
			delivered_at = CASE outcome WHEN 'delivered' THEN clock_timestamp() END,
			last_error = CASE outcome WHEN 'delivered' THEN NULL WHEN 'released' THEN d.last_error ELSE said END
		WHERE d.delivery_id = settle_delivery.delivery_id AND d.state <> 'delivered'
			AND (outcome = 'delivered' OR (d.state = 'pending' AND d.claim = settle_delivery.claim))
		RETURNING d.* INTO settled;
	IF NOT FOUND THEN
		RETURN false;
	ELSIF outcome = 'delivered' THEN
		UPDATE twin_internal.alerts a SET delivered_at = settled.delivered_at WHERE a.alert_id = settled.alert_id AND a.delivered_at IS NULL;
	ELSIF outcome = 'dead' THEN
		PERFORM twin_internal.emit_event('alert_delivery_failed', settled.channel, 'give up',
			jsonb_build_object('delivery_id', settled.delivery_id, 'alert_id', settled.alert_id, 'attempts', settled.attempts, 'reason', said), 'high');
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION twin.settle_delivery(bigint, uuid, text, text, interval) IS
	'for twin_notifier: what became of a claimed delivery: delivered, retry (after retry_in), dead, or released (not tried after all); false when the claim is not in force any more';

/* ---- what administrators call ---- */

CREATE FUNCTION twin.retry_delivery(delivery_id bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_delivery twin_internal.alert_deliveries;
BEGIN
	IF delivery_id IS NULL THEN
		RAISE EXCEPTION 'a delivery is retried by its number' USING ERRCODE = '22004';
	END IF;
	SELECT d.* INTO found_delivery FROM twin_internal.alert_deliveries d WHERE d.delivery_id = retry_delivery.delivery_id FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'delivery % does not exist', delivery_id USING ERRCODE = '42704';
	ELSIF found_delivery.state = 'delivered' THEN
		RAISE EXCEPTION 'delivery % is delivered', delivery_id USING ERRCODE = '55000';
	ELSIF found_delivery.claim IS NOT NULL AND found_delivery.next_attempt_at > clock_timestamp() THEN
		RAISE EXCEPTION 'delivery % is being tried', delivery_id USING ERRCODE = '55000';
	END IF;
	UPDATE twin_internal.alert_deliveries d
		SET state = 'pending', attempts = 0, claim = NULL, next_attempt_at = clock_timestamp(), worth_since = clock_timestamp()
		WHERE d.delivery_id = retry_delivery.delivery_id;
	PERFORM twin_internal.emit_event('alert_delivery_retried', found_delivery.channel, 'retry',
		jsonb_build_object('delivery_id', found_delivery.delivery_id, 'alert_id', found_delivery.alert_id), 'info');
	PERFORM pg_notify('twin_alerts', jsonb_build_object('delivery_id', found_delivery.delivery_id)::text);
END
$$;
COMMENT ON FUNCTION twin.retry_delivery(bigint) IS 'has a delivery that was given up, or waits, tried again at once and from the first attempt on';

REVOKE ALL ON FUNCTION twin_internal.channel_wants(twin_internal.alert_channels, text, text), twin_internal.deliver_alerts(),
	twin_internal.urgency(text), twin_internal.bury_deliveries(text, timestamptz, text), twin_internal.settle_channel(text), twin_internal.note_changed_channel(),
	twin_internal.settle_channels(), twin_internal.described_channels(text, jsonb), twin_internal.gone_channels(text, jsonb),
	twin_internal.due_deliveries(text, integer),
	twin.register_alert_channels(text, jsonb), twin.claim_deliveries(text, integer, interval),
	twin.settle_delivery(bigint, uuid, text, text, interval), twin.retry_delivery(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.register_alert_channels(text, jsonb), twin.claim_deliveries(text, integer, interval),
	twin.settle_delivery(bigint, uuid, text, text, interval) TO twin_notifier;
GRANT EXECUTE ON FUNCTION twin.retry_delivery(bigint) TO twin_admin;
GRANT SELECT ON twin.alert_deliveries, twin.alert_channels TO twin_admin, twin_auditor;

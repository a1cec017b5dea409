/*
 * topic.sql
 *		Messages from transactions to subscribers: twin.publish() and what a gateway receives.
 *
 * A gateway's session opens a listener and holds many subscriptions, each with the token of its client; the database
 * verifies the token and asks for the permission of each topic, when it is subscribed to and again before every message.
 */

--@include tables.sql

CREATE FUNCTION twin.publish(topic text, payload jsonb, tenant_id bigint DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_publish';
COMMENT ON FUNCTION twin.publish(text, jsonb, bigint) IS
	'delivers a message to subscribers of a topic when the transaction commits; on topics that are tenant_bound to those of whoever is asking''s tenant, or of the one named; needs preloading';

CREATE FUNCTION twin.open_listener() RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_open_listener';
COMMENT ON FUNCTION twin.open_listener() IS 'lets this session hold subscriptions; returns the secret name by which other sessions can wake it';

CREATE FUNCTION twin.close_listener() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_close_listener';
COMMENT ON FUNCTION twin.close_listener() IS 'ends all subscriptions of this session';

CREATE FUNCTION twin.wake_listener(listener text) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_wake_listener';
COMMENT ON FUNCTION twin.wake_listener(text) IS 'has receive() in the session that opened a listener return at once, now or when it is next called; false when there is none of that name';

CREATE FUNCTION twin.subscribe(token text, topics text[]) RETURNS bigint
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_subscribe';
COMMENT ON FUNCTION twin.subscribe(text, text[]) IS
	'subscribes whoever a token says it is to topics, or to patterns as units.*, in this session; to none, only its end is told; returns the subscription''s number; an error of class TW for the token, 42501 for a topic';

CREATE FUNCTION twin.unsubscribe(subscription bigint) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_unsubscribe';
COMMENT ON FUNCTION twin.unsubscribe(bigint) IS 'ends a subscription of this session; nothing when it has ended already';

CREATE FUNCTION twin.receive(wait interval DEFAULT '10 s', max_messages integer DEFAULT 1000)
	RETURNS TABLE (subscriptions bigint[], topic text, payload jsonb, published_at timestamptz, message_id bigint, event text)
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_receive';
COMMENT ON FUNCTION twin.receive(interval, integer) IS
	'waits for messages to this session''s subscriptions; event is message, lost (subscriptions null: all of them) or closed (payload says why)';

CREATE FUNCTION twin_internal.stat_topics(OUT published bigint, OUT delivered bigint, OUT lost bigint, OUT listeners bigint,
	OUT subscriptions bigint, OUT ring_fill double precision) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_stat_topics';
COMMENT ON FUNCTION twin_internal.stat_topics() IS 'counters of this database''s messages since the server started';

CREATE VIEW twin.stat_topics AS
	SELECT s.published, s.delivered, s.lost, s.listeners, s.subscriptions, s.ring_fill FROM twin_internal.stat_topics() s;
COMMENT ON VIEW twin.stat_topics IS
	'messages since the server started: published, delivered to subscriptions, lost by listeners that were too slow; ring_fill (0 to 1) is how far the slowest is behind, at 1 it loses messages; needs preloading';

REVOKE ALL ON FUNCTION twin.publish(text, jsonb, bigint), twin.open_listener(), twin.close_listener(), twin.wake_listener(text),
	twin.subscribe(text, text[]), twin.unsubscribe(bigint), twin.receive(interval, integer), twin_internal.stat_topics(),
	twin_internal.topic_acceptable(text), twin_internal.topics_changed(), twin_internal.require_topic_reach(),
	twin_internal.keep_topic_seeds(), twin_internal.tell_topics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.publish(text, jsonb, bigint) TO twin_admin, twin_operator, twin_viewer;
GRANT EXECUTE ON FUNCTION twin.open_listener(), twin.close_listener(), twin.wake_listener(text), twin.subscribe(text, text[]),
	twin.unsubscribe(bigint), twin.receive(interval, integer) TO twin_gateway, twin_admin;
GRANT EXECUTE ON FUNCTION twin_internal.stat_topics() TO twin_admin, twin_auditor;
GRANT SELECT ON twin.stat_topics TO twin_admin, twin_auditor;
GRANT EXECUTE ON FUNCTION twin_internal.topic_acceptable(text) TO twin_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON twin.topics TO twin_admin;
GRANT SELECT ON twin.topics TO twin_auditor;

/*
 * tables.sql
 *		Rules and alerts. Both travel with a dump.
 */

CREATE TABLE twin.alert_rules (
	rule_name text PRIMARY KEY CHECK (rule_name ~ '^[a-z][a-z0-9_]{0,62}$'),
	event_types text[] NOT NULL CHECK (pg_catalog.cardinality(event_types) BETWEEN 1 AND 100 AND pg_catalog.array_position(event_types, NULL) IS NULL),
	threshold integer NOT NULL DEFAULT 1 CHECK (threshold BETWEEN 1 AND 1000000),
	period interval NOT NULL DEFAULT '1 hour' CHECK (period BETWEEN interval '1 second' AND interval '31 days'),
	subject text NOT NULL DEFAULT 'any' CHECK (subject IN ('address', 'user', 'resource', 'any')),
	severity text NOT NULL DEFAULT 'medium' CHECK (severity IN ('info', 'low', 'medium', 'high', 'critical')),
	cooldown interval NOT NULL DEFAULT '1 hour' CHECK (cooldown BETWEEN interval '0' AND interval '31 days'),
	playbook text,
	enabled boolean NOT NULL DEFAULT true,
	conditions jsonb NOT NULL DEFAULT '{}' CHECK (pg_catalog.jsonb_typeof(conditions) = 'object'),	/* field of the event -> value, array of values, or {"not": either} */
	is_automatic boolean NOT NULL DEFAULT false,	/* the playbook runs by itself; else an incident waits for approval */
	description text,
	detector text NOT NULL DEFAULT 'threshold',	/* what decides: counting, or what was learned of somebody's access */
	CONSTRAINT alert_rules_detector_check CHECK (detector IN ('threshold', 'learned') AND (detector = 'learned') = (rule_name = 'unusual_access_patterns'))
);
COMMENT ON TABLE twin.alert_rules IS 'rules over events, a table one may edit: so many events of these types about one subject within a period raise an alert, and none again before the cooldown is over';

CREATE TABLE twin_internal.alerts (
	alert_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	rule_name text NOT NULL,
	raised_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	severity text NOT NULL,
	subject text,	/* an address, a user, a resource, null for any */
	count bigint NOT NULL,
	event_ids bigint[] NOT NULL,
	incident_id text,
	delivered_at timestamptz,
	details jsonb NOT NULL,
	is_false boolean NOT NULL DEFAULT false,	/* an analyst said so */
	event_time timestamptz,	/* of the last of the events: the cooldown counts from here */
	answer_at timestamptz	/* when its incident is tried again that something was in the way of; null: no more */
);
COMMENT ON TABLE twin_internal.alerts IS 'alerts that rules raised';
COMMENT ON SEQUENCE twin_internal.alerts_alert_id_seq IS 'numbers of alerts';
CREATE INDEX alerts_subject ON twin_internal.alerts (rule_name, subject, alert_id);
CREATE INDEX alerts_raised_at ON twin_internal.alerts (raised_at);
CREATE INDEX alerts_answer_at ON twin_internal.alerts (answer_at) WHERE answer_at IS NOT NULL;
SELECT twin_internal.keep_from_publishers('twin_internal.alerts');

CREATE TABLE twin_internal.unannounced_alerts (
	alert_id bigint PRIMARY KEY
);
COMMENT ON TABLE twin_internal.unannounced_alerts IS 'alerts that NOTIFY did not tell of yet';
SELECT twin_internal.keep_from_publishers('twin_internal.unannounced_alerts');

CREATE VIEW twin.alerts AS
	SELECT a.alert_id, a.rule_name, a.raised_at, a.severity, a.subject, a.count, a.event_ids, a.incident_id, a.delivered_at, a.details, a.is_false
	FROM twin_internal.alerts a;
COMMENT ON VIEW twin.alerts IS 'alerts: which rule, about whom, how many events and (at most sixteen of) their ids, the incident they belong to, when they were delivered';

/*
 * Not dumped: a log that a dump brings was watched where it comes from, so the first look at it begins at its end. A new
 * log is watched from its first event on.
 */
CREATE TABLE twin_internal.monitor_position (
	is_here boolean PRIMARY KEY DEFAULT true CHECK (is_here),
	next_leaf bigint NOT NULL
);
COMMENT ON TABLE twin_internal.monitor_position IS 'one row: the leaf of the audit log that rules look at next';
INSERT INTO twin_internal.monitor_position (next_leaf)
	SELECT coalesce((SELECT l.size FROM twin_internal.ledger_state l), 0) FROM twin_internal.event_state s WHERE NOT s.is_restored;
SELECT twin_internal.guard_log_table('twin_internal.monitor_position');

SELECT pg_catalog.pg_extension_config_dump('twin_internal.alerts', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.alerts_alert_id_seq', '');

GRANT SELECT, INSERT, UPDATE, DELETE ON twin.alert_rules TO twin_admin;
GRANT SELECT ON twin.alert_rules TO twin_auditor;
GRANT SELECT ON twin.alerts TO twin_admin, twin_auditor;

-- monitor: rules, alerts
\set SHOW_CONTEXT never
\set VERBOSITY terse

-- a rule that makes no sense is refused
INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('Bad name', '{login_failure}');
INSERT INTO twin.alert_rules (rule_name, event_types) VALUES ('bad', '{}');
INSERT INTO twin.alert_rules (rule_name, event_types, threshold) VALUES ('bad', '{login_failure}', 0);
INSERT INTO twin.alert_rules (rule_name, event_types, period) VALUES ('bad', '{login_failure}', '-1 hour');
INSERT INTO twin.alert_rules (rule_name, event_types, subject) VALUES ('bad', '{login_failure}', 'planet');

-- an alert
SELECT twin_internal.raise_alert('by_hand', 'high', '192.0.2.1', 5, '{1000,2000}') > 0 AS raised;
SELECT rule_name, severity, subject, count, event_ids, incident_id, details, is_false FROM twin.alerts;

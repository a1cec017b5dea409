/*
 * check_monitor.sql
 *		Alerts are raised, and reach somebody.
 */

CREATE VIEW twin_internal.check_monitor_1 AS
	SELECT CASE WHEN t.channels > 0 THEN 'pass' ELSE 'warn' END AS status, 'twin.alert_channels' AS object,
		format('%s channels are on that are told of whatever is of severity high', t.channels) AS detail
	FROM (SELECT count(*) FROM twin_internal.alert_channels c
		WHERE c.is_on AND c.rules IS NULL AND twin_internal.urgency(c.min_severity) <= twin_internal.urgency('high')) t (channels);
COMMENT ON VIEW twin_internal.check_monitor_1 IS 'alerts that wait for somebody to look';

CREATE VIEW twin_internal.check_monitor_2 AS
	SELECT 'warn' AS status, r.rule_name::text AS object, format('is of severity %s, and disabled', r.severity) AS detail
	FROM twin.alert_rules r WHERE NOT r.enabled AND r.severity IN ('high', 'critical');
COMMENT ON VIEW twin_internal.check_monitor_2 IS 'rules for what is bad that are disabled';

/* The error is not shown: what a receiver answered may be in it. */
CREATE VIEW twin_internal.check_monitor_3 AS
	SELECT 'fail' AS status, d.channel AS object, format('%s alerts of the last week were given up', count(*)) AS detail
	FROM twin_internal.alert_deliveries d WHERE d.state = 'dead' AND d.state <> 'pending' AND d.worth_since > clock_timestamp() - interval '7 days' GROUP BY d.channel;
COMMENT ON VIEW twin_internal.check_monitor_3 IS 'channels that were not told of alerts';

/*
 * gaps.sql
 *		When nothing was recorded because somebody had switched the audit off.
 */

CREATE VIEW twin.audit_gaps AS
	SELECT s.from_time, s.to_time, s.switched_off_by, s.event_id
	FROM (
		SELECT e.event_id, e.event_type, e.details ->> 'by' AS switched_off_by,
			CASE e.event_type WHEN 'audit_disabled' THEN (e.details ->> 'since')::timestamptz ELSE e.event_time END AS from_time,
			lead(coalesce((e.details ->> 'off_to')::timestamptz, (e.details ->> 'server_started')::timestamptz, (e.details ->> 'since')::timestamptz))
				OVER (ORDER BY e.event_time, e.event_id) AS to_time
		FROM twin.audit_log e
		WHERE e.event_type IN ('audit_disabled', 'audit_enabled') AND e.resource = 'twin_security.audit_enabled' AND NOT e.application_made
	) s
	WHERE s.event_type = 'audit_disabled';
COMMENT ON VIEW twin.audit_gaps IS 'times in which twin_security.audit_enabled was off: nothing was captured; to_time is null while it is, and event_id the event that says so';
GRANT SELECT ON twin.audit_gaps TO twin_admin, twin_auditor;

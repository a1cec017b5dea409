/*
 * report_controls.sql
 *		Which controls of which standards the database gives evidence for, and how to look at it again. That a control is met is
 *		for whoever audits to say: much of each is done by people.
 *
 * Evidence names members of the report in braces; a query has :from and :to for the time that the report is of.
 */

CREATE VIEW twin_internal.report_controls (place, control_id, framework, title, evidence, query) AS VALUES
	(1, 'AU-2', 'NIST SP 800-53', 'What is recorded is decided and reviewed',
		'{audited_tables} tables are audited; events of {types} types were recorded.',
		'SELECT relation, mode, reads, in_force FROM twin.audited_tables ORDER BY relation'),
	(2, 'AU-3', 'NIST SP 800-53', 'Records say what, when, where, from where, with what outcome and who',
		'Each of the {total_audit_events} events names type, time, resource, outcome, login, acting role and, where known, user, address and application.',
		'SELECT event_time, event_type, resource, client_address, outcome, session_user_name, username FROM twin.audit_log WHERE event_time >= :from AND event_time < :to ORDER BY event_id LIMIT 20'),
	(3, 'AU-4', 'NIST SP 800-53', 'There is room for the log',
		'{events_dropped} events found no room in memory; the log lies in monthly partitions, which retention takes out.',
		'SELECT ring_fill, dropped FROM twin.stat_audit'),
	(4, 'AU-5', 'NIST SP 800-53', 'Failures of recording are noticed',
		'{events_dropped} events were dropped, {gap_count} times recording was off; each is an event itself, and raises an alert where a rule says so.',
		'SELECT from_time, to_time, switched_off_by FROM twin.audit_gaps ORDER BY from_time'),
	(5, 'AU-6', 'NIST SP 800-53', 'Records are reviewed and followed up',
		'{alerts.total} alerts were raised, {alerts.marked_false} of them marked false; {incident_count} incidents were open within the time.',
		'SELECT incident_id, incident_type, status, severity, opened_at, closed_at, owner FROM twin.incidents WHERE opened_at < :to AND (closed_at IS NULL OR closed_at >= :from) ORDER BY opened_at'),
	(6, 'AU-8', 'NIST SP 800-53', 'Time stamps come from the system clock, in UTC or with an offset',
		'Times are of the server''s clock, to the microsecond, with time zone; recorded_at and the seal''s time cannot be set by whoever causes an event.',
		'SELECT event_id, event_time, recorded_at FROM twin.audit_log WHERE event_time >= :from AND event_time < :to AND event_time > recorded_at + interval ''1 minute'' ORDER BY event_id LIMIT 20'),
	(7, 'AU-9', 'NIST SP 800-53', 'The log is protected from change',
		'Tables of the log take no commands but the extension''s; what is changed past them no longer fits the tree of {log.leaves} leaves.',
		'SELECT ok, checked, first_bad, reason FROM twin.verify_audit_log(:from, :to)'),
	(8, 'AU-10', 'NIST SP 800-53', 'Nobody can deny what he did',
		'{log.covered_by_checkpoint} events of the time are under the signed checkpoint of size {log.checkpoint.size}; {log.after_checkpoint} came after it, {log.not_sealed} wait to be sealed.',
		'SELECT twin.audit_checkpoint(), twin.audit_public_key()'),
	(9, 'AU-11', 'NIST SP 800-53', 'Records are kept as long as they must be',
		'{policy_count} policies say how long rows are kept; {retention.items.dropped} partitions and batches were taken out so far, {retention.items.held} are held back.',
		'SELECT policy_name, relation, keep, archive, enabled FROM twin.retention_policies ORDER BY policy_name'),
	(10, 'AU-12', 'NIST SP 800-53', 'Records are made where it happens',
		'Events are made by the database server itself, {total_audit_events} within the time.',
		'SELECT class, event_type, count(*) FROM twin.audit_log WHERE event_time >= :from AND event_time < :to GROUP BY 1, 2 ORDER BY 3 DESC'),
	(11, 'AC-7', 'NIST SP 800-53', 'Failed logins are limited',
		'{authentication_events.login_failure} logins failed; accounts were locked {events_by_type.user_locked} times, addresses {events_by_type.address_locked} times.',
		'SELECT event_time, event_type, username, client_address FROM twin.audit_log WHERE event_type IN (''user_locked'', ''address_locked'') AND event_time >= :from AND event_time < :to ORDER BY event_id'),
	(12, 'IA-2', 'NIST SP 800-53', 'Users are identified',
		'{authentication_events.login_success} logins succeeded; events carry the identity of a verified token where there is one.',
		'SELECT username, session_user_name, count(*) FROM twin.audit_log WHERE event_type = ''login_success'' AND event_time >= :from AND event_time < :to GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 100'),
	(13, 'SR 2.8', 'IEC 62443-3-3', 'Events that matter for security are recorded',
		'{authorization_failures.total} refusals, {events_by_type.configuration_change} changes of settings, {events_by_type.ddl} of structures and {events_by_type.grant} of rights are among the {total_audit_events} events.',
		'SELECT event_type, count(*) FROM twin.audit_log WHERE event_type IN (''permission_denied'', ''configuration_change'', ''ddl'', ''grant'', ''login_success'', ''login_failure'') AND event_time >= :from AND event_time < :to GROUP BY 1'),
	(14, 'SR 2.9', 'IEC 62443-3-3', 'There is room for records',
		'{events_dropped} events were dropped for want of memory; policies say what is taken out when.',
		'SELECT emitted, written, dropped, ring_fill FROM twin.stat_audit'),
	(15, 'SR 2.10', 'IEC 62443-3-3', 'A failure of recording does not stop operation and is told',
		'{gap_count} times without recording and {events_dropped} dropped events are in the log themselves.',
		'SELECT event_time, event_type, details FROM twin.audit_log WHERE event_type IN (''events_dropped'', ''audit_disabled'', ''audit_enabled'', ''audit_sealing_delayed'') AND event_time >= :from AND event_time < :to ORDER BY event_id'),
	(16, 'SR 2.11', 'IEC 62443-3-3', 'Records carry time stamps',
		'Every event has the time that it tells of and the time when it was recorded.',
		'SELECT count(*) FILTER (WHERE event_time IS NULL OR recorded_at IS NULL) AS without_time FROM twin.audit_log WHERE event_time >= :from AND event_time < :to'),
	(17, 'SR 2.12', 'IEC 62443-3-3', 'It can be told whether a person did something',
		'{user_count} users and roles are listed with events of their own (a hundred at most); inclusion in the signed log can be proved for each event.',
		'SELECT p.leaf_index, p.tree_size, cardinality(p.path) FROM twin.inclusion_proof((SELECT min(event_id) FROM twin.audit_log WHERE leaf_index IS NOT NULL)) p'),
	(18, 'SR 6.1', 'IEC 62443-3-3', 'Authorized people and tools can read the log, and only read it',
		'twin_auditor reads the log and reports and changes nothing; collectors read it in five forms.',
		'SELECT event_id, event FROM twin.siem_events(''ocsf'', 0, 5)'),
	(19, 'R4.1', 'NERC CIP-007-6', 'Successful and failed logins are recorded',
		'{authentication_events.login_success} successful and {authentication_events.login_failure} failed logins.',
		'SELECT event_type, outcome, count(*) FROM twin.audit_log WHERE event_type IN (''login_success'', ''login_failure'') AND event_time >= :from AND event_time < :to GROUP BY 1, 2'),
	(20, 'R4.2', 'NERC CIP-007-6', 'Events that need it raise alerts, failing records among them',
		'{alerts.total} alerts were raised, {alerts.delivered} of them delivered.',
		'SELECT rule_name, severity, enabled FROM twin.alert_rules ORDER BY rule_name'),
	(21, 'R4.3', 'NERC CIP-007-6', 'Records are kept for ninety days at least',
		'{short_policy_count} of {policy_count} policies that are in force keep rows for less than ninety days.',
		'SELECT policy_name, keep FROM twin.retention_policies WHERE enabled AND keep < interval ''90 days'''),
	(22, 'R4.4', 'NERC CIP-007-6', 'Records are summed up and looked at every fifteen days at most',
		'This report sums up {total_audit_events} events; whoever looked at it signs it below.',
		'SELECT twin.compliance_report(:from, :to) -> ''events_by_type'''),
	(23, 'Art. 5(1)(f)', 'GDPR', 'Personal data is kept confidential and whole',
		'{decryptions.values} encrypted values were opened, {authorization_failures.total} accesses refused, {events_by_type.integrity_failure} values found changed.',
		'SELECT key_name, seals, opens, integrity_failures FROM twin.stat_keyring ORDER BY key_name'),
	(24, 'Art. 15', 'GDPR', 'People get to know what is held about them',
		'{events_by_type.subject_exported} times what is held about somebody was handed out.',
		'SELECT event_time, username, session_user_name, details FROM twin.audit_log WHERE event_type = ''subject_exported'' AND event_time >= :from AND event_time < :to ORDER BY event_id'),
	(25, 'Art. 17', 'GDPR', 'What is held about somebody is erased when it must be',
		'{events_by_type.subject_erased} people''s data was erased, {events_by_type.key_destroyed} keys destroyed.',
		'SELECT event_time, event_type, resource, details FROM twin.audit_log WHERE event_type IN (''subject_erased'', ''key_destroyed'') AND event_time >= :from AND event_time < :to ORDER BY event_id'),
	(26, 'Art. 30', 'GDPR', 'It is recorded what is done with data',
		'{data_access_events.read} reads and {data_access_events.update} changes of audited tables, {data_access_events.decrypt} openings of encrypted columns are recorded.',
		'SELECT event_type, resource, count(*) FROM twin.audit_log WHERE event_type IN (''create'', ''read'', ''update'', ''delete'', ''truncate'', ''decrypt'') AND event_time >= :from AND event_time < :to GROUP BY 1, 2 ORDER BY 3 DESC'),
	(27, 'Art. 32', 'GDPR', 'Security fits the risk, and is tested',
		'The security check passes in {security_check.by_status.pass} points, fails in {security_check.by_status.fail} and warns in {security_check.by_status.warn}; {rotation_count} keys are due for rotation.',
		'SELECT check_id, title, severity, status, object FROM twin.security_check() WHERE status IN (''fail'', ''warn'')'),
	(28, 'Art. 33', 'GDPR', 'Breaches are found and documented',
		'{incident_count} incidents were open within the time; each has a timeline of what was found and done.',
		'SELECT incident_id, incident_type, opened_at, timeline FROM twin.incidents WHERE opened_at >= :from AND opened_at < :to ORDER BY opened_at'),
	(29, 'ITGC access', 'SOX 404', 'Access is given to those who need it, and taken from others',
		'{events_by_type.role_assigned} roles were assigned, {events_by_type.user_created} users created, {events_by_type.user_disabled} disabled; {events_by_type.grant} grants changed.',
		'SELECT event_time, event_type, resource, username, session_user_name FROM twin.audit_log WHERE event_type IN (''role_assigned'', ''user_created'', ''user_disabled'', ''grant'', ''permission_granted'') AND event_time >= :from AND event_time < :to ORDER BY event_id'),
	(30, 'ITGC change', 'SOX 404', 'Changes of programs and settings are recorded',
		'{events_by_type.ddl} commands changed structures, {events_by_type.configuration_change} changed settings.',
		'SELECT event_time, event_type, action, resource, session_user_name FROM twin.audit_log WHERE event_type IN (''ddl'', ''configuration_change'') AND event_time >= :from AND event_time < :to ORDER BY event_id'),
	(31, 'ITGC operations', 'SOX 404', 'Records that figures rest on are whole',
		'The log of the time can be checked against the checkpoint of {log.checkpoint.created_at} by whoever has kept one.',
		'SELECT ok, checked, reason FROM twin.verify_audit_log(:from, :to)');
COMMENT ON VIEW twin_internal.report_controls IS 'controls of standards, the evidence that the report holds for each, and a query that shows it';

/* Members that are in braces, once each, so that what one says stays text; what the report has none of is 0. */
CREATE FUNCTION twin_internal.fill_evidence(evidence text, report jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT string_agg(CASE WHEN p.part LIKE '{%' THEN coalesce(report #>> string_to_array(btrim(p.part, '{}'), '.'), CASE WHEN p.part LIKE '{log.checkpoint%' THEN '(none)' ELSE '0' END) ELSE p.part END, '' ORDER BY p.place)
		FROM (SELECT m[1] AS part, place FROM regexp_matches(evidence, '({[a-z_.]+}|[^{]+)', 'g') WITH ORDINALITY r (m, place)) p;
END;
COMMENT ON FUNCTION twin_internal.fill_evidence(text, jsonb) IS 'evidence with the figures of a report';

CREATE FUNCTION twin_internal.report_evidence(report jsonb) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH whole AS (
		SELECT report || jsonb_build_object('audited_tables', (SELECT count(*) FROM twin.audited_tables),
			'types', (SELECT count(*) FROM jsonb_object_keys(report -> 'events_by_type')),
			'gap_count', jsonb_array_length(report -> 'gaps'),
			'incident_count', (SELECT count(*) FROM twin_internal.incidents i WHERE i.opened_at < (report #>> '{reporting_period,to}')::timestamptz
				AND (i.closed_at IS NULL OR i.closed_at >= (report #>> '{reporting_period,from}')::timestamptz)),
			'short_policy_count', (SELECT count(*) FROM twin_internal.retention_policies r WHERE r.enabled AND r.keep < interval '90 days'),
			'policy_count', jsonb_array_length(report #> '{retention,policies}'), 'rotation_count', jsonb_array_length(report -> 'key_rotations_due'),
			'user_count', jsonb_array_length(report #> '{events_by_user,top}')) AS report
	)
	SELECT jsonb_agg(jsonb_build_object('id', c.control_id, 'framework', c.framework, 'title', c.title, 'evidence', twin_internal.fill_evidence(c.evidence, w.report),
		'query', replace(replace(c.query, ':from', quote_literal(report #>> '{reporting_period,from}')), ':to', quote_literal(report #>> '{reporting_period,to}'))) ORDER BY c.place)
	FROM twin_internal.report_controls c, whole w;
END;
COMMENT ON FUNCTION twin_internal.report_evidence(jsonb) IS 'controls with their evidence, for a report';

REVOKE ALL ON FUNCTION twin_internal.fill_evidence(text, jsonb), twin_internal.report_evidence(jsonb) FROM PUBLIC;

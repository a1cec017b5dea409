/*
 * rule.sql
 *		The rules that there are from the start, and what holds for every rule: it is checked when it is written, every change is an
 *		event, and who belongs to a tenant changes none.
 */

CREATE FUNCTION twin_internal.check_alert_rule() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_check_alert_rule';
COMMENT ON FUNCTION twin_internal.check_alert_rule() IS 'refuses a rule whose types, times or conditions make no sense';
CREATE TRIGGER check_alert_rule BEFORE INSERT OR UPDATE ON twin.alert_rules
	FOR EACH ROW EXECUTE FUNCTION twin_internal.check_alert_rule();

INSERT INTO twin.alert_rules (rule_name, event_types, threshold, period, subject, severity, cooldown, playbook, is_automatic, detector, description) VALUES
	('failed_login_threshold', '{login_failure}', 5, '1 hour', 'address', 'high', '1 hour', 'brute_force_attack', true, 'threshold',
		'Five failed logins from one address within an hour.'),
	('permission_denied_threshold', '{permission_denied}', 10, '1 hour', 'user', 'medium', '1 hour', NULL, false, 'threshold',
		'Somebody is refused ten times within an hour.'),
	('admin_actions', '{grant,role_*,user_created,user_changed,user_updated,user_deleted,user_enabled,user_disabled,user_unlocked,tenant_*,permission_created,permission_granted,permission_revoked,key_*,master_key_rotated,index_key_rotated,token_only_login_added,token_only_login_removed}',
		1, '1 hour', 'user', 'low', '1 hour', NULL, false, 'threshold',
		'An administrator changes users, roles, permissions, tenants or keys: told once an hour.'),
	('configuration_changes', '{configuration_change,alert_rule_changed,retention_policy_changed,rate_limit_changed,rate_limit_removed,topic_changed,topic_removed,token_key_*,address_unlocked,extension_*,library_loaded}',
		1, '1 hour', 'user', 'medium', '1 hour', NULL, false, 'threshold',
		'Settings, limits, rules, token keys or extensions are changed: told once an hour.'),
	('token_reuse', '{token_reuse}', 1, '1 hour', 'user', 'critical', '15 minutes', 'privilege_escalation', false, 'threshold',
		'A refresh token came twice: somebody has a copy.'),
	('audit_silenced', '{audit_disabled,audit_log_opened,audit_sealing_delayed,audit_epoch_requested,events_dropped}', 1, '1 hour', 'any', 'critical', '15 minutes', NULL, false, 'threshold',
		'The audit log was switched off, opened, does not come along or lost something.'),
	('retention_overdue', '{retention_failed,retention_overdue,retention_doubted}', 1, '1 hour', 'any', 'high', '12 hours', NULL, false, 'threshold',
		'A retention policy could not be applied, was not for twice as long as it should, or waits because the clock leapt.'),
	('clock_moved', '{clock_moved}', 1, '1 hour', 'any', 'high', '15 minutes', NULL, false, 'threshold',
		'The server''s clock was set by a minute or more.'),
	('unusual_access_patterns', '{read,decrypt,permission_denied,login_success,create,update,delete}', 1, '1 hour', 'user', 'high', '1 day', 'data_breach', false, 'learned',
		'Somebody''s access is unlike his own so far.');

/* Values under the key "literal" are anybody's, who may make as many broken ones as he likes; and what happens to one key keeps nobody from hearing of another. */
INSERT INTO twin.alert_rules (rule_name, event_types, threshold, period, subject, severity, cooldown, conditions, description) VALUES
	('integrity_failure', '{integrity_failure,wrong_key}', 1, '1 hour', 'resource', 'critical', '15 minutes', '{"resource": {"not": "literal"}}',
		'Encrypted data or the audit log is not what it was, or a wrong key was given: told for each key.'),
	('keyring_tampered', '{keyring_tampered}', 1, '1 hour', 'resource', 'critical', '15 minutes', '{}',
		'The keyring is not what it was: told for each key.');

SELECT twin_internal.keep_seeds('twin.alert_rules', 'rule_name');

CREATE FUNCTION twin_internal.alert_rules_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_alert_rules_changed';
COMMENT ON FUNCTION twin_internal.alert_rules_changed() IS 'has twin.alert_rules read again';
CREATE TRIGGER alert_rules_changed AFTER INSERT OR UPDATE OR DELETE ON twin.alert_rules
	FOR EACH ROW EXECUTE FUNCTION twin_internal.alert_rules_changed();
CREATE TRIGGER alert_rules_emptied AFTER TRUNCATE ON twin.alert_rules
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.alert_rules_changed();

CREATE TRIGGER require_warrant BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin.alert_rules
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.require_warrant();

CREATE FUNCTION twin_internal.tell_alert_rules() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		PERFORM twin_internal.emit_event('alert_rule_changed', '*', 'truncate', '{"all": true}', 'high');
	ELSIF TG_OP = 'DELETE' THEN
		PERFORM twin_internal.emit_event('alert_rule_changed', OLD.rule_name, 'delete', twin_internal.alert_rule_told(OLD), 'high');
	ELSE
		PERFORM twin_internal.emit_event('alert_rule_changed', NEW.rule_name, lower(TG_OP), twin_internal.alert_rule_told(NEW), CASE WHEN NEW.enabled THEN 'medium' ELSE 'high' END);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.tell_alert_rules() IS 'emits an event for each change of twin.alert_rules';

/* An event's details have an end; what a rule does is told, what it is described as is not. */
CREATE FUNCTION twin_internal.alert_rule_told(rule twin.alert_rules) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object('threshold', rule.threshold, 'period', rule.period, 'subject', rule.subject, 'severity', rule.severity, 'cooldown', rule.cooldown,
		'playbook', left(rule.playbook, 100), 'enabled', rule.enabled, 'is_automatic', rule.is_automatic, 'event_types', left(rule.event_types::text, 1000), 'conditions', left(rule.conditions::text, 1000));
END;
COMMENT ON FUNCTION twin_internal.alert_rule_told(twin.alert_rules) IS 'what the event of a changed rule says of it';

CREATE TRIGGER tell_alert_rules AFTER INSERT OR UPDATE OR DELETE ON twin.alert_rules
	FOR EACH ROW EXECUTE FUNCTION twin_internal.tell_alert_rules();
CREATE TRIGGER tell_alert_rules_emptied AFTER TRUNCATE ON twin.alert_rules
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tell_alert_rules();

/* a subscription fires only these */
ALTER TABLE twin.alert_rules ENABLE ALWAYS TRIGGER alert_rules_changed, ENABLE ALWAYS TRIGGER alert_rules_emptied;

CREATE FUNCTION twin_internal.stat_windows(OUT subjects bigint, OUT room bigint, OUT displaced bigint) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_stat_windows';
COMMENT ON FUNCTION twin_internal.stat_windows() IS 'rules'' windows in shared memory: of this database, and how many fit in of all; subjects that were displaced while they were counted, since the server started';

CREATE VIEW twin.stat_rules AS
	SELECT (SELECT count(*) FROM twin.alert_rules r WHERE r.enabled) AS rules, p.next_leaf AS watched, greatest(l.size - p.next_leaf, 0) AS waiting, w.subjects, w.room, w.displaced
	FROM twin_internal.stat_windows() w LEFT JOIN twin_internal.monitor_position p ON true LEFT JOIN twin_internal.ledger_state l ON true;
COMMENT ON VIEW twin.stat_rules IS 'rules that are enabled; leaves of the audit log that were watched, and that are sealed and wait for it; subjects that are counted in this database, how many rules and subjects fit into memory, and how many made room for others since the server started; needs preloading';
GRANT SELECT ON twin.stat_rules TO twin_admin, twin_auditor;
REVOKE ALL ON FUNCTION twin_internal.stat_windows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_internal.stat_windows() TO twin_admin, twin_auditor;

CREATE FUNCTION twin.test_rule(rule_name text, from_time timestamptz, to_time timestamptz) RETURNS TABLE(subject text, event_time timestamptz, count bigint, event_ids bigint[])
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER ROWS 100
	SET search_path = pg_catalog, pg_temp SET jit = off AS 'MODULE_PATHNAME', 'tsec_test_rule';
COMMENT ON FUNCTION twin.test_rule(text, timestamptz, timestamptz) IS 'which alerts a rule, enabled or not, would have raised of the events of a time, counted from its beginning on; raises none';

REVOKE ALL ON FUNCTION twin.test_rule(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.test_rule(text, timestamptz, timestamptz) TO twin_admin, twin_auditor;
REVOKE ALL ON FUNCTION twin_internal.check_alert_rule(), twin_internal.alert_rules_changed(), twin_internal.tell_alert_rules(),
	twin_internal.alert_rule_told(twin.alert_rules) FROM PUBLIC;

/*
 * log.sql
 *		twin.audit_log: events as people read them. What a row of the log holds of many events is taken apart here, and
 *		images become jsonb only for who asks for them.
 */

CREATE FUNCTION twin_internal.change_rows(rows bytea, OUT number integer, OUT columns bytea, OUT changed bytea) RETURNS SETOF record
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 20 AS 'MODULE_PATHNAME', 'tsec_change_rows';
COMMENT ON FUNCTION twin_internal.change_rows(bytea) IS 'takes apart what a row of the log holds of changed rows';
CREATE FUNCTION twin_internal.change_side(columns bytea, changed bytea, is_new boolean) RETURNS jsonb
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_change_side';
COMMENT ON FUNCTION twin_internal.change_side(bytea, bytea, boolean) IS 'a changed row as it was or as it became';
CREATE FUNCTION twin_internal.change_difference(columns bytea, changed bytea) RETURNS jsonb
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_change_difference';
COMMENT ON FUNCTION twin_internal.change_difference(bytea, bytea) IS 'of an updated row, the columns that changed, each with its old and new value';
CREATE FUNCTION twin_internal.change_key(columns bytea, changed bytea) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_change_key';
COMMENT ON FUNCTION twin_internal.change_key(bytea, bytea) IS 'the primary key of a changed row, before the change; several columns as a JSON array';

CREATE VIEW twin_internal.event_records AS
	SELECT e.* FROM twin_internal.events e UNION ALL SELECT o.* FROM ONLY twin_internal.events_overflow o;	/* a child is not the log's */
COMMENT ON VIEW twin_internal.event_records IS 'rows of the log, wherever they lie';

CREATE VIEW twin_internal.audit_records AS
	SELECT e.event_id, e.event_time, e.recorded_at, e.class, e.event_type, e.severity, e.outcome, e.action, e.resource, e.record_id,
		e.session_user_name, e.outer_user_name, e.effective_user_name, e.user_id, e.username, e.tenant_id, e.token_id, e.client_address,
		e.application_name, e.request_id, e.xid, e.application_made, NULL::jsonb AS old, NULL::jsonb AS new, NULL::jsonb AS diff, e.details,
		s.first_leaf AS leaf_index, e.event_id AS stored_id
	FROM twin_internal.event_records e LEFT JOIN twin_internal.sealed s ON s.record_id = e.event_id WHERE e.row_count IS NULL
	UNION ALL
	SELECT e.event_id + r.number, e.event_time, e.recorded_at, e.class, e.event_type, e.severity, e.outcome, e.action, e.resource,
		twin_internal.change_key(r.columns, r.changed),
		e.session_user_name, e.outer_user_name, e.effective_user_name, e.user_id, e.username, e.tenant_id, e.token_id, e.client_address,
		e.application_name, e.request_id, e.xid, e.application_made, twin_internal.change_side(r.columns, r.changed, false),
		twin_internal.change_side(r.columns, r.changed, true), twin_internal.change_difference(r.columns, r.changed), e.details,
		s.first_leaf + r.number, e.event_id
	FROM twin_internal.event_records e CROSS JOIN LATERAL twin_internal.change_rows(e.rows) r
		LEFT JOIN twin_internal.sealed s ON s.record_id = e.event_id WHERE e.row_count IS NOT NULL;
COMMENT ON VIEW twin_internal.audit_records IS 'the audit log with the id under which each event is stored';

CREATE VIEW twin.audit_log AS
	SELECT l.event_id, l.event_time, l.recorded_at, l.class, l.event_type, l.severity, l.outcome, l.action, l.resource, l.record_id,
		l.session_user_name, l.outer_user_name, l.effective_user_name, l.user_id, l.username, l.tenant_id, l.token_id, l.client_address,
		l.application_name, l.request_id, l.xid, l.application_made, l.old, l.new, l.diff, l.details, l.leaf_index
	FROM twin_internal.audit_records l;
COMMENT ON VIEW twin.audit_log IS 'security events of this database; event_time is what the emitter says, recorded_at when the event was written; old, new and diff of changed rows';

/* An event that is one of many in its row is found by the row's id, which is a multiple of a thousand. */
CREATE FUNCTION twin.audit_event(id bigint) RETURNS SETOF twin.audit_log
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
	SELECT l.event_id, l.event_time, l.recorded_at, l.class, l.event_type, l.severity, l.outcome, l.action, l.resource, l.record_id,
			l.session_user_name, l.outer_user_name, l.effective_user_name, l.user_id, l.username, l.tenant_id, l.token_id, l.client_address,
			l.application_name, l.request_id, l.xid, l.application_made, l.old, l.new, l.diff, l.details, l.leaf_index
		FROM twin_internal.audit_records l WHERE l.stored_id IN (id, id - id % 1000) AND l.event_id = id;
	END;
COMMENT ON FUNCTION twin.audit_event(bigint) IS 'one event of twin.audit_log, looked up by its id';

REVOKE ALL ON FUNCTION twin_internal.change_rows(bytea), twin_internal.change_side(bytea, bytea, boolean),
	twin_internal.change_difference(bytea, bytea), twin_internal.change_key(bytea, bytea), twin.audit_event(bigint) FROM PUBLIC;
/* what a view calls is asked of who reads it */
GRANT EXECUTE ON FUNCTION twin_internal.change_rows(bytea), twin_internal.change_side(bytea, bytea, boolean),
	twin_internal.change_difference(bytea, bytea), twin_internal.change_key(bytea, bytea) TO twin_admin, twin_auditor;
GRANT EXECUTE ON FUNCTION twin.audit_event(bigint) TO twin_admin, twin_auditor;
GRANT SELECT ON twin.audit_log TO twin_admin, twin_auditor;

/*
 * guard.sql
 *		Nobody edits the log.
 */

CREATE FUNCTION twin_internal.guard_log() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_guard_log';
COMMENT ON FUNCTION twin_internal.guard_log() IS 'refuses what changes a table of the audit log, to everybody but the extension itself';

CREATE FUNCTION twin_internal.open_log() RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_open_log';
COMMENT ON FUNCTION twin_internal.open_log() IS 'for repairs by a superuser: lets this transaction change the tables of the audit log, which is a critical event; the seal shows what was changed';

CREATE FUNCTION twin_internal.log_is_open() RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'tsec_log_is_open';
COMMENT ON FUNCTION twin_internal.log_is_open() IS 'whether tables of the audit log may be changed now: by the extension, in a restore, after open_log()';

CREATE FUNCTION twin_internal.guard_log_table(guarded regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER guard_log BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.guard_log()', guarded);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER guard_log', guarded);
	/* workers that apply changes fire triggers of rows alone; on the parents these would be made a second time where a dump attaches its months */
	IF (SELECT c.relkind = 'r' FROM pg_class c WHERE c.oid = guarded) THEN
		EXECUTE format('CREATE TRIGGER guard_log_row BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION twin_internal.guard_log()', guarded);
		EXECUTE format('ALTER TABLE %s ENABLE REPLICA TRIGGER guard_log_row', guarded);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.guard_log_table(regclass) IS 'makes a table one of the audit log, which nobody edits';

CREATE FUNCTION twin_internal.guard_log_tables() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_guard_log_tables';
COMMENT ON FUNCTION twin_internal.guard_log_tables() IS 'refuses commands that alter a table of the audit log';
CREATE EVENT TRIGGER twin_security_guard_log ON ddl_command_start EXECUTE FUNCTION twin_internal.guard_log_tables();
COMMENT ON EVENT TRIGGER twin_security_guard_log IS 'the audit log is not edited';
ALTER EVENT TRIGGER twin_security_guard_log ENABLE ALWAYS;

/* What goes with something else: cascades, DROP OWNED; a table takes its guard along. The extension itself takes this trigger along. */
CREATE FUNCTION twin_internal.guard_log_drop() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gone text;
BEGIN
	SELECT d.address_names[2] INTO gone FROM pg_event_trigger_dropped_objects() d
		WHERE d.object_type = 'trigger' AND d.address_names[1] = 'twin_internal' AND d.address_names[3] IN ('guard_log', 'guard_log_row') LIMIT 1;
	IF FOUND AND NOT twin_internal.log_is_open() THEN
		RAISE EXCEPTION 'the audit log is not edited' USING ERRCODE = '42501', DETAIL = format('Table "%s" belongs to it.', gone);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.guard_log_drop() IS 'refuses what would drop a table of the audit log';
CREATE EVENT TRIGGER twin_security_guard_log_drop ON sql_drop EXECUTE FUNCTION twin_internal.guard_log_drop();
COMMENT ON EVENT TRIGGER twin_security_guard_log_drop IS 'the audit log is not edited';
ALTER EVENT TRIGGER twin_security_guard_log_drop ENABLE ALWAYS;

/* A publication of all tables has the publisher's log in it: that is not this database's. */
CREATE FUNCTION twin_internal.leave_log_out() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_leave_log_out';
COMMENT ON FUNCTION twin_internal.leave_log_out() IS 'takes the tables of the audit log out of a subscription that was made or refreshed';
CREATE EVENT TRIGGER twin_security_leave_log_out ON ddl_command_end WHEN TAG IN ('CREATE SUBSCRIPTION', 'ALTER SUBSCRIPTION')
	EXECUTE FUNCTION twin_internal.leave_log_out();
COMMENT ON EVENT TRIGGER twin_security_leave_log_out IS 'no subscription writes into the audit log';
ALTER EVENT TRIGGER twin_security_leave_log_out ENABLE ALWAYS;

SELECT twin_internal.guard_log_table(t) FROM pg_catalog.unnest(ARRAY['twin_internal.events', 'twin_internal.events_audit', 'twin_internal.events_access',
	'twin_internal.events_error', 'twin_internal.events_overflow', 'twin_internal.event_state']::pg_catalog.regclass[]) t;
REVOKE ALL ON FUNCTION twin_internal.guard_log(), twin_internal.open_log(), twin_internal.log_is_open(), twin_internal.guard_log_table(regclass),
	twin_internal.guard_log_tables(), twin_internal.guard_log_drop(), twin_internal.leave_log_out() FROM PUBLIC;

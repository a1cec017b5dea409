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
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gone text;
BEGIN
	SELECT d.address_names[2] INTO gone FROM pg_event_trigger_dropped_objects() d
		WHERE d.object_type = 'trigger' AND d.address_names[1] = 'twin_internal' AND d.address_names[3] = 'guard_log' LIMIT 1;
	IF FOUND AND NOT twin_internal.log_is_open() THEN
		RAISE EXCEPTION 'the audit log is not edited' USING ERRCODE = '42501', DETAIL = format('Table "%s" belongs to it.', gone);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.guard_log_drop() IS 'refuses what would drop a table of the audit log';
CREATE EVENT TRIGGER twin_security_guard_log_drop ON sql_drop EXECUTE FUNCTION twin_internal.guard_log_drop();
COMMENT ON EVENT TRIGGER twin_security_guard_log_drop IS 'the audit log is not edited';
ALTER EVENT TRIGGER twin_security_guard_log_drop ENABLE ALWAYS;

SELECT twin_internal.guard_log_table(t) FROM pg_catalog.unnest(ARRAY['twin_internal.events', 'twin_internal.events_audit', 'twin_internal.events_access',
	'twin_internal.events_error', 'twin_internal.events_overflow']::pg_catalog.regclass[]) t;
REVOKE ALL ON FUNCTION twin_internal.guard_log(), twin_internal.open_log(), twin_internal.log_is_open(), twin_internal.guard_log_table(regclass),
	twin_internal.guard_log_tables(), twin_internal.guard_log_drop() FROM PUBLIC;

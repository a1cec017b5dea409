/*
 * reload.sql
 *		Gateways read the schema again when it changed.
 *
 * Not for what is in twin_internal, of which they serve nothing: months of the log are made there, by a writer that must
 * neither wait for the lock of NOTIFY nor fail where its queue is full.
 */

CREATE FUNCTION twin_internal.note_schema_change() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_note_schema_change';
COMMENT ON FUNCTION twin_internal.note_schema_change() IS 'has this transaction send NOTIFY pgrst, ''reload schema'' when it commits';

CREATE FUNCTION twin_internal.watch_schema() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	/* a trigger has no schema but its table's */
	IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() c
			LEFT JOIN pg_trigger t ON c.classid = 'pg_trigger'::regclass AND t.oid = c.objid LEFT JOIN pg_class r ON r.oid = t.tgrelid
			WHERE coalesce(c.schema_name, r.relnamespace::regnamespace::text, '') NOT IN ('pg_temp', 'twin_internal')) THEN
		PERFORM twin_internal.note_schema_change();
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.watch_schema() IS 'has gateways read the schema again after DDL, but for temporary objects';

CREATE FUNCTION twin_internal.watch_schema_drops() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d WHERE d.original AND NOT d.is_temporary AND coalesce(d.schema_name, '') <> 'twin_internal') THEN
		PERFORM twin_internal.note_schema_change();
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.watch_schema_drops() IS 'has gateways read the schema again after a DROP, but for temporary objects';

CREATE EVENT TRIGGER twin_security_watch_schema ON ddl_command_end
	WHEN TAG IN ('CREATE SCHEMA', 'ALTER SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE',
		'IMPORT FOREIGN SCHEMA', 'CREATE VIEW', 'ALTER VIEW', 'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW', 'CREATE FUNCTION', 'ALTER FUNCTION',
		'CREATE PROCEDURE', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'CREATE AGGREGATE', 'ALTER AGGREGATE', 'CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN',
		'CREATE CAST', 'CREATE TRIGGER', 'ALTER TRIGGER', 'CREATE RULE', 'ALTER RULE', 'CREATE EXTENSION', 'ALTER EXTENSION', 'COMMENT')
	EXECUTE FUNCTION twin_internal.watch_schema();
COMMENT ON EVENT TRIGGER twin_security_watch_schema IS
	'sends NOTIFY pgrst, ''reload schema'' at COMMIT of DDL that gateways care about; not for temporary objects, prepared transactions and what replication applies';
CREATE EVENT TRIGGER twin_security_watch_schema_drops ON sql_drop
	WHEN TAG IN ('DROP SCHEMA', 'DROP TABLE', 'DROP FOREIGN TABLE', 'DROP VIEW', 'DROP MATERIALIZED VIEW', 'DROP FUNCTION', 'DROP PROCEDURE', 'DROP ROUTINE',
		'DROP AGGREGATE', 'DROP TYPE', 'DROP DOMAIN', 'DROP CAST', 'DROP TRIGGER', 'DROP RULE', 'DROP EXTENSION', 'DROP OWNED')
	EXECUTE FUNCTION twin_internal.watch_schema_drops();
COMMENT ON EVENT TRIGGER twin_security_watch_schema_drops IS 'sends NOTIFY pgrst, ''reload schema'' at COMMIT of a DROP; exceptions as for twin_security_watch_schema';

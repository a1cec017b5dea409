/*
 * enhanced.sql
 *		Reads of every audited table, recorded for a time, whatever is asked for each: what is asked for stays as it is, so nothing is to be
 *		put back. It ends by the clock (enhanced.c), whether or not anybody is there to end it.
 */

CREATE TABLE twin_internal.enhanced_reads (
	reason text COLLATE "C" PRIMARY KEY CHECK (pg_catalog.octet_length(reason) BETWEEN 1 AND 100),
	since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	until timestamptz NOT NULL CHECK (pg_catalog.isfinite(until))
);
COMMENT ON TABLE twin_internal.enhanced_reads IS 'why reads of every audited table are recorded, and how long; the longest counts';
SELECT twin_internal.keep_from_publishers('twin_internal.enhanced_reads');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.enhanced_reads', '');

CREATE FUNCTION twin_internal.enhanced_reads_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_enhanced_reads_changed';
COMMENT ON FUNCTION twin_internal.enhanced_reads_changed() IS 'tells every session to look again, and who ends it when that is due';
CREATE TRIGGER enhanced_reads_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.enhanced_reads
	FOR EACH ROW EXECUTE FUNCTION twin_internal.enhanced_reads_changed();
CREATE TRIGGER enhanced_reads_emptied AFTER TRUNCATE ON twin_internal.enhanced_reads
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.enhanced_reads_changed();
CREATE TRIGGER keep_audited_tables BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin_internal.enhanced_reads
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.keep_audited_tables();

CREATE FUNCTION twin_internal.tell_enhanced_reads() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		PERFORM twin_internal.emit_event('monitoring_restored', '*', 'truncate', severity => 'critical');
	ELSIF TG_OP = 'DELETE' THEN
		PERFORM twin_internal.emit_event('monitoring_restored', OLD.reason, CASE WHEN OLD.until <= clock_timestamp() THEN 'expire' ELSE 'end' END, severity => 'medium');
	ELSE
		PERFORM twin_internal.emit_event('monitoring_enhanced', NEW.reason, 'begin', jsonb_build_object('until', NEW.until), 'medium');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.tell_enhanced_reads() IS 'emits an event when reads of every audited table begin or cease to be recorded';
CREATE TRIGGER tell_enhanced_reads AFTER INSERT OR UPDATE OR DELETE ON twin_internal.enhanced_reads
	FOR EACH ROW EXECUTE FUNCTION twin_internal.tell_enhanced_reads();
CREATE TRIGGER tell_enhanced_reads_emptied AFTER TRUNCATE ON twin_internal.enhanced_reads
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tell_enhanced_reads();
ALTER TABLE twin_internal.enhanced_reads ENABLE ALWAYS TRIGGER enhanced_reads_changed, ENABLE ALWAYS TRIGGER enhanced_reads_emptied,
	ENABLE ALWAYS TRIGGER keep_audited_tables, ENABLE ALWAYS TRIGGER tell_enhanced_reads, ENABLE ALWAYS TRIGGER tell_enhanced_reads_emptied;

CREATE FUNCTION twin_internal.enhance_reads(reason text, duration interval) RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ends timestamptz;
BEGIN
	IF NOT twin_internal.is_preloaded() THEN
		RAISE EXCEPTION 'reads are not recorded without preloading' USING ERRCODE = '55000',
			HINT = 'Add twin_security to shared_preload_libraries and restart the server.';
	END IF;
	INSERT INTO twin_internal.enhanced_reads AS e (reason, until) VALUES ($1, clock_timestamp() + $2)
		ON CONFLICT ON CONSTRAINT enhanced_reads_pkey DO UPDATE SET until = greatest(e.until, excluded.until) RETURNING e.until INTO ends;
	RETURN ends;
END
$$;
COMMENT ON FUNCTION twin_internal.enhance_reads(text, interval) IS 'records reads of every audited table for so long; returns until when';

CREATE FUNCTION twin_internal.restore_reads(reason text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM twin_internal.enhanced_reads e WHERE e.reason = $1;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION twin_internal.restore_reads(text) IS 'ends for one reason that reads of every audited table are recorded; whether it had not ended yet';

CREATE VIEW twin.enhanced_monitoring AS
	SELECT e.reason, e.since, e.until FROM twin_internal.enhanced_reads e WHERE e.until > clock_timestamp();
COMMENT ON VIEW twin.enhanced_monitoring IS 'why reads of every audited table are recorded at present, and until when';

REVOKE ALL ON FUNCTION twin_internal.enhanced_reads_changed(), twin_internal.tell_enhanced_reads(), twin_internal.enhance_reads(text, interval),
	twin_internal.restore_reads(text) FROM PUBLIC;
GRANT SELECT ON twin.enhanced_monitoring TO twin_admin, twin_auditor;

/*
 * mask.sql
 *		Masks: twin.mask(), twin.reveal(), and masks of columns' own.
 *
 * The _as functions take the pattern; the planner alone calls them (nobody has
 * USAGE on twin_internal).  EXECUTE stays with PUBLIC: plans run as the caller.
 */

CREATE FUNCTION twin_internal.mask_support(internal) RETURNS internal
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_mask_support';
COMMENT ON FUNCTION twin_internal.mask_support(internal) IS 'planner support: mask(column) becomes mask_as(column, its pattern)';

--@each_type masks.sql.in
--@each_type masks_searchable.sql.in

CREATE FUNCTION twin.set_mask(rel regclass, column_name name, pattern text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	place text := (SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.oid = $1 AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped);
BEGIN
	IF $1 IS NULL OR $2 IS NULL THEN
		RAISE EXCEPTION 'a mask is set on a column of a table' USING ERRCODE = '22004';
	ELSIF place IS NULL THEN
		RAISE EXCEPTION 'column "%" of relation "%" does not exist', $2, $1 USING ERRCODE = '42703';
	END IF;
	/* a utility command takes no parameters */
	EXECUTE format('SECURITY LABEL FOR twin_security ON COLUMN %s IS %L', place, 'mask=' || $3);
END
$$;
COMMENT ON FUNCTION twin.set_mask(regclass, name, text) IS 'gives a column its own mask, such as email, card, number(5000), partial(2,4) or full; null takes it away';
REVOKE ALL ON FUNCTION twin.set_mask(regclass, name, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.set_mask(regclass, name, text) TO twin_admin;

CREATE FUNCTION twin_internal.load_for_labels() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_load_for_labels';
COMMENT ON FUNCTION twin_internal.load_for_labels() IS 'loads the library, so that masks are restored without preloading';
CREATE EVENT TRIGGER twin_security_load_for_labels ON ddl_command_start WHEN TAG IN ('SECURITY LABEL')
	EXECUTE FUNCTION twin_internal.load_for_labels();
COMMENT ON EVENT TRIGGER twin_security_load_for_labels IS 'twin_security: masks of columns are restored without preloading';
REVOKE ALL ON FUNCTION twin_internal.load_for_labels() FROM PUBLIC;

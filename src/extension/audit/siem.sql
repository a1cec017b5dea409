/*
 * siem.sql
 *		Events for systems that collect them: in the order of the ledger, so that whoever goes on from the last event he
 *		has misses none and has none twice, however transactions overlap.
 */

CREATE FUNCTION twin_internal.siem_event(format text, leaf_index bigint, leaf bytea) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_siem_event';
COMMENT ON FUNCTION twin_internal.siem_event(text, bigint, bytea) IS 'a leaf of the audit log in a form of SIEM systems';

CREATE FUNCTION twin.siem_events(format text, after bigint DEFAULT 0, max_events integer DEFAULT 1000) RETURNS TABLE(event_id bigint, event text)
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER ROWS 1000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	next_leaf bigint := 0;
	tree_size bigint;
	room integer := max_events;
	found_rows bigint;
	step bigint;
BEGIN
	IF format IS NULL OR format NOT IN ('native', 'ecs', 'ocsf', 'cef', 'rfc5424') THEN
		RAISE EXCEPTION 'unknown format of events' USING ERRCODE = '22023', HINT = 'It is one of: native, ecs, ocsf, cef, rfc5424.';
	ELSIF after IS NULL OR after < 0 OR max_events IS NULL OR max_events < 0 THEN
		RAISE EXCEPTION 'an argument of siem_events() is null or negative' USING ERRCODE = '22023';
	ELSIF after <> 0 THEN
		SELECT s.first_leaf + (after - s.record_id) + 1 INTO next_leaf FROM twin_internal.sealed s
			WHERE s.record_id <= after AND after < s.record_id + s.leaves ORDER BY s.record_id DESC LIMIT 1;
		IF next_leaf IS NULL THEN
			RAISE EXCEPTION 'event % is not in the ledger', after USING ERRCODE = '22023',
				HINT = 'Go on after the last event_id that siem_events() gave you, or begin with 0.';
		END IF;
	END IF;
	SELECT l.size INTO tree_size FROM twin_internal.ledger_state l;
	/* leaves of which the event is gone (retention) are passed over: an empty answer means that there is no more */
	WHILE room > 0 AND next_leaf < tree_size LOOP
		step := least(tree_size - next_leaf, greatest(room, 1000));
		RETURN QUERY SELECT l.event_id, twin_internal.siem_event(siem_events.format, l.leaf_index, l.leaf)
			FROM twin.audit_leaves(next_leaf, next_leaf + step - 1) l WHERE l.leaf IS NOT NULL ORDER BY l.leaf_index LIMIT room;
		GET DIAGNOSTICS found_rows = ROW_COUNT;
		room := room - found_rows;
		next_leaf := next_leaf + step;
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin.siem_events(text, bigint, integer) IS 'sealed events after an event (0: from the first) in the order of the ledger, as native, ecs, ocsf, cef or rfc5424; go on after the last event_id, and ask again later when none comes';

REVOKE ALL ON FUNCTION twin_internal.siem_event(text, bigint, bytea), twin.siem_events(text, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.siem_events(text, bigint, integer) TO twin_admin, twin_auditor;

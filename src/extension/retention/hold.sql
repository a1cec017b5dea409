/*
 * hold.sql
 *		Legal holds: what must be kept, whatever a policy says.
 *
 * A hold is a row; while it is not released, what it covers is neither archived away nor dropped, nor erased for a person.
 * Whoever takes something out asks holds_on() with the table of holds locked in SHARE MODE, so that none is placed between the
 * answer and the commit: a hold that is placed meanwhile waits, and then says what was gone.
 */

CREATE TABLE twin_internal.legal_holds (
	hold_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	case_ref text NOT NULL CHECK (pg_catalog.octet_length(case_ref) BETWEEN 1 AND 255),
	policy_name text COLLATE "C",	/* NULL: everything */
	from_time timestamptz,
	to_time timestamptz,
	subject text CHECK (pg_catalog.octet_length(subject) BETWEEN 1 AND 1000),
	placed_by text NOT NULL,
	placed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	released_by text,
	released_at timestamptz,
	reason text CHECK (pg_catalog.octet_length(reason) BETWEEN 1 AND 1000),	/* of the release */
	CHECK (from_time < to_time),
	CHECK ((released_at IS NULL) = (released_by IS NULL) AND (released_at IS NULL) = (reason IS NULL))
);
COMMENT ON TABLE twin_internal.legal_holds IS 'legal holds, those that were released included: no row goes, or is changed but by its release';
COMMENT ON SEQUENCE twin_internal.legal_holds_hold_id_seq IS 'numbers of legal holds';
CREATE INDEX legal_holds_active ON twin_internal.legal_holds (hold_id) WHERE released_at IS NULL;
SELECT pg_catalog.pg_extension_config_dump('twin_internal.legal_holds', '');
SELECT pg_catalog.pg_extension_config_dump('twin_internal.legal_holds_hold_id_seq', '');
SELECT twin_internal.keep_from_publishers('twin_internal.legal_holds');

/* Rights to write into any table are no rights to lift a hold; a superuser who does it has to disable the trigger first, which is told. */
CREATE FUNCTION twin_internal.keep_legal_holds() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		/* a dump brings rows; nobody else who is no superuser does */
		IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
			RAISE EXCEPTION 'legal holds are not edited' USING ERRCODE = '42501', HINT = 'Call twin.place_legal_hold().';
		END IF;
	ELSIF TG_OP <> 'UPDATE' THEN
		RAISE EXCEPTION 'legal holds are not deleted' USING ERRCODE = '42501', HINT = 'Call twin.release_legal_hold().';
	ELSIF TG_LEVEL = 'ROW' AND (OLD.released_at IS NOT NULL OR NEW.released_at IS NULL
			OR to_jsonb(OLD) - '{released_at,released_by,reason}'::text[] <> to_jsonb(NEW) - '{released_at,released_by,reason}'::text[])
			OR TG_LEVEL = 'STATEMENT' AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
		RAISE EXCEPTION 'legal holds are not edited' USING ERRCODE = '42501', HINT = 'Call twin.release_legal_hold().';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.keep_legal_holds() IS 'refuses every change of legal holds but their release';
CREATE TRIGGER keep_legal_holds BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin_internal.legal_holds
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.keep_legal_holds();
CREATE TRIGGER keep_legal_hold BEFORE UPDATE ON twin_internal.legal_holds
	FOR EACH ROW EXECUTE FUNCTION twin_internal.keep_legal_holds();
ALTER TABLE twin_internal.legal_holds ENABLE ALWAYS TRIGGER keep_legal_holds, ENABLE ALWAYS TRIGGER keep_legal_hold;

CREATE VIEW twin.legal_holds AS
	SELECT h.hold_id, h.case_ref, h.policy_name, h.from_time, h.to_time, h.subject, h.placed_by, h.placed_at, h.released_by, h.released_at, h.reason
	FROM twin_internal.legal_holds h;
COMMENT ON VIEW twin.legal_holds IS 'legal holds: the case, what is held (of which policy, from when to when, about whom; null: of all, without bound, about anybody), and when and why it was released';

/* ---- what is held ---- */

CREATE FUNCTION twin_internal.log_mentions(partition regclass, subject text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	escaped text := to_jsonb(subject)::text;
	/* as the account is written, which may be another way */
	account record;
	digested text[];
	named boolean;
BEGIN
	SELECT u.user_id, u.username INTO account FROM twin_internal.users u WHERE u.username_key = twin_internal.subject_account(subject);
	EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE username IN ($1, $2))', partition) USING subject, coalesce(account.username, subject) INTO named;
	IF named THEN
		RETURN true;
	END IF;
	/* of tables whose rows name persons by a digest in the log it cannot be told */
	WITH RECURSIVE tree (relation) AS (
		SELECT s.relation::oid FROM twin.subject_columns s JOIN pg_attribute a ON a.attrelid = s.relation AND a.attname = s.subject_column AND NOT a.attisdropped
			WHERE s.column_name = s.subject_column OR (SELECT twin_internal.sealed_type(p.plain) IS NOT NULL FROM twin_internal.plain_type(a.atttypid) p)
		UNION SELECT CASE WHEN i.inhrelid = t.relation THEN i.inhparent ELSE i.inhrelid END FROM pg_inherits i JOIN tree t ON t.relation IN (i.inhrelid, i.inhparent)
	)
	SELECT array_agg(format('%I.%I', n.nspname, c.relname)) INTO digested FROM tree t JOIN pg_class c ON c.oid = t.relation JOIN pg_namespace n ON n.oid = c.relnamespace;
	/* whatever else names him; images of rows hold texts as they are */
	EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE user_id = $2 OR $1 IN (resource, record_id, session_user_name, outer_user_name, effective_user_name, token_id)
		OR position($3 IN details::text) > 0 OR position($4 IN rows) > 0 OR row_count IS NOT NULL AND resource = ANY ($5))', partition)
		USING subject, account.user_id, substr(escaped, 2, length(escaped) - 2), convert_to(subject, getdatabaseencoding()), digested INTO named;
	RETURN named;
END
$$;
COMMENT ON FUNCTION twin_internal.log_mentions(regclass, text) IS 'whether any event of a partition of the log names somebody: who did it, to whom it was done, or anywhere else; true where rows of it name persons by digests alone';

CREATE FUNCTION twin_internal.holds_subject(policy_name text, partition regclass, from_time timestamptz, to_time timestamptz, subject text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	policy record;
BEGIN
	SELECT p.event_class, p.relation, p.time_column INTO policy FROM twin_internal.retention_policies p WHERE p.policy_name = holds_subject.policy_name;
	IF policy.event_class IS NOT NULL THEN
		RETURN twin_internal.log_mentions(partition, subject);
	END IF;
	/* a batch is a part of its table; a partition is one whole */
	RETURN coalesce(twin_internal.subject_has_rows(partition, subject,
		CASE WHEN partition = policy.relation THEN policy.time_column END, from_time, to_time, policy.relation), true);
EXCEPTION WHEN OTHERS THEN
	RAISE LOG 'whether rows of "%" are held cannot be told, so they are: SQLSTATE %', partition, SQLSTATE;
	RETURN true;
END
$$;
COMMENT ON FUNCTION twin_internal.holds_subject(text, regclass, timestamptz, timestamptz, text) IS 'whether a partition, or a batch of a table, has rows about somebody; true where that cannot be told';

CREATE FUNCTION twin_internal.holds_on(policy_name text, partition regclass, from_time timestamptz, to_time timestamptz) RETURNS bigint[]
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	hold twin_internal.legal_holds;
	held bigint[] := '{}';
BEGIN
	FOR hold IN SELECT h.* FROM twin_internal.legal_holds h
			WHERE h.released_at IS NULL AND (h.policy_name IS NULL OR h.policy_name = holds_on.policy_name)
				AND (h.from_time IS NULL OR holds_on.to_time IS NULL OR h.from_time < holds_on.to_time)
				AND (h.to_time IS NULL OR holds_on.from_time IS NULL OR h.to_time > holds_on.from_time)
			ORDER BY h.hold_id LOOP
		IF hold.subject IS NULL OR twin_internal.holds_subject(holds_on.policy_name, partition, holds_on.from_time, holds_on.to_time, hold.subject) THEN
			held := held || hold.hold_id;
		END IF;
	END LOOP;
	RETURN held;
END
$$;
COMMENT ON FUNCTION twin_internal.holds_on(text, regclass, timestamptz, timestamptz) IS
	'holds that a partition, or the rows of a table from one time to another, is under; ask with twin_internal.legal_holds locked in SHARE MODE before anything goes';

/* An archive that is under a hold is what is left of what it held, whoever says that it may become unreadable. */
CREATE FUNCTION twin_internal.keep_held_archive() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	held record;
BEGIN
	LOCK TABLE twin_internal.legal_holds IN SHARE MODE;
	SELECT string_agg(DISTINCT h.hold_id::text, ', ') AS ids INTO held FROM twin_internal.legal_holds h LEFT JOIN twin_internal.retention_items i ON i.archive_file = OLD.file
		WHERE h.released_at IS NULL AND (h.policy_name IS NULL OR i.policy_name IS NULL OR h.policy_name = i.policy_name)
			AND (h.from_time IS NULL OR i.to_time IS NULL OR h.from_time < i.to_time) AND (h.to_time IS NULL OR i.from_time IS NULL OR h.to_time > i.from_time);
	IF held.ids IS NOT NULL THEN
		RAISE EXCEPTION 'archive "%" is kept by legal holds %', OLD.file, held.ids
			USING ERRCODE = '55006', DETAIL = 'Without the key it could never be read again.', HINT = 'See twin.legal_holds.';
	END IF;
	RETURN OLD;
END
$$;
COMMENT ON FUNCTION twin_internal.keep_held_archive() IS 'refuses that the key of an archive goes that a legal hold may cover';
CREATE TRIGGER keep_held_archive BEFORE DELETE ON twin_internal.key_files
	FOR EACH ROW WHEN (OLD.is_whole) EXECUTE FUNCTION twin_internal.keep_held_archive();

/* ---- placed and released ---- */

/* What is gone already, and where its archives lie. */
CREATE FUNCTION twin_internal.warn_of_dropped(hold twin_internal.legal_holds) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gone record;
BEGIN
	SELECT count(*) AS items, count(*) FILTER (WHERE g.archive_file IS NULL) AS lost,
			string_agg(g.archive_file, ', ' ORDER BY g.item_id) FILTER (WHERE g.place <= 20) AS archives INTO gone
		FROM (SELECT i.item_id, i.archive_file, row_number() OVER (PARTITION BY i.archive_file IS NULL ORDER BY i.item_id) AS place
			FROM twin_internal.retention_items i
			WHERE i.state = 'dropped' AND (hold.policy_name IS NULL OR i.policy_name = hold.policy_name)
				AND (hold.from_time IS NULL OR hold.from_time < i.to_time)
				AND (hold.to_time IS NULL OR i.from_time IS NULL OR hold.to_time > i.from_time)) g;
	IF gone.items > 0 THEN
		RAISE WARNING 'some of what is held was dropped before: % partitions or batches', gone.items
			USING DETAIL = concat_ws(' ', 'Archives that hold it, keep them: ' || gone.archives || CASE WHEN gone.items - gone.lost > 20 THEN ', ...' ELSE '.' END,
				CASE WHEN gone.lost > 0 THEN format('%s of them were not archived.', gone.lost) END),
				HINT = 'See twin.retention_plan; twin.read_archive() reads an archive.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.warn_of_dropped(twin_internal.legal_holds) IS 'warns of what a hold is too late for, and names the archives';

CREATE FUNCTION twin.place_legal_hold(case_ref text, policy_name text DEFAULT NULL, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL,
	subject text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	made twin_internal.legal_holds;
BEGIN
	IF place_legal_hold.case_ref IS NULL OR btrim(place_legal_hold.case_ref) = '' OR octet_length(place_legal_hold.case_ref) > 255 THEN
		RAISE EXCEPTION 'a legal hold names its case' USING ERRCODE = '22023', HINT = 'case_ref has 1 to 255 bytes.';
	ELSIF place_legal_hold.from_time >= place_legal_hold.to_time THEN
		RAISE EXCEPTION 'a legal hold ends after it begins' USING ERRCODE = '22023';
	ELSIF btrim(place_legal_hold.subject) = '' OR octet_length(place_legal_hold.subject) > 1000 THEN
		RAISE EXCEPTION 'a subject has 1 to 1000 bytes' USING ERRCODE = '22023';
	ELSIF NOT EXISTS (SELECT FROM twin_internal.retention_policies p WHERE p.policy_name = place_legal_hold.policy_name) AND place_legal_hold.policy_name IS NOT NULL THEN
		RAISE EXCEPTION 'retention policy "%" does not exist', place_legal_hold.policy_name USING ERRCODE = '42704', HINT = 'See twin.retention_policies.';
	END IF;
	/* waits for whoever is dropping something right now */
	INSERT INTO twin_internal.legal_holds (case_ref, policy_name, from_time, to_time, subject, placed_by)
		VALUES (place_legal_hold.case_ref, place_legal_hold.policy_name, place_legal_hold.from_time, place_legal_hold.to_time, place_legal_hold.subject,
			coalesce(twin.current_username(), session_user::text))
		RETURNING * INTO made;
	/* the subject is in the table, where it can be looked up, and not in the log, where it would stay */
	PERFORM twin_internal.emit_event('legal_hold_placed', made.case_ref, 'place_legal_hold', jsonb_strip_nulls(jsonb_build_object('hold_id', made.hold_id,
		'policy', made.policy_name, 'from', made.from_time, 'to', made.to_time, 'of_subject', made.subject IS NOT NULL)), 'medium');
	PERFORM twin_internal.warn_of_dropped(made);
	RETURN made.hold_id;
END
$$;
COMMENT ON FUNCTION twin.place_legal_hold(text, text, timestamptz, timestamptz, text) IS
	'from the commit on nothing of a policy (null: of any), from one time up to another (null: without bound), and about somebody (null: anybody) is dropped or erased, until the hold is released; warns of what was dropped before';

CREATE FUNCTION twin.release_legal_hold(hold_id bigint, reason text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	hold twin_internal.legal_holds;
BEGIN
	IF release_legal_hold.reason IS NULL OR btrim(release_legal_hold.reason) = '' OR octet_length(release_legal_hold.reason) > 1000 THEN
		RAISE EXCEPTION 'a legal hold is released for a reason' USING ERRCODE = '22023', HINT = 'reason has 1 to 1000 bytes.';
	END IF;
	SELECT h.* INTO hold FROM twin_internal.legal_holds h WHERE h.hold_id = release_legal_hold.hold_id FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'legal hold % does not exist', coalesce(release_legal_hold.hold_id::text, 'NULL') USING ERRCODE = '42704', HINT = 'See twin.legal_holds.';
	ELSIF hold.released_at IS NOT NULL THEN
		RAISE EXCEPTION 'legal hold % was released already', hold.hold_id USING ERRCODE = '55000', DETAIL = format('%s released it at %s.', hold.released_by, hold.released_at);
	END IF;
	UPDATE twin_internal.legal_holds h SET released_by = coalesce(twin.current_username(), session_user::text), released_at = clock_timestamp(), reason = release_legal_hold.reason
		WHERE h.hold_id = hold.hold_id;
	PERFORM twin_internal.emit_event('legal_hold_released', hold.case_ref, 'release_legal_hold',
		jsonb_build_object('hold_id', hold.hold_id, 'reason', release_legal_hold.reason), 'medium');
END
$$;
COMMENT ON FUNCTION twin.release_legal_hold(bigint, text) IS 'ends a legal hold; what another hold covers stays held';

REVOKE ALL ON FUNCTION twin_internal.keep_legal_holds(), twin_internal.log_mentions(regclass, text),
	twin_internal.holds_subject(text, regclass, timestamptz, timestamptz, text), twin_internal.holds_on(text, regclass, timestamptz, timestamptz),
	twin_internal.keep_held_archive(), twin_internal.warn_of_dropped(twin_internal.legal_holds), twin.place_legal_hold(text, text, timestamptz, timestamptz, text),
	twin.release_legal_hold(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.place_legal_hold(text, text, timestamptz, timestamptz, text), twin.release_legal_hold(bigint, text) TO twin_admin;
GRANT SELECT ON twin.legal_holds TO twin_admin, twin_auditor;

/*
 * subject_find.sql
 *		Rows about a person, and who holds them.
 */

CREATE FUNCTION twin_internal.subject_account(subject text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT n.username_key FROM twin_internal.account_name(subject) n);
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.subject_account(text) IS 'the name of an account as it is compared; null for what cannot be one';

CREATE FUNCTION twin_internal.subject_names(subject text) RETURNS text[]
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT array_agg(DISTINCT n.name) FROM (SELECT subject UNION SELECT u.username FROM twin_internal.users u
		WHERE u.username_key = twin_internal.subject_account(subject)) n (name);
END;
COMMENT ON FUNCTION twin_internal.subject_names(text) IS 'a subject, and the account of that name as it is written';

/* In a form that an index on the column can answer, where its type has one spelling for each value. */
CREATE FUNCTION twin_internal.subject_condition(rel regclass, subject_column name, subject text, parameter text DEFAULT '$1') RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	plain oid;
	inside regtype;
	spelled text;
BEGIN
	SELECT p.plain, twin_internal.sealed_type(p.plain) INTO plain, inside FROM pg_attribute a CROSS JOIN LATERAL twin_internal.plain_type(a.atttypid) p
		WHERE a.attrelid = rel AND a.attname = subject_condition.subject_column AND NOT a.attisdropped;
	IF plain = ANY ('{text,varchar}'::regtype[]) THEN
		RETURN format('%I OPERATOR(pg_catalog.=) %s', subject_column, parameter);
	ELSIF inside IS NULL AND plain <> ALL ('{int2,int4,int8,uuid,oid}'::regtype[]) THEN
		RETURN format('%I::text OPERATOR(pg_catalog.=) %s', subject_column, parameter);
	END IF;
	BEGIN
		EXECUTE format('SELECT ($1::%s)::text', coalesce(inside, plain::regtype)) INTO spelled USING subject;
	EXCEPTION WHEN data_exception THEN
		spelled := NULL;	/* of this type it names nobody */
	END;
	IF spelled IS DISTINCT FROM subject THEN
		RETURN 'false';
	END IF;
	RETURN format('%I OPERATOR(pg_catalog.=) %s::%s', subject_column, parameter, coalesce(inside, plain::regtype));
END
$$;
COMMENT ON FUNCTION twin_internal.subject_condition(regclass, name, text, text) IS 'the condition of rows in which a column names a subject, which is a parameter of the query';

/* The subject columns of a table: its own, and those of what it is a part of. */
CREATE FUNCTION twin_internal.subject_columns_of(rel regclass) RETURNS name[]
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE above (relation) AS (SELECT rel::oid UNION SELECT i.inhparent FROM pg_inherits i JOIN above a ON a.relation = i.inhrelid)
	SELECT array_agg(DISTINCT s.subject_column) FROM twin.subject_columns s JOIN above a ON a.relation = s.relation;
END;
COMMENT ON FUNCTION twin_internal.subject_columns_of(regclass) IS 'columns that name persons in a table or partition; null where none is registered';

/* A partition that was detached has the columns of the table that it was a part of. */
CREATE FUNCTION twin_internal.subject_has_rows(rel regclass, subject text, time_column name, from_time timestamptz, to_time timestamptz,
	part_of regclass DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	conditions text := (SELECT string_agg(twin_internal.subject_condition(rel, c.name, subject), ' OR ')
		FROM (SELECT unnest(twin_internal.subject_columns_of(rel)) UNION SELECT unnest(twin_internal.subject_columns_of(part_of))) c (name));
	bounds text := CASE WHEN time_column IS NOT NULL
		THEN concat(CASE WHEN from_time IS NOT NULL THEN format(' AND %I OPERATOR(pg_catalog.>=) $2', time_column) END,
			CASE WHEN to_time IS NOT NULL THEN format(' AND %I OPERATOR(pg_catalog.<) $3', time_column) END) END;
BEGIN
	IF conditions IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN twin_internal.ask_as_owner(rel, format('SELECT pg_catalog.to_jsonb(EXISTS (SELECT FROM %s WHERE (%s)%s))', rel, conditions, bounds),
		subject, from_time, to_time)::boolean;
END
$$;
COMMENT ON FUNCTION twin_internal.subject_has_rows(regclass, text, name, timestamptz, timestamptz, regclass) IS 'whether a table has rows about a subject, from one time up to another of a column of it; null where no column tells';

/* Whether a hold on other than persons covers what a table has of one. */
CREATE FUNCTION twin_internal.hold_covers(hold twin_internal.legal_holds, rel regclass, subject text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	time_column name;
BEGIN
	WITH RECURSIVE above (relation) AS (SELECT rel::oid UNION SELECT i.inhparent FROM pg_inherits i JOIN above a ON a.relation = i.inhrelid),
		below (relation) AS (SELECT rel::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN below b ON b.relation = i.inhparent)
	SELECT p.time_column INTO time_column FROM twin_internal.retention_policies p
		WHERE p.relation IN (SELECT a.relation FROM above a UNION SELECT b.relation FROM below b) AND (hold.policy_name IS NULL OR p.policy_name = hold.policy_name)
		ORDER BY p.relation = rel DESC, p.policy_name LIMIT 1;
	IF NOT FOUND AND hold.policy_name IS NOT NULL THEN
		RETURN false;
	END IF;
	RETURN twin_internal.subject_has_rows(rel, subject, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = time_column AND NOT a.attisdropped),
		hold.from_time, hold.to_time);
END
$$;
COMMENT ON FUNCTION twin_internal.hold_covers(twin_internal.legal_holds, regclass, text) IS 'whether a hold that names nobody covers rows of a table about a subject; true where no time column tells';

CREATE FUNCTION twin_internal.rows_name_both(rel regclass, subject text, other text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	conditions text := (SELECT format('(%s) AND (%s)', string_agg(twin_internal.subject_condition(rel, c.name, subject), ' OR '),
			string_agg(twin_internal.subject_condition(rel, c.name, other, '$4'), ' OR '))
		FROM unnest(twin_internal.subject_columns_of(rel)) c (name));
BEGIN
	RETURN twin_internal.ask_as_owner(rel, format('SELECT pg_catalog.to_jsonb(EXISTS (SELECT FROM %s WHERE %s))', rel, conditions), subject, other => other)::boolean;
END
$$;
COMMENT ON FUNCTION twin_internal.rows_name_both(regclass, text, text) IS 'whether a registered table has rows that are about two subjects';

CREATE FUNCTION twin_internal.require_no_hold(subject text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	hold twin_internal.legal_holds;
	rel regclass;
	held text;
BEGIN
	FOR hold IN SELECT h.* FROM twin_internal.legal_holds h WHERE h.released_at IS NULL ORDER BY h.hold_id LOOP
		held := NULL;
		IF hold.subject = require_no_hold.subject OR twin_internal.subject_account(hold.subject) = twin_internal.subject_account(require_no_hold.subject) THEN
			held := 'It is about this subject.';
		ELSIF hold.subject IS NULL THEN
			IF hold.policy_name IS NULL AND EXISTS (SELECT FROM twin_internal.users u
					WHERE u.username_key = twin_internal.subject_account(require_no_hold.subject) AND u.created_at < coalesce(hold.to_time, 'infinity')) THEN
				held := 'It covers the account.';
			END IF;
		END IF;
		/* whoever is held goes by other names, too, and a row may be about several persons */
		FOR rel IN SELECT DISTINCT s.relation FROM twin.subject_columns s ORDER BY s.relation LOOP
			EXIT WHEN held IS NOT NULL;
			IF (CASE WHEN hold.subject IS NULL THEN twin_internal.hold_covers(hold, rel, require_no_hold.subject)
					ELSE twin_internal.rows_name_both(rel, require_no_hold.subject, hold.subject) END) THEN
				held := format('It covers rows of table %s.', rel);
			END IF;
		END LOOP;
		IF held IS NOT NULL THEN
			RAISE EXCEPTION 'the subject is under a legal hold' USING ERRCODE = '55006', DETAIL = format('Hold %s of case %s. %s', hold.hold_id, hold.case_ref, held),
				HINT = 'See twin.legal_holds; nothing was erased.';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.require_no_hold(text) IS 'raises 55006 with the case where a hold is about a subject, or covers rows about him';

/*
 * A partition that retention has detached, or is about to, is not seen through its table, and may become a part of it again:
 * because of a hold, or because its rows are not those of its archive. Registered tables are locked, so that none is detached now.
 */
CREATE FUNCTION twin_internal.require_no_part_apart(subject text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	apart record;
BEGIN
	FOR apart IN
		WITH RECURSIVE tree (root, relation) AS (SELECT s.relation::oid, s.relation::oid FROM twin.subject_columns s
				UNION SELECT t.root, i.inhrelid FROM pg_inherits i JOIN tree t ON t.relation = i.inhparent)
		SELECT t.root::regclass AS root, i.partition FROM twin_internal.retention_items i JOIN pg_class c ON c.oid = i.partition JOIN tree t ON t.relation = to_regclass(i.relation)
			WHERE i.state <> 'dropped' AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.partition AND NOT h.inhdetachpending)
		UNION
		SELECT t.root::regclass, t.relation::regclass FROM tree t JOIN pg_inherits h ON h.inhrelid = t.relation WHERE h.inhdetachpending LOOP
		IF twin_internal.subject_has_rows(apart.partition, subject, NULL, NULL, NULL, apart.root) THEN
			RAISE EXCEPTION 'a partition of "%" that is being detached has rows about the subject', apart.root USING ERRCODE = '55006',
				DETAIL = format('It is %s; nothing was erased.', apart.partition), HINT = 'Erase again when it is dropped: CALL twin.apply_retention(); ALTER TABLE ... DETACH PARTITION ... FINALIZE.';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.require_no_part_apart(text) IS 'raises 55006 where rows about a subject are in a partition that is no longer seen through its table, and not yet dropped';

/* ---- marks ---- */

CREATE FUNCTION twin_internal.need_subject_secret() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM twin_internal.wrapped_secrets w WHERE w.purpose = 'subjects') THEN
		LOCK TABLE twin_internal.wrapped_secrets IN SHARE ROW EXCLUSIVE MODE;
		PERFORM twin_internal.store_secret('subjects', 'certificates', decode(repeat('00', 32), 'hex'), w.wrapped, w.wrapping_id)
			FROM twin_internal.wrap_subject_secret() w WHERE NOT EXISTS (SELECT FROM twin_internal.wrapped_secrets o WHERE o.purpose = 'subjects');
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.need_subject_secret() IS 'makes the secret for marks of certificates where there is none yet';

CREATE FUNCTION twin.subject_digest(certificate_id uuid, subject text) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM twin_internal.check_subject(subject);
	IF certificate_id IS NULL THEN
		RAISE EXCEPTION 'a certificate has a number' USING ERRCODE = '22004';
	ELSIF NOT EXISTS (SELECT FROM twin_internal.wrapped_secrets w WHERE w.purpose = 'subjects') THEN
		RAISE EXCEPTION 'no certificate was ever made here' USING ERRCODE = '55000';
	END IF;
	RETURN encode(twin_internal.subject_mark(certificate_id, subject), 'hex');
END
$$;
COMMENT ON FUNCTION twin.subject_digest(uuid, text) IS 'the subject_digest that a certificate of erasure has if it is about this subject; needs ENCRYPTION_KEY';

REVOKE ALL ON FUNCTION twin_internal.subject_account(text), twin_internal.subject_names(text), twin_internal.subject_condition(regclass, name, text, text), twin_internal.rows_name_both(regclass, text, text),
	twin_internal.subject_columns_of(regclass), twin_internal.subject_has_rows(regclass, text, name, timestamptz, timestamptz, regclass),
	twin_internal.hold_covers(twin_internal.legal_holds, regclass, text), twin_internal.require_no_hold(text), twin_internal.require_no_part_apart(text), twin_internal.need_subject_secret(),
	twin.subject_digest(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.subject_digest(uuid, text) TO twin_admin, twin_auditor;

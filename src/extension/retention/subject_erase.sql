/*
 * subject_erase.sql
 *		What is held about a person, erased in one transaction: all of it, or nothing.
 *
 * Tables are locked against writers first, in one order: a row about him that somebody has not committed yet is waited
 * for. What was done is counted again afterwards, because triggers and rules of a table may do another thing.
 */

CREATE FUNCTION twin_internal.forget_statistics(rel regclass, columns name[]) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_forget_statistics';
COMMENT ON FUNCTION twin_internal.forget_statistics(regclass, name[]) IS 'removes what ANALYZE took down of columns of a table, of its expressions, and of several columns together, which quotes values';

/* The registered columns of one table, each overwritten in the rows of the subject that its subject column names; rows by column. */
CREATE FUNCTION twin_internal.erase_rows(rel regclass, subject text) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	targets text;	/* what is set, by column */
	matching text;	/* rows in which there is something left */
	counts text;
	nullable text;
	matched bigint;
	counted jsonb;
	done bigint;
	violated text;
	named text;
BEGIN
	SELECT s.column_name INTO named FROM twin.subject_columns s CROSS JOIN LATERAL twin_internal.subject_overwrite(rel, s.column_name) o
		WHERE s.relation = rel AND o.becomes IS NULL LIMIT 1;
	IF FOUND THEN
		/* its type, or whether it may be null, was changed since */
		RAISE EXCEPTION 'column "%" of "%" cannot be overwritten', named, rel USING ERRCODE = '0A000',
			DETAIL = 'It refuses nulls, and its type is not known to have a value that says nothing.', HINT = 'Let it be null; nothing was erased.';
	END IF;
	SELECT string_agg(format('%I = CASE WHEN %s THEN %s ELSE %1$I END', c.column_name, c.condition, c.becomes), ', ' ORDER BY c.column_name),
			string_agg(format('(%s) AND %s', c.condition, c.is_left), ' OR ' ORDER BY c.column_name),
			string_agg(format('%L, pg_catalog.count(*) FILTER (WHERE (%s) AND %s)', c.column_name, c.condition, c.is_left), ', ' ORDER BY c.column_name),
			string_agg(format('(%s) AND %s', c.condition, c.is_left), ' OR ' ORDER BY c.column_name) FILTER (WHERE c.becomes = 'NULL')
		INTO targets, matching, counts, nullable
		FROM (SELECT s.column_name, string_agg(twin_internal.subject_condition(rel, s.subject_column, subject), ' OR ' ORDER BY s.subject_column) AS condition,
				o.becomes, o.is_left
			FROM twin.subject_columns s CROSS JOIN LATERAL twin_internal.subject_overwrite(rel, s.column_name) o
			WHERE s.relation = rel GROUP BY s.column_name, o.becomes, o.is_left) c;
	counted := twin_internal.ask_as_owner(rel, format('SELECT pg_catalog.jsonb_build_object(''all rows'', pg_catalog.count(*) FILTER (WHERE %s), ''columns'', pg_catalog.jsonb_build_object(%s)) FROM %s WHERE %1$s',
		matching, counts, rel), subject);
	matched := (counted ->> 'all rows')::bigint;
	IF matched > 0 THEN
		BEGIN
			done := twin_internal.ask_as_owner(rel, format('WITH done AS (UPDATE %s SET %s WHERE %s RETURNING 1) SELECT pg_catalog.to_jsonb(pg_catalog.count(*)) FROM done',
				rel, targets, matching), subject)::bigint;
		EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
			/* what the server says of it quotes the row */
			GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME, named = COLUMN_NAME;
			RAISE EXCEPTION 'a column of "%" cannot be overwritten', rel USING ERRCODE = SQLSTATE,
				DETAIL = concat_ws(' ', 'Columns: ' || (SELECT string_agg(DISTINCT s.column_name::text, ', ') FROM twin.subject_columns s WHERE s.relation = rel) || '.',
					'The one that refuses: ' || nullif(named, '') || '.', 'Constraint: ' || nullif(violated, '') || '.'),
				HINT = 'Let the column be null, or the constraint accept what an erased one holds; nothing was erased.';
		END;
		IF done <> matched OR nullable IS NOT NULL
				AND twin_internal.ask_as_owner(rel, format('SELECT pg_catalog.to_jsonb(EXISTS (SELECT FROM %s WHERE %s))', rel, nullable), subject)::boolean THEN
			RAISE EXCEPTION 'rows of "%" were not overwritten', rel USING ERRCODE = '55000', DETAIL = 'A trigger or a rule of the table did another thing; nothing was erased.';
		END IF;
		PERFORM twin_internal.forget_statistics(rel, (SELECT array_agg(DISTINCT s.column_name) FROM twin.subject_columns s WHERE s.relation = rel));
	END IF;
	RETURN (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(counted -> 'columns') e WHERE e.value <> '0');
END
$$;
COMMENT ON FUNCTION twin_internal.erase_rows(regclass, text) IS 'overwrites the registered columns of a table in the rows about a subject, and tells of how many rows by column; raises where any of it stays';

/* The account stays, as nobody's: its number is in rows of others. Raises 42501 for whom this one may not touch. */
CREATE FUNCTION twin_internal.erase_account(subject text) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	held twin_internal.users;
	/* that nobody can have taken */
	pseudonym text := 'erased-' || gen_random_uuid();
	sessions bigint;
	attempts bigint;
	profiles bigint;
BEGIN
	IF EXISTS (SELECT FROM twin_internal.users u WHERE u.username_key = twin_internal.subject_account(subject)) THEN
		held := twin_internal.hold_user(subject, 'delete_users');
		PERFORM twin_internal.keep_an_admin(held.user_id, NULL), twin_internal.end_sessions(held.user_id), twin_internal.forget_failures_of(held.user_id);
		UPDATE twin_internal.users u SET username = pseudonym, username_key = pseudonym, email = NULL, is_active = false,
				/* well formed, and of no password */
				password_hash = '$2b$12$' || substr(encode(sha256(uuid_send(gen_random_uuid())), 'hex'), 1, 53), password_changed_at = clock_timestamp()
			WHERE u.user_id = held.user_id;
		DELETE FROM twin_internal.sessions s WHERE s.user_id = held.user_id;
		GET DIAGNOSTICS sessions = ROW_COUNT;
		DELETE FROM twin_internal.login_attempts a WHERE a.user_id = held.user_id;
		GET DIAGNOSTICS attempts = ROW_COUNT;
	END IF;
	DELETE FROM twin_internal.access_profiles p WHERE p.username IN (subject, held.username) AND NOT p.is_role;
	GET DIAGNOSTICS profiles = ROW_COUNT;
	RETURN jsonb_strip_nulls(jsonb_build_object(
		'twin.users', CASE WHEN held.user_id IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object('username', 1, 'password', 1, 'email', CASE WHEN held.email IS NOT NULL THEN 1 END)) END,
		'twin.sessions', CASE WHEN sessions > 0 THEN jsonb_build_object('rows', sessions) END,
		'logins', CASE WHEN attempts > 0 THEN jsonb_build_object('rows', attempts) END,
		'twin.access_profiles', CASE WHEN profiles > 0 THEN jsonb_build_object('rows', profiles) END));
END
$$;
COMMENT ON FUNCTION twin_internal.erase_account(text) IS 'makes the account of a subject nobody''s, with his sessions, logins and what was learned of him; rows by table';

CREATE FUNCTION twin_internal.destroy_subject_keys(of_subject text) RETURNS text[]
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	named name;
	destroyed text[] := '{}';
BEGIN
	FOR named IN DELETE FROM twin_internal.subject_keys s WHERE s.subject = of_subject RETURNING s.key_name LOOP
		/* a restore may have brought the list without the key */
		IF EXISTS (SELECT FROM twin_internal.keys k WHERE k.key_name = named) THEN
			/* values of his in archives go with it, but no archive as a whole, which others are in */
			PERFORM twin.destroy_key(named, with_archives => NOT EXISTS (SELECT FROM twin_internal.key_files f JOIN twin_internal.key_versions v USING (key_id)
				WHERE v.key_name = named AND f.is_whole));
			destroyed := destroyed || named::text;
		END IF;
	END LOOP;
	RETURN destroyed;
END
$$;
COMMENT ON FUNCTION twin_internal.destroy_subject_keys(text) IS 'destroys the keys that seal data of a subject alone, and forgets whose they were';

CREATE FUNCTION twin_internal.subject_copies() RETURNS TABLE (view regclass)
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 10 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE tree (relation) AS (SELECT s.relation::oid FROM twin.subject_columns s UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.relation = i.inhparent),
		reading (relation) AS (SELECT t.relation FROM tree t
			UNION SELECT r.ev_class FROM reading g JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = g.relation AND d.classid = 'pg_rewrite'::regclass
				JOIN pg_rewrite r ON r.oid = d.objid)
	SELECT g.relation::regclass FROM reading g JOIN pg_class c ON c.oid = g.relation WHERE c.relkind = 'm' ORDER BY g.relation;
END;
COMMENT ON FUNCTION twin_internal.subject_copies() IS 'materialized views that read registered tables, through views and each other, too';

/* What is not erased, why, and until when. */
CREATE FUNCTION twin_internal.subject_kept(subject text, names text[]) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('what', k.what, 'count', k.count, 'why', k.why, 'until', k.until)) ORDER BY k.place, k.what)
	FROM (SELECT 1 AS place, 'events of the audit log by the subject, class ' || e.class AS what, count(*) AS count,
				'sealed evidence of who did what (GDPR Art. 17(3)(b) and (e))' AS why,
				max(e.recorded_at) + (SELECT p.keep FROM twin_internal.retention_policies p WHERE p.event_class = e.class ORDER BY p.keep DESC LIMIT 1) AS until
			FROM twin_internal.event_records e WHERE e.username = ANY (names) GROUP BY e.class
		UNION ALL
		SELECT 2, 'events of the audit log by others that name the subject, and rows as they were before their columns were registered', NULL,
			'sealed evidence of who did what (GDPR Art. 17(3)(b) and (e))', clock_timestamp() + (SELECT max(p.keep) FROM twin_internal.retention_policies p WHERE p.event_class IS NOT NULL)
		UNION ALL
		SELECT 3, 'alerts', count(*), 'records of attacks on the security of processing (GDPR Art. 17(3)(e))', NULL FROM twin_internal.alerts a WHERE a.subject = ANY (names)
		UNION ALL
		SELECT 4, 'incidents', count(*), 'records of attacks on the security of processing (GDPR Art. 17(3)(e))', NULL FROM twin.incidents i WHERE i.details -> 'users' ?| names
		UNION ALL
		SELECT 5, 'legal holds that were released', count(*), 'records of legal claims (GDPR Art. 17(3)(e))', NULL FROM twin_internal.legal_holds h WHERE h.subject = ANY (names)
		UNION ALL
		SELECT 6, 'archives, which may name the subject', count(*), 'sealed evidence of what was dropped (GDPR Art. 17(3)(b) and (e))', NULL
			FROM twin_internal.retention_items r WHERE r.archive_file IS NOT NULL
		UNION ALL
		SELECT 7, 'counts of events by the subject in compliance reports, by hour and by day', NULL, 'figures of who did what (GDPR Art. 17(3)(b))', NULL
		UNION ALL
		SELECT 8, 'materialized view ' || v.view || ', which reads registered tables', NULL, 'until it is refreshed', NULL FROM twin_internal.subject_copies() v
		UNION ALL
		SELECT 9, 'versions of rows that VACUUM has not removed yet, WAL, replicas that lag, and backups', NULL, 'until they are removed, written over or expire', NULL) k
	WHERE k.count IS DISTINCT FROM 0;
END;
COMMENT ON FUNCTION twin_internal.subject_kept(text, text[]) IS 'what stays of a person whose data is erased, why, and until when where that is known';

CREATE FUNCTION twin.erase_subject(subject text, reason text) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	certificate uuid := gen_random_uuid();
	names text[];
	rel regclass;
	rows jsonb;
	erased jsonb := '{}';
	destroyed text[];
	kept jsonb;
	digest text;
	details jsonb;
BEGIN
	PERFORM twin_internal.check_subject(erase_subject.subject);
	IF erase_subject.reason IS NULL OR btrim(erase_subject.reason) = '' OR octet_length(erase_subject.reason) > 1000 THEN
		RAISE EXCEPTION 'a person is erased for a reason' USING ERRCODE = '22023', HINT = 'reason has 1 to 1000 bytes.';
	ELSIF position(lower(erase_subject.subject) IN lower(erase_subject.reason)) > 0 THEN
		RAISE EXCEPTION 'the reason names the subject' USING ERRCODE = '22023', DETAIL = 'It stays in the audit log.', HINT = 'Refer to the request by its number.';
	ELSIF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE EXCEPTION 'a person is erased in a transaction that sees what others commit' USING ERRCODE = '25001', HINT = 'Its isolation level must be READ COMMITTED.';
	END IF;
	/* no hold is placed, no column registered and no row written until this is over */
	LOCK TABLE twin_internal.legal_holds, twin_internal.subject_columns IN SHARE MODE;
	LOCK TABLE twin_internal.subject_keys IN SHARE ROW EXCLUSIVE MODE;
	FOR rel IN SELECT DISTINCT s.relation FROM twin.subject_columns s ORDER BY s.relation LOOP
		EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', rel);
	END LOOP;
	PERFORM twin_internal.require_no_hold(erase_subject.subject), twin_internal.require_no_part_apart(erase_subject.subject), twin_internal.need_subject_secret();
	digest := encode(twin_internal.subject_mark(certificate, erase_subject.subject), 'hex');
	names := twin_internal.subject_names(erase_subject.subject);
	kept := twin_internal.subject_kept(erase_subject.subject, names);
	FOR rel IN SELECT DISTINCT s.relation FROM twin.subject_columns s ORDER BY s.relation LOOP
		rows := twin_internal.erase_rows(rel, erase_subject.subject);
		IF rows <> '{}' THEN
			erased := erased || jsonb_build_object(rel::text, rows);
		END IF;
	END LOOP;
	erased := erased || twin_internal.erase_account(erase_subject.subject);
	destroyed := twin_internal.destroy_subject_keys(erase_subject.subject);
	details := jsonb_build_object('certificate_id', certificate, 'subject_digest', digest, 'reason', erase_subject.reason, 'erased', erased, 'keys_destroyed', destroyed);
	IF octet_length(details::text) > 5000 THEN
		/* of very many tables the sum, and what the whole list is recognised by */
		details := details || jsonb_build_object('erased', jsonb_build_object('tables', (SELECT count(*) FROM jsonb_object_keys(erased)),
			'rows', (SELECT sum(c.value::bigint) FROM jsonb_each(erased) t, jsonb_each(t.value) c), 'sha256', encode(sha256(convert_to(erased::text, 'UTF8')), 'hex')),
			'keys_destroyed', cardinality(destroyed));
	END IF;
	PERFORM twin_internal.write_certificate(details);
	RETURN jsonb_build_object('certificate_id', certificate, 'subject_digest', digest, 'erased', erased, 'keys_destroyed', destroyed, 'kept', kept, 'at', clock_timestamp());
END
$$;
COMMENT ON FUNCTION twin.erase_subject(text, text) IS
	'erases one person, all or nothing: overwrites the registered columns of his rows, destroys his keys, makes his account nobody''s; refused under a legal hold; leaves a sealed certificate that names him by a digest. Returns what was erased, and what stays and why';

REVOKE ALL ON FUNCTION twin_internal.forget_statistics(regclass, name[]), twin_internal.subject_copies(), twin_internal.erase_rows(regclass, text), twin_internal.erase_account(text), twin_internal.destroy_subject_keys(text),
	twin_internal.subject_kept(text, text[]), twin.erase_subject(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.erase_subject(text, text) TO twin_admin;

/*
 * subject_export.sql
 *		All that is held about a person, as JSON.
 */

/* What nobody opens any more, because its key is gone or the wrong one is there, is as sealed as what the caller may not open. */
CREATE FUNCTION twin_internal.opened_or_sealed(armor text, type oid, modifier integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN CASE WHEN armor IS NULL THEN 'null' ELSE coalesce(to_jsonb(twin_internal.open_for_caller(armor, type, modifier)), '{"sealed": true}') END;
EXCEPTION WHEN OTHERS THEN
	IF SQLSTATE LIKE 'TW1__' THEN
		RETURN '{"sealed": true}';
	END IF;
	RAISE;
END
$$;
COMMENT ON FUNCTION twin_internal.opened_or_sealed(text, oid, integer) IS 'a value of an encrypted column as the caller sees it: open, or that it is sealed';

/* The registered columns of one table, and those that name persons, in the rows about a subject. */
CREATE FUNCTION twin_internal.export_rows(rel regclass, subject text) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	conditions text;
	columns text;
	sealed jsonb;	/* encrypted columns: type and modifier */
	rows jsonb;
BEGIN
	SELECT string_agg(twin_internal.subject_condition(rel, c.name, subject), ' OR ') INTO conditions FROM unnest(twin_internal.subject_columns_of(rel)) c (name);
	SELECT string_agg(format('%L, %I', a.attname, a.attname), ', ' ORDER BY a.attnum),
			coalesce(jsonb_object_agg(a.attname, jsonb_build_array(a.atttypid::bigint, a.atttypmod)) FILTER (WHERE twin_internal.sealed_type(p.plain) IS NOT NULL), '{}')
		INTO columns, sealed
		FROM pg_attribute a CROSS JOIN LATERAL twin_internal.plain_type(a.atttypid) p
		WHERE a.attrelid = rel AND NOT a.attisdropped
			AND a.attname IN (SELECT unnest(ARRAY[s.column_name, s.subject_column]) FROM twin.subject_columns s WHERE s.relation = rel);
	rows := twin_internal.ask_as_owner(rel, format('SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(%s)) FROM %s WHERE %s',
		columns, rel, conditions), subject);
	IF sealed <> '{}' THEN
		SELECT jsonb_agg(r.row || o.opened ORDER BY r.place) INTO rows FROM jsonb_array_elements(rows) WITH ORDINALITY r (row, place)
			CROSS JOIN LATERAL (SELECT jsonb_object_agg(s.key, twin_internal.opened_or_sealed(r.row ->> s.key, (s.value ->> 0)::oid, (s.value ->> 1)::integer)) AS opened
				FROM jsonb_each(sealed) s) o;
	END IF;
	RETURN rows;
END
$$;
COMMENT ON FUNCTION twin_internal.export_rows(regclass, text) IS 'registered columns of a table in the rows about a subject; sealed ones opened where the caller may; null for no row';

CREATE FUNCTION twin_internal.export_account(subject text) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	account twin_internal.users;
	sealed record;
BEGIN
	SELECT u.* INTO account FROM twin_internal.users u WHERE u.username_key = twin_internal.subject_account(subject);
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	SELECT a.atttypid, a.atttypmod INTO sealed FROM pg_attribute a WHERE a.attrelid = 'twin_internal.users'::regclass AND a.attname = 'email';
	RETURN jsonb_build_object('user_id', account.user_id, 'username', account.username,
		'email', twin_internal.opened_or_sealed(to_jsonb(account.email) #>> '{}', sealed.atttypid, sealed.atttypmod),
		'role', account.role_name, 'tenant_id', account.tenant_id, 'is_active', account.is_active, 'created_at', account.created_at,
		'password_changed_at', account.password_changed_at,
		'sessions', (SELECT coalesce(jsonb_agg(jsonb_build_object('created_at', s.created_at, 'last_used_at', s.last_used_at, 'expires_at', s.expires_at,
			'client_address', s.client_address, 'user_agent', s.user_agent) ORDER BY s.created_at), '[]') FROM twin_internal.sessions s WHERE s.user_id = account.user_id),
		'logins', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', a.attempted_at, 'succeeded', a.succeeded) ORDER BY a.attempted_at), '[]')
			FROM twin_internal.login_attempts a WHERE a.user_id = account.user_id));
END
$$;
COMMENT ON FUNCTION twin_internal.export_account(text) IS 'the account of a subject with its sessions and logins, without secrets; null for none';

CREATE FUNCTION twin_internal.export_events(names text[]) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object('count', (SELECT count(*) FROM twin_internal.event_records e WHERE e.username = ANY (names)),
		'newest', (SELECT coalesce(jsonb_agg(to_jsonb(n) ORDER BY n.event_time DESC, n.event_id DESC), '[]')
			FROM (SELECT e.event_id, e.event_time, e.class, e.event_type, e.outcome, e.action, e.resource, e.record_id, e.client_address, e.application_name, e.details
				FROM twin_internal.event_records e WHERE e.username = ANY (names) ORDER BY e.event_time DESC, e.event_id DESC LIMIT 1000) n),
		'more', 'all of them: SELECT * FROM twin.audit_log WHERE username = ...');
END;
COMMENT ON FUNCTION twin_internal.export_events(text[]) IS 'how many events of the log are by somebody, and the newest thousand';

CREATE FUNCTION twin.export_subject(subject text) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	export uuid := gen_random_uuid();
	names text[];
	rel regclass;
	rows jsonb;
	tables jsonb := '{}';
	result jsonb;
BEGIN
	PERFORM twin_internal.check_subject(export_subject.subject);
	/* where nothing can be written, a secret that is there is used */
	IF twin_internal.master_key_present() AND NOT current_setting('transaction_read_only')::boolean THEN
		PERFORM twin_internal.need_subject_secret();
	END IF;
	names := twin_internal.subject_names(export_subject.subject);
	FOR rel IN SELECT DISTINCT s.relation FROM twin.subject_columns s ORDER BY s.relation LOOP
		rows := twin_internal.export_rows(rel, export_subject.subject);
		IF rows IS NOT NULL THEN
			tables := tables || jsonb_build_object(rel::text, rows);
		END IF;
	END LOOP;
	result := jsonb_build_object('export_id', export, 'subject', export_subject.subject, 'at', clock_timestamp(), 'tables', tables,
		'account', twin_internal.export_account(export_subject.subject), 'audit_events', twin_internal.export_events(names),
		'alerts', (SELECT coalesce(jsonb_agg(jsonb_build_object('alert_id', a.alert_id, 'rule', a.rule_name, 'raised_at', a.raised_at, 'severity', a.severity,
			'count', a.count, 'details', a.details) ORDER BY a.alert_id), '[]') FROM twin_internal.alerts a WHERE a.subject = ANY (names)),
		'incidents', (SELECT coalesce(jsonb_agg(jsonb_build_object('incident_id', i.incident_id, 'type', i.incident_type, 'status', i.status, 'opened_at', i.opened_at)
			ORDER BY i.incident_id), '[]') FROM twin.incidents i WHERE i.details -> 'users' ?| names),
		'access_profile', (SELECT to_jsonb(p) FROM (SELECT p.since, p.windows, p.last_active FROM twin_internal.access_profiles p
			WHERE p.username = ANY (names) AND NOT p.is_role LIMIT 1) p),
		'keys', (SELECT coalesce(jsonb_agg(k.key_name ORDER BY k.key_name), '[]') FROM twin_internal.subject_keys k WHERE k.subject = export_subject.subject));
	/* whose data it was: who knows that already can check it */
	PERFORM twin_internal.emit_event('subject_exported', NULL, 'export_subject', jsonb_strip_nulls(jsonb_build_object('export_id', export,
		'subject_digest', CASE WHEN twin_internal.master_key_present() AND EXISTS (SELECT FROM twin_internal.wrapped_secrets w WHERE w.purpose = 'subjects') THEN encode(twin_internal.subject_mark(export, export_subject.subject), 'hex') END,
		'tables', (SELECT count(*) FROM jsonb_object_keys(tables)))), 'medium');
	RETURN result;
EXCEPTION WHEN program_limit_exceeded THEN
	RAISE EXCEPTION 'what is held about the subject is too much for one value' USING ERRCODE = '54000', HINT = 'Read the tables of twin.subject_columns one by one.';
END
$$;
COMMENT ON FUNCTION twin.export_subject(text) IS
	'all that is held about one person: registered columns of his rows (sealed ones opened as far as the caller may decrypt), his account, sessions, logins, the newest thousand events by him, alerts, incidents';

REVOKE ALL ON FUNCTION twin_internal.opened_or_sealed(text, oid, integer), twin_internal.export_rows(regclass, text), twin_internal.export_account(text), twin_internal.export_events(text[]),
	twin.export_subject(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.export_subject(text) TO twin_admin;

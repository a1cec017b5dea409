/*
 * subject_register.sql
 *		Where data of persons lies, said once; and what becomes of that when tables are altered or dropped.
 */

CREATE FUNCTION twin_internal.check_subject(subject text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	/* never quoted: whoever it is, it is nothing for a log of errors */
	IF subject IS NULL OR btrim(subject) = '' OR octet_length(subject) > 1000 THEN
		RAISE EXCEPTION 'a subject has 1 to 1000 bytes' USING ERRCODE = '22023';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_subject(text) IS 'raises 22023 for what cannot name a person';

/* What an overwritten column holds where it cannot be null: of a type's values the one that says least. */
CREATE FUNCTION twin_internal.empty_value(type regtype) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN t.typcategory = 'A' THEN '{}' WHEN t.typtype = 'e' THEN NULL WHEN t.oid = 'bytea'::regtype THEN ''
		WHEN t.oid IN ('json'::regtype, 'jsonb'::regtype) THEN '{}' WHEN t.oid = 'uuid'::regtype THEN '00000000-0000-0000-0000-000000000000'
		WHEN t.typnamespace <> 'pg_catalog'::regnamespace AND t.typcategory <> 'S' THEN NULL
		WHEN t.typcategory = 'S' THEN '' WHEN t.typcategory = 'N' AND t.oid <> 'money'::regtype THEN '0' WHEN t.typcategory = 'B' THEN 'false'
		WHEN t.oid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN 'epoch' WHEN t.oid = 'interval'::regtype THEN '0'
		WHEN t.oid = 'inet'::regtype THEN '0.0.0.0' WHEN t.oid = 'cidr'::regtype THEN '0.0.0.0/32' END
	FROM pg_type t WHERE t.oid = type;
END;
COMMENT ON FUNCTION twin_internal.empty_value(regtype) IS 'a value of a type that says nothing, as text; null for types that are not known to have one';

/* A domain's own type, at the end of domains over domains; whether one of them refuses nulls. */
CREATE FUNCTION twin_internal.plain_type(type oid, OUT plain oid, OUT refuses_null boolean) RETURNS record
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE chain (oid, base, refuses, depth) AS (
		SELECT t.oid, t.typbasetype, t.typtype = 'd' AND t.typnotnull, 0 FROM pg_type t WHERE t.oid = type
		UNION ALL SELECT t.oid, t.typbasetype, c.refuses OR t.typtype = 'd' AND t.typnotnull, c.depth + 1 FROM chain c JOIN pg_type t ON t.oid = c.base
	)
	SELECT c.oid, c.refuses FROM chain c ORDER BY c.depth DESC LIMIT 1;
END;
COMMENT ON FUNCTION twin_internal.plain_type(oid) IS 'what a domain is of, and whether it refuses nulls; any other type is itself';

/* Of an encrypted type what its values are inside; null for any other type. */
CREATE FUNCTION twin_internal.sealed_type(type oid) RETURNS regtype
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT p.prorettype::regtype FROM pg_proc p
		WHERE p.pronamespace = 'twin'::regnamespace AND p.proname = 'decrypt' AND p.pronargs = 1 AND p.proargtypes[0] = type;
END;
COMMENT ON FUNCTION twin_internal.sealed_type(oid) IS 'what values of an encrypted type are inside; null for any other type';

/* What a column is overwritten with, as an expression; what tells a row in which there is something left to overwrite. */
CREATE FUNCTION twin_internal.subject_overwrite(rel regclass, column_name name, OUT becomes text, OUT is_left text) RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	col record;
	inside regtype;
	nothing text;
	formatted text;
BEGIN
	SELECT a.attnum, a.attnotnull OR p.refuses_null AS refuses_null, a.atttypid, a.atttypmod, p.plain, t.typcategory INTO col
		FROM pg_attribute a CROSS JOIN LATERAL twin_internal.plain_type(a.atttypid) p JOIN pg_type t ON t.oid = p.plain
		WHERE a.attrelid = rel AND a.attname = subject_overwrite.column_name AND a.attnum > 0 AND NOT a.attisdropped;
	IF NOT col.refuses_null THEN
		becomes := 'NULL';
		/* a row is not null in the sense of IS NOT NULL only where none of its fields is */
		is_left := format('%I IS DISTINCT FROM NULL', column_name);
		RETURN;
	END IF;
	formatted := format_type(col.atttypid, col.atttypmod);
	inside := twin_internal.sealed_type(col.plain);
	nothing := twin_internal.empty_value(coalesce(inside, col.plain));
	IF nothing IS NULL THEN
		RETURN;
	ELSIF coalesce(inside, col.plain) IN ('text'::regtype, 'varchar'::regtype)
		AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = rel AND i.indisunique AND col.attnum = ANY (i.indkey)) THEN
		/* one that no other row has */
		becomes := format('pg_catalog.concat(''erased-'', pg_catalog.gen_random_uuid())::%s', formatted);
		is_left := 'true';
	ELSIF inside IS NOT NULL THEN
		becomes := format('%L::%s::%s', nothing, inside, formatted);
		is_left := 'true';
	ELSE
		becomes := format('%L::%s', nothing, formatted);
		is_left := format('%I::text IS DISTINCT FROM (%s)::text', column_name, becomes);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.subject_overwrite(regclass, name) IS 'how a column is overwritten: with null, or with what says least of its type; null where the type is not known to have that';

CREATE FUNCTION twin_internal.check_subject_column(rel regclass, column_name name, subject_column name) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	what record;
	col record;
	bad name;
BEGIN
	SELECT c.relkind, c.relpersistence, n.nspname INTO what FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = rel;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'relation with OID % does not exist', rel::oid USING ERRCODE = '42P01';
	ELSIF what.relkind NOT IN ('r', 'p') OR what.relpersistence = 't' THEN
		RAISE EXCEPTION '"%" is not a table that data of persons is looked for in', rel USING ERRCODE = '42809',
			HINT = CASE WHEN what.relkind = 'v' THEN 'Register columns of the tables that the view reads.' ELSE 'Tables and partitioned tables are, temporary and foreign ones are not.' END;
	ELSIF what.nspname IN ('pg_catalog', 'information_schema', 'pg_toast', 'twin', 'twin_internal') THEN
		RAISE EXCEPTION '"%" belongs to the system', rel USING ERRCODE = '42501';
	ELSIF NOT twin_internal.caller_owns(rel) THEN
		RAISE EXCEPTION 'must be owner of table %', rel USING ERRCODE = '42501', DETAIL = 'What is registered can be erased and given out.';
	ELSIF EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = rel) THEN
		RAISE EXCEPTION '"%" is a part of another table', rel USING ERRCODE = '42809', HINT = 'Register the column of the table it is a part of.';
	END IF;
	SELECT w.name INTO bad FROM unnest(ARRAY[column_name, subject_column]) w (name) WHERE NOT EXISTS (SELECT FROM pg_attribute a
		WHERE a.attrelid = rel AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'column "%" of "%" does not exist', bad, rel USING ERRCODE = '42703';
	END IF;
	SELECT a.attgenerated, a.attidentity, EXISTS (SELECT FROM pg_partitioned_table p WHERE p.partrelid = rel AND a.attnum = ANY (p.partattrs)) AS of_key INTO col
		FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = check_subject_column.column_name;
	IF col.attgenerated <> '' OR col.attidentity = 'a' OR col.of_key THEN
		RAISE EXCEPTION 'column "%" of "%" cannot be overwritten', column_name, rel USING ERRCODE = '0A000',
			DETAIL = CASE WHEN col.of_key THEN 'The table is partitioned by it.' ELSE 'It is generated always.' END,
			HINT = CASE WHEN col.attgenerated <> '' THEN 'Register the columns that it is made of.' ELSE 'Register columns that an UPDATE may change.' END;
	ELSIF (SELECT o.becomes FROM twin_internal.subject_overwrite(rel, column_name) o) IS NULL THEN
		RAISE EXCEPTION 'column "%" of "%" cannot be overwritten', column_name, rel USING ERRCODE = '0A000',
			DETAIL = 'It refuses nulls, and its type is not known to have a value that says nothing.', HINT = 'Let it be null.';
	ELSIF (SELECT s.sealed IS NOT NULL AND NOT EXISTS (SELECT FROM pg_operator o WHERE o.oprname = '=' AND o.oprleft = s.plain AND o.oprright = s.plain)
			FROM (SELECT p.plain, twin_internal.sealed_type(p.plain) AS sealed FROM pg_attribute a CROSS JOIN LATERAL twin_internal.plain_type(a.atttypid) p
				WHERE a.attrelid = rel AND a.attname = subject_column) s) THEN
		RAISE EXCEPTION 'column "%" of "%" names nobody: it is encrypted, and has no equality', subject_column, rel USING ERRCODE = '42804',
			HINT = 'Its type with equality ends in _eq; twin.encrypt_column() makes one of it.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_subject_column(regclass, name, name) IS 'raises where a column cannot be registered as data of whoever another one names';

CREATE FUNCTION twin.register_subject_column(rel regclass, column_name name, subject_column name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF rel IS NULL OR register_subject_column.column_name IS NULL OR register_subject_column.subject_column IS NULL THEN
		RAISE EXCEPTION 'an argument of register_subject_column() is null' USING ERRCODE = '22004';
	END IF;
	PERFORM twin_internal.check_subject_column(rel, register_subject_column.column_name, register_subject_column.subject_column);
	/* an erasure that is under way sees all of the list; whoever writes into the table from here on knows of it, and writes no more of it into the log */
	LOCK TABLE twin_internal.subject_columns IN SHARE UPDATE EXCLUSIVE MODE;
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', rel);
	PERFORM twin_internal.check_subject_column(rel, register_subject_column.column_name, register_subject_column.subject_column);
	INSERT INTO twin_internal.subject_columns AS s (relation, column_name, subject_column)
		VALUES (rel, register_subject_column.column_name, register_subject_column.subject_column)
		ON CONFLICT ON CONSTRAINT subject_columns_pkey DO UPDATE SET dropped_in = NULL WHERE s.dropped_in IS NOT NULL;
	IF FOUND THEN
		IF NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
				WHERE i.indrelid = rel AND a.attname = register_subject_column.subject_column AND i.indisvalid AND i.indpred IS NULL) THEN
			RAISE NOTICE 'column "%" of "%" has no index: erasing somebody reads the whole table, and nobody writes to it meanwhile', register_subject_column.subject_column, rel
				USING HINT = format('CREATE INDEX ON %s (%I)', rel, register_subject_column.subject_column);
		END IF;
		PERFORM twin_internal.emit_event('subject_column_registered', rel::text, 'register_subject_column',
			jsonb_build_object('column', register_subject_column.column_name, 'subject_column', register_subject_column.subject_column), 'medium');
	END IF;
END
$$;
COMMENT ON FUNCTION twin.register_subject_column(regclass, name, name) IS
	'from now on a column is data of the person whom another one of its row names: the log has digests of it, it is given out and erased for him; the caller must own the table';

CREATE FUNCTION twin.unregister_subject_column(rel regclass, column_name name, subject_column name DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT twin_internal.caller_owns(rel) THEN
		RAISE EXCEPTION 'must be owner of table %', rel USING ERRCODE = '42501';
	END IF;
	DELETE FROM twin_internal.subject_columns s WHERE s.relation = rel AND s.column_name = unregister_subject_column.column_name
		AND s.subject_column = coalesce(unregister_subject_column.subject_column, s.subject_column);
	IF NOT FOUND THEN
		RAISE EXCEPTION 'column "%" of "%" is not registered', unregister_subject_column.column_name, rel USING ERRCODE = '42704', HINT = 'See twin.subject_columns.';
	END IF;
	PERFORM twin_internal.emit_event('subject_column_unregistered', rel::text, 'unregister_subject_column',
		jsonb_strip_nulls(jsonb_build_object('column', unregister_subject_column.column_name, 'subject_column', unregister_subject_column.subject_column)), 'high');
END
$$;
COMMENT ON FUNCTION twin.unregister_subject_column(regclass, name, name) IS 'a column is no data of persons any more; the log has its values from now on; the caller must own the table';

CREATE FUNCTION twin.register_subject_key(subject text, key_name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target record;
BEGIN
	PERFORM twin_internal.check_subject(register_subject_key.subject);
	SELECT k.key_name, k.kind INTO target FROM twin_internal.keys k WHERE k.key_name::text = register_subject_key.key_name;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'key "%" does not exist', register_subject_key.key_name USING ERRCODE = '42704', HINT = 'See twin.keys, or create it with twin.create_key().';
	ELSIF target.kind <> 'data' OR target.key_name = 'main' THEN
		RAISE EXCEPTION 'key "%" is everybody''s', target.key_name USING ERRCODE = '22023', HINT = 'A key of one person alone is made with twin.create_key().';
	ELSIF length(register_subject_key.subject) > 2 AND position(lower(register_subject_key.subject) IN target.key_name::text) > 0 THEN
		RAISE EXCEPTION 'the name of the key names the person' USING ERRCODE = '22023', DETAIL = 'It stays when the key is destroyed.', HINT = 'Give keys of persons names that say nothing.';
	END IF;
	INSERT INTO twin_internal.subject_keys AS s (key_name, subject) VALUES (target.key_name, register_subject_key.subject) ON CONFLICT DO NOTHING;
	IF FOUND THEN
		PERFORM twin_internal.emit_event('subject_key_registered', target.key_name, 'register_subject_key', severity => 'medium');
	ELSIF (SELECT s.subject FROM twin_internal.subject_keys s WHERE s.key_name = target.key_name) IS DISTINCT FROM register_subject_key.subject THEN
		RAISE EXCEPTION 'key "%" is registered for another person', target.key_name USING ERRCODE = '42710';
	END IF;
END
$$;
COMMENT ON FUNCTION twin.register_subject_key(text, text) IS 'a key seals data of one person and of nobody else: erasing him destroys it, with all that it sealed';

CREATE FUNCTION twin.unregister_subject_key(key_name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM twin_internal.subject_keys s WHERE s.key_name::text = unregister_subject_key.key_name;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'key "%" is registered for nobody', unregister_subject_key.key_name USING ERRCODE = '42704', HINT = 'See twin.subject_keys.';
	END IF;
	PERFORM twin_internal.emit_event('subject_key_unregistered', unregister_subject_key.key_name, 'unregister_subject_key', severity => 'high');
END
$$;
COMMENT ON FUNCTION twin.unregister_subject_key(text) IS 'a key is not one person''s any more, and stays when he is erased';

/* ---- tables that are altered ---- */

CREATE FUNCTION twin_internal.follow_subject_columns() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
	back record;
BEGIN
	/* nearly always there is nothing to do: commands take no lock on the list that an erasure would wait for */
	IF NOT EXISTS (SELECT FROM twin_internal.subject_columns s LEFT JOIN pg_attribute a ON a.attrelid = s.relation AND a.attnum = s.column_number
			LEFT JOIN pg_attribute b ON b.attrelid = s.relation AND b.attnum = s.subject_number
			WHERE s.dropped_in IS NOT NULL OR (a.attname, b.attname) IS DISTINCT FROM (s.column_name, s.subject_column)) THEN
		RETURN;
	END IF;
	/* twin.encrypt_column() drops a column and gives its name to another */
	FOR back IN UPDATE twin_internal.subject_columns s SET dropped_in = NULL
			WHERE s.dropped_in = pg_current_xact_id_if_assigned() AND 2 = (SELECT count(*) FROM unnest(ARRAY[s.column_name, s.subject_column]) WITH ORDINALITY n (name, place)
				JOIN pg_attribute a ON a.attrelid = s.relation AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped)
			RETURNING s.relation, s.column_name, s.subject_column LOOP
		PERFORM twin_internal.emit_event('subject_column_registered', back.relation::text, 'rename',
			jsonb_build_object('column', back.column_name, 'subject_column', back.subject_column), 'medium');
	END LOOP;
	DELETE FROM twin_internal.subject_columns s WHERE s.dropped_in <> pg_current_xact_id();
	UPDATE twin_internal.subject_columns s SET column_name = a.attname, subject_column = b.attname FROM pg_attribute a, pg_attribute b
		WHERE s.dropped_in IS NULL AND a.attrelid = s.relation AND a.attnum = s.column_number AND NOT a.attisdropped
			AND b.attrelid = s.relation AND b.attnum = s.subject_number AND NOT b.attisdropped AND (a.attname, b.attname) <> (s.column_name, s.subject_column);
END
$$;
COMMENT ON FUNCTION twin_internal.follow_subject_columns() IS 'keeps columns registered that are renamed';
CREATE EVENT TRIGGER twin_security_follow_subjects ON ddl_command_end EXECUTE FUNCTION twin_internal.follow_subject_columns();
COMMENT ON EVENT TRIGGER twin_security_follow_subjects IS 'keeps columns registered that are renamed';
ALTER EVENT TRIGGER twin_security_follow_subjects ENABLE ALWAYS;

CREATE FUNCTION twin_internal.subject_column_dropped() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gone record;
BEGIN
	FOR gone IN SELECT s.relation, s.column_name, s.subject_column, d.address_names[1] AS in_schema, d.address_names[2] AS table_name, d.object_type
			FROM pg_event_trigger_dropped_objects() d JOIN twin_internal.subject_columns s ON s.relation = d.objid
			WHERE d.classid = 'pg_class'::regclass AND (d.objsubid = 0 OR d.objsubid IN (s.column_number, s.subject_number)) LOOP
		IF gone.object_type = 'table' THEN
			DELETE FROM twin_internal.subject_columns s WHERE s.relation = gone.relation;
		ELSE
			UPDATE twin_internal.subject_columns s SET dropped_in = pg_current_xact_id()
				WHERE (s.relation, s.column_name, s.subject_column) = (gone.relation, gone.column_name, gone.subject_column) AND s.dropped_in IS NULL;
		END IF;
		IF FOUND OR gone.object_type = 'table' THEN
			PERFORM twin_internal.emit_event('subject_column_unregistered', format('%I.%I', gone.in_schema, gone.table_name), 'drop',
				jsonb_build_object('column', gone.column_name, 'subject_column', gone.subject_column), CASE gone.object_type WHEN 'table' THEN 'medium' ELSE 'high' END);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.subject_column_dropped() IS 'forgets registered columns that are dropped, alone or with their table';
CREATE EVENT TRIGGER twin_security_subject_column_dropped ON sql_drop EXECUTE FUNCTION twin_internal.subject_column_dropped();
COMMENT ON EVENT TRIGGER twin_security_subject_column_dropped IS 'forgets registered columns that are dropped';
ALTER EVENT TRIGGER twin_security_subject_column_dropped ENABLE ALWAYS;

REVOKE ALL ON FUNCTION twin_internal.check_subject(text), twin_internal.empty_value(regtype), twin_internal.plain_type(oid), twin_internal.sealed_type(oid),
	twin_internal.subject_overwrite(regclass, name), twin_internal.check_subject_column(regclass, name, name), twin_internal.follow_subject_columns(),
	twin_internal.subject_column_dropped(), twin.register_subject_column(regclass, name, name), twin.unregister_subject_column(regclass, name, name),
	twin.register_subject_key(text, text), twin.unregister_subject_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.register_subject_column(regclass, name, name), twin.unregister_subject_column(regclass, name, name),
	twin.register_subject_key(text, text), twin.unregister_subject_key(text) TO twin_admin;

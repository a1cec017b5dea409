/*
 * audited.sql
 *		Audited tables: which they are, their triggers, and what becomes of these when tables are altered or dropped.
 */

/* Columns are known by number here, so that a rename is followed, and by name in a dump. */
CREATE TABLE twin_internal.audited_tables (
	relation regclass PRIMARY KEY,
	skip_columns name[] NOT NULL,
	digest_columns name[] NOT NULL,
	mode text NOT NULL CHECK (mode IN ('image', 'digest')),
	reads boolean NOT NULL,
	skip_numbers smallint[] NOT NULL,
	digest_numbers smallint[] NOT NULL,
	audited_since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE twin_internal.audited_tables IS 'tables whose changes are recorded; partitions belong to the table that is named here';
SELECT pg_catalog.pg_extension_config_dump('twin_internal.audited_tables', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');

CREATE FUNCTION twin_internal.audited_tables_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_audited_tables_changed';
COMMENT ON FUNCTION twin_internal.audited_tables_changed() IS 'tells every session to read again what is audited';
CREATE TRIGGER audited_tables_changed AFTER INSERT OR UPDATE OR DELETE ON twin_internal.audited_tables
	FOR EACH ROW EXECUTE FUNCTION twin_internal.audited_tables_changed();
CREATE TRIGGER audited_tables_emptied AFTER TRUNCATE ON twin_internal.audited_tables
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.audited_tables_changed();

/* Who may write into any table, and is no superuser, does not decide what is audited: audit_table() runs as its owner. */
CREATE FUNCTION twin_internal.keep_audited_tables() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
		RAISE EXCEPTION 'what is audited is not edited' USING ERRCODE = '42501', HINT = 'Call twin.audit_table() or twin.unaudit_table().';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.keep_audited_tables() IS 'refuses changes of the list of audited tables to who is no superuser, pg_write_all_data or not';
CREATE TRIGGER keep_audited_tables BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin_internal.audited_tables
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.keep_audited_tables();
ALTER TABLE twin_internal.audited_tables ENABLE ALWAYS TRIGGER keep_audited_tables;

CREATE FUNCTION twin_internal.number_audited_columns() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	NEW.skip_numbers := ARRAY(SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = NEW.relation AND a.attname = ANY (NEW.skip_columns)
		AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1);
	NEW.digest_numbers := ARRAY(SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = NEW.relation AND a.attname = ANY (NEW.digest_columns)
		AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.number_audited_columns() IS 'finds the numbers of the columns that are named, in a restored database too';
CREATE TRIGGER number_audited_columns BEFORE INSERT OR UPDATE ON twin_internal.audited_tables
	FOR EACH ROW EXECUTE FUNCTION twin_internal.number_audited_columns();
ALTER TABLE twin_internal.audited_tables ENABLE ALWAYS TRIGGER audited_tables_changed, ENABLE ALWAYS TRIGGER audited_tables_emptied,
	ENABLE ALWAYS TRIGGER number_audited_columns;

CREATE FUNCTION twin_internal.audit_statement() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_audit_statement';
COMMENT ON FUNCTION twin_internal.audit_statement() IS 'records what a statement did to an audited table';
CREATE FUNCTION twin_internal.audit_row() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_audit_row';
COMMENT ON FUNCTION twin_internal.audit_row() IS 'records what became of a row of an audited table where session_replication_role is replica, as in a subscription';
CREATE FUNCTION twin_internal.is_preloaded() RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsec_is_preloaded';
COMMENT ON FUNCTION twin_internal.is_preloaded() IS 'whether the library came with the server''s start';

CREATE FUNCTION twin_internal.audit_triggers() RETURNS TABLE(name text, calls regprocedure, type smallint, fires "char", of_partitioned boolean)
	LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 5 AS 'MODULE_PATHNAME', 'tsec_audit_triggers';
COMMENT ON FUNCTION twin_internal.audit_triggers() IS 'triggers of an audited table: what they call, their tgtype and tgenabled, and whether partitioned tables have them, too';
CREATE FUNCTION twin_internal.add_audit_trigger(rel regclass, name text) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_add_audit_trigger';
COMMENT ON FUNCTION twin_internal.add_audit_trigger(regclass, text) IS 'gives an audited table one of its triggers';
CREATE FUNCTION twin_internal.drop_audit_triggers(rel regclass) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_drop_audit_triggers';
CREATE FUNCTION twin_internal.mend_audit_triggers(rel regclass) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_mend_audit_triggers';
COMMENT ON FUNCTION twin_internal.mend_audit_triggers(regclass) IS 'has triggers that audit a table, and are not disabled, fire when they should: ENABLE TRIGGER ALL forgets when that is';
COMMENT ON FUNCTION twin_internal.drop_audit_triggers(regclass) IS 'takes the triggers that audit it from a table; a critical event while it is audited';

/* Adds what is missing to a table and all its partitions. */
CREATE FUNCTION twin_internal.add_audit_triggers(rel regclass) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT twin_internal.add_audit_trigger(c.oid, m.name) FROM pg_catalog.pg_class c CROSS JOIN twin_internal.audit_triggers() m
			WHERE (c.oid = rel OR c.oid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree(rel) t))
				AND (c.relkind = 'r' OR c.relkind = 'p' AND m.of_partitioned)
				AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = m.name AND t.tgfoid = m.calls)
			ORDER BY c.oid;
	END;
COMMENT ON FUNCTION twin_internal.add_audit_triggers(regclass) IS 'gives a table and its partitions the triggers that audit them';

/* Whoever changes what is audited, by our functions or past them, it is told here: in the second case as what it is. */
CREATE FUNCTION twin_internal.tell_audited_tables() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
	details jsonb;
	weight text;
	callers text;
	by_hand boolean;
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		PERFORM twin_internal.emit_event('audit_disabled', 'twin_internal.audited_tables', 'truncate', severity => 'critical');
		RETURN NULL;
	END IF;
	GET DIAGNOSTICS callers = PG_CONTEXT;
	by_hand := callers !~ 'twin"?[.]"?(un)?audit_table"?[(]|twin_internal"?[.]"?(follow_audited_tables|audited_dropped)"?[(]';
	/* a table that is dropped tells that itself */
	IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND OLD.relation <> NEW.relation THEN
		IF EXISTS (SELECT FROM pg_class c WHERE c.oid = OLD.relation) THEN
			PERFORM twin_internal.emit_event('audit_disabled', OLD.relation::text, CASE WHEN by_hand THEN lower(TG_OP) ELSE 'unaudit_table' END,
				severity => CASE WHEN by_hand THEN 'critical' ELSE 'high' END);
		END IF;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		/* a row by hand may take recording away as well: skip what was not, stand before a partition's table */
		details := jsonb_build_object('skip_columns', NEW.skip_columns, 'digest_columns', NEW.digest_columns, 'mode', NEW.mode, 'reads', NEW.reads);
		weight := CASE WHEN by_hand AND NOT twin_internal.log_is_open() THEN 'critical' ELSE 'medium' END;
		IF by_hand AND TG_OP = 'UPDATE' AND OLD.relation = NEW.relation THEN
			PERFORM twin_internal.emit_event('audit_disabled', NEW.relation::text, 'update', details, weight);
		ELSE
			PERFORM twin_internal.emit_event('audit_enabled', NEW.relation::text, CASE WHEN by_hand THEN lower(TG_OP) ELSE 'audit_table' END, details, weight);
		END IF;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.tell_audited_tables() IS 'tells which tables are audited from now on, and which no longer';
CREATE TRIGGER tell_audited_tables AFTER INSERT OR UPDATE OR DELETE ON twin_internal.audited_tables
	FOR EACH ROW EXECUTE FUNCTION twin_internal.tell_audited_tables();
CREATE TRIGGER tell_audited_tables_emptied AFTER TRUNCATE ON twin_internal.audited_tables
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.tell_audited_tables();
ALTER TABLE twin_internal.audited_tables ENABLE ALWAYS TRIGGER tell_audited_tables, ENABLE ALWAYS TRIGGER tell_audited_tables_emptied;

CREATE FUNCTION twin.audit_table(rel regclass, skip_columns name[] DEFAULT '{}', digest_columns name[] DEFAULT '{}', mode text DEFAULT 'image',
	reads boolean DEFAULT false) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	what record;
	bad name;
BEGIN
	IF rel IS NULL OR skip_columns IS NULL OR digest_columns IS NULL OR mode IS NULL OR reads IS NULL THEN
		RAISE EXCEPTION 'an argument of audit_table() is null' USING ERRCODE = '22004';
	ELSIF mode NOT IN ('image', 'digest') THEN
		RAISE EXCEPTION 'unknown mode of an audited table' USING ERRCODE = '22023', HINT = 'It is one of: image, digest.';
	END IF;
	SELECT c.relkind, c.relpersistence, n.nspname INTO what FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = rel;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'relation with OID % does not exist', rel::oid USING ERRCODE = '42P01';
	ELSIF what.relkind NOT IN ('r', 'p') OR what.relpersistence = 't' THEN
		RAISE EXCEPTION '"%" is not a table whose changes can be recorded', rel USING ERRCODE = '42809',
			HINT = CASE WHEN what.relkind = 'v' THEN 'Changes made through a view are recorded of its tables.' ELSE 'Tables and partitioned tables are audited, temporary and foreign ones are not.' END;
	ELSIF what.nspname IN ('pg_catalog', 'information_schema', 'pg_toast', 'twin_internal') THEN
		RAISE EXCEPTION '"%" belongs to the system', rel USING ERRCODE = '42501';
	END IF;
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', rel);
	/* one at a time: what is above, and what is below, stays as it is seen */
	LOCK TABLE twin_internal.audited_tables IN SHARE UPDATE EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM pg_partition_tree(rel) t JOIN pg_class c ON c.oid = t.relid WHERE c.relkind = 'f') THEN
		RAISE EXCEPTION '"%" has partitions that are foreign tables', rel USING ERRCODE = '0A000';
	END IF;
	SELECT w.name INTO bad FROM unnest(skip_columns || digest_columns) w (name) WHERE NOT EXISTS (SELECT FROM pg_attribute a
		WHERE a.attrelid = rel AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'column "%" of "%" does not exist', bad, rel USING ERRCODE = '42703';
	END IF;
	SELECT a.attname INTO bad FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)
		WHERE a.attrelid = rel AND a.attname = ANY (skip_columns) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'column "%" is of the primary key: without it nobody could tell which row was changed', bad USING ERRCODE = '22023';
	END IF;
	INSERT INTO twin_internal.audited_tables AS t (relation, skip_columns, digest_columns, mode, reads)
		VALUES (rel, audit_table.skip_columns, audit_table.digest_columns, audit_table.mode, audit_table.reads)
		ON CONFLICT (relation) DO UPDATE SET skip_columns = excluded.skip_columns, digest_columns = excluded.digest_columns,
			mode = excluded.mode, reads = excluded.reads;
	PERFORM twin_internal.check_audited_ancestors(rel);
	PERFORM twin_internal.add_audit_triggers(rel);
	IF audit_table.reads AND NOT twin_internal.is_preloaded() THEN
		RAISE WARNING 'reads of "%" are not recorded', rel USING ERRCODE = '55000', DETAIL = 'Recording reads needs the library to be preloaded.',
			HINT = 'Add twin_security to shared_preload_libraries and restart the server.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin.audit_table(regclass, name[], name[], text, boolean) IS 'records every change of a table, its partitions included, from now on; again, with other settings';

CREATE FUNCTION twin.unaudit_table(rel regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	LOCK TABLE twin_internal.audited_tables IN SHARE UPDATE EXCLUSIVE MODE;
	DELETE FROM twin_internal.audited_tables t WHERE t.relation = rel;
	IF NOT FOUND THEN
		RAISE EXCEPTION '"%" is not audited by itself', rel USING ERRCODE = '42704',
			HINT = 'A partition is audited as part of the table that was named to twin.audit_table().';
	END IF;
	/* partitions that had been detached meanwhile are listed by themselves */
	IF NOT twin_internal.is_audited(rel) THEN
		DELETE FROM twin_internal.audited_tables t WHERE t.relation IN (SELECT p.relid FROM pg_partition_tree(rel) p);
	END IF;
	PERFORM twin_internal.check_audited_ancestors(rel);
	PERFORM twin_internal.drop_audit_triggers(c.oid) FROM pg_class c
		WHERE (c.oid = rel OR c.oid IN (SELECT p.relid FROM pg_partition_tree(rel) p)) AND NOT twin_internal.is_audited(c.oid);
END
$$;
COMMENT ON FUNCTION twin.unaudit_table(regclass) IS 'records changes of a table no longer; what was recorded stays';

CREATE FUNCTION twin_internal.is_audited(rel regclass) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT EXISTS (SELECT FROM twin_internal.audited_tables t WHERE t.relation = rel
			OR t.relation IN (SELECT a.relid FROM pg_catalog.pg_partition_ancestors(rel) a));
	END;
COMMENT ON FUNCTION twin_internal.is_audited(regclass) IS 'whether a table is audited, by itself or as a partition';
CREATE FUNCTION twin_internal.is_audited_now(rel regclass) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_is_audited_now';
COMMENT ON FUNCTION twin_internal.is_audited_now(regclass) IS 'whether a table is audited, whatever the transaction''s snapshot still shows';

/*
 * A statement that names a table above fires the triggers of that one alone. So what is above an audited table is audited,
 * too: tables it is a partition of, tables it inherits from.
 */
CREATE FUNCTION twin_internal.check_audited_ancestors(rel regclass) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	audited regclass;
	above regclass;
BEGIN
	WITH RECURSIVE below (relation) AS (
		SELECT rel::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN below b ON i.inhparent = b.relation
	), over (relation, ancestor) AS (
		SELECT t.relation::oid, i.inhparent FROM twin_internal.audited_tables t JOIN below b ON b.relation = t.relation JOIN pg_inherits i ON i.inhrelid = t.relation
		UNION SELECT o.relation, i.inhparent FROM over o JOIN pg_inherits i ON i.inhrelid = o.ancestor
	)
	SELECT o.relation, o.ancestor INTO audited, above FROM over o WHERE NOT twin_internal.is_audited(o.ancestor) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION '"%" is audited and "%", of which it is a part, is not', audited, above USING ERRCODE = '55000',
			DETAIL = 'What a statement that names the one above does to its rows would not be recorded.', HINT = format('Call twin.audit_table(%L) first.', above);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_audited_ancestors(regclass) IS 'raises where an audited table, this or one below it, is part of one that is not audited';

/* ---- tables that are altered ---- */

/*
 * A new partition is audited as its table is; one that is detached stays audited, by itself; a column that is renamed is
 * still the one that is skipped or digested.
 */
CREATE FUNCTION twin_internal.follow_audited_tables() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	altered oid;
	part oid;
BEGIN
	/* a transaction that began before a table was audited would not see that it is */
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		FOR altered IN SELECT DISTINCT c.objid FROM pg_event_trigger_ddl_commands() c WHERE c.classid = 'pg_class'::regclass LOOP
			WITH RECURSIVE below (relation) AS (
				SELECT altered UNION SELECT i.inhrelid FROM pg_inherits i JOIN below b ON i.inhparent = b.relation
			) SELECT b.relation INTO part FROM below b WHERE twin_internal.is_audited_now(b.relation) AND NOT twin_internal.is_audited(b.relation) LIMIT 1;
			IF FOUND THEN
				RAISE EXCEPTION '"%" is audited since this transaction began', part::regclass USING ERRCODE = '40001', HINT = 'Repeat the transaction.';
			END IF;
		END LOOP;
	END IF;
	IF NOT EXISTS (SELECT FROM twin_internal.audited_tables) OR NOT EXISTS (SELECT FROM pg_event_trigger_ddl_commands() c
			WHERE (c.classid = 'pg_class'::regclass AND c.object_type IN ('table', 'table column') OR c.command_tag = 'ALTER TYPE')
				AND c.schema_name IS DISTINCT FROM 'pg_temp') THEN
		RETURN;
	END IF;
	/* renamed through a table that they inherit from, too */
	UPDATE twin_internal.audited_tables t SET skip_columns = n.skipped, digest_columns = n.digests
		FROM (SELECT o.relation,
				ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = o.relation AND a.attnum = ANY (o.skip_numbers) AND NOT a.attisdropped ORDER BY a.attnum) AS skipped,
				ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = o.relation AND a.attnum = ANY (o.digest_numbers) AND NOT a.attisdropped ORDER BY a.attnum) AS digests
			FROM twin_internal.audited_tables o JOIN pg_class c ON c.oid = o.relation) n
		WHERE t.relation = n.relation AND NOT (t.skip_columns <@ n.skipped AND t.digest_columns <@ n.digests);
	FOR altered IN SELECT DISTINCT c.objid FROM pg_event_trigger_ddl_commands() c
			WHERE c.classid = 'pg_class'::regclass AND c.object_type IN ('table', 'table column') LOOP
		/* the tree that the command was about; where a partition was attached, it is its table that was altered. A dump brings its own. */
		IF NOT twin_internal.log_is_open() AND twin_internal.is_audited(altered) AND EXISTS (SELECT FROM pg_partition_tree(altered)) THEN
			PERFORM twin_internal.add_audit_triggers(altered);
		END IF;
		PERFORM twin_internal.mend_audit_triggers(altered);
		IF NOT twin_internal.log_is_open() THEN
			PERFORM twin_internal.check_audited_ancestors(altered);
		END IF;
		/* a partition that is one no longer has the triggers still */
		FOR part IN SELECT DISTINCT g.tgrelid FROM pg_trigger g WHERE g.tgfoid = 'twin_internal.audit_statement()'::regprocedure
				AND NOT twin_internal.is_audited(g.tgrelid) LOOP
			INSERT INTO twin_internal.audited_tables (relation, skip_columns, digest_columns, mode, reads, audited_since)
				SELECT part, t.skip_columns, t.digest_columns, t.mode, t.reads, t.audited_since FROM twin_internal.audited_tables t
				WHERE t.relation = altered OR t.relation IN (SELECT a.relid FROM pg_partition_ancestors(altered) a) LIMIT 1;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.follow_audited_tables() IS 'keeps partitions audited that come and go, columns that are renamed, and triggers as they should be';
/* of every command: CREATE SCHEMA makes partitions, too, and ALTER VIEW and ALTER TYPE rename columns of tables */
CREATE EVENT TRIGGER twin_security_follow_audited ON ddl_command_end EXECUTE FUNCTION twin_internal.follow_audited_tables();
COMMENT ON EVENT TRIGGER twin_security_follow_audited IS 'keeps partitions audited that come and go, columns that are renamed, and triggers as they should be';
ALTER EVENT TRIGGER twin_security_follow_audited ENABLE ALWAYS;

CREATE FUNCTION twin_internal.audited_dropped() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
	gone record;
BEGIN
	FOR gone IN SELECT d.objid, d.object_identity, d.object_type, d.address_names FROM pg_event_trigger_dropped_objects() d
			WHERE d.object_type = 'table' OR d.object_type = 'trigger' AND d.address_names[3] LIKE 'twin\_audit\_%' LOOP
		IF gone.object_type = 'table' THEN
			DELETE FROM twin_internal.audited_tables t WHERE t.relation = gone.objid;
			IF FOUND THEN
				PERFORM twin_internal.emit_event('audit_disabled', format('%I.%I', gone.address_names[1], gone.address_names[2]), 'drop', severity => 'high');
			END IF;
		ELSIF twin_internal.is_audited(to_regclass(format('%I.%I', gone.address_names[1], gone.address_names[2]))) AND NOT twin_internal.log_is_open() THEN
			RAISE EXCEPTION 'trigger "%" audits a table', gone.address_names[3] USING ERRCODE = '42501', HINT = 'Call twin.unaudit_table().';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.audited_dropped() IS 'forgets audited tables that are dropped, and keeps their triggers from being dropped alone';
CREATE EVENT TRIGGER twin_security_audited_dropped ON sql_drop EXECUTE FUNCTION twin_internal.audited_dropped();
COMMENT ON EVENT TRIGGER twin_security_audited_dropped IS 'forgets audited tables that are dropped, and keeps their triggers from being dropped alone';
ALTER EVENT TRIGGER twin_security_audited_dropped ENABLE ALWAYS;

REVOKE ALL ON FUNCTION twin.audit_table(regclass, name[], name[], text, boolean), twin.unaudit_table(regclass),
	twin_internal.audited_tables_changed(), twin_internal.number_audited_columns(), twin_internal.audit_statement(), twin_internal.audit_row(),
	twin_internal.add_audit_triggers(regclass), twin_internal.add_audit_trigger(regclass, text), twin_internal.drop_audit_triggers(regclass), twin_internal.mend_audit_triggers(regclass),
	twin_internal.check_audited_ancestors(regclass), twin_internal.keep_audited_tables(), twin_internal.audit_triggers(), twin_internal.tell_audited_tables(), twin_internal.is_audited(regclass), twin_internal.is_audited_now(regclass), twin_internal.follow_audited_tables(),
	twin_internal.audited_dropped(), twin_internal.is_preloaded() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.audit_table(regclass, name[], name[], text, boolean), twin.unaudit_table(regclass) TO twin_admin;

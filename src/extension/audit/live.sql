/*
 * live.sql
 *		Tables whose committed changes reach subscribers of a topic, each as far as the subscriber may read them.
 */

CREATE TABLE twin_internal.fed_tables (
	relation regclass PRIMARY KEY,
	topic text COLLATE "C" NOT NULL UNIQUE
);
COMMENT ON TABLE twin_internal.fed_tables IS 'tables under feed_table, and the topics of their changes';
SELECT pg_catalog.pg_extension_config_dump('twin_internal.fed_tables', '');

CREATE FUNCTION twin_internal.publish_changes() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_publish_changes';
COMMENT ON FUNCTION twin_internal.publish_changes() IS 'publishes which rows a statement changed, by their primary keys';

CREATE FUNCTION twin.feed_table(rel regclass, permission text DEFAULT NULL, topic text DEFAULT NULL) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target record;
	needed text := coalesce(permission, (SELECT p.read_permission FROM twin_internal.protected_tables p WHERE p.relation = rel), 'read_units');
	name text := topic;
	part regclass;
BEGIN
	SELECT n.nspname, c.relname, c.relkind, c.relispartition INTO target
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = rel;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'a table must be named' USING ERRCODE = '22004';
	ELSIF target.relkind NOT IN ('r', 'p') OR target.relispartition THEN
		RAISE EXCEPTION '"%" is not a table whose changes can be fed', target.relname USING ERRCODE = '42809',
			HINT = 'Of a partition the partitioned table is fed; a view has no changes of its own.';
	ELSIF NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = rel AND i.indisprimary) THEN
		RAISE EXCEPTION 'table "%" has no primary key', target.relname USING ERRCODE = '55000',
			HINT = 'Changed rows are named by it.';
	ELSIF EXISTS (SELECT FROM twin_internal.fed_tables f WHERE f.relation = rel) THEN
		RAISE EXCEPTION 'changes of table "%" are fed already', target.relname USING ERRCODE = '42710',
			HINT = 'twin.unfeed_table() ends that.';
	END IF;
	name := coalesce(name, 'changes.' || target.nspname || '.' || target.relname);
	IF NOT twin_internal.topic_acceptable(name) OR name LIKE '%*' THEN
		RAISE EXCEPTION '"%" is no name of a topic', name USING ERRCODE = '22023',
			HINT = 'Name one with the argument topic: letters, digits, "_", "-" and ":", joined by ".".';
	END IF;
	INSERT INTO twin.topics (topic, subscribe_permission, publish_permission, tenant_bound, description)
		VALUES (name, needed, NULL, false, 'changes of ' || rel);
	INSERT INTO twin_internal.fed_tables VALUES (rel, name);
	FOR part IN SELECT rel UNION SELECT t.relid FROM pg_partition_tree(rel) t LOOP	/* which is empty for a plain table */
		PERFORM twin_internal.add_feed_triggers(part, name);
	END LOOP;
	RETURN name;
END
$$;
COMMENT ON FUNCTION twin.feed_table(regclass, text, text) IS
	'has committed changes of a table told to subscribers of a topic, "changes.SCHEMA.TABLE" unless one is named, who hold the permission: each gets the row as he may read it; returns the topic';

CREATE FUNCTION twin_internal.add_feed_triggers(rel regclass, topic text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER twin_feed_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.publish_changes(%L)', rel, topic);
	EXECUTE format('CREATE TRIGGER twin_feed_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.publish_changes(%L)', rel, topic);
	EXECUTE format('CREATE TRIGGER twin_feed_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.publish_changes(%L)', rel, topic);
	EXECUTE format('CREATE TRIGGER twin_feed_truncate AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.publish_changes(%L)', rel, topic);
END
$$;
COMMENT ON FUNCTION twin_internal.add_feed_triggers(regclass, text) IS 'makes the triggers of feed_table on one table';

CREATE FUNCTION twin.unfeed_table(rel regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	name text;
	place record;
BEGIN
	DELETE FROM twin_internal.fed_tables f WHERE f.relation = rel RETURNING f.topic INTO name;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'changes of this table are not fed' USING ERRCODE = '42704';
	END IF;
	FOR place IN
		SELECT g.tgname, g.tgrelid::regclass AS relation FROM pg_trigger g
		WHERE (g.tgrelid = rel OR g.tgrelid IN (SELECT t.relid FROM pg_partition_tree(rel) t)) AND g.tgfoid = 'twin_internal.publish_changes'::regproc
	LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', place.tgname, place.relation);
	END LOOP;
	DELETE FROM twin.topics t WHERE t.topic = name;
END
$$;
COMMENT ON FUNCTION twin.unfeed_table(regclass) IS 'ends what feed_table did, the topic included';

/* A partition that comes later is fed like its table; of a table that is dropped nothing is kept. */
CREATE FUNCTION twin_internal.feed_new_partitions() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	place record;
BEGIN
	FOR place IN
		SELECT DISTINCT t.relid::regclass AS relation, f.topic
		FROM pg_event_trigger_ddl_commands() d
			JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass AND (c.relispartition OR c.relkind = 'p')
			JOIN twin_internal.fed_tables f ON f.relation IN (SELECT a.relid FROM pg_partition_ancestors(c.oid) a)
			CROSS JOIN LATERAL pg_partition_tree(f.relation) t
		WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.relid AND g.tgname = 'twin_feed_insert')
	LOOP
		PERFORM twin_internal.add_feed_triggers(place.relation, place.topic);
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.feed_new_partitions() IS 'feeds partitions that are made or attached under a fed table';
CREATE EVENT TRIGGER twin_security_feed_partitions ON ddl_command_end
	WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE SCHEMA')
	EXECUTE FUNCTION twin_internal.feed_new_partitions();
COMMENT ON EVENT TRIGGER twin_security_feed_partitions IS 'twin_security: partitions under a fed table are fed as it is';

CREATE FUNCTION twin_internal.forget_fed_tables() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gone text;
BEGIN
	/* in the middle of DROP EXTENSION the table may be gone */
	IF to_regclass('twin_internal.fed_tables') IS NOT NULL THEN
		FOR gone IN
			DELETE FROM twin_internal.fed_tables f USING pg_event_trigger_dropped_objects() d
				WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0 AND f.relation = d.objid RETURNING f.topic
		LOOP
			DELETE FROM twin.topics t WHERE t.topic = gone;
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.forget_fed_tables() IS 'what is dropped has no changes, and needs no topic';
CREATE EVENT TRIGGER twin_security_forget_fed_tables ON sql_drop
	WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')
	EXECUTE FUNCTION twin_internal.forget_fed_tables();
COMMENT ON EVENT TRIGGER twin_security_forget_fed_tables IS 'twin_security: dropped tables leave the list of fed ones';

CREATE VIEW twin.fed_tables AS SELECT f.relation, f.topic FROM twin_internal.fed_tables f;
COMMENT ON VIEW twin.fed_tables IS 'tables whose changes reach subscribers, and by which topic';

REVOKE ALL ON FUNCTION twin.feed_table(regclass, text, text), twin.unfeed_table(regclass), twin_internal.publish_changes(),
	twin_internal.add_feed_triggers(regclass, text), twin_internal.feed_new_partitions(), twin_internal.forget_fed_tables() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.feed_table(regclass, text, text), twin.unfeed_table(regclass) TO twin_admin;
GRANT SELECT ON twin.fed_tables TO twin_admin, twin_auditor;

/*
 * tables.sql
 *		Which topics there are, and which permission each needs.
 *
 * Rows that came with the extension are marked. They travel with a dump only when they were changed, and then take the
 * place of the new database's own; they cannot be deleted, for a restore would bring them back: they are disabled.
 */

CREATE FUNCTION twin_internal.topic_acceptable(topic text) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsec_topic_acceptable';
COMMENT ON FUNCTION twin_internal.topic_acceptable(text) IS 'whether a text is the name of a topic, or a pattern that ends in .*';

CREATE TABLE twin.topics (
	topic text COLLATE "C" PRIMARY KEY CONSTRAINT topics_topic_is_a_name_or_pattern CHECK (twin_internal.topic_acceptable(topic)),
	subscribe_permission text NOT NULL CHECK (subscribe_permission ~ '^[a-z][a-z0-9_.:]{0,62}$'),
	publish_permission text CHECK (publish_permission ~ '^[a-z][a-z0-9_.:]{0,62}$'),
	tenant_bound boolean NOT NULL DEFAULT true,
	enabled boolean NOT NULL DEFAULT true,
	description text,
	came_with_extension boolean NOT NULL DEFAULT false,
	seeded boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE twin.topics IS
	'topics, and patterns as units.*, of which the longest counts; tenant_bound: a message reaches its publisher''s tenant only; publish_permission null: no user, only functions of the database';

INSERT INTO twin.topics (topic, subscribe_permission, publish_permission, tenant_bound, description, came_with_extension, seeded) VALUES
	('alerts', 'read_units', 'write_units', true, 'alarms of units and sensors', true, true),
	('units.*', 'read_units', 'write_units', true, 'a unit''s state, as units.UNIT', true, true),
	('readings.*', 'read_units', 'write_units', true, 'a sensor''s readings, as readings.UNIT.SENSOR', true, true),
	('control.*', 'remote_control', 'remote_control', true, 'commands to a unit and what became of them, as control.UNIT', true, true),
	('admin.*', 'admin_panel', NULL, true, 'what administrators are shown, as admin.users', true, true),
	('system', 'read_units', NULL, false, 'notices to everybody, such as maintenance', true, true);
SELECT pg_catalog.pg_extension_config_dump('twin.topics', 'WHERE NOT seeded');

CREATE FUNCTION twin_internal.topics_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_topics_changed';
COMMENT ON FUNCTION twin_internal.topics_changed() IS 'tells every session to read the topics again';
CREATE TRIGGER topics_changed AFTER INSERT OR UPDATE OR DELETE ON twin.topics
	FOR EACH ROW EXECUTE FUNCTION twin_internal.topics_changed();
CREATE TRIGGER topics_emptied AFTER TRUNCATE ON twin.topics
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.topics_changed();

CREATE FUNCTION twin_internal.require_topic_reach() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_require_topic_reach';
COMMENT ON FUNCTION twin_internal.require_topic_reach() IS 'raises where a token-only login acts in a role that no token warrants, and for whoever belongs to a tenant';
CREATE TRIGGER require_topic_reach BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON twin.topics
	FOR EACH STATEMENT EXECUTE FUNCTION twin_internal.require_topic_reach();

/* What a dump brings takes the place of an untouched seed; a seed that is changed is none any more. */
CREATE FUNCTION twin_internal.keep_topic_seeds() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		IF twin_internal.is_bringing_rows() THEN
			DELETE FROM twin.topics t WHERE t.topic = NEW.topic AND t.seeded;
			NEW.came_with_extension := NEW.came_with_extension OR FOUND;
		END IF;
	ELSIF TG_OP = 'UPDATE' THEN
		IF OLD.came_with_extension AND NEW.topic <> OLD.topic THEN
			RAISE EXCEPTION 'topic "%" came with the extension and keeps its name', OLD.topic
				USING ERRCODE = '55000', HINT = 'Set enabled = false, and add another.';
		END IF;
		NEW.came_with_extension := OLD.came_with_extension;
		NEW.seeded := false;
	ELSIF OLD.came_with_extension AND NOT OLD.seeded OR OLD.seeded AND pg_trigger_depth() = 1 THEN
		RAISE EXCEPTION 'topic "%" came with the extension and would come back with a restore', OLD.topic
			USING ERRCODE = '55000', HINT = 'Set enabled = false.';
	ELSE
		RETURN OLD;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION twin_internal.keep_topic_seeds() IS 'lets a restored row take the place of the one CREATE EXTENSION made, and keeps that from being deleted';
CREATE TRIGGER keep_topic_seeds BEFORE INSERT OR UPDATE OR DELETE ON twin.topics
	FOR EACH ROW EXECUTE FUNCTION twin_internal.keep_topic_seeds();

/* a subscription fires only these */
ALTER TABLE twin.topics ENABLE ALWAYS TRIGGER topics_changed, ENABLE ALWAYS TRIGGER topics_emptied, ENABLE ALWAYS TRIGGER keep_topic_seeds;

CREATE FUNCTION twin_internal.tell_topics() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		PERFORM twin_internal.emit_event('topic_removed', OLD.topic, 'delete', severity => 'medium');
	ELSE
		PERFORM twin_internal.emit_event('topic_changed', NEW.topic, lower(TG_OP), jsonb_build_object('subscribe_permission', NEW.subscribe_permission,
			'publish_permission', NEW.publish_permission, 'tenant_bound', NEW.tenant_bound, 'enabled', NEW.enabled), 'medium');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION twin_internal.tell_topics() IS 'emits an event for each topic that is added, changed or removed';
CREATE TRIGGER tell_topics AFTER INSERT OR UPDATE OR DELETE ON twin.topics
	FOR EACH ROW EXECUTE FUNCTION twin_internal.tell_topics();

/*
 * policy.sql
 *		Policies, and what they would do.
 *
 * Whoever gives a table a policy has its rows deleted, so he must own it. Of the audit log there is one policy per class, under a name
 * of its own.
 */

CREATE FUNCTION twin_internal.retention_class(policy_name text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE policy_name WHEN 'audit_logs' THEN 'audit' WHEN 'access_logs' THEN 'access' WHEN 'error_logs' THEN 'error' END;
END;
COMMENT ON FUNCTION twin_internal.retention_class(text) IS 'the class of the audit log that a policy of this name is for; null: of none';

/* Asked several times for each partition, like some others that are not SQL for that: the plan is kept. */
CREATE FUNCTION twin_internal.retention_relation(policy twin_internal.retention_policies) RETURNS regclass
	LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN coalesce(policy.relation, (SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'twin_internal' AND c.relname = 'events_' || policy.event_class));
END
$$;
COMMENT ON FUNCTION twin_internal.retention_relation(twin_internal.retention_policies) IS 'the table that a policy is for';

/* SECURITY DEFINER functions know who called only so. */
CREATE FUNCTION twin_internal.require_retention_owner(rel regclass) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	asking name := CASE current_setting('role') WHEN 'none' THEN session_user::text ELSE current_setting('role') END;
BEGIN
	IF NOT pg_has_role(asking, (SELECT c.relowner FROM pg_class c WHERE c.oid = rel), 'USAGE') THEN
		RAISE EXCEPTION 'must be owner of table %', rel USING ERRCODE = '42501', DETAIL = 'Its rows are deleted when their time is over.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.require_retention_owner(regclass) IS 'raises 42501 unless who is asking owns a table';

CREATE FUNCTION twin_internal.check_retention_keep(keep interval) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF keep IS NULL THEN
		RAISE EXCEPTION 'a policy says how long rows are kept' USING ERRCODE = '22004';
	/* of mixed signs, it could reach into the future in a short month */
	ELSIF keep <= interval '0' OR keep > interval '1000 years' OR extract(year FROM keep) < 0 OR extract(month FROM keep) < 0 OR extract(day FROM keep) < 0
			OR extract(hour FROM keep) < 0 OR extract(minute FROM keep) < 0 OR extract(second FROM keep) < 0 THEN
		RAISE EXCEPTION 'rows are kept for a time between 0 and 1000 years' USING ERRCODE = '22023', DETAIL = format('It would be %s.', keep);
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_retention_keep(interval) IS 'raises for a time that rows cannot be kept for';

CREATE FUNCTION twin_internal.check_retention_table(rel regclass, time_column name) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	class record;
	column_type regtype := (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = time_column AND a.attnum > 0 AND NOT a.attisdropped);
BEGIN
	SELECT c.relkind, c.relpersistence, c.relnamespace INTO class FROM pg_class c WHERE c.oid = rel;
	IF class IS NULL THEN
		RAISE EXCEPTION 'there is no such table' USING ERRCODE = '42P01';
	ELSIF class.relkind NOT IN ('r', 'p') OR class.relpersistence = 't' OR rel::oid < 16384 THEN
		RAISE EXCEPTION '% is not a table that a policy can be for', rel USING ERRCODE = '42809', DETAIL = 'It takes an ordinary or a partitioned table.';
	ELSIF class.relnamespace IN ('twin'::regnamespace, 'twin_internal'::regnamespace)
			OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = rel AND d.deptype = 'e') THEN
		RAISE EXCEPTION '% belongs to an extension', rel USING ERRCODE = '42809', HINT = 'The audit log has policies of its own: audit_logs, access_logs, error_logs.';
	END IF;
	PERFORM twin_internal.require_retention_owner(rel);
	IF time_column IS NULL THEN
		RAISE EXCEPTION 'a policy for a table names the column that says when' USING ERRCODE = '22004';
	ELSIF column_type IS NULL THEN
		RAISE EXCEPTION 'column "%" of % does not exist', time_column, rel USING ERRCODE = '42703';
	ELSIF column_type NOT IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN
		RAISE EXCEPTION 'column "%" of % is of type %', time_column, rel, column_type USING ERRCODE = '42804', DETAIL = 'A time is a date, timestamp or timestamptz.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_retention_table(regclass, name) IS 'raises for a table or a column that no policy can go by, or that is not his who asks';

CREATE FUNCTION twin_internal.tell_retention_policy(policy twin_internal.retention_policies, action text, severity text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT twin_internal.emit_event('retention_policy_changed', policy.policy_name, action, jsonb_build_object('relation', twin_internal.retention_relation(policy)::text,
		'time_column', policy.time_column, 'keep', policy.keep, 'archive', policy.archive, 'enabled', policy.enabled), severity);
END;
COMMENT ON FUNCTION twin_internal.tell_retention_policy(twin_internal.retention_policies, text, text) IS 'emits the event of a changed policy';

CREATE FUNCTION twin.add_retention_policy(policy_name text, keep interval, rel regclass DEFAULT NULL, time_column name DEFAULT NULL, archive boolean DEFAULT true)
	RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	class text := twin_internal.retention_class(policy_name);
	made twin_internal.retention_policies;
BEGIN
	IF policy_name IS NULL OR archive IS NULL THEN
		RAISE EXCEPTION 'a policy has a name, and archives or does not' USING ERRCODE = '22004';
	ELSIF policy_name !~ '^[a-z][a-z0-9_]{0,62}$' THEN
		RAISE EXCEPTION 'a policy''s name is made of small letters, digits and "_"' USING ERRCODE = '42602';
	ELSIF (rel IS NULL) <> (class IS NOT NULL) OR (rel IS NULL AND time_column IS NOT NULL) THEN
		RAISE EXCEPTION '%', CASE WHEN class IS NULL THEN 'a policy names a table' ELSE format('policy "%s" is one of the audit log', policy_name) END
			USING ERRCODE = '22023', HINT = 'Those of the audit log are audit_logs, access_logs and error_logs, and name no table.';
	END IF;
	PERFORM twin_internal.check_retention_keep(keep);
	IF EXISTS (SELECT FROM twin_internal.retention_policies p WHERE p.event_class = class) THEN
		PERFORM twin.set_retention_policy(policy_name, keep, archive, true);
		RETURN;
	ELSIF rel IS NOT NULL THEN
		PERFORM twin_internal.check_retention_table(rel, time_column);
	END IF;
	INSERT INTO twin_internal.retention_policies (policy_name, event_class, relation, time_column, keep, archive)
		VALUES (add_retention_policy.policy_name, class, rel, add_retention_policy.time_column, add_retention_policy.keep, add_retention_policy.archive)
		ON CONFLICT DO NOTHING RETURNING * INTO made;
	IF NOT FOUND THEN
		RAISE EXCEPTION '%', CASE WHEN EXISTS (SELECT FROM twin_internal.retention_policies p WHERE p.policy_name = add_retention_policy.policy_name)
				THEN format('retention policy "%s" already exists', policy_name) ELSE format('%s already has a retention policy', rel) END
			USING ERRCODE = '42710', HINT = 'twin.set_retention_policy() changes one.';
	END IF;
	PERFORM twin_internal.tell_retention_policy(made, 'create', 'medium');
END
$$;
COMMENT ON FUNCTION twin.add_retention_policy(text, interval, regclass, name, boolean) IS 'has rows of a table deleted when they are older than keep by a column, in partitions where it is partitioned by that, and archived before; without a table: sets this for the class of the audit log that audit_logs, access_logs or error_logs stands for';

/* Whether a change of a policy lets more be lost; of the audit log, that is for somebody to look at. */
CREATE FUNCTION twin.set_retention_policy(policy_name text, keep interval DEFAULT NULL, archive boolean DEFAULT NULL, enabled boolean DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old twin_internal.retention_policies;
	changed twin_internal.retention_policies;
BEGIN
	SELECT p.* INTO old FROM twin_internal.retention_policies p WHERE p.policy_name = set_retention_policy.policy_name FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'retention policy "%" does not exist', policy_name USING ERRCODE = '42704';
	END IF;
	IF keep IS NOT NULL THEN
		PERFORM twin_internal.check_retention_keep(keep);
	END IF;
	IF old.relation IS NOT NULL THEN
		PERFORM twin_internal.check_retention_table(old.relation, old.time_column);
	END IF;
	UPDATE twin_internal.retention_policies p SET keep = coalesce(set_retention_policy.keep, p.keep), archive = coalesce(set_retention_policy.archive, p.archive),
		enabled = coalesce(set_retention_policy.enabled, p.enabled) WHERE p.policy_name = old.policy_name RETURNING p.* INTO changed;
	PERFORM twin_internal.tell_retention_policy(changed, 'alter',
		CASE WHEN old.event_class IS NOT NULL AND (changed.keep < old.keep OR (old.archive AND NOT changed.archive)) THEN 'high' ELSE 'medium' END);
END
$$;
COMMENT ON FUNCTION twin.set_retention_policy(text, interval, boolean, boolean) IS 'changes a retention policy: how long rows are kept, whether they are archived, whether it is applied; null leaves each as it is';

CREATE FUNCTION twin.drop_retention_policy(policy_name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gone twin_internal.retention_policies;
BEGIN
	DELETE FROM twin_internal.retention_policies p WHERE p.policy_name = drop_retention_policy.policy_name RETURNING p.* INTO gone;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'retention policy "%" does not exist', policy_name USING ERRCODE = '42704';
	END IF;
	DELETE FROM twin_internal.retention_successes s WHERE s.policy_name = gone.policy_name;
	/* one that is about to be detached, or is, is attached again by the next run */
	DELETE FROM twin_internal.retention_items i WHERE i.policy_name = gone.policy_name AND i.state <> 'dropped' AND i.bounds IS NULL;
	PERFORM twin_internal.tell_retention_policy(gone, 'drop', 'medium');
END
$$;
COMMENT ON FUNCTION twin.drop_retention_policy(text) IS 'ends a retention policy: what it was for is kept for ever';

CREATE VIEW twin.retention_policies AS
	SELECT p.policy_name, twin_internal.retention_relation(p) AS relation, CASE WHEN p.event_class IS NULL THEN p.time_column ELSE 'recorded_at' END AS time_column,
		p.keep, p.archive, p.enabled, s.succeeded_at AS last_success
	FROM twin_internal.retention_policies p LEFT JOIN twin_internal.retention_successes s USING (policy_name);
COMMENT ON VIEW twin.retention_policies IS 'how long rows are kept, whether they are archived before they go, and when each policy was applied last without a failure';

CREATE VIEW twin.retention_plan AS
	SELECT i.policy_name, i.relation, i.partition_name, i.rows, i.from_time, i.to_time, i.state, i.held_by, i.archive_file, i.failure, i.changed_at
	FROM twin_internal.retention_items i;
COMMENT ON VIEW twin.retention_plan IS 'partitions, and batches of rows, that are over their time, as the last run or dry run found them: how far each is on its way out, which legal holds keep it, where it is archived, and why it does not go on';

CREATE VIEW twin.retention_runs AS
	SELECT r.run_id, r.asked_by, r.started_at, r.finished_at, r.items, r.rows, r.failures FROM twin_internal.retention_runs r;
COMMENT ON VIEW twin.retention_runs IS 'each time policies were applied: who asked (null: the schedule), how many partitions and batches went with how many rows, how many failed; without an end it runs, or was cut short';

REVOKE ALL ON FUNCTION twin_internal.retention_class(text), twin_internal.retention_relation(twin_internal.retention_policies),
	twin_internal.require_retention_owner(regclass), twin_internal.check_retention_keep(interval), twin_internal.check_retention_table(regclass, name),
	twin_internal.tell_retention_policy(twin_internal.retention_policies, text, text),
	twin.add_retention_policy(text, interval, regclass, name, boolean), twin.set_retention_policy(text, interval, boolean, boolean),
	twin.drop_retention_policy(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.add_retention_policy(text, interval, regclass, name, boolean), twin.set_retention_policy(text, interval, boolean, boolean),
	twin.drop_retention_policy(text) TO twin_admin;
/* the views call it as whoever reads them */
GRANT EXECUTE ON FUNCTION twin_internal.retention_relation(twin_internal.retention_policies) TO twin_admin, twin_auditor;
GRANT SELECT ON twin.retention_policies, twin.retention_plan, twin.retention_runs TO twin_admin, twin_auditor;

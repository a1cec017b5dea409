/*
 * protect.sql
 *		protect_table(): row-level security that asks the verified identity and nothing else.
 *
 * The conditions are RESTRICTIVE policies, beside one permissive policy that lets everything through to them: a policy
 * that somebody adds later can narrow what is seen, never widen it. The permissive one names the same columns and a
 * function of the extension, so whatever drops the conditions (DROP COLUMN, DROP EXTENSION ... CASCADE) drops it as
 * well, and row-level security without a permissive policy shows nothing. Identity functions stand in scalar
 * subqueries, which are computed once a statement and leave the comparison with the column to an index.
 */

/* Written into queries by the planner as what it is: IS NOT NULL. */
CREATE FUNCTION twin.is_known(anyelement) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT AS 'SELECT $1 IS NOT NULL';
COMMENT ON FUNCTION twin.is_known(anyelement) IS 'whether a value is not null; ties the permissive policy of a protected table to its column and to the extension';

CREATE TABLE twin_internal.protected_tables (
	relation regclass PRIMARY KEY,
	tenant_column name,
	owner_column name,
	read_permission text,
	insert_permission text,
	update_permission text,
	delete_permission text,
	had_row_security boolean NOT NULL,
	had_forced boolean NOT NULL,
	revoked text[] NOT NULL,	/* what PUBLIC held, and as PRIVILEGE:ROLE what others held that no policy looks at */
	granted text[] NOT NULL,	/* what was given, as PRIVILEGE:ROLE */
	digest text NOT NULL		/* of the policies as they were written */
);
COMMENT ON TABLE twin_internal.protected_tables IS 'what protect_table did, and what was there before';
SELECT pg_catalog.pg_extension_config_dump('twin_internal.protected_tables',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = relation)');

/* The condition of one command's policy. */
CREATE FUNCTION twin_internal.protection_condition(of_table regclass, tenant name, owner name, permission text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	parts text[] := '{}';
	owner_type regtype := (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = of_table AND a.attname = owner AND NOT a.attisdropped);
BEGIN
	IF tenant IS NOT NULL THEN
		parts := parts || format('%I OPERATOR(pg_catalog.=) (SELECT twin.current_tenant_id())', tenant);
	END IF;
	IF owner IS NOT NULL AND owner_type IN ('text', 'varchar') THEN
		parts := parts || format('%I OPERATOR(pg_catalog.=) (SELECT twin.current_subject())', owner);
	ELSIF owner IS NOT NULL THEN
		parts := parts || format('%I OPERATOR(pg_catalog.=) (SELECT twin.current_user_id())', owner);
	END IF;
	IF permission IS NOT NULL THEN
		parts := parts || format('(SELECT twin.has_permission(%L))', permission);
	END IF;
	RETURN array_to_string(parts, ' AND ');
END
$$;
COMMENT ON FUNCTION twin_internal.protection_condition(regclass, name, name, text) IS 'the condition of a policy, as SQL';

/* The condition of the permissive policy. */
CREATE FUNCTION twin_internal.protection_base(tenant name, owner name) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
	SELECT coalesce(nullif(concat_ws(' AND ', CASE WHEN tenant IS NOT NULL THEN format('twin.is_known(%I)', tenant) END,
		CASE WHEN owner IS NOT NULL THEN format('twin.is_known(%I)', owner) END), ''), '(SELECT twin.current_claims()) IS NOT NULL')
$$;
COMMENT ON FUNCTION twin_internal.protection_base(name, name) IS 'the condition of the permissive policy, as SQL';

/* Raises for what cannot be protected, with the reason. */
CREATE FUNCTION twin_internal.check_protectable(wanted regclass) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	class pg_class;
	others text;
BEGIN
	SELECT * INTO STRICT class FROM pg_class c WHERE c.oid = wanted;
	IF class.relkind = 'v' THEN
		RAISE EXCEPTION '% is a view', wanted
			USING ERRCODE = '42809', HINT = 'Protect its tables and make it WITH (security_invoker = true).';
	ELSIF class.relkind NOT IN ('r', 'p') THEN
		RAISE EXCEPTION '% is not a table', wanted
			USING ERRCODE = '42809', DETAIL = 'PostgreSQL has no row-level security for foreign tables, materialized views and the like.';
	ELSIF class.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'twin'::regnamespace, 'twin_internal'::regnamespace)
		OR class.relnamespace::regnamespace::text ~ '^pg_toast' THEN
		RAISE EXCEPTION '% belongs to the system', wanted USING ERRCODE = '42501';
	ELSIF class.relpersistence = 't' THEN
		RAISE EXCEPTION '% is a temporary table', wanted USING ERRCODE = '42809', DETAIL = 'No other session can see it.';
	ELSIF NOT class.relispartition AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = wanted OR i.inhrelid = wanted) AND class.relkind = 'r' THEN
		RAISE EXCEPTION '% takes part in table inheritance', wanted
			USING ERRCODE = '0A000', DETAIL = 'Policies of a table do not hold for those that inherit from it when these are read themselves.',
				HINT = 'Make it a partitioned table.';
	END IF;
	SELECT string_agg(quote_ident(p.polname), ', ' ORDER BY p.polname) INTO others
		FROM pg_policy p WHERE p.polrelid = wanted AND p.polpermissive AND NOT starts_with(p.polname::text, 'twin_security_');
	IF others IS NOT NULL THEN
		RAISE EXCEPTION '% has permissive policies', wanted
			USING ERRCODE = '55000', DETAIL = format('Rows they keep back would be let through: %s.', others),
				HINT = 'Drop them, or make them AS RESTRICTIVE: these go on applying.';
	END IF;
	IF EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = wanted) THEN
		RAISE EXCEPTION '% has rules', wanted
			USING ERRCODE = '0A000', DETAIL = 'A rule reaches other tables with the rights of this one''s owner.', HINT = 'Use triggers instead.';
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_protectable(regclass) IS 'raises for a table that protect_table cannot protect';

CREATE FUNCTION twin_internal.check_protection_column(of_table regclass, wanted name, texts boolean) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_type regtype;
BEGIN
	IF wanted IS NULL THEN
		RETURN;
	END IF;
	SELECT a.atttypid INTO found_type FROM pg_attribute a
		WHERE a.attrelid = of_table AND a.attname = wanted AND a.attnum > 0 AND NOT a.attisdropped;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'column "%" of % does not exist', wanted, of_table USING ERRCODE = '42703';
	ELSIF NOT (found_type IN ('smallint', 'integer', 'bigint') OR texts AND found_type IN ('text', 'varchar')) THEN
		RAISE EXCEPTION 'column "%" of % is of type %', wanted, of_table, found_type
			USING ERRCODE = '42804', DETAIL = CASE WHEN texts THEN 'An owner is a number, or a text for users that outside issuers name.'
				ELSE 'A tenant is a number: smallint, integer or bigint.' END;
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.check_protection_column(regclass, name, boolean) IS 'raises for a column that names no tenant or owner';

/* What the policies of a table say, in few characters; without regard to anybody's search path. */
CREATE FUNCTION twin_internal.policy_digest(of_table regclass) RETURNS text
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
	SELECT encode(sha256(convert_to(coalesce(string_agg(format('%s %s %s %s %s %s', p.polname, p.polcmd, p.polpermissive, p.polroles,
			pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)), E'\n' ORDER BY p.polname), ''), 'UTF8')), 'hex')
	FROM pg_policy p WHERE p.polrelid = of_table AND starts_with(p.polname::text, 'twin_security_')
$$;
COMMENT ON FUNCTION twin_internal.policy_digest(regclass) IS 'a digest of the policies that protect_table wrote';

/* Gives a privilege to the database roles whose roles of the twin hold a permission; says what was new. */
CREATE FUNCTION twin_internal.grant_by_permission(on_table regclass, privilege text, permission text) RETURNS text[]
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	receiver name;
	given text[] := '{}';
BEGIN
	FOR receiver IN SELECT d.rolname FROM twin_internal.roles r JOIN pg_roles d ON d.oid = r.database_role
		WHERE permission IS NULL OR EXISTS (SELECT FROM twin.role_permissions p WHERE p.role_name = r.role_name AND p.permission_name = permission)
	LOOP
		CONTINUE WHEN EXISTS (SELECT FROM pg_class c, aclexplode(c.relacl) a
			WHERE c.oid = on_table AND a.grantee = (SELECT r.oid FROM pg_roles r WHERE r.rolname = receiver) AND a.privilege_type = privilege);
		EXECUTE format('GRANT %s ON %s TO %I', privilege, on_table, receiver);
		given := given || format('%s:%s', privilege, receiver);
	END LOOP;
	RETURN given;
END
$$;
COMMENT ON FUNCTION twin_internal.grant_by_permission(regclass, text, text) IS 'grants on a protected table follow the permissions of the twin''s roles';

/*
 * Protecting is two steps: first all tables are written down as they are, then each is changed. The event trigger below
 * meets the second step's own ALTER TABLE and must find nothing left to do.
 */
CREATE FUNCTION twin_internal.note_protection(wanted regclass, tenant name, owner name, reads text, inserts text, updates text, deletes text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
	INSERT INTO twin_internal.protected_tables
	SELECT wanted, tenant, owner, reads, inserts, updates, deletes, c.relrowsecurity, c.relforcerowsecurity,
		coalesce((SELECT array_agg(a.privilege_type) FROM aclexplode(c.relacl) a WHERE a.grantee = 0), '{}'), '{}', ''
	FROM pg_class c WHERE c.oid = wanted
$$;
COMMENT ON FUNCTION twin_internal.note_protection(regclass, name, name, text, text, text, text) IS 'writes down by what a table is to be protected, and what is there before';

CREATE FUNCTION twin_internal.write_protection(wanted regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	note twin_internal.protected_tables;
	given text[] := '{}';
	taken text[] := '{}';
	unwatched record;
	stale name;
BEGIN
	SELECT * INTO STRICT note FROM twin_internal.protected_tables p WHERE p.relation = wanted;
	EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', wanted);
	IF EXISTS (SELECT FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = wanted AND a.grantee = 0) THEN
		RAISE EXCEPTION 'PUBLIC keeps privileges on %', wanted
			USING ERRCODE = '55000', DETAIL = 'They were granted by another role than its owner.', HINT = 'Have that role revoke them first.';
	END IF;
	/* what no policy looks at */
	FOR unwatched IN SELECT a.privilege_type, a.grantee::regrole AS role FROM pg_class c, aclexplode(c.relacl) a
		WHERE c.oid = wanted AND a.grantee <> c.relowner AND a.privilege_type IN ('TRUNCATE', 'TRIGGER', 'REFERENCES')
	LOOP
		EXECUTE format('REVOKE %s ON %s FROM %s', unwatched.privilege_type, wanted, unwatched.role);
		taken := taken || format('%s:%s', unwatched.privilege_type, unwatched.role);
		RAISE NOTICE '% on % is revoked from %', unwatched.privilege_type, wanted, unwatched.role
			USING DETAIL = 'No policy looks at what it allows.';
	END LOOP;
	/* a restored table may have them without being on the list */
	FOR stale IN SELECT p.polname FROM pg_policy p WHERE p.polrelid = wanted AND starts_with(p.polname::text, 'twin_security_') LOOP
		EXECUTE format('DROP POLICY %I ON %s', stale, wanted);
	END LOOP;
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', wanted);
	EXECUTE format('CREATE POLICY twin_security_all ON %s USING (%2$s) WITH CHECK (%2$s)', wanted,
		twin_internal.protection_base(note.tenant_column, note.owner_column));
	EXECUTE format('CREATE POLICY twin_security_read ON %s AS RESTRICTIVE FOR SELECT USING (%s)', wanted,
		twin_internal.protection_condition(wanted, note.tenant_column, note.owner_column, note.read_permission));
	EXECUTE format('CREATE POLICY twin_security_insert ON %s AS RESTRICTIVE FOR INSERT WITH CHECK (%s)', wanted,
		twin_internal.protection_condition(wanted, note.tenant_column, note.owner_column, note.insert_permission));
	EXECUTE format('CREATE POLICY twin_security_update ON %s AS RESTRICTIVE FOR UPDATE USING (%2$s) WITH CHECK (%2$s)', wanted,
		twin_internal.protection_condition(wanted, note.tenant_column, note.owner_column, note.update_permission));
	EXECUTE format('CREATE POLICY twin_security_delete ON %s AS RESTRICTIVE FOR DELETE USING (%s)', wanted,
		twin_internal.protection_condition(wanted, note.tenant_column, note.owner_column, note.delete_permission));
	/* a partition is reached through its table */
	IF NOT (SELECT c.relispartition FROM pg_class c WHERE c.oid = wanted) THEN
		given := twin_internal.grant_by_permission(wanted, 'SELECT', note.read_permission)
			|| twin_internal.grant_by_permission(wanted, 'INSERT', note.insert_permission)
			|| twin_internal.grant_by_permission(wanted, 'UPDATE', note.update_permission)
			|| twin_internal.grant_by_permission(wanted, 'DELETE', note.delete_permission);
		PERFORM twin_internal.grant_by_permission(d.objid::regclass, 'USAGE', note.insert_permission)
			FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
			WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = wanted AND d.classid = 'pg_class'::regclass AND d.deptype = 'a';
	END IF;
	UPDATE twin_internal.protected_tables p SET granted = given, revoked = p.revoked || taken, digest = twin_internal.policy_digest(wanted) WHERE p.relation = wanted;
END
$$;
COMMENT ON FUNCTION twin_internal.write_protection(regclass) IS 'protects one table or partition by what is written down for it';

CREATE FUNCTION twin_internal.unprotect_one(before twin_internal.protected_tables) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted regclass := before.relation;
	policy name;
	item text;
BEGIN
	FOR policy IN SELECT p.polname FROM pg_policy p WHERE p.polrelid = wanted AND starts_with(p.polname::text, 'twin_security_') LOOP
		EXECUTE format('DROP POLICY %I ON %s', policy, wanted);
	END LOOP;
	IF NOT before.had_row_security THEN
		EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', wanted);
	END IF;
	IF NOT before.had_forced THEN
		EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', wanted);
	END IF;
	FOREACH item IN ARRAY before.granted LOOP
		IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = split_part(item, ':', 2)) THEN
			EXECUTE format('REVOKE %s ON %s FROM %I', split_part(item, ':', 1), wanted, split_part(item, ':', 2));
		END IF;
	END LOOP;
	FOREACH item IN ARRAY before.revoked LOOP
		IF item NOT LIKE '%:%' THEN
			EXECUTE format('GRANT %s ON %s TO PUBLIC', item, wanted);
		ELSIF to_regrole(split_part(item, ':', 2)) IS NOT NULL THEN
			EXECUTE format('GRANT %s ON %s TO %s', split_part(item, ':', 1), wanted, split_part(item, ':', 2));
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION twin_internal.unprotect_one(twin_internal.protected_tables) IS 'takes back what protecting a table changed';

/* The table and its partitions. */
CREATE FUNCTION twin_internal.protection_tree(of_table regclass) RETURNS SETOF regclass
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
	SELECT of_table UNION SELECT t.relid FROM pg_partition_tree(of_table) t
$$;
COMMENT ON FUNCTION twin_internal.protection_tree(regclass) IS 'a table and all its partitions';

/* Takes a table and its partitions off the list, all of them before the first is changed, and puts back what was there. */
CREATE FUNCTION twin_internal.unprotect_tree(wanted regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gone twin_internal.protected_tables[];
BEGIN
	WITH g AS (
		DELETE FROM twin_internal.protected_tables p WHERE p.relation IN (SELECT twin_internal.protection_tree(wanted)) RETURNING p.*
	)
	SELECT array_agg(g::twin_internal.protected_tables) INTO gone FROM g;
	PERFORM twin_internal.unprotect_one(b) FROM unnest(gone) b;
END
$$;
COMMENT ON FUNCTION twin_internal.unprotect_tree(regclass) IS 'takes back what protect_table did to a table and its partitions';

CREATE FUNCTION twin_internal.protect(wanted regclass, tenant name, owner name, reads text, inserts text, updates text, deletes text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	command record;
BEGIN
	IF (SELECT c.relispartition FROM pg_class c WHERE c.oid = wanted) THEN
		RAISE EXCEPTION '% is a partition', wanted USING ERRCODE = '42809', HINT = 'Protect the table it is part of: its partitions are protected with it.';
	END IF;
	PERFORM twin_internal.check_protectable(t) FROM twin_internal.protection_tree(wanted) t;
	PERFORM twin_internal.check_protection_column(wanted, tenant, false), twin_internal.check_protection_column(wanted, owner, true);
	FOR command IN SELECT * FROM (VALUES ('read', reads), ('insert', inserts), ('update', updates), ('delete', deletes)) c (name, permission) LOOP
		IF command.permission IS NOT NULL THEN
			PERFORM twin_internal.require_known_permission(command.permission);
		ELSIF tenant IS NULL AND owner IS NULL THEN
			RAISE EXCEPTION 'nothing would protect % from everybody''s %', wanted, command.name
				USING ERRCODE = '22023', HINT = format('Name a tenant column, an owner column or %s_permission.', command.name);
		END IF;
	END LOOP;
	PERFORM twin_internal.unprotect_tree(wanted);
	PERFORM twin_internal.note_protection(t, tenant, owner, reads, inserts, updates, deletes) FROM twin_internal.protection_tree(wanted) t;
	PERFORM twin_internal.write_protection(t) FROM twin_internal.protection_tree(wanted) t;
END
$$;
COMMENT ON FUNCTION twin_internal.protect(regclass, name, name, text, text, text, text) IS 'what protect_table does, once its caller proved to be the owner';

CREATE FUNCTION twin_internal.unprotect(wanted regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM twin_internal.protected_tables p WHERE p.relation = wanted) THEN
		RAISE EXCEPTION '% is not protected', wanted USING ERRCODE = '42704', HINT = 'See twin.protected_tables.';
	ELSIF (SELECT c.relispartition FROM pg_class c WHERE c.oid = wanted) THEN
		RAISE EXCEPTION '% is a partition', wanted USING ERRCODE = '42809', HINT = 'Name the table it is part of, or detach it first.';
	END IF;
	PERFORM twin_internal.unprotect_tree(wanted);
END
$$;
COMMENT ON FUNCTION twin_internal.unprotect(regclass) IS 'what unprotect_table does, once its caller proved to be the owner';

CREATE FUNCTION twin.protect_table(rel regclass, tenant_column name DEFAULT NULL, owner_column name DEFAULT NULL,
	read_permission text DEFAULT NULL, insert_permission text DEFAULT NULL, update_permission text DEFAULT NULL,
	delete_permission text DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_protect_table';
COMMENT ON FUNCTION twin.protect_table(regclass, name, name, text, text, text, text) IS
	'row-level security by the verified identity: of its tenant, its owner, with its permissions; forced on the owner too; the caller must own the table';

CREATE FUNCTION twin.unprotect_table(rel regclass) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_unprotect_table';
COMMENT ON FUNCTION twin.unprotect_table(regclass) IS 'takes back what protect_table did; the caller must own the table';

CREATE FUNCTION twin_internal.protection_holds(wanted regclass) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT coalesce(bool_and(c.relrowsecurity AND c.relforcerowsecurity AND p.digest IS NOT NULL
			AND p.digest = twin_internal.policy_digest(c.oid)
			/* a partition that came from elsewhere must ask for the same as its table */
			AND (p.tenant_column, p.owner_column, p.read_permission, p.insert_permission, p.update_permission, p.delete_permission)
				IS NOT DISTINCT FROM (root.tenant_column, root.owner_column, root.read_permission, root.insert_permission,
					root.update_permission, root.delete_permission)
			AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) a
				WHERE a.grantee = 0 OR a.grantee <> c.relowner AND a.privilege_type IN ('TRUNCATE', 'TRIGGER', 'REFERENCES'))
			AND NOT EXISTS (SELECT FROM pg_attribute t, aclexplode(t.attacl) a WHERE t.attrelid = c.oid AND a.grantee = 0)
			AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
			AND (c.relkind = 'p' OR NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid))), false)
	FROM twin_internal.protection_tree(wanted) t
		LEFT JOIN pg_class c ON c.oid = t
		LEFT JOIN twin_internal.protected_tables p ON p.relation = t
		LEFT JOIN twin_internal.protected_tables root ON root.relation = wanted
$$;
COMMENT ON FUNCTION twin_internal.protection_holds(regclass) IS 'whether a table and all its partitions are still protected as protect_table left them';

CREATE VIEW twin.protected_tables AS
	SELECT p.relation, p.tenant_column, p.owner_column,
		pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('read', p.read_permission, 'insert', p.insert_permission,
			'update', p.update_permission, 'delete', p.delete_permission)) AS permissions,
		twin_internal.protection_holds(p.relation) AS holds
	FROM twin_internal.protected_tables p;
COMMENT ON VIEW twin.protected_tables IS 'tables under protect_table, partitions too; holds tells whether all of it is still in force';

/* A partition that comes later is protected like its table. */
CREATE FUNCTION twin_internal.protect_new_partitions() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	arrived regclass[];
BEGIN
	/* nearly always there is nothing to look for: a whole tree is not walked for each of its partitions */
	IF NOT EXISTS (
		SELECT FROM pg_event_trigger_ddl_commands() d JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass
		WHERE (c.relispartition OR c.relkind = 'p')
			AND (c.relkind = 'p' OR NOT EXISTS (SELECT FROM twin_internal.protected_tables p WHERE p.relation = c.oid)))
	THEN
		RETURN;
	END IF;
	WITH found_new AS (
		SELECT DISTINCT ON (t.relid) t.relid::regclass AS partition, p.*
		FROM pg_event_trigger_ddl_commands() d
			JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass AND (c.relispartition OR c.relkind = 'p')
			JOIN twin_internal.protected_tables p ON p.relation IN (SELECT a.relid FROM pg_partition_ancestors(c.oid) a)
			CROSS JOIN LATERAL pg_partition_tree(p.relation) t
		WHERE NOT EXISTS (SELECT FROM twin_internal.protected_tables done WHERE done.relation = t.relid)
	), noted AS (
		SELECT n.partition, twin_internal.check_protectable(n.partition),
			twin_internal.note_protection(n.partition, n.tenant_column, n.owner_column, n.read_permission, n.insert_permission,
				n.update_permission, n.delete_permission)
		FROM found_new n
	)
	SELECT array_agg(n.partition) INTO arrived FROM noted n;
	PERFORM twin_internal.write_protection(a) FROM unnest(arrived) a;
END
$$;
COMMENT ON FUNCTION twin_internal.protect_new_partitions() IS 'protects partitions that are made or attached under a protected table';
CREATE EVENT TRIGGER twin_security_protect_partitions ON ddl_command_end
	WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE SCHEMA', 'CREATE FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA')
	EXECUTE FUNCTION twin_internal.protect_new_partitions();
ALTER EVENT TRIGGER twin_security_protect_partitions ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER twin_security_protect_partitions IS 'twin_security: partitions under a protected table are protected as it is';

CREATE FUNCTION twin_internal.forget_dropped_tables() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	/* in the middle of DROP EXTENSION the table may be gone */
	IF to_regclass('twin_internal.protected_tables') IS NOT NULL THEN
		DELETE FROM twin_internal.protected_tables p USING pg_event_trigger_dropped_objects() d
			WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0 AND p.relation = d.objid;
	END IF;
END
$$;
COMMENT ON FUNCTION twin_internal.forget_dropped_tables() IS 'what is dropped needs no protection';
CREATE EVENT TRIGGER twin_security_forget_tables ON sql_drop
	WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED', 'DROP TYPE', 'DROP SERVER', 'DROP FOREIGN DATA WRAPPER')
	EXECUTE FUNCTION twin_internal.forget_dropped_tables();
ALTER EVENT TRIGGER twin_security_forget_tables ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER twin_security_forget_tables IS 'twin_security: dropped tables leave the list of protected ones';

GRANT EXECUTE ON FUNCTION twin_internal.protection_holds(regclass) TO twin_admin, twin_auditor;
GRANT SELECT ON twin.protected_tables TO twin_admin, twin_auditor;

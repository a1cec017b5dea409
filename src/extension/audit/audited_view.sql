/*
 * audited_view.sql
 *		Which tables are audited, and whether anything is in the way of it: what was asked for against what is there.
 */

CREATE VIEW twin.audited_tables AS
	SELECT t.relation, t.mode, t.skip_columns, t.digest_columns, t.reads, t.audited_since, p.problems = '{}' AS in_force, p.problems
	FROM twin_internal.audited_tables t CROSS JOIN LATERAL (SELECT ARRAY(
		SELECT format('trigger %s of %s is %s', m.name, c.oid::regclass, CASE WHEN g.oid IS NULL THEN 'missing' WHEN g.tgenabled = 'D' THEN 'disabled' ELSE 'altered' END)
		FROM pg_catalog.pg_class c JOIN twin_internal.audit_triggers() m ON c.relkind = 'r' OR c.relkind = 'p' AND m.of_partitioned
			LEFT JOIN pg_catalog.pg_trigger g ON g.tgrelid = c.oid AND g.tgname = m.name AND g.tgfoid = m.calls
		WHERE (c.oid = t.relation OR c.oid IN (SELECT a.relid FROM pg_catalog.pg_partition_tree(t.relation) a))
			AND ((g.tgenabled = m.fires OR g.tgenabled = 'A' AND m.fires = 'O') AND g.tgtype = m.type AND g.tgqual IS NULL
				AND cardinality(g.tgattr::smallint[]) = 0) IS NOT TRUE
		UNION ALL SELECT 'the table is gone' WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.relation)
		UNION ALL SELECT 'twin_security.audit_enabled is off' WHERE NOT current_setting('twin_security.audit_enabled')::boolean
		UNION ALL SELECT 'reads are not recorded without preloading' WHERE t.reads AND NOT twin_internal.is_preloaded()
		ORDER BY 1)) p (problems);
COMMENT ON VIEW twin.audited_tables IS 'tables whose changes are recorded, how, and whether they really are: in_force is false where a trigger is missing or weakened, or the audit is switched off, and problems says what';
GRANT SELECT ON twin.audited_tables TO twin_admin, twin_auditor;
/* what a view calls is asked of who reads it */
GRANT EXECUTE ON FUNCTION twin_internal.is_preloaded(), twin_internal.audit_triggers() TO twin_admin, twin_auditor;

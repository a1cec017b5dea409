/*
 * convert.sql
 *		Converting a plain column of a live table: what is decided is decided
 *		here, what is done is done by convert.c.
 */

--@include rewrite.sql

CREATE FUNCTION twin.encrypt_on_write() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT AS 'MODULE_PATHNAME', 'tsec_encrypt_on_write';
COMMENT ON FUNCTION twin.encrypt_on_write() IS 'while a column is converted: seals what is written to the plain column into the one that will replace it';

--@include convert_check.sql
--@include convert_index.sql

/* The statements that begin a conversion. */
CREATE FUNCTION twin_internal.encrypt_prepare(rel regclass, wanted name, shadow name, of_type text) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT array_remove(ARRAY[
		format('ALTER TABLE %s ADD COLUMN %I %s', rel, shadow, of_type)
			|| CASE WHEN of_type ~ '^twin[.]encrypted_text' AND a.attcollation <> 'pg_catalog."default"'::regcollation
				THEN format(' COLLATE %s', a.attcollation::regcollation) ELSE '' END,
		CASE WHEN a.attnotnull THEN format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%I IS NOT NULL) NOT VALID', rel, shadow, shadow) END,
		format('CREATE TRIGGER "~~twin_security_encrypt" BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION twin.encrypt_on_write(%L, %L)',
			rel, wanted, shadow),
		format('ALTER TABLE %s ENABLE ALWAYS TRIGGER "~~twin_security_encrypt"', rel)], NULL)
	FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = wanted;
END;
COMMENT ON FUNCTION twin_internal.encrypt_prepare(regclass, name, name, text) IS 'the statements that begin a conversion';

/* The statements that put the encrypted column in the plain one's place; its default, sealed where it is constant, comes from the caller. */
CREATE FUNCTION twin_internal.encrypt_swap(rel regclass, wanted name, shadow name, new_default text) RETURNS text[]
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	/* constraints of partitions that are their parents' go and come with these; those of a partitioned table are an obstacle */
	WITH planned AS (
		SELECT i.*, k.oid AS constraint_oid, k.conname, k.contype FROM twin_internal.encrypt_tree(rel) r
			JOIN twin_internal.encrypt_indexes i ON i.indrelid = r AND i.wanted = $2 AND i.shadow = $3
			LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))
	SELECT array_agg(s.statement ORDER BY s.step, s.statement) FILTER (WHERE s.statement IS NOT NULL) FROM (
		SELECT 1, format('DROP TRIGGER "~~twin_security_encrypt" ON %s', rel)
		UNION ALL SELECT 2, format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass, i.conname) FROM planned i WHERE i.contype IS NOT NULL
		UNION ALL SELECT 3, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', rel, shadow) FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = wanted AND a.attnotnull
		UNION ALL SELECT 4, format('ALTER TABLE %s DROP CONSTRAINT %I', rel, k.conname) FROM pg_constraint k WHERE k.conrelid = rel AND k.conname = shadow AND k.contype = 'c'
		UNION ALL SELECT 5, format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', rel, shadow, new_default) WHERE new_default IS NOT NULL
		UNION ALL SELECT 6, format('COMMENT ON COLUMN %s.%I IS %L', r, shadow, col_description(r, a.attnum)) FROM twin_internal.encrypt_tree(rel) r, pg_attribute a
			WHERE a.attrelid = r AND a.attname = wanted AND col_description(r, a.attnum) IS NOT NULL
		UNION ALL SELECT 7, format('GRANT %s (%I) ON %s TO %s%s', g.privilege_type, shadow, r, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END,
				CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
			FROM twin_internal.encrypt_tree(rel) r, pg_attribute a, aclexplode(a.attacl) g WHERE a.attrelid = r AND a.attname = wanted
		UNION ALL SELECT 8, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STATISTICS %s', r, shadow, a.attstattarget)
			FROM twin_internal.encrypt_tree(rel) r, pg_attribute a WHERE a.attrelid = r AND a.attname = wanted AND coalesce(a.attstattarget, -1) >= 0
		/* options that are the user's; the server keeps some of its own there */
		UNION ALL SELECT 9, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET (%s)', r, shadow, o.option)
			FROM twin_internal.encrypt_tree(rel) r, pg_attribute a, unnest(a.attoptions) o (option)
			WHERE a.attrelid = r AND a.attname = wanted AND o.option ~ '^n_distinct'
		UNION ALL SELECT 10, format('ALTER TABLE %s DROP COLUMN %I', rel, wanted)
		UNION ALL SELECT 11, format('ALTER TABLE %s RENAME COLUMN %I TO %I', rel, shadow, wanted)
		UNION ALL SELECT 12, format('ALTER INDEX %I.%I RENAME TO %I', i.schema_name, i.new_name, i.old_name) FROM planned i
		UNION ALL SELECT 13, format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I', i.indrelid::regclass, i.conname,
				CASE i.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, i.old_name) FROM planned i WHERE i.contype IS NOT NULL
		UNION ALL SELECT 14, format('COMMENT ON INDEX %I.%I IS %L', i.schema_name, i.old_name, obj_description(i.indexrelid, 'pg_class')) FROM planned i
			WHERE obj_description(i.indexrelid, 'pg_class') IS NOT NULL
		UNION ALL SELECT 15, format('COMMENT ON CONSTRAINT %I ON %s IS %L', i.conname, i.indrelid::regclass, obj_description(i.constraint_oid, 'pg_constraint'))
			FROM planned i WHERE obj_description(i.constraint_oid, 'pg_constraint') IS NOT NULL
	) s (step, statement);
END;
COMMENT ON FUNCTION twin_internal.encrypt_swap(regclass, name, name, text) IS 'the statements that put the encrypted column in the place of the plain one';

CREATE PROCEDURE twin.encrypt_column(rel regclass, column_name name, key_name text, searchable boolean DEFAULT false, batch_rows integer DEFAULT 10000,
	max_rows_per_second integer DEFAULT NULL)
	LANGUAGE c AS 'MODULE_PATHNAME', 'tsec_encrypt_column';
COMMENT ON PROCEDURE twin.encrypt_column(regclass, name, text, boolean, integer, integer) IS 'converts a plain column of a live table to an encrypted one, in batches with commits; called again it goes on where it was interrupted';

CREATE FUNCTION twin.cancel_encryption(rel regclass, column_name name) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsec_cancel_encryption';
COMMENT ON FUNCTION twin.cancel_encryption(regclass, name) IS 'gives up a conversion that was interrupted: the plain column stays, the half-filled encrypted one goes';

CREATE FUNCTION twin_internal.encrypt_validate(rel regclass, shadow name) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(array_agg(format('ALTER TABLE %s VALIDATE CONSTRAINT %I', rel, shadow)), '{}')
	FROM pg_constraint k WHERE k.conrelid = rel AND k.conname = shadow AND k.contype = 'c' AND NOT k.convalidated;
END;
COMMENT ON FUNCTION twin_internal.encrypt_validate(regclass, name) IS 'the statement that validates the check that stands for NOT NULL';

CREATE FUNCTION twin_internal.encrypt_cancel(rel regclass, wanted name) RETURNS text[]
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN s.shadow IS NULL THEN '{}' ELSE ARRAY[
		format('DROP TRIGGER "~~twin_security_encrypt" ON %s', rel),
		format('ALTER TABLE %s DROP COLUMN %I', rel, s.shadow)] END
	FROM (SELECT twin_internal.encrypt_trigger_arguments(rel, wanted) AS shadow) s;
END;
COMMENT ON FUNCTION twin_internal.encrypt_cancel(regclass, name) IS 'the statements that give a conversion up';

CREATE FUNCTION twin_internal.encrypt_trigger_fires(rel regclass) RETURNS boolean
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT bool_and(EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = r AND t.tgname = '~~twin_security_encrypt'
		AND t.tgenabled = 'A' AND t.tgfoid = 'twin.encrypt_on_write()'::regprocedure)) FROM twin_internal.encrypt_tree(rel) r;
END;
COMMENT ON FUNCTION twin_internal.encrypt_trigger_fires(regclass) IS 'whether the trigger of a conversion is in force on a table and all its partitions';

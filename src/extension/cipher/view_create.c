/*
 * view_create.c
 *		Makes a decrypted view: the view, its defaults, its trigger.
 *
 * It runs as its caller, who must own the table, and all SQL is built from
 * quoted identifiers under an empty search path.
 */
#include "cipher/view.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/ruleutils.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(tsec_create_decrypted_view);

/* The encrypted type of a column, also behind a domain; NULL for any other. */
static const EncryptedType *
encrypted_type(Form_pg_attribute column)
{
	return type_of_oid(getBaseType(column->atttypid));
}

/* Opens what a view can be made of, for an owner. */
static Relation
open_table(Oid oid)
{
	Relation table = table_open(oid, AccessShareLock);

	if (table->rd_rel->relkind != RELKIND_RELATION && table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a table", RelationGetRelationName(table))));
	if (!compat_owns_relation(oid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, RelationGetRelationName(table));
	return table;
}

/* The view's name as SQL; without a schema it goes where CREATE VIEW would put it, beside a temporary table. */
static const char *
name_of_view(text *name, Relation table)
{
	RangeVar *wanted = makeRangeVarFromNameList(textToQualifiedNameList(name));
	const char *schema;

	if (wanted->catalogname != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("the name of a view has two parts at most")));
	if (wanted->schemaname == NULL && table->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		schema = "pg_temp";
	else
		schema = get_namespace_name(RangeVarGetCreationNamespace(wanted));
	return quote_qualified_identifier(schema, wanted->relname);
}

/* Runs a statement of ours. */
static void
execute(const char *sql)
{
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "twin_security: failed: %s", sql);
}

/* Makes the view itself, with its comment. */
static void
create_view(Relation table, const char *view, const char *table_name)
{
	TupleDesc shape = RelationGetDescr(table);
	const char *comma = "";
	bool encrypted = false;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE VIEW %s WITH (security_invoker = true) AS SELECT", view);
	for (int i = 0; i < shape->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(shape, i);
		const char *name = quote_identifier(NameStr(column->attname));

		if (column->attisdropped)
			continue;
		if (encrypted_type(column) != NULL)
		{
			appendStringInfo(&sql, "%s %s.reveal(stored.%s) AS %s", comma, TSEC_SCHEMA, name, name);
			encrypted = true;
		}
		else
		{
			appendStringInfo(&sql, "%s stored.%s", comma, name);
			if (type_holds_encrypted(column->atttypid, false))
				ereport(NOTICE, (errmsg("column \"%s\" of the view shows encrypted values as they are stored",
										NameStr(column->attname)),
								 errdetail("Values inside arrays and rows are not opened.")));
		}
		comma = ",";
	}
	appendStringInfo(&sql, " FROM %s stored", table_name);
	if (!encrypted)
		ereport(NOTICE, (errmsg("table \"%s\" has no encrypted column", RelationGetRelationName(table))));
	execute(sql.data);
	execute(psprintf("COMMENT ON VIEW %s IS %s", view,
					 quote_literal_cstr(psprintf("twin_security: %s with encrypted columns opened", table_name))));
}

/* Gives the view the table's defaults.  What the table generates is left to it. */
static void
copy_defaults(Relation table, const char *view)
{
	TupleDesc shape = RelationGetDescr(table);

	for (int i = 0; i < shape->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(shape, i);
		const EncryptedType *type;
		Node *value;
		const char *expression;

		if (column->attisdropped || column->attidentity || column->attgenerated)
			continue;
		value = build_column_default(table, i + 1);
		if (value == NULL)
			continue;
		expression = deparse_expression(value, NIL, false, false);
		type = encrypted_type(column);
		if (type != NULL)
			expression = psprintf("CAST((%s) AS %s)", expression, format_type_be_qualified(type->codec->base_type));
		execute(psprintf("ALTER VIEW %s ALTER COLUMN %s SET DEFAULT %s", view,
						 quote_identifier(NameStr(column->attname)), expression));
	}
}

/* Makes the view writable, as far as the table has a key. */
static void
create_trigger(Relation table, const char *view)
{
	bool has_key = view_find_key(table) != NIL;

	if (!has_key)
		ereport(NOTICE, (errmsg("encrypted columns of existing rows cannot be updated through the view"),
						 errdetail("Table \"%s\" has neither a primary key nor a unique one without nulls.",
								   RelationGetRelationName(table)),
						 errhint("Give it one, drop the view and call twin.create_decrypted_view() again.")));
	execute(psprintf("CREATE TRIGGER %s INSTEAD OF INSERT%s ON %s FOR EACH ROW EXECUTE FUNCTION %s.%s()",
					 VIEW_TRIGGER, has_key ? " OR UPDATE" : "", view, TSEC_SCHEMA, VIEW_TRIGGER));
}

/* create_decrypted_view(rel regclass, view_name text) */
Datum
tsec_create_decrypted_view(PG_FUNCTION_ARGS)
{
	Relation table = open_table(PG_GETARG_OID(0));
	const char *view = name_of_view(PG_GETARG_TEXT_PP(1), table);
	const char *table_name =
		quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)), RelationGetRelationName(table));
	int nest = NewGUCNestLevel();

	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: no connection to the server's SQL");
	create_view(table, view, table_name);
	copy_defaults(table, view);
	create_trigger(table, view);
	SPI_finish();
	AtEOXact_GUC(true, nest);
	table_close(table, NoLock);
	PG_RETURN_VOID();
}

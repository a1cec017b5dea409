/*
 * view_sql.c
 *		The text of the statements that write a view's rows: quoted names and
 *		parameters, never a value.
 */
#include "cipher/view.h"

#include "lib/stringinfo.h"

/* "a, b" of the columns of a set; as they are shown, stored, or their old or new values. */
static void
append_columns(StringInfo sql, const ViewWriter *writer, const Bitmapset *set, char how)
{
	const char *comma = "";
	int i = -1;

	while ((i = bms_next_member(set, i)) >= 0)
	{
		appendStringInfoString(sql, comma);
		comma = ", ";
		switch (how)
		{
			case 'i':
				appendStringInfoString(sql, writer->columns[i].into);
				break;
			case 's':
				appendStringInfoString(sql, writer->columns[i].shown);
				break;
			case 'o':
				appendStringInfo(sql, "$%d", i + 1);
				break;
			case 'n':
				appendStringInfo(sql, "$%d", writer->count + i + 1);
				break;
			case '=':
				appendStringInfo(sql, "%s = $%d", writer->columns[i].into, writer->count + i + 1);
				break;
		}
	}
}

/* The condition that columns are still as they were read: the same bytes, whatever their type's equality. */
static void
append_unchanged(StringInfo sql, const ViewWriter *writer, const Bitmapset *set)
{
	appendStringInfoString(sql, "ROW(");
	append_columns(sql, writer, set, 's');
	appendStringInfoString(sql, ")::pg_catalog.record OPERATOR(pg_catalog.*=) ROW(");
	append_columns(sql, writer, set, 'o');
	appendStringInfoString(sql, ")::pg_catalog.record");
}

/* RETURNING what comes back, if anything does. */
static void
append_returned(StringInfo sql, const ViewWriter *writer, const Bitmapset *returned)
{
	if (bms_is_empty(returned))
		return;
	appendStringInfoString(sql, " RETURNING ");
	append_columns(sql, writer, returned, 's');
}

char *
view_statement(const ViewWriter *writer, ViewStatement statement, const Bitmapset *written, const Bitmapset *returned)
{
	StringInfoData sql;

	initStringInfo(&sql);
	switch (statement)
	{
		case VIEW_INSERT:
			appendStringInfo(&sql, "INSERT INTO %s ", writer->table_name);
			if (bms_is_empty(written))
				appendStringInfoString(&sql, "DEFAULT VALUES");
			else
			{
				appendStringInfoString(&sql, "(");
				append_columns(&sql, writer, written, 'i');
				appendStringInfoString(&sql, ") VALUES (");
				append_columns(&sql, writer, written, 'n');
				appendStringInfoString(&sql, ")");
			}
			append_returned(&sql, writer, returned);
			break;
		case VIEW_UPDATE:
			appendStringInfo(&sql, "UPDATE %s SET ", writer->table_name);
			append_columns(&sql, writer, written, '=');
			appendStringInfo(&sql, " WHERE %s AND ", writer->key);
			append_unchanged(&sql, writer, written);
			append_returned(&sql, writer, returned);
			break;
		case VIEW_READ:
			appendStringInfoString(&sql, "SELECT ");
			append_columns(&sql, writer, returned, 's');
			appendStringInfo(&sql, " FROM %s WHERE %s FOR NO KEY UPDATE", writer->table_name, writer->key);
			break;
		case VIEW_CHANGED:
			appendStringInfo(&sql, "SELECT 1 FROM %s WHERE %s AND NOT ", writer->table_name, writer->key);
			append_unchanged(&sql, writer, written);
			break;
	}
	return sql.data;
}

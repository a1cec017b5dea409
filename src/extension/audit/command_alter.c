/*
 * command_alter.c
 *		What ALTER TABLE does to a table: to what protects it, to its place under
 *		and over other tables, and to values, which no trigger sees it rewrite.
 *
 * What is named is read off the command; whether the table is audited off the
 * catalogs, without locks and without raising, because nothing is decided by it
 * but how loudly the command is told.
 */
#include "audit/security.h"

#include "catalog/namespace.h"
#include "utils/lsyscache.h"

typedef struct Alteration
{
	AlterTableType type;
	bool is_of_any; /* of security whether the table is audited or not */
	const char *words;
	const char *values; /* what becomes of values, which nothing records row by row */
} Alteration;

static const Alteration alterations[] = {
	{AT_EnableTrig, true, "enable trigger", NULL},
	{AT_EnableAlwaysTrig, true, "enable always trigger", NULL},
	{AT_EnableReplicaTrig, true, "enable replica trigger", NULL},
	{AT_DisableTrig, true, "disable trigger", NULL},
	{AT_EnableTrigAll, true, "enable trigger all", NULL},
	{AT_DisableTrigAll, true, "disable trigger all", NULL},
	{AT_EnableTrigUser, true, "enable trigger user", NULL},
	{AT_DisableTrigUser, true, "disable trigger user", NULL},
	{AT_EnableRule, true, "enable rule", NULL},
	{AT_EnableAlwaysRule, true, "enable always rule", NULL},
	{AT_EnableReplicaRule, true, "enable replica rule", NULL},
	{AT_DisableRule, true, "disable rule", NULL},
	{AT_EnableRowSecurity, true, "enable row level security", NULL},
	{AT_DisableRowSecurity, true, "disable row level security", NULL},
	{AT_ForceRowSecurity, true, "force row level security", NULL},
	{AT_NoForceRowSecurity, true, "no force row level security", NULL},
	{AT_DetachPartition, true, "detach partition", NULL},
	{AT_DetachPartitionFinalize, true, "detach partition finalize", NULL},
	{AT_ChangeOwner, true, "owner to", NULL},
	{AT_AttachPartition, false, "attach partition", NULL},
	{AT_AddInherit, false, "inherit", NULL},
	{AT_DropInherit, false, "no inherit", NULL},
	{AT_AddOf, false, "of", NULL},
	{AT_DropOf, false, "not of", NULL},
	{AT_AddColumn, false, "add column", NULL},
	{AT_DropColumn, false, "drop column", "dropped"},
	{AT_AlterColumnType, false, "alter column type", "rewritten"},
	{AT_ColumnDefault, false, "alter column default", NULL},
	{AT_DropExpression, false, "drop expression", NULL},
	{AT_SetUnLogged, false, "set unlogged", NULL},
	{AT_SetLogged, false, "set logged", NULL},
};

static const Alteration *
find(AlterTableType type)
{
	for (int i = 0; i < (int) lengthof(alterations); i++)
		if (alterations[i].type == type)
			return &alterations[i];
	return NULL;
}

/* Whether what a name stands for now is audited. */
static bool
is_audited(const RangeVar *name)
{
	Oid schema;
	Oid relation = InvalidOid;

	if (name == NULL)
		return false;
	if (name->schemaname == NULL)
		relation = RelnameGetRelid(name->relname);
	else if (OidIsValid(schema = get_namespace_oid(name->schemaname, true)))
		relation = get_relname_relid(name->relname, schema);
	return OidIsValid(relation) && audit_table_of(relation) != NULL;
}

/* The other table of a part; NULL where there is none. */
static const RangeVar *
other_table(const AlterTableCmd *part)
{
	if (part->def != NULL && IsA(part->def, PartitionCmd))
		return ((PartitionCmd *) part->def)->name;
	return part->def != NULL && IsA(part->def, RangeVar) ? (RangeVar *) part->def : NULL;
}

/* Whether a new column comes with values. */
static bool
brings_values(const AlterTableCmd *part)
{
	const ColumnDef *column = (const ColumnDef *) part->def;
	ListCell *cell;

	if (part->subtype != AT_AddColumn || column == NULL || !IsA(column, ColumnDef))
		return false;
	foreach(cell, column->constraints)
	{
		ConstrType kind = ((Constraint *) lfirst(cell))->contype;

		if (kind == CONSTR_DEFAULT || kind == CONSTR_IDENTITY || kind == CONSTR_GENERATED)
			return true;
	}
	return column->raw_default != NULL;
}

/* The name of what a part is about: a column, a trigger, the other table. */
static void
add_name(const AlterTableCmd *part, char *text, size_t size)
{
	const RangeVar *other = other_table(part);
	const char *name = part->name;

	if (name == NULL && part->def != NULL && IsA(part->def, ColumnDef))
		name = ((ColumnDef *) part->def)->colname;
	if (other != NULL)
	{
		strlcat(text, " ", size);
		if (other->schemaname != NULL)
		{
			strlcat(text, other->schemaname, size);
			strlcat(text, ".", size);
		}
		strlcat(text, other->relname, size);
	}
	else if (name != NULL)
	{
		strlcat(text, " ", size);
		strlcat(text, name, size);
	}
}

void
command_alterations(CommandWords *words, AlterTableStmt *alter)
{
	char text[1024] = "";
	char values[64] = "";
	bool audited = is_audited(alter->relation);
	ListCell *cell;

	foreach(cell, alter->cmds)
	{
		AlterTableCmd *part = lfirst(cell);
		const Alteration *alteration = find(part->subtype);
		const char *became = alteration == NULL ? NULL : brings_values(part) ? "added" : alteration->values;

		if (alteration == NULL)
			continue;
		if (alteration->is_of_any || audited || is_audited(other_table(part)))
		{
			words->is_begun = true;
			words->severity = EVENT_HIGH;
		}
		if (text[0] != '\0')
			strlcat(text, ", ", sizeof(text));
		strlcat(text, alteration->words, sizeof(text));
		add_name(part, text, sizeof(text));
		if (part->subtype == AT_AlterColumnType && ((ColumnDef *) part->def)->raw_default != NULL)
			strlcat(text, " using", sizeof(text));
		if (became != NULL && strstr(values, became) == NULL)
		{
			if (values[0] != '\0')
				strlcat(values, ", ", sizeof(values));
			strlcat(values, became, sizeof(values));
		}
	}
	if (text[0] != '\0')
		(void) event_json_add(words->details, sizeof(words->details), "change", text);
	if (values[0] != '\0' && audited)
		(void) event_json_add(words->details, sizeof(words->details), "values", values);
}

/*
 * audited_name.c
 *		Names as the log has them: as SQL writes them, and the same in every
 *		session, or who sets quote_all_identifiers would not be found by them.
 */
#include "audit/private.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* A type's name, or a relation's. */
static char *
write_name(Oid object, bool is_type)
{
	bool quotes = quote_all_identifiers;
	char *volatile written = NULL;

	PG_TRY();
	{
		quote_all_identifiers = false;
		if (is_type)
			written = format_type_extended(object, -1, FORMAT_TYPE_FORCE_QUALIFY);
		else
		{
			char *name = get_rel_name(object);
			char *schema = name != NULL ? get_namespace_name(get_rel_namespace(object)) : NULL;

			written = schema != NULL ? quote_qualified_identifier(schema, name) : psprintf("%u", object);
		}
	}
	PG_FINALLY();
	{
		quote_all_identifiers = quotes;
	}
	PG_END_TRY();
	return written;
}

char *
audited_name(Oid relation)
{
	return write_name(relation, false);
}

char *
audited_type_name(Oid type)
{
	return write_name(type, true);
}

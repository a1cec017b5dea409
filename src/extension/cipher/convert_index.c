/*
 * convert_index.c
 *		Building the indexes of the encrypted column while others write.
 */
#include "cipher/convert.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Makes the indexes that the plain column has, one after another, while others write. */
void
conversion_build_indexes(Conversion *conversion)
{
	Datum *words;
	int count;
	MemoryContext old;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "twin_security indexes", ALLOCSET_SMALL_SIZES);

	old = MemoryContextSwitchTo(context);
	deconstruct_array(
		DatumGetArrayTypeP(convert_ask("encrypt_missing_indexes", 3, ObjectIdGetDatum(conversion->relation),
									   NameGetDatum(&conversion->column), NameGetDatum(&conversion->shadow))),
		TEXTOID, -1, false, TYPALIGN_INT, &words, NULL, &count);
	MemoryContextSwitchTo(old);
	for (int i = 0; i + 1 < count; i += 2)
	{
		char *statement = TextDatumGetCString(words[i + 1]);

		progress_phase("building indexes", i / 2, count / 2);
		/* what an interrupted build left is invalid */
		if (OidIsValid(DatumGetObjectId(convert_ask("encrypt_index", 1, words[i]))))
			convert_run(psprintf("DROP INDEX %s", TextDatumGetCString(words[i])));
		if (get_rel_relkind(conversion->relation) == RELKIND_PARTITIONED_TABLE)
			convert_run(statement);
		rewrite_commit();
		if (get_rel_relkind(conversion->relation) != RELKIND_PARTITIONED_TABLE)
			worker_run_statement(statement, "CALL it again: it goes on where it is.");
	}
	MemoryContextDelete(context);
}

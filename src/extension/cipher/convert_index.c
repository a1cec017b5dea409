/*
 * convert_index.c
 *		Building the indexes of the encrypted column while others write.
 */
#include "cipher/convert.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* Columns of what encrypt_missing_indexes() returns. */
#define FIELDS 3

/*
 * The steps are (name, how, statement): "worker" for what builds an index
 * concurrently, which cannot run here, "here" for the empty indexes of
 * partitioned tables and for attaching their partitions' indexes to them.
 */
void
conversion_build_indexes(Conversion *conversion)
{
	Datum *words;
	int count;

	deconstruct_array(
		DatumGetArrayTypeP(convert_ask("encrypt_missing_indexes", 3, ObjectIdGetDatum(conversion->relation),
									   NameGetDatum(&conversion->column), NameGetDatum(&conversion->shadow))),
		TEXTOID, -1, false, TYPALIGN_INT, &words, NULL, &count);
	for (int i = 0; i + FIELDS <= count; i += FIELDS)
	{
		char *how = TextDatumGetCString(words[i + 1]);

		progress_phase("building indexes", i / FIELDS, count / FIELDS);
		/* what an interrupted build left is invalid */
		convert_run(convert_ask("encrypt_drop_invalid", 1, words[i]));
		if (strcmp(how, "here") == 0)
			convert_run(PointerGetDatum(construct_array(&words[i + 2], 1, TEXTOID, -1, false, TYPALIGN_INT)));
		rewrite_commit();
		if (strcmp(how, "worker") == 0)
			worker_run_statement(TextDatumGetCString(words[i + 2]), "CALL it again: it goes on where it is.");
	}
	rewrite_commit();
}

/*
 * convert_check.c
 *		What is refused before a conversion changes anything.
 */
#include "cipher/convert.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Refuses what could not be carried over. */
void
conversion_check_obstacles(const Conversion *conversion)
{
	Datum found =
		convert_ask("encrypt_obstacles", 4, ObjectIdGetDatum(conversion->relation), NameGetDatum(&conversion->column),
					NameGetDatum(&conversion->shadow), BoolGetDatum(conversion->type->searchable));
	Datum *reasons;
	int count;
	StringInfoData detail;
	char *name = get_rel_name(conversion->relation);

	deconstruct_array(DatumGetArrayTypeP(found), TEXTOID, -1, false, TYPALIGN_INT, &reasons, NULL, &count);
	if (count == 0)
		return;
	initStringInfo(&detail);
	for (int i = 0; i < count; i++)
		appendStringInfo(&detail, "%s%s", i > 0 ? "; " : "", TextDatumGetCString(reasons[i]));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("column \"%s\" of \"%s\" cannot be converted as it is", NameStr(conversion->column),
					name ? name : "?"),
			 errdetail("%s.", detail.data),
			 NameStr(conversion->shadow)[0] != '\0'
				 ? errhint("Drop or change these first, and make them anew afterwards where they still make "
						   "sense; nothing has been changed.")
				 : errhint("They came after the conversion had begun. Drop or change them and CALL it again: it "
						   "goes on where it is.")));
}

/* Refuses to begin what would make the table's writers fail. */
void
conversion_check_writers(const Conversion *conversion)
{
	Datum found =
		convert_ask("encrypt_writers", 2, ObjectIdGetDatum(conversion->relation), NameGetDatum(&conversion->column));
	Datum *roles;
	int count;
	Key *key = keyring_sealing_key(conversion->modifier);

	if (!key->is_column_key)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("no column may hold values under the key \"%s\"", keyring_name(key))));
	keyring_require(key, KEY_ENCRYPT);
	deconstruct_array(DatumGetArrayTypeP(found), REGROLEOID, sizeof(Oid), true, TYPALIGN_INT, &roles, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		key = keyring_sealing_key(conversion->modifier);
		if (!keyring_allows_role(key, DatumGetObjectId(roles[i]), KEY_ENCRYPT))
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							errmsg("role \"%s\" may write to \"%s\" but not encrypt with key \"%s\"",
								   GetUserNameFromId(DatumGetObjectId(roles[i]), false),
								   get_rel_name(conversion->relation), keyring_name(key)),
							errdetail("Its writes would fail as soon as the conversion begins."),
							errhint("SELECT twin.grant_key('%s', '%s', 'encrypt');", keyring_name(key),
									GetUserNameFromId(DatumGetObjectId(roles[i]), false))));
	}
}

/*
 * leaf_change.h
 *		The changed row of a leaf as members of its JSON.
 */
#ifndef TSEC_LEAF_CHANGE_H
#define TSEC_LEAF_CHANGE_H

#include "jsonwrite.h"

/* Writes the members "old" and "new" as twin.audit_log shows them; false, nothing written: these are no changed row. */
extern bool leaf_change_json(JsonWriter *writer, Bytes columns, Bytes row);

#endif /* TSEC_LEAF_CHANGE_H */

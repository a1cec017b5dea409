/*
 * event.c
 *		What a few events say of the log itself: in the details of an event that was
 *		made by the log, and by no application that gave it the name.
 */
#include "verify/check.h"

#include "common/strictjson.h"

#include <string.h>

json_t *
event_details(Bytes bytes, const char *type)
{
	Leaf leaf;

	if (bytes.data == NULL || !leaf_decode(bytes, &leaf) || (leaf.flags & LEAF_APPLICATION_MADE) != 0 ||
		leaf.text[LEAF_DETAILS].data == NULL || leaf.text[LEAF_TYPE].length != strlen(type) ||
		memcmp(leaf.text[LEAF_TYPE].data, type, strlen(type)) != 0) /* public: an event's type */
		return NULL;
	return strictjson_object((const char *) leaf.text[LEAF_DETAILS].data, leaf.text[LEAF_DETAILS].length, 8, 100);
}

bool
event_tells_altered(Bytes bytes)
{
	json_t *details = event_details(bytes, "heartbeat");
	bool tells = details != NULL && strictjson_text(details, "altered") != NULL;

	json_decref(details);
	return tells;
}

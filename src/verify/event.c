/*
 * event.c
 *		What a few events say of the log itself: in the details of an event that was
 *		made by the log, and by no application that gave it the name.
 */
#include "verify/check.h"

#include "common/strictjson.h"

#include <string.h>

bool
event_text_is(const Leaf *leaf, LeafText which, const char *text)
{
	const Bytes *found = &leaf->text[which];

	return found->data != NULL && found->length == strlen(text) &&
		   memcmp(found->data, text, found->length) == 0; /* public: an event's type or resource */
}

json_t *
event_details(const Leaf *leaf, const char *type)
{
	if ((leaf->flags & LEAF_APPLICATION_MADE) != 0 || !event_text_is(leaf, LEAF_TYPE, type) ||
		leaf->text[LEAF_DETAILS].data == NULL)
		return NULL;
	return strictjson_object((const char *) leaf->text[LEAF_DETAILS].data, leaf->text[LEAF_DETAILS].length, 8, 100);
}

bool
event_tells_altered(const Leaf *leaf)
{
	json_t *details = event_details(leaf, "heartbeat");
	bool tells = details != NULL && strictjson_text(details, "altered") != NULL;

	json_decref(details);
	return tells;
}

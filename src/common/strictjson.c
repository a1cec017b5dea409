/*
 * strictjson.c
 *		The scan in front of jansson, and jansson with its strict flags.
 */
#include "strictjson.h"

bool
strictjson_fits(const char *text, size_t length, unsigned depth, unsigned values)
{
	unsigned level = 0;
	unsigned count = 1;
	bool in_string = false;

	for (size_t i = 0; i < length; i++)
	{
		char c = text[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		switch (c)
		{
			case '"':
				in_string = true;
				break;
			case '{':
			case '[':
				if (++level > depth || ++count > values)
					return false;
				break;
			case '}':
			case ']':
				if (level == 0)
					return false;
				level--;
				break;
			case ',':
				if (++count > values)
					return false;
				break;
			default:
				break;
		}
	}
	return true;
}

json_t *
strictjson_object(const char *text, size_t length, unsigned depth, unsigned values)
{
	json_t *root;

	if (!strictjson_fits(text, length, depth, values))
		return NULL;
	root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	if (root != NULL && !json_is_object(root))
	{
		json_decref(root);
		root = NULL;
	}
	return root;
}

const char *
strictjson_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

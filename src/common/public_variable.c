/*
 * public_variable.c
 *		Which variables of the environment may be shown to SQL.
 */
#include "public_variable.h"

#include "redact.h"

#include <string.h>

/* ---- names ---- */

/* Parts of names of secrets; "JW" is that of JWT and JWK. */
static const char *const secret_parts[] = {"KEY",  "SECRET", "PASS", "PWD",  "TOKEN",  "CRED",
										   "PRIV", "AUTH",   "SALT", "SEED", "PEPPER", "JW"};

/* Names with such a part that are known to hold none. */
static const char *const known_public[] = {"JWT_ACCESS_TOKEN_EXPIRES"};

static uint8_t
upper(uint8_t byte)
{
	return byte >= 'a' && byte <= 'z' ? (uint8_t) (byte - ('a' - 'A')) : byte;
}

static bool
is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool
is_letter(uint8_t byte)
{
	return upper(byte) >= 'A' && upper(byte) <= 'Z';
}

static bool
is_well_formed(Bytes name)
{
	if (name.length == 0 || name.length > PUBLIC_VARIABLE_NAME_MAX || is_digit(name.data[0]))
		return false;
	for (size_t i = 0; i < name.length; i++)
		if (!is_letter(name.data[i]) && !is_digit(name.data[i]) && name.data[i] != '_')
			return false;
	return true;
}

/* Whether a part stands anywhere in a name, in any case and whatever underscores are between. */
static bool
has_part(Bytes name, const char *part)
{
	for (size_t begin = 0; begin < name.length; begin++)
	{
		size_t at = begin;
		const char *wanted = part;

		while (*wanted != '\0' && at < name.length && (name.data[at] == '_' || upper(name.data[at]) == *wanted))
			wanted += name.data[at++] != '_';
		if (*wanted == '\0')
			return true;
	}
	return false;
}

static bool
is_same(Bytes a, Bytes b)
{
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0; /* public: names of variables */
}

PublicVariable
public_variable_name(Bytes name)
{
	if (!is_well_formed(name))
		return PUBLIC_VARIABLE_MALFORMED;
	for (size_t i = 0; i < sizeof(known_public) / sizeof(known_public[0]); i++)
		if (is_same(name, bytes_of(known_public[i], strlen(known_public[i]))))
			return PUBLIC_VARIABLE_GOOD;
	for (size_t i = 0; i < sizeof(secret_parts) / sizeof(secret_parts[0]); i++)
		if (has_part(name, secret_parts[i]))
			return PUBLIC_VARIABLE_SECRET;
	return PUBLIC_VARIABLE_GOOD;
}

/* ---- lists ---- */

static bool
is_blank(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static Bytes
trimmed(Bytes text)
{
	while (text.length > 0 && is_blank(text.data[0]))
		text = bytes_of(text.data + 1, text.length - 1);
	while (text.length > 0 && is_blank(text.data[text.length - 1]))
		text.length--;
	return text;
}

/* Takes the next name off a list; false: there is none. */
static bool
next_name(Bytes *list, bool *is_first, Bytes *name)
{
	size_t end = 0;

	if (!*is_first)
	{
		if (list->length == 0)
			return false;
		*list = bytes_of(list->data + 1, list->length - 1); /* the comma */
	}
	*is_first = false;
	while (end < list->length && list->data[end] != ',')
		end++;
	*name = trimmed(bytes_of(list->data, end));
	*list = bytes_of(list->data + end, list->length - end);
	return true;
}

PublicVariable
public_variable_list(Bytes list, Bytes *culprit)
{
	bool is_first = true;
	int names = 0;

	if (trimmed(list).length == 0)
		return PUBLIC_VARIABLE_GOOD;
	while (next_name(&list, &is_first, culprit))
	{
		PublicVariable found = public_variable_name(*culprit);

		if (found == PUBLIC_VARIABLE_GOOD && ++names > PUBLIC_VARIABLE_NAMES_MAX)
			found = PUBLIC_VARIABLE_MALFORMED;
		if (found != PUBLIC_VARIABLE_GOOD)
			return found;
	}
	return PUBLIC_VARIABLE_GOOD;
}

bool
public_variable_listed(Bytes list, Bytes name)
{
	bool is_first = true;
	Bytes listed;

	while (next_name(&list, &is_first, &listed))
		if (listed.length > 0 && is_same(listed, name))
			return true;
	return false;
}

/* ---- values ---- */

#define HEX_KEY_LEAST 32    /* digits: 128 bits */
#define BASE64_KEY_LEAST 40 /* characters: 240 bits */

static bool
is_hex(uint8_t byte)
{
	return is_digit(byte) || (upper(byte) >= 'A' && upper(byte) <= 'F');
}

static bool
is_base64(uint8_t byte)
{
	return is_letter(byte) || is_digit(byte) || (byte != '\0' && memchr("+/-_", byte, 4) != NULL);
}

/*
 * Whether characters of base64 are as random bytes give them: letters of both cases, digits, and few of the others, of
 * which each is one in 64.  Paths and names with dashes have more of those.
 */
static bool
is_random(Bytes run)
{
	size_t small = 0;
	size_t capital = 0;
	size_t digits = 0;

	for (size_t i = 0; i < run.length; i++)
	{
		small += run.data[i] >= 'a' && run.data[i] <= 'z';
		capital += run.data[i] >= 'A' && run.data[i] <= 'Z';
		digits += is_digit(run.data[i]);
	}
	return small > 0 && capital > 0 && digits > 0 && run.length - small - capital - digits <= run.length / 7;
}

/* The bytes from a place on that are of a kind. */
static Bytes
run_at(Bytes text, size_t begin, bool (*is_of_kind)(uint8_t byte))
{
	size_t end = begin;

	while (end < text.length && is_of_kind(text.data[end]))
		end++;
	return bytes_of(text.data + begin, end - begin);
}

bool
public_variable_looks_secret(Bytes value)
{
	size_t at;
	Bytes run;

	if (redact_look(value, NULL) & REDACT_SHAPE)
		return true;
	for (at = 0; at < value.length; at += run.length + 1)
	{
		run = run_at(value, at, is_hex);
		if (run.length >= HEX_KEY_LEAST)
			return true;
	}
	for (at = 0; at < value.length; at += run.length + 1)
	{
		run = run_at(value, at, is_base64);
		if (run.length >= BASE64_KEY_LEAST && is_random(run))
			return true;
	}
	return false;
}

/*
 * redact_words.c
 *		Words that tell of a secret: names of columns, keys and settings, functions
 *		that take one, commands that hold one.
 *
 * Names are compared in lower case and without "_" and "-", so that api_key,
 * apiKey and API-Key are one.  A name that ends as what nobody hides does
 * (token_lifetime, password_encryption) is none.
 */
#include "redact_form.h"

#include <string.h>

typedef enum StemKind
{
	STEM_NAME,     /* anywhere in a word */
	STEM_WORD,     /* a word, or a part of one between "_", "-" and capitals */
	STEM_FUNCTION, /* anywhere in a word that "(" follows */
	STEM_HEADER,   /* a word that ":" or "=" follows */
	STEM_COMMAND   /* a word, with one of a few behind it */
} StemKind;

typedef struct Stem
{
	const char *text; /* lower case, without "_" and "-" */
	StemKind kind;
} Stem;

/* Sorted by the first letter, which stem_range() relies on. */
static const Stem stems[] = {
	{"accesskey", STEM_NAME},
	{"alter", STEM_COMMAND},
	{"apikey", STEM_NAME},
	{"authkey", STEM_NAME},
	{"authorization", STEM_HEADER},
	{"authenticat", STEM_FUNCTION},
	{"cookie", STEM_HEADER},
	{"create", STEM_COMMAND},
	{"createaccount", STEM_FUNCTION},
	{"createuser", STEM_FUNCTION},
	{"credential", STEM_NAME},
	{"crypt", STEM_FUNCTION},
	{"cvc", STEM_WORD},
	{"cvv", STEM_WORD},
	{"encrypted", STEM_NAME},
	{"encryptionkey", STEM_NAME},
	{"execute", STEM_COMMAND},
	{"hmac", STEM_FUNCTION},
	{"jwt", STEM_WORD},
	{"kennwort", STEM_NAME},
	{"login", STEM_FUNCTION},
	{"logon", STEM_FUNCTION},
	{"masterkey", STEM_NAME},
	{"motdepasse", STEM_NAME},
	{"otp", STEM_WORD},
	{"pass", STEM_WORD},
	{"passcode", STEM_NAME},
	{"passphrase", STEM_NAME},
	{"passwd", STEM_NAME},
	{"password", STEM_NAME},
	{"passwort", STEM_NAME},
	{"privatekey", STEM_NAME},
	{"pw", STEM_WORD},
	{"pwd", STEM_WORD},
	{"registeruser", STEM_FUNCTION},
	{"secret", STEM_NAME},
	{"sharedkey", STEM_NAME},
	{"signin", STEM_FUNCTION},
	{"signingkey", STEM_NAME},
	{"signup", STEM_FUNCTION},
	{"sslkey", STEM_NAME},
	{"token", STEM_NAME},
	{"totp", STEM_WORD},
};

#define STEM_COUNT (sizeof(stems) / sizeof(stems[0]))

/* For each small letter, the first stem that begins with it or a later one. */
static const uint8_t stem_begin[27] = {
	/* a */ 0,  /* b */ 6,  /* c */ 6,  /* d */ 14, /* e */ 14,
	/* f */ 17, /* g */ 17, /* h */ 17, /* i */ 18,
	/* j */ 18, /* k */ 19, /* l */ 20, /* m */ 22, /* n */ 24,
	/* o */ 24, /* p */ 25, /* q */ 34, /* r */ 34,
	/* s */ 35, /* t */ 41, /* u */ 43, /* v */ 43, /* w */ 43,
	/* x */ 43, /* y */ 43, /* z */ 43, 43};

_Static_assert(sizeof(stems) / sizeof(stems[0]) == 43, "stem_begin counts the stems");

/* Last parts of words that make a name of something nobody hides. */
static const char *const public_endings[] = {
	"attempts", "at",         "audience", "bucket", "cost",  "count",  "encryption", "enabled", "endpoint", "expires",
	"expiry",   "expiration", "grace",    "id",     "ids",   "issuer", "kind",       "label",   "leeway",   "length",
	"lifetime", "limit",      "logins",   "name",   "names", "policy", "required",   "score",   "size",     "state",
	"status",   "timeout",    "ttl",      "type",   "types", "url",    "uri",        "used",    "version"};

/* Words that hold a stem by chance. */
static const char *const harmless[] = {"secretar", "secretion", "tokeniz", "tokenis", "passwordless"};

/* How far a word is looked at on either side. */
#define REACH 64

static bool
is_letter(uint8_t byte)
{
	byte = redact_lower(byte);
	return byte >= 'a' && byte <= 'z';
}

/* Bytes of names: those of words, and dashes. */
static bool
is_name_byte(uint8_t byte)
{
	return redact_is_word(byte) || byte == '-';
}

/* Where a stem that begins here ends; 0 when none does. */
static size_t
stem_end(Bytes text, size_t at, const char *stem)
{
	const char *wanted = stem;

	for (size_t i = at; i < text.length; i++)
	{
		uint8_t byte = redact_lower(text.data[i]);

		if (byte == (uint8_t) *wanted)
		{
			if (*++wanted == '\0')
				return i + 1;
		}
		else if ((byte != '_' && byte != '-') || wanted == stem || text.data[i - 1] == byte)
			return 0;
	}
	return 0;
}

/* Where the word ends that something within it belongs to. */
static size_t
word_end(Bytes text, size_t at)
{
	size_t end = at;

	while (end < text.length && end - at < REACH && is_name_byte(text.data[end]))
		end++;
	while (end > at && text.data[end - 1] == '-')
		end--;
	return end;
}

/* Whether a part of a word begins, or with its end, ends here. */
static bool
is_edge(Bytes text, size_t at)
{
	uint8_t before;
	uint8_t after;

	if (at == 0 || at == text.length)
		return true;
	before = text.data[at - 1];
	after = text.data[at];
	if (!is_letter(before) || !is_letter(after))
		return before < 0x80 && after < 0x80;
	return before >= 'a' && after < 'a';
}

/* Whether a word's last part, behind a stem, says that no secret is meant. */
static bool
is_public(Bytes text, size_t stem, size_t end)
{
	size_t begin = end;

	while (begin > stem && is_letter(text.data[begin - 1]) && !(begin < end && is_edge(text, begin)))
		begin--;
	if (begin <= stem && !(begin == stem && is_edge(text, begin)))
		return false;
	for (size_t i = 0; i < sizeof(public_endings) / sizeof(public_endings[0]); i++)
		if (strlen(public_endings[i]) == end - begin && stem_end(text, begin, public_endings[i]) == end)
			return true;
	return false;
}

static bool
is_harmless(Bytes text, size_t at)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (stem_end(text, at, harmless[i]) != 0)
			return true;
	return false;
}

/* Whether what follows a word, and a quote that closes it, is one of some bytes. */
static bool
is_followed_by(Bytes text, size_t at, const char *bytes)
{
	while (at < text.length && (text.data[at] == '"' || text.data[at] == '\''))
		at++;
	at = redact_skip_blank(text, at);
	return at < text.length && text.data[at] != 0 && strchr(bytes, text.data[at]) != NULL;
}

/* CREATE and ALTER with what they make; EXECUTE of a prepared statement, at a statement's beginning, with arguments. */
static bool
is_command(Bytes text, size_t at, size_t end)
{
	static const char *const objects[] = {"role", "user", "group", "subscription", "server"};
	size_t next = redact_skip_blank(text, end);
	size_t before = at;

	if (redact_lower(text.data[at + 1]) == 'x')
	{
		while (before > 0 && redact_is_space(text.data[before - 1]))
			before--;
		if (before > 0 && text.data[before - 1] != ';' && text.data[before - 1] != ':')
			return false;
		if (next < text.length && text.data[next] == '"')
			return true;
		return next > end && next < text.length && redact_is_word(text.data[next]) &&
			   is_followed_by(text, word_end(text, next), "(");
	}
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		if (redact_word_at(text, next, objects[i]))
			return true;
	return false;
}

/* Whether a stem that was found tells of a secret. */
static bool
tells(Bytes text, size_t at, size_t end, StemKind kind, size_t *name_end)
{
	size_t whole = word_end(text, end);

	*name_end = 0;
	switch (kind)
	{
		case STEM_WORD:
			if (!is_edge(text, at) || !is_edge(text, end))
				return false;
			break;
		case STEM_NAME:
			if (is_harmless(text, at))
				return false;
			break;
		case STEM_FUNCTION:
			return is_followed_by(text, whole, "(");
		case STEM_HEADER:
			if (end != whole || !is_followed_by(text, whole, ":="))
				return false;
			break;
		case STEM_COMMAND:
			return (at == 0 || !redact_is_word(text.data[at - 1])) &&
				   (end == text.length || !redact_is_word(text.data[end])) && is_command(text, at, end);
	}
	if (is_public(text, end, whole))
		return false;
	*name_end = whole;
	return true;
}

static bool
is_one_of(Bytes text, size_t at, const RedactNames *more, size_t *name_end)
{
	uint8_t byte = redact_lower(text.data[at]);

	if (!(more->first[byte / 8] & (1 << (byte % 8))))
		return false;
	for (int i = 0; i < more->count; i++)
	{
		size_t end = stem_end(text, at, more->names[i]);

		if (end != 0)
		{
			*name_end = word_end(text, end);
			return true;
		}
	}
	return false;
}

#define L(letter) (1u << ((letter) - 'a'))
#define BOTH(small, large, letters) [small] = (letters), [large] = (letters)
#define OTHER (1u << 31)

/* Second letters of stems, of secrets known by their look and of words nearly "password", by the first byte. */
static const uint32_t second_letters[256] = {
	BOTH('a', 'A', L('c') | L('i') | L('l') | L('p') | L('u')),
	BOTH('b', 'B', L('a') | L('e')),
	BOTH('c', 'C', L('o') | L('r') | L('v')),
	BOTH('e', 'E', L('n') | L('x') | L('y')),
	BOTH('g', 'G', L('h') | L('i') | L('l')),
	BOTH('h', 'H', L('m')),
	BOTH('j', 'J', L('w')),
	BOTH('k', 'K', L('e')),
	BOTH('l', 'L', L('o')),
	BOTH('m', 'M', L('a') | L('d') | L('o')),
	BOTH('o', 'O', L('t')),
	BOTH('p', 'P', L('a') | L('r') | L('s') | L('w')),
	BOTH('r', 'R', L('e') | L('k')),
	BOTH('s', 'S', L('c') | L('e') | L('h') | L('i') | L('k') | L('s')),
	BOTH('t', 'T', L('o')),
	BOTH('x', 'X', L('o')),
	BOTH('u', 'U', OTHER),
	['$'] = OTHER,
	[':'] = OTHER,
	['-'] = OTHER,
};

size_t
redact_next(Bytes text, size_t at, const RedactNames *more)
{
	for (; at < text.length; at++)
	{
		uint8_t first = text.data[at];
		uint32_t letters = second_letters[first];
		uint8_t second;

		if (more != NULL && more->count > 0)
		{
			uint8_t small = redact_lower(first);

			if (more->first[small / 8] & (1 << (small % 8)))
				return at;
		}
		if (letters == 0 || at + 1 == text.length)
			continue;
		second = text.data[at + 1];
		if (letters != OTHER)
		{
			second |= 0x20; /* a capital's small letter */
			if (second >= 'a' && second <= 'z' && (letters & L(second)))
				return at;
		}
		else if (first == '$' || (first == ':' && second == '/') || (first == '-' && second == '-') || second == '&')
			return at;
	}
	return at;
}

bool
redact_marker(Bytes text, size_t at, const RedactNames *more, size_t *name_end)
{
	uint8_t byte = redact_lower(text.data[at]);

	if (more != NULL && more->count > 0 && is_one_of(text, at, more, name_end))
		return true;
	*name_end = 0;
	if (!is_letter(byte) || text.length - at < 2)
		return false;
	for (size_t i = stem_begin[byte - 'a']; i < stem_begin[byte - 'a' + 1]; i++)
	{
		size_t end;

		if (redact_lower(text.data[at + 1]) != (uint8_t) stems[i].text[1])
			continue;
		end = stem_end(text, at, stems[i].text);
		if (end != 0 && tells(text, at, end, stems[i].kind, name_end))
			return true;
	}
	/* a name whose letters are written as numbers */
	return byte == 'u' && text.length - at > 2 && text.data[at + 1] == '&' && text.data[at + 2] == '"' &&
		   (at == 0 || !redact_is_word(text.data[at - 1]));
}

/* ---- names that an administrator adds ---- */

static bool
add_name(RedactNames *names, const char *from, size_t length)
{
	char *name = names->names[names->count];
	size_t size = 0;

	for (size_t i = 0; i < length; i++)
	{
		uint8_t byte = redact_lower((uint8_t) from[i]);

		if (!is_name_byte(byte) || byte == '$' || size + 1 == REDACT_NAME_SIZE)
			return false;
		if (byte != '_' && byte != '-')
			name[size++] = (char) byte;
	}
	if (size < 3)
		return false;
	name[size] = '\0';
	names->first[(uint8_t) name[0] / 8] |= (uint8_t) (1 << ((uint8_t) name[0] % 8));
	names->count++;
	return true;
}

bool
redact_names_parse(const char *list, RedactNames *names)
{
	const char *end;

	memset(names, 0, sizeof(*names));
	for (;; list = end + 1)
	{
		size_t length;

		while (redact_is_space((uint8_t) *list))
			list++;
		end = strchr(list, ',');
		if (end == NULL)
			end = list + strlen(list);
		length = (size_t) (end - list);
		while (length > 0 && redact_is_space((uint8_t) list[length - 1]))
			length--;
		if (length == 0 && *end == '\0' && names->count == 0)
			return true;
		if (names->count == REDACT_NAMES_MAX || !add_name(names, list, length))
		{
			memset(names, 0, sizeof(*names));
			return false;
		}
		if (*end == '\0')
			return true;
	}
}

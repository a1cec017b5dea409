/*
 * strength.c
 *		How strong a password is, by libzxcvbn's guesses and a few rules of our own.
 *
 * The library's work grows with the square of the length, so it sees at most
 * the 72 bytes that bcrypt reads (10 ms at worst) and a bounded number of
 * words.  It allocates with malloc(): nothing may raise between its call and
 * the release of what it found.  Nothing here is ever logged.
 */
#include "password/private.h"

#include "common/secret.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include <zxcvbn.h>

PG_FUNCTION_INFO_V1(tsec_check_password_strength);

/* What a user's names give: words, and names that hold several. */
#define WORDS_MAX 24
#define WORD_MIN 3
#define WORD_MAX 64

/* zxcvbn's scale: guesses of 10^3, 10^6, 10^8 and 10^10, as bits. */
static const double score_bits[] = {9.965784284662087, 19.931568569324174, 26.575424759098897, 33.219280948873624};

/* Six times what the library was seen to take for 72 bytes. */
#define ROOM_BYTES (1024 * 1024)

typedef struct Words
{
	int count;
	const char *list[WORDS_MAX + 1]; /* ends with NULL */
	char space[WORDS_MAX][WORD_MAX + 1];
} Words;

/* What the library found, one bit each; the order is that of the reasons. */
typedef enum Finding
{
	FOUND_EASY,
	FOUND_COMMON,
	FOUND_NAME,
	FOUND_HAS_COMMON,
	FOUND_HAS_NAME,
	FOUND_REPEAT,
	FOUND_SEQUENCE,
	FOUND_KEYBOARD,
	FOUND_DATE
} Finding;

static const char *const sentences[] = {
	[FOUND_EASY] = "It is too easy to guess.",
	[FOUND_COMMON] = "It is one of the most common passwords, or a single word.",
	[FOUND_NAME] = "It is the username or a part of the e-mail address.",
	[FOUND_HAS_COMMON] = "It contains a common password or word.",
	[FOUND_HAS_NAME] = "It contains the username or a part of the e-mail address.",
	[FOUND_REPEAT] = "It repeats characters or a part of itself.",
	[FOUND_SEQUENCE] = "It contains a sequence, such as abc or 123.",
	[FOUND_KEYBOARD] = "It contains neighbouring keys, such as qwerty.",
	[FOUND_DATE] = "It contains a date or a year.",
};

/* Adds a word in lower case, cut where it is too long; short ones would be found in anything. */
static void
add_word(Words *words, const char *from, size_t length)
{
	char *to;

	if (length < WORD_MIN || words->count == WORDS_MAX)
		return;
	to = words->space[words->count];
	length = Min(length, WORD_MAX);
	for (size_t i = 0; i < length; i++)
		to[i] = (char) pg_ascii_tolower((unsigned char) from[i]);
	to[length] = '\0';
	words->list[words->count++] = to;
}

static bool
is_part_of_word(char c)
{
	return IS_HIGHBIT_SET(c) || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Adds a name, what stands in front of its "@", and the words it is made of. */
static void
add_name(Words *words, const char *name)
{
	size_t length;
	size_t start = 0;
	const char *at;

	if (name == NULL)
		return;
	length = strnlen(name, ARGUMENT_MAX);
	at = memchr(name, '@', length);
	add_word(words, name, length);
	if (at != NULL)
		add_word(words, name, at - name);
	for (size_t i = 0; i <= length; i++)
	{
		if (i < length && is_part_of_word(name[i]))
			continue;
		if (i - start < length) /* the whole name is there already */
			add_word(words, name + start, i - start);
		start = i + 1;
	}
}

static uint32
flag(Finding finding)
{
	return UINT32_C(1) << finding;
}

/* What one part of the password that the library made out tells. */
static uint32
finding_of(const ZxcMatch_t *part, size_t password_length)
{
	bool is_repeated = (part->Type & MULTIPLE_MATCH) != 0;
	bool is_whole = part->Length == (int) password_length && !is_repeated;
	uint32 found = is_repeated ? flag(FOUND_REPEAT) : 0;

	switch (part->Type & ~MULTIPLE_MATCH)
	{
		case DICTIONARY_MATCH:
		case DICT_LEET_MATCH:
			return found | flag(is_whole ? FOUND_COMMON : FOUND_HAS_COMMON);
		case USER_MATCH:
		case USER_LEET_MATCH:
			return found | flag(is_whole ? FOUND_NAME : FOUND_HAS_NAME);
		case REPEATS_MATCH:
			return found | flag(FOUND_REPEAT);
		case SEQUENCE_MATCH:
			return found | flag(FOUND_SEQUENCE);
		case SPATIAL_MATCH:
			return found | flag(FOUND_KEYBOARD);
		case DATE_MATCH:
		case YEAR_MATCH:
			return found | flag(FOUND_DATE);
		default:
			return found;
	}
}

/* Raises 53200 when there is less memory to be had than the library takes: it does not look at what it is given, and would end the server. */
static void
require_room(void)
{
	void *room = malloc(ROOM_BYTES);

	if (room == NULL)
		base_throw(TSEC_NO_MEMORY);
	free(room);
}

/* Scores what bcrypt reads of a password; *found gets a bit per Finding. */
static int
score(const char *password, size_t length, Words *words, uint32 *found)
{
	char read[BCRYPT_PASSWORD_MAX + 1];
	ZxcMatch_t *parts = NULL;
	double bits;
	int reached = 0;

	require_room();
	memcpy(read, password, length);
	read[length] = '\0';
	bits = ZxcvbnMatch(read, words->list, &parts);
	secret_wipe(read, sizeof(read));
	for (const ZxcMatch_t *part = parts; part != NULL; part = part->Next)
		*found |= finding_of(part, length);
	ZxcvbnFreeInfo(parts);
	while (reached < (int) lengthof(score_bits) && bits >= score_bits[reached])
		reached++;
	return reached;
}

/* Characters of UTF-8; in an SQL_ASCII database of anything else, roughly. */
static int
count_characters(const char *text, size_t length)
{
	int count = 0;

	for (size_t i = 0; i < length; i++)
		count += ((uint8) text[i] & 0xc0) != 0x80;
	return count;
}

PasswordStrength
password_strength(const char *password, size_t length, const char *username, const char *email)
{
	PasswordStrength strength = {.acceptable = false};
	Words words = {.count = 0};
	size_t read = Min(length, BCRYPT_PASSWORD_MAX);
	uint32 found = 0;

	add_name(&words, username);
	add_name(&words, email);
	if (read > 0)
		strength.score = score(password, read, &words, &found);
	if (common_holds(password, length))
	{
		found |= flag(FOUND_COMMON);
		strength.score = 0;
	}
	if (strength.score < setting_password_min_score)
		found |= flag(FOUND_EASY);

	if (count_characters(password, length) < setting_password_min_length)
		strength.reasons =
			lappend(strength.reasons, psprintf("It is shorter than %d characters.", setting_password_min_length));
	switch (bcrypt_check_password(password, length))
	{
		case TSEC_OK:
			break;
		case TSEC_PASSWORD_TOO_LONG:
			strength.reasons =
				lappend(strength.reasons, psprintf("It is longer than %d bytes.", BCRYPT_PASSWORD_MAX));
			break;
		default:
			strength.reasons = lappend(strength.reasons, pstrdup("It contains a zero byte."));
	}
	strength.acceptable =
		strength.reasons == NIL && (found & (flag(FOUND_EASY) | flag(FOUND_COMMON) | flag(FOUND_NAME))) == 0;
	for (int i = 0; i < (int) lengthof(sentences) && !strength.acceptable; i++)
	{
		/* patterns are reasons where the score is too low, not where the length is all that is wrong */
		if ((found & flag(i)) != 0 && (i <= FOUND_NAME || (found & flag(FOUND_EASY)) != 0))
			strength.reasons = lappend(strength.reasons, pstrdup(sentences[i]));
	}
	return strength;
}

static Datum
array_of(List *texts)
{
	Datum *values = palloc(sizeof(Datum) * Max(list_length(texts), 1));
	ListCell *cell;
	int count = 0;

	foreach(cell, texts)
		values[count++] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* check_password_strength(password text, username text, email text) -> (acceptable, score, reasons) */
Datum
tsec_check_password_strength(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Argument *arguments[3] = {NULL, NULL, NULL};
	PasswordStrength strength;
	Datum values[3];
	bool nulls[3] = {false, false, false};

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < 3; i++)
	{
		if (!PG_ARGISNULL(i))
			arguments[i] = argument_read(PG_GETARG_DATUM(i));
	}
	strength =
		password_strength(arguments[0] ? arguments[0]->bytes : "", arguments[0] ? arguments[0]->length : 0,
						  arguments[1] ? arguments[1]->bytes : NULL, arguments[2] ? arguments[2]->bytes : NULL);
	for (int i = 0; i < 3; i++)
	{
		if (arguments[i] != NULL)
			argument_free(arguments[i]);
	}
	values[0] = BoolGetDatum(strength.acceptable);
	values[1] = Int32GetDatum(strength.score);
	values[2] = array_of(strength.reasons);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

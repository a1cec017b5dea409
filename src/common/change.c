/*
 * change.c
 *		Changed rows read back from bytes, and which columns are never written.
 */
#include "change.h"

#include <limits.h>

/* Takes so many bytes off the front. */
static bool
take(Bytes *from, size_t length, Bytes *taken)
{
	if (length > from->length)
		return false;
	*taken = bytes_of(from->data, length);
	from->data += length;
	from->length -= length;
	return true;
}

static bool
take_byte(Bytes *from, uint8_t *byte)
{
	Bytes taken;

	if (!take(from, 1, &taken))
		return false;
	*byte = taken.data[0];
	return true;
}

/* Takes a piece whose first byte was read; a length that fits one byte is written in one. */
static bool
take_rest(Bytes *from, uint8_t head, Bytes *piece)
{
	Bytes number;
	size_t length = head;

	if (head > CHANGE_MARK_LENGTH)
		return false;
	if (head == CHANGE_MARK_LENGTH)
	{
		if (!take(from, 4, &number))
			return false;
		length = bytes_get_u32(number.data);
		if (length < CHANGE_MARK_LENGTH)
			return false;
	}
	return take(from, length, piece);
}

static bool
take_piece(Bytes *from, Bytes *piece)
{
	uint8_t head;

	return take_byte(from, &head) && take_rest(from, head, piece);
}

bool
change_split(Bytes rows, ChangeVisitor visitor, void *argument)
{
	Bytes columns;
	Bytes row;
	uint8_t version;

	if (!take_byte(&rows, &version) || version != CHANGE_VERSION || !take_piece(&rows, &columns))
		return false;
	for (int number = 0; rows.length > 0; number++)
		if (number == CHANGE_ROWS_MAX || !take_piece(&rows, &row) || !visitor(argument, columns, row, number))
			return false;
	return true;
}

bool
change_read_columns(Bytes columns, ChangeColumn *to, int *count)
{
	Bytes number;

	if (!take(&columns, 2, &number))
		return false;
	*count = bytes_get_u16(number.data);
	if (*count > CHANGE_COLUMNS_MAX)
		return false;
	for (int i = 0; i < *count; i++)
	{
		uint8_t form;

		if (!take_byte(&columns, &form) || form == 0 || form >= CHANGE_FORMS || !take_byte(&columns, &to[i].flags) ||
			(to[i].flags & ~CHANGE_KEY) != 0 || !take_piece(&columns, &to[i].name) ||
			!take_piece(&columns, &to[i].type))
			return false;
		to[i].form = (ChangeForm) form;
	}
	return columns.length == 0;
}

/* Reads one value. */
static bool
take_value(Bytes *from, ChangeValue *value)
{
	Bytes number;
	uint8_t head;

	*value = (ChangeValue){.mark = CHANGE_MARK_LENGTH};
	if (!take_byte(from, &head))
		return false;
	if (head <= CHANGE_MARK_LENGTH)
		return take_rest(from, head, &value->bytes);
	value->mark = head;
	switch (head)
	{
		case CHANGE_MARK_LONG:
			if (!take(from, 8, &number))
				return false;
			value->length = bytes_get_u64(number.data);
			return take(from, DIGEST_SIZE, &value->bytes);
		case CHANGE_MARK_DIGEST:
			return take(from, DIGEST_SIZE, &value->bytes);
		case CHANGE_MARK_NO_DIGEST:
		case CHANGE_MARK_REDACTED:
		case CHANGE_MARK_SAME:
		case CHANGE_MARK_NULL:
			return true;
		default:
			return false;
	}
}

bool
change_read_row(Bytes row, int count, ChangeValue *old, ChangeValue *new, int *sides)
{
	uint8_t which;

	if (!take_byte(&row, &which) || which == 0 || which > (CHANGE_OLD | CHANGE_NEW))
		return false;
	*sides = which;
	for (int i = 0; (which & CHANGE_OLD) && i < count; i++)
		if (!take_value(&row, &old[i]) || old[i].mark == CHANGE_MARK_SAME)
			return false;
	for (int i = 0; (which & CHANGE_NEW) && i < count; i++)
		if (!take_value(&row, &new[i]) || (new[i].mark == CHANGE_MARK_SAME && !(which & CHANGE_OLD)))
			return false;
	return row.length == 0;
}

bool
change_fits(ChangeForm form, Bytes value)
{
	switch (form)
	{
		case CHANGE_BOOLEAN:
			return value.length == 1 && value.data[0] <= 1;
		case CHANGE_INTEGER:
			return value.length == 2 || value.length == 4 || value.length == 8;
		case CHANGE_FLOAT:
			return value.length == 4 || value.length == 8;
		case CHANGE_DATE:
			return value.length == 4;
		case CHANGE_TIMESTAMP:
		case CHANGE_TIMESTAMPTZ:
			return value.length == 8;
		case CHANGE_UUID:
			return value.length == 16;
		default:
			return true;
	}
}

/* ---- names ---- */

/* Found anywhere in a name, letters folded and everything but letters and digits left out. */
static const char *const secret_parts[] = {
	"password", "passwd",     "passphrase", "passcode", "secret",     "token",
	"apikey",   "privatekey", "accesskey",  "authkey",  "credential", "encryptionkey",
};

/* Whole words of a name. */
static const char *const secret_words[] = {"pwd", "pass", "pin", "otp", "totp", "pw"};

/* A name that ends in one of these words tells of a secret and holds none. */
static const char *const harmless_endings[] = {"id", "ids", "at", "count", "type", "expires", "expiry"};

static bool
is_letter_or_digit(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

static bool
is_one_of(const char *word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, list[i]) == 0) /* public: names of columns */
			return true;
	return false;
}

#define NAME_MAX_BYTES 256

bool
change_is_secret_name(Bytes name)
{
	char letters[NAME_MAX_BYTES];
	char word[NAME_MAX_BYTES];
	size_t length = 0;
	size_t in_word = 0;
	bool found = false;

	if (name.length >= NAME_MAX_BYTES)
		return true;
	for (size_t i = 0; i <= name.length; i++)
	{
		bool ends = i == name.length || !is_letter_or_digit(name.data[i]);

		if (!ends)
		{
			char letter = (char) name.data[i];

			if (letter >= 'A' && letter <= 'Z')
				letter = (char) (letter - 'A' + 'a');
			letters[length++] = letter;
			word[in_word++] = letter;
			continue;
		}
		if (in_word == 0)
			continue;
		word[in_word] = '\0';
		found |= is_one_of(word, secret_words, sizeof(secret_words) / sizeof(*secret_words));
		if (i < name.length)
			in_word = 0;
	}
	letters[length] = '\0';
	for (size_t i = 0; i < sizeof(secret_parts) / sizeof(*secret_parts); i++)
		found |= strstr(letters, secret_parts[i]) != NULL;
	return found && !(in_word < length &&
					  is_one_of(word, harmless_endings, sizeof(harmless_endings) / sizeof(*harmless_endings)));
}

/*
 * bcrypt.c
 *		The text of a bcrypt hash, read strictly and written.
 */
#include "bcrypt.h"

#include <stdbool.h>
#include <string.h>

static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#define SALT_LENGTH 22

/* Bits of the last character that stand for nothing: 22 characters for 16 bytes, 31 for 23. */
#define SALT_SPARE 0x0f
#define RESULT_SPARE 0x03

/* The value of a character of bcrypt's own base64; -1 for any other. */
static int
digit(char c)
{
	const char *found = c == '\0' ? NULL : strchr(alphabet, c);

	return found == NULL ? -1 : (int) (found - alphabet);
}

/* Whether all characters are of the alphabet and the last one's spare bits are zero. */
static bool
is_canonical(const char *text, size_t length, int spare)
{
	for (size_t i = 0; i < length; i++)
	{
		if (digit(text[i]) < 0)
			return false;
	}
	return (digit(text[length - 1]) & spare) == 0;
}

Status
bcrypt_parse(const char *text, size_t length, int ceiling, BcryptHash *result)
{
	int cost;

	if (length != BCRYPT_HASH_LENGTH || text[0] != '$' || text[1] != '2' || text[3] != '$' || text[6] != '$')
		return TSEC_HASH_MALFORMED;
	if (text[2] == 'x')
		return TSEC_HASH_KIND;
	if (text[2] != 'a' && text[2] != 'b' && text[2] != 'y')
		return TSEC_HASH_MALFORMED;
	if (text[4] < '0' || text[4] > '9' || text[5] < '0' || text[5] > '9')
		return TSEC_HASH_MALFORMED;
	cost = 10 * (text[4] - '0') + (text[5] - '0');
	if (cost < BCRYPT_COST_LEAST || cost > BCRYPT_COST_MOST)
		return TSEC_HASH_MALFORMED;
	if (!is_canonical(text + BCRYPT_SETTING_LENGTH - SALT_LENGTH, SALT_LENGTH, SALT_SPARE) ||
		!is_canonical(text + BCRYPT_SETTING_LENGTH, BCRYPT_HASH_LENGTH - BCRYPT_SETTING_LENGTH, RESULT_SPARE))
		return TSEC_HASH_MALFORMED;
	if (cost > ceiling)
		return TSEC_HASH_COST;
	result->variant = text[2];
	result->cost = cost;
	return TSEC_OK;
}

Status
bcrypt_check_password(const char *password, size_t length)
{
	if (length > BCRYPT_PASSWORD_MAX)
		return TSEC_PASSWORD_TOO_LONG;
	if (length > 0 && memchr(password, '\0', length) != NULL)
		return TSEC_PASSWORD_HAS_ZERO;
	return TSEC_OK;
}

void
bcrypt_write_setting(int cost, const uint8_t salt[BCRYPT_SALT_SIZE], char setting[BCRYPT_SETTING_LENGTH + 1])
{
	char *to = setting + BCRYPT_SETTING_LENGTH - SALT_LENGTH;
	uint32_t bits = 0;
	int count = 0;

	memcpy(setting, "$2b$", 4);
	setting[4] = (char) ('0' + cost / 10);
	setting[5] = (char) ('0' + cost % 10);
	setting[6] = '$';
	for (int i = 0; i < BCRYPT_SALT_SIZE; i++)
	{
		bits = bits << 8 | salt[i];
		for (count += 8; count >= 6; count -= 6)
			*to++ = alphabet[bits >> (count - 6) & 0x3f];
	}
	*to++ = alphabet[bits << (6 - count) & 0x3f];
	*to = '\0';
}

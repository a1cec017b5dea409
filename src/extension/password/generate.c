/*
 * generate.c
 *		Random passwords: every one of the wanted length is as likely as any
 *		other, but for those that check_password_strength() would not take.
 *
 * A byte that would favour the first characters of the alphabet is dropped
 * (rejection sampling), never taken modulo.
 */
#include "password/private.h"

#include "common/aead.h"
#include "common/secret.h"

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_generate_password);

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*";

#define LETTERS ((int) sizeof(alphabet) - 1)
#define LENGTH_MIN 8
#define LENGTH_DEFAULT 16 /* as password.sql says */

/* Chance makes a weak one of eight characters less than once in a thousand times. */
#define TRIES_MAX 100

/* Fills in characters, each with the same chance. */
static Status
draw(char *password, int length)
{
	uint8 random[2 * BCRYPT_PASSWORD_MAX];
	Status status = TSEC_OK;
	int made = 0;

	while (status == TSEC_OK && made < length)
	{
		status = random_secret(random, sizeof(random));
		for (size_t i = 0; status == TSEC_OK && i < sizeof(random) && made < length; i++)
		{
			if (random[i] < 256 / LETTERS * LETTERS)
				password[made++] = alphabet[random[i] % LETTERS];
		}
	}
	secret_wipe(random, sizeof(random));
	return status;
}

/* generate_password(length integer) -> text */
Datum
tsec_generate_password(PG_FUNCTION_ARGS)
{
	int length = PG_GETARG_INT32(0);
	int least = Max(LENGTH_MIN, setting_password_min_length);
	char password[BCRYPT_PASSWORD_MAX];
	text *result;

	/* who says nothing wants a password that is accepted; who asks for another length than the default means that one */
	if (length == LENGTH_DEFAULT)
		length = Max(length, least);
	if (length < least || length > BCRYPT_PASSWORD_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("password length %d is out of range", length),
				 errdetail("It must be from %d to %d.", least, BCRYPT_PASSWORD_MAX)));
	for (int tries = 0; tries < TRIES_MAX; tries++)
	{
		base_check(draw(password, length));
		if (!password_strength(password, length, NULL, NULL).acceptable)
			continue;
		result = cstring_to_text_with_len(password, length);
		secret_wipe(password, sizeof(password));
		PG_RETURN_TEXT_P(result);
	}
	secret_wipe(password, sizeof(password));
	base_throw(TSEC_NO_RANDOM);
}

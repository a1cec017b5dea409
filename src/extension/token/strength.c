/*
 * strength.c
 *		How hard JWT_SECRET_KEY is to guess, as numbers.
 *
 * Whoever has one token can try secrets offline as fast as he can hash, so a
 * secret has to be random (RFC 7518, 3.2; RFC 8725, 3.5).  A length says little:
 * a sentence is long.  What is told is the lesser of two estimates, both too
 * high for what is not random: zxcvbn's, which knows words, dates and keyboards,
 * and the bits that as many random characters of this variety would have.
 */
#include "token/private.h"

#include "common/secret.h"

#include <math.h>
#include <zxcvbn.h>

/* zxcvbn's work grows with the square: what is longer is judged by its beginning, and counts as strong as that at least. */
#define JUDGED_MAX 64

static int
count_distinct(const uint8 *bytes, size_t length)
{
	bool seen[256] = {false};
	int distinct = 0;

	for (size_t i = 0; i < length; i++)
	{
		if (!seen[bytes[i]])
			distinct++;
		seen[bytes[i]] = true;
	}
	return distinct;
}

bool
token_secret_strength(bool previous, TokenSecretStrength *strength)
{
	const TokenSecret *secret = previous ? token_secret_previous() : token_secret_current();
	char judged[JUDGED_MAX + 1];
	size_t length;
	double variety;

	if (secret->status != TSEC_OK)
		return false;
	length = Min(secret->length, JUDGED_MAX);
	memcpy(judged, secret->bytes, length);
	judged[length] = '\0';
	strength->length = secret->length;
	strength->bits = ZxcvbnMatch(judged, NULL, NULL);
	secret_wipe(judged, sizeof(judged));
	variety = (double) secret->length * log2(Max(count_distinct(secret->bytes, secret->length), 1));
	strength->bits = Min(strength->bits, variety);
	return true;
}

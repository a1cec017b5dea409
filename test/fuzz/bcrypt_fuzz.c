/*
 * bcrypt_fuzz.c
 *		bcrypt_parse: of what is taken, the setting written again from its own
 *		cost and salt is the same text; the ceiling decides about the cost alone;
 *		and of the rest every refusal has its reason.
 */
#include "fuzz.h"

#include "common/bcrypt.h"

#define CEILING 15

/* Decodes 22 characters of salt without checking anything. */
static void
decode_salt(const char *text, uint8_t salt[BCRYPT_SALT_SIZE])
{
	static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	uint32_t bits = 0;
	int count = 0;
	size_t written = 0;

	for (int i = 0; i < 22; i++)
	{
		const char *digit = strchr(alphabet, text[i]);

		MUST(text[i] != '\0' && digit != NULL);
		bits = (bits << 6 | (uint32_t) (digit - alphabet)) & 0xffffff;
		count += 6;
		if (count >= 8 && written < BCRYPT_SALT_SIZE)
		{
			count -= 8;
			salt[written++] = (uint8_t) (bits >> count);
		}
	}
}

static void
check_hash(const char *text, size_t size)
{
	BcryptHash hash = {0};
	BcryptHash unbounded = {0};
	Status status = bcrypt_parse(text, size, CEILING, &hash);
	Status without_ceiling = bcrypt_parse(text, size, BCRYPT_COST_MOST, &unbounded);

	if (without_ceiling == TSEC_OK)
	{
		uint8_t salt[BCRYPT_SALT_SIZE];
		char setting[BCRYPT_SETTING_LENGTH + 1];

		MUST(size == BCRYPT_HASH_LENGTH);
		MUST(unbounded.cost >= BCRYPT_COST_LEAST && unbounded.cost <= BCRYPT_COST_MOST);
		MUST(status == (unbounded.cost > CEILING ? TSEC_HASH_COST : TSEC_OK));
		decode_salt(text + 7, salt);
		bcrypt_write_setting(unbounded.cost, salt, setting);
		setting[2] = unbounded.variant;
		MUST(memcmp(setting, text, BCRYPT_SETTING_LENGTH) == 0);
	}
	else
	{
		MUST(status == without_ceiling);
		MUST(status == TSEC_HASH_MALFORMED || status == TSEC_HASH_KIND);
		MUST(status != TSEC_HASH_KIND || text[2] == 'x');
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	Status status = bcrypt_check_password(text, size);

	check_hash(text, size);
	MUST((status == TSEC_OK) == (size <= BCRYPT_PASSWORD_MAX && (size == 0 || memchr(text, '\0', size) == NULL)));
	free(text);
	return 0;
}

/*
 * bcrypt_test.c
 *		The text of a bcrypt hash: what is taken, and every way of not being one.
 */
#include "unit.h"

#include "common/bcrypt.h"

#define CEILING 15

/* From the test vectors of Openwall's crypt_blowfish. */
static const char good[] = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/* Parses from memory of exactly the length, so that the sanitizer sees a byte read too much. */
static Status
parse(const char *text, size_t length, int ceiling, BcryptHash *hash)
{
	char *copy = unit_memory(length);
	Status status;

	memcpy(copy, text, length);
	status = bcrypt_parse(copy, length, ceiling, hash);
	free(copy);
	return status;
}

/* The good hash with one character changed. */
static Status
parse_changed(size_t at, char to, BcryptHash *hash)
{
	char text[sizeof(good)];

	memcpy(text, good, sizeof(good));
	text[at] = to;
	return parse(text, BCRYPT_HASH_LENGTH, CEILING, hash);
}

static void
good_hashes_are_taken_apart(void)
{
	BcryptHash hash;

	CHECK(strlen(good) == BCRYPT_HASH_LENGTH);
	CHECK(parse(good, BCRYPT_HASH_LENGTH, CEILING, &hash) == TSEC_OK && hash.variant == 'a' && hash.cost == 5);
	CHECK(parse_changed(2, 'b', &hash) == TSEC_OK && hash.variant == 'b');
	CHECK(parse_changed(2, 'y', &hash) == TSEC_OK && hash.variant == 'y');
	CHECK(parse_changed(5, '4', &hash) == TSEC_OK && hash.cost == 4);
}

static void
kinds_are_told_apart(void)
{
	BcryptHash hash;

	CHECK(parse_changed(2, 'x', &hash) == TSEC_HASH_KIND);
	for (int c = 0; c < 256; c++)
	{
		if (strchr("abxy", c) == NULL || c == 0)
			CHECK(parse_changed(2, (char) c, &hash) == TSEC_HASH_MALFORMED, "$2%c$", c);
	}
}

static void
costs_have_bounds(void)
{
	BcryptHash hash;
	char text[sizeof(good)];

	memcpy(text, good, sizeof(good));
	for (int cost = 0; cost < 100; cost++)
	{
		Status wanted = cost < 4 || cost > 31 ? TSEC_HASH_MALFORMED : cost > CEILING ? TSEC_HASH_COST : TSEC_OK;

		text[4] = (char) ('0' + cost / 10);
		text[5] = (char) ('0' + cost % 10);
		CHECK(parse(text, BCRYPT_HASH_LENGTH, CEILING, &hash) == wanted, "cost %d", cost);
	}
	text[4] = '3';
	text[5] = '1';
	CHECK(parse(text, BCRYPT_HASH_LENGTH, 31, &hash) == TSEC_OK && hash.cost == 31);
	CHECK(parse_changed(4, ' ', &hash) == TSEC_HASH_MALFORMED);
	CHECK(parse_changed(4, '+', &hash) == TSEC_HASH_MALFORMED);
	CHECK(parse_changed(5, ':', &hash) == TSEC_HASH_MALFORMED);
}

static void
lengths_are_exact(void)
{
	BcryptHash hash;
	char longer[BCRYPT_HASH_LENGTH + 1];

	for (size_t length = 0; length < BCRYPT_HASH_LENGTH; length++)
		CHECK(parse(good, length, CEILING, &hash) == TSEC_HASH_MALFORMED, "%zu characters", length);
	memcpy(longer, good, BCRYPT_HASH_LENGTH);
	longer[BCRYPT_HASH_LENGTH] = '.';
	CHECK(parse(longer, sizeof(longer), CEILING, &hash) == TSEC_HASH_MALFORMED);
}

/* In every place every byte: taken where it is of the alphabet, with zero spare bits at the two ends. */
static void
every_character_is_checked(void)
{
	static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	BcryptHash hash;

	for (size_t at = BCRYPT_SETTING_LENGTH - 22; at < BCRYPT_HASH_LENGTH; at++)
	{
		for (int c = 0; c < 256; c++)
		{
			const char *found = c == 0 ? NULL : strchr(alphabet, c);
			int spare = at == BCRYPT_SETTING_LENGTH - 1 ? 15 : at == BCRYPT_HASH_LENGTH - 1 ? 3 : 0;
			bool taken = found != NULL && ((found - alphabet) & spare) == 0;

			CHECK((parse_changed(at, (char) c, &hash) == TSEC_OK) == taken, "character %d at %zu", c, at);
		}
	}
	for (size_t at = 0; at < 7; at++)
	{
		if (at != 2 && at != 4 && at != 5)
			CHECK(parse_changed(at, 'a', &hash) == TSEC_HASH_MALFORMED, "at %zu", at);
	}
}

static void
passwords_have_72_bytes_and_no_zero(void)
{
	char *password = unit_memory(BCRYPT_PASSWORD_MAX + 1);

	memset(password, 'a', BCRYPT_PASSWORD_MAX + 1);
	CHECK(bcrypt_check_password(NULL, 0) == TSEC_OK);
	CHECK(bcrypt_check_password(password, BCRYPT_PASSWORD_MAX) == TSEC_OK);
	CHECK(bcrypt_check_password(password, BCRYPT_PASSWORD_MAX + 1) == TSEC_PASSWORD_TOO_LONG);
	for (size_t at = 0; at < BCRYPT_PASSWORD_MAX; at++)
	{
		password[at] = '\0';
		CHECK(bcrypt_check_password(password, BCRYPT_PASSWORD_MAX) == TSEC_PASSWORD_HAS_ZERO, "at %zu", at);
		CHECK(bcrypt_check_password(password, at) == TSEC_OK, "before %zu", at);
		password[at] = 'a';
	}
	free(password);
}

/* A salt of known spelling, and that what is written is taken as the beginning of a hash. */
static void
settings_are_written_canonically(void)
{
	uint8_t salt[BCRYPT_SALT_SIZE] = {0};
	char setting[BCRYPT_SETTING_LENGTH + 1];
	char text[BCRYPT_HASH_LENGTH + 1];
	BcryptHash hash;

	bcrypt_write_setting(12, salt, setting);
	CHECK(strcmp(setting, "$2b$12$......................") == 0, "%s", setting);
	memset(salt, 0xff, sizeof(salt));
	bcrypt_write_setting(31, salt, setting);
	CHECK(strcmp(setting, "$2b$31$999999999999999999999u") == 0, "%s", setting);
	memcpy(salt, "\x10\x41\x04\x10\x41\x04\x10\x41\x04\x10\x41\x04\x10\x41\x04\x10", sizeof(salt));
	bcrypt_write_setting(5, salt, setting); /* the salt of the good hash above */
	CHECK(memcmp(setting + 7, good + 7, 22) == 0, "%s", setting);
	for (uint32_t seed = 0; seed < 1000; seed++)
	{
		unit_fill(salt, sizeof(salt), seed);
		bcrypt_write_setting(4 + (int) seed % 12, salt, setting);
		CHECK(strlen(setting) == BCRYPT_SETTING_LENGTH);
		memcpy(text, good, sizeof(text));
		memcpy(text, setting, BCRYPT_SETTING_LENGTH);
		CHECK(parse(text, BCRYPT_HASH_LENGTH, CEILING, &hash) == TSEC_OK && hash.cost == 4 + (int) seed % 12, "%s",
			  text);
	}
}

static const UnitCase cases[] = {
	{"good hashes are taken apart", good_hashes_are_taken_apart},
	{"$2a$, $2b$, $2y$ and no other kind; $2x$ is told apart", kinds_are_told_apart},
	{"costs from 4 to 31, and to the ceiling", costs_have_bounds},
	{"60 characters, no more and no fewer", lengths_are_exact},
	{"every character of salt and result is checked, spare bits are zero", every_character_is_checked},
	{"a password has at most 72 bytes and no zero", passwords_have_72_bytes_and_no_zero},
	{"settings are written as they are read", settings_are_written_canonically},
};

UNIT_MAIN(cases)

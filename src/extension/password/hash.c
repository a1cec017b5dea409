/*
 * hash.c
 *		Hashing and verifying with libxcrypt's crypt_r().
 *
 * Everything is checked before the library is called: it would cut a password
 * at 72 bytes, repair a salt, and work for a day at cost 31.  Its work area is
 * wiped after each call.
 */
#include "password/private.h"

#include "common/aead.h"
#include "common/secret.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include <crypt.h>

PG_FUNCTION_INFO_V1(tsec_hash_password);
PG_FUNCTION_INFO_V1(tsec_verify_password);
PG_FUNCTION_INFO_V1(tsec_verify_login_password);
PG_FUNCTION_INFO_V1(tsec_password_needs_rehash);

/* 32 kB that crypt_r() works in; a process hashes one password at a time. */
static struct crypt_data work;

/* Hashes a password that was checked, by a setting that was checked. */
static Status
run_bcrypt(const char *password, size_t length, const char *setting, char hash[PASSWORD_HASH_SIZE])
{
	char terminated[BCRYPT_PASSWORD_MAX + 1];
	const char *answer;
	Status status = TSEC_LIBRARY_FAILURE;

	memcpy(terminated, password, length);
	terminated[length] = '\0';
	answer = crypt_r(terminated, setting, &work);
	if (answer != NULL && strnlen(answer, PASSWORD_HASH_SIZE) == BCRYPT_HASH_LENGTH)
	{
		memcpy(hash, answer, PASSWORD_HASH_SIZE);
		status = TSEC_OK;
	}
	secret_wipe(terminated, sizeof(terminated));
	secret_wipe(&work, sizeof(work));
	return status;
}

/* The work of a cost and no answer. */
static Status
run_in_vain(const char *password, size_t length, int cost)
{
	static const uint8 salt[BCRYPT_SALT_SIZE] = {0};
	char setting[BCRYPT_SETTING_LENGTH + 1];
	char hash[PASSWORD_HASH_SIZE];
	Status status;

	bcrypt_write_setting(cost, salt, setting);
	status = run_bcrypt(password, length, setting, hash);
	secret_wipe(hash, sizeof(hash));
	return status;
}

/* Whether a hash is the one of a password.  The setting has the cost's rounds. */
static Status
compare(const char *password, size_t length, const char *hash, bool *matches)
{
	char setting[BCRYPT_SETTING_LENGTH + 1];
	char made[PASSWORD_HASH_SIZE];
	Status status;

	memcpy(setting, hash, BCRYPT_SETTING_LENGTH);
	setting[BCRYPT_SETTING_LENGTH] = '\0';
	status = run_bcrypt(password, length, setting, made);
	if (status == TSEC_OK)
		*matches = secret_equal(made, hash, BCRYPT_HASH_LENGTH);
	secret_wipe(made, sizeof(made));
	return status;
}

/* Waits for a turn, with cancellation before it. */
static Status
begin_hashing(void)
{
	CHECK_FOR_INTERRUPTS();
	return slots_take();
}

static Status
end_hashing(Status status)
{
	slots_return();
	CHECK_FOR_INTERRUPTS();
	return status;
}

Status
password_hash(const char *password, size_t length, int cost, char hash[PASSWORD_HASH_SIZE])
{
	uint8 salt[BCRYPT_SALT_SIZE];
	char setting[BCRYPT_SETTING_LENGTH + 1];
	Status status = bcrypt_check_password(password, length);

	if (cost == 0)
		cost = setting_bcrypt_cost;
	if (status == TSEC_OK && (cost < BCRYPT_COST_LEAST || cost > PASSWORD_COST_CEILING))
		status = TSEC_HASH_COST;
	if (status == TSEC_OK)
		status = random_bytes(salt, sizeof(salt));
	if (status == TSEC_OK)
		status = begin_hashing();
	if (status != TSEC_OK)
		return status;
	bcrypt_write_setting(cost, salt, setting);
	return end_hashing(run_bcrypt(password, length, setting, hash));
}

static Status
verify(const char *password, size_t length, const char *hash, Status (*begin)(void), bool *matches)
{
	BcryptHash parsed;
	Status status = bcrypt_check_password(password, length);

	*matches = false;
	if (status == TSEC_OK)
		status = bcrypt_parse(hash, strnlen(hash, PASSWORD_HASH_SIZE), PASSWORD_COST_CEILING, &parsed);
	if (status == TSEC_OK)
		status = begin();
	if (status != TSEC_OK)
		return status;
	return end_hashing(compare(password, length, hash, matches));
}

Status
password_verify(const char *password, size_t length, const char *hash, bool *matches)
{
	return verify(password, length, hash, begin_hashing, matches);
}

Status
password_verify_at_once(const char *password, size_t length, const char *hash, bool *matches)
{
	return verify(password, length, hash, slots_take_at_once, matches);
}

Status
password_verify_login(const char *password, size_t length, const char *hash, const char *like, bool *matches)
{
	BcryptHash parsed = {.cost = 0};
	BcryptHash other;
	int cost = setting_bcrypt_cost;
	Status of_hash = TSEC_OK;
	Status status = bcrypt_check_password(password, length);

	*matches = false;
	if (hash != NULL)
		of_hash = bcrypt_parse(hash, strnlen(hash, PASSWORD_HASH_SIZE), PASSWORD_COST_CEILING, &parsed);
	if (status == TSEC_OK)
		status = begin_hashing();
	if (status != TSEC_OK)
		return status;
	if (hash == NULL || of_hash != TSEC_OK)
	{
		if (like != NULL &&
			bcrypt_parse(like, strnlen(like, PASSWORD_HASH_SIZE), PASSWORD_COST_CEILING, &other) == TSEC_OK)
			cost = Max(cost, other.cost);
		status = run_in_vain(password, length, cost);
	}
	else
	{
		status = compare(password, length, hash, matches);
		/* 2^k rounds, and 2^k + 2^(k+1) + ... + 2^(cost-1) more, are 2^cost */
		for (int k = parsed.cost; status == TSEC_OK && k < cost; k++)
			status = run_in_vain(password, length, k);
	}
	if (status == TSEC_OK)
		status = of_hash;
	if (status != TSEC_OK)
		*matches = false;
	return end_hashing(status);
}

Status
password_needs_rehash(const char *hash, bool *needs)
{
	BcryptHash parsed;
	Status status = bcrypt_parse(hash, strnlen(hash, PASSWORD_HASH_SIZE), PASSWORD_COST_CEILING, &parsed);

	*needs = status == TSEC_OK && (parsed.variant != 'b' || parsed.cost < setting_bcrypt_cost);
	return status;
}

Status
password_is_outdated(const char *hash, bool *outdated)
{
	BcryptHash parsed;
	Status status = bcrypt_parse(hash, strnlen(hash, PASSWORD_HASH_SIZE), PASSWORD_COST_CEILING, &parsed);

	*outdated = status == TSEC_OK && (parsed.variant != 'b' || parsed.cost != setting_bcrypt_cost);
	return status;
}

/* Copies the text of a hash, or as much as tells that it is none. */
static void
read_hash(Datum datum, char hash[PASSWORD_HASH_SIZE + 1])
{
	text *given = DatumGetTextPSlice(datum, 0, PASSWORD_HASH_SIZE);

	text_to_cstring_buffer(given, hash, PASSWORD_HASH_SIZE + 1);
	pfree(given);
}

/* hash_password(password text, cost integer) -> text */
Datum
tsec_hash_password(PG_FUNCTION_ARGS)
{
	int cost = 0;
	Argument *password;
	char hash[PASSWORD_HASH_SIZE];
	Status status;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(1))
	{
		cost = PG_GETARG_INT32(1);
		if (cost < BCRYPT_COST_LEAST || cost > PASSWORD_COST_CEILING)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("cost %d is out of range", cost),
							errdetail("It must be from %d to %d.", BCRYPT_COST_LEAST, PASSWORD_COST_CEILING)));
	}
	password = argument_read(PG_GETARG_DATUM(0));
	status = password_hash(password->bytes, password->length, cost, hash);
	argument_free(password);
	base_check(status);
	PG_RETURN_TEXT_P(cstring_to_text(hash));
}

/*
 * Verifies the arguments of an SQL function.  Never NULL: "NOT NULL" would let
 * in whoever asks whether a password is wrong.
 */
static bool
verify_arguments(FunctionCallInfo fcinfo, bool is_login)
{
	bool matches = false;
	char hash[PASSWORD_HASH_SIZE + 1];
	Argument *password;
	Status status;

	if (PG_ARGISNULL(0))
		return false;
	if (!PG_ARGISNULL(1))
		read_hash(PG_GETARG_DATUM(1), hash);
	password = argument_read(PG_GETARG_DATUM(0));
	if (PG_ARGISNULL(1) || is_login)
		status =
			password_verify_login(password->bytes, password->length, PG_ARGISNULL(1) ? NULL : hash, NULL, &matches);
	else
		status = password_verify(password->bytes, password->length, hash, &matches);
	argument_free(password);
	base_check(status);
	return matches;
}

/* verify_password(password text, hash text) -> boolean */
Datum
tsec_verify_password(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(verify_arguments(fcinfo, false));
}

/* verify_login_password(password text, hash text) -> boolean */
Datum
tsec_verify_login_password(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(verify_arguments(fcinfo, true));
}

/* password_needs_rehash(hash text) -> boolean */
Datum
tsec_password_needs_rehash(PG_FUNCTION_ARGS)
{
	bool needs;
	char hash[PASSWORD_HASH_SIZE + 1];

	read_hash(PG_GETARG_DATUM(0), hash);
	base_check(password_needs_rehash(hash, &needs));
	PG_RETURN_BOOL(needs);
}

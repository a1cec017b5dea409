/*
 * guess.c
 *		Tries the passwords that everybody tries first, on hashes of accounts.
 *
 * bcrypt is slow on purpose, so the work is bounded by time and the answer says
 * how far it came: all accounts get the first guess before any gets the second.
 * A hash waits for no turn: where logins need all there are, guessing ends.  A
 * guess is never told, only whose account it opened.
 */
#include "compliance/compliance.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_guess_passwords);

#define ACCOUNTS_MAX 100000

/* What lists of leaked passwords begin with, and what comes with devices and demonstrations; after the user's own name. */
static const char *const guesses[] = {
	"password", "123456",   "12345678",  "123456789", "admin",    "qwerty",        "password1", "Password1",
	"admin123", "welcome",  "12345",     "1234",      "changeme", "letmein",       "111111",    "1234567890",
	"iloveyou", "1q2w3e4r", "abc123",    "secret",    "default",  "operator",      "root",      "test",
	"guest",    "1234567",  "qwerty123", "000000",    "123123",   "administrator", "P@ssw0rd",  "Passw0rd",
	"scada",    "Welcome1", "dragon",    "monkey",    "football", "sunshine",      "master",    "superman",
};

typedef struct Guessing
{
	instr_time began;
	int budget; /* milliseconds */
	int tried;
	bool is_over;
} Guessing;

static bool
time_is_up(Guessing *guessing)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, guessing->began);
	return INSTR_TIME_GET_MILLISEC(now) >= guessing->budget;
}

/* Whether a guess opens an account; what is no hash, and no possible password, does not. */
static bool
try_guess(Guessing *guessing, const char *guess, const char *hash)
{
	bool matches;
	Status status;

	if (guessing->is_over || time_is_up(guessing))
	{
		guessing->is_over = true;
		return false;
	}
	status = password_verify_at_once(guess, strlen(guess), hash, &matches);
	if (status == TSEC_HASHES_BUSY)
	{
		guessing->is_over = true;
		return false;
	}
	guessing->tried++;
	return status == TSEC_OK && matches;
}

static char **
texts_of(ArrayType *array, int *count)
{
	Datum *elements;
	char **texts;

	if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("names and hashes must be lists")));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, count);
	texts = palloc(sizeof(char *) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		texts[i] = TextDatumGetCString(elements[i]);
	return texts;
}

/*
 * guess_passwords(usernames text[], hashes text[], budget integer) -> (guesses integer, accounts integer, guessed integer[]):
 * how many hashes were made, on how many accounts every guess was, and which (from 1) were opened
 */
Datum
tsec_guess_passwords(PG_FUNCTION_ARGS)
{
	int count;
	int hash_count;
	char **names = texts_of(PG_GETARG_ARRAYTYPE_P(0), &count);
	char **hashes = texts_of(PG_GETARG_ARRAYTYPE_P(1), &hash_count);
	Guessing guessing = {.budget = PG_GETARG_INT32(2)};
	bool *opened;
	Datum *found;
	int found_count = 0;
	int begun = 0;
	Datum values[3];
	bool nulls[3] = {false, false, false};
	TupleDesc shape;

	if (count != hash_count || count > ACCOUNTS_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("names and hashes must be lists")));
	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	INSTR_TIME_SET_CURRENT(guessing.began);
	opened = palloc0(sizeof(bool) * Max(count, 1));
	for (int g = -1; g < (int) lengthof(guesses) && !guessing.is_over; g++)
	{
		for (int i = 0; i < count && !guessing.is_over; i++)
		{
			if (opened[i])
				continue;
			opened[i] = try_guess(&guessing, g < 0 ? names[i] : guesses[g], hashes[i]);
			if (g < 0 && !guessing.is_over)
				begun++;
		}
	}
	found = palloc(sizeof(Datum) * Max(count, 1));
	for (int i = 0; i < count; i++)
		if (opened[i])
			found[found_count++] = Int32GetDatum(i + 1);
	values[0] = Int32GetDatum(guessing.tried);
	values[1] = Int32GetDatum(begun);
	values[2] = PointerGetDatum(construct_array(found, found_count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}

/*
 * guess.c
 *		Tries the passwords that everybody tries first, on hashes of accounts.
 *
 * bcrypt is slow on purpose, so the work is bounded by time and the answer says
 * how far it came, to go on from there: all accounts get the first guess before
 * any gets the second.  A hash waits for no turn: where logins need all there
 * are, guessing ends.  A guess is never told, only whose account one opened; nor
 * does the number of guesses say which one it was.
 */
#include "compliance/compliance.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(tsec_guess_count);
PG_FUNCTION_INFO_V1(tsec_guess_passwords);

#define ACCOUNTS_MAX 100000

/*
 * What lists of leaked passwords begin with, and what comes with devices and demonstrations; after the user's own name.
 * twin_internal.password_tests counts along it: who changes it has that table emptied.
 */
static const char *const guesses[] = {
	"password", "123456",   "12345678",  "123456789", "admin",    "qwerty",        "password1", "Password1",
	"admin123", "welcome",  "12345",     "1234",      "changeme", "letmein",       "111111",    "1234567890",
	"iloveyou", "1q2w3e4r", "abc123",    "secret",    "default",  "operator",      "root",      "test",
	"guest",    "1234567",  "qwerty123", "000000",    "123123",   "administrator", "P@ssw0rd",  "Passw0rd",
	"scada",    "Welcome1", "dragon",    "monkey",    "football", "sunshine",      "master",    "superman",
};

/* With the name. */
#define GUESS_COUNT ((int) lengthof(guesses) + 1)

typedef struct Guessing
{
	instr_time began;
	int budget; /* milliseconds */
	int made;
	bool is_over;
} Guessing;

typedef struct Account
{
	char *name;
	char *hash;
	int tried; /* guesses; all of them once one opened it */
	bool is_open;
} Account;

static bool
time_is_up(Guessing *guessing)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, guessing->began);
	return INSTR_TIME_GET_MILLISEC(now) >= guessing->budget;
}

/* Makes an account's next guess; what is no hash, and no possible password, opens nothing. */
static void
try_next(Guessing *guessing, Account *account)
{
	const char *guess = account->tried == 0 ? account->name : guesses[account->tried - 1];
	bool matches;
	Status status;

	guessing->is_over = time_is_up(guessing);
	if (guessing->is_over)
		return;
	status = password_verify_at_once(guess, strlen(guess), account->hash, &matches);
	guessing->is_over = status == TSEC_HASHES_BUSY;
	if (guessing->is_over)
		return;
	guessing->made++;
	account->is_open = status == TSEC_OK && matches;
	account->tried = account->is_open ? GUESS_COUNT : account->tried + 1;
}

/* The elements of an array; of lists that belong together all have one length. */
static Datum *
elements_of(ArrayType *array, Oid type, int *count)
{
	Datum *elements;
	int16 length;
	bool by_value;
	char alignment;
	int found;

	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	if (ARR_NDIM(array) <= 1 && !array_contains_nulls(array))
	{
		deconstruct_array(array, type, length, by_value, alignment, &elements, NULL, &found);
		if (found <= ACCOUNTS_MAX && (*count < 0 || found == *count))
		{
			*count = found;
			return elements;
		}
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("names, hashes and numbers must be lists")));
}

static Account *
accounts_of(FunctionCallInfo fcinfo, int *count)
{
	Datum *names;
	Datum *hashes;
	Datum *tried;
	Account *accounts;

	*count = -1;
	names = elements_of(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, count);
	hashes = elements_of(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, count);
	tried = elements_of(PG_GETARG_ARRAYTYPE_P(2), INT4OID, count);
	accounts = palloc0(sizeof(Account) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		accounts[i].name = TextDatumGetCString(names[i]);
		accounts[i].hash = TextDatumGetCString(hashes[i]);
		accounts[i].tried = Min(Max(DatumGetInt32(tried[i]), 0), GUESS_COUNT);
	}
	return accounts;
}

/* guess_count() -> integer: how many guesses there are, with the name */
Datum
tsec_guess_count(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(GUESS_COUNT);
}

/*
 * guess_passwords(usernames text[], hashes text[], tried integer[], budget integer) ->
 * (guesses integer, tried integer[], guessed boolean[]): how many hashes were made, and of each account how many of the
 * guesses were tried by now, and whether one opened it
 */
Datum
tsec_guess_passwords(PG_FUNCTION_ARGS)
{
	int count;
	Account *accounts = accounts_of(fcinfo, &count);
	Guessing guessing = {.budget = PG_GETARG_INT32(3)};
	Datum *tried = palloc(sizeof(Datum) * Max(count, 1));
	Datum *opened = palloc(sizeof(Datum) * Max(count, 1));
	Datum values[3];
	bool nulls[3] = {false, false, false};
	TupleDesc shape;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	INSTR_TIME_SET_CURRENT(guessing.began);
	for (int guess = 0; guess < GUESS_COUNT; guess++)
		for (int i = 0; i < count && !guessing.is_over; i++)
			if (accounts[i].tried == guess)
				try_next(&guessing, &accounts[i]);
	for (int i = 0; i < count; i++)
	{
		tried[i] = Int32GetDatum(accounts[i].tried);
		opened[i] = BoolGetDatum(accounts[i].is_open);
	}
	values[0] = Int32GetDatum(guessing.made);
	values[1] = PointerGetDatum(construct_array(tried, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(opened, count, BOOLOID, sizeof(bool), true, TYPALIGN_CHAR));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}

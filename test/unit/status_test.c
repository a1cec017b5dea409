/*
 * status_test.c
 *		The status list keeps what both programs rely on: well-formed codes,
 *		messages in the house's form, no code taken twice where callers branch.
 */
#include "unit.h"

#include "common/status.h"

#include <ctype.h>

/* A stray byte pattern for "no such status". */
#define NO_STATUS ((Status) 4711)

static void
rows_answer_their_status(void)
{
#define STATUS(word, state, code, text, advice)                    \
	CHECK(strcmp(status_info(TSEC_##word)->name, #word) == 0);     \
	CHECK(strcmp(status_info(TSEC_##word)->sqlstate, state) == 0); \
	CHECK(status_info(TSEC_##word)->http == (code));               \
	CHECK(strcmp(status_info(TSEC_##word)->message, text) == 0);
#include "common/status_list.h"
#undef STATUS
	CHECK(TSEC_OK == 0, "callers test for zero");
}

static void
codes_are_well_formed(void)
{
	for (int status = 0; status < TSEC_STATUS_COUNT; status++)
	{
		const StatusInfo *row = status_info((Status) status);

		CHECK(strlen(row->sqlstate) == 5, "%s", row->name);
		CHECK(strspn(row->sqlstate, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5, "%s", row->name);
		CHECK((strncmp(row->sqlstate, "00", 2) == 0) == (status == TSEC_OK), "%s: class 00 is success", row->name);
		CHECK(status == TSEC_OK ? row->http == 200 : row->http >= 400 && row->http <= 599, "%s: %d", row->name,
			  row->http);
	}
}

static void
own_codes_and_names_are_unique(void)
{
	for (int i = 0; i < TSEC_STATUS_COUNT; i++)
	{
		const StatusInfo *one = status_info((Status) i);

		for (int j = i + 1; j < TSEC_STATUS_COUNT; j++)
		{
			const StatusInfo *other = status_info((Status) j);

			CHECK(strcmp(one->name, other->name) != 0, "%s", one->name);
			CHECK(strcmp(one->message, other->message) != 0, "%s and %s", one->name, other->name);
			CHECK(strncmp(one->sqlstate, "TW", 2) != 0 || strcmp(one->sqlstate, other->sqlstate) != 0,
				  "%s and %s share %s", one->name, other->name, one->sqlstate);
		}
	}
}

/* Lower case unless the first word is a variable's name, no full stop; a hint is a sentence. */
static void
texts_have_the_form_of_the_house(void)
{
	for (int status = 0; status < TSEC_STATUS_COUNT; status++)
	{
		const StatusInfo *row = status_info((Status) status);
		const char *text = row->message;

		CHECK(text[0] != '\0' && text[strlen(text) - 1] != '.', "%s", row->name);
		CHECK(islower((unsigned char) text[0]) || isupper((unsigned char) text[1]), "%s", row->name);
		CHECK(strpbrk(text, "\n%") == NULL, "%s: one line, no format", row->name);
		if (row->hint == NULL)
			continue;
		CHECK(row->hint[0] != '\0' && row->hint[strlen(row->hint) - 1] == '.', "%s", row->name);
		CHECK(strpbrk(row->hint, "\n%") == NULL, "%s: one line, no format", row->name);
	}
}

static void
unknown_status_is_a_failure(void)
{
	CHECK(status_info(NO_STATUS) == status_info(TSEC_LIBRARY_FAILURE));
	CHECK(status_info(TSEC_STATUS_COUNT) == status_info(TSEC_LIBRARY_FAILURE));
	CHECK(status_info((Status) -1) == status_info(TSEC_LIBRARY_FAILURE));
}

static const UnitCase cases[] = {
	{"every row answers its status", rows_answer_their_status},
	{"SQLSTATE and HTTP codes are well formed", codes_are_well_formed},
	{"names, messages and TW codes are unique", own_codes_and_names_are_unique},
	{"messages and hints have the house's form", texts_have_the_form_of_the_house},
	{"an unknown status reads as a failure", unknown_status_is_a_failure},
};

UNIT_MAIN(cases)

/*
 * init.c
 *		Starts the part.
 *
 * Its shared memory holds one moment, written once before any other process
 * looks: when the limits began to remember, which is at every start and after
 * every crash.  Failures recorded before are what they have forgotten.
 */
#include "account/private.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_limits_began);

static TimestampTz *began = NULL;

static void
initialise(void *memory)
{
	*(TimestampTz *) memory = GetCurrentTimestamp();
}

void
account_init(void)
{
	static const SharedArea area = {"twin_security accounts", sizeof(TimestampTz), initialise, (void **) &began};

	base_register_area(&area);
}

/* limits_began() -> timestamptz: null without preloading */
Datum
tsec_limits_began(PG_FUNCTION_ARGS)
{
	if (began == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(*began);
}

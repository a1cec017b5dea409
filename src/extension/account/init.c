/*
 * init.c
 *		Starts the part.
 *
 * Its shared memory holds one moment, written once before any other process
 * looks: when the limits began to remember, which is at every start and after
 * every crash.  Failures recorded before are what they have forgotten.
 */
#include "account/private.h"

#include "identity/identity.h"

#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_limits_began);

/* Functions that take their user from reach.sql, and so keep to the tenant of whoever calls them. */
static const char *const within_tenant[] = {
	"assign_role",  "create_user", "delete_user",  "disable_user", "enable_user",
	"end_sessions", "set_email",   "set_password", "unlock_user",
};

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
	for (int i = 0; i < (int) lengthof(within_tenant); i++)
		identity_let_tenants_call(within_tenant[i]);
}

/* limits_began() -> timestamptz: null without preloading */
Datum
tsec_limits_began(PG_FUNCTION_ARGS)
{
	if (began == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(*began);
}

/*
 * init.c
 *		Starts the part.
 *
 * Its shared memory holds one moment: when the limits began to remember, which
 * is at the first login after every start, crash or promotion.  It is set by
 * whoever asks first, before he counts or records anything.  Failures recorded
 * before are what this server's limits have forgotten, or never knew.
 */
#include "account/private.h"

#include "identity/identity.h"

#include "access/xlog.h"
#include "port/atomics.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_limits_began);

/* Functions that take their user from reach.sql, and so keep to the tenant of whoever calls them. */
static const char *const within_tenant[] = {
	"assign_role",  "create_user", "delete_user",  "disable_user", "enable_user",
	"end_sessions", "set_email",   "set_password", "unlock_user",
};

static pg_atomic_uint64 *began = NULL; /* 0: nobody logged in yet */

static void
initialise(void *memory)
{
	pg_atomic_init_u64(memory, 0);
}

void
account_init(void)
{
	static const SharedArea area = {"twin_security accounts", sizeof(pg_atomic_uint64), initialise, (void **) &began};

	base_register_area(&area);
	for (int i = 0; i < (int) lengthof(within_tenant); i++)
		identity_let_tenants_call(within_tenant[i]);
	identity_set_namer(account_username);
}

/* limits_began() -> timestamptz: null without preloading */
Datum
tsec_limits_began(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	uint64 first = 0;

	if (began == NULL)
		PG_RETURN_NULL();
	/* a standby counts nothing: what it knows is recorded */
	if (RecoveryInProgress() || pg_atomic_compare_exchange_u64(began, &first, (uint64) now))
		PG_RETURN_TIMESTAMPTZ(now);
	PG_RETURN_TIMESTAMPTZ((TimestampTz) first);
}

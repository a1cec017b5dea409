/*
 * lock.c
 *		What keeps a session from slipping between a change of its account and
 *		that change's commit.
 *
 * Who opens or refreshes a session holds a share of the locks of the account
 * and its tenant for as long as it takes; who changes them holds the lock alone
 * until his transaction ends.  Logins give their share back at once and lock no
 * row of an account, so nobody who keeps a transaction open after a login makes
 * an administrator wait.  Order: a session's row, the account, its tenant.
 */
#include "account/private.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"

PG_FUNCTION_INFO_V1(tsec_lock_account);
PG_FUNCTION_INFO_V1(tsec_takes_last_admin);

/* Advisory locks of SQL have 1 and 2 in their fourth field. */
#define LOCK_USERS 71
#define LOCK_TENANTS 72

static LOCKTAG
tag_of(int64 id, uint16 what)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (id >> 32), (uint32) id, what);
	return tag;
}

void
lock_share(const Account *account)
{
	LOCKTAG user = tag_of(account->user_id, LOCK_USERS);
	LOCKTAG tenant = tag_of(account->tenant_id, LOCK_TENANTS);

	(void) LockAcquire(&user, ShareLock, false, false);
	if (account->has_tenant)
		(void) LockAcquire(&tenant, ShareLock, false, false);
}

void
lock_return(const Account *account)
{
	LOCKTAG user = tag_of(account->user_id, LOCK_USERS);
	LOCKTAG tenant = tag_of(account->tenant_id, LOCK_TENANTS);

	if (account->has_tenant)
		(void) LockRelease(&tenant, ShareLock, false);
	(void) LockRelease(&user, ShareLock, false);
}

void
lock_alone(const Account *account)
{
	LOCKTAG user = tag_of(account->user_id, LOCK_USERS);

	(void) LockAcquire(&user, ExclusiveLock, false, false);
}

/* lock_account(user_id bigint, tenant_id bigint): keeps sessions from being opened until the transaction ends; either may be null */
Datum
tsec_lock_account(PG_FUNCTION_ARGS)
{
	for (int i = 0; i < 2; i++)
	{
		LOCKTAG tag;

		if (PG_ARGISNULL(i))
			continue;
		tag = tag_of(PG_GETARG_INT64(i), i == 0 ? LOCK_USERS : LOCK_TENANTS);
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
	}
	PG_RETURN_VOID();
}

/* takes_last_admin(leaving bigint, leaving_tenant bigint) -> boolean; whoever asks holds the lock of account 0 */
Datum
tsec_takes_last_admin(PG_FUNCTION_ARGS)
{
	Datum arguments[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	char nulls[] = {PG_ARGISNULL(0) ? 'n' : ' ', PG_ARGISNULL(1) ? 'n' : ' '};
	bool takes;

	SPI_connect();
	statement_run(TAKES_LAST_ADMIN, arguments, nulls);
	takes = statement_bool(1);
	SPI_finish();
	PG_RETURN_BOOL(takes);
}

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

PG_FUNCTION_INFO_V1(tsec_lock_account);
PG_FUNCTION_INFO_V1(tsec_takes_last_admin);

void
lock_share(const Account *account)
{
	LOCKTAG user = lock_tag_of(LOCK_OF_USER, account->user_id);
	LOCKTAG tenant = lock_tag_of(LOCK_OF_TENANT, account->tenant_id);

	(void) LockAcquire(&user, ShareLock, false, false);
	if (account->has_tenant)
		(void) LockAcquire(&tenant, ShareLock, false, false);
}

void
lock_return(const Account *account)
{
	LOCKTAG user = lock_tag_of(LOCK_OF_USER, account->user_id);
	LOCKTAG tenant = lock_tag_of(LOCK_OF_TENANT, account->tenant_id);

	if (account->has_tenant)
		(void) LockRelease(&tenant, ShareLock, false);
	(void) LockRelease(&user, ShareLock, false);
}

void
lock_alone(const Account *account)
{
	LOCKTAG user = lock_tag_of(LOCK_OF_USER, account->user_id);

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
		tag = lock_tag_of(i == 0 ? LOCK_OF_USER : LOCK_OF_TENANT, PG_GETARG_INT64(i));
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

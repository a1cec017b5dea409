/*
 * email.c
 *		The e-mail address of an account, opened to judge a password by it.
 *
 * It is sealed under the key main, which those who run this may hold no grant
 * on; no part of it leaves.  Without ENCRYPTION_KEY, or when the key was
 * destroyed, there is none to judge by, and passwords are changed all the same.
 */
#include "account/private.h"

#include "cipher/cipher.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* Opens an address in a subtransaction, so that an error ends only that; one that cancels the statement goes on. */
static char *
open_or_nothing(const struct varlena *stored)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char *volatile plain = NULL;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		plain = cipher_open_text_unasked(stored);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		plain = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return plain;
	/* cancelled, or out of memory: that is not about the address */
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
		ReThrowError(error);
	FreeErrorData(error);
	return NULL;
}

char *
email_of(int64 user_id)
{
	Datum argument = Int64GetDatum(user_id);
	struct varlena *stored = NULL;

	SPI_connect();
	statement_run(EMAIL, &argument, NULL);
	if (SPI_processed > 0)
		stored = statement_stored(1);
	SPI_finish();
	return stored != NULL ? open_or_nothing(stored) : NULL;
}

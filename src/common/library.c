/*
 * library.c
 *		OpenSSL's queue of errors, asked for one thing.
 */
#include "library.h"

#include <openssl/err.h>

Status
library_failure(Status otherwise)
{
	unsigned long code;

	while ((code = ERR_get_error()) != 0)
		if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
			otherwise = TSEC_NO_MEMORY;
	return otherwise;
}

/*
 * library.h
 *		What a failure of OpenSSL counts for: it says of a key or a signature that it is
 *		none, and of memory that was out, with one and the same answer.
 */
#ifndef TSEC_LIBRARY_H
#define TSEC_LIBRARY_H

#include "status.h"

/* TSEC_NO_MEMORY where the library's queue of errors says so, else what the caller takes it for.  Empties the queue. */
extern Status library_failure(Status otherwise);

#endif /* TSEC_LIBRARY_H */

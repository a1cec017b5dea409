/*
 * request.h
 *		One HTTP request as the database sees it: whose token it came with, from
 *		where, how many there may be, and as which role it runs.
 *
 * A request is one transaction.  begin_request() is what twin_gateway calls in
 * it first, pre_request() what PostgREST calls; both end with the role sealed.
 */
#ifndef TSEC_REQUEST_H
#define TSEC_REQUEST_H

#include "base/base.h"

extern void request_init(void);

/*
 * Whether requests of a client are refused at present.  The address is in
 * numbers, without a zone, an IPv4 address always as one; it is not asked where
 * the address is not known.  Called for every request, in whatever role it came,
 * also in read-only transactions: it reads shared memory, no catalog, and raises
 * nothing.
 */
typedef bool (*RequestBlockCheck)(const char *address);

/* Sets who tells it, at most one; from the init function of a part above.  Without one nobody is blocked. */
extern void request_set_block_check(RequestBlockCheck check);

#endif /* TSEC_REQUEST_H */

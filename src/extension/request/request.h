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
#include "common/network.h"

extern void request_init(void);

/* The client's address of the request that is running in this transaction; NULL where there is none, or it is not known. */
extern const NetAddress *request_client(void);

#endif /* TSEC_REQUEST_H */

/*
 * private.h
 *		What the files of request share among themselves.
 */
#ifndef TSEC_REQUEST_PRIVATE_H
#define TSEC_REQUEST_PRIVATE_H

#include "request/request.h"

#include "common/limit_math.h"
#include "common/network.h"
#include "common/route.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* What a request may hold at most, in bytes; the gateway refuses more before it comes here. */
#define REQUEST_METHOD_MAX 32
#define REQUEST_PATH_MAX 16384
#define REQUEST_OBJECT_MAX 65536 /* headers, cookies */
#define REQUEST_MEMBERS_MAX 512
#define REQUEST_LIST_MAX 64 /* schemas, settings */
#define REQUEST_COOKIE_MAX 8192

/* A piece of text that somebody else owns; data NULL: there is none. */
typedef struct RequestText
{
	const char *data;
	size_t length;
} RequestText;

/* ---- current.c: the request that is running ---- */

/* Begins one from an address, NULL where it is not known.  Raises 25001 where one has begun, 42501 in a SECURITY DEFINER function. */
extern void current_begin(const NetAddress *address);

/* From here on the request's session is kept as it is: what it leaves there is undone when its transaction ends. */
extern void current_keep_session(void);

extern const char *current_id(void);

/* NULL when it is not known. */
extern const NetAddress *current_address(void);

/* Keeps a cookie that request.cookies does not show. */
extern void current_hide_cookie(const char *name, RequestText value);

extern void current_init(void);

/* Sets a setting for the transaction, as set_config() does. */
extern void current_set(const char *name, const char *value);

/* ---- refuse.c ---- */

/* To whom a refusal is told. */
typedef enum RequestCaller
{
	CALLER_GATEWAY,  /* class TW: status_list.h */
	CALLER_POSTGREST /* PT401, PT403, PT429 */
} RequestCaller;

/* Raises a refusal; retry_after is in seconds, 0 for none. */
extern TSEC_NORETURN void refuse(RequestCaller caller, Status status, int64 retry_after);

/* Records one, and raises it. */
extern TSEC_NORETURN void refuse_event(RequestCaller caller, Status status, int64 retry_after, const char *type,
									   const char *action, const char *resource);

/* ---- object.c: headers and cookies as JSON ---- */

/* What is looked for in headers. */
typedef struct RequestHeaders
{
	RequestText authorization;
	RequestText csrf;
	StringInfoData shown; /* request.headers: lower case, without authorization and cookie */
} RequestHeaders;

typedef struct RequestCookies
{
	RequestText access;
	RequestText refresh;
	StringInfoData shown; /* request.cookies: of the tokens only that they are there */
} RequestCookies;

/* Read an object of strings; NULL counts as empty.  Raise 22023 and 54000, and never quote. */
extern void object_headers(Jsonb *object, RequestHeaders *headers);
extern void object_cookies(Jsonb *object, RequestCookies *cookies);

/* Writes verified claims with another role. */
extern char *object_claims(Jsonb *claims, const char *role);

/* The token of "Bearer ..." (RFC 6750, 2.1); data NULL when the header is of another scheme or not there. */
extern RequestText object_bearer(RequestText authorization);

/* ---- admit.c: who may come in ---- */

typedef struct Admission
{
	RequestCaller caller;
	const char *method;
	char route[ROUTE_MAX];
	size_t route_length;
	RequestText token; /* none: anonymous */
	bool by_cookie;
	RequestText csrf;
} Admission;

/*
 * Chooses the token: the one of Authorization, else that of the cookie, but for
 * who logs in or refreshes: an old cookie is what he wants to be rid of, and
 * nothing there is done in the name of a token.
 */
extern void admit_choose(Admission *admission, RequestText authorization, RequestText cookie);

/* Refuses blocked addresses and those that ask too often. */
extern void admit_address(const Admission *admission);

/* Verifies the token, and where it came by cookie the CSRF token; returns the verified claims, good until the next question about a token. */
extern Jsonb *admit_token(const Admission *admission);

/* Refuses users who ask too often; seals the role of a token-only login. */
extern void admit_user(const Admission *admission);

/* ---- role.c ---- */

/* Applies the settings of a role (ALTER ROLE ... SET), as far as this login may. */
extern void role_apply_settings(Oid role);

/* Takes a role on for the transaction. */
extern void role_take_on(const char *name);

/* The name of the role that the request's token stands for, which this login may take on; NULL when the token names none. */
extern char *role_of_token(RequestCaller caller);

/* ---- rates.c: twin.rate_limits as this session last read it ---- */

typedef struct RateAnswer
{
	bool limited; /* there are limits of it */
	bool allowed;
	uint32 remaining;  /* of the tightest limit */
	int64 retry_after; /* nanoseconds */
} RateAnswer;

extern void rates_init(void);

/* Takes one request of a route from every limit of one kind of subject that fits it. */
extern RateAnswer rates_take_address(const char *route, size_t length, const NetAddress *address);
extern RateAnswer rates_take_user(const char *route, size_t length, const char *user);

/* Gives back what the running request took from the limit of its route for its address; forgets it. */
extern void rates_give_back(void);
extern void rates_forget_taken(void);

/* ---- reload.c ---- */

extern void reload_init(void);

#endif /* TSEC_REQUEST_PRIVATE_H */

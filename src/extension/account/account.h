/*
 * account.h
 *		Accounts: tenants, users, sessions; login, refresh, logout.
 *
 * A login yields an access token and a refresh token of one session.  The
 * access token is all that later requests need; the session's row is looked
 * at when it is refreshed, so what ends a session also revokes its tokens.
 */
#ifndef TSEC_ACCOUNT_H
#define TSEC_ACCOUNT_H

#include "base/base.h"

#include "utils/jsonb.h"

/* Cookies of a login with use_cookies; the prefix binds them to one host over TLS (RFC 6265bis, 4.1.3.2). */
#define ACCOUNT_COOKIE_ACCESS "__Host-twin_access"
#define ACCOUNT_COOKIE_REFRESH "__Host-twin_refresh"
#define ACCOUNT_COOKIE_CSRF "__Host-twin_csrf" /* readable by scripts, which send it back as the header */
#define ACCOUNT_HEADER_CSRF "x-csrf-token"

extern void account_init(void);

/*
 * Whether a CSRF token is the one of the session whose verified token has these
 * claims: its SHA-256 stands in them, under the token's signature.  False for a
 * token that was not issued for cookies, so an access token that somebody
 * plants as a cookie changes nothing.  OWASP calls this a signed double submit.
 */
extern bool account_csrf_matches(Jsonb *claims, const char *given, Size length);

/*
 * Tells the client's network address where the connection is not his own (a
 * gateway's): numbers and dots or colons, NULL when it is not known.  Asked
 * once per login; reads no catalog and raises nothing.
 */
typedef const char *(*AccountAddressSource)(void);

/* Sets who tells it; once, from the init function of a part above. */
extern void account_set_address_source(AccountAddressSource source);

/*
 * Tells a cookie that the request came with and that request.cookies does not
 * show, because whoever acts in the request could read it there; NULL where
 * request.cookies is to be asked.  Good to the end of the transaction.
 */
typedef const char *(*AccountCookieSource)(const char *name);

extern void account_set_cookie_source(AccountCookieSource source);

/* Sets who is told that a password was right: such a try is none of those that limits are there for. Raises nothing. */
extern void account_set_success_notice(void (*notice)(void));

#endif /* TSEC_ACCOUNT_H */

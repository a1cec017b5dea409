/*
 * network.h
 *		Network addresses as texts of strangers: an address, a network, a list of
 *		trusted proxies, and the client that X-Forwarded-For names.
 *
 * Numbers only, nothing is looked up.  An IPv4 address mapped into IPv6
 * (::ffff:192.0.2.1) is that IPv4 address everywhere, so no list and no limit
 * is passed by writing it the other way.
 */
#ifndef TSEC_NETWORK_H
#define TSEC_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for any address as a text, with its final zero. */
#define NETWORK_TEXT_MAX 46

/* Room for what an address counts as. */
#define NETWORK_SUBJECT_MAX 9

typedef struct NetAddress
{
	uint8_t family;    /* 4 or 6 */
	uint8_t bytes[16]; /* in network order; of IPv4 the first four */
} NetAddress;

/* Reads an address in numbers, without zone or port; false when it is none. */
extern bool network_address(const char *text, size_t length, NetAddress *address);

extern void network_write(const NetAddress *address, char text[NETWORK_TEXT_MAX]);

/*
 * As what an address counts in limits: IPv4 one by one, IPv6 by its /64, the
 * smallest network a subscriber gets (RFC 6177).  Returns the length.
 */
extern size_t network_subject(const NetAddress *address, uint8_t subject[NETWORK_SUBJECT_MAX]);

/* Whether a list is commas between addresses, networks (10.0.0.0/8) and the word local, which means unix sockets. */
extern bool network_list_valid(const char *list);

/* Whether such a list holds an address; NULL is a unix socket. */
extern bool network_list_holds(const char *list, const NetAddress *address);

/*
 * The client of a request that came through proxies: of the addresses in
 * X-Forwarded-For, to which each proxy appends whom it got the request from,
 * the last one that is no trusted proxy; the first one when all are.  What
 * stands before it is the client's own word.  Ports ("192.0.2.1:99",
 * "[2001:db8::1]:99") are left out.  False when it cannot be told.
 */
extern bool network_forwarded(const char *header, size_t length, const char *trusted, NetAddress *client);

#endif /* TSEC_NETWORK_H */

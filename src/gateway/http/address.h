/*
 * address.h
 *		Addresses of clients: read, written, counted, and what a proxy says of them.
 *
 * An IPv4 address is kept as the IPv6 address that stands for it
 * (::ffff:a.b.c.d), so one comparison serves both.  Pure.
 */
#ifndef GATEWAY_ADDRESS_H
#define GATEWAY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 46 /* with its final zero */

/* All whose address nobody knows, as over a unix socket, are one client; ::/64 shares the number. */
#define ADDRESS_CLIENT_NONE UINT64_C(1)

typedef struct Address
{
	uint8_t bytes[16];
} Address;

/* Of a peer; false for anything but IPv4 and IPv6, such as a unix socket. */
extern bool address_of(const struct sockaddr *peer, Address *address);

/* Reads a numeric address: "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
extern bool address_read(const char *text, size_t length, Address *address);

extern void address_write(const Address *address, char text[ADDRESS_TEXT_SIZE]);

/* What is counted as one client: an IPv4 address, or the /64 an IPv6 address is in.  Never 0. */
extern uint64_t address_client(const Address *address);

/* Its number mixed with a secret seed, for tables: strangers cannot choose who shares a chain. */
extern uint64_t address_client_hash(uint64_t client, uint64_t seed);

/* ---- networks ---- */

typedef struct Networks Networks;

/*
 * Reads "127.0.0.1, 10.0.0.0/8, fd00::/8, unix" (unix: whoever comes by a unix socket); NULL and why when
 * it is not well formed.  NULL text is an empty list.
 */
extern Networks *networks_read(const char *text, const char **why);
extern void networks_free(Networks *networks);

/* Whether an address is in one of the networks; NULL asks for unix. */
extern bool networks_hold(const Networks *networks, const Address *address);

/* ---- what proxies say ---- */

/*
 * Follows values of X-Forwarded-For (or, with is_forwarded, of RFC 7239's Forwarded), those of several headers in
 * order, from the right: *client becomes the first address that is no trusted proxy's, or the last that could be read.
 * False when nothing could be read, *client is not touched then.
 */
extern bool forwarded_for(const Networks *trusted, const char *const *values, int count, bool is_forwarded,
						  Address *client);

/* Whether the last entry of X-Forwarded-Proto (or the last proto of Forwarded) is https. */
extern bool forwarded_https(const char *const *values, int count, bool is_forwarded);

/* ---- counts ---- */

typedef struct AddressCounts AddressCounts;

/* Room for about so many clients at once; the seed keeps strangers from choosing who shares a chain. */
extern AddressCounts *address_counts_new(size_t clients, uint64_t seed);
extern void address_counts_free(AddressCounts *counts);

/* Counts one more; false, and nothing is counted, when there are as many as most (0: no bound). */
extern bool address_counts_add(AddressCounts *counts, uint64_t client, int most);
extern void address_counts_drop(AddressCounts *counts, uint64_t client);

#endif /* GATEWAY_ADDRESS_H */

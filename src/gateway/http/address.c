/*
 * address.c
 *		Addresses of clients.
 *
 * What a proxy says is read from the right: each entry was written by the one
 * that follows it, so it is worth as much as that one, and no more.
 */
#include "gateway/http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NETWORKS_MAX 256
#define HOPS_MAX 32 /* the last so many entries are looked at */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

typedef struct Network
{
	Address address;
	int bits; /* of the 128 */
} Network;

struct Networks
{
	bool has_unix;
	size_t count;
	Network networks[NETWORKS_MAX];
};

typedef struct Span
{
	const char *data;
	size_t length;
} Span;

static bool
is_ipv4(const Address *address)
{
	/* public: an address */
	return memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

bool
address_of(const struct sockaddr *peer, Address *address)
{
	if (peer->sa_family == AF_INET6)
	{
		memcpy(address->bytes, &((const struct sockaddr_in6 *) peer)->sin6_addr, 16);
		return true;
	}
	if (peer->sa_family != AF_INET)
		return false;
	memcpy(address->bytes, mapped, sizeof(mapped));
	memcpy(address->bytes + sizeof(mapped), &((const struct sockaddr_in *) peer)->sin_addr, 4);
	return true;
}

/* Whether bytes are a port, or nothing. */
static bool
is_port(const char *text, size_t length)
{
	if (length == 0)
		return true;
	if (text[0] != ':' || length < 2 || length > 6)
		return false;
	for (size_t i = 1; i < length; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return true;
}

bool
address_read(const char *text, size_t length, Address *address)
{
	char copy[ADDRESS_TEXT_SIZE];
	const char *colon = memchr(text, ':', length);
	const char *end = NULL;

	if (length > 0 && text[0] == '[')
	{
		end = memchr(text, ']', length);
		if (end == NULL || !is_port(end + 1, length - (size_t) (end - text) - 1))
			return false;
		text++;
	}
	else if (colon != NULL && memchr(colon + 1, ':', length - (size_t) (colon - text) - 1) == NULL)
	{
		end = colon;
		if (!is_port(colon, length - (size_t) (colon - text)))
			return false;
	}
	if (end != NULL)
		length = (size_t) (end - text);
	if (length == 0 || length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (strlen(copy) != length)
		return false;
	if (inet_pton(AF_INET6, copy, address->bytes) == 1)
		return true;
	if (inet_pton(AF_INET, copy, address->bytes + sizeof(mapped)) != 1)
		return false;
	memcpy(address->bytes, mapped, sizeof(mapped));
	return true;
}

void
address_write(const Address *address, char text[ADDRESS_TEXT_SIZE])
{
	if (is_ipv4(address))
		(void) inet_ntop(AF_INET, address->bytes + sizeof(mapped), text, ADDRESS_TEXT_SIZE);
	else
		(void) inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_SIZE);
}

uint64_t
address_client(const Address *address)
{
	uint64_t client;

	memcpy(&client, address->bytes + (is_ipv4(address) ? 8 : 0), sizeof(client));
	return client != 0 ? client : ADDRESS_CLIENT_NONE;
}

uint64_t
address_client_hash(uint64_t client, uint64_t seed)
{
	uint64_t mixed = (client ^ seed) * (seed | 1);

	return mixed ^ mixed >> 32;
}

/* ---- networks ---- */

static Span
trim(Span span)
{
	while (span.length > 0 && (span.data[0] == ' ' || span.data[0] == '\t'))
	{
		span.data++;
		span.length--;
	}
	while (span.length > 0 && (span.data[span.length - 1] == ' ' || span.data[span.length - 1] == '\t'))
		span.length--;
	return span;
}

static bool
equals(Span span, const char *word)
{
	return span.length == strlen(word) && strncasecmp(span.data, word, span.length) == 0;
}

/* Reads "ADDRESS" or "ADDRESS/BITS". */
static bool
network_read(Span text, Network *network)
{
	const char *slash = memchr(text.data, '/', text.length);
	size_t length = slash != NULL ? (size_t) (slash - text.data) : text.length;
	size_t digits = text.length - length - (slash != NULL);
	int most;
	int bits = 0;

	if (!address_read(text.data, length, &network->address))
		return false;
	most = memchr(text.data, ':', length) != NULL ? 128 : 32;
	if (slash == NULL)
		bits = most;
	else if (digits == 0 || digits > 3)
		return false;
	for (size_t i = 0; slash != NULL && i < digits; i++)
	{
		if (slash[1 + i] < '0' || slash[1 + i] > '9')
			return false;
		bits = bits * 10 + (slash[1 + i] - '0');
	}
	network->bits = bits + (128 - most);
	return bits <= most;
}

Networks *
networks_read(const char *text, const char **why)
{
	Networks *networks = calloc(1, sizeof(Networks));

	*why = "out of memory";
	if (networks == NULL)
		return NULL;
	while (text != NULL && *text != '\0')
	{
		size_t length = strcspn(text, ",");
		Span entry = trim((Span){text, length});

		if (equals(entry, "unix"))
			networks->has_unix = true;
		else if (networks->count == NETWORKS_MAX || !network_read(entry, &networks->networks[networks->count++]))
		{
			*why = "not a list of addresses and networks";
			free(networks);
			return NULL;
		}
		text += length;
		text += *text == ',';
	}
	return networks;
}

void
networks_free(Networks *networks)
{
	free(networks);
}

static bool
network_holds(const Network *network, const Address *address)
{
	int bytes = network->bits / 8;
	int rest = network->bits % 8;

	/* public: an address */
	if (memcmp(network->address.bytes, address->bytes, (size_t) bytes) != 0)
		return false;
	return rest == 0 || (network->address.bytes[bytes] ^ address->bytes[bytes]) >> (8 - rest) == 0;
}

bool
networks_hold(const Networks *networks, const Address *address)
{
	if (address == NULL)
		return networks->has_unix;
	for (size_t i = 0; i < networks->count; i++)
	{
		if (network_holds(&networks->networks[i], address))
			return true;
	}
	return false;
}

/* ---- what proxies say ---- */

/* The length of what stands before a separator, or of all; quoted strings are stepped over (RFC 7239, 4). */
static size_t
until(const char *text, size_t length, char separator, bool quotes)
{
	bool quoted = false;

	for (size_t i = 0; i < length; i++)
	{
		if (quotes && text[i] == '"')
			quoted = !quoted;
		else if (quoted && text[i] == '\\')
			i++;
		else if (!quoted && text[i] == separator)
			return i;
	}
	return length;
}

/* Keeps the last entries of comma-separated values, the newest at hops[(*count - 1) % HOPS_MAX]. */
static size_t
split_hops(const char *const *values, int count, bool quotes, Span hops[HOPS_MAX])
{
	size_t found = 0;

	for (int i = 0; i < count; i++)
	{
		const char *at = values[i];
		size_t left = strlen(at);

		for (;;)
		{
			size_t length = until(at, left, ',', quotes);

			hops[found++ % HOPS_MAX] = trim((Span){at, length});
			if (length == left)
				break;
			at += length + 1;
			left -= length + 1;
		}
	}
	return found;
}

/* The value of a parameter in an entry of Forwarded, without its quotes; empty when it is not there. */
static Span
parameter(Span entry, const char *name)
{
	while (entry.length > 0)
	{
		size_t length = until(entry.data, entry.length, ';', true);
		Span pair = trim((Span){entry.data, length});
		size_t word = until(pair.data, pair.length, '=', false);

		if (word < pair.length && equals((Span){pair.data, word}, name))
		{
			Span value = {pair.data + word + 1, pair.length - word - 1};

			if (value.length >= 2 && value.data[0] == '"' && value.data[value.length - 1] == '"')
				value = (Span){value.data + 1, value.length - 2};
			return value;
		}
		length += length < entry.length;
		entry = (Span){entry.data + length, entry.length - length};
	}
	return (Span){"", 0};
}

bool
forwarded_for(const Networks *trusted, const char *const *values, int count, bool is_forwarded, Address *client)
{
	Span hops[HOPS_MAX];
	size_t found = split_hops(values, count, is_forwarded, hops);
	bool known = false;

	for (size_t i = 0; i < found && i < HOPS_MAX; i++)
	{
		Span hop = hops[(found - 1 - i) % HOPS_MAX];
		Address address;

		if (is_forwarded)
			hop = parameter(hop, "for");
		if (!address_read(hop.data, hop.length, &address))
			return known;
		*client = address;
		known = true;
		if (!networks_hold(trusted, &address))
			break;
	}
	return known;
}

bool
forwarded_https(const char *const *values, int count, bool is_forwarded)
{
	Span hops[HOPS_MAX];
	size_t found = split_hops(values, count, is_forwarded, hops);
	Span last;

	if (found == 0)
		return false;
	last = hops[(found - 1) % HOPS_MAX];
	return equals(is_forwarded ? parameter(last, "proto") : last, "https");
}

/* ---- counts ---- */

typedef struct Counted
{
	struct Counted *next;
	uint64_t client;
	int count;
} Counted;

struct AddressCounts
{
	uint64_t seed;
	size_t size; /* a power of two */
	Counted *chains[];
};

AddressCounts *
address_counts_new(size_t clients, uint64_t seed)
{
	size_t size = 64;
	AddressCounts *counts;

	while (size < clients && size < ((size_t) 1 << 20))
		size *= 2;
	counts = calloc(1, sizeof(AddressCounts) + size * sizeof(Counted *));
	if (counts == NULL)
		return NULL;
	counts->seed = seed;
	counts->size = size;
	return counts;
}

void
address_counts_free(AddressCounts *counts)
{
	for (size_t i = 0; counts != NULL && i < counts->size; i++)
	{
		while (counts->chains[i] != NULL)
		{
			Counted *counted = counts->chains[i];

			counts->chains[i] = counted->next;
			free(counted);
		}
	}
	free(counts);
}

static Counted **
find_counted(AddressCounts *counts, uint64_t client)
{
	Counted **place = &counts->chains[address_client_hash(client, counts->seed) & (counts->size - 1)];

	while (*place != NULL && (*place)->client != client)
		place = &(*place)->next;
	return place;
}

bool
address_counts_add(AddressCounts *counts, uint64_t client, int most)
{
	Counted **place = find_counted(counts, client);

	if (*place == NULL)
	{
		*place = calloc(1, sizeof(Counted));
		if (*place == NULL)
			return false;
		(*place)->client = client;
	}
	if (most > 0 && (*place)->count >= most)
		return false;
	(*place)->count++;
	return true;
}

void
address_counts_drop(AddressCounts *counts, uint64_t client)
{
	Counted **place = find_counted(counts, client);
	Counted *counted = *place;

	if (counted == NULL || --counted->count > 0)
		return;
	*place = counted->next;
	free(counted);
}

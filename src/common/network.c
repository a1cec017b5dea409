/*
 * network.c
 *		Addresses, networks, and the client behind proxies.
 */
#include "network.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

/* An item of a list: an address and its bits, with room. */
#define ITEM_MAX 64

/* Proxies in a row; a header of more is nobody's. */
#define HOPS_MAX 64

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Leaves out blanks at both ends. */
static void
trim(const char **text, size_t *length)
{
	while (*length > 0 && is_blank((*text)[0]))
	{
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && is_blank((*text)[*length - 1]))
		(*length)--;
}

bool
network_address(const char *text, size_t length, NetAddress *address)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char copy[NETWORK_TEXT_MAX];

	memset(address, 0, sizeof(*address));
	if (length == 0 || length >= sizeof(copy) || memchr(text, '\0', length) != NULL)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (inet_pton(AF_INET, copy, address->bytes) == 1)
	{
		address->family = 4;
		return true;
	}
	if (inet_pton(AF_INET6, copy, address->bytes) != 1)
		return false;
	address->family = 6;
	if (memcmp(address->bytes, mapped, sizeof(mapped)) == 0) /* public: an address */
	{
		address->family = 4;
		memmove(address->bytes, address->bytes + 12, 4);
		memset(address->bytes + 4, 0, 12);
	}
	return true;
}

void
network_write(const NetAddress *address, char text[NETWORK_TEXT_MAX])
{
	if (inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->bytes, text, NETWORK_TEXT_MAX) == NULL)
		text[0] = '\0';
}

size_t
network_subject(const NetAddress *address, uint8_t subject[NETWORK_SUBJECT_MAX])
{
	size_t length = address->family == 4 ? 4 : 8;

	subject[0] = address->family;
	memcpy(subject + 1, address->bytes, length);
	return length + 1;
}

/* ---- lists ---- */

typedef struct Network
{
	bool is_local; /* unix sockets */
	NetAddress address;
	unsigned bits;
} Network;

/* Reads one item of a list. */
static bool
read_item(const char *text, size_t length, Network *network)
{
	const char *slash;
	size_t digits;
	unsigned most;

	trim(&text, &length);
	network->is_local = length == 5 && strncmp(text, "local", 5) == 0;
	if (network->is_local)
		return true;
	if (length == 0 || length > ITEM_MAX)
		return false;
	slash = memchr(text, '/', length);
	if (!network_address(text, slash != NULL ? (size_t) (slash - text) : length, &network->address))
		return false;
	most = network->address.family == 4 ? 32 : 128;
	network->bits = most;
	if (slash == NULL)
		return true;
	/* the bits of a mapped address would count from another end */
	if (network->address.family == 4 && memchr(text, ':', length) != NULL)
		return false;
	digits = (size_t) (text + length - slash) - 1;
	if (digits < 1 || digits > 3)
		return false;
	network->bits = 0;
	for (size_t i = 1; i <= digits; i++)
	{
		if (slash[i] < '0' || slash[i] > '9')
			return false;
		network->bits = network->bits * 10 + (unsigned) (slash[i] - '0');
	}
	return network->bits <= most;
}

static bool
network_holds(const Network *network, const NetAddress *address)
{
	unsigned whole = network->bits / 8;
	unsigned rest = network->bits % 8;

	if (address == NULL || network->is_local)
		return address == NULL && network->is_local;
	if (network->address.family != address->family)
		return false;
	for (unsigned i = 0; i < whole; i++)
		if (network->address.bytes[i] != address->bytes[i])
			return false;
	return rest == 0 || ((network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

/* The next item of a list; false at its end. */
static bool
next_item(const char **list, const char **item, size_t *length)
{
	if (*list == NULL)
		return false;
	*item = *list;
	*length = strcspn(*list, ",");
	*list = (*list)[*length] == ',' ? *list + *length + 1 : NULL;
	return true;
}

/* Whether a list is empty but for blanks. */
static bool
is_empty(const char *list)
{
	return list[strspn(list, " \t")] == '\0';
}

bool
network_list_valid(const char *list)
{
	const char *item;
	size_t length;
	Network network;

	if (is_empty(list))
		return true;
	while (next_item(&list, &item, &length))
		if (!read_item(item, length, &network))
			return false;
	return true;
}

bool
network_list_holds(const char *list, const NetAddress *address)
{
	const char *item;
	size_t length;
	Network network;

	if (is_empty(list))
		return false;
	while (next_item(&list, &item, &length))
		if (read_item(item, length, &network) && network_holds(&network, address))
			return true;
	return false;
}

/* ---- X-Forwarded-For ---- */

/* Reads one of its addresses, which may have a port. */
static bool
read_hop(const char *text, size_t length, NetAddress *address)
{
	const char *colon;
	const char *end;

	trim(&text, &length);
	if (length > 0 && text[0] == '[')
	{
		end = memchr(text, ']', length);
		return end != NULL && network_address(text + 1, (size_t) (end - text) - 1, address);
	}
	colon = memchr(text, ':', length);
	/* one colon is a port's, more are an IPv6 address's */
	if (colon != NULL && memchr(colon + 1, ':', length - (size_t) (colon - text) - 1) == NULL)
		length = (size_t) (colon - text);
	return network_address(text, length, address);
}

bool
network_forwarded(const char *header, size_t length, const char *trusted, NetAddress *client)
{
	size_t end = length;

	for (int hops = 0; hops < HOPS_MAX; hops++)
	{
		size_t begin = end;

		while (begin > 0 && header[begin - 1] != ',')
			begin--;
		if (!read_hop(header + begin, end - begin, client))
			return false;
		if (begin == 0 || !network_list_holds(trusted, client))
			return true;
		end = begin - 1;
	}
	return false;
}

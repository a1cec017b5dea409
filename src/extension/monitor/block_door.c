/*
 * block_door.c
 *		Connections from blocked addresses are turned away.
 *
 * The server asks when it has decided whether the client is who he says, and
 * before it tells him; so whatever he proved, he gets the same answer.  There is
 * no database yet, and the blocks of all of them count.
 */
#include "postgres.h"

/* the layout is the same with and without GSSAPI, whose headers are not at hand */
#undef ENABLE_GSS
#include "libpq/libpq-be.h"

#include "libpq/auth.h"

#include "monitor/block.h"

#include "miscadmin.h"

#include <netinet/in.h>

/* Of the refusals by one block so many are told one by one; all are counted. */
static const RateLimit told = {.requests = 5, .period = 60 * LIMIT_SECOND, .burst = 5};

static ClientAuthentication_hook_type previous_hook = NULL;

/* The other end; false where it is no network's. */
static bool
read_end(const SockAddr *end, NetAddress *address)
{
	AddressNetwork network;

	memset(address, 0, sizeof(*address));
	if (end->addr.ss_family == AF_INET)
	{
		address->family = 4;
		memcpy(address->bytes, &((const struct sockaddr_in *) &end->addr)->sin_addr, 4);
	}
	else if (end->addr.ss_family == AF_INET6)
	{
		address->family = 6;
		memcpy(address->bytes, &((const struct sockaddr_in6 *) &end->addr)->sin6_addr, 16);
	}
	/* mapped, it is an IPv4 address */
	if (!address_network_make(address, address->family == 4 ? 32 : 128, &network))
		return false;
	address->family = network.family;
	memcpy(address->bytes, network.bytes, sizeof(address->bytes));
	return true;
}

static void
tell_refused(const Port *port, const NetAddress *address, const AddressNetwork *blocked)
{
	uint8 subject[8 + sizeof(AddressNetwork)] = "blocked";
	char text[NETWORK_TEXT_MAX];

	memcpy(subject + 8, blocked, sizeof(*blocked));
	if (!limit_take(LIMIT_RATE_ADDRESS, subject, sizeof(subject), &told).allowed)
		return;
	network_write(address, text);
	(void) event_emit(&(SecurityEvent){.type = "address_refused",
									   .class = EVENT_ACCESS,
									   .severity = EVENT_MEDIUM,
									   .outcome = EVENT_DENIED,
									   .action = "connect",
									   .resource = port->database_name,
									   .username = port->user_name,
									   .client_address = text,
									   .yields = true,
									   .of_no_database = true});
}

static void
meet(Port *port, int status)
{
	NetAddress address;
	AddressNetwork blocked;

	if (read_end(&port->raddr, &address) && limit_meet_client(&address, &blocked))
	{
		tell_refused(port, &address, &blocked);
		ereport(FATAL, (errcode(MAKE_SQLSTATE('T', 'W', '8', '0', '4')),
						errmsg("connections from this address are refused")));
	}
	if (previous_hook)
		previous_hook(port, status);
}

void
block_door_init(void)
{
	if (!base_is_preloaded())
		return;
	previous_hook = ClientAuthentication_hook;
	ClientAuthentication_hook = meet;
}

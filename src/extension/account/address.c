/*
 * address.c
 *		Where a login comes from, and as which subject its failures count.
 *
 * IPv4 addresses count one by one and IPv6 by their /64, the smallest network
 * a subscriber gets (RFC 6177).  A unix socket is the address "local", and a
 * gateway's connection brings other people's requests: neither stands for one
 * client, so its failures lock nobody out; those of each account still do.
 */
#include "account/private.h"

#include "identity/identity.h"

#include "common/ip.h"
#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

PG_FUNCTION_INFO_V1(tsec_forget_failures_at);

static AccountAddressSource address_source = NULL;

void
account_set_address_source(AccountAddressSource source)
{
	address_source = source;
}

/* Writes the connection's address in numbers; nothing for a unix socket. */
static void
write_connection(char text[ADDRESS_TEXT_MAX])
{
	const SockAddr *remote;
	char whole[NI_MAXHOST];
	char *zone;

	text[0] = '\0';
	if (MyBEEntry == NULL || MyBEEntry->st_procpid != MyProcPid)
		return;
	remote = &MyBEEntry->st_clientaddr;
	if ((remote->addr.ss_family != AF_INET && remote->addr.ss_family != AF_INET6) ||
		pg_getnameinfo_all(&remote->addr, remote->salen, whole, sizeof(whole), NULL, 0, NI_NUMERICHOST) != 0)
		return;
	zone = strchr(whole, '%'); /* the link of an IPv6 address is no part of it */
	if (zone != NULL)
		*zone = '\0';
	strlcpy(text, whole, ADDRESS_TEXT_MAX);
}

/* Makes the subject of an address; nothing when it is none. */
static void
make_subject(Address *address)
{
	static const uint8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	uint8 bytes[16];

	if (inet_pton(AF_INET, address->text, bytes) == 1)
	{
		address->subject[0] = 4;
		memcpy(address->subject + 1, bytes, 4);
		address->length = 5;
	}
	else if (inet_pton(AF_INET6, address->text, bytes) == 1)
	{
		bool is_mapped = memcmp(bytes, mapped, sizeof(mapped)) == 0; /* public: an address */

		address->subject[0] = is_mapped ? 4 : 6;
		memcpy(address->subject + 1, is_mapped ? bytes + 12 : bytes, is_mapped ? 4 : 8);
		address->length = is_mapped ? 5 : 9;
	}
	else
		address->text[0] = '\0';
}

Address
address_read(const char *text)
{
	Address address = {.length = 0};

	strlcpy(address.text, text, sizeof(address.text));
	make_subject(&address);
	address.is_limited = address.length > 0;
	return address;
}

Address
address_of_client(void)
{
	Address address = {.length = 0};
	const char *told = address_source != NULL ? address_source() : NULL;

	if (told != NULL)
		strlcpy(address.text, told, sizeof(address.text));
	else
		write_connection(address.text);
	make_subject(&address);
	address.is_limited = address.length > 0 && (told != NULL || !identity_is_token_only());
	return address;
}

/* forget_failures_at(address inet): at once, whatever becomes of the transaction */
Datum
tsec_forget_failures_at(PG_FUNCTION_ARGS)
{
	Address address = address_read(TextDatumGetCString(DirectFunctionCall1(network_host, PG_GETARG_DATUM(0))));

	limit_forget(LIMIT_ADDRESS, address.subject, address.length);
	PG_RETURN_VOID();
}

/*
 * block.c
 *		Blocked addresses: what their SQL functions need of C.
 */
#include "monitor/block.h"

#include "request/request.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include <sys/socket.h>

PG_FUNCTION_INFO_V1(tsec_block_network);
PG_FUNCTION_INFO_V1(tsec_block_target);
PG_FUNCTION_INFO_V1(tsec_block_own_addresses);
PG_FUNCTION_INFO_V1(tsec_block_refusals);
PG_FUNCTION_INFO_V1(tsec_end_sessions_of);
PG_FUNCTION_INFO_V1(tsec_forget_blocks);

/* A prefix shorter than these is more likely a slip of the pen than an attacker. */
#define BITS_MIN_IPV4 8
#define BITS_MIN_IPV6 16

void
block_init(void)
{
	block_change_init();
	block_door_init();
	block_read_init();
	block_reader_init();
}

bool
block_network(const inet *given, AddressNetwork *network)
{
	NetAddress address = {.family = ip_family(given) == PGSQL_AF_INET ? 4 : 6};

	memcpy(address.bytes, ip_addr(given), address.family == 4 ? 4 : 16);
	return address_network_make(&address, ip_bits(given), network);
}

/* The network of an argument; raises 22023 where it is none. */
static AddressNetwork
require_network(const inet *given)
{
	AddressNetwork network;

	if (!block_network(given, &network))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid network: %s",
							   TextDatumGetCString(DirectFunctionCall1(inet_abbrev, InetPGetDatum(given)))),
						errdetail("Bits are set to the right of its mask."),
						errhint("Leave out the mask for one address, or write the network's first address.")));
	return network;
}

static Datum
network_datum(const AddressNetwork *network)
{
	char text[NETWORK_TEXT_MAX];
	NetAddress address = {.family = network->family};

	memcpy(address.bytes, network->bytes, sizeof(address.bytes));
	network_write(&address, text);
	return DirectFunctionCall1(cidr_in, CStringGetDatum(psprintf("%s/%u", text, network->bits)));
}

static bool
holds(const AddressNetwork *network, const NetAddress *address)
{
	AddressNetwork host;

	return address_network_make(address, address->family == 4 ? 32 : 128, &host) &&
		   address_network_within(&host, network);
}

static Datum
address_datum(const NetAddress *address)
{
	char text[NETWORK_TEXT_MAX];

	network_write(address, text);
	return DirectFunctionCall1(inet_in, CStringGetDatum(text));
}

/* block_network(address inet) -> cidr */
Datum
tsec_block_network(PG_FUNCTION_ARGS)
{
	AddressNetwork network = require_network(PG_GETARG_INET_PP(0));

	PG_RETURN_DATUM(network_datum(&network));
}

/* block_target(address inet) -> cidr: the same of one that may be blocked */
Datum
tsec_block_target(PG_FUNCTION_ARGS)
{
	AddressNetwork network;

	base_require_preload("twin.block_address()");
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("an address must be given")));
	network = require_network(PG_GETARG_INET_PP(0));
	if (network.bits < (network.family == 4 ? BITS_MIN_IPV4 : BITS_MIN_IPV6))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the network is too wide to be blocked"),
						errdetail("Its prefix has %d bits; at least %d for IPv4 and %d for IPv6 are needed.",
								  network.bits, BITS_MIN_IPV4, BITS_MIN_IPV6),
						errhint("To close the server to everybody, use pg_hba.conf.")));
	PG_RETURN_DATUM(network_datum(&network));
}

/* block_own_addresses(network cidr) -> inet[]: of the connection and of the client whose request it brings, those in a network */
Datum
tsec_block_own_addresses(PG_FUNCTION_ARGS)
{
	AddressNetwork network = require_network(PG_GETARG_INET_PP(0));
	const char *connected = base_client_address();
	const NetAddress *client = request_client();
	NetAddress address;
	Datum own[2];
	int count = 0;

	if (connected != NULL && network_address(connected, strlen(connected), &address) && holds(&network, &address))
		own[count++] = address_datum(&address);
	if (client != NULL && holds(&network, client))
		own[count++] = address_datum(client);
	PG_RETURN_ARRAYTYPE_P(construct_array(own, count, INETOID, -1, false, TYPALIGN_INT));
}

/* block_refusals(network cidr) -> bigint */
Datum
tsec_block_refusals(PG_FUNCTION_ARGS)
{
	AddressNetwork network = require_network(PG_GETARG_INET_PP(0));

	PG_RETURN_INT64((int64) limit_refusals(&network));
}

/* end_sessions_of(network cidr): when the transaction has committed */
Datum
tsec_end_sessions_of(PG_FUNCTION_ARGS)
{
	AddressNetwork network = require_network(PG_GETARG_INET_PP(0));

	block_end_sessions(&network);
	PG_RETURN_VOID();
}

/* forget_blocks(): what an extension of before left in shared memory, when the transaction has committed */
Datum
tsec_forget_blocks(PG_FUNCTION_ARGS)
{
	block_forget_all();
	PG_RETURN_VOID();
}

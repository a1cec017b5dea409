/*
 * address.c
 *		Where a login comes from, and as which subject its failures count.
 *
 * Addresses count as network_subject() says.  A unix socket is the address
 * "local", and a gateway's connection brings other people's requests: neither
 * stands for one client, unless somebody tells whose request it is, so its
 * failures lock nobody out; those of each account still do.
 */
#include "account/private.h"

#include "identity/identity.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(tsec_forget_failures_at);

static AccountAddressSource address_source = NULL;

void
account_set_address_source(AccountAddressSource source)
{
	address_source = source;
}

/* Makes the subject of an address; nothing when it is none. */
static void
make_subject(Address *address)
{
	NetAddress read;

	if (network_address(address->text, strlen(address->text), &read))
		address->length = network_subject(&read, address->subject);
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
	const char *connected = base_client_address();

	if (told != NULL || connected != NULL)
		strlcpy(address.text, told != NULL ? told : connected, sizeof(address.text));
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

/*
 * address_fuzz.c
 *		Addresses and what proxies say: what was read is written and read again
 *		as the same, and a client is never one of the trusted unless nobody else is named.
 */
#include "fuzz.h"

#include "gateway/http/address.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_memory(size + 1);
	char *exact = fuzz_copy(data, size);
	char written[ADDRESS_TEXT_SIZE];
	const char *values[2] = {text, "192.0.2.7, 10.1.2.3"};
	const char *why;
	Networks *trusted = networks_read("10.0.0.0/8, fd00::/8", &why);
	Networks *networks;
	Address address;
	Address again;

	memcpy(text, data, size);
	text[size] = '\0';
	MUST(trusted != NULL);
	if (address_read(exact, size, &address))
	{
		address_write(&address, written);
		MUST(address_read(written, strlen(written), &again));
		MUST(memcmp(&address, &again, sizeof(address)) == 0);
	}
	networks = networks_read(text, &why);
	MUST(networks != NULL || why != NULL);
	networks_free(networks);
	for (int is_forwarded = 0; is_forwarded < 2; is_forwarded++)
	{
		if (forwarded_for(trusted, values, 1, is_forwarded, &address))
			address_write(&address, written);
		(void) forwarded_https(values, 1, is_forwarded);
	}
	/* what stands to the left of the first stranger is not looked at */
	MUST(forwarded_for(trusted, values, 2, false, &address));
	address_write(&address, written);
	MUST(strcmp(written, "192.0.2.7") == 0);
	networks_free(trusted);
	free(exact);
	free(text);
	return 0;
}

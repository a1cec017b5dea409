/*
 * network_fuzz.c
 *		Addresses of strangers: what is read writes and reads back as itself, and
 *		the client of a row of proxies is never one that a proxy stands behind.
 */
#include "fuzz.h"

#include "common/network.h"

static const char trusted[] = "10.0.0.0/8, local, 2001:db8::/32";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	char *list = fuzz_memory(size + 1);
	char text[NETWORK_TEXT_MAX];
	uint8_t subject[NETWORK_SUBJECT_MAX];
	NetAddress address;
	NetAddress again;

	if (network_address(copy, size, &address))
	{
		network_write(&address, text);
		MUST(address.family == 4 || address.family == 6);
		MUST(network_address(text, strlen(text), &again));
		MUST(memcmp(&address, &again, sizeof(address)) == 0);
		MUST(network_subject(&address, subject) == (address.family == 4 ? 5u : 9u));
	}
	if (network_forwarded(copy, size, trusted, &address))
	{
		const char *comma = memchr(copy, ',', size);
		size_t first = comma != NULL ? (size_t) (comma - copy) : size;

		MUST(address.family == 4 || address.family == 6);
		/* a proxy only where nobody stands before it: then it is the first that is named */
		if (network_list_holds(trusted, &address))
			MUST(network_forwarded(copy, first, trusted, &again) && memcmp(&address, &again, sizeof(address)) == 0);
	}
	memcpy(list, copy, size);
	list[size] = '\0';
	if (!network_list_valid(list))
		MUST(strcmp(list, "local") != 0);
	else
	{
		(void) network_list_holds(list, NULL);
		if (network_address(list, strlen(list), &address))
			MUST(network_list_holds(list, &address));
	}
	free(list);
	free(copy);
	return 0;
}

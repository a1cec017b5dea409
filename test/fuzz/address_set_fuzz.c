/*
 * address_set_fuzz.c
 *		Records of blocked networks from a disk: what is read is a network, writes
 *		and reads back as itself, and a set that takes it blocks its first address
 *		and nothing of the other family.
 */
#include "fuzz.h"

#include "common/address_set.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t hash_key[SIPHASH_KEY_SIZE] = {7};
	uint8_t record[ADDRESS_RECORD_SIZE] = {0};
	AddressSet *set = fuzz_memory(address_set_size(4));
	AddressEntry entry = {.kind = ADDRESS_BLOCKED};
	AddressEntry again;
	NetAddress address = {.family = 0};

	address_set_init(set, 4, hash_key);
	memcpy(record, data, size < sizeof(record) ? size : sizeof(record));
	if (!address_record_read(record, &entry))
	{
		/* a checksum is hard to guess: the same bytes as a network */
		address.family = record[5];
		memcpy(address.bytes, record + 12, 16);
		if (!address_network_make(&address, record[6], &entry.network))
			goto done;
		entry.kind = record[4] % 2 == 0 ? ADDRESS_BLOCKED : ADDRESS_EXEMPT;
		entry.until = 1;
	}
	MUST(entry.network.family == 4 ? entry.network.bits <= 32
								   : entry.network.family == 6 && entry.network.bits <= 128);
	MUST(address_network_within(&entry.network, &entry.network));
	address_record_write(&entry, record);
	MUST(address_record_read(record, &again));
	MUST(memcmp(&again.network, &entry.network, sizeof(entry.network)) == 0 && again.kind == entry.kind &&
		 again.owner == entry.owner && again.until == entry.until);
	MUST(address_set_put(set, &entry.network, (AddressKind) entry.kind, entry.owner, 1) == 0);
	address.family = entry.network.family;
	memcpy(address.bytes, entry.network.bytes, 16);
	if (!address_network_is_loopback(&entry.network) && entry.kind == ADDRESS_BLOCKED)
		MUST(address_set_find(set, &address, 0) == 0);
	MUST(address_set_find(set, &address, 1) == ADDRESS_NONE);
	address.family = entry.network.family == 4 ? 6 : 4;
	memset(address.bytes, 0, 12); /* not mapped */
	memset(address.bytes + (address.family == 4 ? 4 : 16), 0, address.family == 4 ? 12 : 0);
	MUST(address_set_find(set, &address, 0) == ADDRESS_NONE);
done:
	free(set);
	return 0;
}

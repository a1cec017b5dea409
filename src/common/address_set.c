/*
 * address_set.c
 *		Networks in a table of hashes, and the longest prefix that blocks an
 *		address.
 */
#include "address_set.h"

#include "bytes.h"

#include <string.h>

_Static_assert(sizeof(AddressEntry) == 48, "the description of twin_security.max_blocks states the size");

#define MAGIC 0x74736231u /* tsb1 */

/* Where the numbers of a record stand; the first bytes are MAGIC, kind, family, bits and a zero. */
enum
{
	AT_OWNER = 8,
	AT_BYTES = 12,
	AT_UNTIL = 28,
	AT_CHECKSUM = 56
};

/* Nobody forges it who could not write the file; it tells what a disk did. */
static const uint8_t checksum_key[SIPHASH_KEY_SIZE] = "twin_security b";

/* ---- networks ---- */

static unsigned
most_bits(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

/* Sets all bits behind a prefix to zero. */
static void
cut(uint8_t bytes[16], unsigned bits)
{
	if (bits % 8 != 0)
		bytes[bits / 8] &= (uint8_t) (0xff00 >> bits % 8);
	for (unsigned i = (bits + 7) / 8; i < 16; i++)
		bytes[i] = 0;
}

static bool
is_same(const AddressNetwork *one, const AddressNetwork *other)
{
	return memcmp(one, other, sizeof(*one)) == 0; /* public: networks */
}

bool
address_network_make(const NetAddress *address, unsigned bits, AddressNetwork *network)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	AddressNetwork whole;

	memset(network, 0, sizeof(*network));
	if ((address->family != 4 && address->family != 6) || bits > most_bits(address->family))
		return false;
	network->family = address->family;
	network->bits = (uint8_t) bits;
	memcpy(network->bytes, address->bytes, address->family == 4 ? 4 : 16);
	if (network->family == 6 && bits >= 96 && memcmp(network->bytes, mapped, 12) == 0) /* public: an address */
	{
		network->family = 4;
		network->bits = (uint8_t) (bits - 96);
		memmove(network->bytes, network->bytes + 12, 4);
		memset(network->bytes + 4, 0, 12);
	}
	whole = *network;
	cut(network->bytes, network->bits);
	return is_same(network, &whole);
}

bool
address_network_within(const AddressNetwork *network, const AddressNetwork *outer)
{
	AddressNetwork wider = *network;

	if (network->family != outer->family || network->bits < outer->bits)
		return false;
	wider.bits = outer->bits;
	cut(wider.bytes, wider.bits);
	return is_same(&wider, outer);
}

bool
address_network_is_loopback(const AddressNetwork *network)
{
	static const AddressNetwork loopback[] = {
		{4, 8, {127}},
		{6, 128, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
	};

	return address_network_within(network, &loopback[0]) || address_network_within(network, &loopback[1]);
}

/* ---- the table ---- */

static uint32_t
bucket_count(uint32_t capacity)
{
	uint32_t buckets = 16;

	while (buckets < capacity && buckets < UINT32_C(1) << 30)
		buckets *= 2;
	return buckets;
}

static const uint32_t *
heads_of(const AddressSet *set)
{
	return (const uint32_t *) &set->entries[set->capacity];
}

static uint32_t *
head_of(const AddressSet *set, const AddressNetwork *network)
{
	return (uint32_t *) heads_of(set) +
		   (siphash(set->hash_key, network, sizeof(*network)) & (uint64_t) (set->buckets - 1));
}

/* Marks of a bucket: few enough of them are set by chance when the set is full, one in nine. */
#define MARKS_EACH 8

/* A mark that was full once stays: nobody knows any more how many entries it stands for. */
#define MARK_FULL UINT8_MAX

/* Where the mark of a network's band is; no network of that band holds the address if it is 0. */
static uint8_t *
mark_of(const AddressSet *set, const AddressNetwork *network)
{
	AddressNetwork widest = *network;
	uint8_t *marks = (uint8_t *) &heads_of(set)[set->buckets];

	widest.bits = (uint8_t) (network->bits / ADDRESS_BAND * ADDRESS_BAND);
	cut(widest.bytes, widest.bits);
	return marks + (siphash(set->hash_key, &widest, sizeof(widest)) & ((uint64_t) set->buckets * MARKS_EACH - 1));
}

/* Counts, or no longer counts, an entry that blocks in its band. */
static void
count_in_band(AddressSet *set, const AddressEntry *entry, bool is_new)
{
	uint32_t *band = &set->bands[entry->network.family == 6][entry->network.bits / ADDRESS_BAND];
	uint8_t *mark = mark_of(set, &entry->network);

	if (entry->kind != ADDRESS_BLOCKED)
		return;
	*band += is_new ? 1 : UINT32_MAX;
	if (*mark != MARK_FULL)
		*mark = (uint8_t) (is_new ? *mark + 1 : *mark - 1);
}

static uint32_t *
length_of(AddressSet *set, const AddressEntry *entry)
{
	return &set->lengths[entry->kind][entry->network.family == 6][entry->network.bits];
}

size_t
address_set_size(uint32_t capacity)
{
	return sizeof(AddressSet) + (size_t) capacity * sizeof(AddressEntry) +
		   (size_t) bucket_count(capacity) * (sizeof(uint32_t) + MARKS_EACH);
}

void
address_set_init(AddressSet *set, uint32_t capacity, const uint8_t hash_key[SIPHASH_KEY_SIZE])
{
	memset(set, 0, address_set_size(capacity));
	memcpy(set->hash_key, hash_key, SIPHASH_KEY_SIZE);
	set->capacity = capacity;
	set->buckets = bucket_count(capacity);
	memset(&set->entries[capacity], 0xff, set->buckets * sizeof(uint32_t)); /* ADDRESS_NONE each */
	for (uint32_t i = 0; i < capacity; i++)
		set->entries[i].next = i + 1 < capacity ? i + 1 : ADDRESS_NONE;
	set->first_free = capacity > 0 ? 0 : ADDRESS_NONE;
}

uint32_t
address_set_place(const AddressSet *set, const AddressNetwork *network, AddressKind kind, uint32_t owner)
{
	for (uint32_t place = *head_of(set, network); place != ADDRESS_NONE; place = set->entries[place].next)
	{
		const AddressEntry *entry = &set->entries[place];

		if (entry->kind == kind && entry->owner == owner && is_same(&entry->network, network))
			return place;
	}
	return ADDRESS_NONE;
}

uint32_t
address_set_put(AddressSet *set, const AddressNetwork *network, AddressKind kind, uint32_t owner, int64_t until)
{
	uint32_t place = address_set_place(set, network, kind, owner);
	uint32_t *head = head_of(set, network);
	AddressEntry *entry;

	if (place == ADDRESS_NONE)
	{
		place = set->first_free;
		if (place == ADDRESS_NONE)
			return ADDRESS_NONE;
		entry = &set->entries[place];
		set->first_free = entry->next;
		*entry = (AddressEntry){.network = *network, .kind = (uint8_t) kind, .owner = owner, .next = *head};
		*head = place;
		set->used++;
		(*length_of(set, entry))++;
		count_in_band(set, entry, true);
	}
	set->entries[place].until = until;
	return place;
}

void
address_set_drop(AddressSet *set, uint32_t place)
{
	AddressEntry *entry = &set->entries[place];
	uint32_t *link = head_of(set, &entry->network);

	while (*link != place)
		link = &set->entries[*link].next;
	*link = entry->next;
	(*length_of(set, entry))--;
	count_in_band(set, entry, false);
	*entry = (AddressEntry){.next = set->first_free};
	set->first_free = place;
	set->used--;
}

/* Whether an address is exempt from the blocks of an owner. */
static bool
is_exempt(const AddressSet *set, const NetAddress *address, uint32_t owner)
{
	const uint32_t *lengths = set->lengths[ADDRESS_EXEMPT][address->family == 6];
	AddressNetwork network = {.family = address->family};

	memcpy(network.bytes, address->bytes, sizeof(network.bytes));
	for (int bits = (int) most_bits(address->family); bits >= 0; bits--)
	{
		if (lengths[bits] == 0)
			continue;
		network.bits = (uint8_t) bits;
		cut(network.bytes, network.bits);
		if (address_set_place(set, &network, ADDRESS_EXEMPT, owner) != ADDRESS_NONE)
			return true;
	}
	return false;
}

/* The place of a block in force of exactly this network, from which the address is not exempt. */
static uint32_t
find_block(const AddressSet *set, const NetAddress *address, const AddressNetwork *network, int64_t now)
{
	for (uint32_t place = *head_of(set, network); place != ADDRESS_NONE; place = set->entries[place].next)
	{
		const AddressEntry *entry = &set->entries[place];

		if (entry->kind == ADDRESS_BLOCKED && entry->until > now && is_same(&entry->network, network) &&
			!is_exempt(set, address, entry->owner))
			return place;
	}
	return ADDRESS_NONE;
}

uint32_t
address_set_find(const AddressSet *set, const NetAddress *address, int64_t now)
{
	const uint32_t *lengths = set->lengths[ADDRESS_BLOCKED][address->family == 6];
	const uint32_t *bands = set->bands[address->family == 6];
	const uint8_t *marks[ADDRESS_BANDS];
	AddressNetwork host = {.family = address->family, .bits = (uint8_t) most_bits(address->family)};

	memcpy(host.bytes, address->bytes, sizeof(host.bytes));
	if (address_network_is_loopback(&host))
		return ADDRESS_NONE;
	/* fetched all together: each lies somewhere else in memory */
	for (int band = host.bits / ADDRESS_BAND; band >= 0; band--)
	{
		AddressNetwork network = host;

		if (bands[band] == 0)
			continue;
		network.bits = (uint8_t) (band * ADDRESS_BAND);
		marks[band] = mark_of(set, &network);
		__builtin_prefetch(marks[band]);
	}
	for (int bits = host.bits; bits >= 0; bits--)
	{
		AddressNetwork network = host;
		uint32_t place;

		if (lengths[bits] == 0 || *marks[bits / ADDRESS_BAND] == 0)
			continue;
		network.bits = (uint8_t) bits;
		cut(network.bytes, network.bits);
		place = find_block(set, address, &network, now);
		if (place != ADDRESS_NONE)
			return place;
	}
	return ADDRESS_NONE;
}

/* ---- records ---- */

void
address_record_write(const AddressEntry *entry, uint8_t record[ADDRESS_RECORD_SIZE])
{
	memset(record, 0, ADDRESS_RECORD_SIZE);
	bytes_put_u32(record, MAGIC);
	record[4] = entry->kind;
	record[5] = entry->network.family;
	record[6] = entry->network.bits;
	bytes_put_u32(record + AT_OWNER, entry->owner);
	memcpy(record + AT_BYTES, entry->network.bytes, 16);
	bytes_put_u64(record + AT_UNTIL, (uint64_t) entry->until);
	bytes_put_u64(record + AT_CHECKSUM, siphash(checksum_key, record, AT_CHECKSUM));
}

bool
address_record_read(const uint8_t record[ADDRESS_RECORD_SIZE], AddressEntry *entry)
{
	NetAddress address = {.family = record[5]};
	AddressNetwork network;

	memset(entry, 0, sizeof(*entry));
	if (bytes_get_u32(record) != MAGIC ||
		bytes_get_u64(record + AT_CHECKSUM) != siphash(checksum_key, record, AT_CHECKSUM) ||
		(record[4] != ADDRESS_BLOCKED && record[4] != ADDRESS_EXEMPT))
		return false;
	memcpy(address.bytes, record + AT_BYTES, 16);
	if (!address_network_make(&address, record[6], &network) || network.family != address.family)
		return false;
	entry->network = network;
	entry->kind = record[4];
	entry->owner = bytes_get_u32(record + AT_OWNER);
	entry->until = (int64_t) bytes_get_u64(record + AT_UNTIL);
	return true;
}

/*
 * address_set_test.c
 *		Networks that are blocked: of any length, until their end, but for who is
 *		exempt; the same as a list that is looked through one by one.
 */
#include "unit.h"

#include "common/address_set.h"

#define NOW 1000

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = {1, 2, 3};

static AddressSet *
make_set(uint32_t capacity)
{
	AddressSet *set = unit_memory(address_set_size(capacity));

	address_set_init(set, capacity, hash_key);
	return set;
}

static NetAddress
address(const char *text)
{
	NetAddress read;

	if (!network_address(text, strlen(text), &read))
		CHECK(false, "%s is an address", text);
	return read;
}

static AddressNetwork
network(const char *text, unsigned bits)
{
	NetAddress read = address(text);
	AddressNetwork made;

	CHECK(address_network_make(&read, bits, &made), "%s/%u", text, bits);
	return made;
}

static uint32_t
put(AddressSet *set, const char *text, unsigned bits, AddressKind kind, uint32_t owner, int64_t until)
{
	AddressNetwork made = network(text, bits);

	return address_set_put(set, &made, kind, owner, until);
}

static bool
blocks(const AddressSet *set, const char *text, int64_t now)
{
	NetAddress read = address(text);

	return address_set_find(set, &read, now) != ADDRESS_NONE;
}

static void
networks_hold_their_addresses(void)
{
	AddressSet *set = make_set(16);

	put(set, "192.0.2.7", 32, ADDRESS_BLOCKED, 1, 2000);
	put(set, "10.32.0.0", 11, ADDRESS_BLOCKED, 1, 2000);
	put(set, "2001:db8::", 61, ADDRESS_BLOCKED, 1, 2000);
	CHECK(blocks(set, "192.0.2.7", NOW));
	CHECK(!blocks(set, "192.0.2.6", NOW));
	CHECK(blocks(set, "10.32.0.0", NOW) && blocks(set, "10.63.255.255", NOW));
	CHECK(!blocks(set, "10.31.255.255", NOW) && !blocks(set, "10.64.0.0", NOW));
	CHECK(blocks(set, "2001:db8:0:7:ffff::1", NOW) && !blocks(set, "2001:db8:0:8::", NOW));
	CHECK(blocks(set, "::ffff:192.0.2.7", NOW), "mapped, it is the IPv4 address");
	CHECK(!blocks(set, "c000:207::", NOW), "whose bytes in IPv6 are another one's");
	free(set);
}

static void
mapped_networks_are_ipv4(void)
{
	NetAddress mapped = {.family = 6, .bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 0, 0}};
	AddressNetwork made;

	CHECK(address_network_make(&mapped, 112, &made) && made.family == 4 && made.bits == 16 && made.bytes[0] == 10);
	CHECK(made.bytes[12] == 0, "and nothing else is left of it");
	CHECK(!address_network_make(&mapped, 111, &made), "bits behind the prefix");
	CHECK(!address_network_make(&mapped, 129, &made));
	mapped.family = 5;
	CHECK(!address_network_make(&mapped, 8, &made));
}

static void
loopback_is_never_blocked(void)
{
	AddressSet *set = make_set(16);
	AddressNetwork made = network("127.0.0.0", 8);

	put(set, "0.0.0.0", 0, ADDRESS_BLOCKED, 1, 2000);
	put(set, "::", 0, ADDRESS_BLOCKED, 1, 2000);
	CHECK(blocks(set, "126.255.255.255", NOW) && blocks(set, "128.0.0.0", NOW) && blocks(set, "::2", NOW));
	CHECK(!blocks(set, "127.0.0.1", NOW) && !blocks(set, "127.255.255.255", NOW) && !blocks(set, "::1", NOW));
	CHECK(address_network_is_loopback(&made));
	made = network("126.0.0.0", 7);
	CHECK(!address_network_is_loopback(&made), "a network that is more than loopback");
	free(set);
}

static void
ends_are_kept(void)
{
	AddressSet *set = make_set(16);

	put(set, "192.0.2.1", 32, ADDRESS_BLOCKED, 1, NOW);
	CHECK(blocks(set, "192.0.2.1", NOW - 1));
	CHECK(!blocks(set, "192.0.2.1", NOW), "at its end a block is over");
	put(set, "192.0.2.0", 24, ADDRESS_BLOCKED, 1, NOW + 5);
	CHECK(blocks(set, "192.0.2.1", NOW), "a wider one still holds");
	put(set, "192.0.2.1", 32, ADDRESS_BLOCKED, 1, NOW + 9);
	CHECK(set->used == 2, "put again it is one with another end");
	CHECK(blocks(set, "192.0.2.1", NOW + 8));
	free(set);
}

static void
owners_are_apart(void)
{
	AddressSet *set = make_set(16);
	uint32_t first = put(set, "192.0.2.1", 32, ADDRESS_BLOCKED, 1, 2000);

	put(set, "192.0.2.1", 32, ADDRESS_BLOCKED, 2, 2000);
	put(set, "192.0.0.0", 16, ADDRESS_EXEMPT, 1, INT64_MAX);
	CHECK(blocks(set, "192.0.2.1", NOW), "exempt from the blocks of one owner only");
	address_set_drop(set, address_set_place(set, &set->entries[first].network, ADDRESS_BLOCKED, 2));
	CHECK(!blocks(set, "192.0.2.1", NOW));
	put(set, "192.0.2.0", 24, ADDRESS_BLOCKED, 3, 2000);
	CHECK(blocks(set, "192.0.2.1", NOW));
	free(set);
}

static void
a_full_set_says_so(void)
{
	AddressSet *set = make_set(2);
	uint32_t place = put(set, "192.0.2.1", 32, ADDRESS_BLOCKED, 1, 2000);

	put(set, "192.0.2.2", 32, ADDRESS_BLOCKED, 1, 2000);
	CHECK(put(set, "192.0.2.3", 32, ADDRESS_BLOCKED, 1, 2000) == ADDRESS_NONE);
	CHECK(put(set, "192.0.2.2", 32, ADDRESS_BLOCKED, 1, 3000) != ADDRESS_NONE, "who is in it is found");
	address_set_drop(set, place);
	CHECK(put(set, "192.0.2.3", 32, ADDRESS_BLOCKED, 1, 2000) == place, "and what was dropped makes room");
	CHECK(!blocks(set, "192.0.2.1", NOW) && blocks(set, "192.0.2.2", NOW) && blocks(set, "192.0.2.3", NOW));
	free(set);
	set = make_set(0);
	CHECK(put(set, "192.0.2.1", 32, ADDRESS_BLOCKED, 1, 2000) == ADDRESS_NONE);
	CHECK(!blocks(set, "192.0.2.1", NOW));
	free(set);
}

/* ---- against a list ---- */

#define PLACES 400

static uint64_t seed = 88172645463325252u;

static uint32_t
draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t) (seed >> 33) % below;
}

/* An address of few different ones, so that networks hold many of them. */
static NetAddress
draw_address(void)
{
	NetAddress drawn = {.family = draw(2) == 0 ? 4 : 6};

	for (int i = 0; i < (drawn.family == 4 ? 4 : 16); i++)
		drawn.bytes[i] = (uint8_t) (draw(2) == 0 ? 0 : draw(2) == 0 ? 0x80 : draw(4));
	return drawn;
}

static AddressNetwork
draw_network(void)
{
	NetAddress drawn = draw_address();
	unsigned bits = draw(drawn.family == 4 ? 33 : 129);
	AddressNetwork made;

	for (unsigned bit = bits; bit < 128; bit++)
		drawn.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	CHECK(address_network_make(&drawn, bits, &made));
	return made;
}

static bool
list_blocks(const AddressEntry *list, const NetAddress *drawn, int64_t now)
{
	AddressNetwork host;

	CHECK(address_network_make(drawn, drawn->family == 4 ? 32 : 128, &host));
	for (int i = 0; i < PLACES; i++)
	{
		bool exempt = false;

		if (list[i].kind != ADDRESS_BLOCKED || list[i].until <= now ||
			!address_network_within(&host, &list[i].network))
			continue;
		for (int j = 0; j < PLACES; j++)
			exempt = exempt || (list[j].kind == ADDRESS_EXEMPT && list[j].owner == list[i].owner &&
								address_network_within(&host, &list[j].network));
		if (!exempt && !address_network_is_loopback(&host))
			return true;
	}
	return false;
}

static void
it_answers_as_a_list_does(void)
{
	AddressSet *set = make_set(PLACES);
	AddressEntry *list = calloc(PLACES, sizeof(AddressEntry));
	int blocked = 0;

	for (int round = 0; round < 4000; round++)
	{
		AddressEntry entry = {.network = draw_network(),
							  .kind = draw(8) == 0 ? ADDRESS_EXEMPT : ADDRESS_BLOCKED,
							  .owner = draw(3),
							  .until = NOW - 5 + draw(50)};
		uint32_t place = address_set_place(set, &entry.network, entry.kind, entry.owner);

		/* the list keeps what the set has at the same place */
		if (place == ADDRESS_NONE && set->used > PLACES / 4)
		{
			place = draw(PLACES);
			if (list[place].kind != ADDRESS_FREE)
			{
				address_set_drop(set, place);
				list[place].kind = ADDRESS_FREE;
			}
		}
		else
		{
			place = address_set_put(set, &entry.network, entry.kind, entry.owner, entry.until);
			CHECK(place < PLACES);
			list[place] = entry;
		}
		for (int i = 0; i < 20; i++)
		{
			NetAddress drawn = draw_address();
			bool expected = list_blocks(list, &drawn, NOW);

			blocked += expected;
			CHECK((address_set_find(set, &drawn, NOW) != ADDRESS_NONE) == expected);
		}
	}
	CHECK(blocked > 1000 && blocked < 79000, "both answers were asked for (%d)", blocked);
	for (uint32_t place = 0; place < PLACES; place++)
		if (set->entries[place].kind != ADDRESS_FREE)
			address_set_drop(set, place);
	CHECK(set->used == 0);
	for (int kind = 0; kind < ADDRESS_KINDS; kind++)
		for (int bits = 0; bits <= 128; bits++)
			CHECK(set->lengths[kind][0][bits] == 0 && set->lengths[kind][1][bits] == 0);
	for (int band = 0; band < ADDRESS_BANDS; band++)
		CHECK(set->bands[0][band] == 0 && set->bands[1][band] == 0);
	free(list);
	free(set);
}

/* More entries of one band than its mark can count: it stays set, and says nothing wrong. */
static void
crowded_bands_are_found(void)
{
	AddressSet *set = make_set(2000);
	uint32_t places[700];

	for (uint32_t owner = 0; owner < 700; owner++)
		places[owner] = put(set, "192.0.2.16", 28 + owner % 4, ADDRESS_BLOCKED, owner, 2000);
	CHECK(blocks(set, "192.0.2.17", NOW) && !blocks(set, "192.0.2.32", NOW));
	for (uint32_t owner = 1; owner < 700; owner++)
		address_set_drop(set, places[owner]);
	CHECK(blocks(set, "192.0.2.17", NOW), "one of 700 is left");
	address_set_drop(set, places[0]);
	CHECK(!blocks(set, "192.0.2.17", NOW));
	put(set, "192.0.2.16", 29, ADDRESS_BLOCKED, 1, 2000);
	CHECK(blocks(set, "192.0.2.17", NOW) && !blocks(set, "192.0.2.24", NOW));
	free(set);
}

static void
records_are_read_back_whole_or_not(void)
{
	AddressEntry entry = {
		.network = network("10.32.0.0", 11), .kind = ADDRESS_BLOCKED, .owner = 5, .until = -7, .refusals = 9};
	AddressEntry again;
	uint8_t record[ADDRESS_RECORD_SIZE];

	address_record_write(&entry, record);
	CHECK(address_record_read(record, &again));
	CHECK(memcmp(&again.network, &entry.network, sizeof(entry.network)) == 0);
	CHECK(again.kind == entry.kind && again.owner == 5 && again.until == -7 && again.refusals == 0);
	for (int bit = 0; bit < ADDRESS_RECORD_SIZE * 8; bit++)
	{
		record[bit / 8] ^= (uint8_t) (1 << bit % 8);
		CHECK(!address_record_read(record, &again), "bit %d", bit);
		record[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	memset(record, 0, sizeof(record));
	CHECK(!address_record_read(record, &again), "zeros");
}

static const UnitCase cases[] = {
	{"networks of any length hold their addresses", networks_hold_their_addresses},
	{"IPv4 networks mapped into IPv6 are IPv4", mapped_networks_are_ipv4},
	{"loopback is never blocked", loopback_is_never_blocked},
	{"a block ends when it ends", ends_are_kept},
	{"each owner's blocks and exemptions are its own", owners_are_apart},
	{"a full set says so", a_full_set_says_so},
	{"it answers as a list that is looked through does", it_answers_as_a_list_does},
	{"more networks than a band counts are found", crowded_bands_are_found},
	{"records are read back whole or not at all", records_are_read_back_whole_or_not},
};

UNIT_MAIN(cases)

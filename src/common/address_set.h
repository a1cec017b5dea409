/*
 * address_set.h
 *		A set of networks in memory of fixed size, and whether it blocks an
 *		address: networks that are blocked until some time, and networks that are
 *		exempt from the blocks of the same owner.
 *
 * One table of hashes for all lengths of prefixes.  Lengths come in bands of
 * four (/20 to /23), and each band has marks, small counters in a second table,
 * of its shortest prefixes.  A question asks first the marks of the address in
 * the bands that occur, all at once, and only in a band with a mark it looks
 * for the address cut to each length that occurs.  So it costs what there are
 * bands, and not what there are networks.  The hashes are keyed: who chooses
 * the addresses cannot choose where they lie.
 *
 * Nothing here locks, allocates or reads a clock; times are the caller's.
 */
#ifndef TSEC_ADDRESS_SET_H
#define TSEC_ADDRESS_SET_H

#include "network.h"
#include "siphash.h"

/* A network, its host bits zero; an IPv4 network mapped into IPv6 is that IPv4 network. */
typedef struct AddressNetwork
{
	uint8_t family;    /* 4 or 6 */
	uint8_t bits;      /* of the prefix */
	uint8_t bytes[16]; /* in network order; of IPv4 the first four */
} AddressNetwork;

typedef enum AddressKind
{
	ADDRESS_FREE, /* no entry */
	ADDRESS_BLOCKED,
	ADDRESS_EXEMPT
} AddressKind;

#define ADDRESS_KINDS 3

/* So many lengths of prefixes are asked about at once; and how many bands that makes of 0 to 128. */
#define ADDRESS_BAND 4
#define ADDRESS_BANDS (128 / ADDRESS_BAND + 1)

typedef struct AddressEntry
{
	AddressNetwork network;
	uint8_t kind;
	uint32_t owner;    /* entries of two owners are two, also of one network */
	int64_t until;     /* first moment at which it says nothing any more */
	uint64_t refusals; /* counted by the caller */
	uint32_t next;     /* in its chain, or of the free ones */
} AddressEntry;

typedef struct AddressSet
{
	uint8_t hash_key[SIPHASH_KEY_SIZE];
	uint32_t capacity;
	uint32_t buckets; /* a power of two */
	uint32_t used;
	uint32_t first_free;
	uint32_t lengths[ADDRESS_KINDS][2][129]; /* how many entries of a kind, of IPv4 and IPv6, have so many bits */
	uint32_t bands[2][ADDRESS_BANDS];        /* how many of them that block are of a band */
	AddressEntry entries[];                  /* then the heads of the chains, then the marks */
} AddressSet;

/* No place. */
#define ADDRESS_NONE UINT32_MAX

/* An entry of a file. */
#define ADDRESS_RECORD_SIZE 64

/* Makes a network; false when it has too many bits, or bits set behind its prefix. */
extern bool address_network_make(const NetAddress *address, unsigned bits, AddressNetwork *network);

/* Whether a network lies within another one. */
extern bool address_network_within(const AddressNetwork *network, const AddressNetwork *outer);

/* Whether all of a network is loopback (127.0.0.0/8, ::1). */
extern bool address_network_is_loopback(const AddressNetwork *network);

/* The memory that so many entries take; it must be aligned for 64-bit integers. */
extern size_t address_set_size(uint32_t capacity);

extern void address_set_init(AddressSet *set, uint32_t capacity, const uint8_t hash_key[SIPHASH_KEY_SIZE]);

/* Puts an entry in, or gives it another end; returns its place, ADDRESS_NONE when the set is full. */
extern uint32_t address_set_put(AddressSet *set, const AddressNetwork *network, AddressKind kind, uint32_t owner,
								int64_t until);

/* The place of an entry; ADDRESS_NONE when there is none. */
extern uint32_t address_set_place(const AddressSet *set, const AddressNetwork *network, AddressKind kind,
								  uint32_t owner);

/* Takes out the entry at a place, which becomes free. */
extern void address_set_drop(AddressSet *set, uint32_t place);

/* The place of the closest block in force that holds an address and from which it is not exempt; ADDRESS_NONE: it is not blocked. */
extern uint32_t address_set_find(const AddressSet *set, const NetAddress *address, int64_t now);

/* Writes an entry, without its refusals, with a checksum; reads it back, false where it is none, whole and sound. */
extern void address_record_write(const AddressEntry *entry, uint8_t record[ADDRESS_RECORD_SIZE]);
extern bool address_record_read(const uint8_t record[ADDRESS_RECORD_SIZE], AddressEntry *entry);

#endif /* TSEC_ADDRESS_SET_H */

/*
 * blocked.c
 *		Which networks are blocked, in shared memory, for connections and requests
 *		to every database.
 *
 * What is to be blocked stands in a table of each database; here is what of it
 * is in force, so that it can be asked before a connection has a database, and
 * from the first moment after a start (blocked_file.c).  Changes come at the end
 * of the transaction that makes them, so nothing is in force that was rolled
 * back; room for them is reserved before, because then nothing may fail.
 *
 * Locking: one LWLock.  Whoever asks holds it shared for one look, and not at
 * all while nothing is blocked; a change holds it for one entry, the few bytes
 * in the file included, so that file and memory never differ.  Nothing raises
 * under it.
 */
#include "limit/private.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

typedef struct Blocked
{
	LWLockPadded lock;
	uint32 reserved;
	AddressSet set; /* the last */
} Blocked;

static Blocked *blocked = NULL;

static void
initialise(void *memory)
{
	Blocked *fresh = memory;
	uint8 hash_key[SIPHASH_KEY_SIZE];
	int tranche = LWLockNewTrancheId();

	LWLockRegisterTranche(tranche, "twin_security_blocks");
	LWLockInitialize(&fresh->lock.lock, tranche);
	fresh->reserved = 0;
	if (!pg_strong_random(hash_key, sizeof(hash_key)))
		elog(ERROR, "twin_security: no random bytes for the key of the blocks");
	address_set_init(&fresh->set, (uint32) setting_max_blocks, hash_key);
	limit_load_blocks(&fresh->set);
}

static SharedArea area = {"twin_security blocks", 0, initialise, (void **) &blocked};

void
limit_blocked_init(void)
{
	area.size = add_size(offsetof(Blocked, set), address_set_size((uint32) setting_max_blocks));
	base_register_area(&area);
}

/* Finds what blocks an address, and counts that. */
static bool
find(const NetAddress *address, AddressNetwork *network)
{
	uint32 place;

	/* a look without the lock: who blocks somebody has let go of it before he says so */
	if (blocked == NULL || *(volatile uint32 *) &blocked->set.used == 0)
		return false;
	LWLockAcquire(&blocked->lock.lock, LW_SHARED);
	place = address_set_find(&blocked->set, address, GetCurrentTimestamp());
	if (place != ADDRESS_NONE)
	{
		AddressEntry *entry = &blocked->set.entries[place];

		(void) __atomic_fetch_add(&entry->refusals, 1, __ATOMIC_RELAXED);
		*network = entry->network;
	}
	LWLockRelease(&blocked->lock.lock);
	return place != ADDRESS_NONE;
}

bool
limit_is_blocked(const NetAddress *address)
{
	AddressNetwork network;

	return find(address, &network);
}

bool
limit_holds_block(const NetAddress *address)
{
	bool holds;

	LWLockAcquire(&blocked->lock.lock, LW_SHARED);
	holds = address_set_find(&blocked->set, address, GetCurrentTimestamp()) != ADDRESS_NONE;
	LWLockRelease(&blocked->lock.lock);
	return holds;
}

bool
limit_meet_client(const NetAddress *address, AddressNetwork *network)
{
	/* first known, then asked about: so either he is refused here, or found by who blocks him */
	limit_note_client(address);
	return find(address, network);
}

uint64
limit_refusals(const AddressNetwork *network)
{
	uint64 refusals = 0;
	uint32 place;

	if (blocked == NULL)
		return 0;
	LWLockAcquire(&blocked->lock.lock, LW_SHARED);
	place = address_set_place(&blocked->set, network, ADDRESS_BLOCKED, MyDatabaseId);
	if (place != ADDRESS_NONE)
		refusals = blocked->set.entries[place].refusals;
	LWLockRelease(&blocked->lock.lock);
	return refusals;
}

int
limit_databases_with_blocks(Oid *databases, int most)
{
	int count = 0;

	for (uint32 place = 0; blocked != NULL && place < blocked->set.capacity && count < most; place++)
	{
		const AddressEntry *entry = &blocked->set.entries[place];
		bool is_known = false;
		uint32 owner;

		if (*(volatile const uint8 *) &entry->kind == ADDRESS_FREE)
			continue;
		LWLockAcquire(&blocked->lock.lock, LW_SHARED);
		owner = entry->kind == ADDRESS_FREE ? InvalidOid : entry->owner;
		LWLockRelease(&blocked->lock.lock);
		for (int i = 0; i < count && !is_known; i++)
			is_known = databases[i] == owner;
		if (OidIsValid(owner) && !is_known)
			databases[count++] = owner;
	}
	return count;
}

/* ---- changes ---- */

/* The file that changes are written to while they are made, and what went wrong with it first. */
typedef struct Pen
{
	int file;
	int error;
} Pen;

static Pen
take_pen(void)
{
	Pen pen = {.file = limit_open_blocks()};

	pen.error = pen.file < 0 ? errno : 0;
	return pen;
}

/* Writes what stands at a place; the lock is held. */
static void
write_place(Pen *pen, uint32 place)
{
	if (pen->file >= 0 && !limit_write_block(pen->file, &blocked->set, place) && pen->error == 0)
		pen->error = errno;
}

/* Takes out, one by one, what is chosen. */
static void
drop_all(Pen *pen, bool (*is_chosen)(const AddressEntry *entry, const void *argument), const void *argument)
{
	for (uint32 place = 0; place < blocked->set.capacity; place++)
	{
		const AddressEntry *entry = &blocked->set.entries[place];

		if (*(volatile const uint8 *) &entry->kind == ADDRESS_FREE)
			continue;
		LWLockAcquire(&blocked->lock.lock, LW_EXCLUSIVE);
		if (entry->kind != ADDRESS_FREE && is_chosen(entry, argument))
		{
			address_set_drop(&blocked->set, place);
			write_place(pen, place);
		}
		LWLockRelease(&blocked->lock.lock);
	}
}

/* Whose entries of which kind. */
typedef struct Choice
{
	Oid database;
	AddressKind kind; /* ADDRESS_FREE: any */
} Choice;

static bool
is_of_choice(const AddressEntry *entry, const void *argument)
{
	const Choice *choice = argument;

	return entry->owner == choice->database && (choice->kind == ADDRESS_FREE || entry->kind == choice->kind);
}

static bool
is_over(const AddressEntry *entry, const void *argument)
{
	return entry->until <= *(const TimestampTz *) argument;
}

/* Puts one network in, or takes it out. */
static void
change_one(Pen *pen, Oid database, const BlockChange *change, TimestampTz now, uint32 *lost)
{
	AddressSet *set = &blocked->set;
	uint32 place;

	LWLockAcquire(&blocked->lock.lock, LW_EXCLUSIVE);
	place = address_set_place(set, &change->network, change->kind, database);
	if (change->until > now)
	{
		if (place == ADDRESS_NONE || set->entries[place].until != change->until)
		{
			place = address_set_put(set, &change->network, change->kind, database, change->until);
			if (place != ADDRESS_NONE)
				write_place(pen, place);
			*lost += place == ADDRESS_NONE;
		}
	}
	else if (place != ADDRESS_NONE)
	{
		address_set_drop(set, place);
		write_place(pen, place);
	}
	LWLockRelease(&blocked->lock.lock);
}

static void
change_all(Pen *pen, Oid database, const BlockChange *changes, int count)
{
	TimestampTz now = GetCurrentTimestamp();
	uint32 lost = 0;

	for (int i = 0; i < count; i++)
	{
		if (changes[i].network.family != 0)
			change_one(pen, database, &changes[i], now, &lost);
		else
			drop_all(pen, is_of_choice, &(Choice){database, changes[i].kind});
	}
	if (lost > 0)
		ereport(LOG, (errmsg("%u networks are not blocked: there is no room for them", lost),
					  errhint("Raise twin_security.max_blocks.")));
}

void
limit_change_blocks(Oid database, const BlockChange *changes, int count, int reserved)
{
	Pen pen;

	if (blocked == NULL)
		return;
	if (count > 0)
	{
		pen = take_pen();
		change_all(&pen, database, changes, count);
		limit_close_blocks(pen.file, pen.error);
	}
	LWLockAcquire(&blocked->lock.lock, LW_EXCLUSIVE);
	blocked->reserved -= (uint32) reserved;
	LWLockRelease(&blocked->lock.lock);
}

/* What stays of a database, sorted by network. */
typedef struct Kept
{
	Oid database;
	const BlockChange **sorted;
	int count;
} Kept;

static int
compare(const BlockChange *one, const AddressNetwork *network, AddressKind kind)
{
	int order = memcmp(&one->network, network, sizeof(*network)); /* public: networks */

	return order != 0 ? order : (int) one->kind - (int) kind;
}

static int
compare_changes(const void *one, const void *other)
{
	const BlockChange *second = *(const BlockChange *const *) other;

	return compare(*(const BlockChange *const *) one, &second->network, second->kind);
}

static bool
is_left_out(const AddressEntry *entry, const void *argument)
{
	const Kept *kept = argument;
	int low = 0;
	int high = kept->count;

	if (entry->owner != kept->database)
		return false;
	while (low < high)
	{
		int middle = low + (high - low) / 2;
		int order = compare(kept->sorted[middle], &entry->network, (AddressKind) entry->kind);

		if (order == 0)
			return false;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return true;
}

void
limit_replace_blocks(Oid database, const BlockChange *changes, int count)
{
	Kept kept = {.database = database, .count = count};
	Pen pen;

	if (blocked == NULL)
		return;
	kept.sorted = palloc_extended(sizeof(BlockChange *) * Max(count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
		kept.sorted[i] = &changes[i];
	qsort(kept.sorted, count, sizeof(BlockChange *), compare_changes);
	pen = take_pen();
	/* what goes, and what stays, one by one: nobody is let in meanwhile who is blocked before and after */
	drop_all(&pen, is_left_out, &kept);
	change_all(&pen, database, changes, count);
	limit_close_blocks(pen.file, pen.error);
	pfree(kept.sorted);
}

/* Takes one of the places that are neither taken nor reserved. */
static bool
take_room(void)
{
	bool is_free;

	LWLockAcquire(&blocked->lock.lock, LW_EXCLUSIVE);
	is_free = blocked->set.capacity - blocked->set.used > blocked->reserved;
	if (is_free)
		blocked->reserved++;
	LWLockRelease(&blocked->lock.lock);
	return is_free;
}

/* Whether an entry of this database is in force. */
static bool
is_there(const AddressNetwork *network, AddressKind kind, TimestampTz now)
{
	uint32 place;
	bool there;

	LWLockAcquire(&blocked->lock.lock, LW_SHARED);
	place = address_set_place(&blocked->set, network, kind, MyDatabaseId);
	there = place != ADDRESS_NONE && blocked->set.entries[place].until > now;
	LWLockRelease(&blocked->lock.lock);
	return there;
}

bool
limit_reserve_block(const AddressNetwork *network, AddressKind kind, bool *is_reserved)
{
	TimestampTz now = GetCurrentTimestamp();
	Pen pen;

	*is_reserved = false;
	if (blocked == NULL)
		return true;
	*is_reserved = take_room();
	if (*is_reserved || is_there(network, kind, now))
		return true;
	/* what is over makes room */
	pen = take_pen();
	drop_all(&pen, is_over, &now);
	limit_close_blocks(pen.file, pen.error);
	*is_reserved = take_room();
	return *is_reserved;
}

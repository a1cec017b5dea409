/*
 * shared.c
 *		What the processes of a database know together: how the switch stands in
 *		its log, which values of configuration files it has heard of; and for all
 *		databases, how many refused connections may still be recorded.
 *
 * Locking: none but for the name of who turned the switch and for texts of
 * settings, which a spinlock keeps whole.  All else is atomic, and what one of several processes is to
 * tell is told by the one whose compare-and-swap succeeds.
 */
#include "audit/security.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "common/limit_math.h"
#include "miscadmin.h"
#include "storage/spin.h"

#include <time.h>

/* What a setting was last, and before that: for who comes to tell of a change and was not there. */
typedef struct SettingPast
{
	uint64 hash[2];
	char text[2][SETTING_TEXT_SIZE];
} SettingPast;

typedef struct AuditShared
{
	slock_t lock;
	SettingPast pasts[SHARED_SETTINGS]; /* under the lock */
	char hands[2][HAND_SIZE];           /* who switched off, who switched on; under the lock */
	pg_atomic_uint64 all_logins;
	pg_atomic_uint64 logins[SHARED_BUCKETS];
	pg_atomic_uint64 withheld;
	AuditDatabase databases[FLEXIBLE_ARRAY_MEMBER];
} AuditShared;

/* Of one address (and those that share its bucket), and of all: a disk is not filled by who may not even come in. */
static const RateLimit of_address = {.requests = 2, .period = LIMIT_SECOND, .burst = 60};
static const RateLimit of_all = {.requests = 20, .period = LIMIT_SECOND, .burst = 1000};

static AuditShared *shared = NULL;

/* The database that this transaction drops; nothing else can be in it. */
static Oid dropped = InvalidOid;
static SharedArea area;

/* Forgets everything about a database but which it is. */
static void
reset(AuditDatabase *database)
{
	pg_atomic_write_u32(&database->state, 0);
	pg_atomic_write_u64(&database->off_since, 0);
	for (int i = 0; i < SHARED_SETTINGS; i++)
		pg_atomic_write_u64(&database->settings[i], 0);
}

static void
initialise(void *memory)
{
	shared = memory;
	SpinLockInit(&shared->lock);
	memset(shared->hands, 0, sizeof(shared->hands));
	memset(shared->pasts, 0, sizeof(shared->pasts));
	pg_atomic_init_u64(&shared->all_logins, 0);
	for (int i = 0; i < SHARED_BUCKETS; i++)
		pg_atomic_init_u64(&shared->logins[i], 0);
	pg_atomic_init_u64(&shared->withheld, 0);
	for (int i = 0; i < setting_max_databases; i++)
	{
		AuditDatabase *database = &shared->databases[i];

		pg_atomic_init_u32(&database->database, InvalidOid);
		pg_atomic_init_u32(&database->state, 0);
		pg_atomic_init_u64(&database->off_since, 0);
		for (int j = 0; j < SHARED_SETTINGS; j++)
			pg_atomic_init_u64(&database->settings[j], 0);
	}
}

/* Forgets a database when it is really gone: the server asks of others whether it may drop one after it told us. */
static void
forget_dropped(XactEvent event, void *argument)
{
	Oid database = dropped;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	dropped = InvalidOid;
	if (event == XACT_EVENT_ABORT || !OidIsValid(database))
		return;
	for (int i = 0; shared != NULL && i < setting_max_databases; i++)
	{
		AuditDatabase *place = &shared->databases[i];

		if (pg_atomic_read_u32(&place->database) != database)
			continue;
		reset(place);
		pg_atomic_write_u32(&place->database, InvalidOid);
	}
}

void
shared_init(void)
{
	area.name = "twin_security audit";
	area.size = offsetof(AuditShared, databases) + mul_size((Size) setting_max_databases, sizeof(AuditDatabase));
	area.initialise = initialise;
	area.address = (void **) &shared;
	base_register_area(&area);
	RegisterXactCallback(forget_dropped, NULL);
}

AuditDatabase *
shared_database(void)
{
	static AuditDatabase *own = NULL;

	if (shared == NULL || !OidIsValid(MyDatabaseId))
		return NULL;
	for (int i = 0; i < setting_max_databases && own == NULL; i++)
	{
		AuditDatabase *database = &shared->databases[i];
		uint32 owner = InvalidOid;

		if (pg_atomic_compare_exchange_u32(&database->database, &owner, MyDatabaseId) || owner == MyDatabaseId)
			own = database;
	}
	return own;
}

void
shared_note_drop(Oid database)
{
	dropped = database;
}

/* ---- refused connections ---- */

static int64
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * LIMIT_SECOND + now.tv_nsec;
}

static bool
take(pg_atomic_uint64 *place, const RateLimit *rate)
{
	uint64 before = pg_atomic_read_u64(place);
	int64 now = clock_now();

	for (;;)
	{
		int64_t arrival = (int64_t) before;

		if (!rate_take(&arrival, rate, now).allowed)
			return false;
		if (pg_atomic_compare_exchange_u64(place, &before, (uint64) arrival))
			return true;
	}
}

/* The place of an address: of an IPv6 address its first half, which is what one subscriber has. */
static uint32
bucket_of(const char *address)
{
	int length = 0;
	int colons = 0;

	if (address == NULL)
		return 0;
	while (address[length] != '\0' && (address[length] != ':' || ++colons < 4))
		length++;
	return 1 + hash_bytes((const unsigned char *) address, length) % (SHARED_BUCKETS - 1);
}

bool
shared_take_login(const char *address, uint64 *withheld)
{
	*withheld = 0;
	if (shared == NULL)
		return false;
	if (!take(&shared->logins[bucket_of(address)], &of_address) || !take(&shared->all_logins, &of_all))
	{
		pg_atomic_fetch_add_u64(&shared->withheld, 1);
		return false;
	}
	*withheld = shared_take_withheld();
	return true;
}

uint64
shared_take_withheld(void)
{
	if (shared == NULL || pg_atomic_read_u64(&shared->withheld) == 0)
		return 0;
	return pg_atomic_exchange_u64(&shared->withheld, 0);
}

/* ---- who turns the switch ---- */

void
shared_set_hand(bool on, const char *role)
{
	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->lock);
	strlcpy(shared->hands[on], role, HAND_SIZE);
	shared->hands[!on][0] = '\0';
	SpinLockRelease(&shared->lock);
}

void
shared_get_hand(bool on, char role[HAND_SIZE])
{
	role[0] = '\0';
	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->lock);
	memcpy(role, shared->hands[on], HAND_SIZE);
	SpinLockRelease(&shared->lock);
}

/* ---- what settings were ---- */

void
shared_note_setting(int number, uint64 hash, const char *text)
{
	SettingPast *past = &shared->pasts[number];

	SpinLockAcquire(&shared->lock);
	if (past->hash[0] != hash)
	{
		past->hash[1] = past->hash[0];
		memcpy(past->text[1], past->text[0], SETTING_TEXT_SIZE);
		past->hash[0] = hash;
		strlcpy(past->text[0], text, SETTING_TEXT_SIZE);
	}
	SpinLockRelease(&shared->lock);
}

void
shared_get_setting(int number, uint64 hash, char text[SETTING_TEXT_SIZE])
{
	SettingPast *past = &shared->pasts[number];

	text[0] = '\0';
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < 2; i++)
		if (past->hash[i] == hash)
			memcpy(text, past->text[i], SETTING_TEXT_SIZE);
	SpinLockRelease(&shared->lock);
}

/*
 * meter.c
 *		Messages and uses of every key version, counted across sessions.
 *
 * Messages: a session reserves a block in the table before it seals (the
 * number there is never lower than what was sealed, whatever crashes or rolls
 * back) and spends it locally.  Blocks start small and double.  What a session
 * leaves unspent goes to a spare in shared memory for the next one.  A block
 * cannot be written during recovery or in parallel mode: there a small one is
 * borrowed and settled with the next reservation.
 *
 * Uses (seals, opens, failures): counted locally, added to shared memory when
 * a transaction ends.  Without preloading there is no shared memory: the
 * counts stay local and twin.stat_keyring says so.
 *
 * Locking: shared slots are claimed once by compare-and-swap and never freed;
 * everything in them is atomic.
 */
#include "keyring/private.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define SLOT_COUNT 4096
#define BLOCK_FIRST 64
#define BLOCK_LAST 65536
#define BLOCK_BORROWED 64
#define ROTATION_PAUSE_MS 10000

/* AES-256-GCM, random 96-bit nonces: at most 2^32 messages under one key (NIST SP 800-38D, section 8.3). */
#define MESSAGES_MAX (UINT64CONST(1) << 32)

/*
 * XAES-256-GCM, random 192-bit nonces: the limit of 2^80 messages is out of
 * reach, so such a key neither stops nor rotates by itself.  It is counted all
 * the same; the count stays here, far from a bigint's end, should it ever come.
 */
#define COUNT_MAX (UINT64CONST(1) << 62)

PG_FUNCTION_INFO_V1(tsec_stat_keyring);

typedef struct MeterSlot
{
	pg_atomic_uint64 owner; /* database OID and key id, 0 while free */
	pg_atomic_uint64 seals;
	pg_atomic_uint64 opens;
	pg_atomic_uint64 failures;
	pg_atomic_uint64 spare; /* messages reserved and not spent */
	pg_atomic_uint64 debt;  /* messages spent by processes that could not reserve them */
	pg_atomic_uint64 asked; /* when somebody last asked for the key's rotation */
} MeterSlot;

struct KeyMeter
{
	uint32 id;         /* hash key */
	MeterSlot *slot;   /* NULL without shared memory or when all slots are taken */
	uint64 quota;      /* messages that may be sealed before asking again */
	uint64 block;      /* size of the next reservation */
	uint64 owed;       /* borrowed and not yet reserved */
	uint64 seals;      /* not yet in the slot */
	uint64 opens;      /* since the session began */
	uint64 flushed;    /* of these, in the slot */
	uint64 taken;      /* of these, taken by who accounts for them */
	uint64 failures;   /* not yet in the slot */
	TimestampTz asked; /* for rotation, where there is no slot to say so */
	bool unlimited;    /* counted, but held to no limit */
	bool is_literal;   /* what it opens is nobody's secret */
	bool dirty;        /* in both lists */
	bool in_unflushed;
	bool in_untaken;
	KeyMeter *next_unflushed;
	KeyMeter *next_untaken;
	int version;
	NameData name;
};

/* Whose values are being counted, once there is somebody who wants to know. */
typedef struct Opener
{
	bool known;
	Oid role;
	uint64 token; /* number of the setting's change */
} Opener;

static MeterSlot *slots = NULL;
static HTAB *meters = NULL;
static KeyMeter *first_unflushed = NULL;
static KeyMeter *first_untaken = NULL;
static Opener opener;
static void (*opener_listener)(void) = NULL;

static void
initialise_slots(void *memory)
{
	MeterSlot *slot = memory;

	for (int i = 0; i < SLOT_COUNT; i++, slot++)
	{
		pg_atomic_init_u64(&slot->owner, 0);
		pg_atomic_init_u64(&slot->seals, 0);
		pg_atomic_init_u64(&slot->opens, 0);
		pg_atomic_init_u64(&slot->failures, 0);
		pg_atomic_init_u64(&slot->spare, 0);
		pg_atomic_init_u64(&slot->debt, 0);
		pg_atomic_init_u64(&slot->asked, 0);
	}
}

static const SharedArea area = {"twin_security key meters", sizeof(MeterSlot) * SLOT_COUNT, initialise_slots,
								(void **) &slots};

/* Finds or claims the slot of a key version of this database; NULL when there is none to have. */
static MeterSlot *
claim_slot(uint32 key_id)
{
	uint64 owner = ((uint64) MyDatabaseId << 32) | key_id;

	if (slots == NULL)
		return NULL;
	for (uint32 i = 0; i < SLOT_COUNT; i++)
	{
		MeterSlot *slot = &slots[(key_id + i) % SLOT_COUNT];
		uint64 found = 0;

		if (pg_atomic_read_u64(&slot->owner) == owner)
			return slot;
		if (pg_atomic_compare_exchange_u64(&slot->owner, &found, owner) || found == owner)
			return slot;
	}
	return NULL;
}

static void
flush_meters(void)
{
	while (first_unflushed != NULL)
	{
		KeyMeter *meter = first_unflushed;

		first_unflushed = meter->next_unflushed;
		meter->dirty = meter->in_unflushed = false;
		if (meter->slot == NULL)
			continue;
		pg_atomic_fetch_add_u64(&meter->slot->seals, meter->seals);
		pg_atomic_fetch_add_u64(&meter->slot->opens, meter->opens - meter->flushed);
		pg_atomic_fetch_add_u64(&meter->slot->failures, meter->failures);
		meter->flushed = meter->opens;
		meter->seals = meter->failures = 0;
	}
}

/* How far the count of a key version goes. */
static uint64
ceiling(const KeyMeter *meter)
{
	return meter->unlimited ? COUNT_MAX : MESSAGES_MAX;
}

/* Reserves what was borrowed in parallel mode, by this process or by workers that have ended. */
static void
settle_debts(void)
{
	HASH_SEQ_STATUS sequence;
	KeyMeter *meter;

	if (meters == NULL || RecoveryInProgress() || IsInParallelMode())
		return;
	hash_seq_init(&sequence, meters);
	while ((meter = hash_seq_search(&sequence)) != NULL)
	{
		uint64 messages;
		uint64 given;

		if (meter->slot != NULL && pg_atomic_read_u64(&meter->slot->debt) > 0)
			meter->owed += pg_atomic_exchange_u64(&meter->slot->debt, 0);
		if (meter->owed == 0)
			continue;
		/* the transaction may be the one that drops the extension */
		if (!catalog_read_messages(meter->id, &messages))
			continue;
		(void) catalog_reserve_messages(meter->id, meter->owed, ceiling(meter), &given);
		meter->owed -= given;
	}
}

static void
flush_at_transaction_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_PRE_COMMIT)
		settle_debts();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE ||
		event == XACT_EVENT_PARALLEL_COMMIT || event == XACT_EVENT_PARALLEL_ABORT)
		flush_meters();
}

/* Hands unspent reservations, or what is owed, to the next session. */
static void
return_quotas(int code, Datum argument)
{
	HASH_SEQ_STATUS sequence;
	KeyMeter *meter;

	if (meters == NULL)
		return;
	flush_meters();
	hash_seq_init(&sequence, meters);
	while ((meter = hash_seq_search(&sequence)) != NULL)
	{
		if (meter->slot == NULL)
			continue;
		if (meter->quota > meter->owed)
			pg_atomic_fetch_add_u64(&meter->slot->spare, meter->quota - meter->owed);
		else
			pg_atomic_fetch_add_u64(&meter->slot->debt, meter->owed - meter->quota);
		meter->quota = meter->owed = 0;
	}
}

void
meter_init(void)
{
	base_register_area(&area);
	RegisterXactCallback(flush_at_transaction_end, NULL);
}

KeyMeter *
meter_of(uint32 key_id, AeadAlgorithm algorithm)
{
	KeyMeter *meter;
	bool found;

	if (meters == NULL)
	{
		HASHCTL control = {.keysize = sizeof(uint32), .entrysize = sizeof(KeyMeter), .hcxt = TopMemoryContext};

		meters = hash_create("twin_security key meters", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		before_shmem_exit(return_quotas, (Datum) 0);
	}
	meter = hash_search(meters, &key_id, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) meter + sizeof(uint32), 0, sizeof(KeyMeter) - sizeof(uint32));
		meter->slot = claim_slot(key_id);
		meter->block = BLOCK_FIRST;
	}
	meter->unlimited = algorithm == AEAD_XAES_256_GCM;
	return meter;
}

void
meter_describe(KeyMeter *meter, const char *key_name, int version, bool is_literal)
{
	strlcpy(NameStr(meter->name), key_name, NAMEDATALEN);
	meter->version = version;
	meter->is_literal = is_literal;
}

/* Puts a meter into both lists; a signal handler may be walking the second one right after. */
static void
mark_dirty(KeyMeter *meter)
{
	meter->dirty = true;
	if (!meter->in_unflushed)
	{
		meter->in_unflushed = true;
		meter->next_unflushed = first_unflushed;
		first_unflushed = meter;
	}
	if (!meter->in_untaken)
	{
		meter->in_untaken = true;
		meter->next_untaken = first_untaken;
		pg_compiler_barrier();
		first_untaken = meter;
	}
}

/* ---- who opens ---- */

void
keyring_when_opened(void (*listener)(void))
{
	opener_listener = listener;
}

/* Tells that somebody begins to open values. */
static void
note_opener(void)
{
	opener_listener();
	opener.known = true;
	opener.role = GetUserId();
	opener.token = token_setting_changes();
}

void
keyring_take_opens(KeyringOpensVisitor visitor, void *argument, bool in_handler)
{
	for (KeyMeter *meter = first_untaken; meter != NULL; meter = meter->next_untaken)
	{
		uint64 opens = meter->opens;

		if (opens != meter->taken && !meter->is_literal)
			visitor(argument, meter->id, NameStr(meter->name), meter->version, opens - meter->taken);
		meter->taken = opens;
	}
	if (in_handler)
		return;
	while (first_untaken != NULL)
	{
		KeyMeter *meter = first_untaken;

		first_untaken = meter->next_untaken;
		meter->in_untaken = meter->dirty = false;
	}
	opener.known = false;
}

/*
 * Takes a small block on credit where the table cannot be written.  A parallel
 * worker gets none: no plan seals in one, only a function that calls itself
 * parallel safe and is not.  A standby gets it for literals alone.
 */
static void
borrow(KeyMeter *meter, const char *key_name, MeterUse use)
{
	uint64 messages = 0;

	if (IsParallelWorker())
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
						errmsg("values cannot be encrypted in a parallel worker"),
						errhint("Functions that encrypt must be PARALLEL UNSAFE.")));
	if (RecoveryInProgress() && use != METER_LITERALS)
		ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
						errmsg("values cannot be encrypted with key \"%s\" during recovery", key_name)));
	if (!catalog_read_messages(meter->id, &messages) ||
		(!meter->unlimited && messages + meter->owed + BLOCK_BORROWED > MESSAGES_MAX))
		base_throw_detail(TSEC_KEY_EXHAUSTED, "Key \"%s\".", key_name);
	meter->quota = BLOCK_BORROWED;
	meter->owed += BLOCK_BORROWED;
}

/* Asks for the key's rotation, unless somebody just did: where it fails, it is tried again and again, and not by everybody. */
static void
ask_for_rotation(KeyMeter *meter, const char *key_name)
{
	TimestampTz now = GetCurrentTimestamp();
	uint64 asked = meter->slot != NULL ? pg_atomic_read_u64(&meter->slot->asked) : (uint64) meter->asked;

	/* (a clock that was set back must not keep it waiting) */
	if ((TimestampTz) asked <= now && !TimestampDifferenceExceeds((TimestampTz) asked, now, ROTATION_PAUSE_MS))
		return;
	if (meter->slot != NULL && !pg_atomic_compare_exchange_u64(&meter->slot->asked, &asked, (uint64) now))
		return;
	meter->asked = now;
	rotation_request(key_name, meter->id);
}

/* Gets more messages to spend, from the spare, the table, or on credit. */
static void
refill(KeyMeter *meter, const char *key_name, MeterUse use)
{
	uint64 given;
	uint64 total;

	if (meter->slot != NULL)
	{
		meter->quota = pg_atomic_exchange_u64(&meter->slot->spare, 0);
		if (meter->quota > 0)
			return;
	}
	if (RecoveryInProgress() || IsInParallelMode())
	{
		borrow(meter, key_name, use);
		return;
	}
	if (meter->slot != NULL)
		meter->owed += pg_atomic_exchange_u64(&meter->slot->debt, 0);
	total = catalog_reserve_messages(meter->id, meter->block + meter->owed, ceiling(meter), &given);
	if (meter->unlimited)
		given = meter->block + meter->owed; /* also where the count stays */
	if (given <= meter->owed)
		base_throw_detail(TSEC_KEY_EXHAUSTED, "Key \"%s\".", key_name);
	meter->quota = given - meter->owed;
	meter->owed = 0;
	if (meter->block < BLOCK_LAST)
		meter->block *= 2;
	if (use != METER_WHOLE_VALUES && !meter->unlimited && total >= (uint64) setting_key_message_limit)
		ask_for_rotation(meter, key_name);
}

void
meter_begin_seal(KeyMeter *meter, const char *key_name, MeterUse use)
{
	if (unlikely(meter->quota == 0))
		refill(meter, key_name, use);
	meter->quota--;
	meter->seals++;
	if (!meter->dirty)
		mark_dirty(meter);
}

void
meter_note_open(KeyMeter *meter)
{
	if (opener_listener != NULL && !meter->is_literal &&
		unlikely(!opener.known || opener.role != GetUserId() || opener.token != token_setting_changes()))
		note_opener();
	meter->opens++;
	if (!meter->dirty)
		mark_dirty(meter);
}

void
meter_note_failure(KeyMeter *meter)
{
	meter->failures++;
	if (!meter->dirty)
		mark_dirty(meter);
}

/* stat_keyring() -> (key_id, seals, opens, integrity_failures) */
Datum
tsec_stat_keyring(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	base_require_preload("twin.stat_keyring");
	flush_meters();
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < SLOT_COUNT; i++)
	{
		MeterSlot *slot = &slots[i];
		uint64 owner = pg_atomic_read_u64(&slot->owner);
		Datum values[4];
		bool nulls[4] = {false, false, false, false};

		if (owner == 0 || (Oid) (owner >> 32) != MyDatabaseId)
			continue;
		values[0] = Int32GetDatum((int32) (uint32) owner);
		values[1] = Int64GetDatum((int64) pg_atomic_read_u64(&slot->seals));
		values[2] = Int64GetDatum((int64) pg_atomic_read_u64(&slot->opens));
		values[3] = Int64GetDatum((int64) pg_atomic_read_u64(&slot->failures));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

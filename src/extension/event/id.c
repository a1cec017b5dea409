/*
 * id.c
 *		Ids of rows grow, whatever is done to the sequence that they come from.
 *
 * An event under an id that has a leaf already could not be sealed; so with the
 * sequence set back somebody could act, and later remove what told of it.  The
 * greatest id given in a database stands in shared memory, taken from the log
 * after a start of the server: who is given a smaller one by the sequence moves
 * it on, and says so.  That is proof and no guess: the greatest id is read before
 * the sequence is asked, and an honest sequence is beyond it by then.
 */
#include "event/private.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

/* An id that is so much greater than the last is no honest one either: beyond it there might be none left. */
#define LEAP_MAX (EVENT_ID_STEP * INT64CONST(1000000000))

/* In place of the sequence's OID, while the greatest id is being forgotten; no sequence has it. */
#define BEING_CHANGED 1

/* of its own, or gcc 14 takes what is in here for a variable of PG_TRY's function */
pg_noinline Oid
event_id_sequence(void)
{
	Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid("event_id_seq", schema) : InvalidOid;
}

/* The greatest id given, of the sequence that is there now; 0 while nobody knows. */
static int64
greatest_of(EventRing *ring, Oid sequence)
{
	uint32 known = pg_atomic_read_u32(&ring->id_sequence);

	/* after a start, or the extension was made anew; one process forgets, and the others wait until it has */
	while (known != sequence)
	{
		if (known == BEING_CHANGED)
		{
			pg_usleep(10);
			known = pg_atomic_read_u32(&ring->id_sequence);
		}
		else if (pg_atomic_compare_exchange_u32(&ring->id_sequence, &known, BEING_CHANGED))
		{
			pg_atomic_write_u64(&ring->last_id, 0);
			pg_write_barrier();
			pg_atomic_write_u32(&ring->id_sequence, sequence);
			break;
		}
	}
	return (int64) pg_atomic_read_u64(&ring->last_id);
}

/* Notes that an id was given; false when a greater one has been meanwhile. */
static bool
raise_to(EventRing *ring, int64 id)
{
	uint64 old = pg_atomic_read_u64(&ring->last_id);

	do
	{
		if (old != 0 && id <= (int64) old)
			return false;
	} while (!pg_atomic_compare_exchange_u64(&ring->last_id, &old, (uint64) id));
	return true;
}

/* Becomes the owner of the sequence, and thereby of the log's tables. */
static void
become_owner(Oid sequence, BaseCaller *caller)
{
	base_become_role(base_owner_of(sequence), SECURITY_LOCAL_USERID_CHANGE, NULL, caller);
}

static void
tell_moved(int64 found, int64 greatest)
{
	char number[32];
	char details[256] = "";
	SecurityEvent event = {.type = "integrity_failure",
						   .severity = EVENT_CRITICAL,
						   .outcome = EVENT_FAILURE,
						   .action = "sequence",
						   .resource = "audit log",
						   .details = details};

	snprintf(number, sizeof(number), INT64_FORMAT, found);
	(void) event_json_add(details, sizeof(details), "reason", "the sequence of event ids was set elsewhere");
	(void) event_json_add(details, sizeof(details), "found", number);
	snprintf(number, sizeof(number), INT64_FORMAT, greatest);
	(void) event_json_add(details, sizeof(details), "expected_beyond", number);
	(void) event_emit(&event);
}

/* Sets the sequence to where it must be, and tells of it. */
static void
move_on(EventRing *ring, Oid sequence, int64 found)
{
	int64 greatest = (int64) pg_atomic_read_u64(&ring->last_id);
	BaseCaller caller;

	if (greatest == 0)
		return; /* forgotten meanwhile: it is learnt again first */
	become_owner(sequence, &caller);
	(void) DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence), Int64GetDatum(greatest));
	base_return(&caller);
	tell_moved(found, greatest);
}

/* Notes an id that is taken; where nobody knows the greatest, only one of which there is none greater. */
static void
note_taken(EventRing *ring, int64 id, bool is_greatest)
{
	int64 greatest = greatest_of(ring, event_id_sequence());

	/* below 0 a dump is being restored, which sets the sequence itself */
	id -= id % EVENT_ID_STEP;
	if (id > 0 && (greatest == 0 ? is_greatest : greatest > 0 && id - greatest < LEAP_MAX))
		(void) raise_to(ring, id);
}

void
event_note_sealed_id(int64 id)
{
	EventRing *ring = area_exists() ? area_own() : NULL;

	if (ring != NULL)
		note_taken(ring, id, false);
}

static int64 (*id_source)(void) = NULL;

void
event_set_id_source(int64 (*source)(void))
{
	id_source = source;
}

/* Asks the log, once after the server's start; the greatest id, 0 where there is none yet. */
static int64
learn_greatest(EventRing *ring, Oid sequence)
{
	BaseCaller caller;

	if (id_source == NULL)
		return 0;
	become_owner(sequence, &caller);
	note_taken(ring, id_source(), true);
	base_return(&caller);
	return greatest_of(ring, sequence);
}

/* The next id that is greater than all before. */
static int64
take(Oid sequence)
{
	EventRing *ring = area_exists() ? area_own() : NULL;

	for (;;)
	{
		int64 greatest = ring == NULL ? 0 : greatest_of(ring, sequence);
		int64 id;
		bool is_honest;

		if (ring != NULL && greatest == 0)
			greatest = learn_greatest(ring, sequence);
		id = nextval_internal(sequence, false);
		is_honest = id % EVENT_ID_STEP == 0 &&
					(greatest == 0 || (id > greatest && (greatest < 0 || id - greatest < LEAP_MAX)));

		if (ring == NULL || (greatest == 0 && !is_honest))
			return id;
		if (is_honest && raise_to(ring, id))
			return id;
		if (!is_honest)
			move_on(ring, sequence, id);
		CHECK_FOR_INTERRUPTS();
	}
}

int64
event_take_id(void)
{
	Oid sequence = event_id_sequence();
	bool was_read_only = XactReadOnly;
	volatile int64 id = 0;

	if (!OidIsValid(sequence))
		elog(ERROR, "twin_security: the sequence of event ids is missing");
	/* what happened in a read-only transaction (a GET, say) has happened: its number is no change that the caller asked for */
	XactReadOnly = RecoveryInProgress() && XactReadOnly;
	PG_TRY();
	{
		id = take(sequence);
	}
	PG_FINALLY();
	{
		XactReadOnly = was_read_only;
	}
	PG_END_TRY();
	return id;
}

bool
event_id_was_given(int64 id)
{
	EventRing *ring = area_exists() ? area_own() : NULL;
	int64 greatest = ring == NULL ? 0 : greatest_of(ring, event_id_sequence());

	return greatest != 0 && id <= greatest;
}

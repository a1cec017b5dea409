/*
 * slots.c
 *		How many passwords are hashed at once, over the whole cluster.
 *
 * A session that finds no free slot queues.  Whoever is done hands his slot to
 * the first of the queue, so nobody overtakes.  The queue has an end: beyond
 * it, and after twin_security.hash_wait_timeout, the answer is "busy".
 *
 * Locking: everything is under one LWLock, held for a look at the queue.  A
 * waiter leaves the queue however it ends (error, cancel, FATAL), and passes
 * on a slot that was handed to it meanwhile.  Between slots_take() and
 * slots_return() nothing raises; should a session end there all the same, its
 * exit gives the slot back.  Without preloading there is no bound.
 */
#include "password/private.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include <unistd.h>

#define WAITERS_MAX 256

/* A place in the queue. */
typedef struct Waiter
{
	PGPROC *process; /* NULL while the place is free */
	uint64 ticket;   /* lower ones came earlier */
	bool granted;    /* it owns a slot now */
} Waiter;

typedef struct Slots
{
	LWLock lock;
	int cores;   /* of the machine */
	int used;    /* slots somebody owns */
	int waiting; /* places of the queue not yet granted a slot */
	uint64 next_ticket;
	Waiter waiters[WAITERS_MAX];
} Slots;

static Slots *slots = NULL;
static bool owns_slot = false;

static void
initialise_slots(void *memory)
{
	Slots *fresh = memory;
	int tranche = LWLockNewTrancheId();

	memset(fresh, 0, sizeof(Slots));
	fresh->cores = (int) sysconf(_SC_NPROCESSORS_ONLN);
	LWLockRegisterTranche(tranche, "twin_security_hash_slots"); /* inherited by every process */
	LWLockInitialize(&fresh->lock, tranche);
}

static const SharedArea area = {"twin_security hash slots", sizeof(Slots), initialise_slots, (void **) &slots};

void
slots_init(void)
{
	base_register_area(&area);
}

static int
limit(void)
{
	if (setting_max_concurrent_hashes > 0)
		return setting_max_concurrent_hashes;
	return Max(slots->cores - 1, 1);
}

/* Hands free slots to those who wait, first come first served.  The lock is held. */
static void
hand_out(void)
{
	while (slots->waiting > 0 && slots->used < limit())
	{
		Waiter *first = NULL;

		for (int i = 0; i < WAITERS_MAX; i++)
		{
			Waiter *waiter = &slots->waiters[i];

			if (waiter->process != NULL && !waiter->granted && (first == NULL || waiter->ticket < first->ticket))
				first = waiter;
		}
		first->granted = true;
		slots->waiting--;
		slots->used++;
		SetLatch(&first->process->procLatch);
	}
}

/* Takes a place at the end of the queue; NULL when there is none.  The lock is held. */
static Waiter *
join_queue(void)
{
	for (int i = 0; i < WAITERS_MAX; i++)
	{
		Waiter *waiter = &slots->waiters[i];

		if (waiter->process != NULL)
			continue;
		waiter->process = MyProc;
		waiter->ticket = slots->next_ticket++;
		waiter->granted = false;
		slots->waiting++;
		return waiter;
	}
	return NULL;
}

/* Ends the wait; whether a slot was granted, which is the caller's then. */
static bool
leave_queue(Waiter *waiter)
{
	bool granted;

	LWLockAcquire(&slots->lock, LW_EXCLUSIVE);
	granted = waiter->granted;
	if (!granted)
		slots->waiting--;
	waiter->process = NULL;
	LWLockRelease(&slots->lock);
	return granted;
}

static void
give_back(void)
{
	LWLockAcquire(&slots->lock, LW_EXCLUSIVE);
	slots->used--;
	hand_out();
	LWLockRelease(&slots->lock);
}

/* What an error, a cancel or the session's end does to a wait. */
static void
abandon_wait(int code, Datum argument)
{
	if (leave_queue((Waiter *) DatumGetPointer(argument)))
		give_back();
}

static void
return_at_exit(int code, Datum argument)
{
	slots_return();
}

static bool
is_granted(Waiter *waiter)
{
	bool granted;

	LWLockAcquire(&slots->lock, LW_SHARED);
	granted = waiter->granted;
	LWLockRelease(&slots->lock);
	return granted;
}

/* Sleeps until a slot is granted or the time is over. */
static void
wait_for_grant(Waiter *waiter)
{
	instr_time start;

	INSTR_TIME_SET_CURRENT(start);
	while (!is_granted(waiter))
	{
		instr_time waited;
		long left;

		INSTR_TIME_SET_CURRENT(waited);
		INSTR_TIME_SUBTRACT(waited, start);
		left = setting_hash_wait_timeout - (long) INSTR_TIME_GET_MILLISEC(waited);
		if (left <= 0)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Waits in a place of the queue; whether a slot was granted. */
static pg_noinline bool
wait_in_queue(Waiter *waiter)
{
	PG_ENSURE_ERROR_CLEANUP(abandon_wait, PointerGetDatum(waiter));
	{
		wait_for_grant(waiter);
	}
	PG_END_ENSURE_ERROR_CLEANUP(abandon_wait, PointerGetDatum(waiter));
	return leave_queue(waiter);
}

static Status
take(bool may_wait)
{
	static bool exit_is_watched = false;
	Waiter *waiter = NULL;

	if (slots == NULL)
		return TSEC_OK;
	if (!exit_is_watched)
	{
		before_shmem_exit(return_at_exit, (Datum) 0);
		exit_is_watched = true;
	}
	LWLockAcquire(&slots->lock, LW_EXCLUSIVE);
	hand_out(); /* the limit may have been raised */
	if (slots->waiting == 0 && slots->used < limit())
	{
		slots->used++;
		owns_slot = true;
	}
	else if (may_wait && setting_hash_wait_timeout > 0)
		waiter = join_queue();
	LWLockRelease(&slots->lock);

	if (waiter != NULL)
		owns_slot = wait_in_queue(waiter);
	return owns_slot ? TSEC_OK : TSEC_HASHES_BUSY;
}

Status
slots_take(void)
{
	return take(true);
}

Status
slots_take_at_once(void)
{
	return take(false);
}

void
slots_return(void)
{
	if (!owns_slot)
		return;
	owns_slot = false;
	give_back();
}

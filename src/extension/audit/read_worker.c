/*
 * read_worker.c
 *		What parallel workers opened and read, handed to their leader in shared
 *		memory, so that it stands in his statement's events and nowhere else.
 *
 * Locking: a place is claimed by compare-and-swap and freed by its leader, when
 * none of his workers lives any more; numbers in it are atomic.
 */
#include "audit/read.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/proc.h"

#define PLACES 256

typedef struct WorkerPlace
{
	pg_atomic_uint64 owner; /* the leader's pid and what was counted; 0 while free */
	pg_atomic_uint64 count;
	pg_atomic_uint64 filtered;
	pg_atomic_uint32 named; /* what follows is there */
	int version;
	NameData name;
} WorkerPlace;

typedef struct WorkerArea
{
	WorkerPlace place[WORKER_KINDS][PLACES];
} WorkerArea;

static WorkerArea *area = NULL;

static void
initialise(void *memory)
{
	WorkerArea *fresh = memory;

	memset(fresh, 0, sizeof(*fresh));
	for (int kind = 0; kind < WORKER_KINDS; kind++)
		for (int i = 0; i < PLACES; i++)
		{
			pg_atomic_init_u64(&fresh->place[kind][i].owner, 0);
			pg_atomic_init_u64(&fresh->place[kind][i].count, 0);
			pg_atomic_init_u64(&fresh->place[kind][i].filtered, 0);
			pg_atomic_init_u32(&fresh->place[kind][i].named, 0);
		}
}

static const SharedArea shared = {"twin_security parallel reads", sizeof(WorkerArea), initialise, (void **) &area};

void
worker_init(void)
{
	base_register_area(&shared);
}

static uint64
owner_of(int leader, uint32 id)
{
	return ((uint64) (uint32) leader << 32) | id;
}

bool
worker_tell(WorkerKind kind, const WorkerCount *count)
{
	PGPROC *leader = MyProc == NULL ? NULL : MyProc->lockGroupLeader;
	uint64 owner = leader == NULL ? 0 : owner_of(leader->pid, count->id);

	if (area == NULL || leader == NULL)
		return false;
	for (int i = 0; i < PLACES; i++)
	{
		WorkerPlace *place = &area->place[kind][(count->id + (uint32) i) % PLACES];
		uint64 found = 0;

		if (pg_atomic_compare_exchange_u64(&place->owner, &found, owner))
		{
			place->version = count->version;
			strlcpy(NameStr(place->name), count->name, NAMEDATALEN);
			pg_write_barrier();
			pg_atomic_write_u32(&place->named, 1);
		}
		else if (found != owner)
			continue;
		pg_atomic_fetch_add_u64(&place->count, (int64) count->count);
		pg_atomic_fetch_add_u64(&place->filtered, (int64) count->filtered);
		return true;
	}
	return false;
}

void
worker_take(WorkerKind kind, WorkerVisitor visitor, void *argument)
{
	for (int i = 0; area != NULL && i < PLACES; i++)
	{
		WorkerPlace *place = &area->place[kind][i];
		uint64 owner = pg_atomic_read_u64(&place->owner);
		WorkerCount count = {.id = (uint32) owner};
		NameData name;

		if ((uint32) (owner >> 32) != (uint32) MyProcPid)
			continue;
		count.count = pg_atomic_exchange_u64(&place->count, 0);
		count.filtered = pg_atomic_exchange_u64(&place->filtered, 0);
		if (pg_atomic_exchange_u32(&place->named, 0) != 0)
		{
			pg_read_barrier();
			count.version = place->version;
			strlcpy(NameStr(name), NameStr(place->name), NAMEDATALEN);
		}
		else
			strlcpy(NameStr(name), "", NAMEDATALEN);
		count.name = NameStr(name);
		pg_write_barrier();
		pg_atomic_write_u64(&place->owner, 0);
		if (count.count + count.filtered > 0)
			visitor(argument, &count);
	}
}

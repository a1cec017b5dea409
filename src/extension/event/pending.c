/*
 * pending.c
 *		Records that wait for the end of their transaction: in memory while they
 *		are few, the earlier ones in a temporary file beyond that, so that a
 *		transaction of a million commands costs a disk and not the server's memory.
 *
 * They lie one behind the other, each behind four bytes of length and
 * one that says whose log it is for; a position counts these bytes.  What belongs to a subtransaction is always the end of it
 * all: marks say where each that has any begins.  Nothing here raises but
 * pending_add(): the rest is called while a transaction aborts.
 */
#include "event/private.h"

#include "access/xact.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define MEMORY_FIRST 4096
#define MEMORY_MAX (1024 * 1024)
#define HEAD 5

/* Where the records of a subtransaction begin. */
typedef struct Mark
{
	SubTransactionId subtransaction;
	PendingPlace place;
} Mark;

static File file = -1;
static uint64 in_file = 0; /* bytes of it that count */
static uint8 *memory = NULL;
static size_t memory_size = 0;
static size_t in_memory = 0;
static uint64 count = 0;

static Mark *marks = NULL;
static int marks_size = 0;
static int mark_count = 0;

PendingPlace
pending_end(void)
{
	return (PendingPlace){in_file + in_memory, count};
}

/* Makes room in memory, by growing it or by writing it into the file. */
static void
make_room(size_t wanted)
{
	MemoryContext outer;

	if (in_memory + wanted <= memory_size)
		return;
	if (memory_size < MEMORY_MAX)
	{
		outer = MemoryContextSwitchTo(TopTransactionContext);
		while (memory_size < in_memory + wanted)
			memory_size = memory_size == 0 ? MEMORY_FIRST : 2 * memory_size;
		memory = memory == NULL ? palloc(memory_size) : repalloc(memory, memory_size);
		MemoryContextSwitchTo(outer);
		return;
	}
	/* it outlives the subtransaction, and is closed here */
	if (file < 0)
		file = OpenTemporaryFile(true);
	if (FileWrite(file, (char *) memory, (int) in_memory, (off_t) in_file, PG_WAIT_EXTENSION) != (int) in_memory)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("security events that wait for the end of their transaction "
												   "cannot be written into a temporary file: %m")));
	in_file += in_memory;
	in_memory = 0;
}

/* Notes where the current subtransaction's records begin. */
static void
mark(void)
{
	SubTransactionId own = GetCurrentSubTransactionId();

	if (mark_count > 0 && marks[mark_count - 1].subtransaction >= own)
		return;
	if (mark_count == marks_size)
	{
		int size = marks_size == 0 ? 8 : 2 * marks_size;

		marks = marks == NULL ? MemoryContextAlloc(TopTransactionContext, size * sizeof(Mark))
							  : repalloc_huge(marks, size * sizeof(Mark));
		marks_size = size;
	}
	marks[mark_count++] = (Mark){own, pending_end()};
}

void
pending_add(Bytes record, bool of_no_database)
{
	make_room(HEAD + record.length);
	mark();
	bytes_put_u32(memory + in_memory, (uint32) record.length);
	memory[in_memory + HEAD - 1] = of_no_database;
	memcpy(memory + in_memory + HEAD, record.data, record.length);
	in_memory += HEAD + record.length;
	count++;
}

PendingPlace
pending_of(SubTransactionId subtransaction)
{
	PendingPlace place = pending_end();

	for (int i = mark_count; i > 0 && marks[i - 1].subtransaction >= subtransaction; i--)
		place = marks[i - 1].place;
	return place;
}

bool
pending_read(PendingPlace *place, uint8 *record, size_t *length, bool *of_no_database)
{
	uint8 bytes[HEAD + EVENT_RECORD_MAX];
	const uint8 *from = bytes;
	uint64 left;

	if (place->number >= count)
		return false;
	if (place->position < in_file)
	{
		int wanted = (int) Min(in_file - place->position, sizeof(bytes));

		left = (uint64) wanted;
		if (FileRead(file, (char *) bytes, wanted, (off_t) place->position, PG_WAIT_EXTENSION) != wanted)
			return false;
	}
	else
	{
		left = in_file + in_memory - place->position;
		from = memory + (place->position - in_file);
	}
	if (left < HEAD || (*length = bytes_get_u32(from)) > Min(left - HEAD, EVENT_RECORD_MAX))
		return false;
	*of_no_database = from[HEAD - 1] != 0;
	memcpy(record, from + HEAD, *length);
	place->position += HEAD + *length;
	place->number++;
	return true;
}

void
pending_cut(PendingPlace end)
{
	in_memory = end.position > in_file ? (size_t) (end.position - in_file) : 0;
	in_file = Min(in_file, end.position);
	count = end.number;
	while (mark_count > 0 && marks[mark_count - 1].place.number >= count)
		mark_count--;
}

void
pending_give(SubTransactionId subtransaction, SubTransactionId parent)
{
	while (mark_count > 0 && marks[mark_count - 1].subtransaction >= subtransaction)
	{
		if (mark_count < 2 || marks[mark_count - 2].subtransaction < parent)
		{
			marks[mark_count - 1].subtransaction = parent;
			return;
		}
		mark_count--;
	}
}

void
pending_forget(void)
{
	if (file >= 0)
		FileClose(file);
	file = -1;
	in_file = 0;
	memory = NULL;
	memory_size = in_memory = 0;
	count = 0;
	marks = NULL;
	marks_size = mark_count = 0;
}

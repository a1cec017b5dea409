/*
 * ring_fuzz.c
 *		The queue in shared memory, as a row of steps: a byte that says which, and
 *		two for how much.
 *
 * Whatever is pushed comes out once, whole and in order, or was refused for want
 * of room; who died between reserving and publishing costs his own entry.  With
 * the memory damaged nothing of this holds, but no byte outside of it is touched.
 */
#include "fuzz.h"

#include "common/ring.h"

#define SLOTS 19
#define QUEUE 64

typedef struct Pushed
{
	uint64_t position;
	uint64_t slots;
	size_t length;
	uint8_t mark;
	bool is_dead;
} Pushed;

typedef struct Model
{
	Ring ring;
	Pushed queue[QUEUE];
	unsigned first;
	unsigned count;
	uint64_t head;
	uint64_t tail;
	uint64_t cursor;
	bool is_damaged;
} Model;

static void
note(Model *model, uint64_t slots, size_t length, uint8_t mark, bool is_dead)
{
	MUST(model->count < QUEUE);
	model->queue[(model->first + model->count++) % QUEUE] = (Pushed){model->head, slots, length, mark, is_dead};
	model->head += slots;
}

static void
push(Model *model, size_t length, uint8_t mark)
{
	uint64_t slots = (length + RING_SLOT_PAYLOAD - 1) / RING_SLOT_PAYLOAD;
	bool fits = length > 0 && length <= RING_ENTRY_MAX && model->head - model->tail + slots <= SLOTS;
	uint8_t *entry = fuzz_memory(length);
	bool pushed;

	memset(entry, mark, length);
	pushed = ring_push(model->ring, bytes_of(entry, length));
	free(entry);
	if (model->is_damaged)
		return;
	MUST(pushed == fits);
	if (pushed)
		note(model, slots, length, mark, false);
}

/* Reserves, and is gone before anything was written or published; perhaps after the length was. */
static void
die(Model *model, size_t length)
{
	uint64_t slots = length % RING_ENTRY_SLOTS_MAX + 1;
	RingSlot *slot = &model->ring.memory->slot[model->head % SLOTS];

	if (model->is_damaged || model->head - model->tail + slots > SLOTS)
		return;
	atomic_fetch_add(&model->ring.memory->head, slots);
	slot->length = length % 3 == 0 ? 0 : (uint32_t) (slots * RING_SLOT_PAYLOAD);
	note(model, slots, 0, 0, true);
}

/* Passes over what is not ready, up to a limit within which nobody lives that has not published. */
static void
skip(Model *model)
{
	uint64_t end = ring_end(model->ring);

	/* a head that was damaged is a limit as far away as it likes */
	if (model->is_damaged && end - model->cursor > 2 * SLOTS)
		end = model->cursor + 2 * SLOTS;
	MUST(ring_skip(model->ring, &model->cursor, end) >= (model->cursor < end));
	MUST(model->cursor <= end);
	while (!model->is_damaged && model->count > 0 && model->queue[model->first].position < model->cursor)
	{
		MUST(model->queue[model->first].is_dead);
		model->first = (model->first + 1) % QUEUE;
		model->count--;
	}
}

static void
take(Model *model)
{
	uint8_t *buffer = fuzz_memory(RING_ENTRY_MAX);
	size_t length = 0;
	RingAnswer answer = ring_read(model->ring, &model->cursor, buffer, &length);

	if (answer == RING_UNREADY)
		skip(model);
	if (!model->is_damaged)
	{
		const Pushed *next = &model->queue[model->first];

		MUST(answer != RING_DAMAGED);
		MUST((answer == RING_EMPTY) <= (model->count == 0));
		if (answer == RING_ENTRY)
		{
			MUST(model->count > 0 && !next->is_dead && length == next->length);
			MUST(model->cursor == next->position + next->slots);
			for (size_t i = 0; i < length; i++)
				MUST(buffer[i] == next->mark);
			model->first = (model->first + 1) % QUEUE;
			model->count--;
		}
	}
	MUST(answer != RING_ENTRY || (length > 0 && length <= RING_ENTRY_MAX));
	free(buffer);
}

static void
damage(Model *model, size_t at, uint8_t with)
{
	((uint8_t *) model->ring.memory)[at % ring_size(SLOTS)] ^= with;
	model->is_damaged = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* exactly as long as it says, where alignment leaves the sanitizer its red zone */
	void *memory = aligned_alloc(RING_CACHE_LINE, ring_size(SLOTS));
	Model model = {.ring = {memory, SLOTS}};

	MUST(memory != NULL && ring_size(SLOTS) % RING_CACHE_LINE == 0);
	ring_init(model.ring);
	for (; size >= 3; data += 3, size -= 3)
	{
		size_t amount = data[1] | (size_t) data[2] << 8;

		switch (data[0] % 6)
		{
			case 0:
			case 1:
				push(&model, amount % (RING_ENTRY_MAX + 2), data[1]);
				break;
			case 2:
				take(&model);
				break;
			case 3:
				ring_consume(model.ring, model.cursor);
				model.tail = model.cursor;
				break;
			case 4:
				die(&model, amount);
				break;
			default:
				/* few inputs do */
				if (data[0] > 240)
					damage(&model, amount, data[0]);
		}
		if (!model.is_damaged)
			MUST(ring_fill(model.ring) == model.head - model.tail && ring_begin(model.ring) == model.tail);
	}
	free(memory);
	return 0;
}

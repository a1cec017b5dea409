/*
 * leaf.c
 *		Encoding and decoding of leaf.h's form, which is hashed: each event has one
 *		encoding, and each encoding one event.
 */
#include "leaf.h"

#include <string.h>

#define VERSION 1
#define NO_TEXT 0xffffffffu
#define FIXED_SIZE (1 + 2 + 6 * 8 + 4)

_Static_assert(LEAF_TEXTS == 18 && FIXED_SIZE == 55, "the form is for ever");

size_t
leaf_size(const Leaf *leaf)
{
	size_t size = FIXED_SIZE + 4 * LEAF_TEXTS;

	for (int i = 0; i < LEAF_TEXTS; i++)
		size += leaf->text[i].data != NULL ? leaf->text[i].length : 0;
	return size;
}

void
leaf_encode(const Leaf *leaf, uint8_t *to)
{
	const uint64_t numbers[] = {(uint64_t) leaf->event_id, (uint64_t) leaf->event_time, (uint64_t) leaf->recorded_at,
								(uint64_t) leaf->user_id,  (uint64_t) leaf->tenant_id,  leaf->xid};

	*to++ = VERSION;
	bytes_put_u16(to, leaf->flags);
	to += 2;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++, to += 8)
		bytes_put_u64(to, numbers[i]);
	bytes_put_u32(to, leaf->pid);
	to += 4;
	for (int i = 0; i < LEAF_TEXTS; i++)
	{
		Bytes text = leaf->text[i];

		bytes_put_u32(to, text.data != NULL ? (uint32_t) text.length : NO_TEXT);
		to += 4;
		if (text.data != NULL && text.length > 0)
			memcpy(to, text.data, text.length);
		to += text.data != NULL ? text.length : 0;
	}
}

bool
leaf_decode(Bytes bytes, Leaf *leaf)
{
	const uint8_t *at = bytes.data;
	const uint8_t *end = bytes.data + bytes.length;

	if (bytes.length < FIXED_SIZE || at[0] != VERSION)
		return false;
	leaf->flags = bytes_get_u16(at + 1);
	leaf->event_id = (int64_t) bytes_get_u64(at + 3);
	leaf->event_time = (int64_t) bytes_get_u64(at + 11);
	leaf->recorded_at = (int64_t) bytes_get_u64(at + 19);
	leaf->user_id = (int64_t) bytes_get_u64(at + 27);
	leaf->tenant_id = (int64_t) bytes_get_u64(at + 35);
	leaf->xid = bytes_get_u64(at + 43);
	leaf->pid = bytes_get_u32(at + 51);
	/* what is not there has one spelling: zero */
	if ((leaf->flags & ~LEAF_FLAGS_ALL) != 0 || ((leaf->flags & LEAF_HAS_USER_ID) == 0 && leaf->user_id != 0) ||
		((leaf->flags & LEAF_HAS_TENANT_ID) == 0 && leaf->tenant_id != 0) ||
		((leaf->flags & LEAF_HAS_XID) == 0 && leaf->xid != 0) ||
		((leaf->flags & LEAF_HAS_PID) == 0 && leaf->pid != 0))
		return false;
	at += FIXED_SIZE;
	for (int i = 0; i < LEAF_TEXTS; i++)
	{
		uint32_t length;

		if (end - at < 4)
			return false;
		length = bytes_get_u32(at);
		at += 4;
		if (length == NO_TEXT)
		{
			leaf->text[i] = bytes_of(NULL, 0);
			continue;
		}
		if (length > (size_t) (end - at))
			return false;
		leaf->text[i] = bytes_of(at, length);
		at += length;
	}
	return at == end;
}

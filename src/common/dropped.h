/*
 * dropped.h
 *		What an export says of leaves without bytes: which sets of them went with a
 *		partition, by which event, and what proves the event.
 *
 * Form, version 1 (numbers big-endian): "TWINGONE", version 2, nothing 2, then of
 * each set: the event's leaf 8, then the lengths of four pieces, 4, 8, 4 and 4
 * bytes, and these: the event's canonical bytes (leaf.h), the set (leafset.h), the
 * hashes of a proof that the event is in the tree of a checkpoint, and that
 * checkpoint's note.  The last two are empty where the event is in the export.
 */
#ifndef TSEC_DROPPED_H
#define TSEC_DROPPED_H

#include "note.h"

#define DROPPED_HEADER_SIZE 12
#define DROPPED_RECORD_SIZE 28 /* before the pieces */
#define DROPPED_EVENT_MAX 65536

typedef struct DroppedRecord
{
	uint64_t event_leaf;
	Bytes event;
	Bytes set;
	Bytes path; /* of DIGEST_SIZE each */
	Bytes note;
} DroppedRecord;

extern void dropped_write_header(uint8_t to[DROPPED_HEADER_SIZE]);

/* Writes what stands before the pieces, which follow in their order. */
extern void dropped_write_record(const DroppedRecord *record, uint8_t to[DROPPED_RECORD_SIZE]);

/* Each takes its part off the front; false when it is not there, whole. */
extern bool dropped_read_header(Bytes *from);
extern bool dropped_read_record(Bytes *from, DroppedRecord *record);

#endif /* TSEC_DROPPED_H */

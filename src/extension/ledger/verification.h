/*
 * verification.h
 *		One verification of the log, as its rooms share it: events and leaves
 *		(verify.c), checkpoints (verify_note.c), epochs (verify_epoch.c), leaves whose
 *		events were dropped (retired.c).
 */
#ifndef TSEC_LEDGER_VERIFICATION_H
#define TSEC_LEDGER_VERIFICATION_H

#include "ledger/private.h"

typedef struct Verification
{
	TileSet *set;
	bool has_state;
	uint64 size; /* of the tree */
	uint64 begin;
	uint64 end;
	TimestampTz from;
	TimestampTz to;
	bool is_whole; /* not some time of it */
	uint64 next;   /* leaves up to here are good */
	RetiredReader *retired;
	/* the last heartbeat, and a row that contradicts it unless the clock was set back */
	uint64 mark_xid;
	TimestampTz mark_at;
	const char *suspicion;
	int64 suspect;
	TimestampTz suspect_at; /* the earliest of those that contradict it */
	/* the answer */
	bool is_bad;
	bool names_event;
	int64 first_bad;
	const char *reason;
} Verification;

/* Writes down what is wrong, and with which event; the first fault stays. */
extern void verification_fault(Verification *check, const char *reason);
extern void verification_fault_of(Verification *check, int64 event_id, const char *reason);

/* ---- verify_note.c ---- */

/* Checks all checkpoints of what is looked at, and in any case the newest. */
extern void verification_checkpoints(Verification *check);

/* Checks the checkpoint that an epoch exported last. */
extern void verification_exported(Verification *check, int32 epoch);

/* Whether an epoch ended because somebody asked for that: what it exported is of this log, and stays true. */
extern bool verification_ended_on_request(int32 epoch);

/* ---- verify_epoch.c ---- */

/* Whether something is there of a tree: where the sealer's state is gone, it should not be. */
extern bool epoch_has_remains(void);

/* What is wrong with rows of epochs, or with the sealer's, NULL for nothing; and the event that says so, 0 for none. */
extern const char *epoch_contradiction(int32 current, int64 *event_id);

#endif /* TSEC_LEDGER_VERIFICATION_H */

/*
 * log.h
 *		A made-up audit log in memory, and its export: what the verifier is tried
 *		on.  Whatever a tamperer could do to a log can be done to one of these.
 */
#ifndef TWIN_TEST_LOG_H
#define TWIN_TEST_LOG_H

#include "common/dropped.h"
#include "common/leaf.h"
#include "common/leafset.h"
#include "common/manifest.h"
#include "common/note.h"

#include <stdbool.h>

#define LOG_EPOCHS_MAX 8
#define LOG_CHECKPOINTS_MAX 4096

typedef struct LogLeaf
{
	uint8_t *bytes; /* NULL: its row is missing */
	size_t length;
	MerkleHash hash; /* as sealed */
} LogLeaf;

typedef struct LogEpoch
{
	char name[64];
	uint8_t seed[NOTE_SEED_SIZE];
	uint8_t public_key[NOTE_PUBLIC_SIZE];
	uint64_t first_leaf;
} LogEpoch;

typedef struct LogCheckpoint
{
	uint64_t size;
	char note[NOTE_SIZE_MAX];
} LogCheckpoint;

typedef struct Log
{
	LogLeaf *leaves;
	uint64_t count;
	LogEpoch epochs[LOG_EPOCHS_MAX];
	int epoch_count;
	LogCheckpoint *checkpoints;
	int checkpoint_count;
	uint64_t drop_first; /* leaves that went with a partition */
	uint64_t drop_leaves;
	uint64_t drop_event; /* the leaf that says so; 0: nothing was dropped */
} Log;

/* A set of leaves in one run. */
typedef struct LogSet
{
	uint8_t bytes[LEAFSET_HEADER_SIZE + 32];
	size_t length;
} LogSet;

/* A number of a sequence that is the same at every run. */
extern uint64_t log_random(uint64_t below);
extern void log_seed(uint64_t seed);

/* Makes a log of so many leaves in so many epochs, all under one key, or each under its own. */
extern Log *log_make(uint64_t leaves, int epochs, int checkpoints, bool same_key);
extern Log *log_copy(const Log *log);
extern void log_free(Log *log);

/* Makes the bytes of an event that is nobody else's. */
extern LogLeaf log_event(uint64_t index, const char *type, const char *details);

/* Seals anew: the hashes of leaves from here on, and the checkpoints behind it, signed by their epochs' keys. */
extern void log_reseal(Log *log, uint64_t from);

/* Drops leaves: their events are not exported, and another says so.  Seals anew. */
extern void log_drop(Log *log, uint64_t first, uint64_t leaves, uint64_t event);
extern bool log_is_dropped(const Log *log, uint64_t index);

/* Signs a checkpoint of the log as it is, in its epoch's name. */
extern void log_sign(const Log *log, LogCheckpoint *checkpoint, const uint8_t seed[NOTE_SEED_SIZE]);

extern void log_root(const Log *log, uint64_t size, MerkleHash *root);

/* Writes its export from a leaf on, up to its end, into an empty folder. */
extern void log_export(const Log *log, uint64_t from, const char *folder);

/* Writes a manifest anew from what lies in the folder, as a careful tamperer does. */
extern void log_write_manifest(const char *folder, const ManifestHead *head);

extern void log_write_file(const char *folder, const char *name, const void *bytes, size_t length);
extern uint8_t *log_read_file(const char *folder, const char *name, size_t *length);

#endif /* TWIN_TEST_LOG_H */

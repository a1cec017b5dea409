/*
 * verify.h
 *		The checking of an audit log from files alone: an export against its own
 *		checkpoints, against keys and notes that an auditor kept, and single proofs.
 *
 * Every byte of what is checked may be an attacker's: lengths are bounded by what
 * the files hold, nothing is trusted before it is proven, and whatever is not
 * proven is said.  Nothing here writes to a terminal; main.c does.
 */
#ifndef TWIN_VERIFY_H
#define TWIN_VERIFY_H

#include "verify/unseal.h"

#include "common/leaf.h"
#include "common/note.h"

#include <stdbool.h>
#include <stdio.h>

/* What becomes the exit status. */
typedef enum Verdict
{
	VERDICT_HOLDS = 0,
	VERDICT_TAMPERED = 1,
	VERDICT_USAGE = 2,
	VERDICT_UNREADABLE = 3
} Verdict;

/* ---- keys ---- */

typedef struct VerifyKey
{
	char name[NOTE_ORIGIN_MAX + 1];
	uint8_t public_key[NOTE_PUBLIC_SIZE];
} VerifyKey;

typedef struct VerifyKeys
{
	VerifyKey *keys;
	size_t count;
} VerifyKeys;

/* Adds a verifier key, or those of a file (one a line; # begins a comment).  False: neither; *why says so. */
extern bool keys_add(VerifyKeys *keys, const char *argument, const char **why);

/*
 * Whether a key is among them, under whichever name: a log keeps its key when the
 * database is restored or promoted, and goes on under another name with it.
 */
extern bool keys_hold(const VerifyKeys *keys, const uint8_t public_key[NOTE_PUBLIC_SIZE]);
extern void keys_free(VerifyKeys *keys);

/* ---- what was found ---- */

#define PROBLEM_TEXT_MAX 512
#define PROBLEMS_MAX 20 /* are kept; all are counted */
#define UNPROVEN_MAX 16
#define EPOCHS_MAX 1024 /* of an export: times that the database was restored, upgraded or promoted */

typedef struct Problem
{
	Verdict verdict;
	char file[64];
	char text[PROBLEM_TEXT_MAX];
	bool has_leaf;
	uint64_t leaf; /* index */
	bool has_event;
	int64_t event_id;
	char event_time[LEAF_TIME_SIZE];
	char event_type[64];
} Problem;

typedef struct Epoch
{
	VerifyKey key;
	uint64_t first_leaf;
	bool is_trusted; /* the auditor gave this key */
	bool has_signed; /* a checkpoint of this export */
} Epoch;

/* A partition whose events are not in the export, because they were dropped. */
typedef struct DroppedPartition
{
	int64_t event_id; /* that says so */
	char event_time[LEAF_TIME_SIZE];
	char name[128];
	uint64_t leaves; /* of the export */
} DroppedPartition;

typedef struct Report
{
	Verdict verdict;
	Problem problems[PROBLEMS_MAX];
	uint64_t problem_count;
	char unproven[UNPROVEN_MAX][PROBLEM_TEXT_MAX];
	int unproven_count;
	uint64_t first_leaf;
	uint64_t leaves;
	uint64_t rows; /* of an archive */
	uint64_t checkpoints;
	uint64_t witnesses; /* notes the auditor kept that lie on this tree */
	Epoch *epochs;
	size_t epoch_count;
	DroppedPartition *dropped;
	size_t dropped_count;
	bool has_newest;
	Checkpoint newest;
	bool has_times;
	char first_time[LEAF_TIME_SIZE]; /* recorded_at of the first and the last leaf */
	char last_time[LEAF_TIME_SIZE];
} Report;

extern void report_free(Report *report);

/* ---- the checks ---- */

typedef struct VerifyOptions
{
	const char *folder;
	VerifyKeys keys;
	ArchiveKeys archive_keys;
	const char *witness;                                          /* a file of notes; NULL: none */
	FILE *events;                                                 /* every event as a line of JSON; NULL: none */
	void (*progress)(void *argument, uint64_t done, uint64_t of); /* every so many leaves; NULL: none */
	void *progress_argument;
} VerifyOptions;

/* Checks an export.  The report begins with all zero. */
extern void verify_export(const VerifyOptions *options, Report *report);

/* Checks an archive by the name of its file, beside which its manifest lies; options hold keys and where events go. */
extern void verify_archive(const char *file, const VerifyOptions *options, Report *report);

/*
 * Checks that a leaf (bytes, or text as bytea prints) is in the tree of a
 * checkpoint, by a proof as JSON of inclusion_proof().
 */
extern void verify_leaf(const char *leaf_file, const char *proof_file, const char *checkpoint_file,
						const VerifyKeys *keys, Report *report);

/* Checks that the tree of a checkpoint begins with that of an older one, by a proof as JSON of consistency_proof(). */
extern void verify_growth(const char *old_file, const char *proof_file, const char *checkpoint_file,
						  const VerifyKeys *keys, Report *report);

#endif /* TWIN_VERIFY_H */

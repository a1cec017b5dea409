/*
 * dropped.c
 *		Leaves without bytes that went with a partition: each lies in a set whose
 *		digest stands in an event of the log, which is a leaf itself, behind all of the
 *		set's; in the export, or proven by a checkpoint that comes after it.
 */
#include "verify/check.h"

#include "common/dropped.h"
#include "common/leafset.h"
#include "common/strictjson.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DROPPED_FILE_MAX ((size_t) 8 << 30) /* sets are about a byte or two for an event at most */
#define DROPPED_SETS_MAX 100000
#define DROP_TYPE "partition_dropped"

typedef struct DroppedSet
{
	LeafSetReader reader;
	uint64_t run; /* that is looked at, up to before end */
	uint64_t end;
	uint64_t event_leaf;
	MerkleHash event;
	bool is_seen; /* the event, or it is proven */
	DroppedPartition partition;
} DroppedSet;

struct Dropped
{
	uint8_t *bytes; /* of the file */
	DroppedSet *sets;
	size_t count;
	size_t over;         /* sets before this one end before the leaf that is looked at */
	uint64_t next_event; /* the first leaf behind that one which is an event of a set; UINT64_MAX: none */
};

static void
wrong(Check *check, uint64_t number, const char *what)
{
	(void) report_problem(check->report, VERDICT_TAMPERED, MANIFEST_DROPPED, "set %" PRIu64 " of dropped leaves %s",
						  number, what);
}

/* Whether a member of an event's details is this number. */
static bool
is_number(const json_t *details, const char *name, uint64_t number)
{
	const char *text = strictjson_text(details, name);
	char expected[24];

	(void) snprintf(expected, sizeof(expected), "%" PRIu64, number);
	return text != NULL && strcmp(text, expected) == 0; /* public: numbers of leaves */
}

static bool
is_digest(const json_t *details, Bytes set)
{
	const char *text = strictjson_text(details, "leaf_set_sha256");
	uint8_t digest[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];

	if (text == NULL || digest_sha256(set, digest) != TSEC_OK)
		return false;
	for (int i = 0; i < DIGEST_SIZE; i++)
		(void) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return strcmp(text, hex) == 0; /* public: a digest of a set */
}

/* Whether the event tells of the set; what it is called into the partition. */
static bool
event_tells(const DroppedRecord *record, const LeafSetSummary *summary, DroppedPartition *partition)
{
	Leaf leaf;
	json_t *details = leaf_decode(record->event, &leaf) ? event_details(&leaf, DROP_TYPE) : NULL;
	const char *name = details == NULL ? NULL : strictjson_text(details, "partition");
	bool tells = name != NULL && is_number(details, "first_leaf", summary->first) &&
				 is_number(details, "last_leaf", summary->last) && is_number(details, "leaves", summary->leaves) &&
				 is_digest(details, record->set);

	if (tells)
	{
		partition->event_id = leaf.event_id;
		leaf_time(leaf.recorded_at, partition->event_time);
		(void) snprintf(partition->name, sizeof(partition->name), "%s", name);
		report_make_harmless(partition->name);
	}
	json_decref(details);
	return tells;
}

/* Whether a note is signed by a key of the export or of the auditor. */
static bool
is_signed(const Check *check, Bytes note, Checkpoint *checkpoint)
{
	const VerifyKeys *keys = &check->options->keys;

	for (size_t i = 0; i < check->report->epoch_count; i++)
		if (note_verify(note, check->report->epochs[i].key.public_key, checkpoint))
			return true;
	for (size_t i = 0; i < keys->count; i++)
		if (note_verify(note, keys->keys[i].public_key, checkpoint))
			return true;
	return false;
}

/* Whether an event behind the export's last leaf is proven by a later checkpoint. */
static bool
is_proven_later(const Check *check, const DroppedRecord *record, const MerkleHash *event)
{
	MerkleHash path[MERKLE_PROOF_MAX];
	Checkpoint checkpoint;
	int length = (int) (record->path.length / DIGEST_SIZE);

	for (int i = 0; i < length; i++)
		memcpy(path[i].bytes, record->path.data + (size_t) i * DIGEST_SIZE, DIGEST_SIZE);
	return is_signed(check, record->note, &checkpoint) && chain_is_own_spelling(record->note, &checkpoint) &&
		   record->event_leaf < checkpoint.size &&
		   merkle_inclusion_holds(event, record->event_leaf, checkpoint.size, path, length, &checkpoint.root);
}

/* Takes in one set; what is wrong with it, NULL for nothing. */
static const char *
take_set(const Check *check, const DroppedRecord *record, DroppedSet *set)
{
	uint64_t end = check->head.first_leaf + check->head.leaves;
	const LeafSetSummary *summary = &set->reader.summary;

	if (!leafset_open(record->set, &set->reader) || summary->leaves == 0)
		return "is none";
	if (summary->first >= end || summary->last < check->head.first_leaf)
		return "has no leaf of the export";
	if (merkle_leaf(record->event, &set->event) != TSEC_OK || !event_tells(record, summary, &set->partition))
		return "is not what its event tells of";
	if (record->event_leaf <= summary->last)
		return "comes after its event";
	set->event_leaf = record->event_leaf;
	if (record->event_leaf < end)
		return record->path.length == 0 && record->note.length == 0 ? NULL : "has a proof that it does not need";
	set->is_seen = is_proven_later(check, record, &set->event);
	return set->is_seen ? NULL : "has an event that is not proven to be in the log";
}

static bool
read_sets(Check *check, Bytes rest)
{
	Dropped *dropped = check->dropped;
	DroppedRecord record;
	size_t room = 0;

	if (!dropped_read_header(&rest))
	{
		(void) report_problem(check->report, VERDICT_TAMPERED, MANIFEST_DROPPED,
							  "the file does not begin as one of version 1 does");
		return true;
	}
	while (rest.length > 0)
	{
		DroppedSet *set;
		const char *what;

		if (dropped->count == room)
		{
			DroppedSet *more = realloc(dropped->sets, (2 * room + 16) * sizeof(DroppedSet));

			if (more == NULL)
				return false;
			dropped->sets = more;
			room = 2 * room + 16;
		}
		set = &dropped->sets[dropped->count];
		*set = (DroppedSet){.is_seen = false};
		if (dropped->count == DROPPED_SETS_MAX || !dropped_read_record(&rest, &record))
			what = "is not whole";
		else
			what = take_set(check, &record, set);
		if (what == NULL && dropped->count > 0 &&
			set->reader.summary.first < dropped->sets[dropped->count - 1].reader.summary.first)
			what = "begins before the one before";
		if (what != NULL)
		{
			/* those after it are of no use: the leaves that they speak of are missing */
			wrong(check, dropped->count, what);
			return true;
		}
		dropped->count++;
	}
	return true;
}

/* Looks for the next leaf that is an event of a set, from one on. */
static void
find_event(Dropped *dropped, uint64_t from)
{
	dropped->next_event = UINT64_MAX;
	for (size_t i = 0; i < dropped->count; i++)
		if (dropped->sets[i].event_leaf >= from && dropped->sets[i].event_leaf < dropped->next_event)
			dropped->next_event = dropped->sets[i].event_leaf;
}

bool
dropped_open(Check *check)
{
	uint8_t sha256[DIGEST_SIZE];
	size_t length = 0;

	check->dropped = calloc(1, sizeof(Dropped));
	if (check->dropped != NULL)
		check->dropped->bytes = reader_whole(check->folder, MANIFEST_DROPPED, DROPPED_FILE_MAX, &length, sha256);
	if (check->dropped == NULL || check->dropped->bytes == NULL)
	{
		/* one that is not there is written down already */
		(void) report_problem(check->report, errno == ENOENT ? VERDICT_TAMPERED : VERDICT_UNREADABLE,
							  MANIFEST_DROPPED, "the file is missing or cannot be read");
		return false;
	}
	if (memcmp(sha256, check->dropped_file.sha256, DIGEST_SIZE) != 0) /* public: a digest of a file */
		(void) report_problem(check->report, VERDICT_TAMPERED, MANIFEST_DROPPED,
							  "the file's SHA-256 is not what the manifest says");
	if (read_sets(check, bytes_of(check->dropped->bytes, length)))
	{
		find_event(check->dropped, check->head.first_leaf);
		return true;
	}
	(void) report_problem(check->report, VERDICT_UNREADABLE, MANIFEST_DROPPED, "there is not enough memory");
	return false;
}

/* Moves a set on to the run that may hold a leaf; whether it does. */
static bool
set_holds(DroppedSet *set, uint64_t index)
{
	uint64_t leaves;

	while (set->end <= index && leafset_next(&set->reader, &set->run, &leaves))
		set->end = set->run + leaves;
	return set->end > index && set->run <= index;
}

bool
dropped_holds(Check *check, uint64_t index)
{
	Dropped *dropped = check->dropped;
	DroppedSet *set;

	while (dropped->over < dropped->count && dropped->sets[dropped->over].reader.summary.last < index)
		dropped->over++;
	for (size_t i = dropped->over; i < dropped->count; i++)
	{
		set = &dropped->sets[i];
		if (set->reader.summary.first > index)
			return false;
		if (!set_holds(set, index))
			continue;
		set->partition.leaves++;
		return true;
	}
	return false;
}

void
dropped_leaf(Check *check, uint64_t index, const MerkleHash *hash)
{
	Dropped *dropped = check->dropped;

	if (index != dropped->next_event)
		return;
	find_event(dropped, index + 1);
	for (size_t i = 0; i < dropped->count; i++)
		if (dropped->sets[i].event_leaf == index &&
			memcmp(hash->bytes, dropped->sets[i].event.bytes, DIGEST_SIZE) == 0) /* public: hashes of the log */
			dropped->sets[i].is_seen = true;
}

void
dropped_close(Check *check)
{
	Dropped *dropped = check->dropped;
	Report *report = check->report;

	for (size_t i = 0; i < dropped->count; i++)
		if (!dropped->sets[i].is_seen && check->edge.size > dropped->sets[i].event_leaf)
			wrong(check, i, "has an event that is not the one that was sealed");
	report->dropped = calloc(dropped->count + 1, sizeof(DroppedPartition));
	for (size_t i = 0; report->dropped != NULL && i < dropped->count; i++)
		report->dropped[report->dropped_count++] = dropped->sets[i].partition;
}

void
dropped_free(Check *check)
{
	if (check->dropped == NULL)
		return;
	free(check->dropped->sets);
	free(check->dropped->bytes);
	free(check->dropped);
}

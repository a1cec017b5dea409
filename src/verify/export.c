/*
 * export.c
 *		The leaves of an export, one after another: each is what was sealed, and all
 *		together are the trees that the checkpoints were signed for.
 */
#include "verify/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_EVERY 16384 /* leaves */

static void
write_event(const Check *check, const Leaf *leaf)
{
	FILE *events = check->options->events;
	char some[8192];
	char *json = some;
	size_t length;

	if (events == NULL)
		return;
	length = leaf_json(leaf, some, sizeof(some));
	if (length > sizeof(some))
	{
		json = malloc(length);
		if (json == NULL)
			return;
		(void) leaf_json(leaf, json, length);
	}
	/* the object that leaf_json() writes, with one member more */
	(void) fprintf(events, "{\"leaf_index\":%" PRIu64 ",", check->edge.size);
	(void) fwrite(json + 1, 1, length - 1, events);
	(void) fputc('\n', events);
	if (json != some)
		free(json);
}

static void
note_time(Check *check, const Leaf *leaf, bool is_first)
{
	leaf_time(leaf->recorded_at, is_first ? check->report->first_time : check->report->last_time);
	check->report->has_times = true;
}

/* Looks at an event that is what was sealed. */
static void
look_at_event(Check *check, const ManifestFile *file, uint64_t index, Bytes bytes)
{
	Leaf leaf;

	if (!leaf_decode(bytes, &leaf))
		return;
	if (index == check->head.first_leaf)
		note_time(check, &leaf, true);
	if (index + 1 == check->head.first_leaf + check->head.leaves)
		note_time(check, &leaf, false);
	write_event(check, &leaf);
	gap_leaf(check->report, &leaf);
	if (event_tells_altered(&leaf))
		report_leaf(report_problem(check->report, VERDICT_TAMPERED, file->name,
								   "the heartbeat of leaf %" PRIu64 " says that events before it were changed, "
								   "removed or added before they were sealed",
								   index),
					index, bytes);
}

/* Compares the tree so far with whatever is known of a tree of this size. */
static bool
compare_roots(Check *check)
{
	MerkleHash root;

	if (!chain_wants_root(check) && !witness_wants_root(check))
		return true;
	if (merkle_root(&check->edge, &root) != TSEC_OK)
		return false;
	chain_compare(check, &root);
	witness_compare(check, &root);
	return true;
}

/* Takes in one leaf of a file. */
static bool
add_leaf(Check *check, const ManifestFile *file, const SegmentRecord *record)
{
	uint64_t index = check->edge.size;
	MerkleHash hash;

	dropped_leaf(check, index, &record->hash);
	if (record->leaf.data == NULL && dropped_holds(check, index))
		; /* it went with its partition, as the log itself says */
	else if (record->leaf.data == NULL)
		report_leaf(report_problem(check->report, VERDICT_TAMPERED, file->name,
								   "the event of leaf %" PRIu64 " is missing: it was sealed, and is not in the log",
								   index),
					index, record->leaf);
	else if (merkle_leaf(record->leaf, &hash) != TSEC_OK)
		return false;
	else if (memcmp(hash.bytes, record->hash.bytes, DIGEST_SIZE) != 0) /* public: hashes of the log */
		report_leaf(report_problem(check->report, VERDICT_TAMPERED, file->name,
								   "the event of leaf %" PRIu64 " is not what was sealed", index),
					index, record->leaf);
	else
		look_at_event(check, file, index, record->leaf);
	chain_leaf(check, index, record->leaf);
	return merkle_append(&check->edge, &record->hash, NULL, NULL) == TSEC_OK && compare_roots(check);
}

/* Reads the leaves of a file; false when these cannot be read, and so none after them be proven. */
static bool
add_leaves(Check *check, const ManifestFile *file, const SegmentHeader *expected, Reader *reader)
{
	uint64_t all = check->head.leaves;
	Bytes at_hand = reader_need(reader, SEGMENT_HEADER_SIZE);
	SegmentHeader header;

	if (at_hand.length < SEGMENT_HEADER_SIZE || !segment_read_header(at_hand.data, &header) ||
		header.first != expected->first || header.count != expected->count)
	{
		report_problem(check->report, VERDICT_TAMPERED, file->name,
					   "the file does not begin as that of leaves %" PRIu64 " to %" PRIu64 " does", expected->first,
					   expected->first + expected->count - 1);
		return false;
	}
	reader_take(reader, SEGMENT_HEADER_SIZE);
	for (uint32_t i = 0; i < header.count; i++)
	{
		SegmentRecord record;
		size_t size = SEGMENT_RECORD_SIZE;
		size_t wanted;

		do
		{
			wanted = size;
			at_hand = reader_need(reader, wanted);
			size = segment_read_record(at_hand, &record);
		} while (size > wanted && at_hand.length >= wanted);
		if (size == 0 || at_hand.length < size)
		{
			report_leaf(report_problem(check->report, reader_failed(reader) ? VERDICT_UNREADABLE : VERDICT_TAMPERED,
									   file->name, "leaf %" PRIu64 " is not whole", check->edge.size),
						check->edge.size, bytes_of(NULL, 0));
			return false;
		}
		if (!add_leaf(check, file, &record))
			return false;
		reader_take(reader, size);
		if (check->options->progress != NULL && (check->edge.size - check->head.first_leaf) % PROGRESS_EVERY == 0)
			check->options->progress(check->options->progress_argument, check->edge.size - check->head.first_leaf,
									 all);
	}
	if (reader_need(reader, 1).length > 0)
		report_problem(check->report, VERDICT_TAMPERED, file->name, "bytes follow the last leaf");
	return true;
}

static void
check_leaves(Check *check)
{
	uint64_t segments = manifest_segments(&check->head);
	bool is_readable;

	check->edge = check->head.left;
	is_readable = compare_roots(check);
	for (uint64_t number = 0; number < segments; number++)
	{
		SegmentHeader expected;
		ManifestFile file;
		Reader *reader;

		folder_next(check, number, &file);
		manifest_file_name(&check->head, number, file.name, &expected);
		reader = folder_read(check, &file);
		is_readable = is_readable && reader != NULL && add_leaves(check, &file, &expected, reader);
		folder_finish(check, &file, reader);
	}
	if (!is_readable)
	{
		if (check->report->problem_count == 0)
			report_problem(check->report, VERDICT_UNREADABLE, "", "the check broke off at leaf %" PRIu64,
						   check->edge.size);
		check->is_broken = true;
	}
}

void
verify_export(const VerifyOptions *options, Report *report)
{
	Check *check = calloc(1, sizeof(Check));

	if (check == NULL)
	{
		report_problem(report, VERDICT_UNREADABLE, "", "there is not enough memory");
		return;
	}
	check->options = options;
	check->report = report;
	check->folder = -1;
	if (options->keys.count == 0)
		report_unproven(report,
						"no key was given (--key): that these are the log's own signatures; they only fit the "
						"keys that lie in the export");
	if (folder_open(check) && chain_open(check))
	{
		/* the witness speaks of epochs, so these are known first */
		if (dropped_open(check) && (witness_open(check) || report->verdict != VERDICT_UNREADABLE))
		{
			check_leaves(check);
			chain_close(check);
			dropped_close(check);
			if (!check->is_broken || check->edge.size == check->head.first_leaf + check->head.leaves)
				witness_close(check);
		}
		else
			reader_close(check->notes);
	}
	/* nothing holds that was not looked at to its end */
	if (report->verdict == VERDICT_HOLDS &&
		(!report->has_newest || check->proven != check->head.first_leaf + check->head.leaves ||
		 report->newest.size != check->proven || check->edge.size != check->proven))
		report_problem(report, VERDICT_UNREADABLE, "", "the check did not come to its end");
	dropped_free(check);
	free(check->witnesses);
	free(check->manifest);
	if (check->folder >= 0)
		(void) close(check->folder);
	free(check);
}

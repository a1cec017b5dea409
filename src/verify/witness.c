/*
 * witness.c
 *		The notes that an auditor kept: each says what the log was when he saw it,
 *		so the tree must have been that, and cannot have become smaller.
 */
#include "verify/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int
by_size(const void *a, const void *b)
{
	const Checkpoint *first = a;
	const Checkpoint *second = b;

	return first->size < second->size ? -1 : first->size > second->size;
}

/* A note whose log's key is known carries a signature of that key. */
static void
check_signature(Check *check, Bytes note, const Checkpoint *witness)
{
	const Report *report = check->report;
	Checkpoint again;
	bool is_known = false;

	for (size_t i = 0; i < report->epoch_count; i++)
	{
		if (strcmp(report->epochs[i].key.name, witness->origin) != 0)
			continue;
		is_known = true;
		if (note_verify(note, report->epochs[i].key.public_key, &again))
			return;
	}
	if (is_known)
		report_problem(check->report, VERDICT_TAMPERED, "",
					   "your note of size %" PRIu64 " is not signed by the key of this export's epoch of its name",
					   witness->size);
}

bool
witness_open(Check *check)
{
	uint8_t sha256[DIGEST_SIZE];
	size_t length;
	size_t room = 0;
	uint8_t *text;
	Bytes rest;
	Bytes note = {NULL, 0};

	if (check->options->witness == NULL)
	{
		report_unproven(check->report, "no note that was kept outside was given (--witness): that this is the log's "
									   "newest state, and the one that others were shown");
		return true;
	}
	text = reader_whole(AT_FDCWD, check->options->witness, WITNESS_FILE_MAX, &length, sha256);
	if (text == NULL)
	{
		report_problem(check->report, VERDICT_UNREADABLE, "", "the witness file cannot be read: %s", strerror(errno));
		return false;
	}
	rest = bytes_of(text, length);
	while (note_take(&rest, &note))
	{
		Checkpoint witness;

		if (!note_read(note, &witness))
			break;
		if (check->witness_count == room)
		{
			Checkpoint *larger = realloc(check->witnesses, (room = room * 2 + 16) * sizeof(Checkpoint));

			if (larger == NULL)
				break;
			check->witnesses = larger;
		}
		check_signature(check, note, &witness);
		check->witnesses[check->witness_count++] = witness;
		note = bytes_of(NULL, 0);
	}
	if (rest.length > 0 || check->witness_count == 0 || note.data != NULL)
		report_problem(check->report, VERDICT_UNREADABLE, "",
					   "the witness file holds something other than signed checkpoints after note %zu",
					   check->witness_count);
	free(text);
	if (check->witness_count > 0)
		qsort(check->witnesses, check->witness_count, sizeof(Checkpoint), by_size);
	return check->witness_count > 0;
}

bool
witness_wants_root(const Check *check)
{
	return check->witness_next < check->witness_count &&
		   check->witnesses[check->witness_next].size <= check->edge.size;
}

void
witness_compare(Check *check, const MerkleHash *root)
{
	for (; witness_wants_root(check); check->witness_next++)
	{
		const Checkpoint *witness = &check->witnesses[check->witness_next];

		if (witness->size < check->edge.size)
			report_unproven(check->report,
							"your note of size %" PRIu64
							" is of a tree before this export's first leaf: that the log "
							"was that",
							witness->size);
		else if (memcmp(witness->root.bytes, root->bytes, DIGEST_SIZE) != 0) /* public: roots */
			report_problem(check->report, VERDICT_TAMPERED, "",
						   "the first %" PRIu64 " leaves are not those that your note of this size was signed for "
						   "(%s): the log was rewritten, or forked",
						   witness->size, witness->origin);
		else
		{
			check->report->witnesses++;
			check->witness_size = witness->size;
		}
	}
}

void
witness_close(Check *check)
{
	if (check->witness_next < check->witness_count)
	{
		const Checkpoint *newest = &check->witnesses[check->witness_count - 1];

		report_problem(check->report, VERDICT_TAMPERED, "",
					   "the export ends at leaf %" PRIu64 ", but your note says that the log had %" PRIu64
					   " leaves (%s): its tail was cut, or it was rolled back",
					   check->edge.size, newest->size, newest->origin);
	}
	else if (check->witness_count > 0 && check->report->witnesses == 0 && check->report->problem_count == 0)
		report_problem(check->report, VERDICT_TAMPERED, "",
					   "none of your notes is of a size within this export: nothing ties it to what you saw; export "
					   "from leaf %" PRIu64 " or before",
					   check->witnesses[check->witness_count - 1].size);
	free(check->witnesses);
	check->witnesses = NULL;
}

/*
 * chain.c
 *		The checkpoints of an export, in order, each signed in the name of its epoch,
 *		and the epochs, each of which begins with the last checkpoint of the one before.
 */
#include "verify/check.h"

#include "common/encode.h"
#include "common/strictjson.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_TYPE "audit_epoch" /* of the event that begins one */
#define SIGNATURE_LINE_END 93    /* base64 of a key id and a signature, and the line end */

/* Reads "FIRST_LEAF VERIFIER_KEY" of keys.txt. */
static bool
read_epoch(Bytes line, Epoch *epoch)
{
	size_t digits = 0;

	epoch->first_leaf = 0;
	while (digits < line.length && digits < 19 && line.data[digits] >= '0' && line.data[digits] <= '9')
		epoch->first_leaf = epoch->first_leaf * 10 + (uint64_t) (line.data[digits++] - '0');
	return digits > 0 && digits < line.length && line.data[digits] == ' ' && (line.data[0] != '0' || digits == 1) &&
		   note_read_key(bytes_of(line.data + digits + 1, line.length - digits - 1), epoch->key.name,
						 epoch->key.public_key);
}

/* Whether an epoch follows those before it: later, and in a name of its own. */
static bool
epoch_follows(const Check *check, const Epoch *epoch)
{
	const Report *report = check->report;

	if (report->epoch_count == 0)
		return epoch->first_leaf == check->head.first_leaf;
	for (size_t i = 0; i < report->epoch_count; i++)
		if (strcmp(report->epochs[i].key.name, epoch->key.name) == 0)
			return false;
	/* the first is said to begin where the export does, and may sign no more than what lay before that */
	return (epoch->first_leaf > report->epochs[report->epoch_count - 1].first_leaf ||
			(report->epoch_count == 1 && epoch->first_leaf == check->head.first_leaf)) &&
		   epoch->first_leaf < check->head.first_leaf + check->head.leaves;
}

static void
trust(Check *check, Epoch *epoch)
{
	const VerifyKeys *keys = &check->options->keys;

	epoch->is_trusted = keys_hold(keys, epoch->key.public_key);
	if (keys->count > 0 && !epoch->is_trusted)
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_KEYS,
					   "from leaf %" PRIu64 " on the log is signed as \"%s\" with a key that you did not give",
					   epoch->first_leaf, epoch->key.name);
}

static bool
read_epochs(Check *check)
{
	uint8_t sha256[DIGEST_SIZE];
	size_t length;
	uint8_t *text = reader_whole(check->folder, MANIFEST_KEYS, KEYS_FILE_MAX, &length, sha256);
	uint8_t *at = text;
	const uint8_t *end;
	bool good = true;

	if (text == NULL)
	{
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_KEYS, "the file is missing or cannot be read");
		return false;
	}
	check->report->epochs = calloc(EPOCHS_MAX, sizeof(Epoch));
	while (check->report->epochs != NULL && good && (size_t) (at - text) < length)
	{
		Epoch epoch = {.first_leaf = 0};

		end = memchr(at, '\n', length - (size_t) (at - text));
		good = end != NULL && check->report->epoch_count < EPOCHS_MAX &&
			   read_epoch(bytes_of(at, (size_t) (end - at)), &epoch) && epoch_follows(check, &epoch);
		if (!good)
			break;
		trust(check, &epoch);
		check->report->epochs[check->report->epoch_count++] = epoch;
		at += end - at + 1;
	}
	if (!good || check->report->epoch_count == 0)
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_KEYS,
					   "line %zu is not the first leaf and the verifier key of a following epoch",
					   check->report->epoch_count + 1);
	if (memcmp(sha256, check->keys_file.sha256, DIGEST_SIZE) != 0) /* public: a digest of a file */
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_KEYS,
					   "the file's SHA-256 is not what the manifest says");
	free(text);
	return good && check->report->epoch_count > 0;
}

/* The epoch in whose name a tree of this size is signed. */
static Epoch *
epoch_of(const Check *check, uint64_t size)
{
	Report *report = check->report;
	size_t i = report->epoch_count - 1;

	while (i > 0 && report->epochs[i].first_leaf >= size)
		i--;
	return &report->epochs[i];
}

bool
chain_is_own_spelling(Bytes note, const Checkpoint *checkpoint)
{
	char root[45];
	char begin[NOTE_SIZE_MAX];
	size_t length;

	encode_base64(checkpoint->root.bytes, DIGEST_SIZE, root);
	root[44] = '\0';
	length = (size_t) snprintf(begin, sizeof(begin), "%s\n%" PRIu64 "\n%s\n\n\xe2\x80\x94 %s ", checkpoint->origin,
							   checkpoint->size, root, checkpoint->origin);
	return note.length == length + SIGNATURE_LINE_END &&
		   memcmp(note.data, begin, length) == 0; /* public: a checkpoint */
}

/* Reads the next checkpoint and its signature; what is wrong with it ends the chain. */
static void
advance(Check *check)
{
	uint64_t end = check->head.first_leaf + check->head.leaves;
	uint64_t before = check->report->has_newest ? check->report->newest.size + 1 : check->head.first_leaf;
	Bytes rest = reader_need(check->notes, NOTE_READ_MAX);
	size_t at_hand = rest.length;
	Bytes note;
	Checkpoint *next = &check->next;
	const char *wrong = NULL;
	Epoch *epoch;

	check->has_next = false;
	if (at_hand == 0)
		return;
	if (rest.data[0] == '\n' || !note_take(&rest, &note) || !note_read(note, next) ||
		!chain_is_own_spelling(note, next))
	{
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_CHECKPOINTS,
					   "after checkpoint %" PRIu64 " (size %" PRIu64 ") there is no checkpoint as the log writes it",
					   check->report->checkpoints, check->report->newest.size);
		check->is_broken = true;
		return;
	}
	epoch = epoch_of(check, next->size);
	if (next->size < before)
		wrong = check->report->has_newest ? "is not of a larger tree than the one before"
										  : "is of a tree that ends before the export's first leaf";
	else if (next->size > end)
		wrong = "is of a larger tree than the export's leaves: its tail was cut";
	else if (strcmp(next->origin, epoch->key.name) != 0)
		wrong = "is in another name than its epoch's";
	else if (!note_verify(note, epoch->key.public_key, next))
		wrong = "is not signed by the key of its epoch";
	if (wrong != NULL)
	{
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_CHECKPOINTS, "the checkpoint of size %" PRIu64 " %s",
					   next->size, wrong);
		check->is_broken = true;
		return;
	}
	memcpy(check->next_note, note.data, note.length);
	check->next_note[note.length] = '\0';
	reader_take(check->notes, at_hand - rest.length);
	epoch->has_signed = true;
	check->report->has_newest = true;
	check->report->newest = *next;
	check->has_next = true;
}

bool
chain_open(Check *check)
{
	if (!read_epochs(check))
		return false;
	check->notes = folder_read(check, &check->checkpoints_file);
	if (check->notes == NULL)
		return false;
	check->proven = check->head.first_leaf;
	advance(check);
	return true;
}

bool
chain_wants_root(const Check *check)
{
	return check->has_next && check->next.size == check->edge.size;
}

void
chain_compare(Check *check, const MerkleHash *root)
{
	if (!chain_wants_root(check))
		return;
	if (memcmp(root->bytes, check->next.root.bytes, DIGEST_SIZE) == 0) /* public: roots */
	{
		check->proven = check->next.size;
		check->report->checkpoints++;
		memcpy(check->last_note, check->next_note, sizeof(check->last_note));
		advance(check);
		return;
	}
	if (check->proven == check->head.first_leaf)
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_CHECKPOINTS,
					   "what is sealed up to leaf %" PRIu64 " is not what the checkpoint of size %" PRIu64
					   " was signed for",
					   check->next.size - 1, check->next.size);
	else
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_CHECKPOINTS,
					   "what is sealed in leaves %" PRIu64 " to %" PRIu64
					   " is not what the checkpoint of size %" PRIu64 " was signed for (that of size %" PRIu64
					   " holds)",
					   check->proven, check->next.size - 1, check->next.size, check->proven);
	check->is_broken = true;
	check->has_next = false;
}

void
chain_leaf(Check *check, uint64_t index, Bytes bytes)
{
	const Report *report = check->report;
	const char *held = NULL;
	json_t *details = NULL;
	size_t size;
	Leaf leaf;

	if (check->last_note[0] == '\0' || epoch_of(check, index + 1)->first_leaf != index ||
		epoch_of(check, index + 1) == &report->epochs[0])
		return;
	if (bytes.data != NULL && leaf_decode(bytes, &leaf))
		details = event_details(&leaf, EPOCH_TYPE);
	if (details != NULL)
		held = strictjson_text(details, "checkpoint");
	/* what is signed; the signature stands by itself there */
	size = (size_t) (strstr(check->last_note, "\n\n") + 2 - check->last_note);
	if (held == NULL || strncmp(held, check->last_note, size) != 0) /* public: a checkpoint */
		report_leaf(report_problem(check->report, VERDICT_TAMPERED, MANIFEST_KEYS,
								   "the epoch \"%s\" does not begin with the last checkpoint of the one before",
								   epoch_of(check, index + 1)->key.name),
					index, bytes);
	json_decref(details);
}

void
chain_close(Check *check)
{
	uint64_t end = check->head.first_leaf + check->head.leaves;
	bool is_used = true;

	if (!check->is_broken && check->edge.size == end &&
		(!check->report->has_newest || check->report->newest.size != end))
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_CHECKPOINTS,
					   "no checkpoint covers leaves %" PRIu64 " to %" PRIu64, check->proven, end - 1);
	/* each epoch signed something here, or would not be listed */
	for (size_t i = 0; !check->is_broken && i < check->report->epoch_count; i++)
		is_used = is_used && check->report->epochs[i].has_signed;
	if (!is_used)
		report_problem(check->report, VERDICT_TAMPERED, MANIFEST_KEYS, "an epoch is listed that signed nothing");
	folder_finish(check, &check->checkpoints_file, check->notes);
}

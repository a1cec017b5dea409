/*
 * proof.c
 *		Single proofs, for those who hold no export: that an event is in the log, and
 *		that the log only grew, by what inclusion_proof() and consistency_proof() print.
 */
#include "verify/reader.h"
#include "verify/report.h"

#include "common/strictjson.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LEAF_FILE_MAX ((size_t) 1 << 30)
#define PROOF_FILE_MAX ((size_t) 1 << 16)
#define PROOF_VALUES_MAX 256
#define WRAPPED "{\"path\":"

typedef struct Proof
{
	uint64_t index;
	uint64_t size;
	MerkleHash path[MERKLE_PROOF_MAX];
	int length;
} Proof;

static uint8_t *
read_file(const char *name, size_t limit, Report *report, size_t *length)
{
	uint8_t sha256[DIGEST_SIZE];
	uint8_t *text = reader_whole(AT_FDCWD, name, limit, length, sha256);

	if (text == NULL)
		report_problem(report, VERDICT_UNREADABLE, name, "the file cannot be read: %s", strerror(errno));
	return text;
}

static int
hex_value(char digit)
{
	const char *digits = "0123456789abcdef";
	const char *found = digit != '\0' ? strchr(digits, digit) : NULL;

	return found != NULL ? (int) (found - digits) : -1;
}

/* Reads bytes as bytea prints them, "\x" and hexadecimal digits, over themselves or elsewhere. */
static bool
read_hex(const char *text, size_t length, uint8_t *to)
{
	if (length < 2 || length % 2 != 0 || text[0] != '\\' || text[1] != 'x')
		return false;
	for (size_t i = 2; i < length; i += 2)
	{
		int high = hex_value(text[i]);
		int low = hex_value(text[i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i / 2 - 1] = (uint8_t) (high << 4 | low);
	}
	return true;
}

static bool
read_number(const json_t *object, const char *name, uint64_t *number)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*number = (uint64_t) json_integer_value(value);
	return true;
}

static bool
read_path(const json_t *array, Proof *proof)
{
	if (!json_is_array(array) || json_array_size(array) > MERKLE_PROOF_MAX)
		return false;
	proof->length = (int) json_array_size(array);
	for (int i = 0; i < proof->length; i++)
	{
		const json_t *node = json_array_get(array, (size_t) i);

		if (!json_is_string(node) || json_string_length(node) != 2 + 2 * DIGEST_SIZE ||
			!read_hex(json_string_value(node), json_string_length(node), proof->path[i].bytes))
			return false;
	}
	return true;
}

/* Reads a proof of either kind: an object with path, leaf_index and tree_size, or the path alone. */
static bool
read_proof(const char *name, bool is_inclusion, Proof *proof, Report *report)
{
	size_t length = 0;
	uint8_t *text = read_file(name, PROOF_FILE_MAX, report, &length);
	json_t *object;
	char *wrapped;
	bool good;

	if (text == NULL)
		return false;
	wrapped = malloc(length + sizeof(WRAPPED) + 1);
	if (wrapped == NULL)
	{
		report_problem(report, VERDICT_UNREADABLE, name, "there is not enough memory");
		free(text);
		return false;
	}
	/* an array becomes a member: the strict reader takes objects */
	(void) sprintf(wrapped, "%s", is_inclusion ? "" : WRAPPED);
	memcpy(wrapped + strlen(wrapped), text, length + 1);
	length += is_inclusion ? 0 : sizeof(WRAPPED) - 1;
	if (!is_inclusion)
		wrapped[length++] = '}';
	object = strictjson_object(wrapped, length, 4, PROOF_VALUES_MAX);
	good = object != NULL && read_path(json_object_get(object, "path"), proof) &&
		   (!is_inclusion ||
			(read_number(object, "leaf_index", &proof->index) && read_number(object, "tree_size", &proof->size)));
	json_decref(object);
	free(wrapped);
	free(text);
	if (!good)
		report_problem(report, VERDICT_UNREADABLE, name, "this is not a proof as %s prints it as JSON",
					   is_inclusion ? "twin.inclusion_proof()" : "twin.consistency_proof()");
	return good;
}

/* Reads a checkpoint and looks at its signature as far as a key is there. */
static bool
read_checkpoint(const char *name, const VerifyKeys *keys, Checkpoint *checkpoint, Report *report)
{
	size_t length = 0;
	uint8_t *text = read_file(name, NOTE_READ_MAX, report, &length);
	Bytes rest = bytes_of(text, length);
	Bytes note;
	bool is_signed = false;

	if (text == NULL)
		return false;
	/* what prints it may end with a line more */
	if (!note_take(&rest, &note) || !note_read(note, checkpoint) || note_take(&rest, &note) || rest.length > 0)
	{
		report_problem(report, VERDICT_UNREADABLE, name, "this is not one signed checkpoint");
		free(text);
		return false;
	}
	for (size_t i = 0; i < keys->count; i++)
		is_signed = is_signed || note_verify(note, keys->keys[i].public_key, checkpoint);
	if (keys->count == 0)
		report_unproven(report, "no key was given (--key): that the checkpoint of size %" PRIu64 " is the log's",
						checkpoint->size);
	else if (!is_signed)
		report_problem(report, VERDICT_TAMPERED, name,
					   "the checkpoint of size %" PRIu64 " is not signed by a key that you gave", checkpoint->size);
	free(text);
	return true;
}

void
verify_leaf(const char *leaf_file, const char *proof_file, const char *checkpoint_file, const VerifyKeys *keys,
			Report *report)
{
	Proof proof = {.length = 0};
	Checkpoint checkpoint;
	MerkleHash hash;
	size_t length;
	uint8_t *leaf = read_file(leaf_file, LEAF_FILE_MAX, report, &length);

	if (leaf != NULL && read_proof(proof_file, true, &proof, report) &&
		read_checkpoint(checkpoint_file, keys, &checkpoint, report))
	{
		Bytes bytes = bytes_of(leaf, length);

		/* the form of a leaf does not begin with a backslash */
		if (length > 0 && leaf[0] == '\\')
		{
			while (length > 0 && (leaf[length - 1] == '\n' || leaf[length - 1] == '\r'))
				length--;
			if (read_hex((const char *) leaf, length, leaf))
				bytes = bytes_of(leaf, length / 2 - 1);
		}
		report->first_leaf = proof.index;
		report->leaves = 1;
		report->has_newest = true;
		report->newest = checkpoint;
		if (proof.size != checkpoint.size)
			report_problem(report, VERDICT_TAMPERED, proof_file,
						   "the proof is for a tree of %" PRIu64 " leaves, the checkpoint of one of %" PRIu64,
						   proof.size, checkpoint.size);
		else if (merkle_leaf(bytes, &hash) != TSEC_OK ||
				 !merkle_inclusion_holds(&hash, proof.index, proof.size, proof.path, proof.length, &checkpoint.root))
			report_leaf(report_problem(report, VERDICT_TAMPERED, leaf_file,
									   "this event is not leaf %" PRIu64 " of the checkpoint's tree", proof.index),
						proof.index, bytes);
	}
	free(leaf);
}

void
verify_growth(const char *old_file, const char *proof_file, const char *checkpoint_file, const VerifyKeys *keys,
			  Report *report)
{
	Proof proof = {.length = 0};
	Checkpoint old;
	Checkpoint checkpoint;

	if (!read_checkpoint(old_file, keys, &old, report) ||
		!read_checkpoint(checkpoint_file, keys, &checkpoint, report) ||
		!read_proof(proof_file, false, &proof, report))
		return;
	report->has_newest = true;
	report->newest = checkpoint;
	if (!merkle_consistency_holds(old.size, checkpoint.size, proof.path, proof.length, &old.root, &checkpoint.root))
		report_problem(report, VERDICT_TAMPERED, proof_file,
					   "the log of %" PRIu64 " leaves does not begin with that of %" PRIu64
					   ", or the proof is not for these two",
					   checkpoint.size, old.size);
}

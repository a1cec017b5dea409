/*
 * note_fuzz.c
 *		Notes and verifier keys of strangers.
 *
 * The parts of a note lie inside of it; a checkpoint that is read signs and
 * verifies again with the same content; a key has one spelling.
 */
#define FUZZ_LENGTH_MAX 2048
#include "fuzz.h"

#include "common/note.h"

static void
check_key(Bytes text)
{
	char name[NOTE_ORIGIN_MAX + 1];
	char again[NOTE_KEY_SIZE_MAX];
	uint8_t public_key[NOTE_PUBLIC_SIZE];

	if (!note_read_key(text, name, public_key))
		return;
	MUST(note_write_key(name, public_key, again) == TSEC_OK);
	MUST(strlen(again) == text.length && memcmp(again, text.data, text.length) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[NOTE_SEED_SIZE] = {7};
	uint8_t *exact = fuzz_copy(data, size);
	Bytes note = bytes_of(exact, size);
	Bytes text;
	Bytes signatures;
	Checkpoint checkpoint;
	Checkpoint again;
	uint8_t public_key[NOTE_PUBLIC_SIZE];

	MUST(note_public_key(seed, public_key) == TSEC_OK);
	if (note_split(note, &text, &signatures))
	{
		MUST(text.data == exact && text.length > 0 && text.length <= size && exact[text.length - 1] == '\n');
		MUST(signatures.length == 0 || signatures.data + signatures.length == exact + size);
		(void) note_signed_by(text, signatures, "a", public_key);
	}
	(void) note_verify(note, public_key, &checkpoint);
	if (note_read(note, &checkpoint))
	{
		char written[NOTE_SIZE_MAX];

		MUST(note_name_valid(checkpoint.origin));
		MUST(note_sign(&checkpoint, seed, written) == TSEC_OK);
		MUST(note_verify(bytes_of(written, strlen(written)), public_key, &again));
		MUST(strcmp(again.origin, checkpoint.origin) == 0 && again.size == checkpoint.size);
		MUST(memcmp(&again.root, &checkpoint.root, sizeof(again.root)) == 0);
		/* the text is spelled as it was, but for lines that others added */
		MUST(memcmp(written, exact, strlen(checkpoint.origin) + 1) == 0);
	}
	check_key(note);
	free(exact);
	return 0;
}

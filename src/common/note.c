/*
 * note.c
 *		Checkpoints as text: what is signed, and its reading.  Keys and signatures
 *		are note_key.c.
 *
 * Whatever is read here comes from files and tables that others may have
 * written: every form has one spelling, and every length is bounded.
 */
#include "note.h"

#include "encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROOT_TEXT 44 /* base64 of 32 bytes */
#define SIGNATURE_MARK "\xe2\x80\x94 "
#define SIGNATURE_MARK_SIZE 4

/* Takes the next line off a text, without its line end; false when there is no whole line. */
static bool
take_line(Bytes *text, Bytes *line)
{
	const uint8_t *end = text->length > 0 ? memchr(text->data, '\n', text->length) : NULL;

	if (end == NULL)
		return false;
	*line = bytes_of(text->data, (size_t) (end - text->data));
	*text = bytes_of(end + 1, text->length - line->length - 1);
	return true;
}

/* Whether a line could be one of a signature: the mark, a name, base64 of more than a key id. */
static bool
is_signature(Bytes line)
{
	const uint8_t *blank;
	size_t name;
	size_t rest;

	if (line.length <= SIGNATURE_MARK_SIZE ||
		memcmp(line.data, SIGNATURE_MARK, SIGNATURE_MARK_SIZE) != 0) /* public: a mark */
		return false;
	line = bytes_of(line.data + SIGNATURE_MARK_SIZE, line.length - SIGNATURE_MARK_SIZE);
	blank = memchr(line.data, ' ', line.length);
	if (blank == NULL)
		return false;
	name = (size_t) (blank - line.data);
	rest = line.length - name - 1;
	return name > 0 && memchr(line.data, '+', name) == NULL && rest > 6 && memchr(blank + 1, ' ', rest) == NULL;
}

bool
note_split(Bytes note, Bytes *text, Bytes *signatures)
{
	Bytes rest = note;
	Bytes line;
	int count = 0;

	if (note.length == 0 || note.length > NOTE_READ_MAX)
		return false;
	for (size_t i = 0; i < note.length; i++)
		if ((note.data[i] < ' ' && note.data[i] != '\n') || note.data[i] == 0x7f)
			return false;
	*signatures = bytes_of(NULL, 0);
	while (rest.length > 0)
	{
		if (!take_line(&rest, &line))
			return false;
		if (line.length > 0)
			continue;
		/* the first empty line ends the text; what follows is signatures and nothing else */
		*text = bytes_of(note.data, (size_t) (line.data - note.data));
		*signatures = rest;
		while (rest.length > 0)
			if (!take_line(&rest, &line) || !is_signature(line) || ++count > NOTE_SIGNATURES_MAX)
				return false;
		return text->length > 0 && count > 0;
	}
	*text = note;
	return true;
}

bool
note_take(Bytes *notes, Bytes *note)
{
	Bytes rest;
	Bytes line;
	bool in_signatures = false;

	while (notes->length > 0 && notes->data[0] == '\n')
		*notes = bytes_of(notes->data + 1, notes->length - 1);
	rest = *notes;
	for (;;)
	{
		Bytes before = rest;

		if (!take_line(&rest, &line))
			line = bytes_of(NULL, 0); /* the end, or a line that is not whole: neither is of a note */
		if (in_signatures && !is_signature(line))
		{
			*note = bytes_of(notes->data, (size_t) (before.data - notes->data));
			*notes = before;
			return note->length <= NOTE_READ_MAX;
		}
		if (before.length == rest.length || (size_t) (rest.data - notes->data) > NOTE_READ_MAX)
			return false;
		if (!in_signatures && line.length == 0)
			in_signatures = true;
	}
}

/* Reads a decimal number of its one spelling. */
static bool
read_size(Bytes line, uint64_t *size)
{
	*size = 0;
	if (line.length == 0 || (line.data[0] == '0' && line.length > 1))
		return false;
	for (size_t i = 0; i < line.length; i++)
	{
		unsigned digit = (unsigned) line.data[i] - '0';

		if (digit > 9 || *size > ((uint64_t) MERKLE_SIZE_MAX - digit) / 10)
			return false;
		*size = *size * 10 + digit;
	}
	return true;
}

static bool
read_root(Bytes line, MerkleHash *root)
{
	uint8_t bytes[ROOT_TEXT / 4 * 3 + 3];
	size_t length;

	if (line.length != ROOT_TEXT || decode_base64((const char *) line.data, line.length, bytes, &length) != TSEC_OK ||
		length != DIGEST_SIZE)
		return false;
	memcpy(root->bytes, bytes, DIGEST_SIZE);
	return true;
}

/* Reads the signed text of a checkpoint; lines after the root are others' extensions. */
static bool
read_checkpoint(Bytes text, Checkpoint *checkpoint)
{
	Bytes line;

	if (!take_line(&text, &line) || line.length > NOTE_ORIGIN_MAX)
		return false;
	memcpy(checkpoint->origin, line.data, line.length);
	checkpoint->origin[line.length] = '\0';
	return note_name_valid(checkpoint->origin) && take_line(&text, &line) && read_size(line, &checkpoint->size) &&
		   take_line(&text, &line) && read_root(line, &checkpoint->root);
}

bool
note_read(Bytes note, Checkpoint *checkpoint)
{
	Bytes text;
	Bytes signatures;

	return note_split(note, &text, &signatures) && read_checkpoint(text, checkpoint);
}

bool
note_verify(Bytes note, const uint8_t public_key[NOTE_PUBLIC_SIZE], Checkpoint *checkpoint)
{
	Bytes text;
	Bytes signatures;

	return note_split(note, &text, &signatures) && read_checkpoint(text, checkpoint) &&
		   note_signed_by(text, signatures, checkpoint->origin, public_key);
}

Status
note_sign(const Checkpoint *checkpoint, const uint8_t seed[NOTE_SEED_SIZE], char text[NOTE_SIZE_MAX])
{
	char root[ROOT_TEXT + 1];
	char line[NOTE_KEY_SIZE_MAX];
	int length;
	Status status;

	if (!note_name_valid(checkpoint->origin))
		return TSEC_ORIGIN_INVALID;
	encode_base64(checkpoint->root.bytes, DIGEST_SIZE, root);
	root[ROOT_TEXT] = '\0';
	length = snprintf(text, NOTE_SIZE_MAX, "%s\n%" PRIu64 "\n%s\n", checkpoint->origin, checkpoint->size, root);
	status = note_sign_text(bytes_of(text, (size_t) length), checkpoint->origin, seed, line);
	if (status != TSEC_OK)
	{
		text[0] = '\0';
		return status;
	}
	(void) snprintf(text + length, NOTE_SIZE_MAX - (size_t) length, "\n%s", line);
	return TSEC_OK;
}

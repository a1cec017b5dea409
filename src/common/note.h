/*
 * note.h
 *		Checkpoints as signed notes (C2SP signed-note and tlog-checkpoint), with
 *		Ed25519: what the log says of itself, for others to keep.
 *
 *		twin_security/audit/plant/5f0c...      origin: which log
 *		1234                                   size
 *		base64(root)
 *
 *		— NAME base64(key id 4 bytes, signature 64 bytes)
 *
 * The name of the key is the origin.  Verifier keys are written
 * NAME+hex(key id)+base64(0x01 and the public key).
 */
#ifndef TSEC_NOTE_H
#define TSEC_NOTE_H

#include "merkle.h"

#define NOTE_SEED_SIZE 32 /* of an Ed25519 key (RFC 8032): the secret */
#define NOTE_PUBLIC_SIZE 32
#define NOTE_ORIGIN_MAX 255    /* printable ASCII, without blank and "+" */
#define NOTE_SIZE_MAX 1024     /* of a checkpoint that note_sign() writes, with its final zero */
#define NOTE_READ_MAX 16384    /* bytes of a note that is read: others may have added lines and signatures */
#define NOTE_SIGNATURES_MAX 64 /* of a note that is read */
#define NOTE_KEY_SIZE_MAX 384

typedef struct Checkpoint
{
	char origin[NOTE_ORIGIN_MAX + 1];
	uint64_t size;
	MerkleHash root;
} Checkpoint;

/* Whether a log, or a key, can have this name. */
extern bool note_name_valid(const char *name);

/* Makes a key; the seed is a secret. */
extern Status note_make_key(uint8_t seed[NOTE_SEED_SIZE], uint8_t public_key[NOTE_PUBLIC_SIZE]);

/* The public key that belongs to a seed. */
extern Status note_public_key(const uint8_t seed[NOTE_SEED_SIZE], uint8_t public_key[NOTE_PUBLIC_SIZE]);

/* The verifier key of a name, as text.  TSEC_ORIGIN_INVALID: not a name. */
extern Status note_write_key(const char *name, const uint8_t public_key[NOTE_PUBLIC_SIZE],
							 char text[NOTE_KEY_SIZE_MAX]);

/* Reads one; false when it is not well formed or its key id is not its own. */
extern bool note_read_key(Bytes text, char name[NOTE_ORIGIN_MAX + 1], uint8_t public_key[NOTE_PUBLIC_SIZE]);

/* Writes a checkpoint, signed in the name of its origin.  TSEC_ORIGIN_INVALID: that is no name. */
extern Status note_sign(const Checkpoint *checkpoint, const uint8_t seed[NOTE_SEED_SIZE], char text[NOTE_SIZE_MAX]);

/* Reads a checkpoint, of any signature or none; false when it is not well formed. */
extern bool note_read(Bytes text, Checkpoint *checkpoint);

/* Reads a checkpoint that holds a good signature by this key; other signatures are passed over. */
extern bool note_verify(Bytes text, const uint8_t public_key[NOTE_PUBLIC_SIZE], Checkpoint *checkpoint);

/* Right after one was refused: whether there was no memory to verify it, which says nothing of it.  Asked once. */
extern bool note_ran_out(void);

/* ---- notes of any text, which ends with a line end ---- */

/* Writes the line of a signature, with its line end and a final zero. */
extern Status note_sign_text(Bytes text, const char *name, const uint8_t seed[NOTE_SEED_SIZE],
							 char line[NOTE_KEY_SIZE_MAX]);

/* Takes a note apart: the text that is signed, and the lines of signatures, none if it has none.  False: not a note. */
extern bool note_split(Bytes note, Bytes *text, Bytes *signatures);

/*
 * Takes the first of several notes that stand one after another, with or without
 * empty lines between them; its signatures end it.  False when none is left that
 * is whole: then what is left of notes is not empty, or they are at their end.
 */
extern bool note_take(Bytes *notes, Bytes *note);

/* Whether lines of signatures hold a good one of the text, by this key in this name. */
extern bool note_signed_by(Bytes text, Bytes signatures, const char *name,
						   const uint8_t public_key[NOTE_PUBLIC_SIZE]);

#endif /* TSEC_NOTE_H */

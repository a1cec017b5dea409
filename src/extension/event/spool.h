/*
 * spool.h
 *		What the files of the event part share about events that a standby keeps in
 *		files until its primary's log takes them, or it is promoted.
 *
 * The files lie in a folder of the data folder: DATABASE.STREAM.AFTER, see
 * common/spool.h; "open" behind it while one is being written, "refused" when it
 * is not what it should be.  One that was finished never changes.  Only the
 * spooler writes on a standby; on a primary sessions bring files, and the
 * database's writer takes them in and removes them.
 */
#ifndef TSEC_EVENT_SPOOL_H
#define TSEC_EVENT_SPOOL_H

#include "event/private.h"

#include "common/spool.h"

#define SPOOL_FOLDER "twin_security_spool"

/* A file is finished once it has so many bytes; one record more may be in it. */
#define SPOOL_FILE_FULL (256 * 1024)
#define SPOOL_FILE_MAX (SPOOL_FILE_FULL + SPOOL_ENTRY_MAX + SPOOL_END_SIZE)

/* Any file counts as so many bytes at least of what may wait. */
#define SPOOL_FILE_LEAST 4096

typedef enum SpoolState
{
	SPOOL_FINISHED,
	SPOOL_OPEN,
	SPOOL_REFUSED,
	SPOOL_STATES
} SpoolState;

/* What a file's name says. */
typedef struct SpoolName
{
	Oid database;
	uint8 stream[SPOOL_STREAM_SIZE];
	uint64 after;
	SpoolState state;
} SpoolName;

/* ---- spool_file.c ---- */

extern void spool_path(const SpoolName *name, char path[MAXPGPATH]);
extern SpoolName spool_name_of(const SpoolHeader *header);

/* All files, those of a database and a stream in their order; empty where there is no folder.  Raises where it cannot be read. */
extern List *spool_list(void); /* of SpoolName pointers */

/* Whether one more file of a database may be begun: one whose files nobody carries takes no other's room. */
extern bool spool_has_room(Oid database);

/* Reads a file; false: errno says why not, EFBIG for one that is too long. */
extern bool spool_read_file(const SpoolName *name, Bytes *bytes);

/* Makes the folder unless it is there; false: errno says why not. */
extern bool spool_make_folder(void);

/* Gives a file another state. */
extern bool spool_set_state(const SpoolName *name, SpoolState state);
extern void spool_remove(const SpoolName *name);

/* ---- spool_check.c: whether a file is what a standby of this cluster wrote ---- */

typedef enum SpoolVerdict
{
	SPOOL_IS_WHOLE,
	SPOOL_IS_CUT,     /* its beginning is good, and there is no end */
	SPOOL_IS_CHANGED, /* its beginning is good, what follows is not */
	SPOOL_IS_FOREIGN, /* of another cluster or database */
	SPOOL_IS_UNSIGNED /* with the keys that are at hand it does not even begin */
} SpoolVerdict;

/* Whether a key is at hand at all. */
extern bool spool_has_key(void);
extern HmacKey *spool_writing_key(void); /* NULL: there is none */

/* Opens one whose verdict is wanted; goes on with spool_read(). */
extern SpoolVerdict spool_open_file(Bytes *rest, SpoolHeader *header, SpoolChain *chain);

/* Reads it to its end; *last is the number of its last good event. */
extern SpoolVerdict spool_check(Bytes bytes, SpoolHeader *header, uint64 *last);

extern const char *spool_what(SpoolVerdict verdict);

/* Tells that something is wrong with a file, or with how many events are missing before it. */
extern void spool_tell(const SpoolName *name, const char *reason, uint64 missing);

/* ---- spool_state.c: how far this database's log has taken a stream ---- */

/* The number of the last event taken, 0: none.  Connected to SPI, as the tables' owner. */
extern uint64 spool_taken(const uint8 stream[SPOOL_STREAM_SIZE]);
extern void spool_note_taken(const SpoolHeader *header, uint64 last);

/* ---- spool.c: in the process that writes them ---- */

/* Writes down all that rings hold, which it becomes the reader of; false when that cannot be done now. */
extern bool spool_write_down(void);

/* Finishes every file that is open: from then on it does not change. */
extern void spool_finish_files(void);

/* ---- spooler.c: that process ---- */

extern void spool_init(void);

/* Has what was emitted so far put into finished files; false where it does not happen within some seconds. */
extern bool spool_finish_all(void);

/* ---- spool_take.c: into the log ---- */

extern TimestampTz spool_follow(void);

#endif /* TSEC_EVENT_SPOOL_H */

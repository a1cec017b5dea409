/*
 * spool.h
 *		Security events in a file that waits for a log: what a standby, which can
 *		write no rows, keeps until its primary takes them in.
 *
 * Form (numbers big-endian): magic 8, cluster 8, database 4, stream 16, the
 * number of the event before the first 8, the server's name 64 (zeros behind
 * it), MAC 32; per event the record's length 4, the record, MAC 32; at the end a
 * length of zero and a MAC.  Each MAC is HMAC-SHA256 of the MAC before it, the
 * event's number and all that is new, so nothing can be changed, moved, left out
 * or put in; a file that was cut off has no end.  Events of one stream are
 * numbered from 1 on, through all of its files.
 */
#ifndef TSEC_SPOOL_H
#define TSEC_SPOOL_H

#include "digest.h"

#include <stdbool.h>

#define SPOOL_STREAM_SIZE 16
#define SPOOL_SERVER_SIZE 64
#define SPOOL_HEADER_SIZE (8 + 8 + 4 + SPOOL_STREAM_SIZE + 8 + SPOOL_SERVER_SIZE + DIGEST_SIZE)
#define SPOOL_RECORD_MAX 8064
#define SPOOL_ENTRY_MAX (4 + SPOOL_RECORD_MAX + DIGEST_SIZE)
#define SPOOL_END_SIZE (4 + DIGEST_SIZE)

typedef struct SpoolHeader
{
	uint64_t cluster; /* its system identifier */
	uint32_t database;
	uint8_t stream[SPOOL_STREAM_SIZE]; /* of one database, from one start of a server to its end */
	uint64_t after;                    /* how many events of the stream lie in files before this one */
	char server[SPOOL_SERVER_SIZE];    /* what its administrator calls it; ends in a zero */
} SpoolHeader;

/* Where writing or reading is. */
typedef struct SpoolChain
{
	HmacKey *key;
	uint8_t mac[DIGEST_SIZE];
	uint64_t number; /* of the last event */
} SpoolChain;

/* Begins a file. */
extern Status spool_begin(SpoolChain *chain, HmacKey *key, const SpoolHeader *header, uint8_t to[SPOOL_HEADER_SIZE]);

/* Adds a record of 1 to SPOOL_RECORD_MAX bytes; *length is what was written. */
extern Status spool_add(SpoolChain *chain, Bytes record, uint8_t to[SPOOL_ENTRY_MAX], size_t *length);

/* Ends it. */
extern Status spool_end(SpoolChain *chain, uint8_t to[SPOOL_END_SIZE]);

/* Takes a header off the front, unauthenticated; false when there is none. */
extern bool spool_peek(Bytes from, SpoolHeader *header);

/* Takes it off where it was made with this key, and is ready to read what follows. */
extern bool spool_open(SpoolChain *chain, HmacKey *key, Bytes *from, SpoolHeader *header);

typedef enum SpoolAnswer
{
	SPOOL_RECORD, /* the chain's number is the record's */
	SPOOL_END,    /* and nothing follows */
	SPOOL_CUT,    /* what follows is not all there */
	SPOOL_CHANGED /* what follows is not what was written */
} SpoolAnswer;

/* Takes the next record off the front; it lies in the bytes.  After any other answer there is no next. */
extern SpoolAnswer spool_read(SpoolChain *chain, Bytes *from, Bytes *record);

#endif /* TSEC_SPOOL_H */

/*
 * leaf.h
 *		An event as the log's tree holds it: all that the table says of it, in bytes
 *		that are the same on every machine and in every version.
 *
 * Form, version 1 (numbers big-endian): version 1, flags 2, then 8-byte numbers
 * (event id, event time, recorded at, user id, tenant id, xid), pid 4, then every
 * text of LeafText in its order as 4 bytes of length (0xffffffff: none) and its
 * bytes.  An event of a changed row ends with the columns and the row (change.h),
 * as two texts.  Decoding trusts nothing: lengths, flags and the end are checked.
 */
#ifndef TSEC_LEAF_H
#define TSEC_LEAF_H

#include "bytes.h"

#include <stdbool.h>

typedef enum LeafText
{
	LEAF_CLASS,
	LEAF_TYPE,
	LEAF_SEVERITY,
	LEAF_OUTCOME,
	LEAF_ACTION,
	LEAF_RESOURCE,
	LEAF_RECORD_ID,
	LEAF_SESSION_USER,
	LEAF_OUTER_USER,
	LEAF_EFFECTIVE_USER,
	LEAF_USERNAME,
	LEAF_TOKEN_ID,
	LEAF_CLIENT_ADDRESS,
	LEAF_APPLICATION_NAME,
	LEAF_REQUEST_ID,
	LEAF_DETAILS, /* JSON, as the server prints jsonb */
	LEAF_COLUMNS, /* of a changed row */
	LEAF_ROW,
	LEAF_TEXTS
} LeafText;

typedef enum LeafFlag
{
	LEAF_APPLICATION_MADE = 1,
	LEAF_HAS_USER_ID = 2,
	LEAF_HAS_TENANT_ID = 4,
	LEAF_HAS_XID = 8,
	LEAF_HAS_PID = 16,
	LEAF_FLAGS_ALL = 31
} LeafFlag;

typedef struct Leaf
{
	uint16_t flags;
	int64_t event_id;
	int64_t event_time; /* microseconds since 2000-01-01, UTC, as the server counts */
	int64_t recorded_at;
	int64_t user_id; /* 0 where the flag is not set, and so on */
	int64_t tenant_id;
	uint64_t xid;
	uint32_t pid;
	Bytes text[LEAF_TEXTS]; /* data NULL: none */
} Leaf;

/* Bytes that encoding needs. */
extern size_t leaf_size(const Leaf *leaf);

/* Writes leaf_size() bytes.  What a flag says is not there is 0; a text is shorter than 4 GB. */
extern void leaf_encode(const Leaf *leaf, uint8_t *to);

/* Reads a whole leaf; its texts point into the bytes.  False when these are none. */
extern bool leaf_decode(Bytes bytes, Leaf *leaf);

/*
 * Writes it as one JSON object in one line, for people: names as in twin.audit_log,
 * times as RFC 3339, of a changed row old and new; columns and row as base64 where
 * they are none.  Returns its bytes, without a final zero; when these are more than
 * room, what was written is of no use.
 */
extern size_t leaf_json(const Leaf *leaf, char *to, size_t room);

/* Write a time of the server, microseconds or days since 2000-01-01, as RFC 3339; "infinity" for the ends of times. */
#define LEAF_TIME_SIZE 48
extern void leaf_day(int64_t days, char text[LEAF_TIME_SIZE]);
extern void leaf_time(int64_t time, char text[LEAF_TIME_SIZE]);

#endif /* TSEC_LEAF_H */

/*
 * event_record.h
 *		A security event as bytes: what lies in the shared ring between the
 *		session that emits it and the worker that writes it.
 *
 * Form (numbers big-endian): version 1, class 1, severity 1, outcome 1,
 * flags 1, then 4-byte numbers (pid, session user, outer user, effective
 * user), 8-byte numbers (event id, event time, user id, tenant id, xid), then
 * every text as 2 bytes of length (0xffff: none) and its bytes.  Decoding
 * trusts nothing: lengths, ranges and the end are checked.
 */
#ifndef TSEC_EVENT_RECORD_H
#define TSEC_EVENT_RECORD_H

#include "bytes.h"

#include <stdbool.h>

typedef enum EventClass
{
	EVENT_AUDIT,
	EVENT_ACCESS,
	EVENT_ERROR,
	EVENT_CLASSES
} EventClass;

typedef enum EventSeverity
{
	EVENT_INFO,
	EVENT_LOW,
	EVENT_MEDIUM,
	EVENT_HIGH,
	EVENT_CRITICAL,
	EVENT_SEVERITIES
} EventSeverity;

typedef enum EventOutcome
{
	EVENT_SUCCESS,
	EVENT_FAILURE,
	EVENT_DENIED,
	EVENT_FAULT,   /* "error" */
	EVENT_UNKNOWN, /* it has only begun */
	EVENT_OUTCOMES
} EventOutcome;

/* The words of these, as they stand in the table. */
extern const char *const event_class_names[EVENT_CLASSES];
extern const char *const event_severity_names[EVENT_SEVERITIES];
extern const char *const event_outcome_names[EVENT_OUTCOMES];

/* The number of a word in one of them, count when it is none. */
extern int event_word(const char *const *names, int count, const char *word);

/* The texts of an event, in the order they are stored. */
typedef enum EventText
{
	EVENT_TYPE,
	EVENT_ACTION,
	EVENT_RESOURCE,
	EVENT_RECORD_ID,
	EVENT_USERNAME,
	EVENT_TOKEN_ID,
	EVENT_REQUEST_ID,
	EVENT_CLIENT_ADDRESS,
	EVENT_APPLICATION_NAME,
	EVENT_DETAILS,
	EVENT_TEXTS
} EventText;

/* Most bytes each of them may have; all together fit one entry of the ring. */
extern const uint16_t event_text_max[EVENT_TEXTS];

#define EVENT_DETAILS_MAX 5120

typedef enum EventFlag
{
	EVENT_APPLICATION_MADE = 1,
	EVENT_HAS_USER_ID = 2,
	EVENT_HAS_TENANT_ID = 4,
	EVENT_FLAGS_ALL = 7
} EventFlag;

typedef struct EventRecord
{
	uint8_t class_number;
	uint8_t severity;
	uint8_t outcome;
	uint8_t flags;
	uint32_t pid;
	uint32_t session_user; /* OIDs, 0 where there is none */
	uint32_t outer_user;
	uint32_t effective_user;
	int64_t event_id;   /* 0: taken when it is written */
	int64_t event_time; /* as the server counts time */
	int64_t user_id;
	int64_t tenant_id;
	uint64_t xid;            /* 0: none was assigned */
	Bytes text[EVENT_TEXTS]; /* data NULL: absent */
} EventRecord;

/* Room for any record. */
#define EVENT_RECORD_MAX 8064

/* Writes a record into EVENT_RECORD_MAX bytes; texts longer than they may be are the caller's mistake: 0 comes back. */
extern size_t event_record_encode(const EventRecord *record, uint8_t *to);

/* Reads one; its texts point into the bytes.  False when these are no record. */
extern bool event_record_decode(Bytes bytes, EventRecord *record);

/* What kind of an event a record is: all that who counts events needs, and quick to read. */
typedef struct EventKind
{
	EventClass class_number;
	EventOutcome outcome;
	bool application_made;
	Bytes type;
} EventKind;

/* Reads it, where event_record_decode() would; of a record whose rest is damaged, perhaps, too.  The type points into the bytes. */
extern bool event_record_kind(Bytes bytes, EventKind *kind);

/* Changes the outcome of an encoded record. */
extern void event_record_set_outcome(uint8_t *encoded, EventOutcome outcome);

/* ---- details: JSON text ---- */

/*
 * Writes text as a JSON string with its quotes into room bytes; what is no
 * longer than that and ends at a byte below 0x80 or at a text's end is taken.
 * Returns the bytes written, 0 when room is less than 2; *taken says how much
 * of the text is in it.
 */
extern size_t event_json_quote(Bytes text, char *to, size_t room, size_t *taken);

/* Adds "name": "value" to a JSON object of at most size bytes with its zero; begin with "".  False, unchanged: no room. */
extern bool event_json_add(char *object, size_t size, const char *name, const char *value);

/* Makes valid JSON of at most EVENT_DETAILS_MAX bytes out of a longer one: its beginning as a string, with a marker. */
extern size_t event_json_cut(Bytes json, char to[EVENT_DETAILS_MAX]);

#endif /* TSEC_EVENT_RECORD_H */

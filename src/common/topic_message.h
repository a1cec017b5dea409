/*
 * topic_message.h
 *		Names of topics, and messages as they lie in shared memory.
 *
 * A name is parts of letters, digits, "_", "-" and ":", joined by "."; a
 * pattern is a name whose last part is "*", and means all names that begin
 * with the parts before it and have at least one more.  What is read back from
 * shared memory is judged like anything a stranger sent.
 */
#ifndef TSEC_TOPIC_MESSAGE_H
#define TSEC_TOPIC_MESSAGE_H

#include "bytes.h"

#include <stdbool.h>

#define TOPIC_NAME_MAX 255
#define TOPIC_PARTS_MAX 16
#define TOPIC_PAYLOAD_MAX 65536
#define TOPIC_DEPTH_MAX 64 /* arrays and objects within one another */
#define TOPIC_MESSAGE_HEAD 24
#define TOPIC_MESSAGE_MAX ((size_t) TOPIC_MESSAGE_HEAD + TOPIC_NAME_MAX + TOPIC_PAYLOAD_MAX)

typedef struct TopicMessage
{
	int64_t published_at; /* microseconds, as the server's timestamps count them */
	bool has_tenant;
	bool is_bound;  /* reaches only that tenant, where it has one */
	bool is_change; /* of a table's row: each subscriber gets what it may see of that, and not the payload */
	bool is_of_all; /* of what concerns all tenants: reaches nobody who belongs to one; has none itself */
	int64_t tenant; /* 0 without */
	Bytes topic;
	Bytes payload; /* JSON text */
} TopicMessage;

/* Whether bytes are a name; a name or a pattern. */
extern bool topic_name_valid(Bytes name);
extern bool topic_pattern_valid(Bytes pattern);

/*
 * The next wider pattern that covers a valid name or pattern: "a.*" for "a.b"
 * and for "a.b.*".  Its length, into a buffer of TOPIC_NAME_MAX + 1 bytes, with
 * a zero behind, which may be where the name is; 0 when there is none.
 */
extern size_t topic_wider(Bytes name, char *buffer);

/* How deep arrays and objects of a valid JSON text lie within one another. */
extern size_t topic_json_depth(Bytes json);

/* Bytes of an encoded message. */
extern size_t topic_message_size(const TopicMessage *message);

/* Encodes a message with a valid name and a payload of 1 to TOPIC_PAYLOAD_MAX bytes into topic_message_size() bytes. */
extern void topic_message_encode(const TopicMessage *message, uint8_t *to);

/* Sets the time of an encoded message. */
extern void topic_message_stamp(uint8_t *encoded, int64_t published_at);

/* Reads one; the spans lie in the given bytes.  False when it is none: one message has one encoding. */
extern bool topic_message_decode(Bytes encoded, TopicMessage *message);

#endif /* TSEC_TOPIC_MESSAGE_H */

/*
 * jsonwrite.h
 *		JSON written into room that the caller made, or only measured.  The result
 *		is JSON in UTF-8 whatever the bytes are that it is written from.
 */
#ifndef TSEC_JSONWRITE_H
#define TSEC_JSONWRITE_H

#include "bytes.h"

#include <stdbool.h>

typedef struct JsonWriter
{
	char *to;
	size_t room;
	size_t length; /* also of what has no room */
	bool in_first; /* no member stands before the next one */
} JsonWriter;

extern void jsonwrite_bytes(JsonWriter *writer, const char *bytes, size_t length);
extern void jsonwrite_text(JsonWriter *writer, const char *text);

/* Objects; a name begins a member. */
extern void jsonwrite_begin(JsonWriter *writer);
extern void jsonwrite_end(JsonWriter *writer);
extern void jsonwrite_name(JsonWriter *writer, Bytes name);

/* Strings: text, of which what is no UTF-8 becomes U+FFFD; bytes as base64, or as hexadecimal digits behind a prefix. */
extern void jsonwrite_string(JsonWriter *writer, Bytes text);
extern void jsonwrite_base64(JsonWriter *writer, Bytes bytes);
extern void jsonwrite_hex(JsonWriter *writer, const char *prefix, Bytes bytes);

extern void jsonwrite_signed(JsonWriter *writer, int64_t number);
extern void jsonwrite_unsigned(JsonWriter *writer, uint64_t number);

/* JSON as it is where it is some, else as a string. */
extern void jsonwrite_json(JsonWriter *writer, Bytes json);

#endif /* TSEC_JSONWRITE_H */

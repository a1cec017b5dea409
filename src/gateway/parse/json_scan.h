/*
 * json_scan.h
 *		Goes through JSON (RFC 8259) from left to right and says whether it is such.
 *
 * The bytes are UTF-8 without NUL.  Surrogates stand in pairs, nothing stands
 * deeper than JSON_DEPTH_MAX, and \u0000 is noted, since text cannot hold it.
 */
#ifndef GATEWAY_JSON_SCAN_H
#define GATEWAY_JSON_SCAN_H

#include "gateway/tool/arena.h"

#define JSON_DEPTH_MAX 64

typedef struct JsonScan
{
	const char *s;
	const char *end;
	int depth;
	bool has_nul;
	Text scratch; /* a key with escapes; to be begun by the caller */
} JsonScan;

/* Sees a key, decoded, that came so-manyth in its object. */
typedef void (*JsonKeySeen)(void *argument, const char *name, size_t length, int number);

extern void scan_blanks(JsonScan *scan);
extern bool scan_take(JsonScan *scan, char byte);

/* Reads any value, blanks in front of it. */
extern bool scan_value(JsonScan *scan);

/* Reads an object; seen is called for each of its own keys, unless it is NULL. */
extern bool scan_object(JsonScan *scan, JsonKeySeen seen, void *argument);

/* Goes one level down; false when that is too deep. */
extern bool scan_enter(JsonScan *scan, char byte);

/* Looks whether there is another member: a comma, or else the end, which goes one level up. */
extern bool scan_goes_on(JsonScan *scan, char last, bool *goes_on);

#endif /* GATEWAY_JSON_SCAN_H */

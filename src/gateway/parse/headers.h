/*
 * headers.h
 *		The headers that say how a request is meant: Prefer, Accept, Range,
 *		Cookie, Content-Type.  Pure parsers: bytes in, facts out.
 */
#ifndef GATEWAY_HEADERS_H
#define GATEWAY_HEADERS_H

#include "gateway/tool/problem.h"

#include <stdint.h>

/* ---- Prefer (RFC 7240): the first value of each wins ---- */

typedef enum PreferCount
{
	COUNT_NONE,
	COUNT_EXACT,
	COUNT_PLANNED,
	COUNT_ESTIMATED
} PreferCount;

typedef enum PreferReturn
{
	RETURN_DEFAULT, /* minimal */
	RETURN_MINIMAL,
	RETURN_HEADERS_ONLY,
	RETURN_REPRESENTATION
} PreferReturn;

typedef enum PreferResolution
{
	RESOLUTION_NONE,
	RESOLUTION_MERGE,
	RESOLUTION_IGNORE
} PreferResolution;

typedef enum PreferMissing
{
	MISSING_UNSAID,
	MISSING_DEFAULT,
	MISSING_NULL
} PreferMissing;

typedef enum PreferHandling
{
	HANDLING_UNSAID, /* lenient */
	HANDLING_LENIENT,
	HANDLING_STRICT
} PreferHandling;

typedef enum PreferTransaction
{
	TX_UNSAID,
	TX_COMMIT,
	TX_ROLLBACK
} PreferTransaction;

typedef struct Preferences
{
	PreferCount count;
	PreferReturn answer;
	PreferResolution resolution;
	PreferMissing missing;
	PreferHandling handling;
	PreferTransaction transaction;
	const char *timezone; /* NULL when none; judged by the database */
	bool has_max_affected;
	int64_t max_affected;
	const char **unknown; /* what was not understood, as written */
	int unknown_count;
} Preferences;

/* Reads the values of all Prefer headers.  False (PGRST122) for handling=strict with something unknown. */
extern bool prefer_read(Arena *arena, const char *const *values, int count, Preferences *preferences,
						Problem *problem);

/* ---- media types (RFC 9110, 12.5.1) ---- */

typedef enum Media
{
	MEDIA_ANY,
	MEDIA_JSON,
	MEDIA_CSV,
	MEDIA_OBJECT,       /* application/vnd.pgrst.object+json: exactly one row, without brackets */
	MEDIA_OBJECT_STRIP, /* ...;nulls=stripped */
	MEDIA_ARRAY_STRIP,  /* application/vnd.pgrst.array+json;nulls=stripped */
	MEDIA_OPENAPI,
	MEDIA_GEOJSON,
	MEDIA_TEXT,
	MEDIA_XML,
	MEDIA_OCTETS,
	MEDIA_FORM, /* of bodies */
	MEDIA_PLAN,
	MEDIA_OTHER
} Media;

typedef struct MediaChoice
{
	Media media;
	const char *name; /* as written, without parameters but those that matter */
} MediaChoice;

/* What a client accepts, best first; one MEDIA_ANY when it does not say.  Never fails: what cannot be read is MEDIA_OTHER. */
extern MediaChoice *accept_read(Arena *arena, const char *value, int *count);

/* The type of a body; MEDIA_JSON when there is no header. */
extern MediaChoice content_type_read(Arena *arena, const char *value);

/* The name an answer of a type carries: "application/json; charset=utf-8". */
extern const char *media_name(Media media);

/* ---- Range and Range-Unit ---- */

typedef struct RowRange
{
	bool given;
	int64_t first; /* from 0 */
	bool has_last;
	int64_t last; /* included */
} RowRange;

/* "0-9", "10-", with or without "items="; anything else is not given.  last < first is PGRST103 (416). */
extern bool range_read(const char *value, RowRange *range, Problem *problem);

/* ---- Cookie (RFC 6265, 5.4) ---- */

typedef struct Cookie
{
	struct Cookie *next;
	const char *name;
	const char *value;
} Cookie;

/* All of them in order; a header that is not well formed yields what is. At most 100. */
extern Cookie *cookies_read(Arena *arena, const char *value);

#endif /* GATEWAY_HEADERS_H */

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

/*
 * Reads the values of all Prefer headers.  False (PGRST122) for handling=strict with something unknown.  tx= is read
 * whether or not the DBA lets clients end transactions; a max-affected that is no number is not given.
 */
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
	/* of MEDIA_PLAN, whose name is what an answer carries */
	bool plan_is_json;
	Media plan_of;         /* for="...": the answer whose plan it is; MEDIA_OTHER cannot be planned */
	unsigned plan_options; /* PLAN_ANALYZE and so on */
} MediaChoice;

#define PLAN_ANALYZE 1u
#define PLAN_VERBOSE 2u
#define PLAN_SETTINGS 4u
#define PLAN_BUFFERS 8u
#define PLAN_WAL 16u

/*
 * What a client accepts, best first; one MEDIA_ANY when it does not say.  Never fails: what cannot be read is
 * MEDIA_OTHER.  A quality of 0 only comes last, as in PostgREST; of more than 32 types the rest is not looked at.
 */
extern MediaChoice *accept_read(Arena *arena, const char *value, int *count);

/* The type of a body; MEDIA_JSON when there is no header. */
extern MediaChoice content_type_read(Arena *arena, const char *value);

/* The name an answer of a type carries: "application/json; charset=utf-8"; NULL for ANY, OTHER and PLAN. */
extern const char *media_name(Media media);

/* ---- Range and Range-Unit ---- */

typedef struct RowRange
{
	bool given;
	int64_t first; /* from 0 */
	bool has_last;
	int64_t last; /* included */
} RowRange;

/* "0-9", "10-", with or without "items="; anything else, and NULL, is not given.  last < first is PGRST103 (416). */
extern bool range_read(const char *value, RowRange *range, Problem *problem);

/* ---- Cookie (RFC 6265, 5.4) ---- */

typedef struct Cookie
{
	struct Cookie *next;
	const char *name;
	const char *value;
} Cookie;

/* All of them in order; a header that is not well formed yields what is. NULL: none. At most 100. */
extern Cookie *cookies_read(Arena *arena, const char *value);

#endif /* GATEWAY_HEADERS_H */

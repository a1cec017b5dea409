/*
 * openapi.h
 *		The root's OpenAPI 2.0 document: what one schema offers to the caller.
 *
 * One statement, run as the switched role, describes it as JSON; the document
 * is made from that text here, in the shape PostgREST gives it.  No I/O.
 */
#ifndef GATEWAY_OPENAPI_H
#define GATEWAY_OPENAPI_H

#include "gateway/tool/arena.h"

/*
 * The statement.  $1 (text) is the schema, $2 (boolean) whether only what the
 * current role may use is listed; the answer is one json value:
 *
 *	{"description": text,
 *	 "relations": [{"name", "description", "insert", "update", "delete",
 *	    "columns": [{"name", "type", "nullable", "default", "length", "enum": [], "description", "primary", "table", "column"}]}],
 *	 "routines": [{"name", "description", "volatile", "parameters": [{"name", "type", "required", "variadic"}]}]}
 *
 * table and column are those of a single-column foreign key; what does not apply is null.
 */
extern const char *openapi_query(void);

typedef struct OpenapiPlace
{
	const char *proxy_uri; /* openapi-server-proxy-uri; NULL: host and port below */
	const char *host;      /* as server-host has it */
	int port;
	bool is_tls;
	bool security_active; /* openapi-security-active */
	const char *version;  /* of this program */
} OpenapiPlace;

/* The document; NULL when the text is not what openapi_query() yields. */
extern const char *openapi_document(Arena *arena, const char *json, size_t length, const OpenapiPlace *place,
									size_t *document_length);

#endif /* GATEWAY_OPENAPI_H */

/*
 * openapi_part.h
 *		The parts of the OpenAPI document, each from its piece of the description.
 *
 * Every function returns a new reference, or NULL when the piece has not the
 * form openapi_query() gives it or memory is out; none keeps a reference to what it was given.
 */
#ifndef GATEWAY_OPENAPI_PART_H
#define GATEWAY_OPENAPI_PART_H

#include <jansson.h>
#include <stdbool.h>

/* A member that is a string; NULL when null, absent or something else. */
extern const char *part_text(const json_t *object, const char *name);

/* The OpenAPI type of a type of PostgreSQL; NULL for json and jsonb, which may be any. */
extern const char *part_type(const char *type);

/* A relation's entry in definitions. */
extern json_t *part_definition(const json_t *relation);

/* A routine's parameters as the schema of its body. */
extern json_t *part_arguments(const json_t *routine);

/* Adds to parameters what is common, and what each relation has. */
extern bool part_add_common_parameters(json_t *parameters);
extern bool part_add_relation_parameters(json_t *parameters, const json_t *relation);

/* The operations of "/", of a relation and of a routine. */
extern json_t *part_root_path(void);
extern json_t *part_relation_path(const json_t *relation);
extern json_t *part_routine_path(const json_t *routine);

#endif /* GATEWAY_OPENAPI_PART_H */

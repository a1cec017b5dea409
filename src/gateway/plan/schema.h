/*
 * schema.h
 *		What the gateway knows of the database: relations, columns, foreign keys,
 *		routines of the exposed schemas.
 *
 * One statement reads it all as JSON (schema_query), whoever holds a
 * connection runs it, and schema_read makes the model of it: no I/O here.  A
 * model never changes; a newer one takes its place, and the old one goes when
 * the last request that uses it has ended.
 */
#ifndef GATEWAY_SCHEMA_H
#define GATEWAY_SCHEMA_H

#include "gateway/plan/plan.h"

/* The statement; its only parameter ($1, text[]) is the list of exposed schemas, its answer one json value. */
extern const char *schema_query(void);

/* The model, with one reference; NULL and why when the JSON is not what schema_query() yields. */
extern Schema *schema_read(const char *json, size_t length, const char **why);

extern Schema *schema_hold(Schema *schema);
extern void schema_release(Schema *schema);

/* How much it holds, for the log and the admin port. */
extern int schema_relation_count(const Schema *schema);
extern int schema_relationship_count(const Schema *schema);
extern int schema_routine_count(const Schema *schema);

#endif /* GATEWAY_SCHEMA_H */

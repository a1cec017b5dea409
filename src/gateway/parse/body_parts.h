/*
 * body_parts.h
 *		What the files of the body parser have of one another; nobody else needs it.
 */
#ifndef GATEWAY_BODY_PARTS_H
#define GATEWAY_BODY_PARTS_H

#include "gateway/parse/body.h"

/* Each reads one kind of body that is not empty, and is UTF-8 without NUL. */
extern bool body_read_json(Arena *arena, const char *data, size_t length, Body *body, Problem *problem);
extern bool body_read_csv(Arena *arena, const char *data, size_t length, Body *body, Problem *problem);
extern bool body_read_form(Arena *arena, const char *data, size_t length, Body *body, Problem *problem);

/* Sorts names and drops repetitions; gives how many stay. */
extern int body_sort_keys(const char **keys, int count);

/* PGRST102; returns false. */
extern bool body_refuse(Problem *problem, const char *message, const char *details);

#endif /* GATEWAY_BODY_PARTS_H */

/*
 * status.h
 *		How the calls of src/common end: one word, never a jump.
 */
#ifndef TSEC_STATUS_H
#define TSEC_STATUS_H

typedef enum Status
{
#define STATUS(name, sqlstate, http, message, hint) TSEC_##name,
#include "status_list.h"
#undef STATUS
	TSEC_STATUS_COUNT
} Status;

/* One row of status_list.h. */
typedef struct StatusInfo
{
	const char *name;
	const char *sqlstate;
	int http;
	const char *message;
	const char *hint; /* NULL when there is none */
} StatusInfo;

/* The row that describes a status; never NULL. */
extern const StatusInfo *status_info(Status status);

#endif /* TSEC_STATUS_H */

/*
 * status.c
 *		The table behind status_info().
 */
#include "status.h"

#include <stddef.h>

static const StatusInfo rows[] = {
#define STATUS(name, sqlstate, http, message, hint) {#name, sqlstate, http, message, hint},
#include "status_list.h"
#undef STATUS
};

const StatusInfo *
status_info(Status status)
{
	if ((unsigned) status >= TSEC_STATUS_COUNT)
		status = TSEC_LIBRARY_FAILURE;
	return &rows[status];
}

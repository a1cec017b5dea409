/*
 * errors.c
 *		The one door through which a library's status becomes an SQL error.
 */
#include "base/base.h"

#include <stdarg.h>

static TSEC_NORETURN void
throw_row(Status status, const char *detail)
{
	const StatusInfo *row = status_info(status);
	const char *state = row->sqlstate;

	if (status == TSEC_OK)
		elog(ERROR, "twin_security: success raised as an error");
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4])), errmsg("%s", row->message),
			 detail ? errdetail("%s", detail) : 0, row->hint ? errhint("%s", row->hint) : 0));
}

void
base_throw(Status status)
{
	throw_row(status, NULL);
}

void
base_throw_detail(Status status, const char *format, ...)
{
	char detail[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	throw_row(status, detail);
}

/*
 * init.c
 *		Starts the part.
 */
#include "audit/audit.h"

#include "audit/read.h"

void
audit_init(void)
{
	read_init();
}

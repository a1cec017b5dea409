/*
 * init.c
 *		Starts the part.
 */
#include "audit/audit.h"
#include "audit/live.h"

void
audit_init(void)
{
	live_init();
}

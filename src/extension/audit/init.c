/*
 * init.c
 *		Starts the part.
 */
#include "audit/change.h"

#include "audit/read.h"

void
audit_init(void)
{
	audited_init();
	change_plan_init();
	read_init();
}

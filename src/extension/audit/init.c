/*
 * init.c
 *		Starts the part.
 */
#include "audit/change.h"

void
audit_init(void)
{
	audited_init();
	change_plan_init();
}

/*
 * init.c
 *		Starts the part.
 */
#include "monitor/private.h"

void
monitor_init(void)
{
	incident_init();
}

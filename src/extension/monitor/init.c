/*
 * init.c
 *		Starts the part.
 */
#include "monitor/monitor.h"

void
monitor_init(void)
{
}

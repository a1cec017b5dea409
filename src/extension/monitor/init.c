/*
 * init.c
 *		Starts the part.
 */
#include "monitor/unusual.h"

void
monitor_init(void)
{
	rule_init(); /* watches first */
	unusual_init();
	stream_init();
}

/*
 * init.c
 *		Starts the part.
 */
#include "monitor/rule.h"

void
monitor_init(void)
{
	rule_init(); /* watches first */
	stream_init();
}

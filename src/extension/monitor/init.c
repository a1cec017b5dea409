/*
 * init.c
 *		Starts the part.
 */
#include "monitor/rule.h"

void
monitor_init(void)
{
	stream_init();
	console_init();
}

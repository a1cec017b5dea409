/*
 * init.c
 *		Starts the part.
 */
#include "monitor/rule.h"
#include "monitor/block.h"

void
monitor_init(void)
{
	rule_init(); /* watches first */
	stream_init();
	block_init();
}

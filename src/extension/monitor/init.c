/*
 * init.c
 *		Starts the part.
 */
#include "monitor/block.h"

void
monitor_init(void)
{
	block_init();
}

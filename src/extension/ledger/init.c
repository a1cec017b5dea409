/*
 * init.c
 *		Starts the part.
 */
#include "ledger/ledger.h"

void
ledger_init(void)
{
}

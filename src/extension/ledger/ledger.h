/*
 * ledger.h
 *		The log of events, provable: every event becomes a leaf of one tree, whose
 *		root is signed and exported.
 */
#ifndef TSEC_LEDGER_H
#define TSEC_LEDGER_H

#include "event/event.h"

extern void ledger_init(void);

#endif /* TSEC_LEDGER_H */

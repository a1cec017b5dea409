/*
 * private.h
 *		What the rooms of the monitor share.
 */
#ifndef TSEC_MONITOR_PRIVATE_H
#define TSEC_MONITOR_PRIVATE_H

#include "monitor/monitor.h"

extern void announce_init(void);
extern void due_init(void);

#endif /* TSEC_MONITOR_PRIVATE_H */

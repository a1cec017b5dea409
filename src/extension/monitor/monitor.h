/*
 * monitor.h
 *		Watching the log of events, and responding: rules, alerts, incidents,
 *		blocked addresses, unusual access.
 */
#ifndef TSEC_MONITOR_H
#define TSEC_MONITOR_H

#include "event/event.h"

extern void monitor_init(void);

#endif /* TSEC_MONITOR_H */

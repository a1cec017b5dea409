/*
 * rule.h
 *		What the files share that watch the log and count.
 */
#ifndef TSEC_MONITOR_RULE_H
#define TSEC_MONITOR_RULE_H

#include "monitor/monitor.h"

/* ---- stream.c ---- */

extern void stream_init(void);

#endif /* TSEC_MONITOR_RULE_H */

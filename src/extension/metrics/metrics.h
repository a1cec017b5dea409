/*
 * metrics.h
 *		Numbers for those who watch the server from outside.
 *
 * A part that stands before this one adds its figures in SQL: a function twin_internal.metrics_of_NAME(), a row of
 * twin_internal.metric_sources, and rows of twin_internal.metric_families (families.sql).
 */
#ifndef TSEC_METRICS_H
#define TSEC_METRICS_H

#include "identity/identity.h"

extern void metrics_init(void);

#endif /* TSEC_METRICS_H */

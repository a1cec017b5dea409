/*
 * private.h
 *		What the files of retention share among themselves.
 */
#ifndef TSEC_RETENTION_PRIVATE_H
#define TSEC_RETENTION_PRIVATE_H

#include "retention/retention.h"

#endif /* TSEC_RETENTION_PRIVATE_H */

/*
 * retention.h
 *		How long data is kept, what is archived and dropped after that, what must
 *		not be, and what is held about one person.
 */
#ifndef TSEC_RETENTION_H
#define TSEC_RETENTION_H

#include "ledger/ledger.h"

extern void retention_init(void);

#endif /* TSEC_RETENTION_H */

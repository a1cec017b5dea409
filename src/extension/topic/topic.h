/*
 * topic.h
 *		Topics: what transactions publish reaches subscribers after commit.
 *
 * Messages travel through shared memory and take no lock of NOTIFY's kind; a
 * listener that is too slow loses the oldest, and is told.  Who may publish and
 * subscribe is decided here, in the database, for each subscription by its token.
 */
#ifndef TSEC_TOPIC_H
#define TSEC_TOPIC_H

#include "base/base.h"

extern void topic_init(void);

#endif /* TSEC_TOPIC_H */

/*
 * block.h
 *		What the files about blocked addresses share among themselves.
 *
 * twin_internal.blocks and twin.never_blocked are the truth; what of them is in
 * force lies in shared memory (limit/blocked.c).  Triggers on the tables bring
 * changes there when the transaction commits; whoever reads a table whole does
 * so while nobody can change it.
 */
#ifndef TSEC_MONITOR_BLOCK_H
#define TSEC_MONITOR_BLOCK_H

#include "monitor/monitor.h"

#include "limit/limit.h"

#include "utils/inet.h"

extern void block_init(void);

/* ---- block.c ---- */

/* The network that an inet or cidr stands for; false where host bits are set. */
extern bool block_network(const inet *given, AddressNetwork *network);

/* ---- block_change.c: what this transaction changes ---- */

extern void block_change_init(void);

/* Has the sessions of a network ended once this transaction has committed. */
extern void block_end_sessions(const AddressNetwork *network);

/* Forgets all of this database when this transaction commits. */
extern void block_forget_all(void);

/* ---- block_door.c: who connects ---- */

extern void block_door_init(void);

/* ---- block_read.c: the tables as a whole ---- */

extern void block_read_init(void);

/* On a standby: makes shared memory what the tables say; false when they are not there. */
extern bool block_read_replayed(void);

/* Whether a relation, or InvalidOid for any, is one of the tables that were read last. */
extern bool block_is_table(Oid relation);

/* Forgets the blocks of databases that went without our hearing of it.  In a transaction. */
extern void block_forget_dropped(void);

/* ---- block_reader.c: what a standby replays ---- */

extern void block_reader_init(void);

#endif /* TSEC_MONITOR_BLOCK_H */

/*
 * limit.h
 *		What must be remembered although the transaction rolls back: failed
 *		logins per account and address, rates, and sessions of which a copied
 *		token came.  In shared memory, per database; needs preloading (each function raises 55000 without).
 *
 * A subject is any bytes that name it (a folded username, an address, a route
 * and a user); the caller makes equal what is to count as one, such as the
 * addresses of an IPv6 /64.  Nothing here raises after it has begun to count,
 * and nothing that is counted is undone by an error, a rollback or a crash of
 * the client.  A restart of the server, or a crash of it, forgets everything:
 * limit_seed() brings back what a table knows.
 */
#ifndef TSEC_LIMIT_H
#define TSEC_LIMIT_H

#include "base/base.h"
#include "common/address_set.h"
#include "common/limit_math.h"

#include "datatype/timestamp.h"

/* Kinds have their own entries each: a flood of one never costs another's. */
typedef enum LimitKind
{
	LIMIT_ACCOUNT,      /* failures */
	LIMIT_ADDRESS,      /* failures */
	LIMIT_RATE_ADDRESS, /* rates */
	LIMIT_RATE_USER,    /* rates */
	LIMIT_SESSION       /* locked for good: a refresh token of it came a second time */
} LimitKind;

#define LIMIT_KINDS 5

typedef struct FailureVerdict
{
	bool counted;             /* by limit_note_failure; false while locked */
	uint32 failures;          /* that count now */
	bool is_locked;           /* from now on */
	TimestampTz locked_until; /* where is_locked */
} FailureVerdict;

extern void limit_init(void);

/* The policy of logins as the settings twin_security.login_... say. */
extern FailurePolicy limit_login_policy(void);

/*
 * Counts a failure.  To be called before the password is verified, so that
 * neither a cancelled statement nor a hundred sessions at once get a try that
 * is not counted: when *counted* is false the subject is locked and the try
 * must be refused, otherwise it may go on (also when it has now locked the
 * subject for those that come after it), and success calls limit_forget() for
 * the account and limit_take_back() for the address.
 */
extern FailureVerdict limit_note_failure(LimitKind kind, const void *subject, Size length,
										 const FailurePolicy *policy);

/* The same without counting. */
extern FailureVerdict limit_failures_of(LimitKind kind, const void *subject, Size length,
										const FailurePolicy *policy);

/* Undoes the one failure that was counted ahead of a try that succeeded, and the lock it set; not the others'. */
extern void limit_take_back(LimitKind kind, const void *subject, Size length);

/* Forgets all failures of a subject, and its lock. */
extern void limit_forget(LimitKind kind, const void *subject, Size length);

/* Sets what a table knows, after a restart; raises counts and locks (0: none), and never lowers them. */
extern void limit_seed(LimitKind kind, const void *subject, Size length, uint32 failures, TimestampTz locked_until,
					   const FailurePolicy *policy);

/* A hash of a subject that nobody outside can compute; the same in every process until the server restarts. */
extern uint64 limit_hash(const void *subject, Size length);

/* Takes one request of a rate; limits with the same subject but another rate need another subject. */
extern RateVerdict limit_take(LimitKind kind, const void *subject, Size length, const RateLimit *rate);

/* Gives back one request that limit_take() allowed. */
extern void limit_give_back(LimitKind kind, const void *subject, Size length, const RateLimit *rate);

/*
 * ---- blocked.c: networks that nobody is let in from, in every database ----
 *
 * Unlike the limits these outlast a restart and a crash of the server.  Each database has blocks and exemptions of its
 * own, which exempt from its blocks alone.
 */

/* Whether an address is blocked now; counts it as refused.  Raises nothing, reads no catalog, and may be asked before there is a database. */
extern bool limit_is_blocked(const NetAddress *address);

/* The same of the other end of this process's connection while it is let in: from here on limit_end_sessions() finds it. */
extern bool limit_meet_client(const NetAddress *address, AddressNetwork *blocked);

/* What becomes of one network, or of all of a kind where the network's family is 0. */
typedef struct BlockChange
{
	AddressNetwork network;
	AddressKind kind;
	TimestampTz until; /* in the past, or 0: it is taken out */
} BlockChange;

/*
 * Changes entries of a database, for good once it returns, and gives the places back that were reserved.  For the end
 * of a transaction: it raises nothing, and says in the server's log what went wrong with the file.
 */
extern void limit_change_blocks(Oid database, const BlockChange *changes, int count, int reserved);

/* Makes a database's entries exactly these. */
extern void limit_replace_blocks(Oid database, const BlockChange *changes, int count);

/*
 * Sees to it that there will be room for an entry of this database; false where there is none.  What is reserved is to be
 * given back as above, whatever becomes of it; nothing is for an entry that is there already when there is no more room.
 */
extern bool limit_reserve_block(const AddressNetwork *network, AddressKind kind, bool *is_reserved);

/* Databases that have entries, at most so many; returns how many there are. */
extern int limit_databases_with_blocks(Oid *databases, int most);

/* Ends the sessions, but for this one, whose other end lies in a network and is blocked now; returns how many. */
extern int limit_end_sessions(const AddressNetwork *network);

/* How often somebody was refused because of this database's block of a network, since it was put in, or the server started. */
extern uint64 limit_refusals(const AddressNetwork *network);

#endif /* TSEC_LIMIT_H */

/*
 * policy.h
 *		What becomes of a delivery after an attempt: what a receiver's answer means,
 *		and when it is asked again.
 */
#ifndef NOTIFIER_POLICY_H
#define NOTIFIER_POLICY_H

#include <stdint.h>

typedef enum Verdict
{
	VERDICT_DELIVERED,
	VERDICT_RETRY,
	VERDICT_DEAD,    /* the receiver will not take it, however often it is asked */
	VERDICT_RELEASED /* it was not tried after all */
} Verdict;

/* Of an HTTP status; 0 when there was none. */
extern Verdict policy_http(long status);

/* Of the last reply of an SMTP server to a message it did not take (RFC 5321, 4.2.1); 0 when there was none. */
extern Verdict policy_smtp(long reply);

/*
 * Milliseconds until the attempt after this one (from 1 on): doubled each time
 * from first up to last (seconds), half of it by chance, so that receivers that
 * come back are not met by all at once.  Never sooner than the receiver asked
 * for (seconds, 0 when it did not), but of that at most a day.
 */
extern int64_t policy_delay(int attempt, int first, int last, int64_t asked_for, uint32_t chance);

#endif /* NOTIFIER_POLICY_H */

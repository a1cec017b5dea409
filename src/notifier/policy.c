/*
 * policy.c
 *		Verdicts and delays.
 */
#include "notifier/policy.h"

#define DELAY_MAX INT64_C(86400000) /* what twin.settle_delivery() takes */

Verdict
policy_http(long status)
{
	if (status >= 200 && status <= 299)
		return VERDICT_DELIVERED;
	/* 408 Request Timeout, 425 Too Early, 429 Too Many Requests */
	if (status < 300 || status >= 500 || status == 408 || status == 425 || status == 429)
		return VERDICT_RETRY;
	return VERDICT_DEAD;
}

Verdict
policy_smtp(long reply)
{
	/* a login that fails is the administrator's to mend, not the message's fault: 530 to 538 of RFC 4954 */
	return reply >= 500 && reply <= 599 && (reply < 530 || reply > 538) ? VERDICT_DEAD : VERDICT_RETRY;
}

int64_t
policy_delay(int attempt, int first, int last, int64_t asked_for, uint32_t chance)
{
	int64_t delay = (int64_t) first * 1000;
	int64_t most = (int64_t) last * 1000;

	for (int i = 1; i < attempt && delay < most; i++)
		delay *= 2;
	if (delay > most)
		delay = most;
	delay = delay / 2 + (int64_t) (chance % (uint32_t) (delay / 2 + 1));
	if (asked_for > DELAY_MAX / 1000)
		asked_for = DELAY_MAX / 1000;
	if (delay < asked_for * 1000)
		delay = asked_for * 1000;
	return delay > DELAY_MAX ? DELAY_MAX : delay;
}

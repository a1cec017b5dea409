/*
 * judge.c
 *		Whether a subscription may be, and go on: by its token, and by the
 *		permission that each of its topics needs.
 *
 * It is judged when it is made, and again whenever keys, revocations, roles or
 * topics changed and when its token expires.
 */
#include "topic/private.h"

#include "identity/identity.h"

#include "utils/memutils.h"

static MemoryContext context = NULL; /* of the subscriptions */
static List *role_names =
	NIL; /* each once, so that subscriptions compare pointers; they are few, for each held a permission */

void
topic_judge_begin(MemoryContext memory)
{
	context = memory;
	role_names = NIL;
}

uint64
topic_generation(void)
{
	token_listen();
	return token_generation() + identity_generation() + topic_rule_generation();
}

static const char *
keep_role(const char *role)
{
	ListCell *cell;
	MemoryContext outer;
	char *copy;

	foreach(cell, role_names)
		/* public: a role's name */
		if (strcmp(lfirst(cell), role) == 0)
			return lfirst(cell);
	outer = MemoryContextSwitchTo(context);
	copy = pstrdup(role);
	role_names = lappend(role_names, copy);
	MemoryContextSwitchTo(outer);
	return copy;
}

/* Why a token's status closes a subscription. */
static const char *
reason_of(Status status)
{
	switch (status)
	{
		case TSEC_TOKEN_EXPIRED:
			return "token_expired";
		case TSEC_TOKEN_REVOKED:
			return "token_revoked";
		default:
			return "token_refused";
	}
}

/* Verifies the token, or, while keys are what they were, looks again whether it holds. */
static Status
verify(Subscription *subscription)
{
	const VerifiedToken *token;
	Status status;

	if (subscription->kept != NULL && token_look_again(subscription->kept, &status))
		return status;
	if (subscription->kept != NULL)
		pfree(subscription->kept);
	subscription->kept = NULL;
	status = token_find(subscription->token, subscription->token_length, &token);
	if (status == TSEC_OK)
		subscription->kept = token_keep(token, context);
	return status;
}

void
topic_judge(Subscription *subscription, int64 now)
{
	TopicVerdict *verdict = &subscription->verdict;
	Identity identity;

	/* the number first: news that arrives meanwhile makes this stale */
	subscription->generation = topic_generation();
	verdict->reason = NULL;
	verdict->status = verify(subscription);
	if (verdict->status == TSEC_OK)
		verdict->status = identity_of_token(subscription->kept, &identity);
	if (verdict->status != TSEC_OK)
	{
		verdict->reason = reason_of(verdict->status);
		return;
	}
	subscription->has_tenant = identity.has_tenant;
	subscription->tenant = identity.tenant_id;
	/* past its expiry a leeway keeps it: looked at every second */
	subscription->until = subscription->kept->expires_at;
	subscription->until = subscription->until > 0 ? Max(subscription->until, now + 1) : PG_INT64_MAX;
	for (int i = 0; i < subscription->topic_count; i++)
	{
		TopicRule rule;
		bool exists = topic_rule_find(subscription->members[i].entry->topic, &rule);

		if (exists && identity.role != NULL && identity_role_permits(identity.role, rule.subscribe))
			continue;
		verdict->reason = exists ? "permission_denied" : "topic_gone";
		strlcpy(verdict->topic, subscription->members[i].entry->topic, sizeof(verdict->topic));
		strlcpy(verdict->permission, exists ? rule.subscribe : "", sizeof(verdict->permission));
		return;
	}
	/* without a topic nothing asks for a role, and there may be none */
	subscription->role = subscription->topic_count > 0 ? keep_role(identity.role) : NULL;
}

bool
topic_still_holds(Subscription *subscription, int64 now, uint64 generation)
{
	if (likely(now < subscription->until && subscription->generation == generation))
		return true;
	topic_judge(subscription, now);
	return subscription->verdict.reason == NULL;
}

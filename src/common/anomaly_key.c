/*
 * anomaly_key.c
 *		Networks, objects and actions: which a user knows, and how many users know
 *		each.  Both tables are of fixed size.
 */
#include "anomaly_form.h"

#define PLACES 8 /* where a shared key may lie */

/* Keys of one hash and different sorts are different. */
static uint64_t
shared_hash(AnomalySort sort, uint64_t hash)
{
	return hash + (uint64_t) sort;
}

static int
shared_place(uint64_t hash, int i)
{
	return (int) ((hash + (uint64_t) i) % ANOMALY_SHARED);
}

const AnomalyKnown *
anomaly_known(const AnomalyProfile *profile, AnomalySort sort, uint64_t hash)
{
	for (int i = 0; i < ANOMALY_KNOWN; i++)
		if (profile->known[sort][i].since > 0 && profile->known[sort][i].hash == hash)
			return &profile->known[sort][i];
	return NULL;
}

const AnomalyShared *
anomaly_shared(const AnomalyModel *model, AnomalySort sort, uint64_t hash)
{
	uint64_t wanted = shared_hash(sort, hash);

	for (int i = 0; i < PLACES; i++)
	{
		const AnomalyShared *shared = &model->shared[shared_place(wanted, i)];

		if (shared->users > 0 && shared->hash == wanted)
			return shared;
	}
	return NULL;
}

/* One more user knows a key, which displaces the least known of those at its places. */
static void
share(AnomalyModel *model, AnomalySort sort, uint64_t hash)
{
	uint64_t wanted = shared_hash(sort, hash);
	AnomalyShared *least = &model->shared[shared_place(wanted, 0)];

	for (int i = 0; i < PLACES; i++)
	{
		AnomalyShared *shared = &model->shared[shared_place(wanted, i)];

		if (shared->users > 0 && shared->hash == wanted)
		{
			shared->users++;
			return;
		}
		if (shared->users < least->users)
			least = shared;
	}
	least->hash = wanted;
	least->users = 1;
}

bool
anomaly_learn_key(AnomalyModel *model, AnomalyProfile *profile, const AnomalyKey *key)
{
	uint32_t day = profile->window.hour / 24 + 1;
	AnomalyKnown *oldest = profile->known[key->sort];

	for (int i = 0; i < ANOMALY_KNOWN; i++)
	{
		AnomalyKnown *known = &profile->known[key->sort][i];

		if (known->since > 0 && known->hash == key->hash)
		{
			known->day = day;
			return false;
		}
		if (known->day < oldest->day)
			oldest = known;
	}
	*oldest = (AnomalyKnown){.hash = key->hash, .since = day, .day = day};
	share(model, (AnomalySort) key->sort, key->hash);
	return true;
}

/*
 * news.c
 *		Word of changed keys and revocations: relcache invalidation of two views,
 *		sent by triggers on the tables.
 *
 * It reaches every session before COMMIT returns to whoever made the change,
 * and standbys through WAL.  Whoever asks for a token listens first, which
 * costs next to nothing when there is no news, so a statement that is already
 * running hears it as well and no shared memory is needed.  News is only
 * noted when it comes: caches compare the numbers when they are next used.
 */
#include "token/private.h"

#include "access/xact.h"
#include "utils/inval.h"

PG_FUNCTION_INFO_V1(tsec_token_keys_changed);
PG_FUNCTION_INFO_V1(tsec_revocations_changed);

static uint64 key_generation = 1;
static uint64 revocation_generation = 1;
static bool signals_known = false; /* a policy asks for every row */

static void
note_relation_change(Datum argument, Oid relation)
{
	bool everything = relation == InvalidOid;

	if (!everything && !token_catalog_uses(relation))
		return;
	if (everything || !token_catalog_is_revocation_signal(relation))
		key_generation++;
	if (everything || !token_catalog_is_key_signal(relation))
		revocation_generation++;
	/* the extension may have been dropped or made anew; a mere signal says that it was not */
	if (everything || (!token_catalog_is_key_signal(relation) && !token_catalog_is_revocation_signal(relation)))
	{
		token_catalog_forget();
		signals_known = false;
	}
}

void
token_news_init(void)
{
	base_watch_relations(note_relation_change);
}

void
token_news_listen(void)
{
	AcceptInvalidationMessages();
}

/* News can be noticed of relations that are known: before a number is read that somebody will compare with a later one. */
static inline void
know_signals(void)
{
	if (likely(signals_known) || !IsTransactionState())
		return;
	/* looking one up may bring news that forgets the other */
	for (int tries = 0; tries < 3 && !signals_known; tries++)
	{
		Oid of_keys = token_catalog_key_signal();
		Oid of_revocations = token_catalog_revocation_signal();

		signals_known = OidIsValid(of_keys) && OidIsValid(of_revocations) && token_catalog_is_key_signal(of_keys) &&
						token_catalog_is_revocation_signal(of_revocations);
	}
}

uint64
token_key_generation(void)
{
	know_signals();
	return key_generation + setting_token_changes;
}

uint64
token_revocation_generation(void)
{
	know_signals();
	return revocation_generation;
}

void
token_listen(void)
{
	token_news_listen();
	know_signals();
}

uint64
token_generation(void)
{
	return key_generation + setting_token_changes + revocation_generation;
}

/* token_keys_changed(): trigger after any change of the keys */
Datum
tsec_token_keys_changed(PG_FUNCTION_ARGS)
{
	base_require_trigger(fcinfo, "token_keys_changed");
	base_tell_sessions(token_catalog_key_signal());
	key_generation++;
	return PointerGetDatum(NULL);
}

/* revocations_changed(): trigger after any change of the revocations */
Datum
tsec_revocations_changed(PG_FUNCTION_ARGS)
{
	base_require_trigger(fcinfo, "revocations_changed");
	base_tell_sessions(token_catalog_revocation_signal());
	revocation_generation++;
	return PointerGetDatum(NULL);
}

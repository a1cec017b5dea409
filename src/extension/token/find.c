/*
 * find.c
 *		From a token's text to what it says: the strict door, and a small cache
 *		behind it.
 *
 * The cache keeps the last tokens that verified, whole, in memory that is
 * wiped.  An entry is found by a keyed hash and proved by comparing all of the
 * text in constant time, so that nobody learns a token of another session by
 * measuring.  What may change is looked at every time: the clock, the keys
 * (news drops the cache) and the revocations (news makes each entry look
 * again).  A token that is being verified lives in a scratch slot, so what
 * does not verify displaces nothing.
 */
#include "token/private.h"

#include "common/encode.h"
#include "common/secret.h"

#include "common/hashfn.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#define CACHE_COUNT 16
#define HASHED_END 43 /* characters: all of an HMAC-SHA256 */

typedef struct CacheEntry
{
	MemoryContext context; /* of everything below, and of what jansson holds meanwhile */
	uint64 hash;
	size_t length; /* 0: empty */
	char *token;
	uint64 revocation_generation; /* when it was last looked up */
	uint64 used;
	VerifiedToken verified;
} CacheEntry;

static MemoryContext cache_context = NULL;
static CacheEntry *entries[CACHE_COUNT];
static CacheEntry *scratch = NULL;
static uint64 cache_generation = 0;
static uint64 clock_hand = 0;
static uint64 hash_seed;

static void
wipe_entry(CacheEntry *entry)
{
	if (entry->token != NULL)
		secret_wipe(entry->token, entry->length);
	entry->token = NULL;
	entry->length = 0;
}

static void
wipe_all(void)
{
	for (int i = 0; i < CACHE_COUNT; i++)
		if (entries[i] != NULL)
			wipe_entry(entries[i]);
	if (scratch != NULL)
		wipe_entry(scratch);
}

static void
wipe_at_exit(int code, Datum argument)
{
	wipe_all();
}

static CacheEntry *
new_entry(void)
{
	CacheEntry *entry = MemoryContextAllocZero(cache_context, sizeof(CacheEntry));

	entry->context = AllocSetContextCreate(cache_context, "twin_security token", 0, 4096, 16384);
	return entry;
}

static void
make_cache(void)
{
	MemoryContext made = AllocSetContextCreate(TopMemoryContext, "twin_security tokens", ALLOCSET_SMALL_SIZES);

	base_check(random_secret((uint8 *) &hash_seed, sizeof(hash_seed)));
	cache_context = made;
	for (int i = 0; i < CACHE_COUNT; i++)
		entries[i] = new_entry();
	scratch = new_entry();
	before_shmem_exit(wipe_at_exit, (Datum) 0);
}

/* A hash to find an entry by; of the signature's end, where tokens differ. */
static uint64
hash_token(const char *token, size_t length)
{
	size_t end = Min(length, HASHED_END);

	return hash_bytes_extended((const unsigned char *) token + length - end, (int) end, hash_seed);
}

/* A token that carries no id is called by a digest of what was signed: its signature may have a second spelling. */
static Status
name_token(const JwtParts *parts, const Claims *claims, char name[CLAIM_TEXT_MAX + 1])
{
	static const char prefix[] = "sha256:";
	uint8 digest[DIGEST_SIZE];
	Status status;

	if (claims->token_id != NULL)
	{
		strlcpy(name, claims->token_id, CLAIM_TEXT_MAX + 1);
		return TSEC_OK;
	}
	status = digest_sha256(parts->signed_text, digest);
	memcpy(name, prefix, sizeof(prefix) - 1);
	encode_base64url(digest, sizeof(digest), name + sizeof(prefix) - 1);
	name[sizeof(prefix) - 1 + encode_base64url_size(sizeof(digest))] = '\0';
	return status;
}

/* Finds the key that a token is of, by its signature where its header names none. */
static Status
find_key(const JwtParts *parts, TokenKey **found)
{
	TokenCandidates candidates;
	Status status = token_key_find(parts->header, &candidates);
	Status first = TSEC_OK;

	for (int i = 0; status == TSEC_OK && i < candidates.count; i++)
	{
		Status tried = token_key_ready(candidates.keys[i]);

		if (tried == TSEC_OK)
			tried = jwt_verify(candidates.keys[i]->key, parts);
		if (tried == TSEC_OK)
		{
			*found = candidates.keys[i];
			return TSEC_OK;
		}
		/* a key that cannot be opened is news, a signature that is another's is none */
		if (first == TSEC_OK || first == TSEC_TOKEN_SIGNATURE)
			first = tried;
	}
	return status == TSEC_OK ? first : status;
}

Status
token_judge(const char *token, size_t length, TokenType type, JudgedToken *judged)
{
	ClaimRules rules;
	JwtParts parts;
	Status status = jwt_split(token, length, &parts);

	judged->claims = (Claims){0};
	if (status == TSEC_OK)
		status = find_key(&parts, &judged->key);
	if (status == TSEC_OK)
		status = claims_read(parts.payload, &judged->claims);
	if (status != TSEC_OK)
		return status;
	rules = judged->key->rules;
	if (type == TOKEN_REFRESH)
	{
		/* nobody but ourselves makes refresh tokens for us */
		if (!rules.is_own)
			return TSEC_TOKEN_TYPE;
		rules.type = CLAIM_TYPE_REFRESH;
		rules.max_lifetime = TOKEN_REFRESH_LIFETIME_MAX;
	}
	status = claims_check(&rules, base_seconds_now(), &judged->claims);
	/* the times are judged last: the signature and all else holds */
	if (status == TSEC_OK || status == TSEC_TOKEN_EXPIRED || status == TSEC_TOKEN_EARLY ||
		status == TSEC_TOKEN_LIFETIME)
	{
		Status named = name_token(&parts, &judged->claims, judged->name);

		if (named != TSEC_OK)
			status = named;
	}
	return status;
}

/* jansson's memory is not the server's: the context it is used in frees it, whatever happens. */
static void
free_judged(void *argument)
{
	claims_free(&((JudgedToken *) argument)->claims);
}

/* Copies what was judged into an entry, in the database's encoding. */
static Status
fill_entry(CacheEntry *entry, const JudgedToken *judged)
{
	const Claims *claims = &judged->claims;
	VerifiedToken *verified = &entry->verified;
	Status status;

	memset(verified, 0, sizeof(*verified));
	status = token_text_of(claims->user, &verified->user);
	if (status == TSEC_OK)
		status = token_text_of(claims->role, &verified->role);
	if (status == TSEC_OK)
		status = token_text_of(claims->session, &verified->session);
	if (status == TSEC_OK)
		status = token_text_of(claims->token_id, &verified->token_id);
	if (status == TSEC_OK)
		status = token_text_of(judged->name, &verified->name);
	if (status == TSEC_OK)
		status = token_text_of(judged->key->kid, &verified->kid);
	if (status == TSEC_OK)
		status = token_jsonb_of(claims->root, &verified->claims);
	verified->has_user_id = claims->has_user_id;
	verified->user_id = claims->user_id;
	verified->role_is_database = judged->key->rules.map->role_is_database;
	verified->has_tenant = claims->has_tenant;
	verified->tenant_id = claims->tenant_id;
	verified->issued_at = claims->issued_at;
	verified->expires_at = claims->expires_at;
	verified->is_own = judged->key->is_own;
	verified->key_generation = cache_generation;
	verified->leeway = judged->key->rules.leeway;
	return status;
}

/* Verifies a token into the scratch slot. */
static Status
verify(const char *token, size_t length, TokenType type)
{
	MemoryContext old;
	JudgedToken *judged;
	MemoryContextCallback *callback;
	Status status;

	wipe_entry(scratch);
	MemoryContextReset(scratch->context);
	old = MemoryContextSwitchTo(scratch->context);
	judged = palloc(sizeof(JudgedToken));
	judged->claims = (Claims){0};
	callback = palloc(sizeof(MemoryContextCallback));
	callback->func = free_judged;
	callback->arg = judged;
	MemoryContextRegisterResetCallback(scratch->context, callback);

	status = token_judge(token, length, type, judged);
	if (status == TSEC_OK)
		status = fill_entry(scratch, judged);
	claims_free(&judged->claims);
	MemoryContextSwitchTo(old);
	if (status != TSEC_OK)
		return status;
	/* the number first: news that arrives during the look makes it stale */
	scratch->revocation_generation = token_revocation_generation();
	return token_catalog_is_revoked(&scratch->verified, scratch->verified.name) ? TSEC_TOKEN_REVOKED : TSEC_OK;
}

/* Puts the scratch slot in place of the entry that was not used for longest, or of an empty one. */
static CacheEntry *
keep_scratch(const char *token, size_t length, uint64 hash)
{
	CacheEntry *kept = scratch;
	int oldest = 0;

	kept->token = MemoryContextAlloc(kept->context, length);
	memcpy(kept->token, token, length);
	kept->length = length;
	kept->hash = hash;
	for (int i = 1; i < CACHE_COUNT && entries[oldest]->length > 0; i++)
		if (entries[i]->length == 0 || entries[i]->used < entries[oldest]->used)
			oldest = i;
	scratch = entries[oldest];
	entries[oldest] = kept;
	return kept;
}

/* Whether an entry still holds: the clock, and the revocations when there was news of them. */
static Status
look_again(CacheEntry *entry)
{
	uint64 generation = token_revocation_generation();
	Status status = TSEC_OK;

	if (entry->verified.expires_at > 0 && base_seconds_now() >= entry->verified.expires_at + entry->verified.leeway)
		status = TSEC_TOKEN_EXPIRED;
	else if (entry->revocation_generation != generation)
	{
		if (token_catalog_is_revoked(&entry->verified, entry->verified.name))
			status = TSEC_TOKEN_REVOKED;
		else
			entry->revocation_generation = generation;
	}
	if (status != TSEC_OK)
		wipe_entry(entry);
	return status;
}

/* Listens to the news and acts upon it: the one place where entries are dropped because keys changed. */
static void
refresh(void)
{
	uint64 generation;

	if (unlikely(cache_context == NULL))
		make_cache();
	token_news_listen();
	generation = token_key_generation();
	if (unlikely(cache_generation != generation))
	{
		wipe_all();
		cache_generation = generation;
	}
}

Status
token_find(const char *token, size_t length, const VerifiedToken **found)
{
	CacheEntry *entry;
	uint64 hash;
	Status status;

	*found = NULL;
	if (length > JWT_LENGTH_MAX)
		return TSEC_TOKEN_TOO_LONG;
	if (length == 0)
		return TSEC_TOKEN_MALFORMED;
	refresh();
	hash = hash_token(token, length);
	for (int i = 0; i < CACHE_COUNT; i++)
	{
		entry = entries[i];
		if (entry->hash != hash || entry->length != length || !secret_equal(entry->token, token, length))
			continue;
		status = look_again(entry);
		if (status != TSEC_OK)
			return status;
		entry->used = ++clock_hand;
		*found = &entry->verified;
		return TSEC_OK;
	}
	status = verify(token, length, TOKEN_ACCESS);
	if (status != TSEC_OK)
		return status;
	entry = keep_scratch(token, length, hash);
	entry->used = ++clock_hand;
	*found = &entry->verified;
	return TSEC_OK;
}

Status
token_find_refresh(const char *token, size_t length, const VerifiedToken **found)
{
	Status status;

	*found = NULL;
	if (length > JWT_LENGTH_MAX)
		return TSEC_TOKEN_TOO_LONG;
	if (length == 0)
		return TSEC_TOKEN_MALFORMED;
	refresh();
	status = verify(token, length, TOKEN_REFRESH);
	if (status == TSEC_OK)
		*found = &scratch->verified;
	return status;
}

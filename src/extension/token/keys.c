/*
 * keys.c
 *		This session's key set: every key that verifies, parsed on first use and
 *		kept until the keys or the settings change.
 *
 * Parsed keys live in OpenSSL's heap and belong to the entries of the set;
 * they are freed when the set is dropped, at the beginning of the next search
 * and nowhere else.
 */
#include "token/private.h"

#include "common/secret.h"

#include "storage/ipc.h"
#include "utils/memutils.h"

/* An issuer writes the same header into every token; what was made of it is remembered. */
#define MEMO_COUNT 4
#define MEMO_TEXT_MAX 512

typedef struct HeaderMemo
{
	size_t length;
	TokenCandidates found;
	char text[MEMO_TEXT_MAX];
} HeaderMemo;

static MemoryContext set_context = NULL;
static TokenKey *first_key = NULL;
static uint64 set_generation = 0; /* 0: there is no set */
static ClaimMap *own_map = NULL;
static HeaderMemo memos[MEMO_COUNT];
static int next_memo = 0;

static void
free_parsed_keys(void)
{
	for (TokenKey *key = first_key; key != NULL; key = key->next)
	{
		jwt_key_free(key->key);
		key->key = NULL;
		if (key->rules.map != own_map)
			claim_map_free((ClaimMap *) key->rules.map);
		key->rules.map = NULL;
	}
	first_key = NULL;
}

static void
free_at_exit(int code, Datum argument)
{
	free_parsed_keys();
}

const ClaimMap *
token_own_map(void)
{
	static const char text[] = "{\"user\": \"user_id\"}";

	if (own_map == NULL)
		base_check(claim_map_read(text, sizeof(text) - 1, &own_map));
	return own_map;
}

/* Adds an entry with the rules of our own keys. */
static TokenKey *
add_key(const char *kid, JwtAlgorithm algorithm, TokenKeyState state)
{
	TokenKey *key = MemoryContextAllocZero(set_context, sizeof(TokenKey));

	key->kid = kid;
	key->is_own = true;
	key->algorithm = algorithm;
	key->state = state;
	key->rules = (ClaimRules){.map = token_own_map(),
							  .issuer = setting_token_issuer,
							  .audience = setting_token_audience,
							  .max_lifetime = TOKEN_ACCESS_LIFETIME_MAX,
							  .leeway = setting_token_leeway,
							  .type = CLAIM_TYPE_ACCESS,
							  .is_own = true};
	key->next = first_key;
	first_key = key;
	return key;
}

static void
add_secret(const TokenSecret *secret, const char *kid, bool is_previous)
{
	TokenKey *key;

	if (secret->status != TSEC_OK)
		return;
	/* who leaves the same secret in both has one key */
	if (is_previous && first_key != NULL && strcmp(first_key->kid, kid) == 0) /* public: names of keys */
		return;
	key = add_key(kid, JWT_HS256, TOKEN_KEY_VERIFYING);
	key->is_secret_of_environment = true;
	key->is_previous = is_previous;
}

static void
add_row(TokenKeyRow *row)
{
	TokenKey *key = add_key(row->kid, row->algorithm, row->state);

	key->row = row;
	key->is_own = row->is_own;
	if (row->is_own)
		return;
	key->rules = (ClaimRules){.map = NULL, /* read with the key */
							  .issuer = row->issuer,
							  .audience = row->audience,
							  .max_lifetime = row->max_lifetime,
							  .leeway = setting_token_leeway,
							  .type = CLAIM_TYPE_OUTSIDE,
							  .is_own = false};
}

/* Drops the set and reads it anew. */
static void
start_over(uint64 generation)
{
	MemoryContext old;
	List *rows;
	ListCell *cell;
	char *current_kid;
	char *previous_kid;

	if (set_context == NULL)
	{
		set_context = AllocSetContextCreate(TopMemoryContext, "twin_security token keys", ALLOCSET_SMALL_SIZES);
		before_shmem_exit(free_at_exit, (Datum) 0);
	}
	set_generation = 0;
	free_parsed_keys();
	memset(memos, 0, sizeof(memos));
	MemoryContextReset(set_context);

	old = MemoryContextSwitchTo(set_context);
	rows = token_catalog_keys();
	current_kid = token_catalog_local_kid(token_secret_current());
	previous_kid = token_catalog_local_kid(token_secret_previous());
	MemoryContextSwitchTo(old);
	add_secret(token_secret_current(), current_kid, false);
	add_secret(token_secret_previous(), previous_kid, true);
	foreach(cell, rows)
		add_row(lfirst(cell));
	set_generation = generation;
}

/* The set as of the last news; a pointer into it is good until the next call. */
static TokenKey *
get_set(void)
{
	uint64 generation = token_key_generation();

	/* first what is known, then what is read: news that arrives meanwhile makes it stale once more */
	if (unlikely(set_generation != generation))
		start_over(generation);
	return first_key;
}

Status
token_key_open_secret(const TokenKeyRow *row, uint8 bytes[KEYRING_SECRET_MAX], size_t *length)
{
	KeyringSecret secret = {.purpose = TOKEN_SECRET_PURPOSE, .name = row->kid};

	token_key_binding(row, secret.binding);
	return keyring_open_secret(&secret, bytes, length);
}

/* Parses a public key as add_verification_key() or create_signing_key() stored it. */
static Status
parse_public(TokenKey *key)
{
	Jwk *jwk = palloc(sizeof(Jwk));
	Status status = jwk_read(key->row->public_text, strlen(key->row->public_text), jwk);

	if (status == TSEC_OK && jwk->algorithm == key->algorithm)
	{
		key->key = jwk->key;
		jwk->key = NULL;
	}
	else if (status != TSEC_NO_MEMORY && status != TSEC_LIBRARY_FAILURE)
		status = TSEC_KEYRING_TAMPERED;
	jwk_free(jwk);
	pfree(jwk);
	return status;
}

static Status
parse_secret(TokenKey *key)
{
	uint8 bytes[KEYRING_SECRET_MAX];
	size_t length;
	Status status = token_key_open_secret(key->row, bytes, &length);

	if (status == TSEC_OK)
		status = jwk_of_secret(key->algorithm, bytes_of(bytes, length), &key->key);
	secret_wipe(bytes, sizeof(bytes));
	return status;
}

/* What is wrong with a key is remembered until the set is dropped; not what is wrong with the moment. */
static Status
remember(TokenKey *key, Status status)
{
	if (status != TSEC_NO_MEMORY && status != TSEC_LIBRARY_FAILURE)
		key->status = status;
	return status;
}

Status
token_key_ready(TokenKey *key)
{
	ClaimMap *map;
	Status status;

	if (likely(key->key != NULL) || key->status != TSEC_OK)
		return key->status;
	if (key->is_secret_of_environment)
	{
		const TokenSecret *secret = key->is_previous ? token_secret_previous() : token_secret_current();

		return jwk_of_secret(JWT_HS256, bytes_of(secret->bytes, secret->length), &key->key);
	}
	if (key->rules.map == NULL)
	{
		status = claim_map_read(key->row->claim_map, strlen(key->row->claim_map), &map);
		if (status != TSEC_OK)
			return remember(key, status == TSEC_NO_MEMORY ? status : TSEC_KEYRING_TAMPERED);
		key->rules.map = map;
		if (map->leeway >= 0)
			key->rules.leeway = map->leeway;
	}
	/* what needs ENCRYPTION_KEY may find it at the next try */
	return key->row->public_text != NULL ? remember(key, parse_public(key)) : parse_secret(key);
}

/*
 * The keys of a header: the one it names, or, for a token without kid, all of
 * its algorithm, of which the one counts that verifies (PostgREST's tokens
 * have none).  That is safe because a key pins algorithm and rules.
 */
static Status
choose(const JwtHeader *header, TokenCandidates *found)
{
	bool named = header->kid[0] != '\0';

	found->count = 0;
	for (TokenKey *key = first_key; key != NULL; key = key->next)
	{
		if (key->state == TOKEN_KEY_RETIRED)
			continue;
		if (named ? strcmp(key->kid, header->kid) != 0 : key->algorithm != header->algorithm) /* public: names */
			continue;
		/* two of one name are nobody's; of too many nobody tries all */
		if (found->count == (named ? 1 : TOKEN_CANDIDATES_MAX))
			return TSEC_TOKEN_KEY_UNKNOWN;
		found->keys[found->count++] = key;
	}
	if (found->count == 0)
		return TSEC_TOKEN_KEY_UNKNOWN;
	return found->keys[0]->algorithm == header->algorithm ? TSEC_OK : TSEC_TOKEN_ALGORITHM;
}

Status
token_key_find(Bytes segment, TokenCandidates *found)
{
	JwtHeader header;
	HeaderMemo *memo;
	Status status;

	(void) get_set();
	for (int i = 0; i < MEMO_COUNT; i++)
	{
		memo = &memos[i];
		if (memo->length == segment.length && memo->found.count > 0 &&
			memcmp(memo->text, segment.data, segment.length) == 0) /* public: a header */
		{
			*found = memo->found;
			return TSEC_OK;
		}
	}
	status = jwt_read_header(segment, &header);
	if (status == TSEC_OK)
		status = choose(&header, found);
	if (status != TSEC_OK)
		return status;
	if (segment.length <= MEMO_TEXT_MAX)
	{
		memo = &memos[next_memo++ % MEMO_COUNT];
		memcpy(memo->text, segment.data, segment.length);
		memo->length = segment.length;
		memo->found = *found;
	}
	return TSEC_OK;
}

TokenKey *
token_key_signing(void)
{
	const TokenSecret *secret = token_secret_current();
	TokenKey *environment = NULL;

	token_news_listen();
	for (TokenKey *key = get_set(); key != NULL; key = key->next)
	{
		if (key->state == TOKEN_KEY_SIGNING && key->is_own)
			return key;
		if (key->is_secret_of_environment && !key->is_previous)
			environment = key;
	}
	if (environment == NULL)
		base_throw(secret->status);
	return environment;
}

const char *
token_key_environment_kid(bool previous)
{
	token_news_listen();
	for (TokenKey *key = get_set(); key != NULL; key = key->next)
		if (key->is_secret_of_environment && key->is_previous == previous)
			return key->kid;
	return NULL;
}

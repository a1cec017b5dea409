/*
 * kept.c
 *		Tokens that somebody holds on to: whether they still hold.
 *
 * The signature of a token that verified holds as long as the keys stay what
 * they were; expiry and revocation are looked at every time.
 */
#include "token/private.h"

#include "utils/memutils.h"

/* Copies a string behind others; NULL stays NULL. */
static const char *
place(char **free, const char *string)
{
	char *copy = *free;
	size_t size;

	if (string == NULL)
		return NULL;
	size = strlen(string) + 1;
	memcpy(copy, string, size);
	*free += size;
	return copy;
}

static Size
room_for(const char *string)
{
	return string == NULL ? 0 : strlen(string) + 1;
}

VerifiedToken *
token_keep(const VerifiedToken *token, MemoryContext context)
{
	VerifiedToken *kept =
		MemoryContextAlloc(context, sizeof(VerifiedToken) + room_for(token->user) + room_for(token->role) +
										room_for(token->session) + room_for(token->token_id) + room_for(token->name));
	char *free = (char *) (kept + 1);

	*kept = *token;
	kept->user = place(&free, token->user);
	kept->role = place(&free, token->role);
	kept->session = place(&free, token->session);
	kept->token_id = place(&free, token->token_id);
	kept->name = place(&free, token->name);
	kept->kid = NULL;
	kept->claims = NULL;
	return kept;
}

bool
token_look_again(const VerifiedToken *kept, Status *status)
{
	token_news_listen();
	if (kept->key_generation != token_key_generation())
		return false;
	if (kept->expires_at > 0 && base_seconds_now() >= kept->expires_at + kept->leeway)
		*status = TSEC_TOKEN_EXPIRED;
	else
		*status = token_catalog_is_revoked(kept, kept->name) ? TSEC_TOKEN_REVOKED : TSEC_OK;
	return true;
}

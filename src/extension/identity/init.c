/*
 * init.c
 *		Starts the part, and tells the parts below who is asking: events name
 *		him, keys may be granted to what he is permitted.
 */
#include "identity/private.h"

#include "event/event.h"
#include "keyring/keyring.h"

/* Whether a key's grants to roles count in this session now. */
static bool
grants_count(void)
{
	identity_check_seal();
	return identity_has_warrant();
}

/* Whether whoever is asking holds a permission; nobody, and a token that does not hold, have none. */
static bool
holds_permission(const char *permission)
{
	const Identity *identity = identity_if_verified();

	return identity != NULL && identity->role != NULL && tables_role_permits(identity->role, permission);
}

void
identity_init(void)
{
	static const KeyringAsker asker = {.generation = identity_generation,
									   .grants_count = grants_count,
									   .holds_permission = holds_permission,
									   .may_change = identity_is_token_only};

	tables_init();
	seal_init();
	warrant_init();
	actor_init();
	plaintext_init();
	keyring_set_asker(&asker);
}

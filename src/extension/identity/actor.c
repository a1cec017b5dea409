/*
 * actor.c
 *		Names whoever is asking in security events, as far as he is known
 *		already: an event may be emitted anywhere, also where nothing can be
 *		verified any more.
 */
#include "identity/private.h"

#include "event/event.h"

static void
name_actor(EventActor *actor)
{
	const Identity *identity = identity_last_known();

	if (identity == NULL)
		return;
	actor->is_verified = identity->user != NULL;
	actor->has_user = identity->has_user_id;
	actor->user_id = identity->user_id;
	actor->has_tenant = identity->has_tenant;
	actor->tenant_id = identity->tenant_id;
	actor->username = identity->is_own && identity->has_user_id ? identity->name : identity->user;
	actor->token_id = identity->token_id;
}

void
actor_init(void)
{
	event_add_actor_source(name_actor);
}

/*
 * gateway.c
 *		The configuration in force, which requests that began under another one do
 *		not lose.
 */
#include "gateway/serve/gateway.h"

ConfigHold *
gateway_hold_config(Gateway *gateway)
{
	gateway->config_hold->references++;
	return gateway->config_hold;
}

void
gateway_release_config(ConfigHold *hold)
{
	if (--hold->references == 0)
		arena_free(hold->arena);
}

void
gateway_use_config(Gateway *gateway, Arena *arena, const Config *config)
{
	ConfigHold *hold = arena_alloc(arena, sizeof(ConfigHold));

	hold->arena = arena;
	hold->references = 1;
	gateway->pre_request_sql = NULL;
	if (config->db_pre_request != NULL)
		gateway->pre_request_sql = plan_call(arena, config->db_pre_request);
	if (gateway->config_hold != NULL)
		gateway_release_config(gateway->config_hold);
	gateway->config_hold = hold;
	gateway->config = config;
}

void
gateway_forget_config(Gateway *gateway)
{
	gateway_release_config(gateway->config_hold);
	gateway->config_hold = NULL;
	gateway->config = NULL;
}

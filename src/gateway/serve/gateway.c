/*
 * gateway.c
 *		The configuration in force, which requests that began under another one do
 *		not lose.
 */
#include "gateway/serve/gateway.h"

#include <string.h>

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

/* The name of a function, perhaps with its schema, as quoted identifiers. */
static void
add_name(Text *sql, const char *name)
{
	text_char(sql, '"');
	for (; *name != '\0'; name++)
	{
		if (*name == '.')
			text_put(sql, "\".\"");
		else if (*name == '"')
			text_put(sql, "\"\"");
		else
			text_char(sql, *name);
	}
	text_char(sql, '"');
}

void
gateway_use_config(Gateway *gateway, Arena *arena, const Config *config)
{
	ConfigHold *hold = arena_alloc(arena, sizeof(ConfigHold));
	Text sql;

	hold->arena = arena;
	hold->references = 1;
	gateway->pre_request_sql = NULL;
	if (config->db_pre_request != NULL)
	{
		text_begin(&sql, arena);
		text_put(&sql, "SELECT ");
		add_name(&sql, config->db_pre_request);
		text_put(&sql, "()");
		gateway->pre_request_sql = sql.data;
	}
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

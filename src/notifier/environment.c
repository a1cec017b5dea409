/*
 * environment.c
 *		The variables that were taken, as a list.
 */
#include "notifier/environment.h"

#include "notifier/alert_config.h"

#include "common/secret.h"

#include <stdlib.h>
#include <string.h>

typedef struct Variable
{
	struct Variable *next;
	char *name;
	char value[CONFIG_TEXT_MAX + 2];
} Variable;

static Variable *taken = NULL;

/* What libpq and the system read themselves stays where they look for it. */
static bool
is_for_others(const char *name)
{
	return strncmp(name, "PG", 2) == 0 || strncmp(name, "SSL_", 4) == 0 || strcmp(name, "HOME") == 0 ||
		   strcmp(name, "PATH") == 0;
}

const char *
environment_value(void *argument, const char *name)
{
	Variable *variable;
	const char *value;

	for (variable = taken; variable != NULL; variable = variable->next)
		if (strcmp(variable->name, name) == 0) /* public: names */
			return variable->value;
	value = getenv(name);
	if (value == NULL || value[0] == '\0' || is_for_others(name))
		return value == NULL || value[0] == '\0' ? NULL : value;
	variable = calloc(1, sizeof(Variable));
	if (variable == NULL || (variable->name = strdup(name)) == NULL)
		abort(); /* out of memory */
	/* of what is too long the first bytes are kept, which are too many for the configuration as well */
	if (strlen(value) > CONFIG_TEXT_MAX)
		memset(variable->value, 'x', CONFIG_TEXT_MAX + 1);
	(void) secret_take_environment(name, variable->value,
								   strlen(value) > CONFIG_TEXT_MAX ? 0 : sizeof(variable->value));
	variable->next = taken;
	taken = variable;
	return variable->value;
}

void
environment_forget(void)
{
	while (taken != NULL)
	{
		Variable *variable = taken;

		taken = variable->next;
		free(variable->name);
		secret_wipe(variable->value, sizeof(variable->value));
		free(variable);
	}
}

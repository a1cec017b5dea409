/*
 * token_setting.c
 *		twin_security.token: the transaction's signed token, from which all
 *		identity is made by verifying it.
 *
 * Anybody may set it, for it gives no more than the token does.  What matters
 * is how far a value reaches: one that outlives its transaction would answer
 * for the next client of a pooled connection, and one that lies in a catalog, a
 * file or a start-up packet can be read there.  So the check hook takes it from
 * a running session alone and never repeats it, and whether it was set for the
 * transaction only is looked up where it is used: the hook is not told.
 */
#include "base/settings.h"

#include "base/base.h"

#include "access/parallel.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

#define TOKEN_SETTING "twin_security.token"

static char *token = NULL;
static uint64 changes = 0;
static struct config_generic *record = NULL;

/* Refuses every source but a session's own statements; what is taken is copied to workers by the server itself. */
static bool
check_token(char **value, void **extra, GucSource source)
{
	if (*value == NULL || **value == '\0')
		return true;
	if (source != PGC_S_SESSION)
	{
		GUC_check_errcode(ERRCODE_CANT_CHANGE_RUNTIME_PARAM);
		GUC_check_errmsg("parameter \"%s\" cannot be set this way", TOKEN_SETTING);
		GUC_check_errhint("Call twin.authenticate(), or use SET LOCAL.");
		return false;
	}
	if (strlen(*value) > SETTING_TOKEN_MAX)
	{
		GUC_check_errcode(ERRCODE_INVALID_PARAMETER_VALUE);
		GUC_check_errmsg("token is longer than %d bytes", SETTING_TOKEN_MAX);
		return false;
	}
	return true;
}

static void
note_token(const char *value, void *extra)
{
	changes++;
}

void
token_setting_init(void)
{
	DefineCustomStringVariable(
		TOKEN_SETTING, "The signed token that says who is asking.",
		"Set for one transaction by twin.authenticate() or SET LOCAL; for a session only where "
		"twin_security.allow_session_identity is on. Everything is verified where it is used. "
		"Readable with pg_read_all_settings only.",
		&token, "", PGC_USERSET,
		GUC_SUPERUSER_ONLY | GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | GUC_DISALLOW_IN_AUTO_FILE,
		check_token, note_token, NULL);
	record = compat_find_setting(TOKEN_SETTING);
}

const char *
token_setting_value(void)
{
	return token != NULL && *token != '\0' ? token : NULL;
}

uint64
token_setting_changes(void)
{
	return changes;
}

bool
token_setting_is_local(void)
{
	const GucStack *newest = record->stack;

	/* a worker got the leader's value as a plain SET, and the leader answers for it (identity/seal.c) */
	return IsParallelWorker() || (newest != NULL && newest->state != GUC_SET);
}

void
token_setting_set(const char *value)
{
	(void) set_config_option(TOKEN_SETTING, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * environment.c
 *		JWT_SECRET_KEY and JWT_SECRET_KEY_PREVIOUS, taken and wiped where they
 *		came from, and JWT_ACCESS_TOKEN_EXPIRES.
 *
 * As with ENCRYPTION_KEY: with preloading this happens in the postmaster, so
 * that every child inherits the secrets in pages kept out of swap and core
 * dumps and no process shows them in its environment.  Without it each session
 * reads its own inherited environment on first need.
 */
#include "token/private.h"

#include "common/secret.h"

#include "miscadmin.h"

#define DEFAULT_LIFETIME 3600

typedef struct TokenSecrets
{
	TokenSecret current;
	TokenSecret previous;
} TokenSecrets;

static TokenSecrets *secrets = NULL;
static pid_t locked_in = 0;
static int64 environment_lifetime = 0; /* 0: not set, -1: no number of seconds */

/* Takes a secret's text, whose bytes are the key. */
static void
take_secret(TokenSecret *secret, const char *name)
{
	char text[TOKEN_SECRET_MAX + 1];
	size_t length = secret_take_environment(name, text, sizeof(text));

	if (length == 0)
		secret->status = TSEC_TOKEN_NO_SECRET;
	else if (length > TOKEN_SECRET_MAX)
		secret->status = TSEC_TOKEN_SECRET_LONG;
	else if (length < TOKEN_SECRET_MIN)
		secret->status = TSEC_TOKEN_SECRET_SHORT;
	else
	{
		memcpy(secret->bytes, text, length);
		secret->length = length;
		secret->status = jwk_secret_kid(bytes_of(secret->bytes, length), secret->kid);
	}
	secret_wipe(text, sizeof(text));
}

static int64
read_lifetime(const char *text)
{
	int64 seconds;

	if (text == NULL || *text == '\0')
		return 0;
	return claims_read_id(text, strlen(text), &seconds) && seconds <= TOKEN_ACCESS_LIFETIME_MAX ? seconds : -1;
}

/* Reads everything.  Never raises: what is wrong is said when somebody needs it. */
static void
load(void)
{
	bool locked = false;

	secrets = secret_pages_new(sizeof(TokenSecrets), &locked);
	if (secrets == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("no memory for the token secret")));
	locked_in = getpid();
	take_secret(&secrets->current, "JWT_SECRET_KEY");
	take_secret(&secrets->previous, "JWT_SECRET_KEY_PREVIOUS");
	environment_lifetime = read_lifetime(getenv("JWT_ACCESS_TOKEN_EXPIRES"));
	if (secrets->current.status == TSEC_OK || secrets->previous.status == TSEC_OK)
		secret_forbid_dumps();

	if (!locked)
		ereport(LOG, (errmsg("the token secret could not be locked in memory"),
					  errhint("Raise RLIMIT_MEMLOCK for the server, or run it without swap.")));
	if (secrets->current.status != TSEC_OK && secrets->current.status != TSEC_TOKEN_NO_SECRET)
		ereport(LOG, (errmsg("twin_security: %s", status_info(secrets->current.status)->message)));
	if (secrets->previous.status != TSEC_OK && secrets->previous.status != TSEC_TOKEN_NO_SECRET)
		ereport(
			LOG,
			(errmsg(
				"twin_security: JWT_SECRET_KEY_PREVIOUS is not usable: it has fewer than %d or more than %d bytes",
				TOKEN_SECRET_MIN, TOKEN_SECRET_MAX)));
	if (environment_lifetime < 0)
		ereport(LOG, (errmsg("twin_security: %s", status_info(TSEC_TOKEN_BAD_EXPIRES)->message)));
}

void
token_environment_init(void)
{
	if (base_is_preloaded())
		load();
}

static TokenSecrets *
get_secrets(void)
{
	if (secrets == NULL)
		load();
	else if (locked_in != MyProcPid)
	{
		/* the pages came through fork without their lock */
		(void) secret_pages_lock(secrets, sizeof(TokenSecrets));
		locked_in = MyProcPid;
	}
	return secrets;
}

const TokenSecret *
token_secret_current(void)
{
	return &get_secrets()->current;
}

const TokenSecret *
token_secret_previous(void)
{
	return &get_secrets()->previous;
}

int64
token_default_lifetime(void)
{
	(void) get_secrets();
	if (setting_token_lifetime > 0)
		return setting_token_lifetime;
	if (environment_lifetime < 0)
		base_throw(TSEC_TOKEN_BAD_EXPIRES);
	return environment_lifetime > 0 ? environment_lifetime : DEFAULT_LIFETIME;
}

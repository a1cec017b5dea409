/*
 * current.c
 *		The request that is running in this transaction: its id, where it came
 *		from, and the cookies that only this library may see.
 *
 * Begun inside a savepoint it goes when that is rolled back, together with the
 * token and the seal; nothing of it outlasts the transaction.  Neither does what
 * a gateway's request did to its session, which is somebody else's next: settings
 * made for the session, temporary objects, advisory locks, channels.
 */
#include "request/private.h"

#include "account/account.h"
#include "event/event.h"
#include "identity/identity.h"

#include "common/secret.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#define ID_BYTES 16

static struct
{
	bool is_running;
	SubTransactionId within; /* where it was begun */
	int settings_level;      /* all settings made on or above it are undone; 0: they stay */
	char id[2 * ID_BYTES + 1];
	bool has_address;
	NetAddress address;
	char address_text[NETWORK_TEXT_MAX];
	size_t refresh_length; /* of the cookie; 0 for none */
	char refresh[REQUEST_COOKIE_MAX + 1];
} current;

/* A name for the log, in which two requests never meet. A draw costs as much as many bytes, so many are drawn at once. */
static void
make_id(void)
{
	static const char digits[] = "0123456789abcdef";
	static uint8 drawn[32 * ID_BYTES]; /* in backends only, of which none is forked from another */
	static int left = 0;

	if (left == 0)
	{
		if (!pg_strong_random(drawn, sizeof(drawn)))
			base_throw(TSEC_NO_RANDOM);
		left = sizeof(drawn);
	}
	for (int i = 0; i < ID_BYTES; i++)
	{
		uint8 byte = drawn[--left];

		current.id[2 * i] = digits[byte >> 4];
		current.id[2 * i + 1] = digits[byte & 15];
	}
	current.id[2 * ID_BYTES] = '\0';
}

static void
forget(void)
{
	if (current.refresh_length > 0)
		secret_wipe(current.refresh, current.refresh_length);
	current.refresh_length = 0;
	current.is_running = false;
	rates_forget_taken();
}

void
current_begin(const NetAddress *address)
{
	if (InLocalUserIdChange() || InSecurityRestrictedOperation())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("a request cannot begin within a security-definer function")));
	if (current.is_running || token_setting_value() != NULL || identity_role_is_sealed())
		base_throw(TSEC_REQUEST_BEGUN);
	make_id();
	current.within = GetCurrentSubTransactionId();
	current.has_address = address != NULL;
	if (address != NULL)
	{
		current.address = *address;
		network_write(address, current.address_text);
	}
	current.refresh_length = 0;
	current.settings_level = 0;
	current.is_running = true;
	current_set("request.id", current.id);
}

void
current_keep_session(void)
{
	/* levels within a savepoint end with it */
	if (GetCurrentTransactionNestLevel() == 1)
		current.settings_level = NewGUCNestLevel();
}

const char *
current_id(void)
{
	return current.id;
}

const NetAddress *
current_address(void)
{
	return current.has_address ? &current.address : NULL;
}

const NetAddress *
request_client(void)
{
	return current.is_running ? current_address() : NULL;
}

void
current_hide_cookie(const char *name, RequestText value)
{
	Assert(strcmp(name, ACCOUNT_COOKIE_REFRESH) == 0);
	if (value.data == NULL || value.length == 0 || value.length > REQUEST_COOKIE_MAX)
		return;
	memcpy(current.refresh, value.data, value.length);
	current.refresh[value.length] = '\0';
	current.refresh_length = value.length;
}

void
current_set(const char *name, const char *value)
{
	(void) set_config_option(name, value, superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, 0, false);
}

/* ---- what the parts below are told ---- */

/* Fills in the request of an event. */
static void
name_request(EventActor *actor)
{
	if (!current.is_running)
		return;
	actor->request_id = current.id;
	actor->client_address = current.has_address ? current.address_text : NULL;
}

/* The address that logins count at. */
static const char *
tell_address(void)
{
	return current.is_running && current.has_address ? current.address_text : NULL;
}

/* The refresh token's cookie. */
static const char *
tell_cookie(const char *name)
{
	/* public: a cookie's name */
	return current.is_running && current.refresh_length > 0 && strcmp(name, ACCOUNT_COOKIE_REFRESH) == 0
			   ? current.refresh
			   : NULL;
}

/* A login that succeeds is none of those that the limit of its route is there for. */
static void
note_login(void)
{
	if (current.is_running)
		rates_give_back();
}

/* ---- how long it lasts ---- */

/* Drops what a request made for its session, while that can still raise. */
static void
drop_session_objects(void)
{
	if ((MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		ResetTempTableNamespace();
		PopActiveSnapshot();
	}
	Async_UnlistenAll();
}

/* Undoes what a rollback does not. */
static void
restore_session(XactEvent event)
{
	if (event == XACT_EVENT_COMMIT)
		AtEOXact_GUC(false, current.settings_level);
	LockReleaseSession(USER_LOCKMETHOD);
}

static void
note_transaction_end(XactEvent event, void *argument)
{
	if (!current.is_running)
		return;
	if (event == XACT_EVENT_PRE_COMMIT && current.settings_level > 0)
		drop_session_objects();
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (current.settings_level > 0)
		restore_session(event);
	forget();
}

static void
note_savepoint_end(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *argument)
{
	if (!current.is_running || current.within != own)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget();
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		current.within = parent;
}

void
current_init(void)
{
	event_add_actor_source(name_request);
	account_set_address_source(tell_address);
	account_set_cookie_source(tell_cookie);
	account_set_success_notice(note_login);
	RegisterXactCallback(note_transaction_end, NULL);
	RegisterSubXactCallback(note_savepoint_end, NULL);
}

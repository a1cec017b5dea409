/*
 * unusual_event.c
 *		What an event of the log says about somebody's habits.
 *
 * Only what somebody did counts, not what is done to him or in his name: a failed
 * login is anybody's, and would teach that the attacker's network is the user's.
 */
#include "monitor/unusual.h"

#include "common/siphash.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* What types mean that tell of a deed of whom they name.  Of others it is not known, or known not to be so. */
static const struct
{
	const char *type;
	AnomalyDeed deed;
	const char *amount; /* the member of details that says how much; NULL: the event's rows */
} deeds[] = {
	{"read", ANOMALY_READ, "rows"},
	{"decrypt", ANOMALY_DECRYPT, "values"},
	{"create", ANOMALY_CHANGE, NULL},
	{"update", ANOMALY_CHANGE, NULL},
	{"delete", ANOMALY_CHANGE, NULL},
	{"truncate", ANOMALY_CHANGE, NULL},
	{"permission_denied", ANOMALY_DENIED, NULL},
	{"login_success", ANOMALY_OTHER, NULL},
	{"token_refresh", ANOMALY_OTHER, NULL},
	{"ddl", ANOMALY_OTHER, NULL},
	{"grant", ANOMALY_OTHER, NULL},
	{"configuration_change", ANOMALY_OTHER, NULL},
};

#define APPLICATION (-1) /* what an application says that somebody did */
#define NOBODYS (-2)

/* The row of deeds, or one of these. */
static int
deed_of(const WatchedEvent *event)
{
	bool succeeded = event->outcome != NULL && strcmp(event->outcome, "success") == 0; /* public: a word */

	if (event->type == NULL)
		return NOBODYS;
	if (event->application_made)
		return succeeded ? APPLICATION : NOBODYS;
	for (int i = 0; i < (int) lengthof(deeds); i++)
		if (strcmp(event->type, deeds[i].type) == 0) /* public: types of events */
			return i;
	return NOBODYS;
}

bool
unusual_concerns(const WatchedEvent *event, UnusualUser *user)
{
	const char *name = event->username != NULL ? event->username : event->session_user_name;
	int length;

	if (name == NULL || name[0] == '\0' || deed_of(event) == NOBODYS)
		return false;
	memset(user, 0, sizeof(*user));
	length = pg_mbcliplen(name, (int) strlen(name), (int) sizeof(user->name) - 1);
	memcpy(user->name, name, length);
	user->is_role = event->username == NULL;
	return true;
}

TimestampTz
unusual_time(const WatchedEvent *event)
{
	return Min(event->event_time, event->recorded_at);
}

double
unusual_number(const JsonbContainer *object, const char *name)
{
	JsonbValue space;
	JsonbValue *value =
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *, object), name, (int) strlen(name), &space);
	double number;

	if (value == NULL || value->type != jbvNumeric)
		return 0;
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	return number > 0 ? number : 0;
}

static uint32
amount_of(const WatchedEvent *event, const char *name)
{
	if (name == NULL)
		return (uint32) Max(event->rows, 0);
	if (event->details == NULL || !JB_ROOT_IS_OBJECT(event->details))
		return 0;
	return (uint32) Min(unusual_number(&event->details->root, name), (double) PG_UINT32_MAX);
}

/* Never 0, which means none. */
static uint64
hash_of(uint64 seed, const char *sort, const char *text)
{
	uint8 key[SIPHASH_KEY_SIZE];
	char whole[1024];
	int length;

	bytes_put_u64(key, seed);
	bytes_put_u64(key + 8, ~seed);
	length = snprintf(whole, sizeof(whole), "%s:%s", sort, text);
	return siphash(key, whole, Min((size_t) length, sizeof(whole) - 1)) | 1;
}

/* An address counts by the network that it was probably given out of: an IPv4's first 16 bits, an IPv6's first 32. */
static uint64
network_of(const WatchedEvent *event, uint64 seed)
{
	char text[NETWORK_TEXT_MAX] = "local";
	NetAddress address;

	if (event->client_address != NULL &&
		network_address(event->client_address, strlen(event->client_address), &address))
	{
		int kept = address.family == 4 ? 2 : 4;

		memset(address.bytes + kept, 0, sizeof(address.bytes) - kept);
		network_write(&address, text);
	}
	return hash_of(seed, "network", text);
}

/* What an application records counts by the members of its details: it cannot claim the types that say more. */
static void
take_application(const WatchedEvent *event, uint64 seed, AnomalyEvent *noted)
{
	uint32 values = amount_of(event, "values");
	uint32 rows = amount_of(event, "rows");

	if (values > 0 || rows > 0)
		noted->deed = values > 0 ? ANOMALY_DECRYPT : ANOMALY_READ;
	noted->rows = values > 0 ? values : rows;
	if (event->resource != NULL)
		noted->object = hash_of(seed, "application", event->resource);
}

AnomalyEvent
unusual_event(const WatchedEvent *event, uint64 seed)
{
	int row = deed_of(event);
	char action[256];
	AnomalyEvent noted = {
		.time = (unusual_time(event) + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY) / USECS_PER_SEC,
		.deed = row == APPLICATION ? ANOMALY_OTHER : deeds[row].deed,
		.network = network_of(event, seed),
	};

	snprintf(action, sizeof(action), "%s %s", event->type, event->action == NULL ? "" : event->action);
	noted.action = hash_of(seed, "action", action);
	if (row == APPLICATION)
	{
		take_application(event, seed, &noted);
		return noted;
	}
	noted.rows = amount_of(event, deeds[row].amount);
	if (event->resource != NULL)
		noted.object = hash_of(seed, noted.deed == ANOMALY_DECRYPT ? "key" : "table", event->resource);
	return noted;
}

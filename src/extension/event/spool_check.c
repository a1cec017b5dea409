/*
 * spool_check.c
 *		Whether a file is what a standby of this cluster wrote for this database, and
 *		who is told when not.
 */
#include "event/spool.h"

#include "access/xlog.h"
#include "miscadmin.h"

static EventSpoolKey key_source = NULL;

void
event_set_spool_key(EventSpoolKey source)
{
	key_source = source;
}

HmacKey *
spool_writing_key(void)
{
	return key_source == NULL ? NULL : key_source(false);
}

bool
spool_has_key(void)
{
	return key_source != NULL && (key_source(false) != NULL || key_source(true) != NULL);
}

SpoolVerdict
spool_open_file(Bytes *rest, SpoolHeader *header, SpoolChain *chain)
{
	/* the master key may have been rotated since it was written */
	for (int previous = 0; previous <= 1 && key_source != NULL; previous++)
	{
		HmacKey *key = key_source(previous != 0);

		if (key != NULL && spool_open(chain, key, rest, header))
			return header->cluster == GetSystemIdentifier() && header->database == MyDatabaseId ? SPOOL_IS_WHOLE
																								: SPOOL_IS_FOREIGN;
	}
	return SPOOL_IS_UNSIGNED;
}

SpoolVerdict
spool_check(Bytes bytes, SpoolHeader *header, uint64 *last)
{
	SpoolChain chain = {.number = 0};
	SpoolVerdict verdict = spool_open_file(&bytes, header, &chain);
	SpoolAnswer answer = SPOOL_END;
	Bytes record;

	if (verdict == SPOOL_IS_WHOLE)
		while ((answer = spool_read(&chain, &bytes, &record)) == SPOOL_RECORD)
			;
	*last = chain.number;
	if (answer == SPOOL_CUT)
		return SPOOL_IS_CUT;
	return answer == SPOOL_CHANGED ? SPOOL_IS_CHANGED : verdict;
}

const char *
spool_what(SpoolVerdict verdict)
{
	static const char *const words[] = {
		[SPOOL_IS_WHOLE] = "it is as it was written",
		[SPOOL_IS_CUT] = "its end is missing: the server that wrote it crashed, or somebody cut it off",
		[SPOOL_IS_CHANGED] = "it is not as it was written",
		[SPOOL_IS_FOREIGN] = "it is of another cluster or database",
		[SPOOL_IS_UNSIGNED] = "no server with this ENCRYPTION_KEY wrote it",
	};

	return words[verdict];
}

void
spool_tell(const SpoolName *name, const char *reason, uint64 missing)
{
	char path[MAXPGPATH];
	char number[32];
	char details[MAXPGPATH + 256] = "";
	SecurityEvent event = {.type = "integrity_failure",
						   .severity = EVENT_HIGH,
						   .outcome = EVENT_FAILURE,
						   .action = "spool",
						   .resource = "standby events",
						   .details = details};

	spool_path(name, path);
	snprintf(number, sizeof(number), UINT64_FORMAT, missing);
	(void) event_json_add(details, sizeof(details), "reason", reason);
	(void) event_json_add(details, sizeof(details), "file", path);
	if (missing > 0)
		(void) event_json_add(details, sizeof(details), "missing", number);
	(void) event_emit(&event);
}

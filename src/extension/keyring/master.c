/*
 * master.c
 *		ENCRYPTION_KEY and ENCRYPTION_KEY_PREVIOUS: read once, derived from,
 *		wiped where they came from.
 *
 * With preloading this happens in the postmaster, so that every child inherits
 * the derived keys (in pages kept out of swap and core dumps) and no process
 * of the server shows them in its environment.  Without it, each session reads
 * its own inherited environment on first need, and the postmaster's keeps it:
 * a stated limit.  An EVP context holds an expanded key in ordinary heap and
 * memory locks do not survive fork, so every process that has keys also
 * forbids dumps of itself.
 */
#include "keyring/private.h"

#include "common/encode.h"
#include "common/secret.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"

#define ENVIRONMENT_CURRENT "ENCRYPTION_KEY"
#define ENVIRONMENT_PREVIOUS "ENCRYPTION_KEY_PREVIOUS"

/* Longest text looked at; base64 of 32 bytes has 44 characters. */
#define KEY_TEXT_MAX 256

typedef struct MasterKeys
{
	MasterKey current;
	MasterKey previous;
} MasterKeys;

static MasterKeys *masters = NULL;
static pid_t locked_in = 0;

/* Turns the text of a key into its bytes; each way it can be wrong has its own answer. */
static Status
parse_key(const char *text, size_t length, uint8 key[AEAD_KEY_SIZE])
{
	uint8 bytes[KEY_TEXT_MAX];
	uint8 any = 0;
	size_t written;
	Status status = TSEC_OK;

	if (length == 0)
		return TSEC_KEY_MISSING;
	for (size_t i = 0; i < length; i++)
		if (text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r'))
			return TSEC_KEY_WHITESPACE;
	if (decode_base64(text, length, bytes, &written) != TSEC_OK)
		status = TSEC_KEY_NOT_BASE64;
	else if (written != AEAD_KEY_SIZE)
		status = TSEC_KEY_WRONG_LENGTH;
	else
	{
		for (int i = 0; i < AEAD_KEY_SIZE; i++)
			any |= bytes[i];
		if (any == 0)
			status = TSEC_KEY_ALL_ZERO;
		else
			memcpy(key, bytes, AEAD_KEY_SIZE);
	}
	secret_wipe(bytes, sizeof(bytes));
	return status;
}

/* Derives what the server works with; the purposes are part of the stored format. */
static void
derive(MasterKey *master, const char *text, size_t length)
{
	static const char salt[] = "twin_security";
	Bytes secret = bytes_of(master->whole, AEAD_KEY_SIZE);

	/* a text longer than the buffer can only have the wrong length */
	master->status = length > KEY_TEXT_MAX ? TSEC_KEY_WRONG_LENGTH : parse_key(text, length, master->whole);
	if (master->status == TSEC_OK)
		master->status = hkdf_sha256(secret, bytes_of(salt, sizeof(salt) - 1), "wrapping key, version 1",
									 master->wrapping, AEAD_KEY_SIZE);
	if (master->status == TSEC_OK)
		master->status = hkdf_sha256(secret, bytes_of(salt, sizeof(salt) - 1), "key check value, version 1",
									 master->id, MASTER_ID_SIZE);
	if (master->status != TSEC_OK)
	{
		secret_wipe(master->whole, AEAD_KEY_SIZE);
		secret_wipe(master->wrapping, AEAD_KEY_SIZE);
	}
}

static void
forget(MasterKey *master)
{
	secret_wipe(master, sizeof(MasterKey));
	master->status = TSEC_KEY_MISSING;
}

static void
read_environment(MasterKey *master, const char *name)
{
	char text[KEY_TEXT_MAX + 1];
	size_t length = secret_take_environment(name, text, sizeof(text));

	derive(master, text, length);
	secret_wipe(text, sizeof(text));
}

/* Runs the configured command for one of the two keys and reads its first line. */
static void
run_command(MasterKey *master, const char *name)
{
	StringInfoData command;
	char text[KEY_TEXT_MAX + 2];
	size_t length;
	FILE *pipe;
	bool answered;

	initStringInfo(&command);
	for (const char *at = setting_key_command; *at; at++)
	{
		if (at[0] == '%' && at[1] == 'k')
		{
			appendStringInfoString(&command, name);
			at++;
		}
		else
			appendStringInfoChar(&command, *at);
	}
	fflush(NULL);
	pipe = OpenPipeStream(command.data, "r");
	pfree(command.data);
	if (pipe == NULL)
	{
		master->status = TSEC_KEY_COMMAND_FAILED;
		return;
	}
	(void) setvbuf(pipe, NULL, _IONBF, 0); /* no copy of the key in a buffer we cannot wipe */
	length = fread(text, 1, sizeof(text), pipe);
	answered = !ferror(pipe);
	if (ClosePipeStream(pipe) != 0 || !answered)
		master->status = TSEC_KEY_COMMAND_FAILED;
	else
	{
		if (length > 0 && length < sizeof(text) && text[length - 1] == '\n')
			length--;
		derive(master, text, length);
	}
	secret_wipe(text, sizeof(text));
}

/* Reads both keys.  Never raises: what is wrong is said when somebody needs the key. */
static void
load(void)
{
	bool locked = false;

	masters = secret_pages_new(sizeof(MasterKeys), &locked);
	if (masters == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("no memory for the encryption key")));
	locked_in = getpid();

	/* the environment is emptied also when a command goes before it */
	read_environment(&masters->current, ENVIRONMENT_CURRENT);
	read_environment(&masters->previous, ENVIRONMENT_PREVIOUS);
	if (setting_key_command && setting_key_command[0] != '\0')
	{
		forget(&masters->current);
		forget(&masters->previous);
		run_command(&masters->current, ENVIRONMENT_CURRENT);
		if (strstr(setting_key_command, "%k") != NULL)
			run_command(&masters->previous, ENVIRONMENT_PREVIOUS);
	}
	if (masters->current.status == TSEC_OK || masters->previous.status == TSEC_OK)
		secret_forbid_dumps();

	if (!locked)
		ereport(LOG, (errmsg("the encryption key could not be locked in memory"),
					  errhint("Raise RLIMIT_MEMLOCK for the server, or run it without swap.")));
	if (masters->current.status != TSEC_OK && masters->current.status != TSEC_KEY_MISSING)
		ereport(LOG, (errmsg("twin_security: %s", status_info(masters->current.status)->message)));
	if (masters->previous.status != TSEC_OK && masters->previous.status != TSEC_KEY_MISSING)
		ereport(LOG, (errmsg("twin_security: ENCRYPTION_KEY_PREVIOUS is not usable: %s",
							 status_info(masters->previous.status)->message)));
}

void
master_init(void)
{
	if (base_is_preloaded())
		load();
}

static MasterKeys *
get_masters(void)
{
	if (masters == NULL)
		load();
	else if (locked_in != MyProcPid)
	{
		/* the pages came through fork without their lock */
		(void) secret_pages_lock(masters, sizeof(MasterKeys));
		locked_in = MyProcPid;
	}
	return masters;
}

const MasterKey *
master_current(void)
{
	return &get_masters()->current;
}

const MasterKey *
master_previous(void)
{
	return &get_masters()->previous;
}

const MasterKey *
master_require(void)
{
	const MasterKey *master = master_current();

	base_check(master->status);
	return master;
}

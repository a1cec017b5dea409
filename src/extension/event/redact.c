/*
 * redact.c
 *		The server's log without secrets: what a message, its details, its context and
 *		the statement that caused it say is looked at before it is written, and
 *		written without what redact.h finds there.
 *
 * Runs in emit_log_hook, in any process and any state: no allocation, no lock, no
 * catalog, nothing raised.  The server promises of this hook only that it may keep
 * a message from being written.  So that nothing else changes - the client reads
 * its own message whole, current_query() says what it did - the texts are replaced
 * for one recursive EmitErrorReport() that writes to the log alone, put back, and
 * the outer one is told not to write.  A message without secrets is not touched.
 */
#include "event/private.h"

#include "common/filled.h"
#include "common/redact.h"

#include "tcop/tcopprot.h"
#include "utils/elog.h"

/* All texts of one message together; longer ones are cut.  Pages that are not used cost nothing. */
#define BUFFER_SIZE (256 * 1024)
#define WITHHELD "(withheld)"

static emit_log_hook_type previous_hook = NULL;
static char buffer[BUFFER_SIZE];
static size_t used;
static int depth = 0;

/* ---- names that an administrator added ---- */

static const RedactNames *
added_names(void)
{
	static RedactNames names;
	static uint64 changes = 0;

	if (changes != setting_redact_changes)
	{
		changes = setting_redact_changes;
		(void) redact_names_parse(setting_redact_names != NULL ? setting_redact_names : "", &names);
	}
	return &names;
}

/* ---- looking ---- */

static unsigned
look(const char *text)
{
	return text == NULL ? 0 : redact_look(bytes_of(text, strlen(text)), added_names());
}

/* What a message's texts bear; the statement counts where it is written, or its values may be in another text. */
static unsigned
look_at(const ErrorData *edata)
{
	unsigned found = look(edata->message) | look(edata->detail) | look(edata->hint) | look(edata->context) |
					 look(edata->internalquery);

	if (edata->detail_log != edata->detail)
		found |= look(edata->detail_log);
	if (!edata->hide_stmt || edata->detail != NULL || edata->context != NULL)
		found |= look(debug_query_string);
	return found;
}

/*
 * Whether the details are a whole row: its columns are not named, and it may be one that the statement says nothing of.
 * What a function raises with such a code has words of its own.
 */
static bool
tells_of_row(const ErrorData *edata)
{
	return edata->detail != NULL &&
		   (edata->sqlerrcode == ERRCODE_CHECK_VIOLATION || edata->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION ||
			edata->sqlerrcode == ERRCODE_WITH_CHECK_OPTION_VIOLATION) &&
		   edata->message_id != NULL && filled_has_words(edata->message_id);
}

/* Where a context begins to quote what COPY reads, at the latest (a table's name may look like that); NULL: it does not. */
static const char *
find_copied_line(const char *context)
{
	static const char begin[] = "COPY ";

	while (context != NULL)
	{
		bool is_copy = strncmp(context, begin, sizeof(begin) - 1) == 0; /* public: the server's words */
		const char *quote = is_copy ? strstr(context, ": ") : NULL;

		if (quote != NULL)
			return quote + 2;
		context = strchr(context, '\n');
		if (context != NULL)
			context++;
	}
	return NULL;
}

/* ---- writing ---- */

/* A text without secrets, in the buffer; NULL stays. */
static char *
write_text(const char *text, RedactForm form, unsigned found, bool *bare)
{
	char *to = buffer + used;

	if (text == NULL)
		return NULL;
	if (BUFFER_SIZE - used < 2 * sizeof(REDACT_CUT))
		return WITHHELD;
	used += 1 + redact_write(bytes_of(text, strlen(text)), form, found, added_names(), to, BUFFER_SIZE - used, bare);
	return to;
}

/* A context up to where it quotes what COPY reads. */
static char *
write_context(const char *context, const char *line, unsigned found)
{
	char *to = buffer + used;
	size_t length;

	if (BUFFER_SIZE - used < 2 * sizeof(REDACT_CUT) + sizeof(WITHHELD))
		return WITHHELD;
	length = redact_write(bytes_of(context, line - context), REDACT_CONTEXT, found, added_names(), to,
						  BUFFER_SIZE - used - sizeof(WITHHELD), NULL);
	strcpy(to + length, WITHHELD);
	used += length + sizeof(WITHHELD);
	return to;
}

/* A message without its arguments, for messages that quote what a statement said. */
static char *
write_format(const ErrorData *edata)
{
	char *to = buffer + used;

	if (edata->message_id == NULL || BUFFER_SIZE - used < 2 * sizeof(REDACT_CUT))
		return WITHHELD;
	used += 1 + redact_template(edata->message_id, edata->message, to, BUFFER_SIZE - used);
	return to;
}

/* Whether an error's texts quote values or pieces of the statement, in whatever language they are. */
static bool
quotes_values(int sqlstate)
{
	int category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
}

/* Replaces the texts; returns the statement to be written, NULL for none. */
static const char *
replace_texts(ErrorData *edata, unsigned found)
{
	bool broken = edata->sqlerrcode == ERRCODE_SYNTAX_ERROR && (found & (REDACT_NAME | REDACT_TYPO));
	bool quoting = quotes_values(edata->sqlerrcode) && (found & REDACT_NAME);
	bool bare = false;
	const char *line = find_copied_line(edata->context);
	bool misread = line != NULL && ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_DATA_EXCEPTION;
	const char *statement = NULL;

	used = 0;
	/* what cannot be parsed cannot be redacted: the secret may stand anywhere in it, without quotes */
	if (broken)
	{
		edata->hide_stmt = true;
		edata->internalquery = NULL;
	}
	if (!edata->hide_stmt)
		statement = write_text(debug_query_string, REDACT_SQL, found, &bare);
	edata->internalquery = write_text(edata->internalquery, REDACT_SQL, found, &bare);
	edata->cursorpos = edata->internalpos = 0; /* of another text */

	/* log_statement, log_min_duration_statement and auto_explain bring the statement in the message, and hide it */
	if (broken || quoting || misread ||
		(bare && ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR)))
		edata->message = write_format(edata);
	else
		edata->message = write_text(edata->message, edata->hide_stmt ? REDACT_SQL : REDACT_PROSE, found, NULL);

	/* of a deadlock, the details for the log alone are the statements of others, cut anywhere */
	if (edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED && edata->detail_log != NULL)
		edata->detail_log = edata->detail != NULL ? edata->detail : WITHHELD;
	else
		edata->detail_log = write_text(edata->detail_log, REDACT_PROSE, found, NULL);
	if ((edata->detail != NULL && (broken || quoting)) || tells_of_row(edata))
		edata->detail = WITHHELD;
	else
		edata->detail = write_text(edata->detail, REDACT_SQL, found, NULL);
	if (line != NULL)
		edata->context = write_context(edata->context, line, found);
	else if (edata->context != NULL && (broken || quoting))
		edata->context = WITHHELD;
	else
		edata->context = write_text(edata->context, REDACT_CONTEXT, found, NULL);
	edata->hint = write_text(edata->hint, REDACT_PROSE, found, NULL);
	return statement;
}

/* Writes the message to the log without its secrets, and leaves all as it was but that it is written. */
static void
write_redacted(ErrorData *edata, unsigned found)
{
	ErrorData saved = *edata;
	const char *saved_statement = debug_query_string;
	emit_log_hook_type saved_hook = emit_log_hook;

	debug_query_string = replace_texts(edata, found);
	edata->output_to_client = false;
	emit_log_hook = previous_hook;
	PG_TRY();
	{
		EmitErrorReport();
	}
	PG_FINALLY();
	{
		emit_log_hook = saved_hook;
		debug_query_string = saved_statement;
		*edata = saved;
		edata->output_to_server = false;
		depth--;
	}
	PG_END_TRY();
}

/* Of a message that comes while another is being written: its format is all there is room for. */
static void
write_bare(ErrorData *edata)
{
	static char message[1024];

	edata->hide_stmt = true;
	edata->detail = edata->detail_log = edata->hint = edata->context = edata->internalquery = NULL;
	if (edata->message_id != NULL)
		(void) redact_template(edata->message_id, edata->message, message, sizeof(message));
	edata->message = edata->message_id != NULL ? message : WITHHELD;
}

static void
redact_message(ErrorData *edata)
{
	unsigned found = setting_redact ? look_at(edata) : 0;

	if (found & (REDACT_SHAPE | REDACT_NAME) || (found & REDACT_TYPO && edata->sqlerrcode == ERRCODE_SYNTAX_ERROR) ||
		(setting_redact && (tells_of_row(edata) || find_copied_line(edata->context) != NULL)))
	{
		if (depth == 0)
		{
			depth++;
			write_redacted(edata, found);
			return;
		}
		write_bare(edata);
	}
	if (previous_hook != NULL)
		previous_hook(edata);
}

void
redact_init(void)
{
	if (!base_is_preloaded())
		return;
	previous_hook = emit_log_hook;
	emit_log_hook = redact_message;
}

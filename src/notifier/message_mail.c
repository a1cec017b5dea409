/*
 * message_mail.c
 *		A mail (RFC 5322, MIME): headers of ASCII, the subject in encoded words
 *		where it needs them, the body in quoted-printable, so that no line is long
 *		and none is taken for a header.
 */
#include "notifier/message.h"

#include "common/encode.h"
#include "common/jsonscan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECT_MAX 200 /* bytes of the alert's subject in the mail's */
#define TEXT_MAX 1024   /* ... and of each line of the body but details */
#define WORD_BYTES 36   /* in an encoded word: 60 characters in all, behind "Subject: " in a line of 76 */
#define LINE_MAX 76     /* of quoted-printable */

static FILE *
begin(char **text, size_t *length)
{
	FILE *to = open_memstream(text, length);

	if (to == NULL)
		abort(); /* out of memory */
	return to;
}

static void
end(FILE *to, char *const *text)
{
	if (fclose(to) != 0 || *text == NULL)
		abort(); /* out of memory */
}

/* Adds text in UTF-8, at most so many bytes of it; what cannot be seen is written out as \uXXXX. */
static void
put_visible(FILE *to, const char *text, size_t most)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length;)
	{
		uint32_t c;
		bool is_shown;
		size_t size = message_character(text + i, length - i, &c, &is_shown);

		if (i + size > most)
		{
			fputs("...", to);
			break;
		}
		if (!is_shown)
			fprintf(to, "\\u%04" PRIx32, c);
		else
			(void) fwrite(text + i, 1, size, to);
		i += size > 0 ? size : 1;
	}
}

/* ---- headers ---- */

/* Adds a text without control characters to a header: as it is, or as encoded words (RFC 2047) on lines of their own. */
static void
put_words(FILE *to, const char *text, size_t length)
{
	bool is_plain = length <= 60 && strstr(text, "=?") == NULL;

	for (size_t i = 0; is_plain && i < length; i++)
		is_plain = (unsigned char) text[i] < 0x7f;
	if (is_plain)
	{
		fputs(text, to);
		return;
	}
	for (size_t i = 0; i < length;)
	{
		char word[64];
		size_t size = 0;

		/* characters stay whole in their word */
		while (i + size < length)
		{
			size_t next = jsonscan_character((const uint8_t *) text + i + size, length - i - size);

			if (next == 0 || size + next > WORD_BYTES)
				break;
			size += next;
		}
		if (size == 0)
			break;
		encode_base64((const uint8_t *) text + i, size, word);
		word[encode_base64_size(size)] = '\0';
		fprintf(to, "%s=?UTF-8?B?%s?=", i == 0 ? "" : "\r\n ", word);
		i += size;
	}
}

static void
put_subject(FILE *to, const Alert *alert)
{
	char *text;
	size_t length;
	FILE *line = begin(&text, &length);

	fputc('[', line);
	put_visible(line, alert->severity, 16);
	fputs("] ", line);
	put_visible(line, alert->rule_name, 63);
	if (alert->subject != NULL)
	{
		fputs(": ", line);
		put_visible(line, alert->subject, SUBJECT_MAX);
	}
	end(line, &text);
	fputs("Subject: ", to);
	put_words(to, text, length);
	fputs("\r\n", to);
	free(text);
}

/* Of RFC 5322, in UTC and in no language of the machine's. */
static void
put_date(FILE *to, time_t now)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
										 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm parts = {0};

	(void) gmtime_r(&now, &parts);
	fprintf(to, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[parts.tm_wday % 7], parts.tm_mday,
			months[parts.tm_mon % 12], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

static void
put_headers(FILE *to, const Alert *alert, const Channel *channel, time_t now)
{
	put_date(to, now);
	fprintf(to, "From: <%s>\r\nTo: ", channel->from);
	for (size_t i = 0; i < channel->to.count; i++)
		fprintf(to, "%s<%s>", i == 0 ? "" : ",\r\n ", channel->to.texts[i]);
	fputs("\r\n", to);
	put_subject(to, alert);
	/* the same at each attempt: mailboxes show it once */
	fprintf(to, "Message-ID: <%s%s>\r\n", alert->key, strchr(channel->from, '@'));
	fputs("Auto-Submitted: auto-generated\r\n"
		  "MIME-Version: 1.0\r\n"
		  "Content-Type: text/plain; charset=UTF-8\r\n"
		  "Content-Transfer-Encoding: quoted-printable\r\n"
		  "\r\n",
		  to);
}

/* ---- the body ---- */

/* Quoted-printable (RFC 2045, 6.7): a line ends where the text has a line feed. */
static void
put_quoted(FILE *to, const char *text, size_t length)
{
	size_t column = 0;

	for (size_t i = 0; i < length; i++)
	{
		unsigned char byte = (unsigned char) text[i];
		bool at_end = i + 1 == length || text[i + 1] == '\n';
		bool is_plain = (byte > ' ' && byte < 0x7f && byte != '=') || (byte == ' ' && !at_end);
		size_t size = is_plain ? 1 : 3;

		if (byte == '\n')
		{
			fputs("\r\n", to);
			column = 0;
			continue;
		}
		if (column + size > LINE_MAX - 1)
		{
			fputs("=\r\n", to);
			column = 0;
		}
		fprintf(to, is_plain ? "%c" : "=%02X", byte);
		column += size;
	}
}

static void
put_line(FILE *to, const char *name, const char *value, size_t most)
{
	if (value == NULL)
		return;
	fprintf(to, "%-10s ", name);
	put_visible(to, value, most);
	fputc('\n', to);
}

static void
put_body(FILE *to, const Alert *alert)
{
	char *text;
	size_t length;
	FILE *body = begin(&text, &length);

	if (alert->is_test)
		fputs("This is a test of twin_notifier: nothing happened.\n\n", body);
	put_line(body, "rule", alert->rule_name, TEXT_MAX);
	put_line(body, "severity", alert->severity, TEXT_MAX);
	put_line(body, "subject", alert->subject, TEXT_MAX);
	put_line(body, "events", alert->count, TEXT_MAX);
	put_line(body, "raised at", alert->raised_at, TEXT_MAX);
	put_line(body, "incident", alert->incident_id, TEXT_MAX);
	put_line(body, "alert", alert->alert_id, TEXT_MAX);
	put_line(body, "event ids", alert->event_ids, TEXT_MAX);
	put_line(body, "details", alert->details, 16384);
	end(body, &text);
	put_quoted(to, text, length);
	free(text);
}

char *
message_mail(const Alert *alert, const Channel *channel, time_t now, size_t *length)
{
	char *text;
	FILE *to = begin(&text, length);

	put_headers(to, alert, channel, now);
	put_body(to, alert);
	end(to, &text);
	return text;
}

/*
 * message.c
 *		What a webhook is sent, its signature, and a line of syslog (RFC 5424).
 */
#include "notifier/message.h"

#include "common/digest.h"
#include "common/encode.h"
#include "common/jsonscan.h"
#include "common/jsonwrite.h"
#include "common/secret.h"

#include <stdlib.h>
#include <string.h>

#define SECRET_PREFIX "whsec_"
#define SECRET_MAX 4096

/* ---- text that shows what it holds ---- */

static bool
is_invisible(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
		   (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

size_t
message_character(const char *text, size_t length, uint32_t *character, bool *is_shown)
{
	const uint8_t *at = (const uint8_t *) text;
	size_t size = jsonscan_character(at, length);
	uint32_t c = size == 0   ? 0xfffd
				 : size == 1 ? at[0]
				 : size == 2 ? at[0] & 0x1f
				 : size == 3 ? at[0] & 0x0f
							 : at[0] & 0x07;

	for (size_t i = 1; i < size; i++)
		c = c << 6 | (at[i] & 0x3f);
	*character = c;
	*is_shown = size > 0 && !is_invisible(c);
	return size;
}

/* ---- what an alert is made of ---- */

#define MEMBER_JSON 1 /* a number, an array or an object that the database wrote; else a text */
#define MEMBER_LOG 2  /* a parameter in a line of syslog, which is short and has the time in its header */

typedef struct Member
{
	const char *name;
	size_t offset; /* of its text in Alert */
	unsigned flags;
} Member;

static const Member members[] = {
	{"delivery_id", offsetof(Alert, key), MEMBER_LOG},
	{"alert_id", offsetof(Alert, alert_id), MEMBER_JSON | MEMBER_LOG},
	{"rule_name", offsetof(Alert, rule_name), MEMBER_LOG},
	{"raised_at", offsetof(Alert, raised_at), 0},
	{"severity", offsetof(Alert, severity), MEMBER_LOG},
	{"subject", offsetof(Alert, subject), MEMBER_LOG},
	{"count", offsetof(Alert, count), MEMBER_JSON | MEMBER_LOG},
	{"event_ids", offsetof(Alert, event_ids), MEMBER_JSON | MEMBER_LOG},
	{"incident_id", offsetof(Alert, incident_id), MEMBER_LOG},
	{"details", offsetof(Alert, details), MEMBER_JSON},
};
#define MEMBER_COUNT (sizeof(members) / sizeof(members[0]))

/* NULL where the alert has none. */
static const char *
text_of(const Alert *alert, const Member *member)
{
	return *(const char *const *) ((const char *) alert + member->offset);
}

/* ---- JSON ---- */

static void
put_member(JsonWriter *writer, const char *name, const char *text, bool is_json)
{
	jsonwrite_name(writer, bytes_of(name, strlen(name)));
	if (text == NULL)
		jsonwrite_text(writer, "null");
	else if (is_json)
		jsonwrite_json(writer, bytes_of(text, strlen(text)));
	else
		jsonwrite_string(writer, bytes_of(text, strlen(text)));
}

static void
write_json(JsonWriter *writer, const Alert *alert, const char *channel)
{
	jsonwrite_begin(writer);
	put_member(writer, "channel", channel, false);
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		put_member(writer, members[i].name, text_of(alert, &members[i]), members[i].flags & MEMBER_JSON);
	put_member(writer, "test", alert->is_test ? "true" : "false", true);
	jsonwrite_end(writer);
}

char *
message_json(const Alert *alert, const char *channel, size_t *length)
{
	JsonWriter writer = {0};
	char *text;

	write_json(&writer, alert, channel);
	*length = writer.length;
	text = malloc(writer.length + 1);
	if (text == NULL)
		abort(); /* out of memory */
	writer = (JsonWriter){.to = text, .room = *length};
	write_json(&writer, alert, channel);
	text[*length] = '\0';
	return text;
}

bool
message_sign(const char *secret, const char *id, const char *timestamp, const char *body, size_t length,
			 char signature[MESSAGE_SIGNATURE_SIZE])
{
	uint8_t decoded[SECRET_MAX];
	uint8_t digest[DIGEST_SIZE];
	Bytes raw = bytes_of(secret, strlen(secret));
	size_t head = strlen(id) + strlen(timestamp) + 2;
	HmacKey *key = NULL;
	char *signed_text;
	bool good;

	/* public: only whether it has the prefix */
	if (strncmp(secret, SECRET_PREFIX, strlen(SECRET_PREFIX)) == 0)
	{
		const char *text = secret + strlen(SECRET_PREFIX);

		if (decode_base64_bound(strlen(text)) > sizeof(decoded) ||
			decode_base64(text, strlen(text), decoded, &raw.length) != TSEC_OK)
			return false;
		raw.data = decoded;
	}
	signed_text = malloc(head + length + 1);
	if (signed_text == NULL)
		abort(); /* out of memory */
	(void) snprintf(signed_text, head + 1, "%s.%s.", id, timestamp);
	memcpy(signed_text + head, body, length);
	good =
		hmac_new(raw, &key) == TSEC_OK && hmac_sha256(key, bytes_of(signed_text, head + length), digest) == TSEC_OK;
	hmac_free(key);
	free(signed_text);
	secret_wipe(decoded, sizeof(decoded));
	if (!good)
		return false;
	memcpy(signature, "v1,", 3);
	encode_base64(digest, sizeof(digest), signature + 3);
	signature[3 + encode_base64_size(sizeof(digest))] = '\0';
	return true;
}

/* ---- syslog ---- */

#define BOM "\xef\xbb\xbf"
#define SD_ID "alert@32473" /* the number that RFC 5612 sets aside for documentation, as siem_line.c has it */
#define PARAMETER_MAX 256

/* A header's field: printable ASCII, "-" for nothing. */
static void
put_field(FILE *to, const char *text, size_t most)
{
	size_t length = text == NULL ? 0 : strnlen(text, most);

	for (size_t i = 0; i < length; i++)
		fputc(text[i] > ' ' && text[i] < 0x7f ? text[i] : '?', to);
	fputs(length == 0 ? "- " : " ", to);
}

/* Text in UTF-8 of at most so many bytes, without what is not to be shown; those in "escaped" stand behind a backslash. */
static void
put_clean(FILE *to, const char *text, size_t most, const char *escaped)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length;)
	{
		uint32_t character;
		bool is_shown;
		size_t size = message_character(text + i, length - i, &character, &is_shown);

		if (i + size > most)
			break;
		if (!is_shown)
			fputc('?', to);
		else
		{
			if (strchr(escaped, text[i]) != NULL)
				fputc('\\', to);
			(void) fwrite(text + i, 1, size, to);
		}
		i += size > 0 ? size : 1;
	}
}

static void
put_parameter(FILE *to, const char *name, const char *value)
{
	if (value == NULL)
		return;
	fprintf(to, " %s=\"", name);
	put_clean(to, value, PARAMETER_MAX, "\"\\]");
	fputc('"', to);
}

char *
message_syslog(const Alert *alert, int facility, const char *host, long pid, size_t *length)
{
	static const int severities[] = {6, 5, 4, 3, 2};
	char *text;
	FILE *to = open_memstream(&text, length);
	int severity = 0;

	if (to == NULL)
		abort(); /* out of memory */
	for (int i = 0; alert_config_severities[i] != NULL; i++)
		if (strcmp(alert->severity, alert_config_severities[i]) == 0) /* public: words of the database */
			severity = i;
	fprintf(to, "<%d>1 ", facility * 8 + severities[severity]);
	put_field(to, alert->raised_at, 32);
	put_field(to, host, 255);
	fprintf(to, "twin_notifier %ld ", pid);
	put_field(to, alert->is_test ? "test" : "alert", 32);
	fputs("[" SD_ID, to);
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		if (members[i].flags & MEMBER_LOG)
			put_parameter(to, members[i].name, text_of(alert, &members[i]));
	fputs("] " BOM, to);
	put_clean(to, alert->rule_name, PARAMETER_MAX, "");
	fputs(": ", to);
	put_clean(to, alert->subject == NULL ? "any" : alert->subject, PARAMETER_MAX, "");
	fputs(", ", to);
	put_clean(to, alert->count, PARAMETER_MAX, "");
	fputs(" events", to);
	if (fclose(to) != 0 || text == NULL)
		abort(); /* out of memory */
	return text;
}

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

/* ---- JSON ---- */

static void
put_member(JsonWriter *writer, const char *name, const char *text)
{
	jsonwrite_name(writer, bytes_of(name, strlen(name)));
	if (text == NULL)
		jsonwrite_text(writer, "null");
	else
		jsonwrite_string(writer, bytes_of(text, strlen(text)));
}

/* A number, an array or an object that the database wrote. */
static void
put_json(JsonWriter *writer, const char *name, const char *json)
{
	jsonwrite_name(writer, bytes_of(name, strlen(name)));
	jsonwrite_json(writer, bytes_of(json, strlen(json)));
}

static void
write_json(JsonWriter *writer, const Alert *alert, const char *channel)
{
	jsonwrite_begin(writer);
	put_member(writer, "delivery_id", alert->key);
	put_member(writer, "channel", channel);
	put_json(writer, "alert_id", alert->alert_id);
	put_member(writer, "rule_name", alert->rule_name);
	put_member(writer, "raised_at", alert->raised_at);
	put_member(writer, "severity", alert->severity);
	put_member(writer, "subject", alert->subject);
	put_json(writer, "count", alert->count);
	put_json(writer, "event_ids", alert->event_ids);
	put_member(writer, "incident_id", alert->incident_id);
	put_json(writer, "details", alert->details);
	put_json(writer, "test", alert->is_test ? "true" : "false");
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
	put_parameter(to, "delivery_id", alert->key);
	put_parameter(to, "alert_id", alert->alert_id);
	put_parameter(to, "rule_name", alert->rule_name);
	put_parameter(to, "severity", alert->severity);
	put_parameter(to, "subject", alert->subject);
	put_parameter(to, "count", alert->count);
	put_parameter(to, "event_ids", alert->event_ids);
	put_parameter(to, "incident_id", alert->incident_id);
	fputs("] " BOM, to);
	put_clean(to, alert->rule_name, PARAMETER_MAX, "");
	fputs(": ", to);
	put_clean(to, alert->subject == NULL ? "any" : alert->subject, PARAMETER_MAX, "");
	fputs(", ", to);
	put_clean(to, alert->count, PARAMETER_MAX, "");
	fputs(" events", to);
	if (fclose(to) != 0)
		abort(); /* out of memory */
	return text;
}

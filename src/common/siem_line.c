/*
 * siem_line.c
 *		Events as lines: ArcSight's Common Event Format, and syslog (RFC 5424).
 */
#include "siem_form.h"

#include "event_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Writes what is no ASCII as it is, or as "?" where the reader has no UTF-8. */
static void
put_wide(SiemOut *out, const uint8_t *at, size_t size)
{
	if (size > 1 && out->is_ascii)
		siem_put_text(out, "?");
	else
		siem_put(out, at, size);
}

static bool
is_control(uint8_t byte)
{
	return byte < 0x20 || byte == 0x7f;
}

/* ---- CEF ---- */

/* In the header: "\\" and "|" are escaped, and there are no lines. */
static void
put_header(SiemOut *out, const uint8_t *at, size_t size, bool invalid)
{
	(void) invalid;
	if (*at == '\\' || *at == '|')
		siem_put_text(out, "\\");
	if (is_control(*at))
		siem_put_text(out, " ");
	else
		put_wide(out, at, size);
}

/* In a value: "\\" and "=" are escaped, line ends are \n and \r. */
static void
put_value(SiemOut *out, const uint8_t *at, size_t size, bool invalid)
{
	(void) invalid;
	if (*at == '\n')
		siem_put_text(out, "\\n");
	else if (*at == '\r')
		siem_put_text(out, "\\r");
	else if (is_control(*at))
		siem_put_text(out, " ");
	else
	{
		if (*at == '\\' || *at == '=')
			siem_put_text(out, "\\");
		put_wide(out, at, size);
	}
}

static void
extension(SiemOut *out, const char *key, Bytes text)
{
	if (text.data == NULL)
		return;
	if (out->comma)
		siem_put_text(out, " ");
	out->comma = true;
	siem_put_text(out, key);
	siem_put_text(out, "=");
	siem_put_each(out, text, put_value);
}

static void
extension_word(SiemOut *out, const char *key, const char *word)
{
	extension(out, key, bytes_of(word, strlen(word)));
}

static void
extension_number(SiemOut *out, const char *key, int64_t number)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, number);
	extension_word(out, key, digits);
}

/* A field of the format's own for what it has no name for. */
static void
labelled(SiemOut *out, const char *key, const char *label, Bytes text)
{
	char name[32];

	if (text.data == NULL)
		return;
	snprintf(name, sizeof(name), "%sLabel", key);
	extension_word(out, name, label);
	extension(out, key, text);
}

/* Where the client is: fields for IPv4 and IPv6 differ. */
static void
write_source(SiemOut *out, Bytes address)
{
	if (address.data == NULL)
		return;
	if (address.length > 0 && memchr(address.data, ':', address.length) != NULL)
		labelled(out, "c6a2", "Source IPv6 Address", address);
	else
		extension(out, "src", address);
}

void
siem_write_cef(SiemOut *out, const SiemEvent *event)
{
	static const char *const severities[EVENT_SEVERITIES] = {"1", "3", "5", "8", "10"};
	const Leaf *leaf = &event->leaf;
	Bytes type = siem_leaf_text(event, LEAF_TYPE);
	char number[24];

	siem_put_text(out, "CEF:0|" SIEM_PRODUCT "|" SIEM_PRODUCT "|");
	siem_put_each(out, bytes_of(event->version, strlen(event->version)), put_header);
	siem_put_text(out, "|");
	siem_put_each(out, type, put_header);
	siem_put_text(out, "|");
	siem_put_each(out, type, put_header);
	siem_put_text(out, "|");
	siem_put_text(out, severities[siem_severity(event)]);
	siem_put_text(out, "|");
	extension_number(out, "rt", siem_milliseconds(leaf->recorded_at));
	extension_number(out, "start", siem_milliseconds(leaf->event_time));
	extension_number(out, "externalId", leaf->event_id);
	extension_word(out, "dvchost", event->host);
	extension_word(out, "deviceFacility", event->database);
	extension(out, "cat", siem_leaf_text(event, LEAF_CLASS));
	extension(out, "outcome", siem_leaf_text(event, LEAF_OUTCOME));
	extension(out, "act", siem_leaf_text(event, LEAF_ACTION));
	extension(out, "suser", siem_user(event));
	if (leaf->flags & LEAF_HAS_USER_ID)
		extension_number(out, "suid", leaf->user_id);
	write_source(out, siem_leaf_text(event, LEAF_CLIENT_ADDRESS));
	extension(out, "sproc", siem_leaf_text(event, LEAF_APPLICATION_NAME));
	if (leaf->flags & LEAF_HAS_PID)
		extension_number(out, "dvcpid", leaf->pid);
	labelled(out, "cs1", "resource", siem_leaf_text(event, LEAF_RESOURCE));
	labelled(out, "cs2", "recordId", siem_leaf_text(event, LEAF_RECORD_ID));
	labelled(out, "cs3", "effectiveUser", siem_leaf_text(event, LEAF_EFFECTIVE_USER));
	labelled(out, "cs4", "requestId", siem_leaf_text(event, LEAF_REQUEST_ID));
	labelled(out, "cs5", "tokenId", siem_leaf_text(event, LEAF_TOKEN_ID));
	if (leaf->flags & LEAF_HAS_TENANT_ID)
	{
		snprintf(number, sizeof(number), "%" PRId64, leaf->tenant_id);
		labelled(out, "cs6", "tenantId", bytes_of(number, strlen(number)));
	}
	extension_word(out, "cn1Label", "leafIndex");
	extension_number(out, "cn1", event->leaf_index);
	labelled(out, "flexString1", "old", event->old_row);
	labelled(out, "flexString2", "new", event->new_row);
	extension(out, "msg", siem_leaf_text(event, LEAF_DETAILS));
}

/* ---- RFC 5424 ---- */

#define FACILITY 13 /* log audit */
#define BOM "\xef\xbb\xbf"

/*
 * The number of structured data that nobody registered: 32473 is the one that
 * RFC 5612 sets aside for documentation.
 */
#define SD_ID "twin@32473"

/* Writes a field of the header: printable ASCII, so long at most, "-" for nothing. */
static void
header_field(SiemOut *out, Bytes text, size_t most)
{
	size_t length = text.length < most ? text.length : most;

	for (size_t i = 0; i < length; i++)
	{
		char byte = (char) text.data[i];

		siem_put(out, byte > ' ' && byte < 0x7f ? &byte : "?", 1);
	}
	siem_put_text(out, length == 0 ? "- " : " ");
}

/* In a parameter's value: "\"", "\\" and "]" are escaped; the message says exactly what control characters there were. */
static void
put_parameter(SiemOut *out, const uint8_t *at, size_t size, bool invalid)
{
	(void) invalid;
	if (*at == '"' || *at == '\\' || *at == ']')
		siem_put_text(out, "\\");
	if (is_control(*at))
		siem_put_text(out, "?");
	else
		put_wide(out, at, size);
}

static void
parameter(SiemOut *out, const char *name, Bytes text)
{
	if (text.data == NULL)
		return;
	siem_put_text(out, " ");
	siem_put_text(out, name);
	siem_put_text(out, "=\"");
	siem_put_each(out, text, put_parameter);
	siem_put_text(out, "\"");
}

static void
parameter_number(SiemOut *out, const char *name, int64_t number)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, number);
	parameter(out, name, bytes_of(digits, strlen(digits)));
}

void
siem_write_rfc5424(SiemOut *out, const SiemEvent *event)
{
	static const int severities[EVENT_SEVERITIES] = {6, 5, 4, 3, 2};
	const Leaf *leaf = &event->leaf;
	char head[LEAF_TIME_SIZE + 16];
	char time[LEAF_TIME_SIZE];
	char pid[16] = "";

	leaf_time(leaf->event_time, time);
	/* years of four digits; what is none of them has no time stamp */
	snprintf(head, sizeof(head), "<%d>1 %s ", FACILITY * 8 + severities[siem_severity(event)],
			 time[0] >= '0' && time[0] <= '9' && time[4] == '-' ? time : "-");
	siem_put_text(out, head);
	header_field(out, bytes_of(event->host, strlen(event->host)), 255);
	siem_put_text(out, SIEM_PRODUCT " ");
	if (leaf->flags & LEAF_HAS_PID)
		snprintf(pid, sizeof(pid), "%" PRIu32, leaf->pid);
	header_field(out, bytes_of(pid, strlen(pid)), 128);
	header_field(out, siem_leaf_text(event, LEAF_TYPE), 32);
	siem_put_text(out, "[" SD_ID);
	parameter_number(out, "event_id", leaf->event_id);
	parameter_number(out, "leaf_index", event->leaf_index);
	parameter(out, "event_type", siem_leaf_text(event, LEAF_TYPE));
	parameter(out, "severity", siem_leaf_text(event, LEAF_SEVERITY));
	parameter(out, "outcome", siem_leaf_text(event, LEAF_OUTCOME));
	parameter(out, "user", siem_user(event));
	parameter(out, "source_ip", siem_leaf_text(event, LEAF_CLIENT_ADDRESS));
	parameter(out, "action", siem_leaf_text(event, LEAF_ACTION));
	parameter(out, "resource", siem_leaf_text(event, LEAF_RESOURCE));
	siem_put_text(out, "] ");
	if (!out->is_ascii)
		siem_put_text(out, BOM);
	siem_write_native(out, event);
}

/*
 * siem_parse.h
 *		Readers of the forms that siem.h writes, as their specifications say they are
 *		read: for the tests and the fuzzer.  What is not well formed is refused.
 */
#ifndef TSEC_SIEM_PARSE_H
#define TSEC_SIEM_PARSE_H

#include "common/jsonscan.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether bytes are one line of UTF-8 (or ASCII) without control characters. */
static inline bool
parse_is_line(const char *line, size_t length, bool is_ascii)
{
	for (size_t i = 0; i < length;)
	{
		size_t size = jsonscan_character((const uint8_t *) line + i, length - i);

		if (size == 0 || (uint8_t) line[i] < 0x20 || line[i] == 0x7f || (is_ascii && size > 1))
			return false;
		i += size;
	}
	return true;
}

/* ---- CEF ---- */

#define CEF_HEADERS 7

/* Reads a field of the header (0: CEF:0) into to; where the extension begins when number is CEF_HEADERS.  0: not there. */
static inline size_t
parse_cef_header(const char *line, size_t length, int number, char *to)
{
	int field = 0;
	size_t size = 0;

	for (size_t i = 0; i < length; i++)
	{
		if (line[i] == '|')
		{
			if (field++ == number)
			{
				to[size] = '\0';
				return i;
			}
			if (field == CEF_HEADERS && number == CEF_HEADERS)
				return i + 1;
			continue;
		}
		if (line[i] == '\\' && (i + 1 == length || (line[i + 1] != '|' && line[i + 1] != '\\')))
			return 0;
		if (line[i] == '\\')
			i++;
		if (field == number)
			to[size++] = line[i];
	}
	return 0;
}

/*
 * Reads the value of a key in the extension: what stands behind its equals sign up
 * to the key of the next one.  False when it is not there or nothing can be read.
 */
static inline bool
parse_cef_value(const char *line, size_t length, const char *key, char *to, size_t *size)
{
	size_t begin = parse_cef_header(line, length, CEF_HEADERS, NULL);
	size_t value = 0;
	size_t end = length;

	if (begin == 0)
		return false;
	for (size_t i = begin; i < length; i++)
	{
		size_t name = i;

		if (line[i] == '\\')
		{
			i++;
			continue;
		}
		if (line[i] != '=')
			continue;
		while (name > begin && line[name - 1] != ' ')
			name--;
		if (value != 0)
		{
			end = name - 1;
			break;
		}
		if (i - name == strlen(key) && memcmp(line + name, key, i - name) == 0)
			value = i + 1;
	}
	if (value == 0)
		return false;
	*size = 0;
	for (size_t i = value; i < end; i++)
	{
		if (line[i] != '\\')
		{
			to[(*size)++] = line[i];
			continue;
		}
		if (++i == end || strchr("\\=nr", line[i]) == NULL)
			return false;
		to[(*size)++] = line[i] == 'n' ? '\n' : line[i] == 'r' ? '\r' : line[i];
	}
	to[*size] = '\0';
	return true;
}

/* ---- RFC 5424 ---- */

#define SYSLOG_FIELDS 6 /* PRI and version, time, host, application, process, message id */

/* Reads a field of the header; where the structured data begins when number is SYSLOG_FIELDS.  0: not well formed. */
static inline size_t
parse_syslog_field(const char *line, size_t length, int number, char *to)
{
	int field = 0;
	size_t begin = 0;

	for (size_t i = 0; i < length; i++)
	{
		if (line[i] < ' ' || line[i] > '~')
			return 0;
		if (line[i] != ' ')
			continue;
		if (i == begin)
			return 0;
		if (field == number && to != NULL)
		{
			memcpy(to, line + begin, i - begin);
			to[i - begin] = '\0';
			return i;
		}
		begin = i + 1;
		if (++field == SYSLOG_FIELDS && number == SYSLOG_FIELDS)
			return begin;
	}
	return 0;
}

/* Reads a parameter of the one element of structured data; with no name, where the message begins.  False: not there. */
static inline bool
parse_syslog_parameter(const char *line, size_t length, const char *name, char *to, size_t *size)
{
	size_t at = parse_syslog_field(line, length, SYSLOG_FIELDS, NULL);

	if (at == 0 || line[at] != '[')
		return false;
	while (at < length && line[at] != ' ' && line[at] != ']')
		at++;
	while (at < length && line[at] == ' ')
	{
		size_t begin = ++at;
		bool is_wanted;
		size_t got = 0;

		while (at < length && line[at] != '=')
			at++;
		is_wanted = name != NULL && at - begin == strlen(name) && memcmp(line + begin, name, at - begin) == 0;
		if (at + 1 >= length || line[at + 1] != '"' || at == begin || at - begin > 32)
			return false;
		for (at += 2; at < length && line[at] != '"'; at++)
		{
			if (line[at] == ']')
				return false;
			if (line[at] == '\\' && at + 1 < length && strchr("\"\\]", line[at + 1]) != NULL)
				at++;
			if (is_wanted)
				to[got++] = line[at];
		}
		if (at == length)
			return false;
		at++;
		if (is_wanted)
		{
			to[got] = '\0';
			*size = got;
			return true;
		}
	}
	if (name != NULL || at + 1 >= length || line[at] != ']' || line[at + 1] != ' ')
		return false;
	*size = at + 2;
	return true;
}

/* ---- JSON ---- */

/* A text of a JSON document by its path, names with "/" between; NULL when there is none. */
static inline const char *
parse_json_text(const json_t *json, const char *path, size_t *size)
{
	char name[64];

	for (;;)
	{
		size_t length = strcspn(path, "/");

		if (length >= sizeof(name))
			return NULL;
		memcpy(name, path, length);
		name[length] = '\0';
		json = json_object_get(json, name);
		if (json == NULL)
			return NULL;
		if (path[length] == '\0')
			break;
		path += length + 1;
	}
	if (!json_is_string(json))
		return NULL;
	*size = json_string_length(json);
	return json_string_value(json);
}

#endif /* TSEC_SIEM_PARSE_H */

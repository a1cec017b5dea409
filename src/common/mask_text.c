/*
 * mask_text.c
 *		The forms of text: e-mail, name, address, date, and text of no form of
 *		which both ends are shown.
 */
#include "mask_form.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* ---- e-mail: j***@example.com ---- */

#define LOCAL_MAX 64
#define DOMAIN_MAX 253
#define LABEL_MAX 63

/* Whether the part before the at sign is one that needs no quotes (RFC 5322, RFC 6531). */
static bool
is_local_part(Bytes text)
{
	for (size_t i = 0; i < text.length; i++)
		if (text.data[i] <= ' ' || text.data[i] == 0x7f || strchr("\"(),:;<>@[\\]", text.data[i]) != NULL)
			return false;
	return text.length <= LOCAL_MAX;
}

/* Whether a domain has two labels or more, and the last one is no number. */
static bool
is_domain(Bytes text)
{
	size_t label = 0;
	size_t labels = 1;
	bool has_letter = false;

	if (text.length == 0 || text.length > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < text.length; i++)
	{
		uint8_t byte = text.data[i];

		if (byte == '.')
		{
			if (label == 0 || text.data[i - 1] == '-')
				return false;
			labels++;
			label = 0;
			has_letter = false;
			continue;
		}
		if (!mask_is_letter(byte) && !mask_is_digit(byte) && (byte != '-' || label == 0))
			return false;
		has_letter = has_letter || mask_is_letter(byte);
		if (++label > LABEL_MAX)
			return false;
	}
	return labels > 1 && label > 0 && text.data[text.length - 1] != '-' && has_letter;
}

bool
mask_write_email(const MaskPattern *pattern, Bytes text, MaskOut *out)
{
	const uint8_t *at = text.length > 0 ? memchr(text.data, '@', text.length) : NULL;
	Bytes local;
	Bytes domain;
	size_t characters;

	(void) pattern;
	if (at == NULL || text.length > LOCAL_MAX + 1 + DOMAIN_MAX)
		return false;
	local = bytes_of(text.data, (size_t) (at - text.data));
	domain = bytes_of(at + 1, text.length - local.length - 1);
	characters = mask_characters(local);
	if (characters < 2 || characters == SIZE_MAX || mask_characters(domain) == SIZE_MAX || !is_local_part(local) ||
		!is_domain(domain))
		return false;
	mask_put(out, local.data, mask_character(local));
	mask_put_text(out, MASK_FULL_TEXT "@");
	mask_put(out, domain.data, domain.length);
	return true;
}

/* ---- name: J. D. ---- */

/* The lead byte from which on (U+2000: CJK, Kana, Hangul behind it) one character is a name or half of one. */
#define IDEOGRAPHS_BEGIN 0xe2

/* Reads the next word; false when a character cannot be part of a name. */
static bool
next_word(Bytes *rest, Bytes *word)
{
	size_t start = 0;
	size_t end;

	while (start < rest->length && rest->data[start] == ' ')
		start++;
	for (end = start; end < rest->length && rest->data[end] != ' '; end++)
	{
		uint8_t byte = rest->data[end];

		if (byte >= IDEOGRAPHS_BEGIN)
			return false;
		if (!mask_is_letter(byte) && (end == start || byte == 0 || strchr("-'.,", byte) == NULL))
			return false;
	}
	*word = bytes_of(rest->data + start, end - start);
	*rest = bytes_of(rest->data + end, rest->length - end);
	return true;
}

/* Writes a word's first letter; false for a word of one letter, which would be all of it. */
static bool
put_initial(MaskOut *out, Bytes word)
{
	size_t length = mask_character(word);

	for (size_t i = length; length > 0 && i < word.length; i++)
		if (mask_is_letter(word.data[i]))
		{
			mask_put(out, word.data, length);
			mask_put_text(out, ".");
			return true;
		}
	return false;
}

bool
mask_write_name(const MaskPattern *pattern, Bytes text, MaskOut *out)
{
	Bytes rest = text;
	Bytes word;
	Bytes last = {NULL, 0};

	(void) pattern;
	if (mask_characters(text) == SIZE_MAX || !next_word(&rest, &word) || !put_initial(out, word))
		return false;
	for (;;)
	{
		if (!next_word(&rest, &word))
			return false;
		if (word.length == 0)
			break;
		last = word;
	}
	if (last.length == 0)
		return true;
	mask_put_text(out, " ");
	return put_initial(out, last);
}

/* ---- address: 203.0.113.***, 2001:db8:1:*** ---- */

size_t
mask_address(const uint8_t *address, bool is_v6, char masked[MASK_TEXT_MAX])
{
	int length;

	if (is_v6)
		length =
			snprintf(masked, MASK_TEXT_MAX, "%x:%x:%x:%s", (unsigned) bytes_get_u16(address),
					 (unsigned) bytes_get_u16(address + 2), (unsigned) bytes_get_u16(address + 4), MASK_FULL_TEXT);
	else
		length = snprintf(masked, MASK_TEXT_MAX, "%u.%u.%u.%s", (unsigned) address[0], (unsigned) address[1],
						  (unsigned) address[2], MASK_FULL_TEXT);
	return length > 0 ? (size_t) length : 0;
}

bool
mask_write_ip(const MaskPattern *pattern, Bytes text, MaskOut *out)
{
	char copy[INET6_ADDRSTRLEN];
	char masked[MASK_TEXT_MAX];
	uint8_t address[16];
	bool is_v6;

	(void) pattern;
	if (text.length == 0 || text.length >= sizeof(copy) || memchr(text.data, '\0', text.length) != NULL)
		return false;
	memcpy(copy, text.data, text.length);
	copy[text.length] = '\0';
	is_v6 = strchr(copy, ':') != NULL;
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, copy, address) != 1)
		return false;
	mask_put(out, masked, mask_address(address, is_v6, masked));
	return true;
}

/* ---- date: 1985, 1985-05 ---- */

#define DATE_LENGTH 10 /* 1985-05-17, as ISO 8601 and PostgreSQL write it; a time may follow */
#define YEAR_LENGTH 4
#define MONTH_LENGTH 7

/* Reads two digits as a number in a range. */
static bool
is_two_digits(const uint8_t *at, int least, int most)
{
	int number = (at[0] - '0') * 10 + at[1] - '0';

	return mask_is_digit(at[0]) && mask_is_digit(at[1]) && number >= least && number <= most;
}

bool
mask_write_date(const MaskPattern *pattern, Bytes text, MaskOut *out)
{
	if (text.length < DATE_LENGTH || !is_two_digits(text.data, 0, 99) || !is_two_digits(text.data + 2, 0, 99) ||
		text.data[4] != '-' || !is_two_digits(text.data + 5, 1, 12) || text.data[7] != '-' ||
		!is_two_digits(text.data + 8, 1, 31))
		return false;
	for (size_t i = DATE_LENGTH; i < text.length; i++)
	{
		const char *allowed = i == DATE_LENGTH ? " T" : "0123456789:.+-Z";

		if (text.data[i] == 0 || strchr(allowed, text.data[i]) == NULL)
			return false;
	}
	mask_put(out, text.data, pattern->month ? MONTH_LENGTH : YEAR_LENGTH);
	return true;
}

/* ---- both ends ---- */

/* Bytes of the first characters of valid UTF-8. */
static size_t
bytes_of_characters(Bytes text, size_t count)
{
	size_t length = 0;

	while (count-- > 0)
		length += mask_character(bytes_of(text.data + length, text.length - length));
	return length;
}

bool
mask_write_partial(const MaskPattern *pattern, Bytes text, MaskOut *out)
{
	size_t characters = mask_characters(text);
	size_t shown = (size_t) pattern->first + pattern->last;
	size_t tail;

	/* at least as much is hidden as is shown */
	if (characters == SIZE_MAX || characters < 2 * shown)
		return false;
	mask_put(out, text.data, bytes_of_characters(text, pattern->first));
	mask_put_text(out, MASK_FULL_TEXT);
	tail = bytes_of_characters(text, characters - pattern->last);
	mask_put(out, text.data + tail, text.length - tail);
	return true;
}

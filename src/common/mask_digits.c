/*
 * mask_digits.c
 *		The forms of digits: card numbers and phone numbers.
 */
#include "mask_form.h"

#include <string.h>

/* ---- card number: **** **** **** 1111 ---- */

#define CARD_SHOWN 4
#define CARD_LEAST 13 /* ISO/IEC 7812 allows fewer; no scheme in use has them */
#define CARD_MOST 19

/* Number of digits when there are only these and single blanks or hyphens between them; else 0. */
static size_t
card_digits(Bytes text)
{
	size_t digits = 0;
	bool after_digit = false;

	for (size_t i = 0; i < text.length; i++)
	{
		if (mask_is_digit(text.data[i]))
		{
			if (++digits > CARD_MOST)
				return 0;
			after_digit = true;
		}
		else if (after_digit && (text.data[i] == ' ' || text.data[i] == '-'))
			after_digit = false;
		else
			return 0;
	}
	return after_digit && digits >= CARD_LEAST ? digits : 0;
}

bool
mask_looks_like_card(Bytes text)
{
	size_t left = card_digits(text);
	unsigned sum = 0;

	if (left == 0)
		return false;
	/* Luhn: every second digit from the right counts twice, less nine when it gets two digits */
	for (size_t i = 0; i < text.length; i++)
	{
		unsigned digit;

		if (!mask_is_digit(text.data[i]))
			continue;
		digit = (unsigned) (text.data[i] - '0');
		if (left % 2 == 0)
			digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
		sum += digit;
		left--;
	}
	return sum % 10 == 0;
}

bool
mask_write_card(const MaskPattern *pattern, Bytes text, MaskOut *out)
{
	size_t left = card_digits(text);

	(void) pattern;
	if (left == 0)
		return false;
	for (size_t i = 0; i < text.length; i++)
	{
		bool digit = mask_is_digit(text.data[i]);

		if (digit && left > CARD_SHOWN)
			mask_put_text(out, "*");
		else
			mask_put(out, text.data + i, 1);
		left -= digit;
	}
	return true;
}

/* ---- phone number: +49 *** 67 ---- */

#define PHONE_SHOWN 2
#define PHONE_LEAST 7 /* digits; of a number with country code at least six without it */
#define PHONE_LEAST_NATIONAL 6
#define PHONE_MOST 15
#define PHONE_TEXT_MAX 40
#define PHONE_GROUPS 8

typedef struct Phone
{
	bool international;
	uint8_t digits[PHONE_MOST];
	size_t count;
	size_t group[PHONE_GROUPS]; /* digits in each group */
	size_t groups;
} Phone;

/* Takes a phone number apart: a plus sign at most, digits, and what is written between them. */
static bool
read_phone(Bytes text, Phone *phone)
{
	bool in_group = false;
	size_t i = 0;

	memset(phone, 0, sizeof(*phone));
	if (text.length == 0 || text.length > PHONE_TEXT_MAX)
		return false;
	phone->international = text.data[0] == '+';
	for (i = phone->international; i < text.length; i++)
	{
		uint8_t byte = text.data[i];

		if (mask_is_digit(byte))
		{
			if (phone->count == PHONE_MOST || (!in_group && phone->groups == PHONE_GROUPS))
				return false;
			phone->groups += !in_group;
			phone->group[phone->groups - 1]++;
			phone->digits[phone->count++] = byte;
			in_group = true;
		}
		else if (byte != 0 && strchr(" -./()", byte) != NULL && (i > 0 || byte == '('))
			in_group = false;
		else
			return false;
	}
	return in_group && phone->count >= PHONE_LEAST;
}

/* Length of a country code (ITU-T E.164): 1 and 7 alone, two digits as listed, else three; 0 when there is none. */
static size_t
country_code(const Phone *phone)
{
	static const char two[][3] = {"20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41",
								  "43", "44", "45", "46", "47", "48", "49", "51", "52", "53", "54",
								  "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66",
								  "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98"};

	if (phone->digits[0] == '0')
		return 0;
	if (phone->digits[0] == '1' || phone->digits[0] == '7')
		return 1;
	for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++)
		if (phone->digits[0] == two[i][0] && phone->digits[1] == two[i][1])
			return 2;
	return 3;
}

bool
mask_looks_like_phone(Bytes text)
{
	Phone phone;
	size_t start;

	if (!read_phone(text, &phone))
		return false;
	if (phone.international)
		return true;
	if (phone.digits[0] == '0' && phone.groups > 1 && phone.count > 8)
		return true;
	/* North America: (555) 123-4567, 1-555-123-4567 */
	start = phone.groups == 4 && phone.group[0] == 1 && phone.digits[0] == '1';
	return phone.groups == start + 3 && phone.group[start] == 3 && phone.group[start + 1] == 3 &&
		   phone.group[start + 2] == 4;
}

bool
mask_write_phone(const MaskPattern *pattern, Bytes text, MaskOut *out)
{
	Phone phone;

	(void) pattern;
	if (!read_phone(text, &phone))
		return false;
	if (phone.international)
	{
		size_t code = country_code(&phone);

		if (code == 0 || phone.count - code < PHONE_LEAST_NATIONAL)
			return false;
		mask_put_text(out, "+");
		mask_put(out, phone.digits, code);
		mask_put_text(out, " ");
	}
	mask_put_text(out, MASK_FULL_TEXT " ");
	mask_put(out, phone.digits + phone.count - PHONE_SHOWN, PHONE_SHOWN);
	return true;
}

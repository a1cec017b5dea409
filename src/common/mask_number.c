/*
 * mask_number.c
 *		Ranges of numbers, on their decimal digits: numbers of any type and
 *		size take the same way, and nothing is ever rounded.
 */
#include "mask_form.h"

#include <string.h>

/* Digits of a number before the point, most significant first. */
typedef struct Digits
{
	uint8_t digit[MASK_DIGITS_MAX + 1];
	size_t count;
} Digits;

/* Reads sign, digits and fraction; leading zeroes go. */
static bool
read_decimal(Bytes number, Digits *digits, bool *negative)
{
	size_t at = 0;
	size_t start;
	bool is_zero = true;

	digits->count = 0;
	*negative = number.length > 0 && number.data[0] == '-';
	if (number.length > 0 && (number.data[0] == '-' || number.data[0] == '+'))
		at++;
	for (start = at; at < number.length && mask_is_digit(number.data[at]); at++)
	{
		if (number.data[at] == '0' && digits->count == 0)
			continue;
		if (digits->count == MASK_DIGITS_MAX)
			return false;
		digits->digit[digits->count++] = (uint8_t) (number.data[at] - '0');
		is_zero = false;
	}
	if (at == start)
		return false;
	if (at < number.length)
	{
		if (number.data[at++] != '.' || at == number.length)
			return false;
		for (; at < number.length; at++)
		{
			if (!mask_is_digit(number.data[at]))
				return false;
			is_zero = is_zero && number.data[at] == '0';
		}
	}
	if (is_zero)
		*negative = false;
	return true;
}

static uint64_t
remainder_of(const Digits *digits, uint64_t width)
{
	uint64_t remainder = 0;

	for (size_t i = 0; i < digits->count; i++)
		remainder = (remainder * 10 + digits->digit[i]) % width;
	return remainder;
}

/* Takes away at most the number itself. */
static void
subtract(Digits *digits, uint64_t number)
{
	unsigned borrow = 0;

	for (size_t i = digits->count; i-- > 0;)
	{
		unsigned take = (unsigned) (number % 10) + borrow;

		borrow = digits->digit[i] < take;
		digits->digit[i] = (uint8_t) (digits->digit[i] + 10 * borrow - take);
		number /= 10;
	}
}

/* Adds; false when the sum has too many digits. */
static bool
add(Digits *digits, uint64_t number)
{
	Digits sum = {.count = MASK_DIGITS_MAX + 1};
	unsigned carry = 0;
	size_t lead = 0;

	for (size_t i = 0; i < sum.count; i++)
	{
		unsigned digit = i < digits->count ? digits->digit[digits->count - 1 - i] : 0;

		digit += (unsigned) (number % 10) + carry;
		number /= 10;
		carry = digit / 10;
		sum.digit[sum.count - 1 - i] = (uint8_t) (digit % 10);
	}
	while (lead < sum.count && sum.digit[lead] == 0)
		lead++;
	digits->count = sum.count - lead;
	if (digits->count > MASK_DIGITS_MAX)
		return false;
	memcpy(digits->digit, sum.digit + lead, digits->count);
	return true;
}

/* Writes a signed number without leading zeroes. */
static void
write_digits(const Digits *digits, bool negative, char *text)
{
	size_t lead = 0;

	while (lead < digits->count && digits->digit[lead] == 0)
		lead++;
	if (lead == digits->count)
		*text++ = '0';
	else if (negative)
		*text++ = '-';
	for (; lead < digits->count; lead++)
		*text++ = (char) ('0' + digits->digit[lead]);
	*text = '\0';
}

bool
mask_range(Bytes number, uint64_t width, MaskRange *range)
{
	Digits small;
	Digits large;
	bool negative;

	if (!read_decimal(number, &small, &negative))
		return false;
	if (width == 0)
	{
		/* one digit alone would be the number itself */
		if (small.count < 2)
			small = (Digits){.digit = {0}, .count = 1};
		else
			memset(small.digit + 1, 0, small.count - 1);
		large = small;
		memset(large.digit + (small.count > 1), 9, large.count - (small.count > 1));
	}
	else
	{
		subtract(&small, remainder_of(&small, width));
		large = small;
		if (!add(&large, width - 1))
			return false;
	}
	write_digits(&small, negative, negative ? range->high : range->low);
	write_digits(&large, negative, negative ? range->low : range->high);
	return true;
}

bool
mask_write_number(const MaskPattern *pattern, Bytes text, MaskOut *out)
{
	MaskRange range;

	if (!mask_range(text, pattern->width, &range))
		return false;
	mask_put_text(out, range.low);
	mask_put_text(out, "-");
	mask_put_text(out, range.high);
	return true;
}

/*
 * user_name.c
 *		What may be the name of an account: UTF-8 decoded strictly, and a table of
 *		what nobody can see.
 */
#include "user_name.h"

#include <stddef.h>

typedef struct Range
{
	uint32_t first;
	uint32_t last;
} Range;

/* Sorted.  General categories Cc, Cf, Cs, Co, Zl, Zp, Zs without U+0020, and Default_Ignorable_Code_Point (Unicode 15). */
static const Range refused[] = {
	{0x0000, 0x001f},   {0x007f, 0x00a0},   {0x00ad, 0x00ad},   {0x034f, 0x034f},   {0x0600, 0x0605},
	{0x061c, 0x061c},   {0x06dd, 0x06dd},   {0x070f, 0x070f},   {0x0890, 0x0891},   {0x08e2, 0x08e2},
	{0x115f, 0x1160},   {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x2000, 0x200f},
	{0x2028, 0x202f},   {0x205f, 0x206f},   {0x3000, 0x3000},   {0x3164, 0x3164},   {0xd800, 0xf8ff},
	{0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
	{0xfffe, 0xffff},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3},
	{0x1d173, 0x1d17a}, {0x1fffe, 0x1ffff}, {0x2fffe, 0x2ffff}, {0x3fffe, 0x3ffff}, {0x4fffe, 0x4ffff},
	{0x5fffe, 0x5ffff}, {0x6fffe, 0x6ffff}, {0x7fffe, 0x7ffff}, {0x8fffe, 0x8ffff}, {0x9fffe, 0x9ffff},
	{0xafffe, 0xaffff}, {0xbfffe, 0xbffff}, {0xcfffe, 0xcffff}, {0xdfffe, 0xdffff}, {0xe0000, 0xe0fff},
	{0xefffe, 0x10ffff}};

/* Decodes one character in its only spelling; 0 bytes for anything else. */
static size_t
decode(const uint8_t *at, size_t left, uint32_t *character)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = at[0] < 0x80 ? 1 : (at[0] & 0xe0) == 0xc0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 4;

	if (size == 1)
	{
		*character = at[0];
		return 1;
	}
	if (at[0] < 0xc0 || at[0] >= 0xf8 || size > left)
		return 0;
	*character = at[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++)
	{
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | (at[i] & 0x3fu);
	}
	return *character < least[size] || *character > 0x10ffff ? 0 : size;
}

static bool
is_refused(uint32_t character)
{
	size_t low = 0;
	size_t high = sizeof(refused) / sizeof(refused[0]);

	while (low < high)
	{
		size_t middle = (low + high) / 2;

		if (character > refused[middle].last)
			low = middle + 1;
		else if (character < refused[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

bool
user_name_visible(Bytes name, size_t characters_max)
{
	size_t characters = 0;
	uint32_t character;

	if (name.length == 0 || name.data[0] == ' ' || name.data[name.length - 1] == ' ')
		return false;
	for (size_t at = 0; at < name.length;)
	{
		size_t size = decode(name.data + at, name.length - at, &character);

		if (size == 0 || is_refused(character) || ++characters > characters_max)
			return false;
		at += size;
	}
	return true;
}

bool
user_name_acceptable(Bytes name)
{
	return name.length <= USER_NAME_BYTES_MAX && user_name_visible(name, USER_NAME_CHARACTERS_MAX);
}

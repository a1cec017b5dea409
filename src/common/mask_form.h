/*
 * mask_form.h
 *		Private to the masks: text under construction, and one writer per form.
 *
 * A writer gives false when the text does not have its form; what it wrote by
 * then is thrown away.
 */
#ifndef TSEC_MASK_FORM_H
#define TSEC_MASK_FORM_H

#include "mask.h"

typedef struct MaskOut
{
	char *text;
	size_t length;
	bool overflow;
} MaskOut;

extern void mask_put(MaskOut *out, const void *bytes, size_t length);
extern void mask_put_text(MaskOut *out, const char *text);

/* Length of the UTF-8 character at the beginning; 0 when there is none, or not a valid one. */
extern size_t mask_character(Bytes text);

/* Number of characters; SIZE_MAX when the text is not valid UTF-8 or holds a zero byte. */
extern size_t mask_characters(Bytes text);

static inline bool
mask_is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static inline bool
mask_is_letter(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte >= 0x80;
}

typedef bool MaskWriter(const MaskPattern *pattern, Bytes text, MaskOut *out);

extern MaskWriter mask_write_email, mask_write_card, mask_write_phone, mask_write_name, mask_write_ip,
	mask_write_number, mask_write_date, mask_write_partial;

/* Whether text without a pattern is taken for a card number, or for a phone number. */
extern bool mask_looks_like_card(Bytes text);
extern bool mask_looks_like_phone(Bytes text);

#endif /* TSEC_MASK_FORM_H */

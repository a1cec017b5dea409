/*
 * mask_private.h
 *		What the files of the masks share among themselves.
 */
#ifndef TSEC_MASK_PRIVATE_H
#define TSEC_MASK_PRIVATE_H

#include "cipher/private.h"
#include "common/mask.h"

#define MASK_PROVIDER "twin_security"
#define MASK_LABEL_PREFIX "mask="
#define MASK_ADMIN_ROLE "twin_admin"

/* How the values of one base type are masked.  opened is what its codec wrote. */
typedef struct MaskForm
{
	const Codec *codec;
	unsigned fits; /* the kinds of patterns for it, as bits */
	const char *patterns;
	char *(*mask)(const Codec *codec, const MaskPattern *pattern, Bytes opened); /* NULL: nothing is shown */
	Datum (*reveal)(const Codec *codec, const MaskPattern *pattern, Bytes opened, bool *isnull);
} MaskForm;

/* ---- mask_form.c ---- */

extern const MaskForm *mask_form_of(const EncryptedType *type);

/* Whether a pattern is one for a form. */
static inline bool
mask_fits(const MaskForm *form, const MaskPattern *pattern)
{
	return (form->fits & (1u << pattern->kind)) != 0;
}

/* ---- mask_label.c ---- */

/* The pattern a column, or the partitioned table it is part of, was given; NULL when there is none. */
extern const char *mask_label_of(Oid relation, AttrNumber column);

/* Whether any column under the key of a modifier was given a mask. */
extern bool mask_label_on_key(int32 modifier);

#endif /* TSEC_MASK_PRIVATE_H */

/*
 * siem_form.h
 *		Private to siem*.c: writing JSON and lines, and what is said of an event in
 *		every form.
 */
#ifndef TSEC_SIEM_FORM_H
#define TSEC_SIEM_FORM_H

#include "siem.h"

#define SIEM_PRODUCT "twin_security"

/* ---- siem_out.c ---- */

typedef struct SiemOut
{
	char *to;
	size_t room;
	size_t length; /* also of what has no room */
	bool is_ascii;
	bool comma; /* a member was written before */
} SiemOut;

extern void siem_put(SiemOut *out, const void *bytes, size_t length);
extern void siem_put_text(SiemOut *out, const char *text);

/* How one character of a text is written; invalid is a byte that is no UTF-8. */
typedef void (*SiemCharacter)(SiemOut *out, const uint8_t *at, size_t size, bool invalid);
extern void siem_put_each(SiemOut *out, Bytes text, SiemCharacter put);

/* JSON: members of the object that was opened last.  A text or JSON without data is left out. */
extern void siem_open(SiemOut *out, const char *name); /* NULL: an element, or the outermost */
extern void siem_close(SiemOut *out);
extern void siem_text(SiemOut *out, const char *name, Bytes text);
extern void siem_word(SiemOut *out, const char *name, const char *word);
extern void siem_texts(SiemOut *out, const char *name, Bytes text); /* an array of it, or of none */
extern void siem_text_or_null(SiemOut *out, const char *name, Bytes text);
extern void siem_number(SiemOut *out, const char *name, int64_t number);
extern void siem_number_text(SiemOut *out, const char *name, int64_t number); /* as a string */
extern void siem_boolean(SiemOut *out, const char *name, bool value);
extern void siem_json(SiemOut *out, const char *name, Bytes json);        /* a string where it is no JSON */
extern void siem_members(SiemOut *out, Bytes members);                    /* of an object that is valid JSON */
extern void siem_words(SiemOut *out, const char *name, const char *list); /* of words with blanks between: an array */

/* ---- siem.c ---- */

/* A text of the event; data NULL: none. */
static inline Bytes
siem_leaf_text(const SiemEvent *event, LeafText which)
{
	return event->leaf.text[which];
}

extern bool siem_is(Bytes text, const char *word);

/* Who acted: the product's user, else the role that acted. */
extern Bytes siem_user(const SiemEvent *event);

/* Milliseconds since 1970 of a time of the server, within what an int64 holds. */
extern int64_t siem_milliseconds(int64_t time);

typedef enum SiemOutcome /* as OCSF numbers them */
{
	SIEM_UNKNOWN, /* also of a deed that was told before it was done, and of what nobody knows the word of */
	SIEM_SUCCESS,
	SIEM_FAILURE
} SiemOutcome;

extern SiemOutcome siem_outcome(const SiemEvent *event);

/* 0 for info to 4 for critical; what is no severity counts as info. */
extern int siem_severity(const SiemEvent *event);

/* The members that all JSON forms have of an event besides their own; the object is open. */
extern void siem_write_rest(SiemOut *out, const SiemEvent *event);

extern void siem_write_native(SiemOut *out, const SiemEvent *event);

/* ---- siem_kind.c: what an event's type means to others ---- */

typedef struct SiemKind
{
	const char *type;       /* "*" at its end: of all types that begin so */
	const char *categories; /* of ECS: words with blanks between */
	const char *types;
	int16_t ocsf_class;
	int16_t ocsf_activity;
	const char *action; /* only of events with this action; NULL: whatever it is */
} SiemKind;

/* Classes of OCSF 1.3. */
#define SIEM_BASE 0
#define SIEM_LIBRARY 1005 /* Module Activity */
#define SIEM_LOG 1008     /* Event Log Activity */
#define SIEM_FINDING 2004
#define SIEM_ACCOUNT 3001
#define SIEM_AUTHENTICATION 3002
#define SIEM_ENTITY 3004
#define SIEM_PRIVILEGES 3005
#define SIEM_APPLICATION 6002 /* Application Lifecycle */
#define SIEM_DATASTORE 6005

extern const SiemKind *siem_kind(const SiemEvent *event);

/* ---- the other forms ---- */

extern void siem_write_ecs(SiemOut *out, const SiemEvent *event);
extern void siem_write_ocsf(SiemOut *out, const SiemEvent *event);
extern void siem_write_cef(SiemOut *out, const SiemEvent *event);
extern void siem_write_rfc5424(SiemOut *out, const SiemEvent *event);

#endif /* TSEC_SIEM_FORM_H */

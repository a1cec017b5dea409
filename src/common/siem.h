/*
 * siem.h
 *		Events in the forms that systems for security information and event
 *		management (SIEM) take in: a leaf of the log goes in, a line of text comes out.
 *
 * Texts of an event may be anybody's and a leaf may have been forged, so the form
 * holds whatever the bytes are: one line, valid UTF-8, quoted as each form says,
 * and reading it by the form's rules gives the same text back.  JSON holds every
 * text exactly (bytes that are no UTF-8 as U+FFFD); CEF has spaces for control
 * characters other than line ends; RFC 5424 has question marks for them in its
 * structured data, and the event as native JSON in its message.
 */
#ifndef TSEC_SIEM_H
#define TSEC_SIEM_H

#include "leaf.h"

typedef enum SiemFormat
{
	SIEM_NATIVE,
	SIEM_ECS,     /* Elastic Common Schema 8 */
	SIEM_OCSF,    /* Open Cybersecurity Schema Framework 1.3 */
	SIEM_CEF,     /* ArcSight Common Event Format, CEF:0 */
	SIEM_RFC5424, /* syslog */
	SIEM_FORMATS
} SiemFormat;

extern const char *const siem_format_names[SIEM_FORMATS];

typedef struct SiemEvent
{
	Leaf leaf;
	int64_t leaf_index;
	Bytes old_row; /* JSON of a changed row; data NULL: none */
	Bytes new_row;
	const char *host; /* of the server; "" when it is not known */
	const char *database;
	const char *version; /* of the product */
	bool is_ascii;       /* the reader has no UTF-8: what is not ASCII is escaped, or "?" where nothing can be */
} SiemEvent;

/* Writes an event, without a line end.  Returns its bytes; when these are more than room, what was written is of no use. */
extern size_t siem_write(SiemFormat format, const SiemEvent *event, char *to, size_t room);

#endif /* TSEC_SIEM_H */

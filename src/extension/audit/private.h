/*
 * private.h
 *		What the files of the audit part share among themselves.
 */
#ifndef TSEC_AUDIT_PRIVATE_H
#define TSEC_AUDIT_PRIVATE_H

#include "audit/audit.h"
#include "audit/audited.h"

/* ---- switch.c: the kill switch ---- */

/* Whether anything is to be captured; reads a setting, nothing else. */
static inline bool
audit_is_on(void)
{
	return likely(setting_audit_enabled);
}

#endif /* TSEC_AUDIT_PRIVATE_H */

/*
 * live.h
 *		Changes of tables for subscribers of the gateway's WebSockets.
 */
#ifndef TSEC_AUDIT_LIVE_H
#define TSEC_AUDIT_LIVE_H

extern void live_init(void);

#endif /* TSEC_AUDIT_LIVE_H */

/*
 * environment.h
 *		Variables that the configuration asks for: taken out of the environment at
 *		first use, so that /proc and ps show them no longer, and kept for when the
 *		configuration is read again.
 */
#ifndef NOTIFIER_ENVIRONMENT_H
#define NOTIFIER_ENVIRONMENT_H

/* A ConfigLookup: the value, NULL when it is absent or empty. */
extern const char *environment_value(void *argument, const char *name);

/* Wipes all that was taken. */
extern void environment_forget(void);

#endif /* NOTIFIER_ENVIRONMENT_H */

/*
 * log.h
 *		One JSON object a line on standard error.  Never a value of the
 *		configuration: channels are named, what they are made of is not.
 */
#ifndef NOTIFIER_LOG_H
#define NOTIFIER_LOG_H

/* An event of the program: {"time":...,"level":"error","event":"listening"}; fields: name, value, ..., NULL.  A NULL value is left out. */
extern void log_error(const char *event, ...) __attribute__((sentinel));
extern void log_note(const char *event, ...) __attribute__((sentinel));

#endif /* NOTIFIER_LOG_H */

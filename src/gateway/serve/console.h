/*
 * console.h
 *		The files of the security console (src/console), which are part of the
 *		program: src/console/embed makes the list.
 */
#ifndef GATEWAY_CONSOLE_H
#define GATEWAY_CONSOLE_H

#include <stddef.h>

typedef struct ConsoleFile
{
	const char *name; /* behind /console/; "" is the page */
	const char *type;
	const char *etag; /* quoted */
	const unsigned char *data;
	size_t length;
} ConsoleFile;

extern const ConsoleFile console_files[];
extern const int console_file_count;

#endif /* GATEWAY_CONSOLE_H */

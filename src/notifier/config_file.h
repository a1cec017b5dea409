/*
 * config_file.h
 *		The configuration as a file.
 */
#ifndef NOTIFIER_CONFIG_FILE_H
#define NOTIFIER_CONFIG_FILE_H

#include "notifier/config.h"

/*
 * Reads a file and the variables that it names; one user of it is counted.
 * NULL when it is not good, after its complaints were handed over one by one.
 * A file that holds a secret itself must not be for everybody to read.
 */
extern Config *config_load(const char *file, void (*say)(const char *file, const char *line));

/* One user less. */
extern void config_forget(Config *config);

#endif /* NOTIFIER_CONFIG_FILE_H */

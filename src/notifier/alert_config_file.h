/*
 * alert_config_file.h
 *		The configuration as a file.
 */
#ifndef NOTIFIER_ALERT_CONFIG_FILE_H
#define NOTIFIER_ALERT_CONFIG_FILE_H

#include "notifier/alert_config.h"

/*
 * Reads a file and the variables that it names; one user of it is counted.
 * NULL when it is not good, after its complaints were handed over one by one.
 * A file that holds a secret itself must not be for everybody to read.
 */
extern Config *alert_config_load(const char *file, void (*say)(const char *file, const char *line));

/* One user less. */
extern void alert_config_forget(Config *config);

#endif /* NOTIFIER_ALERT_CONFIG_FILE_H */

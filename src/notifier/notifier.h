/*
 * notifier.h
 *		The program at work.
 */
#ifndef NOTIFIER_NOTIFIER_H
#define NOTIFIER_NOTIFIER_H

#include "notifier/alert_config.h"

/*
 * Tells people of alerts until it is stopped (SIGTERM, SIGINT), or once what is due; reads the file again on SIGHUP.
 * Takes the configuration over, and gives the program's exit code.
 */
extern int notifier_run(const char *file, Config *config, const char *conninfo, bool once);

#endif /* NOTIFIER_NOTIFIER_H */

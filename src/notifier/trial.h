/*
 * trial.h
 *		A test message, so that an administrator sees whether a channel works.
 */
#ifndef NOTIFIER_TRIAL_H
#define NOTIFIER_TRIAL_H

#include "notifier/alert_config.h"

typedef enum TrialResult
{
	TRIAL_DELIVERED,
	TRIAL_FAILED,
	TRIAL_UNKNOWN /* there is no such channel */
} TrialResult;

/* Sends one channel a test, also one that is not enabled, and says what became of it. */
extern TrialResult trial_send(Config *config, const char *name);

#endif /* NOTIFIER_TRIAL_H */

/*
 * settings.h
 *		Private to base: what base_init calls to define the settings.
 */
#ifndef TSEC_SETTINGS_H
#define TSEC_SETTINGS_H

extern void settings_init(void);

/* ---- environment.c ---- */

typedef enum EnvironmentFault
{
	ENVIRONMENT_FINE,
	ENVIRONMENT_NO_NAME,
	ENVIRONMENT_SECRET
} EnvironmentFault;

/* What is wrong with a list of variables to be read. */
extern EnvironmentFault environment_list_fault(const char *list);

/* ---- token_setting.c ---- */

extern void token_setting_init(void);

#endif /* TSEC_SETTINGS_H */

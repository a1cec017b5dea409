/*
 * settings.h
 *		Private to base: what base_init calls to define the settings.
 */
#ifndef TSEC_SETTINGS_H
#define TSEC_SETTINGS_H

extern void settings_init(void);

/* ---- token_setting.c ---- */

extern void token_setting_init(void);

#endif /* TSEC_SETTINGS_H */

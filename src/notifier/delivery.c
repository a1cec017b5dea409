/*
 * delivery.c
 *		How a delivery ends, and where its memory goes.
 */
#include "notifier/delivery.h"

#include <stdarg.h>
#include <stdlib.h>

void
delivery_end(Delivery *delivery, Verdict verdict, const char *format, ...)
{
	va_list arguments;

	delivery->verdict = verdict;
	va_start(arguments, format);
	(void) vsnprintf(delivery->error, sizeof(delivery->error), format, arguments);
	va_end(arguments);
}

void
delivery_free(Delivery *delivery)
{
	if (--delivery->config->users == 0)
		alert_config_free(delivery->config);
	free(delivery->texts);
	free(delivery);
}

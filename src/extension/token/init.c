/*
 * init.c
 *		Starts the token part.
 */
#include "token/private.h"

void
token_init(void)
{
	token_environment_init();
	token_news_init();
}

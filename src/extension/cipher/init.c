/*
 * init.c
 *		Starts the cipher.
 */
#include "cipher/private.h"

void
cipher_init(void)
{
	types_init();
	order_by_init();
	progress_init();
	mask_label_init();
	implied_init();
	view_init();
}

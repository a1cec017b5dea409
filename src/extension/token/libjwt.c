/*
 * libjwt.c
 *		libjwt, loaded so that it finds its own functions.
 *
 * The server exports an SQL function called json_object, and so does jansson.
 * Linked the ordinary way, jwt_new() calls the server's and the backend dies
 * (seen with 1.10.2 and PostgreSQL 15).  RTLD_DEEPBIND makes a library look
 * among its own dependencies first.  Nothing of ours may call jansson's
 * json_object() either; jansson itself does not go through the symbol.
 *
 * Among what it finds there is malloc.  Where another allocator is preloaded
 * (LD_PRELOAD), jansson allocates with that one and libjwt would free with the
 * C library's, so then, as where it is not installed, libjwt is not used and
 * common/jwt_sign.c signs the same claims.
 */
#include "token/sign.h"

#include <dlfcn.h>

#define LIBRARY "libjwt.so.0"

static bool tried = false;
static void *library = NULL;
static LibJwt functions;

/* Where each function goes. */
static const struct
{
	const char *name;
	size_t place;
} symbols[] = {
	{"jwt_new", offsetof(LibJwt, new_token)},
	{"jwt_free", offsetof(LibJwt, free_token)},
	{"jwt_add_grants_json", offsetof(LibJwt, add_grants_json)},
	{"jwt_add_header", offsetof(LibJwt, add_header)},
	{"jwt_set_alg", offsetof(LibJwt, set_algorithm)},
	{"jwt_encode_str", offsetof(LibJwt, encode)},
};

/* Whether the free() that a library finds is the one that we are bound to, as jansson is. */
static bool
shares_allocator(void *opened)
{
	return dlsym(opened, "free") == (void *) free;
}

static bool
find_functions(void *opened)
{
	for (int i = 0; i < (int) lengthof(symbols); i++)
	{
		void *symbol = dlsym(opened, symbols[i].name);

		if (symbol == NULL)
			return false;
		memcpy((char *) &functions + symbols[i].place, &symbol, sizeof(symbol));
	}
	return true;
}

const LibJwt *
token_libjwt(void)
{
	void *opened;

	if (!tried)
	{
		tried = true;
		opened = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
		if (opened != NULL && shares_allocator(opened) && find_functions(opened))
			library = opened;
		else if (opened != NULL)
			(void) dlclose(opened);
		if (library == NULL)
			ereport(DEBUG1, (errmsg_internal("twin_security: libjwt is not used")));
	}
	return library != NULL ? &functions : NULL;
}

const char *
token_libjwt_path(void)
{
	const LibJwt *libjwt = token_libjwt();
	Dl_info where;
	void *symbol;

	if (libjwt == NULL)
		return NULL;
	memcpy(&symbol, &libjwt->new_token, sizeof(symbol));
	return dladdr(symbol, &where) != 0 ? where.dli_fname : NULL;
}

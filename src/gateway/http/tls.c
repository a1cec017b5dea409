/*
 * tls.c
 *		TLS 1.2 and 1.3 by OpenSSL on sockets that never block.
 *
 * Nothing of OpenSSL is seen outside.  A certificate is read into a context of
 * its own and takes the place of the one before only when it is whole;
 * sessions keep the context they began with.
 */
#include "gateway/http/door.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string.h>

struct Tls
{
	SSL_CTX *context;
};

struct TlsSession
{
	SSL *ssl;
	int read_wants;
	int write_wants;
};

/* HTTP/1.1 is all there is: chosen when the client offers it, and a client that offers only others is turned away. */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *offered,
				unsigned offered_length, void *argument)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void) ssl;
	(void) argument;
	if (SSL_select_next_proto((unsigned char **) out, out_length, ours, sizeof(ours) - 1, offered, offered_length) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

/* No terminal to ask: a key under a passphrase cannot be used. */
static int
no_passphrase(char *buffer, int size, int writing, void *argument)
{
	(void) buffer;
	(void) size;
	(void) writing;
	(void) argument;
	return -1;
}

static SSL_CTX *
new_context(const char *certificate, const char *key, const char **why)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	*why = "TLS cannot be set up";
	if (context == NULL)
		return NULL;
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!MD5") != 1)
		goto refused;
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
									 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(context,
					 SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* tickets serve resumption without memory of ours */
	(void) SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	*why = "TLS certificate cannot be read";
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		goto refused;
	*why = "TLS key cannot be read";
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		goto refused;
	*why = "TLS key does not belong to the certificate";
	if (SSL_CTX_check_private_key(context) != 1)
		goto refused;
	return context;
refused:
	ERR_clear_error();
	SSL_CTX_free(context);
	return NULL;
}

Tls *
tls_open(const char *certificate, const char *key, const char **why)
{
	SSL_CTX *context = new_context(certificate, key, why);
	Tls *tls = context != NULL ? OPENSSL_zalloc(sizeof(Tls)) : NULL;

	if (tls == NULL)
		SSL_CTX_free(context);
	else
		tls->context = context;
	return tls;
}

void
tls_close(Tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->context);
	OPENSSL_free(tls);
}

TlsSession *
tls_accept(Tls *tls, int fd)
{
	TlsSession *session = OPENSSL_zalloc(sizeof(TlsSession));

	if (session == NULL)
		return NULL;
	session->ssl = SSL_new(tls->context);
	if (session->ssl == NULL || SSL_set_fd(session->ssl, fd) != 1)
	{
		SSL_free(session->ssl);
		OPENSSL_free(session);
		return NULL;
	}
	SSL_set_accept_state(session->ssl);
	session->read_wants = LOOP_READ;
	session->write_wants = LOOP_WRITE;
	return session;
}

void
tls_end(TlsSession *session)
{
	if (session == NULL)
		return;
	SSL_free(session->ssl);
	OPENSSL_free(session);
}

/* What an operation that moved no byte means. */
static ssize_t
outcome(TlsSession *session, int result, int *wants)
{
	int error = SSL_get_error(session->ssl, result);

	ERR_clear_error();
	switch (error)
	{
		case SSL_ERROR_WANT_READ:
			*wants = LOOP_READ;
			return DOOR_AGAIN;
		case SSL_ERROR_WANT_WRITE:
			*wants = LOOP_WRITE;
			return DOOR_AGAIN;
		case SSL_ERROR_ZERO_RETURN:
			return 0;
		default:
			return DOOR_ERROR;
	}
}

ssize_t
tls_read(TlsSession *session, char *data, size_t size)
{
	size_t count;
	int result = SSL_read_ex(session->ssl, data, size, &count);

	session->read_wants = LOOP_READ;
	return result == 1 ? (ssize_t) count : outcome(session, result, &session->read_wants);
}

ssize_t
tls_write(TlsSession *session, const char *data, size_t length)
{
	size_t count;
	int result = SSL_write_ex(session->ssl, data, length, &count);
	ssize_t answer;

	session->write_wants = LOOP_WRITE;
	if (result == 1)
		return (ssize_t) count;
	answer = outcome(session, result, &session->write_wants);
	return answer == 0 ? DOOR_ERROR : answer;
}

void
tls_goodbye(TlsSession *session)
{
	if (SSL_is_init_finished(session->ssl))
		(void) SSL_shutdown(session->ssl);
	ERR_clear_error();
}

int
tls_read_wants(const TlsSession *session)
{
	return session->read_wants;
}

int
tls_write_wants(const TlsSession *session)
{
	return session->write_wants;
}

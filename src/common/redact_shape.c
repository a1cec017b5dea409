/*
 * redact_shape.c
 *		Secrets that are known by their look, wherever they stand: tokens, hashes of
 *		passwords, private keys, passwords in addresses, credentials of HTTP.
 */
#include "redact_form.h"

#include <string.h>

bool
redact_is_word(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
		   byte == '_' || byte == '$' || byte >= 0x80;
}

bool
redact_is_space(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

uint8_t
redact_lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t) (byte + ('a' - 'A')) : byte;
}

/* Whether a text stands at a place, in any case; wanted is in lower case. */
static bool
stands_at(Bytes text, size_t at, const char *wanted)
{
	size_t length = strlen(wanted);

	if (text.length - at < length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (redact_lower(text.data[at + i]) != (uint8_t) wanted[i])
			return false;
	return true;
}

bool
redact_word_at(Bytes text, size_t at, const char *word)
{
	size_t end = at + strlen(word);

	return at <= text.length && stands_at(text, at, word) && (at == 0 || !redact_is_word(text.data[at - 1])) &&
		   (end == text.length || !redact_is_word(text.data[end]));
}

/* ---- base64url, as in tokens ---- */

static bool
is_base64url(uint8_t byte)
{
	return (redact_is_word(byte) && byte < 0x80 && byte != '$') || byte == '-';
}

static size_t
base64url_end(Bytes text, size_t at)
{
	while (at < text.length && is_base64url(text.data[at]))
		at++;
	return at;
}

/* Whether a run of these bytes begins here, dashes in front of it not counted: so each run is walked once. */
static bool
begins_run(Bytes text, size_t at)
{
	size_t before = at;

	while (before > 0 && at - before < 8 && text.data[before - 1] == '-')
		before--;
	return before == 0 || !is_base64url(text.data[before - 1]);
}

/* A JSON Web Token, or the beginning of one: its header is a JSON object, and so it begins with eyJ. */
static bool
token_shape(Bytes text, size_t at, RedactSpan *hidden)
{
	size_t end;

	if (!(text.length - at > 10 && text.data[at] == 'e' && text.data[at + 1] == 'y' && text.data[at + 2] == 'J') ||
		!begins_run(text, at))
		return false;
	end = base64url_end(text, at);
	if (end - at < 10 || end == text.length || text.data[end] != '.')
		return false;
	*hidden = (RedactSpan){at, end};
	while (hidden->end < text.length && (text.data[hidden->end] == '.' || is_base64url(text.data[hidden->end])))
		hidden->end++;
	return true;
}

/* ---- hashes of passwords ---- */

/* What crypt() makes: $2b$12$..., $6$..., $y$..., $argon2id$... */
static bool
crypt_shape(Bytes text, size_t at, RedactSpan *hidden)
{
	static const char *const methods[] = {"$2a$", "$2b$", "$2x$", "$2y$",    "$1$",      "$5$",    "$6$",
										  "$y$",  "$gy$", "$7$",  "$argon2", "$scrypt$", "$pbkdf2"};

	for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++)
	{
		size_t end = at + strlen(methods[m]);
		size_t dollars = 0;

		if (!stands_at(text, at, methods[m]))
			continue;
		for (; end < text.length && ((redact_is_word(text.data[end]) && text.data[end] < 0x80) ||
									 memchr("./+=,-", text.data[end], 6) != NULL);
			 end++)
			dollars += text.data[end] == '$';
		/* $1$ could be a dollar quote of nobody's making, and parameters are $1 */
		if (dollars > 0 && end - at >= 20)
		{
			*hidden = (RedactSpan){at, end};
			return true;
		}
	}
	return false;
}

/* What pg_authid holds. */
static bool
role_shape(Bytes text, size_t at, RedactSpan *hidden)
{
	size_t end = at;

	if (stands_at(text, at, "scram-sha-256$"))
	{
		for (end += 14;
			 end < text.length && !redact_is_space(text.data[end]) && memchr("'\",;)", text.data[end], 5) == NULL;)
			end++;
		*hidden = (RedactSpan){at, end};
		return true;
	}
	if (!stands_at(text, at, "md5") || text.length - at < 35)
		return false;
	for (end = at + 3; end < at + 35; end++)
	{
		uint8_t byte = redact_lower(text.data[end]);

		if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f')))
			return false;
	}
	*hidden = (RedactSpan){at, end};
	return end == text.length || !redact_is_word(text.data[end]);
}

/* ---- what others issue: beginning and shortest length behind it ---- */

typedef struct Issued
{
	const char *beginning;
	size_t least;
} Issued;

static bool
issued_shape(Bytes text, size_t at, RedactSpan *hidden)
{
	static const Issued issued[] = {{"ghp_", 30},        {"gho_", 30},   {"ghs_", 30},     {"ghu_", 30},
									{"github_pat_", 30}, {"glpat-", 16}, {"xoxb-", 16},    {"xoxp-", 16},
									{"xoxa-", 16},       {"sk-", 24},    {"sk_live_", 16}, {"rk_live_", 16},
									{"sk_test_", 16},    {"aiza", 30}};

	for (size_t i = 0; i < sizeof(issued) / sizeof(issued[0]); i++)
	{
		size_t begin = at + strlen(issued[i].beginning);

		if (stands_at(text, at, issued[i].beginning) && base64url_end(text, begin) - begin >= issued[i].least)
		{
			*hidden = (RedactSpan){at, base64url_end(text, begin)};
			return true;
		}
	}
	return false;
}

/* ---- credentials of HTTP ---- */

/* Bearer abc, Basic dTpw: what follows is taken for prose where it is only small letters and short. */
static bool
scheme_shape(Bytes text, size_t at, RedactSpan *hidden)
{
	size_t begin;
	size_t end;
	bool is_odd = false;

	if (redact_word_at(text, at, "bearer"))
		begin = at + 6;
	else if (redact_word_at(text, at, "basic"))
		begin = at + 5;
	else
		return false;
	if (begin == text.length || (text.data[begin] != ' ' && text.data[begin] != '\t'))
		return false;
	while (begin < text.length && (text.data[begin] == ' ' || text.data[begin] == '\t'))
		begin++;
	for (end = begin;
		 end < text.length && (is_base64url(text.data[end]) || memchr("./+~=", text.data[end], 5) != NULL);)
	{
		uint8_t byte = text.data[end++];

		is_odd =
			is_odd || (byte >= '0' && byte <= '9') || byte == '=' || (byte >= 'A' && byte <= 'Z' && end - begin > 1);
	}
	*hidden = (RedactSpan){begin, end};
	return end - begin >= 20 || (is_odd && end - begin >= 4);
}

/* ---- addresses: postgresql://user:password@host ---- */

/* User and password of an address lie within so many bytes; looking further would take time of a square. */
#define ADDRESS_MAX 1024

static bool
address_shape(Bytes text, size_t at, RedactSpan *hidden)
{
	size_t colon = 0;
	size_t sign = 0;
	size_t end;
	bool is_port = true;

	if (!stands_at(text, at, "://") || text.length - at <= 3 || text.data[at + 3] == '[')
		return false;
	end = text.length - at < ADDRESS_MAX ? text.length : at + ADDRESS_MAX;
	/* mostly there is none; this keeps what is full of "://" from being walked over and over */
	if (memchr(text.data + at + 3, '@', end - at - 3) == NULL)
		return false;
	for (size_t i = at + 3; i < end; i++)
	{
		uint8_t byte = text.data[i];

		if (redact_is_space(byte) || byte == '\'' || byte == '"' || byte == '<' || byte == '>')
			break;
		/* http://host:80/ has no password; whoever writes a slash into one has it hidden all the same */
		if ((byte == '/' || byte == '?' || byte == '#') && (colon == 0 || is_port))
			break;
		if (byte == '@' && colon != 0)
			sign = i;
		else if (byte == ':' && colon == 0)
			colon = i;
		else if (colon != 0 && sign == 0 && (byte < '0' || byte > '9'))
			is_port = false;
	}
	if (colon == 0 || sign <= colon + 1)
		return false;
	*hidden = (RedactSpan){colon + 1, sign};
	return true;
}

/* ---- PEM ---- */

static bool
pem_shape(Bytes text, size_t at, RedactSpan *hidden)
{
	static const char opening[] = "-----begin ";
	static const char closing[] = "-----end ";
	size_t i = at + sizeof(opening) - 1;
	size_t label = i;

	if (!stands_at(text, at, opening))
		return false;
	while (i < text.length && i - label < 64 && text.data[i] != '-')
		i++;
	if (i - label < 11 || !stands_at(text, i - 11, "private key"))
		return false;
	*hidden = (RedactSpan){i, text.length};
	for (; i < text.length; i++)
		if (text.data[i] == '-' && stands_at(text, i, closing))
		{
			hidden->end = i;
			break;
		}
	return true;
}

bool
redact_shape(Bytes text, size_t at, RedactSpan *hidden)
{
	switch (text.data[at])
	{
		case '$':
			return crypt_shape(text, at, hidden);
		case '-':
			return pem_shape(text, at, hidden);
		case ':':
			return address_shape(text, at, hidden);
		case 'e':
		case 'A':
		case 'B':
		case 'M':
		case 'R':
		case 'S':
		case 'a':
		case 'b':
		case 'g':
		case 'm':
		case 'r':
		case 's':
		case 'x':
			break;
		default:
			return false;
	}
	if (at > 0 && redact_is_word(text.data[at - 1]))
		return false;
	return token_shape(text, at, hidden) || role_shape(text, at, hidden) || scheme_shape(text, at, hidden) ||
		   issued_shape(text, at, hidden);
}

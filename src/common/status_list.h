/*
 * status_list.h
 *		Every way a library call of this project can end, one line each.
 *
 * STATUS(name, SQLSTATE, HTTP status, message, hint)
 *
 * The extension turns a row into an SQL error (base/errors.c), the gateway
 * into an HTTP answer; both read this one list.  A standard SQLSTATE wherever
 * no caller branches; class TW, one hundred per part, where one does.
 * Messages are lower case, without full stop, and name no secret.
 *
 * The file is included several times with different meanings of STATUS, so it
 * has no include guard.
 */

/* clang-format off */
STATUS(OK,                  "00000", 200, "no error", NULL)
STATUS(NO_MEMORY,           "53200", 503, "out of memory in the cryptographic library", NULL)
STATUS(LIBRARY_FAILURE,     "XX000", 500, "the cryptographic library failed", NULL)
STATUS(NO_RANDOM,           "XX000", 500, "the system gave no random bytes", NULL)
STATUS(TOO_LONG,            "54000", 413, "value is too long to be encrypted", "At most 1 GB minus the stored header can be held by one value.")
STATUS(BAD_BASE64,          "22023", 400, "invalid base64", NULL)

/* the key of the environment */
STATUS(KEY_MISSING,         "55000", 503, "ENCRYPTION_KEY is not set", "Set it in the server's environment to base64 of 32 random bytes (twin.generate_key() makes one), or set twin_security.key_command, and restart.")
STATUS(KEY_WHITESPACE,      "55000", 503, "ENCRYPTION_KEY contains white space", "Remove blanks and line ends around or inside the value.")
STATUS(KEY_NOT_BASE64,      "55000", 503, "ENCRYPTION_KEY is not valid base64", "It must be canonical base64 of exactly 32 bytes; twin.generate_key() makes one.")
STATUS(KEY_WRONG_LENGTH,    "55000", 503, "ENCRYPTION_KEY does not decode to exactly 32 bytes", "It must be base64 of exactly 32 bytes; twin.generate_key() makes one.")
STATUS(KEY_ALL_ZERO,        "55000", 503, "ENCRYPTION_KEY is all zero bytes", "Use 32 random bytes; twin.generate_key() makes them.")
STATUS(KEY_COMMAND_FAILED,  "55000", 503, "twin_security.key_command failed", "The command must exit with 0 and print one line: base64 of 32 bytes.")

/* TW1xx: keyring */
STATUS(WRONG_KEY,           "TW101", 503, "wrong key: ENCRYPTION_KEY is not the key that wrapped this database's keys", "Start the server with the key in force when the keys were made, or with that key in ENCRYPTION_KEY_PREVIOUS and call twin.rotate_master_key().")
STATUS(KEY_DESTROYED,       "TW102", 410, "the key, or this version of it, has been destroyed", NULL)
STATUS(KEY_RETIRED,         "TW103", 410, "the key version has been retired", NULL)
STATUS(KEY_EXHAUSTED,       "TW104", 503, "the key has sealed as many messages as it safely may", "Call twin.rotate_key().")
STATUS(KEY_UNKNOWN,         "TW105", 500, "the value was sealed under a key this database does not hold", "Restore the extension's own tables from the dump the value came with.")
STATUS(KEYRING_TAMPERED,    "TW106", 500, "a stored key does not pass its integrity check", "The keyring tables were altered; restore them from a backup.")

/* TW2xx: cipher */
STATUS(INTEGRITY,           "TW201", 500, "integrity check failed: the value was altered, moved or is not ours", NULL)
STATUS(ARMOR_INVALID,       "22P02", 400, "invalid armored value", "A value that begins with the armor prefix must be a whole value as this extension prints it.")
STATUS(VALUE_TRUNCATED,     "22P03", 400, "encrypted value is truncated or not one", NULL)
STATUS(UNKNOWN_ALGORITHM,   "0A000", 400, "encrypted value uses an unknown algorithm", "It was written by a newer version of twin_security, or is damaged.")
STATUS(UNKNOWN_FLAG,        "0A000", 400, "encrypted value carries an unknown flag", "It was written by a newer version of twin_security, or is damaged.")

/* TW3xx: password */
STATUS(HASHES_BUSY,         "TW301", 503, "too many passwords are being hashed at once", "Try again; twin_security.max_concurrent_hashes and twin_security.hash_wait_timeout say how many and how long to wait.")
STATUS(PASSWORD_TOO_LONG,   "22023", 400, "password is longer than 72 bytes", "bcrypt reads no more than 72 bytes; in UTF-8 a character outside ASCII takes 2 to 4 of them.")
STATUS(PASSWORD_HAS_ZERO,   "22023", 400, "password contains a zero byte", NULL)
STATUS(PASSWORD_NOT_TEXT,   "22021", 400, "password contains a character that cannot be converted to UTF-8", NULL)
STATUS(HASH_MALFORMED,      "22023", 500, "not a bcrypt hash", "A bcrypt hash begins with $2b$ (or $2a$, $2y$) and two digits of cost, and has 60 characters.")
STATUS(HASH_KIND,           "0A000", 500, "password hashes of kind $2x$ are refused", "They come from a program that lost bits of characters outside ASCII; the user must choose a new password.")
STATUS(HASH_COST,           "54000", 500, "password hash has a cost above 15", "Verifying it would keep a server process busy for seconds or hours, and it could not be cancelled.")

/* TW5xx: tokens; what is wrong with one, never a part of it */
STATUS(TOKEN_MALFORMED,     "TW501", 401, "the token is malformed", "A token is three parts of canonical base64url between two dots; the first two hold JSON objects without duplicate names.")
STATUS(TOKEN_TOO_LONG,      "TW502", 401, "the token is longer than 8192 bytes", NULL)
STATUS(TOKEN_HEADER,        "TW503", 401, "the token's header holds what is not accepted", "Refused are crit, jku, jwk, x5*, b64, zip, enc, cty and any typ but JWT and at+jwt.")
STATUS(TOKEN_ALGORITHM,     "TW504", 401, "the token's algorithm is not that of its key", NULL)
STATUS(TOKEN_KEY_UNKNOWN,   "TW505", 401, "the token names no key known here", "See twin.verification_keys; a token without kid needs exactly one key of its algorithm.")
STATUS(TOKEN_SIGNATURE,     "TW506", 401, "the token's signature does not verify", NULL)
STATUS(TOKEN_EXPIRED,       "TW507", 401, "the token has expired", NULL)
STATUS(TOKEN_EARLY,         "TW508", 401, "the token is not valid yet", NULL)
STATUS(TOKEN_LIFETIME,      "TW509", 401, "the token is valid for longer than its key allows", NULL)
STATUS(TOKEN_REVOKED,       "TW510", 401, "the token has been revoked", NULL)
STATUS(TOKEN_TYPE,          "TW511", 401, "the token is of another type", "A refresh token is no access token.")
STATUS(TOKEN_ISSUER,        "TW512", 401, "the token's issuer is not its key's", NULL)
STATUS(TOKEN_AUDIENCE,      "TW513", 401, "the token is meant for another audience", NULL)
STATUS(TOKEN_CLAIM_MISSING, "TW514", 401, "the token lacks a claim that is required", NULL)
STATUS(TOKEN_CLAIM_TYPE,    "TW515", 401, "a claim of the token has the wrong type", "Times are whole numbers of seconds, names are strings, ids are whole numbers.")
STATUS(TOKEN_ROLE,          "TW516", 401, "the token's role is not one its key may give", NULL)
STATUS(TOKEN_CHARACTERS,    "TW517", 401, "the token holds characters that this database's encoding lacks", NULL)
STATUS(TOKEN_NO_SECRET,     "55000", 503, "JWT_SECRET_KEY is not set", "Set it in the server's environment to at least 32 random bytes of text and restart, or make a signing key with twin.create_signing_key().")
STATUS(TOKEN_SECRET_SHORT,  "55000", 503, "JWT_SECRET_KEY is shorter than 32 bytes", "Set it to at least 32 random bytes of text and restart.")
STATUS(TOKEN_SECRET_LONG,   "55000", 503, "JWT_SECRET_KEY is longer than 1024 bytes", NULL)
STATUS(TOKEN_BAD_EXPIRES,   "55000", 503, "JWT_ACCESS_TOKEN_EXPIRES is not a number of seconds from 1 to 2592000", "Correct it in the server's environment and restart, or set twin_security.token_lifetime.")
STATUS(JWK_MALFORMED,       "22023", 400, "the key is not a valid JWK", "Members are as RFC 7517 and 7518 say, byte strings in canonical base64url.")
STATUS(JWK_KIND,            "22023", 400, "the JWK is of a kind that is not accepted", "Accepted are kty oct, RSA, EC (P-256, P-384, P-521) and OKP (Ed25519).")
STATUS(JWK_ALGORITHM,       "22023", 400, "the JWK's alg is missing or does not fit the key", "An RSA or oct key must name its algorithm: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512; others are ES256, ES384, ES512 and EdDSA.")
STATUS(JWK_USE,             "22023", 400, "the JWK is not meant for verifying signatures", "use must be sig, and key_ops must hold verify and at most sign besides, where they are given.")
STATUS(JWK_PRIVATE,         "22023", 400, "the JWK holds a private key", "Give the public key alone: without d, p, q, dp, dq, qi, oth and k.")
STATUS(JWK_WEAK,            "22023", 400, "the JWK is too weak a key, or a broken one", "RSA has 2048 to 8192 bits and an odd exponent from 65537 on; a secret has at least as many bytes as the algorithm's digest; points lie on their curve and are not of small order.")
STATUS(CLAIM_MAP,           "22023", 400, "invalid claim map", "It may hold user, role, tenant (a name, an array of names as a path, or null), role_is (\"twin\" or \"database\"), roles, require (arrays of names) and leeway (0 to 300 seconds).")

/* TW6xx: identity */
STATUS(IDENTITY_SESSION,    "TW601", 401, "the token was set for the whole session", "Set it for one transaction, with twin.authenticate() or SET LOCAL; for whole sessions an administrator must turn twin_security.allow_session_identity on.")
STATUS(IDENTITY_ROLE,       "TW602", 403, "the token names a database role that this login may not take on", "An administrator can GRANT the role to the login.")

/* TW7xx: accounts; nobody branches on any, so they have standard codes */
STATUS(USERNAME_INVALID,    "22023", 400, "invalid username", "A name has 1 to 64 characters that can be seen, with no blank at either end.")
STATUS(ACCOUNT_NOBODY,      "42501", 401, "nobody is logged in", "Log in with twin_api.login() and send the access token; in SQL, hand it to twin.authenticate().")
STATUS(ACCOUNT_ELSEWHERE,   "42501", 403, "the token belongs to no account of this database", "Sessions and passwords of users that an outside issuer names are kept there.")
STATUS(ACCOUNT_CHANGED,     "40001", 409, "the account was changed at the same time", "Log in again.")

/* TW8xx: requests */
STATUS(REQUEST_ANONYMOUS,   "TW801", 401, "anonymous access is disabled", NULL)
STATUS(REQUEST_CSRF,        "TW802", 403, "the request lacks the CSRF token of its session", "Send the cookie __Host-twin_csrf back as the header X-CSRF-Token, or the access token as Authorization: Bearer.")
STATUS(REQUEST_LIMITED,     "TW803", 429, "too many requests", NULL)
STATUS(REQUEST_BLOCKED,     "TW804", 403, "requests from this address are refused", NULL)
STATUS(REQUEST_CLAIMS,      "TW805", 401, "the token is not the one that the request was authenticated with", NULL)
STATUS(REQUEST_BEGUN,       "25001", 500, "a request has begun in this transaction already", NULL)

/* the log of events, provable; nobody branches */
STATUS(TREE_RANGE,          "22023", 400, "the log's tree is not that large", NULL)
STATUS(TREE_INCOMPLETE,     "XX001", 500, "a node of the log's tree is missing", "The tiles of the ledger were altered; twin.verify_audit_log() says what else is.")
STATUS(ORIGIN_INVALID,      "22023", 500, "not a name that a log can have", "It has 1 to 255 printable ASCII characters, no blank and no plus sign.")
/* clang-format on */

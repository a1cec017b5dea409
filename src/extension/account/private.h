/*
 * private.h
 *		What the files of the account part share among themselves.
 */
#ifndef TSEC_ACCOUNT_PRIVATE_H
#define TSEC_ACCOUNT_PRIVATE_H

#include "account/account.h"

#include "common/digest.h"
#include "common/network.h"
#include "event/event.h"
#include "limit/limit.h"
#include "token/token.h"

#include "lib/stringinfo.h"

/* ---- name.c: usernames as they are stored and compared ---- */

typedef struct AccountName
{
	char *username; /* NFC */
	char *key;      /* case and compatibility folded */
} AccountName;

/* Reads a name in the database's encoding; false, without raising or quoting it, when it cannot be one. */
extern bool name_read(Datum given, AccountName *name);

/* ---- typed.c: what a user typed as his password ---- */

#define TYPED_MAX 320

typedef struct Typed
{
	MemoryContext context;
	MemoryContextCallback wipe;
	struct varlena *source; /* the detoasted beginning */
	bool possible;          /* could be a password: there is one, in characters, of 72 bytes at most */
	size_t length;          /* at most 72, also when it is cut */
	char bytes[TYPED_MAX + 1];
} Typed;

/* Reads an argument of type text as UTF-8 into memory that is wiped however the statement ends; never raises about it. */
extern Typed *typed_read(NullableDatum argument);

/* Wipes and frees it. */
extern void typed_free(Typed *typed);

/* ---- address.c: where a login comes from ---- */

#define ADDRESS_TEXT_MAX 48
#define ADDRESS_SUBJECT_MAX NETWORK_SUBJECT_MAX

typedef struct Address
{
	char text[ADDRESS_TEXT_MAX]; /* numeric; empty for a unix socket and when it is not known */
	bool is_limited;             /* stands for one client, or one network of one */
	uint8 subject[ADDRESS_SUBJECT_MAX];
	Size length;
} Address;

extern Address address_of_client(void);

/* The same of an address in numbers; its length is 0 when it is none. */
extern Address address_read(const char *text);

/* ---- statement.c ---- */

typedef enum StatementName
{
	FIND_NAME,
	FIND_USER,
	KNOWS_ADDRESS,
	ADDRESSES,
	LAST_USER,
	STAND_IN,
	NOTE_ATTEMPT,
	PURGE_FAILURES,
	PURGE_SUCCESSES,
	REHASH,
	OPEN_SESSION,
	LOCK_SESSION,
	ROTATE_SESSION,
	TOUCH_SESSION,
	END_SESSION,
	LEAVE_SESSIONS,
	SET_PASSWORD,
	PERMISSIONS,
	REVOKE_TOKEN,
	SESSION_END,
	TAKES_LAST_ADMIN,
	EMAIL,
	STATEMENT_COUNT
} StatementName;

/* Runs a statement; SPI is connected.  A null among the arguments is written n. */
extern void statement_run(StatementName name, Datum *arguments, const char *nulls);

/* Connects, runs a statement whose rows nobody looks at, and disconnects. */
extern void statement_run_alone(StatementName name, Datum *arguments, const char *nulls);

/* Columns of the first row of the last one; texts lie in the caller's memory, NULL and 0 stand for null. */
extern char *statement_text(int number);
extern bool statement_bytes(int number, uint8 *to, size_t size); /* exactly so many; false for null */
extern int64 statement_number(int number);
extern int32 statement_integer(int number);
extern bool statement_bool(int number);
extern bool statement_is_null(int number);

/* Such a column as it is stored, in the caller's memory; NULL for null. */
extern struct varlena *statement_stored(int number);

/* ---- store.c ---- */

/* Bytes of what makes a refresh token unlike any other, and of the random part that makes one of the last. */
#define ROTATION_BYTES 16

typedef struct Account
{
	int64 user_id;
	char *username;
	char *hash;
	char *role;
	bool has_tenant;
	int64 tenant_id;
	const char *refused; /* why no login of it succeeds: disabled, tenant_inactive, no_role; NULL when they do */
	bool is_break_glass;
	TimestampTz
		sessions_since;       /* the user's or the tenant's, or when he logged out everywhere: the latest of these */
	uint32 failures;          /* as last recorded before shared memory began; 0 for none that count */
	TimestampTz locked_until; /* the same; 0 for none */
} Account;

typedef struct Session
{
	char *id; /* uuid as text */
	int64 user_id;
	TimestampTz created_at;
	TimestampTz last_used_at;
	TimestampTz expires_at;
	TimestampTz rotated_at;
	bool is_revoked;
	bool was_rotated; /* there are the last two of these */
	uint8 current[DIGEST_SIZE];
	uint8 previous[DIGEST_SIZE];
	uint8 mixed_in[ROTATION_BYTES];
} Session;

/* Reads accounts in their newest committed state, whatever the transaction's isolation; NULL when there is none. */
extern Account *store_find_name(const char *key);
extern Account *store_find_user(int64 user_id);

/* The hash of the account whose turn it is to stand in for an unknown name; NULL when there are no accounts. */
extern char *store_stand_in(uint64 name_hash);

/* Raises 25006, with the name of a function, where nothing can be written. */
extern void store_require_writable(const char *function);

/* Whether the account, NULL for nobody's, has had a session from an address since its password was last changed. */
extern bool store_knows_address(const Account *account, const Address *address);

/* The addresses of all sessions of a user, as texts. */
extern List *store_addresses(int64 user_id);

/* What every try leaves behind; no user_id where there is no such user, no verdict where a restart may forget it. */
extern void store_note_attempt(const Account *account, bool succeeded, const FailureVerdict *verdict);

/* Replaces a hash by one of the same password, unless it was changed or is being changed. */
extern void store_rehash(const Account *account, const char *hash);

extern Session *store_open_session(int64 user_id, const Address *address, const char *user_agent,
								   const uint8 digest[DIGEST_SIZE]);

/* Locks the row, and waits for it; NULL when there is none. */
extern Session *store_lock_session(const char *id);
extern void store_rotate_session(const Session *session, const uint8 digest[DIGEST_SIZE],
								 const uint8 mixed_in[ROTATION_BYTES]);
extern void store_touch_session(const Session *session);

/* Ends one session, and refuses its tokens. */
extern void store_end_session(const char *id, const char *reason);

/* Ends all sessions of a user in his own name, and refuses all tokens that were issued up to now; nobody waits for it. */
extern void store_leave_sessions(int64 user_id);

extern void store_set_password(int64 user_id, const char *hash);

/* Permissions of a role, as a JSON array. */
extern char *store_permissions(const char *role);

/* When a session ends at the latest, as JSON; NULL when there is none. */
extern char *store_session_end(const char *id);

/* Refuses tokens with a jti. */
extern void store_revoke_token(const char *token_id);

/* ---- email.c ---- */

/* The address of a user, zero terminated; NULL when he has none, or it cannot be opened now.  The caller wipes it. */
extern char *email_of(int64 user_id);

/* ---- lock.c ---- */

/* Waits until nobody changes an account or its tenant, and keeps that so until lock_return(). */
extern void lock_share(const Account *account);
extern void lock_return(const Account *account);

/* Keeps everybody else from that until the transaction ends. */
extern void lock_alone(const Account *account);

/* ---- attempt.c: one try of a password ---- */

typedef struct Attempt
{
	Address address;
	const Account *account; /* NULL: there is no such user */
	FailureVerdict at_address;
	FailureVerdict at_account;
	bool counts;   /* failures of the account lock it */
	bool is_known; /* the account's failures at this address count by themselves */
	uint8 subject[sizeof(int64) + ADDRESS_SUBJECT_MAX];
	Size subject_length;
	bool is_unusable;     /* the account's hash cannot be verified */
	const char *stand_in; /* a hash that costs what an unknown name's would; NULL for the present cost */
} Attempt;

/* Whether whoever asks is at a blocked address, which is recorded. */
extern bool attempt_is_blocked(const char *action);

/* Counts a failure ahead at the address; false when it is locked. */
extern bool attempt_begin(Attempt *attempt);

/* Whether a try from a locked address is looked at all the same, because it might be a break-glass account's. */
extern bool attempt_in_need(const Attempt *attempt);

/* Counts one ahead at the account, NULL for nobody's. */
extern void attempt_account(Attempt *attempt, const Account *account);

/* Verifies what was typed: one bcrypt hash at the present cost or that of an account's, whoever it is for.  Raises when it could not be tried at all. */
extern bool attempt_verify(Attempt *attempt, const Typed *typed);

/* Takes back what was counted ahead and forgets the account's failures. */
extern void attempt_succeeded(const Attempt *attempt);

/* Records that a locked address was turned away. */
extern void attempt_refused(const Attempt *attempt, const char *action);

/* Records a failure; reason is for auditors. */
extern void attempt_failed(const Attempt *attempt, const char *action, const char *reason);

/* ---- answer.c: what functions of twin_api return ---- */

/* A pair of tokens, made by session.c. */
typedef struct TokenPair
{
	IssuedToken access;
	IssuedToken refresh;
	char *csrf; /* NULL without cookies */
} TokenPair;

extern Datum answer_tokens(const Account *account, const TokenPair *pair);

/* {error, message} with a status; retry_after is in seconds, 0 for none. */
extern Datum answer_refusal(int status, const char *error, const char *message, int64 retry_after);

/* That nobody is let in from there. */
extern Datum answer_blocked(void);

/* Has the browser forget the cookies. */
extern void answer_clear_cookies(void);

/* Adds "name": "value" to an object that is being written; NULL is null. */
extern void answer_text(StringInfo json, const char *name, const char *value);
extern void answer_member(StringInfo json, const char *name, const char *json_value);
extern void answer_user(StringInfo json, const Account *account);
extern Datum answer_finish(StringInfo json);

/* ---- request.c: what the gateway says of the request ---- */

#define REQUEST_TEXT_MAX 8192

/* A header or a cookie, copied with its final zero; false when there is none, or it does not fit. */
extern bool request_header(const char *name, char *to, size_t size);
extern bool request_cookie(const char *name, char *to, size_t size);

/* ---- rotation.c: what tells one refresh token of a session from another ---- */

#define ROTATION_CHARACTERS 22

typedef struct Rotation
{
	char value[ROTATION_CHARACTERS + 1];
} Rotation;

/* The first one of a session. */
extern Rotation rotation_first(void);

extern void rotation_digest(const Rotation *rotation, uint8 digest[DIGEST_SIZE]);

/*
 * Rotates a session whose row is locked, or serves its last rotation again.
 * False where neither may be: a token of it was copied, now or before, and
 * whatever becomes of the transaction that is remembered to the session's end.
 */
extern bool rotation_advance(const Session *session, const Rotation *presented, Rotation *next);

/* ---- session.c ---- */

/* Opens a session and issues its tokens, for cookies too. */
extern Datum session_open(const Account *account, const Address *address, bool use_cookies);

/* Whether the sid of a token can be one of a session here: a uuid as this database writes it. */
extern bool session_is_uuid(const char *text);

/* ---- self.c ---- */

/* The name of a user, read without SQL and without privileges; NULL when there is none. */
extern char *account_username(int64 user_id);

#define REFUSED_LOGIN "invalid_credentials"
#define REFUSED_TOKEN "invalid_token"
#define REFUSED_FLOOD "too_many_requests"

#endif /* TSEC_ACCOUNT_PRIVATE_H */

/*
 * call.h
 *		One request on its way through: read, understood, run, answered.
 *
 * It lives in the arena of its request, so nothing of it is freed by itself;
 * what it holds of the gateway (configuration, schema) is given back when it ends.
 */
#ifndef GATEWAY_CALL_H
#define GATEWAY_CALL_H

#include "gateway/answer/answer.h"
#include "gateway/answer/error.h"
#include "gateway/serve/gateway.h"
#include "gateway/answer/respond.h"

#define CALL_STATEMENTS_MAX 5
#define CALL_CLIENT_GONE 499 /* in the log: nobody was there to be answered */

typedef struct Call
{
	Gateway *gateway;
	ConfigHold *config_hold;
	const Config *config;
	Schema *schema; /* NULL when there is none yet */
	Exchange *exchange;
	const Request *http;
	Arena *arena;
	AnswerSide side;
	Timings timings;
	char error_id[17];
	char request_id[17];    /* until the database gives one */
	const char *route;      /* of the log: the path */
	const char *limited_as; /* the route of the limits, where it is not the path */
	bool is_session;        /* a route of server-auth-prefix */
	bool is_console;        /* a routine of the security console */
	bool is_document;       /* the root: OpenAPI */
	const char *bearer;     /* a token that came by another way than Authorization; NULL when none did */
	const char *token;      /* of a WebSocket */
	const char *welcome;    /* ... what it is greeted with */

	/* what it says; filled by call_decode() */
	ApiRequest api;
	Query query;
	Preferences prefer;
	RowRange range;
	Body body;
	Plan plan;
	Problem problem; /* why it cannot be done; told when the token has been looked at */
	bool has_problem;

	/* on its way through the database */
	Job *job;
	PoolStatement statements[CALL_STATEMENTS_MAX];
	int statement_count;
	int admission; /* index of begin_request() */
	int main;      /* index of the statement that answers; -1 when there is none */
	const char *role;
	const char *user_id;
	const char *database_request_id;
	int64_t began_at; /* microseconds: its first byte */
	int64_t ran_at;   /* ... its transaction */
} Call;

/* ---- decode.c: from HTTP to what is asked for ---- */

/* False: call->problem says why. */
extern bool call_decode(Call *call);

/* The verbs its path answers to; NULL: call->problem says why. */
extern const char *call_allow(Call *call);

/* ---- admission.c: how a request presents itself to the database ---- */

/* Adds the statement that lets the request in, or does not. */
extern void admission_add(Call *call);

/* Takes what it answered. */
extern void admission_take(Call *call, const PGresult *result);

/* ---- transact.c: the transaction of a request ---- */

/* Runs it; ends in call_answer(). */
extern void transact(Call *call);

/* The answer to a transaction that did not come about. */
extern Answer *transact_refusal(Call *call, const PoolAnswer *answer);

/* ---- console.c ---- */

/* Whether a request is for a file of the security console; answers it, without the database. */
extern bool console_is_file(const Call *call);
extern void console_answer(Call *call);

/* The routine of twin_console that a request names; NULL when none, or there is no console. */
extern const char *console_routine(const Call *call);

/* ---- websocket.c ---- */

/* Lets a client that has a token onto the feed; refuses any other. */
extern void websocket_handshake(Call *call);

/* ---- handle.c ---- */

/* Sends the answer, writes the log, ends the call. */
extern void call_answer(Call *call, Answer *answer);

/* The same without the answer, for one that is given in another way: nothing of the call is used afterwards. */
extern void call_end(Call *call, int status);

/* Microseconds of a clock that never goes back. */
extern int64_t call_clock(void);

#endif /* GATEWAY_CALL_H */

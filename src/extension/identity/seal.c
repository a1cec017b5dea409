/*
 * seal.c
 *		The role of a request stays what it is.
 *
 * While it is sealed, every way to set another one (SET ROLE, SET SESSION
 * AUTHORIZATION, set_config, a function's SET clause) is refused where the
 * setting's new value is checked.  A reset comes around that check: RESET ROLE
 * and its kin are refused as statements; and where set_config(..., NULL, ...)
 * did it in the middle of one, whatever decides by role compares and refuses,
 * and so does every function call and statement that begins, and the commit.
 *
 * Connections go from one request to the next, so a request may not change what
 * its connection has prepared (the next one's token is a parameter of that), nor
 * leave cursors open.
 *
 * SECURITY DEFINER functions do not change these settings and work as ever.
 * A seal made inside a savepoint goes when that is rolled back, together with
 * the token.
 */
#include "identity/private.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

typedef struct Seal
{
	bool in_force;
	bool by_role; /* a role is set; else the session's own is in force */
	Oid role;     /* that role */
	Oid session_user;
	SubTransactionId within; /* where it was made */
} Seal;

static Seal seal;

static GucStringCheckHook check_role = NULL;
static GucStringCheckHook check_session_user = NULL;
static ExecutorStart_hook_type previous_start = NULL;
static ProcessUtility_hook_type previous_utility = NULL;

static TSEC_NORETURN void
refuse_change(void)
{
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("the role of this request cannot be changed"),
					errdetail("It was sealed when the request was authenticated.")));
}

/* Whether the role in force is the sealed one. */
static bool
is_intact(void)
{
	return GetSessionUserId() == seal.session_user && OidIsValid(GetCurrentRoleId()) == seal.by_role &&
		   (!seal.by_role || GetCurrentRoleId() == seal.role);
}

void
identity_seal_role(void)
{
	if (seal.in_force)
	{
		identity_check_seal();
		return;
	}
	seal.by_role = OidIsValid(GetCurrentRoleId());
	seal.role = GetCurrentRoleId();
	seal.session_user = GetSessionUserId();
	seal.within = GetCurrentSubTransactionId();
	seal.in_force = true;
}

bool
identity_role_is_sealed(void)
{
	return seal.in_force;
}

void
identity_check_seal(void)
{
	if (unlikely(seal.in_force && !is_intact()))
		refuse_change();
}

/* ---- where roles are set ---- */

/* Whether a setting's new value may be looked at any further. */
static bool
allow_setting(GucSource source)
{
	/* what comes from elsewhere than a session's own statements is for sessions to come */
	if (!seal.in_force || source < PGC_S_INTERACTIVE)
		return true;
	GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
	GUC_check_errmsg("the role of this request cannot be changed");
	GUC_check_errdetail("It was sealed when the request was authenticated.");
	return false;
}

static bool
check_role_sealed(char **value, void **extra, GucSource source)
{
	return allow_setting(source) && (check_role == NULL || check_role(value, extra, source));
}

static bool
check_session_user_sealed(char **value, void **extra, GucSource source)
{
	return allow_setting(source) && (check_session_user == NULL || check_session_user(value, extra, source));
}

/* Puts a check hook before a setting's own. */
static void
wrap_setting(const char *name, GucStringCheckHook hook, GucStringCheckHook *own)
{
	struct config_string *setting = (struct config_string *) compat_find_setting(name);

	*own = setting->check_hook;
	setting->check_hook = hook;
}

/* ---- where statements begin ---- */

/* A worker cannot tell a token set for the session from one set for the transaction: so the leader does. */
static void
refuse_session_token(void)
{
	if (token_setting_value() != NULL && identity_token_outlasts())
		base_throw(TSEC_IDENTITY_SESSION);
}

static void
start_sealed(QueryDesc *query, int flags)
{
	identity_check_seal();
	if (query->plannedstmt->parallelModeNeeded)
		refuse_session_token();
	warrant_check_statement(query->plannedstmt);
	if (previous_start)
		previous_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

/* Whether a statement would change the role without its value being checked. */
static bool
resets_role(Node *statement)
{
	VariableSetStmt *set = (VariableSetStmt *) statement;

	if (IsA(statement, DiscardStmt))
		return ((DiscardStmt *) statement)->target == DISCARD_ALL;
	if (!IsA(statement, VariableSetStmt) || set->name == NULL)
		return false;
	return (set->kind == VAR_RESET || set->kind == VAR_SET_DEFAULT) &&
		   (pg_strcasecmp(set->name, "role") == 0 || pg_strcasecmp(set->name, "session_authorization") == 0);
}

/* Whether a statement is for whoever uses the connection next. */
static bool
outlasts_request(Node *statement)
{
	if (IsA(statement, DeclareCursorStmt))
		return (((DeclareCursorStmt *) statement)->options & CURSOR_OPT_HOLD) != 0;
	return IsA(statement, PrepareStmt) || IsA(statement, DeallocateStmt);
}

static void
run_sealed(PlannedStmt *planned, const char *text, bool read_only_tree, ProcessUtilityContext context,
		   ParamListInfo params, QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
	if (unlikely(seal.in_force))
	{
		if (resets_role(planned->utilityStmt))
			refuse_change();
		if (outlasts_request(planned->utilityStmt))
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							errmsg("a request cannot change what its connection keeps"),
							errdetail("Prepared statements and cursors WITH HOLD would be the next request's.")));
		/* the end of a transaction is the way out */
		if (!IsA(planned->utilityStmt, TransactionStmt))
			identity_check_seal();
	}
	warrant_check_utility(planned->utilityStmt);
	if (previous_utility)
		previous_utility(planned, text, read_only_tree, context, params, environment, receiver, completion);
	else
		standard_ProcessUtility(planned, text, read_only_tree, context, params, environment, receiver, completion);
}

/* ---- how long it lasts ---- */

static void
note_transaction_end(XactEvent event, void *argument)
{
	/* what came around every check on the way is undone as a whole */
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		identity_check_seal();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE ||
		event == XACT_EVENT_PARALLEL_COMMIT || event == XACT_EVENT_PARALLEL_ABORT)
		seal.in_force = false;
}

static void
note_savepoint_end(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *argument)
{
	if (!seal.in_force || seal.within != own)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		seal.in_force = false;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		seal.within = parent;
}

void
seal_init(void)
{
	wrap_setting("role", check_role_sealed, &check_role);
	wrap_setting("session_authorization", check_session_user_sealed, &check_session_user);
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start_sealed;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = run_sealed;
	RegisterXactCallback(note_transaction_end, NULL);
	RegisterSubXactCallback(note_savepoint_end, NULL);
}

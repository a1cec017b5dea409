/*
 * security.h
 *		What the files that record refusals, logins, commands and settings share:
 *		what nobody can swallow.
 */
#ifndef TSEC_AUDIT_SECURITY_H
#define TSEC_AUDIT_SECURITY_H

#include "audit/private.h"

#include "nodes/parsenodes.h"
#include "port/atomics.h"
#include "utils/elog.h"

/* ---- security.c ---- */

extern void security_init(void);

/* ---- switch.c ---- */

/* Tells this database's log when the switch was turned since the log last heard of it. */
extern void switch_look(void);

/* The same for a session that begins, which does not know how it was. */
extern void switch_begin(void);

/* ---- presence.c: what this process knows of its database, at statements' begin ---- */

extern void presence_init(void);

/* Whether this database has the extension; as long as nobody could look: yes. */
extern bool presence_here(void);

/* Looks, where that is not known; in a transaction that may read catalogs. */
extern void presence_look(void);

/* ---- watch.c: the hooks at which statements begin ---- */

extern void watch_init(void);

/* For a command that begins. */
extern void watch_begin(const char *name);

/* What this process is doing, as a command tag; NULL where that is not known of the statement that is running. */
extern const char *watch_command(void);

/* ---- report.c: errors while they are raised and logged ---- */

extern void report_init(void);

/* Sees to it that errors are seen from now on, whoever catches them. */
extern void report_watch(void);

/* ---- refusal.c ---- */

/* Whose words an error has.  Who writes RAISE chooses the code, so of some kinds that decides what is recorded. */
typedef enum RefusalOrigin
{
	REFUSAL_SERVERS, /* or that of a library, or not known */
	REFUSAL_OURS,
	REFUSAL_RAISED, /* by a function in any language, or by another server */
	REFUSAL_ORIGINS
} RefusalOrigin;

extern RefusalOrigin refusal_origin(const ErrorData *error);

/* Records an error that is one of security; its entry is NULL where that is out of reach. */
extern void refusal_record(int sqlstate, RefusalOrigin origin, const ErrorData *error);

/* Whether an error is of a kind that is recorded. */
extern bool refusal_is_one(int sqlstate);

/* Writes a code as the five characters that people know. */
extern void refusal_spell(int sqlstate, char text[6]);

/* ---- setting.c ---- */

extern void setting_init(void);

/* For a session that begins: tells what it brought with it, and what files changed. */
extern void setting_begin(void);

/* Tells what files changed since a statement last began. */
extern void setting_look(void);

/* ---- command.c, command_words.c, command_names.c ---- */

/* How a command is recorded. */
typedef struct CommandWords
{
	const char *type;
	EventSeverity severity;
	bool is_begun;       /* told before the deed, too */
	bool of_no_database; /* told to the log of the cluster: this database has none */
	bool yields;         /* to others, where there is little room */
	char resource[1025];
	char details[EVENT_DETAILS_MAX + 1];
} CommandWords;

extern void command_init(void);

/* Whether a command is recorded, and as what. */
extern bool command_describe(Node *statement, CommandWords *words);

/* Whether a command is about what all databases share. */
extern bool command_is_of_cluster(Node *statement);

/* Adds what ALTER TABLE does to the table: command_alter.c */
extern void command_alterations(CommandWords *words, AlterTableStmt *alter);

/* The name of what a command is about, as its text has it; cut where it is too long. */
extern void command_name(Node *statement, char *name, size_t size);

/* Names of a list's nodes between commas. */
extern void command_name_list(List *nodes, char *name, size_t size);

/* ---- catalog.c ---- */

/* Tells of the catalogs that a statement is about to write into. */
extern void catalog_look(const PlannedStmt *planned);

/* Whether a name is a catalog's. */
extern bool catalog_is_named(const RangeVar *name);

/* ---- object.c: objects that are dropped or altered, however that came about ---- */

extern void object_init(void);

/* While this command runs our own objects go with the extension, and are not told one by one. */
extern void object_set_extension_goes(bool goes);

/* While this command runs, what it names of columns is told by it; returns the one before.  NULL: none. */
extern const AlterTableStmt *object_set_alter(const AlterTableStmt *alter);

/* ---- login.c ---- */

extern void login_init(void);

/* Whether this process is past its login, or needs none. */
extern bool login_is_done(void);

/* Records that a connection is refused by this error. */
extern void login_refused(const ErrorData *error);

/* ---- port.c: the connection of this process ---- */

typedef struct PortInfo
{
	const char *address; /* in numbers; NULL for a unix socket */
	const char *database;
	const char *user;
	const char *method;   /* of pg_hba.conf; NULL where none was chosen yet, and once the session is there */
	const char *identity; /* what the method found out: a certificate's name, a user of the operating system */
	bool is_encrypted;
} PortInfo;

extern void port_init(void (*authenticated)(void));

/* False where there is no client. */
extern bool port_info(PortInfo *info);

/* ---- shared.c: what the processes of a database know together ---- */

#define SETTING_TEXT_SIZE 256
#define SHARED_SETTINGS 64
#define SHARED_BUCKETS 256

/* One database; all of it atomic. */
typedef struct AuditDatabase
{
	pg_atomic_uint32 database; /* OID; 0 while nobody's */
	pg_atomic_uint32 state;    /* of the switch, as its log knows it */
	pg_atomic_uint64 off_since;
	pg_atomic_uint64 settings[SHARED_SETTINGS]; /* a hash of each watched setting's value of configuration files */
} AuditDatabase;

extern void shared_init(void);

/* This process's database; NULL where there is none, and where there are more than twin_security.max_databases. */
extern AuditDatabase *shared_database(void);

/* Takes one refused connection from what may be recorded of its address and of all; how many were withheld before it. */
extern bool shared_take_login(const char *address, uint64 *withheld);

/* The text of a setting's value, known by its hash, and that of the value now or before; empty where it is neither. */
extern void shared_note_setting(int number, uint64 hash, const char *text);
extern void shared_get_setting(int number, uint64 hash, char text[SETTING_TEXT_SIZE]);

/* How many refused connections were not recorded and not told; forgets them. */
extern uint64 shared_take_withheld(void);

/* Gives the place of a database that is dropped to another, when the drop is committed. */
extern void shared_note_drop(Oid database);

/* Who turned the switch last in a direction, by SQL; empty where it was done otherwise. */
#define HAND_SIZE 64
extern void shared_set_hand(bool on, const char *role);
extern void shared_get_hand(bool on, char role[HAND_SIZE]);

#endif /* TSEC_AUDIT_SECURITY_H */

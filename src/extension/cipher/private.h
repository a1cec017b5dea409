/*
 * private.h
 *		What the files of the cipher share among themselves.
 */
#ifndef TSEC_CIPHER_PRIVATE_H
#define TSEC_CIPHER_PRIVATE_H

#include "cipher/cipher.h"
#include "common/envelope.h"
#include "keyring/keyring.h"

#include "nodes/parsenodes.h"

/* ---- codec.c: a base type's value as bytes and back ---- */

/* Bytes of one value: inside the value itself, in the small buffer, or allocated. */
typedef struct Plain
{
	const uint8 *data;
	size_t length;
	uint8 small[32];
} Plain;

typedef struct Codec
{
	Oid base_type;
	bool is_bytes; /* the encoding is the varlena's own bytes */
	void (*encode)(Datum value, Plain *plain);
	Datum (*decode)(const uint8 *data, size_t length);
	/* Equal values give equal bytes; NULL where encode does that already. */
	void (*canonical)(Datum value, Plain *plain);
} Codec;

/* Turns opened bytes behind a varlena header into the value of a type whose encoding is bytes. */
extern struct varlena *codec_finish_bytes(const Codec *codec, struct varlena *opened, size_t length);

extern const Codec codec_text, codec_bytea, codec_jsonb, codec_numeric, codec_int8, codec_float8, codec_date,
	codec_timestamptz, codec_bool, codec_uuid, codec_inet;

/* Calls of the base type's functions whose errors would quote the value: raised without it. */
extern Datum codec_input_hiding(FmgrInfo *input, char *string, Oid parameter, const char *type);
extern Datum codec_call_hiding(FmgrInfo *function, Datum value, const char *type);

/* Decrypted UTF-8 in the server's encoding, or NULL when it is no text in it. */
extern char *codec_from_utf8(char *text, int length);

/* ---- types.c ---- */

#define NO_MODIFIER (-1)

/* One encrypted type. */
typedef struct EncryptedType
{
	const char *base_name;
	uint16 number; /* authenticated with every value */
	bool searchable;
	int slot; /* small number of the base type */
	const Codec *codec;
} EncryptedType;

extern void types_init(void);

/* Whether this database has the types. */
extern bool types_exist(void);

/* The encrypted type with an OID, NULL when it is none of ours. */
extern const EncryptedType *type_of_oid(Oid oid);
extern Oid type_oid(const EncryptedType *type);

/* The encrypted type of a base type, NULL when there is none. */
extern const EncryptedType *type_for_base(Oid base, bool searchable);

/* Whether values of a type can contain encrypted ones, however deep; storage_only asks for types without equality. */
extern bool type_holds_encrypted(Oid type, bool storage_only);

/* The same for one stated type. */
extern bool type_holds(Oid type, Oid wanted);

/* SQL name without schema, for messages. */
extern const char *type_name(const EncryptedType *type);

/* The encrypted type that a function is declared to take as its nth argument, or to return; raises for any other. */
extern const EncryptedType *type_of_argument(Oid function, int n);
extern const EncryptedType *type_of_result(Oid function);

/* The encrypted type whose SQL name with a suffix is a function's name; raises when there is none. */
extern const EncryptedType *type_of_function_name(Oid function, const char *suffix);

/* The btree comparison of a type's base type. */
extern void type_base_compare(const EncryptedType *type, FmgrInfo *compare, MemoryContext context);

/* The key modifier that a calling expression promises for its nth argument, NO_MODIFIER when it promises none. */
extern int32 declared_modifier(Node *call, int n);

/* The key modifier of an expression, a domain's included. */
extern int32 modifier_of_expression(Node *expression);

/* ---- value.c ---- */

/* Takes a stored value apart; raises when it is not well-formed or not of this type. */
extern void value_parse(const EncryptedType *type, const struct varlena *stored, Envelope *envelope);

/* Seals a base value under the key of a modifier (NO_MODIFIER: the literal key), checking the grant. */
extern struct varlena *value_seal(const EncryptedType *type, Datum base, int32 modifier);

/* Opens a value; asks for decrypt.  expected is the modifier the value's column declares, or NO_MODIFIER. */
extern Datum value_open(const EncryptedType *type, const struct varlena *stored, int32 expected);

/* The same for whom it is allowed; false for others, without raising. */
extern bool value_open_if_allowed(const EncryptedType *type, const struct varlena *stored, int32 expected,
								  Datum *value);

/* The key a value lies under, unwrapped; asks for no privilege.  See keyring.h on how long it is good. */
extern const Key *value_key(const EncryptedType *type, const struct varlena *stored);

/* Bytes up to this size are opened on the stack. */
#define SMALL_PLAIN 64

/* What was sealed, as the codec wrote it. */
typedef struct Opened
{
	uint8 *data;
	size_t length;
	uint8 small[SMALL_PLAIN];
} Opened;

/* Opens a value as bytes, for whom a lesser privilege is enough because the bytes stay here; the caller wipes them. */
extern void value_open_plain(const EncryptedType *type, const struct varlena *stored, int32 expected,
							 KeyPrivilege privilege, Opened *opened);
extern void value_wipe(Opened *opened);

/* Brings a value under the key of a modifier, checking the grants on both sides; the same value when it is there. */
extern struct varlena *value_rekey(const EncryptedType *from, const EncryptedType *to, struct varlena *stored,
								   int32 modifier);

/*
 * The next two ask for no grant: for commands that change how a table is stored, whose caller was checked.
 * Seals a base value under the key of a modifier; seals a value again under the primary version of the key it lies
 * under, which must be that of the modifier, its blind tag kept or made anew.
 */
extern struct varlena *value_seal_unasked(const EncryptedType *type, Datum base, int32 modifier);
extern struct varlena *value_reseal(const EncryptedType *type, const struct varlena *stored, int32 modifier,
									bool retag);

/* Computes the blind tag of a base value. */
extern void value_blind_tag(const EncryptedType *type, Datum base, uint8 tag[BLIND_TAG_SIZE]);

/* A value that can only be compared. */
extern struct varlena *value_probe(const EncryptedType *type, Datum base);

/* ---- progress.c: twin.stat_progress ---- */

extern void progress_init(void);
extern void progress_begin(const char *command, Oid relation, const char *column, int64 total);
extern void progress_phase(const char *command, int64 done, int64 total);
extern void progress_add(int64 rows);
extern void progress_end(void);

/* ---- order_by.c ---- */

extern void order_by_init(void);

/* Makes every ORDER BY over searchable columns of a query one by what they hold. */
extern void order_by_contents(Query *query);

/* Refuses a sort by tags that was planned before the library could make it one by contents. */
extern void order_by_refuse_early(void);

/* ---- inline.c ---- */

struct PlannerGlobal;

/*
 * Puts the bodies of SQL functions in FROM in their place, as the planner would do later, so that what is done to a
 * query is done to them.  Notes in global what a plan then depends on.
 */
extern void inline_functions(Query *query, struct PlannerGlobal *global);

/* ---- probe.c ---- */

/*
 * The expression probe(plain), or probe_array(plain) of an array of base values; of a constant the probes are made here
 * and now.  NULL when the function is not to be found.
 */
extern Expr *probe_expression(const EncryptedType *type, Node *plain, bool is_array);

/* ---- opened.c: expressions that open a column ---- */

/* The call behind twin.reveal(column), twin.decrypt(column) or a cast to the base type; NULL for anything else. */
extern FuncExpr *opened_call(Node *expression);

/* The column that such a call opens; its encrypted type and key modifier. */
extern Var *opened_column(const FuncExpr *call);
extern const EncryptedType *opened_type(const FuncExpr *call, int32 *modifier);

/* Whether a function is one of schema twin with this name. */
extern bool opened_is_function(Oid function, const char *name);

/* ---- implied.c ---- */

extern void implied_init(void);

/* ---- view_plan.c ---- */

/* Name of the function and of the trigger that write a view's rows. */
#define VIEW_TRIGGER "write_decrypted_view"

extern void view_init(void);

/* ---- equality.c ---- */

extern Datum tsec_equal(PG_FUNCTION_ARGS);
extern Datum tsec_tag_hash_extended(PG_FUNCTION_ARGS);

/* ---- mask_label.c: the masks that columns were given ---- */

extern void mask_label_init(void);

/* ---- census.c ---- */

/*
 * Returns when every transaction of this database that has written something or holds a snapshot now, idle ones
 * included, has ended.
 */
extern void census_wait_for_transactions(void);

/* ---- count.c: values per key version ---- */

typedef struct KeyCount KeyCount;

/* A new empty count, in the current memory context. */
extern KeyCount *count_new(void);

/* Adds the encrypted values inside a value of any type that may hold them: array, composite, domain. */
extern void count_value(KeyCount *count, Oid relation, const char *column, Datum value, Oid type);

/* Writes (relation, column_name, key_id, values) rows. */
extern void count_emit(KeyCount *count, FunctionCallInfo fcinfo);

#endif /* TSEC_CIPHER_PRIVATE_H */

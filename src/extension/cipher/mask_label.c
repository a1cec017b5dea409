/*
 * mask_label.c
 *		A column's own mask: a security label of the provider twin_security.
 *
 *		SECURITY LABEL FOR twin_security ON COLUMN users.card IS 'mask=card'
 *
 * So it goes where the column goes: through renames, dumps and restores, and
 * away with it.  Only members of twin_admin set or remove one: a table's owner
 * who may do no more than mask would choose a mask that shows everything.
 *
 * Whoever may mask can copy a value out of its column.  So the keys of masked
 * columns are remembered, and where a value's column is not known, a value
 * under such a key is masked fully (mask.c).
 */
#include "cipher/mask_private.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_seclabel.h"
#include "commands/event_trigger.h"
#include "commands/seclabel.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(tsec_load_for_labels);

/* The keys of masked columns, by modifier, and of which generation; any relation's change begins a new one. */
static List *masked_keys = NIL;
static uint64 masked_keys_generation = 0;
static uint64 generation = 1;

static void
note_relation_change(Datum argument, Oid relation)
{
	generation++;
}

/* Raises what is wrong with a label, with the patterns that would be right. */
static TSEC_NORETURN void
refuse_label(const EncryptedType *type, const char *label)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid mask \"%s\"", label),
			 errdetail("Masks of columns of type twin.%s: %s.", type_name(type), mask_form_of(type)->patterns),
			 errhint("With parameters they are written number(5000), date(year), date(month) and partial(2,4), which "
					 "shows at most %d characters on each side.",
					 MASK_KEEP_MAX)));
}

/* Checks that a label is the mask of an encrypted column. */
static void
check_label(const ObjectAddress *object, const char *label)
{
	const EncryptedType *type = NULL;
	MaskPattern pattern;
	char kind = '\0';

	if (object->classId == RelationRelationId && object->objectSubId > 0)
	{
		kind = get_rel_relkind(object->objectId);
		type = type_of_oid(getBaseType(get_atttype(object->objectId, (AttrNumber) object->objectSubId)));
	}
	if (type == NULL || (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_MATVIEW &&
						 kind != RELKIND_FOREIGN_TABLE))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("only columns of encrypted types in tables have masks"),
				 errhint("For a view, give the mask to the column of the table.")));
	if (strncmp(label, MASK_LABEL_PREFIX, strlen(MASK_LABEL_PREFIX)) != 0)
		refuse_label(type, label);
	label += strlen(MASK_LABEL_PREFIX);
	if (!mask_parse(label, strlen(label), &pattern) || !mask_fits(mask_form_of(type), &pattern))
		refuse_label(type, label);
}

/* What SECURITY LABEL calls before it stores or, with NULL, removes a label. */
static void
check_relabel(const ObjectAddress *object, const char *label)
{
	Oid admin = get_role_oid(MASK_ADMIN_ROLE, true);
	ListCell *cell;

	if (!superuser() && (!OidIsValid(admin) || !has_privs_of_role(GetUserId(), admin)))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to set a column's mask"),
						errhint("Members of " MASK_ADMIN_ROLE " can, with twin.set_mask().")));
	if (label != NULL)
		check_label(object, label);
	if (object->classId != RelationRelationId)
		return;

	/* plans hold the mask as a constant; a partition's may hold that of its partitioned table */
	foreach(cell, find_all_inheritors(object->objectId, NoLock, NULL))
		CacheInvalidateRelcacheByRelid(lfirst_oid(cell));
}

void
mask_label_init(void)
{
	register_label_provider(MASK_PROVIDER, check_relabel);
	base_watch_relations(note_relation_change);
}

/* The pattern a column itself was given. */
static const char *
own_label(Oid relation, AttrNumber column)
{
	ObjectAddress object = {.classId = RelationRelationId, .objectId = relation, .objectSubId = column};
	char *label = GetSecurityLabel(&object, MASK_PROVIDER);

	if (label == NULL)
		return NULL;
	/* a label that is none of ours parses as no pattern, which masks fully */
	return strncmp(label, MASK_LABEL_PREFIX, strlen(MASK_LABEL_PREFIX)) == 0 ? label + strlen(MASK_LABEL_PREFIX) : "";
}

const char *
mask_label_of(Oid relation, AttrNumber column)
{
	const char *pattern = own_label(relation, column);
	const char *name;
	ListCell *cell;

	if (pattern != NULL || !get_rel_relispartition(relation))
		return pattern;
	name = get_attname(relation, column, true);
	foreach(cell, name != NULL ? get_partition_ancestors(relation) : NIL)
	{
		AttrNumber number = get_attnum(lfirst_oid(cell), name);

		if (number > 0 && (pattern = own_label(lfirst_oid(cell), number)) != NULL)
			return pattern;
	}
	return NULL;
}

/* Reads the keys of all masked columns; what was known before is kept until all of it is read. */
static void
read_masked_keys(void)
{
	uint64 before = generation; /* reading may itself bring news */
	List *keys = NIL;
	Relation labels;
	SysScanDesc scan;
	ScanKeyData provider;
	HeapTuple row;
	MemoryContext old;

	ScanKeyInit(&provider, Anum_pg_seclabel_provider, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(MASK_PROVIDER));
	labels = table_open(SecLabelRelationId, AccessShareLock);
	scan = systable_beginscan(labels, InvalidOid, false, NULL, 1, &provider);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		FormData_pg_seclabel *form = (FormData_pg_seclabel *) GETSTRUCT(row);
		Oid type;
		Oid collation;
		int32 modifier;

		if (form->classoid != RelationRelationId || form->objsubid <= 0 ||
			!OidIsValid(get_atttype(form->objoid, (AttrNumber) form->objsubid)))
			continue;
		get_atttypetypmodcoll(form->objoid, (AttrNumber) form->objsubid, &type, &modifier, &collation);
		(void) getBaseTypeAndTypmod(type, &modifier);
		keys = list_append_unique_int(keys, modifier);
	}
	systable_endscan(scan);
	table_close(labels, AccessShareLock);

	old = MemoryContextSwitchTo(TopMemoryContext);
	keys = list_copy(keys);
	MemoryContextSwitchTo(old);
	list_free(masked_keys);
	masked_keys = keys;
	masked_keys_generation = before;
}

bool
mask_label_on_key(int32 modifier)
{
	if (masked_keys_generation != generation)
		read_masked_keys();
	return list_member_int(masked_keys, modifier);
}

/* load_for_labels(): event trigger on SECURITY LABEL; that it is called has loaded the library, and the provider with it */
Datum
tsec_load_for_labels(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("load_for_labels can only be called as an event trigger")));
	PG_RETURN_NULL();
}

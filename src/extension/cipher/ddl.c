/*
 * ddl.c
 *		No column without a key: what the event trigger checks after every DDL
 *		command.  A column, domain or composite field of an encrypted type must
 *		carry a modifier; a range over one cannot and is refused.  A modifier
 *		whose key does not exist yet is a warning, because a restore creates
 *		tables before it loads the keys.
 */
#include "cipher/private.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "catalog/dependency.h"
#include "catalog/pg_am.h"
#include "catalog/pg_cast.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(tsec_check_ddl);

/* Warns once a session of a modifier that no key has: a restore names one in many commands. */
static void
warn_unknown_key(const char *kind, const char *name, int32 modifier)
{
	static int32 warned[32];
	static int count = 0;

	for (int i = 0; i < Min(count, (int) lengthof(warned)); i++)
		if (warned[i] == modifier)
			return;
	warned[count++ % lengthof(warned)] = modifier;
	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the key of %s \"%s\" does not exist yet", kind, name),
			 errdetail("No key has the type modifier #%08x.", modifier),
			 errhint("Values cannot be sealed before twin.create_key() made it or a restore brought it.")));
}

/*
 * Checks a type wherever an encrypted one is in it: array, domain, range, row.
 * A range cannot carry a modifier, not even by a domain: values inside ranges
 * would not be counted by the census.
 */
static void
check_type(const char *kind, const char *name, Oid type, int32 modifier, bool in_range)
{
	const EncryptedType *found;

	check_stack_depth();
	type = getBaseTypeAndTypmod(type, &modifier);
	found = type_of_oid(type);
	if (found != NULL)
	{
		if (modifier < 0 || in_range)
			ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
							errmsg("%s \"%s\" is of type twin.%s but names no key", kind, name, type_name(found)),
							errhint("Name the key in the type, for example twin.%s(main).", type_name(found))));
		if (keyring_name_of(modifier) == NULL)
			warn_unknown_key(kind, name, modifier);
	}
	else if (OidIsValid(get_element_type(type)))
		check_type(kind, name, get_element_type(type), modifier, in_range);
	else if (OidIsValid(get_range_subtype(type)))
		check_type(kind, name, get_range_subtype(type), NO_MODIFIER, true);
	else if (OidIsValid(get_multirange_range(type)))
		check_type(kind, name, get_multirange_range(type), NO_MODIFIER, true);
	else if (get_typtype(type) == TYPTYPE_COMPOSITE)
	{
		TupleDesc shape = lookup_rowtype_tupdesc(type, -1);

		for (int i = 0; i < shape->natts; i++)
		{
			Form_pg_attribute field = TupleDescAttr(shape, i);

			if (!field->attisdropped)
				check_type(kind, name, field->atttypid, field->atttypmod, in_range);
		}
		ReleaseTupleDesc(shape);
	}
}

/* Finds an operator between an encrypted value and a plain one. */
static bool
compares_with_plain(Node *node, void *context)
{
	if (node == NULL)
		return false;
	/* IS DISTINCT FROM and NULLIF are operators of their own tag and the same structure */
	if (IsA(node, OpExpr) || IsA(node, DistinctExpr) || IsA(node, NullIfExpr) || IsA(node, ScalarArrayOpExpr))
	{
		List *arguments = IsA(node, ScalarArrayOpExpr) ? ((ScalarArrayOpExpr *) node)->args : ((OpExpr *) node)->args;

		if (list_length(arguments) == 2)
		{
			Oid left = getBaseType(exprType(linitial(arguments)));
			Oid right = getBaseType(exprType(lsecond(arguments)));

			if (IsA(node, ScalarArrayOpExpr))
				right = getBaseType(get_element_type(right));
			if ((type_of_oid(left) == NULL) != (type_of_oid(right) == NULL))
				return true;
		}
	}
	return expression_tree_walker(node, compares_with_plain, context);
}

/*
 * Refuses checks that compare with a plain value: they need the index key, and
 * a restore loads rows before it brings the key.  A constant without a type is
 * stored with its blind tag and needs none.
 */
static void
check_constraints(Relation relation)
{
	TupleConstr *constraints = RelationGetDescr(relation)->constr;

	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
		if (compares_with_plain(stringToNode(constraints->check[i].ccbin), NULL))
			ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
							errmsg("check constraint \"%s\" compares an encrypted value with a plain one",
								   constraints->check[i].ccname),
							errdetail("Such a check would fail while a dump is restored."),
							errhint("Write the constant without a type, for example email <> 'nobody'.")));
}

/* Refuses what would be ordered by the contents of encrypted values on disk. */
static TSEC_NORETURN void
refuse_order(const char *kind, const char *name)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg("%s \"%s\" would order encrypted values by what they hold", kind, name),
		 errdetail(
			 "That would tell their order to whoever reads the disk, and no row could be written without the key."),
		 errhint("Use a searchable type with its default operator class. An index made concurrently must be "
				 "dropped.")));
}

/* Whether a btree operator family is one of those that only sort; see order_options. */
static bool
is_order_family(Oid family, Oid type)
{
	return type_of_oid(type) != NULL && OidIsValid(get_opfamily_proc(family, type, type, BTOPTIONS_PROC));
}

/* A partition key by values, or of a type whose comparison opens values inside. */
static void
check_partition_key(Relation relation)
{
	PartitionKey key = RelationGetPartitionKey(relation);

	for (int i = 0; key->strategy != PARTITION_STRATEGY_HASH && i < key->partnatts; i++)
		if (is_order_family(key->partopfamily[i], getBaseType(key->parttypid[i])) ||
			(type_of_oid(getBaseType(key->parttypid[i])) == NULL && type_holds_encrypted(key->parttypid[i], true)))
			refuse_order("the partition key of", RelationGetRelationName(relation));
}

/*
 * Arrays and rows are compared by their parts, and GIN compares the parts of
 * arrays; btree indexes on the types themselves are refused by order_options.
 */
static void
check_index(Relation index)
{
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		Oid type = TupleDescAttr(RelationGetDescr(index), i)->atttypid;

		if ((index->rd_rel->relam != BTREE_AM_OID || type_of_oid(getBaseType(index->rd_opcintype[i])) == NULL) &&
			type_holds_encrypted(type, true))
			refuse_order("index", RelationGetRelationName(index));
	}
}

/* Extended statistics keep values and how often they occur. */
static void
check_statistics(Oid oid)
{
	HeapTuple tuple = SearchSysCache1(STATEXTOID, ObjectIdGetDatum(oid));
	Form_pg_statistic_ext form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_statistic_ext) GETSTRUCT(tuple);
	for (int i = 0; i < form->stxkeys.dim1; i++)
		if (type_holds_encrypted(get_atttype(form->stxrelid, form->stxkeys.values[i]), false))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("statistics object \"%s\" would cover an encrypted column", NameStr(form->stxname)),
					 errdetail("It would keep how often values occur where every owner of the table can read it.")));
	ReleaseSysCache(tuple);
}

/*
 * Keeps ANALYZE away from a column of rows, or arrays of rows, with encrypted values in them: it would compare these,
 * which opens them, and keep some in their order.  The types themselves have encrypted_analyze().
 */
static void
keep_no_statistics(Oid relation, Form_pg_attribute column)
{
	Oid type = getBaseType(column->atttypid);
	Oid element = get_element_type(type);

	if (OidIsValid(element))
		type = getBaseType(element);
	if (type_of_oid(type) == NULL && type_holds_encrypted(type, false))
		compat_keep_no_statistics(relation, column->attnum);
}

/* Checks the columns of what stores rows or describes them. */
static void
check_relation(Oid oid)
{
	Relation relation = try_relation_open(oid, AccessShareLock);

	if (relation == NULL)
		return;
	switch (relation->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_COMPOSITE_TYPE:
			for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++)
			{
				Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation), i);

				if (column->attisdropped)
					continue;
				check_type("column", NameStr(column->attname), column->atttypid, column->atttypmod, false);
				if (relation->rd_rel->relkind != RELKIND_COMPOSITE_TYPE)
					keep_no_statistics(oid, column);
			}
			check_constraints(relation);
			if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
				check_partition_key(relation);
			break;
		case RELKIND_INDEX:
		case RELKIND_PARTITIONED_INDEX:
			check_index(relation);
			break;
		default:
			break;
	}
	relation_close(relation, NoLock);
}

/*
 * Makes a domain over an encrypted type depend on that type's cast to itself.
 * pg_upgrade creates types before casts; without the cast a domain's DEFAULT
 * would be stored as a bare literal, never to be sealed under the domain's key.
 */
static void
depend_on_cast(Oid domain)
{
	Oid base = getBaseType(domain);
	ObjectAddress self = {.classId = TypeRelationId, .objectId = domain};
	ObjectAddress cast = {.classId = CastRelationId};

	if (base == domain || type_of_oid(base) == NULL)
		return;
	cast.objectId =
		GetSysCacheOid2(CASTSOURCETARGET, Anum_pg_cast_oid, ObjectIdGetDatum(base), ObjectIdGetDatum(base));
	if (!OidIsValid(cast.objectId))
		return;
	(void) deleteDependencyRecordsForSpecific(TypeRelationId, domain, DEPENDENCY_NORMAL, CastRelationId,
											  cast.objectId);
	recordDependencyOn(&self, &cast, DEPENDENCY_NORMAL);
}

/* Checks a domain, a range or a composite type. */
static void
check_type_object(Oid oid)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(oid));
	Form_pg_type form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_type) GETSTRUCT(tuple);
	if (form->typtype == TYPTYPE_DOMAIN || form->typtype == TYPTYPE_RANGE)
	{
		check_type(form->typtype == TYPTYPE_DOMAIN ? "domain" : "range", NameStr(form->typname), oid, -1, false);
		depend_on_cast(oid);
	}
	else if (form->typtype == TYPTYPE_COMPOSITE)
		check_relation(form->typrelid);
	ReleaseSysCache(tuple);
}

/* check_ddl(): event trigger on ddl_command_end */
Datum
tsec_check_ddl(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("check_ddl can only be called as an event trigger")));
	SPI_connect();
	if (SPI_execute("SELECT classid, objid FROM pg_catalog.pg_event_trigger_ddl_commands()", true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "twin_security: the DDL commands could not be read");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		bool null;
		Oid class = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &null));
		Oid object = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &null));

		if (class == RelationRelationId)
			check_relation(object);
		else if (class == TypeRelationId)
			check_type_object(object);
		else if (class == StatisticExtRelationId)
			check_statistics(object);
	}
	SPI_finish();
	PG_RETURN_NULL();
}

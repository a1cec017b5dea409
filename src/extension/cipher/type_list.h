/*
 * type_list.h
 *		The base types that have encrypted forms: twin.encrypted_NAME, storage
 *		only, and twin.encrypted_NAME_eq with equality.
 *
 * ENCRYPTED_TYPE(name, number, codec, sources)
 *	 name		of the base type in SQL; the encrypted types are named after it
 *	 number		authenticated with every value: never changes, never reused
 *	 codec		functions of codec.c, called as the base type is in pg_type
 *	 sources	other types whose values are taken by assignment, as the base type itself takes them
 *
 * Read by C (types.c) and by the script that writes the install script
 * (assemble.sh), so one row stays on one line.
 */

/* clang-format off */
ENCRYPTED_TYPE(text, 1, text, "varchar bpchar")
ENCRYPTED_TYPE(bytea, 2, bytea, "")
ENCRYPTED_TYPE(jsonb, 3, jsonb, "")
ENCRYPTED_TYPE(numeric, 4, numeric, "int2 int4 int8 float4 float8")
ENCRYPTED_TYPE(bigint, 5, int8, "int2 int4")
ENCRYPTED_TYPE(float8, 6, float8, "int2 int4 int8 numeric float4")
ENCRYPTED_TYPE(date, 7, date, "")
ENCRYPTED_TYPE(timestamptz, 8, timestamptz, "date timestamp")
ENCRYPTED_TYPE(boolean, 9, bool, "")
ENCRYPTED_TYPE(uuid, 10, uuid, "")
ENCRYPTED_TYPE(inet, 11, inet, "cidr")
/* clang-format on */

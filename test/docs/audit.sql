-- what docs/audit.md's examples take for granted
CREATE EXTENSION twin_security;
CREATE SCHEMA api
	CREATE TABLE units (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, tax_number text, thumbnail bytea)
	CREATE TABLE readings (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, value float8);

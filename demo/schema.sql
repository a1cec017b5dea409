/*
 * schema.sql
 *		The ThermaCore twin: who owns which thermal unit, whom to call, and what its
 *		sensors say.
 *
 * The type of a column says under which key its values lie.  People's contacts
 * and measured values have separate keys, so that who may read the one need not
 * be able to read the other.  Run in one transaction with roles.sql and units.sql.
 */
SELECT twin.create_key('contacts');
SELECT twin.create_key('readings');

CREATE SCHEMA thermacore;

CREATE TABLE thermacore.tenants (
	tenant_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_name text NOT NULL UNIQUE
);

CREATE TABLE thermacore.users (
	user_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id integer NOT NULL REFERENCES thermacore.tenants,
	username text NOT NULL UNIQUE,
	email twin.encrypted_text_eq(contacts) NOT NULL UNIQUE,
	role_name text NOT NULL CHECK (role_name IN ('admin', 'operator', 'viewer'))
);

CREATE TABLE thermacore.units (
	unit_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id integer NOT NULL REFERENCES thermacore.tenants,
	serial_number text NOT NULL UNIQUE CHECK (serial_number ~ '^[A-Z0-9-]+$'),
	name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200 AND name ~ '[^[:space:]]'),
	location text CHECK (length(location) <= 200),
	client_name twin.encrypted_text(contacts),
	client_contact twin.encrypted_text(contacts),
	client_email twin.encrypted_text_eq(contacts),
	client_phone twin.encrypted_text(contacts)
);
CREATE INDEX units_client_email ON thermacore.units (client_email);

CREATE TABLE thermacore.sensors (
	sensor_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	unit_id integer NOT NULL REFERENCES thermacore.units,
	name text NOT NULL,
	UNIQUE (unit_id, name)
);

CREATE TABLE thermacore.sensor_readings (
	reading_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	sensor_id integer NOT NULL REFERENCES thermacore.sensors,
	recorded_at timestamptz NOT NULL,
	value twin.encrypted_float8(readings) NOT NULL
);
CREATE INDEX sensor_readings_sensor_time ON thermacore.sensor_readings (sensor_id, recorded_at);

/* One row per file loaded, so that loading it again adds nothing. */
CREATE TABLE thermacore.imports (
	digest text PRIMARY KEY,
	source text NOT NULL,
	sensor_id integer NOT NULL REFERENCES thermacore.sensors,
	readings bigint NOT NULL,
	refused bigint NOT NULL,
	loaded_at timestamptz NOT NULL DEFAULT now()
);

/*
 * api.sql
 *		What the gateway exposes: units and readings of the two tenants that have
 *		people, protected by tenant and permission.
 *
 * The gateway's login has no right of its own; a request has those of the role
 * its token names, and of the rows those of its tenant.
 */
ALTER ROLE twin_gateway LOGIN;

CREATE SCHEMA api;
COMMENT ON SCHEMA api IS 'The ThermaCore twin';
GRANT USAGE ON SCHEMA api TO twin_anonymous, twin_viewer, twin_operator, twin_admin;

CREATE TABLE api.units (
	unit_id integer PRIMARY KEY,
	tenant_id bigint NOT NULL DEFAULT twin.current_tenant_id(),
	serial_number text NOT NULL UNIQUE,
	name text NOT NULL,
	location text
);
COMMENT ON TABLE api.units IS 'Thermal units';
CREATE INDEX units_tenant ON api.units (tenant_id);
INSERT INTO api.units
	SELECT u.unit_id, t.tenant_id, u.serial_number, u.name, u.location
	FROM thermacore.units u JOIN thermacore.tenants o USING (tenant_id) JOIN twin.tenants t USING (tenant_name);

CREATE TABLE api.readings (
	reading_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id bigint NOT NULL DEFAULT twin.current_tenant_id(),
	unit_id integer NOT NULL REFERENCES api.units,
	recorded_at timestamptz NOT NULL DEFAULT now(),
	celsius double precision NOT NULL CHECK (celsius BETWEEN -90 AND 1000)
);
COMMENT ON TABLE api.readings IS 'What sensors say';
CREATE INDEX readings_unit ON api.readings (unit_id, recorded_at);

SELECT twin.protect_table(t, tenant_column => 'tenant_id', read_permission => 'read_units', insert_permission => 'write_units',
	update_permission => 'write_units', delete_permission => 'delete_units') FROM unnest('{api.units,api.readings}'::regclass[]) t;

CREATE TABLE api.notices (notice_id integer PRIMARY KEY, body text NOT NULL);
COMMENT ON TABLE api.notices IS 'For anybody';
INSERT INTO api.notices VALUES (1, 'Maintenance of the northern network on Sunday');
GRANT SELECT ON api.notices TO twin_anonymous, twin_viewer;

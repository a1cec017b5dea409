/*
 * access.sql
 *		Two tenants with three people each, and one table that knows them: the
 *		set points of the units, with a note that is encrypted.
 *
 * Passwords are made by twin.generate_password() and handed in by the caller;
 * the application's role decides nothing, the token of whoever is asking does.
 */
CREATE ROLE demo_app LOGIN;
GRANT USAGE ON SCHEMA thermacore, twin_api TO demo_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA twin_api TO demo_app;
INSERT INTO twin.token_only_logins VALUES ('demo_app');	/* without a token it is nobody, whatever it was granted */

SELECT twin.create_key('notes');
SELECT twin.grant_key('notes', 'postgres', 'encrypt');
SELECT twin.grant_key('notes', 'demo_app', 'encrypt');
SELECT twin.grant_key_permission('notes', 'remote_control', 'decrypt');	/* whoever may control may read what controllers note */

CREATE TABLE thermacore.setpoints (
	unit_id integer PRIMARY KEY REFERENCES thermacore.units,
	tenant_id bigint NOT NULL,
	celsius numeric(5, 1) NOT NULL CHECK (celsius BETWEEN -40 AND 180),
	note twin.encrypted_text(notes)
);
CREATE INDEX setpoints_tenant ON thermacore.setpoints (tenant_id);
INSERT INTO thermacore.setpoints (unit_id, tenant_id, celsius, note)
	SELECT u.unit_id, t.tenant_id, 20 + u.unit_id * 7 % 100, 'agreed with ' || split_part(u.name, ' ', 1) || ' room ' || u.unit_id
	FROM thermacore.units u JOIN thermacore.tenants o USING (tenant_id) JOIN twin.tenants t USING (tenant_name);
GRANT SELECT, INSERT, UPDATE, DELETE ON thermacore.setpoints TO demo_app;

CREATE VIEW thermacore.tenant_names AS SELECT tenant_id, tenant_name FROM twin.tenants;
GRANT SELECT ON thermacore.tenant_names TO demo_app;

SELECT twin.protect_table('thermacore.setpoints', tenant_column => 'tenant_id', read_permission => 'read_units',
	insert_permission => 'remote_control', update_permission => 'remote_control', delete_permission => 'delete_units');

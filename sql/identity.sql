-- identity: its surface as outside users see it
CREATE EXTENSION IF NOT EXISTS twin_security;
SELECT p.oid::regprocedure AS function, pg_get_function_result(p.oid) AS result, p.provolatile AS volatile, p.proisstrict AS strict, p.proparallel AS parallel
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'twin' AND p.proname IN ('authenticate', 'current_user_id', 'current_subject', 'current_tenant_id', 'current_claims',
	'has_role', 'has_permission', 'require_permission', 'protect_table', 'unprotect_table', 'create_role', 'drop_role', 'create_permission',
	'grant_permission', 'revoke_permission', 'grant_key_permission', 'revoke_key_permission')
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT role_name, inherits, database_role, is_break_glass FROM twin.roles ORDER BY 1;
SELECT role_name, array_agg(permission_name ORDER BY permission_name COLLATE "C") AS permissions FROM twin.role_permissions GROUP BY 1 ORDER BY 1;
SELECT * FROM twin.token_only_logins;
SELECT name, setting, boot_val, context, vartype FROM pg_settings WHERE name = 'twin_security.allow_session_identity';
-- nobody
SELECT twin.current_user_id(), twin.current_tenant_id(), twin.current_subject(), twin.current_claims(), twin.has_role('admin'), twin.has_permission('read_units');
SELECT twin.require_permission('read_units');
SELECT twin.require_permission(NULL);
SELECT twin.authenticate('not a token');
SELECT twin.authenticate(NULL);
-- what the policies of a protected table say
CREATE TABLE boiler (id int PRIMARY KEY, tenant int NOT NULL, keeper int);
SELECT twin.protect_table('boiler', 'tenant', 'keeper', 'read_units', 'write_units', 'write_units', 'delete_units');
\d boiler
SELECT relation, tenant_column, owner_column, permissions, holds FROM twin.protected_tables;
SELECT twin.unprotect_table('boiler');
\d boiler
DROP TABLE boiler;

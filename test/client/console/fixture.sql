-- fixture.sql: who logs in to the console, and something to see. Variables: password (of all people).
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION twin_security;
ALTER ROLE twin_gateway LOGIN;
SET twin_security.bcrypt_cost = 10;
ALTER DATABASE postgres SET twin_security.bcrypt_cost = 10;
CREATE SCHEMA api;
SELECT twin.create_tenant('North') AS north \gset
SELECT twin.create_user('ada', :'password', NULL, 'admin'), twin.create_user('audrey', :'password', NULL, 'auditor'),
	twin.create_user('nora', :'password', NULL, 'admin', :north), twin.create_user('vera', :'password', NULL, 'viewer') \g /dev/null

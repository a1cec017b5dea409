-- what docs/cookbook.md's queries have to answer about
CREATE EXTENSION twin_security;
CREATE SCHEMA api
	CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, credit numeric)
	CREATE TABLE readings (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, value twin.encrypted_float8(main));
SELECT twin.audit_table('api.customers', reads => true);
SELECT twin.audit_table('api.readings', mode => 'digest');
INSERT INTO api.customers (name, credit) VALUES ('ann', 1);
UPDATE api.customers SET credit = 2;
TABLE api.customers;
SELECT twin.grant_key('main', 'tester', 'encrypt'), twin.grant_key('main', 'tester', 'decrypt');
INSERT INTO api.readings (value) SELECT i FROM generate_series(1, 3) i;
SELECT sum(value) FROM api.readings;
DO $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM twin.audit_log WHERE leaf_index IS NOT NULL) LOOP
		PERFORM pg_sleep(0.1);
		COMMIT;
	END LOOP;
END
$$;
CREATE ROLE doc_auditor LOGIN;
GRANT twin_auditor TO doc_auditor;
\connect - doc_auditor

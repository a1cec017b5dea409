-- what docs/runbook.md's examples take for granted
CREATE EXTENSION twin_security;
SELECT twin.create_key('pii');
SELECT twin.grant_key('pii', current_user::regrole, 'encrypt'), twin.grant_key('pii', current_user::regrole, 'decrypt');
CREATE TABLE people (id integer PRIMARY KEY, name text, email twin.encrypted_text_eq(pii));
INSERT INTO people SELECT i, 'p' || i, 'p' || i || '@twin.example' FROM generate_series(1, 10) i;
SELECT twin.audit_table('people');
SELECT twin.create_user('mallory', 'not what anybody guesses 7', 'mallory@twin.example');
SELECT twin.create_signing_key('EdDSA');
CREATE ROLE eve_dba LOGIN IN ROLE twin_admin;

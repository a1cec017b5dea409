-- what docs/secrets.md's examples take for granted
CREATE EXTENSION twin_security;
SELECT twin.create_key('pii');
SELECT twin.grant_key('pii', current_user::regrole, 'encrypt'), twin.grant_key('pii', current_user::regrole, 'decrypt');
CREATE TABLE people (id integer PRIMARY KEY, email twin.encrypted_text_eq(pii));
INSERT INTO people SELECT i, 'p' || i || '@twin.example' FROM generate_series(1, 10) i;

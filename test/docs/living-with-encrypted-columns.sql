-- what docs/living-with-encrypted-columns.md's examples take for granted
CREATE EXTENSION twin_security;
CREATE ROLE app LOGIN;
CREATE ROLE support LOGIN;
SELECT twin.create_key('pii');
SELECT twin.grant_key('pii', 'app', 'encrypt'), twin.grant_key('pii', 'app', 'decrypt'), twin.grant_key('main', 'app', 'decrypt');
CREATE TABLE client (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, region text, email twin.encrypted_text_eq(pii) UNIQUE,
	phone twin.encrypted_text(pii), contract twin.encrypted_numeric(pii), last_visit twin.encrypted_date(pii));
GRANT SELECT ON client TO app;
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, card twin.encrypted_text(main), salary twin.encrypted_bigint(main), email text);
INSERT INTO customers (card, salary, email) VALUES ('4111 1111 1111 1111', 43210, 'john@example.com');
GRANT SELECT ON customers TO app, support;
SELECT twin.set_mask('customers', 'salary', 'number(10000)');

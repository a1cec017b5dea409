/*
 * units.sql
 *		Three tenants, nine users, 200 thermal units with contacts, two sensors each.
 *
 * Everything is computed from the row's number: the same on every machine, and
 * nobody's real name, address (example.com is reserved) or number (555-01xx is).
 */
INSERT INTO thermacore.tenants (tenant_name)
	VALUES ('Northgate District Heating'), ('Harbour Cold Storage'), ('Foundry Lane Works');

INSERT INTO thermacore.users (tenant_id, username, email, role_name)
	SELECT t.tenant_id, r.role_name || t.tenant_id, r.role_name || '@tenant' || t.tenant_id || '.example.com', r.role_name
	FROM thermacore.tenants t, unnest(ARRAY['admin', 'operator', 'viewer']) r (role_name);

INSERT INTO thermacore.units (tenant_id, serial_number, name, location, client_name, client_contact, client_email, client_phone)
	SELECT 1 + n % 3,
		'TC-' || (ARRAY['HX', 'BL', 'CH'])[1 + n % 3] || '-' || to_char(n, 'FM0000'),
		(ARRAY['Heat exchanger', 'Boiler', 'Chiller'])[1 + n % 3] || ' ' || n,
		'Hall ' || chr(65 + n % 8) || ', bay ' || 1 + n / 8,
		f.word || s.word || ' ' || (ARRAY['Ltd', 'Group', 'Works', 'Services'])[1 + n % 4],
		p.word || ' ' || f.word || s.word,
		lower(p.word || '.' || f.word || s.word) || n || '@client' || n % 40 || '.example.com',
		'+1 ' || 201 + n || ' 555 01' || to_char(n * 37 % 100, 'FM00')
	FROM generate_series(1, 200) n,
		LATERAL (SELECT (ARRAY['Ari', 'Bo', 'Cleo', 'Dane', 'Eli', 'Fen', 'Gale', 'Hali', 'Iva', 'Juno'])[1 + n * 7 % 10]) p (word),
		LATERAL (SELECT (ARRAY['Ash', 'Brook', 'Cold', 'Dun', 'Elm', 'Fair', 'Glen', 'Holm'])[1 + n * 5 % 8]) f (word),
		LATERAL (SELECT (ARRAY['bridge', 'field', 'ford', 'gate', 'moor', 'stead', 'well'])[1 + n * 3 % 7]) s (word);

INSERT INTO thermacore.sensors (unit_id, name)
	SELECT u.unit_id, s.name FROM thermacore.units u, unnest(ARRAY['supply temperature', 'return temperature']) s (name);

ANALYZE thermacore.units;

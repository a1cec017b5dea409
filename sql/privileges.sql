-- privileges: every grant the extension makes; a widening shows in the diff
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'r' THEN 'table' ELSE c.relkind::text END AS kind, c.oid::regclass AS object,
	a.grantee::regrole AS grantee, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
WHERE n.nspname LIKE 'twin%' AND a.grantee <> c.relowner GROUP BY 1, 2, 3 ORDER BY c.oid::regclass::text COLLATE "C", a.grantee::regrole::text COLLATE "C";

SELECT n.nspname AS schema, (CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END) COLLATE "C" AS grantee,
	string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname LIKE 'twin%' AND a.grantee <> n.nspowner GROUP BY 1, 2 ORDER BY 1, 2;

-- functions granted to named roles
SELECT p.oid::regprocedure AS function, string_agg(a.grantee::regrole::text, ', ' ORDER BY a.grantee::regrole::text COLLATE "C") AS grantees
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl) a
WHERE n.nspname LIKE 'twin%' AND a.grantee NOT IN (0, p.proowner) GROUP BY 1 ORDER BY p.oid::regprocedure::text COLLATE "C";

-- what anybody may call: only what checks key grants by itself, or reveals nothing; overloads counted
SELECT n.nspname AS schema, regexp_replace(p.proname::text COLLATE "C", 'encrypted_[a-z0-9]+(_eq)?', 'TYPE') AS name, p.provolatile AS volatile, p.proleakproof AS leakproof,
	count(*)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname LIKE 'twin%' AND has_function_privilege('pg_signal_backend', p.oid, 'EXECUTE')
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3;

-- nothing in twin_internal is reachable by name
SELECT r AS role, has_schema_privilege(r, 'twin_internal', 'USAGE') AS usage
FROM unnest(ARRAY['twin_admin', 'twin_auditor', 'twin_operator', 'twin_viewer', 'twin_anonymous', 'twin_gateway', 'twin_notifier', 'pg_monitor']) r;

-- nothing that needs a key or an identity is immutable
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname LIKE 'twin%' AND p.provolatile = 'i'
	AND p.prosrc ~ 'decrypt|mask|reveal|seal|rekey|probe|_in$|recv|equal_plain|plain_equal' AND p.prosrc <> 'tsec_key_modifier_in';

-- what roles may act as
SELECT m.roleid::regrole AS role, m.member::regrole AS member, m.admin_option AS admin FROM pg_auth_members m
WHERE m.roleid::regrole::text ~ '^twin_' ORDER BY m.roleid::regrole::text COLLATE "C", m.member::regrole::text COLLATE "C";

-- keyring: keys, versions, states, grants, whole values
CREATE ROLE keyring_user LOGIN;
CREATE ROLE keyring_group;
CREATE ROLE keyring_member LOGIN IN ROLE keyring_group;
CREATE ROLE keyring_admin LOGIN IN ROLE twin_admin;
\set SHOW_CONTEXT never
SELECT current_user AS superuser \gset

-- what CREATE EXTENSION made
SELECT key_name, version, state, messages FROM twin.keys ORDER BY key_name COLLATE "C", version;
SELECT length(decode(twin.generate_key(), 'base64')) AS bytes, twin.generate_key() <> twin.generate_key() AS random;

-- the keys made at CREATE EXTENSION rotate before anything was sealed under them
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT twin.rotate_key('main') + twin.rotate_key('main') + twin.rotate_key('literal') + twin.rotate_key('literal') AS versions;
SELECT key_name, version, state FROM twin.keys WHERE key_name IN ('main', 'literal') ORDER BY key_name COLLATE "C", version;
SELECT 'x'::twin.encrypted_text::text;
ROLLBACK;

-- names
SELECT twin.create_key('pii') IS NOT NULL AS made;
SELECT twin.create_key('pii');
SELECT twin.create_key('Pii');
SELECT twin.create_key('');
SELECT twin.create_key('literal');
SELECT twin.create_key('environment');
SELECT twin.create_key('index.text');
SELECT twin.create_key('a b');
SELECT twin.create_key(repeat('k', 64));
SELECT twin.create_key(repeat('k', 63)) IS NOT NULL AS made;
SELECT twin.create_key(NULL);
-- a name whose modifier is taken (played with a row that has this one's modifier)
BEGIN;
UPDATE twin_internal.keys SET modifier = twin_internal.key_modifier('twin_name') WHERE key_name = 'pii';
SELECT twin.create_key('twin_name');
ROLLBACK;

-- two steps of a rotation
SELECT twin.rotate_key('pii');
SELECT version, state FROM twin.keys WHERE key_name = 'pii' ORDER BY 1;
SELECT twin.rotate_key('pii');
SELECT version, state FROM twin.keys WHERE key_name = 'pii' ORDER BY 1;
SELECT twin.rotate_key('nobody');
SELECT twin.rotate_key('index.text');
SELECT twin.rotate_key('environment');
SELECT count(DISTINCT key_id) = count(*) AS ids_differ, count(DISTINCT context) AS contexts
FROM twin.keys WHERE key_name IN ('pii', 'main');

-- retiring
SELECT twin.retire_key('pii', 2);
SELECT twin.retire_key('pii', 3);
SELECT twin.retire_key('pii', 1);
SELECT twin.retire_key('pii', 1);
SELECT version, state FROM twin.keys WHERE key_name = 'pii' ORDER BY 1;

-- destroying
SELECT twin.destroy_key('pii', 2);
SELECT twin.destroy_key('pii', 9);
SELECT twin.destroy_key('pii', 1);
SELECT twin.destroy_key('literal');
SELECT twin.destroy_key('index.text');
SELECT twin.destroy_key('nobody');
SELECT twin.destroy_key('pii');
SELECT version, state FROM twin.keys WHERE key_name = 'pii' ORDER BY 1;
SELECT count(*) AS still_wrapped FROM twin_internal.key_versions WHERE key_name = 'pii' AND wrapped IS NOT NULL;
SELECT twin.rotate_key('pii');
SELECT 'x'::twin.encrypted_text(pii);

-- grants: arguments
SELECT twin.grant_key('main', 'keyring_user', 'everything');
SELECT twin.grant_key('main', 'keyring_user', NULL);
SELECT twin.grant_key('nobody', 'keyring_user', 'decrypt');
SELECT twin.grant_key('literal', 'keyring_user', 'decrypt');
SELECT twin.grant_key('main', '-', 'decrypt');
SELECT twin.grant_key('main', 'keyring_user', 'encrypt');
SELECT twin.grant_key('main', 'keyring_user', 'encrypt');
SELECT twin.revoke_key('main', 'keyring_user', 'mask');

-- who may administer
\c - keyring_user
SELECT twin.create_key('mine');
SELECT twin.grant_key('main', 'keyring_user', 'decrypt');
SELECT twin.revoke_key('main', 'keyring_user', 'encrypt');
SELECT twin.rotate_key('main');
SELECT twin.retire_key('main', 1);
SELECT twin.destroy_key('main');
SELECT twin.rotate_master_key();
SELECT twin.create_builtin_keys();
SELECT * FROM twin.keys;
SELECT * FROM twin.stat_keyring;
SELECT * FROM twin_internal.key_versions;
SELECT * FROM twin_internal.wrap_new_key(1, 'data', gen_random_uuid());
SELECT twin_internal.master_key_id();
\c - keyring_admin
SELECT twin.create_key('made_by_admin') IS NOT NULL AS made;
SELECT twin.grant_key('made_by_admin', 'keyring_group', 'decrypt');
SELECT key_name, seals, opens FROM twin.stat_keyring WHERE key_name = 'made_by_admin';
SELECT count(*) FROM twin_internal.keys;

-- whole values
\c - keyring_user
SELECT twin.encrypt_data('x');
SELECT twin.decrypt_data('x');
\c - :superuser
SELECT twin.decrypt_data(twin.encrypt_data('not even for the superuser'));
SELECT twin.grant_key('environment', 'keyring_user', 'encrypt'), twin.grant_key('environment', 'keyring_user', 'decrypt');
\c - keyring_user
SELECT twin.decrypt_data(twin.encrypt_data('grüße')) AS back, twin.decrypt_data(twin.encrypt_data('')) AS empty;
SELECT length(decode(twin.encrypt_data('four'), 'base64')) AS bytes, twin.encrypt_data('x') <> twin.encrypt_data('x') AS random;
SELECT twin.encrypt_data(NULL) IS NULL AS null_in, twin.decrypt_data(NULL) IS NULL AS null_out;
SELECT twin.decrypt_data(overlay(twin.encrypt_data('tampered') PLACING 'AAAA' FROM 21));
SELECT twin.decrypt_data('not base64');
SELECT twin.decrypt_data(encode('short', 'base64'));
SELECT twin.decrypt_data('');
SELECT length(twin.decrypt_data(twin.encrypt_data(repeat('x', 1000000))));
\c - :superuser
SELECT messages >= 6 AS counted FROM twin.keys WHERE key_name = 'environment';

-- the rows are bound to what they say: a wrapped key moved or relabelled does not open
SELECT twin.create_key('one') IS NOT NULL AS one, twin.create_key('two') IS NOT NULL AS two;
SELECT length('x'::twin.encrypted_text(one)::text) AS never;
SELECT twin.grant_key('one', :'superuser', 'decrypt'), twin.grant_key('two', :'superuser', 'decrypt');
SELECT 'x'::twin.encrypted_text(one)::text AS opens;
BEGIN;
UPDATE twin_internal.key_versions SET wrapped = (SELECT wrapped FROM twin_internal.key_versions WHERE key_name = 'two')
WHERE key_name = 'one';
SELECT 'x'::twin.encrypted_text(one)::text;
ROLLBACK;
BEGIN;
UPDATE twin_internal.keys SET kind = 'literal' WHERE key_name = 'one';
SELECT 'x'::twin.encrypted_text(one)::text;
ROLLBACK;
BEGIN;
UPDATE twin_internal.keys SET context = gen_random_uuid() WHERE key_name = 'one';
SELECT 'x'::twin.encrypted_text(one)::text;
ROLLBACK;
BEGIN;
UPDATE twin_internal.key_versions SET wrapping_id = set_byte(wrapping_id, 0, get_byte(wrapping_id, 0) # 1) WHERE key_name = 'one';
SELECT 'x'::twin.encrypted_text(one)::text;
ROLLBACK;
SELECT 'x'::twin.encrypted_text(one)::text AS opens_again;

-- nothing to rewrap under the same key
SELECT twin.rotate_master_key();

-- a member of a granted role; a revoke is felt in the same session
SELECT twin.grant_key('one', 'keyring_group', 'decrypt'), twin.grant_key('one', 'keyring_user', 'encrypt');
CREATE TABLE keyring_values (v twin.encrypted_text(one));
GRANT SELECT, INSERT ON keyring_values TO keyring_user, keyring_member;
INSERT INTO keyring_values VALUES ('for the group');
\c - keyring_member
SELECT v::text FROM keyring_values;
\c - keyring_user
SELECT v::text FROM keyring_values;
INSERT INTO keyring_values VALUES ('written, not read');
\c - :superuser
-- superuser: SET ROLE to a role he is no member of opens nothing
SET ROLE keyring_member;
SELECT v::text FROM keyring_values;
RESET ROLE;
SET SESSION AUTHORIZATION keyring_member;
SELECT v::text FROM keyring_values;
RESET SESSION AUTHORIZATION;
SELECT count(v::text) FROM keyring_values;
SELECT twin.revoke_key('one', :'superuser', 'decrypt');
SELECT count(v::text) FROM keyring_values;
BEGIN;
SELECT twin.grant_key('one', :'superuser', 'decrypt');
SELECT count(v::text) FROM keyring_values;
ROLLBACK;
SELECT count(v::text) FROM keyring_values;

-- a read-only transaction may use literals, whatever it takes to count them
BEGIN READ ONLY;
SELECT 'x'::twin.encrypted_text::text;
COMMIT;

DROP TABLE keyring_values;
DROP ROLE keyring_admin, keyring_member;
SELECT twin.revoke_key('main', 'keyring_user', 'encrypt');

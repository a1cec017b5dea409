/*
 * roles.sql
 *		Three roles without passwords: the private server lets root be any of them.
 *
 *		demo_operator	reads and changes; may seal and open
 *		demo_writer		adds readings and units; may seal, never open
 *		demo_viewer		reads the tables; has no grant on any key
 *
 * Table privileges say which rows a role gets; key grants say whether it can read
 * what lies in them.
 */
CREATE ROLE demo_operator LOGIN;
CREATE ROLE demo_writer LOGIN;
CREATE ROLE demo_viewer LOGIN;

GRANT USAGE ON SCHEMA thermacore TO demo_operator, demo_writer, demo_viewer;
GRANT SELECT ON ALL TABLES IN SCHEMA thermacore TO demo_operator, demo_writer, demo_viewer;
GRANT UPDATE ON thermacore.units TO demo_operator;
GRANT INSERT ON thermacore.units, thermacore.sensor_readings TO demo_writer;

SELECT twin.grant_key('contacts', 'demo_operator', 'encrypt');
SELECT twin.grant_key('contacts', 'demo_operator', 'decrypt');
SELECT twin.grant_key('readings', 'demo_operator', 'decrypt');
SELECT twin.grant_key('contacts', 'demo_writer', 'encrypt');
SELECT twin.grant_key('readings', 'demo_writer', 'encrypt');

-- what README.md's examples take for granted
CREATE ROLE app_writer;
CREATE ROLE app_reader LOGIN;
CREATE TABLE old_table (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text);
INSERT INTO old_table (email) VALUES ('bob@example.org');
CREATE TABLE units (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id bigint NOT NULL, name text);
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
CREATE TABLE readings (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, value float8);
CREATE SCHEMA thermacore
	CREATE TABLE sensor_readings (sensor_id bigint, recorded_at timestamptz NOT NULL, value float8);
SELECT 'correct horse battery ' || md5(random()::text) AS password \gset

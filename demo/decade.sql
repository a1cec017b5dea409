/*
 * decade.sql
 *		What lives through ten years: readings by month, and what people do in one.
 */
SELECT twin.audit_table('thermacore.units', reads => true);
SELECT twin.grant_key('contacts', 'postgres', 'decrypt');	-- who gives out what is held about a person

CREATE TABLE thermacore.measurements (
	sensor_id integer NOT NULL,
	measured_at timestamptz NOT NULL,
	celsius double precision NOT NULL
) PARTITION BY RANGE (measured_at);

CREATE PROCEDURE thermacore.live_month(month integer) LANGUAGE plpgsql AS $$
DECLARE
	first timestamptz := date_trunc('month', now());
BEGIN
	IF to_regclass(format('thermacore.%I', 'measurements_' || to_char(first, 'YYYY_MM'))) IS NULL THEN
		EXECUTE format('CREATE TABLE thermacore.%I PARTITION OF thermacore.measurements FOR VALUES FROM (%L) TO (%L)',
			'measurements_' || to_char(first, 'YYYY_MM'), first, first + interval '1 month');
	END IF;
	COMMIT;
	INSERT INTO thermacore.measurements SELECT 1 + i % 400, first + i * interval '40 minutes', 40 + 30 * sin(i / 36.0) FROM generate_series(0, 999) i;
	UPDATE thermacore.units SET location = 'Hall ' || chr(65 + month % 8) || ', bay ' || 1 + unit_id / 8 WHERE unit_id % 12 = month % 12;
	COMMIT;
	PERFORM count(*) FROM thermacore.units WHERE unit_id % 5 = month % 5;
	PERFORM twin.record_event('login_success', username => (ARRAY['ada', 'oleg', 'vera'])[1 + i % 3], action => 'ssh', client_address => '10.0.0.1'::inet + i % 7)
		FROM generate_series(1, 60) i;
	PERFORM twin.record_event('login_failure', username => (ARRAY['ada', 'oleg', 'vera', 'root'])[1 + i % 4], outcome => 'failure', severity => 'medium', action => 'ssh',
			client_address => '203.0.113.0'::inet + i % 200)
		FROM generate_series(1, 3 + (month * 7) % 11) i;
	PERFORM twin.record_event('maintenance', resource => 'unit ' || 1 + month % 200, details => jsonb_build_object('hours', 1 + month % 5));
	COMMIT;
END
$$;

SELECT twin.add_retention_policy('measurements', '5 years', 'thermacore.measurements', 'measured_at');
SELECT twin.register_subject_column('thermacore.units', c, 'serial_number') FROM unnest('{client_name,client_contact,client_email,client_phone}'::name[]) c;

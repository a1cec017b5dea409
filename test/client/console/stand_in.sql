-- stand_in.sql: incidents and blocks in the shapes the console reads, where this database does not have them yet.
CREATE TABLE public.stand_incidents (incident_id text PRIMARY KEY, incident_type text, status text, severity text, opened_at timestamptz DEFAULT now(), closed_at timestamptz, owner text,
	timeline jsonb DEFAULT '[]', details jsonb, resolution text, alerts integer DEFAULT 0, actions jsonb DEFAULT '[]');
CREATE VIEW twin.incidents AS SELECT * FROM public.stand_incidents;
GRANT SELECT ON twin.incidents TO twin_admin, twin_auditor;
CREATE TABLE public.stand_blocked (address inet PRIMARY KEY, blocked_at timestamptz DEFAULT now(), blocked_until timestamptz, reason text, blocked_by text, refusals bigint DEFAULT 0);
CREATE VIEW twin.blocked_addresses AS SELECT * FROM public.stand_blocked;
GRANT SELECT ON twin.blocked_addresses TO twin_admin, twin_auditor;
CREATE FUNCTION twin.open_incident(incident_type text, details jsonb DEFAULT '{}', dry_run boolean DEFAULT false) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$
	INSERT INTO stand_incidents (incident_id, incident_type, status, severity, timeline, details, actions) SELECT 'INC-20261122-' || lpad((count(*) + 1)::text, 4, '0'), $1,
		'awaiting_approval', 'high', jsonb_build_array(jsonb_build_object('at', now(), 'entry', 'opened', 'by', 'postgres', 'note', 'opened by hand')), $2,
		jsonb_build_array(jsonb_build_object('action', 'disable_user', 'target', 'vera', 'state', 'pending')) FROM stand_incidents RETURNING incident_id $$;
CREATE FUNCTION public.stand_entry(id text, kind text, note text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	UPDATE public.stand_incidents SET timeline = timeline || jsonb_build_object('at', clock_timestamp(), 'entry', kind, 'by', twin.current_username(), 'note', note) WHERE incident_id = id $$;
CREATE FUNCTION twin.approve_incident(incident_id text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	UPDATE public.stand_incidents i SET status = 'contained', actions = jsonb_set(actions, '{0,state}', '"done"') WHERE i.incident_id = $1; SELECT public.stand_entry($1, 'approved', '') $$;
CREATE FUNCTION twin.revert_incident(incident_id text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	UPDATE public.stand_incidents i SET status = 'reverted', actions = jsonb_set(actions, '{0,state}', '"undone"') WHERE i.incident_id = $1; SELECT public.stand_entry($1, 'reverted', '') $$;
CREATE FUNCTION twin.assign_incident(incident_id text, owner text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	UPDATE public.stand_incidents i SET owner = $2 WHERE i.incident_id = $1; SELECT public.stand_entry($1, 'assigned', $2) $$;
CREATE FUNCTION twin.note_incident(incident_id text, note text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ SELECT public.stand_entry($1, 'noted', $2) $$;
CREATE FUNCTION twin.close_incident(incident_id text, resolution text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	UPDATE public.stand_incidents i SET status = 'closed', closed_at = now(), resolution = $2 WHERE i.incident_id = $1; SELECT public.stand_entry($1, 'closed', $2) $$;
CREATE FUNCTION twin.block_address(address inet, duration interval DEFAULT '1 hour', reason text DEFAULT NULL, end_sessions boolean DEFAULT true) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	INSERT INTO public.stand_blocked VALUES ($1, now(), now() + $2, $3, session_user, 7) $$;
CREATE FUNCTION twin.unblock_address(address inet) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ DELETE FROM public.stand_blocked b WHERE b.address = $1 $$;
CREATE FUNCTION twin.mark_alert_false(alert_id bigint) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ UPDATE twin_internal.alerts a SET is_false = true WHERE a.alert_id = $1 $$;
REVOKE ALL ON FUNCTION twin.mark_alert_false, twin.open_incident, twin.approve_incident, twin.revert_incident, twin.assign_incident, twin.note_incident, twin.close_incident, twin.block_address, twin.unblock_address FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin.mark_alert_false, twin.open_incident, twin.approve_incident, twin.revert_incident, twin.assign_incident, twin.note_incident, twin.close_incident, twin.block_address, twin.unblock_address TO twin_admin;

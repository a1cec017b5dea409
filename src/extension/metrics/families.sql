/*
 * families.sql
 *		What is measured, and by whom: parts before this one may add theirs.
 */

CREATE TABLE twin_internal.metric_sources (
	source_name text COLLATE "C" PRIMARY KEY CHECK (source_name ~ '^[a-z][a-z0-9_]{0,40}$')
);
COMMENT ON TABLE twin_internal.metric_sources IS 'who gives numbers: for each a function metrics_of_NAME() -> table (family text, labels text[], value double precision), labels being names and values in turn';

CREATE TABLE twin_internal.metric_families (
	family text COLLATE "C" PRIMARY KEY CHECK (family ~ '^twin_security_[a-z][a-z0-9_]*$' AND family !~ '_(total|count|sum|bucket|created|info)$' OR family = 'twin_security_build_info'),
	kind text NOT NULL CHECK (kind IN ('counter', 'gauge')),
	unit text CHECK (unit IS NULL OR (pg_catalog.right(family, pg_catalog.length(unit) + 1) = '_' || unit AND kind = 'gauge')),	/* as OpenMetrics has it: the name says it, too */
	help text NOT NULL CHECK (help ~ '[.]$' AND help !~ E'["\\\\[:cntrl:]]')
);
COMMENT ON TABLE twin_internal.metric_families IS 'what is measured; a counter''s samples have the suffix _total';

SELECT twin_internal.keep_from_publishers('twin_internal.metric_sources');
SELECT twin_internal.keep_from_publishers('twin_internal.metric_families');

INSERT INTO twin_internal.metric_sources VALUES ('build'), ('events'), ('keyring'), ('keys'), ('ledger'), ('limits'), ('log'), ('retention'), ('ring'), ('topics'), ('workers');

INSERT INTO twin_internal.metric_families (family, kind, unit, help) VALUES
	('twin_security_build_info', 'gauge', NULL, 'One; its labels say which version of the extension this is, and of which database these numbers are.'),
	('twin_security_start_timestamp_seconds', 'gauge', 'seconds', 'When the server started, and with it every counter but those of alerts.'),
	('twin_security_scrape_error', 'gauge', NULL, 'One where a source of these numbers could not be read this time.'),
	('twin_security_scrape_duration_seconds', 'gauge', 'seconds', 'How long these numbers took to read.'),
	('twin_security_scrape_dropped_series', 'gauge', NULL, 'Series left out because their family has more than a thousand, or is not known.'),
	('twin_security_events', 'counter', NULL, 'Events of the audit log by class and outcome, dropped and withheld ones included.'),
	('twin_security_events_written', 'counter', NULL, 'Security events that the event writer wrote.'),
	('twin_security_events_dropped', 'counter', NULL, 'Security events lost for lack of memory.'),
	('twin_security_events_withheld', 'counter', NULL, 'Refusals counted and not recorded one by one, because a session caused too many.'),
	('twin_security_event_ring_fill_ratio', 'gauge', 'ratio', 'How much of the memory is taken in which events wait to be written.'),
	('twin_security_logins', 'counter', NULL, 'Logins to accounts and to the database by outcome; reporter is application where record_event() told them.'),
	('twin_security_denials', 'counter', NULL, 'Refusals by type of event.'),
	('twin_security_rate_limit_refusals', 'counter', NULL, 'Requests refused because there were too many.'),
	('twin_security_token_refusals', 'counter', NULL, 'Tokens refused: forged, expired, revoked.'),
	('twin_security_address_refusals', 'counter', NULL, 'Connections and requests refused because their address is blocked.'),
	('twin_security_integrity_failures', 'counter', NULL, 'Events that say that something is not as it was stored: values, keys, the audit log.'),
	('twin_security_tokens_issued', 'counter', NULL, 'Tokens issued by type.'),
	('twin_security_tokens_revoked', 'counter', NULL, 'Revocations of tokens, sessions and users.'),
	('twin_security_worker_up', 'gauge', NULL, 'Whether a background worker is at work, or has nothing to do.'),
	('twin_security_worker_last_round_timestamp_seconds', 'gauge', 'seconds', 'When a background worker last did its work.'),
	('twin_security_worker_failures', 'gauge', NULL, 'How often in a row a background worker has failed.'),
	('twin_security_events_sealed', 'counter', NULL, 'Leaves of the audit log, since it began.'),
	('twin_security_seal_lag_seconds', 'gauge', 'seconds', 'How long the oldest event has been waiting that is not sealed.'),
	('twin_security_checkpoint_age_seconds', 'gauge', 'seconds', 'Age of the newest signed checkpoint of the audit log.'),
	('twin_security_log_size_bytes', 'gauge', 'bytes', 'What the audit log takes on disk, indexes and tree included.'),
	('twin_security_key_encryptions', 'counter', NULL, 'Values sealed by key.'),
	('twin_security_key_decryptions', 'counter', NULL, 'Values opened by key.'),
	('twin_security_key_integrity_failures', 'counter', NULL, 'Values that did not open because they are not what was sealed, by key.'),
	('twin_security_key_age_seconds', 'gauge', 'seconds', 'How long the present version of a key has been there.'),
	('twin_security_key_messages', 'gauge', NULL, 'Messages reserved under the present version of a key.'),
	('twin_security_key_message_limit', 'gauge', NULL, 'Messages after which a key rotates by itself.'),
	('twin_security_key_versions', 'gauge', NULL, 'Versions of keys by state.'),
	('twin_security_limit_entries', 'gauge', NULL, 'Subjects that the limits remember, by kind.'),
	('twin_security_limit_locked', 'gauge', NULL, 'Those of them that are locked.'),
	('twin_security_limit_evicted', 'counter', NULL, 'Subjects forgotten for lack of room, by kind; of all databases.'),
	('twin_security_retention_last_success_timestamp_seconds', 'gauge', 'seconds', 'When a retention policy was applied last without a failure.'),
	('twin_security_retention_lag_seconds', 'gauge', 'seconds', 'How long ago an enabled retention policy was applied last without a failure, or was first seen where it never was.'),
	('twin_security_retention_interval_seconds', 'gauge', 'seconds', 'How often retention policies are to be applied by themselves.'),
	('twin_security_retention_failures', 'gauge', NULL, 'Partitions and batches of rows that a retention policy was to take out, and could not.'),
	('twin_security_topic_messages', 'counter', NULL, 'Messages of topics: published, delivered to subscriptions, lost by slow listeners.'),
	('twin_security_topic_listeners', 'gauge', NULL, 'Sessions that listen to topics.'),
	('twin_security_topic_subscriptions', 'gauge', NULL, 'Subscriptions to topics.'),
	('twin_security_topic_ring_fill_ratio', 'gauge', 'ratio', 'How far the slowest listener is behind; at 1 it loses messages.');

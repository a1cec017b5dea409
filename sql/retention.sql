-- retention: how long data is kept, and what must not go
\set VERBOSITY terse
CREATE EXTENSION IF NOT EXISTS twin_security;

SELECT policy_name, event_class, keep, archive, enabled FROM twin_internal.retention_policies ORDER BY policy_name;

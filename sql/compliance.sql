-- compliance: what is checked, and the form of the answers; what each check finds is in test/t/132_security_check.pl
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS twin_security;
RESET client_min_messages;
SELECT check_id, severity, title FROM twin.security_checks;
SELECT count(*) = count(DISTINCT check_id) AS ids_are_unique, bool_and(check_id ~ '^[A-Z]+-[1-9][0-9]?$') AS ids_have_a_form,
	bool_and(severity IN ('critical', 'high', 'medium', 'low')) AS severities, bool_and(length(remediation) > 10 AND length(reference) > 10) AS remedies
FROM twin.security_checks;

-- every check answers; what is wrong has a command, what is right has no object (of passwords, a busy machine may not get to try all: that is about no single one)
SELECT (SELECT count(DISTINCT check_id) FROM twin.security_check()) = (SELECT count(*) FROM twin.security_checks) AS all_answer;
SELECT check_id, status, object, detail FROM twin.security_check() WHERE status NOT IN ('pass', 'fail', 'warn', 'not_applicable') OR detail IS NULL OR title IS NULL OR reference IS NULL
	OR (status IN ('fail', 'warn')) <> (remediation IS NOT NULL) OR (status IN ('fail', 'warn')) <> (object IS NOT NULL);
SELECT check_id, status, object, detail FROM twin.security_check() WHERE check_id IN ('DURABILITY-1', 'PASSWORD-1', 'HBA-1');

-- for administrators and auditors
CREATE ROLE compliance_auditor IN ROLE twin_auditor;
CREATE ROLE compliance_operator IN ROLE twin_operator;
SET ROLE compliance_auditor;
SELECT count(*) > 0 AS answers FROM twin.security_check();
SET ROLE compliance_operator;
SELECT count(*) FROM twin.security_check();
SELECT count(*) FROM twin.security_checks;
RESET ROLE;
DROP ROLE compliance_auditor, compliance_operator;

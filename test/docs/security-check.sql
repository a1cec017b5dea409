-- what docs/security-check.md's examples take for granted
CREATE EXTENSION twin_security;

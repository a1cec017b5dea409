-- what docs/failure.md's examples take for granted
CREATE EXTENSION twin_security;

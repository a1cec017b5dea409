-- what docs/scaling.md's examples take for granted
CREATE EXTENSION twin_security;

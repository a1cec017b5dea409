-- what docs/upgrades.md's examples take for granted
CREATE EXTENSION twin_security;

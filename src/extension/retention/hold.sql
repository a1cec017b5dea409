/*
 * hold.sql
 *		Legal holds: what must be kept, whatever a policy says.
 */

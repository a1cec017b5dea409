/*
 * policy.sql
 *		Policies, and what they would do.
 */

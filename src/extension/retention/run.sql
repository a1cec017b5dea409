/*
 * run.sql
 *		Policies applied: partition by partition, step by step.
 */

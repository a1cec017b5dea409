/*
 * ledger.sql
 *		The tree over all events, its checkpoints and proofs.
 */

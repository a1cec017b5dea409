/*
 * archive.sql
 *		Archives: what was in a partition, as a file and its manifest.
 */

/*
 * subject.sql
 *		What is held about one person: given out, and erased.
 */

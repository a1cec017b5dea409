/*
 * monitor.sql
 *		Rules over the log of events, the alerts they raise, and what follows from them.
 */

--@include tables.sql
--@include alert.sql
--@include rule.sql
--@include unusual.sql

/*
 * monitor.sql
 *		Rules over the log of events, the alerts they raise, and what follows from them.
 */

--@include tables.sql
--@include alert.sql
--@include rule.sql
--@include block.sql
--@include incident.sql
--@include playbook.sql
--@include plan.sql
--@include contain.sql
--@include respond.sql
--@include delivery.sql
--@include tally.sql
--@include follow.sql
--@include unusual.sql
--@include console.sql

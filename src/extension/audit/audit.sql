/*
 * audit.sql
 *		What is recorded of audited tables and of commands, and the log as it is read.
 */

--@include live.sql
--@include audited.sql
--@include enhanced.sql
--@include audited_view.sql
--@include log.sql
--@include gaps.sql
--@include siem.sql

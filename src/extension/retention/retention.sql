/*
 * retention.sql
 *		How long data is kept; archives; legal holds; what is held about one person.
 */

--@include tables.sql
--@include hold.sql
--@include archive.sql
--@include policy.sql
--@include plan.sql
--@include run.sql
--@include subject.sql

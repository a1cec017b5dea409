/*
 * compliance.sql
 *		Whether the database is set up as it should be: twin.security_check().
 *
 * A check is a row of catalogue.sql and either a row of settings.sql or a view twin_internal.check_ID here, whose rows are
 * what it finds: status (pass, fail, warn, not_applicable), the object, a detail with the value that was found, which is never a
 * secret, and where the catalogue's remedy is too general another one. A view without rows has found nothing wrong.
 */

--@include rollup.sql
--@include machine.sql
--@include objects.sql
--@include settings.sql
--@include check_tls.sql
--@include check_hba.sql
--@include check_roles.sql
--@include check_grants.sql
--@include check_tables.sql
--@include check_columns.sql
--@include check_keys.sql
--@include check_tokens.sql
--@include guess.sql
--@include check_accounts.sql
--@include check_logging.sql
--@include check_audit.sql
--@include check_durability.sql
--@include check_retention.sql
--@include dependencies.sql
--@include check_versions.sql
--@include check_files.sql
--@include catalogue.sql
--@include check.sql
--@include report.sql
--@include html.sql
--@include console.sql

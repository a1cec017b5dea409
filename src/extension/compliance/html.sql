/*
 * html.sql
 *		Pieces of the page of twin.compliance_report_html(). Whatever comes from the log passes html_text(); the page is well-formed XML, holds no
 *		script, and asks nobody for anything.
 */

--@include html_charts.sql
--@include html_style.sql
--@include html_page.sql

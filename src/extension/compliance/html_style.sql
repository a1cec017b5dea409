/*
 * html_style.sql
 *		How the page looks: light, dark, and on paper, where it is light and sections stay together.
 */

CREATE FUNCTION twin_internal.html_style() RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT '
:root { color-scheme: light dark; --ground: #f4f5f7; --surface: #fff; --sunken: #eef0f4; --ink: #18202c; --muted: #566173; --line: #d9dee6; --accent: #1f5aa8;
	--bad: #a5102f; --warn: #8a5200; --good: #1c6b3c; --c1: #3f7fc4; --c2: #5aa469; --c3: #c8622a; --c4: #8a62b3; --c5: #98a2b1; }
@media (prefers-color-scheme: dark) { :root { --ground: #0f141b; --surface: #171d26; --sunken: #11171f; --ink: #e3e8ef; --muted: #9ba8ba; --line: #2a3442; --accent: #85b4f2;
	--bad: #ff8a9c; --warn: #e3c25a; --good: #78cf98; --c1: #6aa5e6; --c2: #78cf98; --c3: #ee935d; --c4: #b695dc; --c5: #6b7787; } }
* { box-sizing: border-box; }
html { font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
body { margin: 0; background: var(--ground); color: var(--ink); }
.page { max-width: 66rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1, h2, h3 { line-height: 1.25; font-weight: 600; }
h1 { font-size: 1.9rem; letter-spacing: -0.015em; margin: 0; }
h2 { font-size: 1.2rem; margin: 0 0 0.9rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 0.5rem; }
p { margin: 0 0 0.8rem; }
a { color: var(--accent); }
code, pre { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 0.8rem; overflow-wrap: anywhere; }
pre { background: var(--sunken); padding: 0.75rem; border-radius: 6px; white-space: pre-wrap; margin: 0.5rem 0 0.9rem; }
.kicker { text-transform: uppercase; letter-spacing: 0.08em; font-size: 0.75rem; color: var(--muted); margin: 0 0 0.35rem; }
.period { font-size: 1.1rem; color: var(--muted); margin: 0.3rem 0 1.4rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 0.9rem 1.5rem; margin: 0; }
.facts dt { font-size: 0.78rem; color: var(--muted); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.facts code { font-size: 0.68rem; }
section, nav, .head { background: var(--surface); border: 1px solid var(--line); border-radius: 8px; padding: 1.3rem 1.5rem; margin: 0 0 1.2rem; }
nav ol { columns: 3 13rem; margin: 0; padding: 0 0 0 1.9rem; }
nav h2 { font-size: 0.95rem; margin-bottom: 0.5rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: 0.8rem; margin: 0 0 1rem; }
.tile { border: 1px solid var(--line); border-radius: 6px; padding: 0.7rem 0.9rem; }
.tile b { display: block; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.2; }
.tile span { color: var(--muted); font-size: 0.83rem; }
.tile.bad b { color: var(--bad); }
.note { border-left: 3px solid var(--warn); background: var(--sunken); padding: 0.6rem 0.9rem; border-radius: 0 6px 6px 0; margin: 0 0 0.8rem; }
.note.good { border-color: var(--good); }
.none { color: var(--muted); font-size: 0.87rem; }
table + .none { margin: 0.4rem 0 0; }
.scroll { overflow-x: auto; margin: 0 0 1rem; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 0 2.2rem; align-items: start; }
table { border-collapse: collapse; width: 100%; font-size: 0.87rem; }
caption { text-align: left; font-weight: 600; padding: 0 0 0.35rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.9rem 0.3rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; min-width: 5.6rem; }
thead th { color: var(--muted); font-weight: 500; font-size: 0.8rem; overflow-wrap: normal; }
tbody th { font-weight: 500; min-width: 7rem; }
th.number, td.number { text-align: right; padding-right: 0.3rem; font-variant-numeric: tabular-nums; }
th.number:not(:last-child), td.number:not(:last-child) { padding-right: 1.5rem; }
.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.badge { display: inline-block; padding: 0 0.5rem; border: 1px solid currentColor; border-radius: 1rem; font-size: 0.76rem; white-space: nowrap; color: var(--muted); }
.badge.critical, .badge.high, .badge.fail, .badge.open { color: var(--bad); }
.badge.medium, .badge.warn, .badge.awaiting_approval { color: var(--warn); }
.badge.pass, .badge.closed, .badge.contained { color: var(--good); }
figure { margin: 0 0 1.2rem; }
figcaption { font-weight: 600; font-size: 0.87rem; margin: 0 0 0.4rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--ink); }
svg .axis { fill: var(--muted); font-size: 11px; }
svg .grid { stroke: var(--line); stroke-width: 1; }
.c1 { fill: var(--c1); background: var(--c1); } .c2 { fill: var(--c2); background: var(--c2); } .c3 { fill: var(--c3); background: var(--c3); }
.c4 { fill: var(--c4); background: var(--c4); } .c5 { fill: var(--c5); background: var(--c5); }
.legend { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; font-size: 0.83rem; color: var(--muted); margin: 0.4rem 0 0; }
.legend i { display: inline-block; width: 0.8rem; height: 0.8rem; border-radius: 2px; margin-right: 0.4rem; vertical-align: -0.08rem; }
.legend a { margin-left: auto; }
.control { border-top: 1px solid var(--line); padding: 0.8rem 0; display: grid; grid-template-columns: 9.5rem 1fr; gap: 0 1.2rem; }
.control h4 { margin: 0; font-size: 0.9rem; }
.control p { margin: 0 0 0.3rem; }
.signatures { display: grid; grid-template-columns: repeat(3, 1fr); gap: 3.2rem 2rem; padding-top: 2.6rem; }
.signatures div { border-top: 1px solid var(--ink); padding-top: 0.3rem; font-size: 0.83rem; color: var(--muted); }
footer { color: var(--muted); font-size: 0.83rem; }
@media (max-width: 40rem) { .control { grid-template-columns: 1fr; } .signatures { grid-template-columns: 1fr; } }
@media print {
	:root { color-scheme: light; --ground: #fff; --surface: #fff; --sunken: #f4f5f7; --ink: #000; --muted: #444; --line: #bbb; --accent: #000; --bad: #8c0020; --warn: #6b4000; --good: #14532d;
		--c1: #3f7fc4; --c2: #5aa469; --c3: #c8622a; --c4: #8a62b3; --c5: #98a2b1; }
	@page { size: A4; margin: 16mm 14mm 18mm; @bottom-left { content: "Compliance report"; font-size: 9px; color: #444; }
		@bottom-right { content: "Page " counter(page) " of " counter(pages); font-size: 9px; color: #444; } }
	html { font-size: 12px; }
	* { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
	.page { max-width: none; padding: 0; }
	section, nav, .head { border: 0; border-radius: 0; padding: 0; margin: 0 0 1.6rem; }
	a { text-decoration: none; }
	h2 { border-bottom: 2px solid #000; padding-bottom: 0.2rem; }
	h2, h3, caption { break-after: avoid; }
	figure, tr, .control, .tile, .signing, .scroll:not(:has(tbody tr:nth-child(9))) { break-inside: avoid; }
	tbody tr:nth-child(-n+3), tbody tr:nth-last-child(-n+3):not(:last-child) { break-after: avoid; }
	thead { display: table-header-group; }
	.scroll { overflow: visible; }
	.time { white-space: normal; min-width: 6.2rem; }
	.controls, .figures { break-before: page; }
}
';
END;
COMMENT ON FUNCTION twin_internal.html_style() IS 'the style sheet of the page of the compliance report';
REVOKE ALL ON FUNCTION twin_internal.html_style() FROM PUBLIC;

# The page of the compliance report: well-formed, with no script and nothing from elsewhere, whatever names are in the log; looked at in
# Chromium, light, dark and printed; and each control's query runs as the auditor who is told of it.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my ($chromium) = grep { -x $_ } $ENV{CHROMIUM} // (), qw(/usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome);
my $node = new_node('page', conf => "twin_security.checkpoint_interval = 1s\n");
start_with($node, new_key());
my $folder = PostgreSQL::Test::Utils::tempdir();

# whatever would become markup, script or another direction, in every text that somebody else decides
my @canaries = (q{<script>document.title='planted'</script>}, q{" onload="document.title='planted'" x="}, q{'><img src=http://192.0.2.1/x onerror=alert(1)>}, q{</style></title></svg><b id=planted>},
	"\x{202e}exe.gpj\x{2066}", q{&lt;&#60;]]>}, "\x{1}\x{7f}", 'x' x 250);
my $texts = join ', ', map { my $t = $_; utf8::encode($t); $t =~ s/'/''/g; "'$t'" } @canaries;
sql($node, qq{CREATE EXTENSION twin_security;
	SELECT count(twin.record_event(t.type, username => c, resource => c, outcome => 'failure', client_address => ('192.0.2.' || o)::inet, event_time => now() - d * interval '1 day', details => jsonb_build_object('x', c)))
		FROM unnest(ARRAY[$texts]) WITH ORDINALITY u (c, o), (VALUES ('login_failure'), ('login_success'), ('permission_denied'), ('valve')) t (type), generate_series(0, 29) d;
	SELECT twin.open_incident('other', jsonb_build_object('note', c)) FROM unnest(ARRAY[$texts]) u (c);
	UPDATE twin_internal.incidents i SET owner = c, resolution = c, incident_type = left(c, 100) FROM unnest(ARRAY[$texts]) WITH ORDINALITY u (c, o) WHERE i.incident_id LIKE '%-000' || o;
	CREATE TABLE "<script>alert(1)</script>" (v integer); SELECT twin.audit_table('"<script>alert(1)</script>"'); INSERT INTO "<script>alert(1)</script>" SELECT i FROM generate_series(1, 40) i;
	CREATE TABLE secrets (v twin.encrypted_text(main)); INSERT INTO secrets SELECT i::text FROM generate_series(1, 20) i;
	CREATE ROLE "<b>auditor" LOGIN; GRANT twin_auditor TO "<b>auditor"; GRANT SELECT ON secrets TO "<b>auditor"; SELECT twin.grant_key('main', '<b>auditor', 'decrypt')});
sql($node, 'SELECT count(v::text) FROM secrets', user => '<b>auditor');
events_written($node);
$node->poll_query_until('postgres', 'SELECT (twin.compliance_report(NULL, NULL) #>> $${log,not_sealed}$$)::integer = 0');
my $page = sql($node, q{SELECT twin.compliance_report_html(now() - interval '35 days', now() + interval '1 second')}, user => '<b>auditor');

# ---- what it is made of ----

# Well-formed: tags nest, attributes are quoted and no name twice, entities are the five of XML or numbers, no character that XML lacks.
sub faults
{
	my ($text) = @_;
	my (@open, @faults);
	return 'a control character' if $text =~ /[\x00-\x08\x0b-\x1f\x7f]/;
	$text =~ s/\A<!DOCTYPE html>\s*// or push @faults, 'no doctype';
	while ($text =~ /\G(?:(?<text>[^<]+)|<(?<end>\/)?(?<name>[a-zA-Z][a-zA-Z0-9]*)(?<attributes>(?:\s+[a-zA-Z][a-zA-Z0-9:-]*="[^"<]*")*)\s*(?<empty>\/)?>)/gc)
	{
		my %m = %+;
		my $all = $m{text} // $m{attributes};
		push @faults, "entity in $all" if $all =~ /&(?!(?:amp|lt|gt|quot|#39);)/;
		next if defined $m{text};
		my %seen;
		$seen{$_}++ && push @faults, "$_ twice" foreach $m{attributes} =~ /\s([a-zA-Z][a-zA-Z0-9:-]*)=/g;
		if ($m{end}) { my $was = pop @open // ''; push @faults, "</$m{name}> ends <$was>" if $was ne $m{name} }
		elsif (!$m{empty}) { push @open, $m{name} }
	}
	push @faults, 'no markup: ' . substr($text, pos($text) // 0, 60) if (pos($text) // 0) < length $text;
	push @faults, "open: @open" if @open;
	return join '; ', @faults;
}
is(faults($page . "\n"), '', 'the page is well-formed');
is(faults("<!DOCTYPE html>\n<p>a<b>c</p>"), '</p> ends <b>; </b> ends <p>' =~ s/; .*//r . '; open: p', '... which is found out');
unlike($page, qr/<(?:script|img|iframe|object|embed|link|base|form)\b/i, 'it has no script, and nothing that loads');
unlike($page, qr/<[^>]*\son[a-z]+\s*=/i, '... no handler');
unlike($page, qr/(?:src|href|action|xlink:href)="(?!#)/, '... no address but of its own sections');
unlike($page, qr/\@import|url\(|expression\(/, '... none in its styles');
unlike($page, qr/<b id|<b>aud/, 'what somebody calls himself stays text');
like($page, qr/&lt;script&gt;document/, '... and is shown');
like($page, qr{<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>}, 'a browser is told so, too');
cmp_ok(length $page, '<', 200_000, 'the page is not large');
my %ids;
$ids{$_}++ foreach $page =~ / id="([^"]+)"/g;
is(join(' ', grep { $ids{$_} > 1 } sort keys %ids), '', 'no id twice');
is(join(' ', grep { !$ids{$_} } $page =~ /href="#([^"]+)"/g), '', 'every link leads somewhere');
is(join(' ', grep { !$ids{$_} } map { split ' ' } $page =~ /aria-labelledby="([^"]+)"/g), '', 'every label is there');
my $charts = () = $page =~ /<svg /g;
is($charts, 4, 'four charts');
is(scalar(() = $page =~ /<svg [^>]*role="img" aria-labelledby="[^"]+"><title id="/g), $charts, '... each with a title for who does not see it');
my $size = sql($node, q{SELECT twin.compliance_report(NULL, NULL) #>> '{log,checkpoint,root}'});
like($page, qr/<code>[A-Za-z0-9+\/]{43}=<\/code>/, 'it names a checkpoint by its root');
like($page, qr/&lt;b&gt;auditor/, '... and who made it');

# ---- controls ----

my $failures = sql($node, q{CREATE FUNCTION pg_temp.try(query text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE query; RETURN NULL; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$;
	SELECT string_agg(c ->> 'id' || ': ' || pg_temp.try(c ->> 'query'), E'\n') FROM jsonb_array_elements(twin.compliance_report(now() - interval '35 days', now()) -> 'controls') c
		WHERE pg_temp.try(c ->> 'query') IS NOT NULL}, user => '<b>auditor');
is($failures, '', "each control's query runs, as an auditor");
is(sql($node, q{SELECT count(*) FROM jsonb_array_elements(twin.compliance_report(NULL, NULL) -> 'controls') c WHERE c ->> 'evidence' ~ '[{}]' OR c ->> 'query' ~ ':(from|to)'}), '0', 'its evidence is filled in');

# ---- looked at ----

SKIP:
{
	skip('no browser: install the package chromium', 8) unless $chromium;
	append_to_file("$folder/page.html", $page);
	my @look = ($chromium, '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--force-device-scale-factor=1', "--user-data-dir=$folder/profile");
	my ($out, $err);
	foreach my $theme ([ light => 1 ], [ dark => 0 ])
	{
		IPC::Run::run([ @look, "--blink-settings=preferredColorScheme=$theme->[1]", '--window-size=1200,1600', "--screenshot=$folder/$theme->[0].png", "file://$folder/page.html" ], '>', \$out, '2>', \$err);
		cmp_ok(-s "$folder/$theme->[0].png" // 0, '>', 40_000, "it is painted, $theme->[0]");
	}
	isnt(file_bytes("$folder/light.png"), file_bytes("$folder/dark.png"), 'dark is not light');
	IPC::Run::run([ @look, '--no-pdf-header-footer', "--print-to-pdf=$folder/page.pdf", "file://$folder/page.html" ], '>', \$out, '2>', \$err);
	my $pdf = file_bytes("$folder/page.pdf");
	like($pdf, qr/\A%PDF-/, 'it is printed');
	my $pages = () = $pdf =~ m{/Type\s*/Page\b}g;
	ok($pages >= 5 && $pages <= 25, 'on some pages') or diag($pages);
	IPC::Run::run([ @look, '--dump-dom', "file://$folder/page.html" ], '>', \$out, '2>', \$err);
	like($out, qr{<title>Compliance report: postgres, }, 'nobody has changed its title');
	unlike($out, qr/<(?:script|img|b id)\b/, '... nor does a browser find other markup');
	is(() = $out =~ /<section /g, () = $page =~ /<section /g, '... nor sections that end early');
	if ($ENV{SCREENSHOTS})
	{
		system('cp', "$folder/light.png", "$folder/dark.png", "$folder/page.pdf", "$folder/page.html", $ENV{SCREENSHOTS});
	}
}

done_testing();

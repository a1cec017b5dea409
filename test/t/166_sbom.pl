# The bill of materials: a CycloneDX document as its schema wants it, of what was built here, every library that is linked,
# and the packages they are of; twice the same, and with nothing of this machine in it.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

chdir $ENV{TWIN_SOURCE} or die $!;
my @command = ('deploy/sbom', $ENV{PG_CONFIG} // 'pg_config');
my ($text, $err) = run_command(\@command);
is($err, '', 'it says nothing else');
my $bom = JSON::PP->new->utf8->decode($text);

# ---- the form: what CycloneDX 1.5's schema requires of the members that are used ----

is("$bom->{bomFormat} $bom->{specVersion} $bom->{version}", 'CycloneDX 1.5 1', 'format and version');
like($bom->{serialNumber}, qr/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/, 'a serial number');
is(join(' ', sort keys %$bom), 'bomFormat components dependencies metadata serialNumber specVersion version', 'no other members');
like($bom->{metadata}{timestamp} // '2026-01-01T00:00:00Z', qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'its time');
my %allowed = (type => qr/^(?:application|library)$/, name => qr/^\S+$/, version => qr/^\S+$/, scope => qr/^(?:required|optional|excluded)$/, 'bom-ref' => qr/^pkg:\S+$/, purl => qr{^pkg:(?:deb/[a-z]+|generic)/[a-z0-9.+_-]+(?:\@[A-Za-z0-9.~_%-]+)?(?:\?arch=[a-z0-9-]+(?:&distro=[a-z]+-[0-9.]+)?)?$});
my @bad;
foreach my $component ($bom->{metadata}{component}, @{ $bom->{components} })
{
	my $name = $component->{name} // '?';
	push @bad, map { "$name lacks $_" } grep { !defined $component->{$_} } qw(type name bom-ref);
	push @bad, map { "$name: $_ = $component->{$_}" } grep { defined $component->{$_} && $component->{$_} !~ $allowed{$_} } keys %allowed;
	push @bad, map { "$name: $_" } grep { !exists $allowed{$_} && !/^(?:hashes|properties|licenses)$/ } keys %$component;
	push @bad, map { "$name: a digest" } grep { $_->{alg} ne 'SHA-256' || $_->{content} !~ /^[0-9a-f]{64}$/ || keys %$_ != 2 } @{ $component->{hashes} // [] };
	push @bad, map { "$name: a property" } grep { ref $_->{name} || ref $_->{value} || keys %$_ != 2 } @{ $component->{properties} // [] };
}
is(join("\n", @bad), '', 'components are well formed');
my %reference = map { $_->{'bom-ref'} => $_ } $bom->{metadata}{component}, @{ $bom->{components} };
is(scalar(keys %reference), 1 + @{ $bom->{components} }, 'every component has a reference of its own');
my %needs = map { $_->{ref} => $_->{dependsOn} } @{ $bom->{dependencies} };
is(join(' ', sort keys %needs), join(' ', sort keys %reference), 'each says what it depends on');
is(join(' ', grep { !$reference{$_} } map { @$_ } values %needs), '', '... which are components of the document');

# ---- what it says ----

my %package = map { $_->{name} => $_ } @{ $bom->{components} };
foreach my $file (qw(twin_security.so twin_gateway twin_notifier twin_verify))
{
	my $component = $package{$file};
	is($component->{hashes}[0]{content}, sha256_hex(slurp_file($file)), "$file: its digest");
	my ($needed) = run_command([ 'readelf', '-d', $file ]);
	my %said = map { $_->{value} => 1 } grep { $_->{name} eq 'twin_security:library' } map { @{ $reference{$_}{properties} // [] } } @{ $needs{ $component->{'bom-ref'} } };
	is(join(' ', grep { !/^ld-linux/ && !$said{$_} } $needed =~ /\(NEEDED\).*\[(.+)\]/g), '', "$file: every library that it names");
}
my @packages = grep { $_->{purl} && $_->{purl} =~ /^pkg:deb/ } @{ $bom->{components} };
cmp_ok(scalar(@packages), '>', 10, 'most are of packages');
my ($versions) = run_command([ 'dpkg-query', '-W', '-f', '${Package} ${Version}\n', map { $_->{name} } @packages ]);
my %version = map { split / / } split /\n/, $versions;
is(join("\n", grep { defined } map { $version{ $_->{name} } eq $_->{version} ? undef : $_->{name} } @packages), '', '... in the version that is installed');
my @said = map { @{ $_->{properties} // [] } } @{ $bom->{components} };
is(join(' ', sort map { $_->{value} } grep { $_->{name} eq 'twin_security:tool' && $_->{value} =~ /^(?:gcc|make|ld|pgxs)$/ } @said), 'gcc ld make pgxs', 'the tools it was made with');
is(scalar(grep { $_->{name} eq 'twin_security:server' } @said), 1, 'and the server');
unlike($text, qr{"/|\Q$ENV{TWIN_SOURCE}\E}, 'nothing of where it was built');

my ($again) = run_command(\@command);
ok($again eq $text, 'asked again it is the same, byte for byte');
{
	local $ENV{SOURCE_DATE_EPOCH} = 1700000000;
	my ($dated) = run_command(\@command);
	is(JSON::PP->new->utf8->decode($dated)->{metadata}{timestamp}, '2023-11-14T22:13:20Z', 'SOURCE_DATE_EPOCH is its time');
	isnt(JSON::PP->new->utf8->decode($dated)->{serialNumber}, $bom->{serialNumber}, 'another document has another number');
}
my $elsewhere = PostgreSQL::Test::Utils::tempdir();
run_command([ 'cp', 'twin_security.control', $elsewhere ]);
chdir $elsewhere or die $!;
my (undef, $refusal) = run_command([ "$ENV{TWIN_SOURCE}/deploy/sbom", $command[1] ]);
like($refusal, qr/twin_security\.so is not built: make/, 'before the build it says what is missing');

done_testing();

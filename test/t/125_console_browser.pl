# The security console in Chromium: test/client/console/console.mjs is what is looked at, each line of it a test here.
use strict;
use warnings;
use Test::More;
use TwinTest;
use TwinGateway;

my ($chromium) = grep { -x $_ } $ENV{CHROMIUM} // (), qw(/usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome);
plan(skip_all => 'no browser: install the package chromium') unless $chromium;
plan(skip_all => 'no node: install the package nodejs') if system('node --version >/dev/null 2>&1') != 0;

my $folder = "$ENV{TWIN_SOURCE}/test/client/console";
my $node = new_node('console_browser', conf => "twin_security.bcrypt_cost = 10\ntwin_security.checkpoint_interval = 1s\n");
my $password = canary() . 'Xy';
$node->{twin_keys} = [ new_key(), undef, JWT_SECRET_KEY => 'tests sign with this, and nobody else' ];
start_again($node);
$node->psql('postgres', file_bytes("$folder/fixture.sql"), on_error_die => 1, extra_params => [ '-v', "password=$password" ]);
my $gateway = new_gateway($node, conf => { 'server-console-enabled' => 'true' });

local %ENV = (%ENV, CONSOLE_URL => "http://127.0.0.1:$gateway->{port}", CONSOLE_PASSWORD => $password, CHROMIUM => $chromium,
	PGHOST => $node->host, PGPORT => $node->port, PGUSER => $ENV{PGUSER} // (getpwuid($>))[0]);
open my $browser, '-|', 'node', "$folder/console.mjs" or die $!;
while (my $line = <$browser>)
{
	if ($line =~ /^(not )?ok - (.*)$/) { ok(!$1, $2) }
	else { diag($line) }
}
close $browser;
is($?, 0, 'the browser ends by itself');
unlike($gateway->log_text, qr/\Q$password\E|eyJ/, 'the log of the gateway holds no password and no token');
done_testing();

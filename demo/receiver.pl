#!/usr/bin/perl
# receiver.pl: what a webhook talks to.  Takes POSTs on this machine's own address,
# answers 204, and prints a line for each: the key, and what the body says.
#	receiver.pl PORT
use strict;
use warnings;
use IO::Socket::INET;

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], Listen => 64, ReuseAddr => 1)
  or die "receiver.pl: port $ARGV[0]: $!\n";
$| = 1;
local $SIG{PIPE} = 'IGNORE';
while (1)
{
	my $client = $listener->accept or next;
	local $SIG{ALRM} = sub { die "slow\n" };
	eval {
		alarm 10;
		my ($length, $key, $lines) = (0, '-', 0);
		while (my $line = <$client>)
		{
			last if $line =~ /^\r?\n$/ || ++$lines > 100;
			$length = $1 if $line =~ /^Content-Length:\s*(\d{1,6})\s*$/i;
			$key = $1 if $line =~ /^Idempotency-Key:\s*"?([\w.:-]{1,100})/i;
		}
		read($client, my $body, $length);
		my %said = map { $_ => $body =~ /"$_":\s*(?!null)"?([^",}]*)/ ? $1 : '-' } qw(alert_id rule_name severity subject count incident_id);
		print join(' ', $key, map { "$_=$said{$_}" } qw(alert_id severity rule_name subject count incident_id)), "\n";
		print $client "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
		alarm 0;
	};
	alarm 0;
	close $client;
}

# An allocation that fails: processes started with what starve_of() gives (starve.c preloaded) have the n-th one refused that starve() asks for.
package Starve;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(starve_of starve starved OF_LIBRARIES OF_PROGRAM OF_LIBC);

use constant { OF_LIBRARIES => 1, OF_PROGRAM => 2, OF_LIBC => 4, SIZE => 6 * 8 + 64 };

my $place;

# The environment that does it, for one test's processes; folder is one that all of them may read.
sub starve_of
{
	my ($folder) = @_;
	my $library = "$folder/starve.so";

	PostgreSQL::Test::Utils::system_or_bail('gcc', '-O2', '-fPIC', '-shared', '-pthread', '-o', $library, "$ENV{TWIN_SOURCE}/test/t/lib/starve.c");
	open $place, '+>:raw', "$folder/starving" or die $!;
	syswrite($place, "\0" x SIZE) == SIZE or die $!;
	chmod 0755, $folder, $library;
	return (LD_PRELOAD => $library, TWIN_STARVE => "$folder/starving");
}

sub put
{
	my (@fields) = @_;
	sysseek($place, 0, 0);
	syswrite($place, pack('q6 a64', @fields)) == SIZE or die $!;
	return;
}

# Has the n-th allocation (0: none) of a process (0: of nobody) refused from now on; of processes with such a title for pid -1.
sub starve
{
	my ($pid, $n, $whose, $kind) = @_;
	put(0, 0, 0, 0, 0, 0, '');
	put($pid, $n, $whose // OF_LIBRARIES, 0, 0, 0, $kind // '') if $pid != 0;
	return;
}

# (allocations asked for, refused, not given back) since then.
sub starved
{
	sysseek($place, 0, 0);
	sysread($place, my $bytes, SIZE) == SIZE or die $!;
	return (unpack('q6', $bytes))[ 3, 4, 5 ];
}

1;

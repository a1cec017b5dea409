# A file system that fills up: "use SmallDisk megabytes => 12;", before all else that a test uses, runs the test again where $ENV{TWIN_SMALL_DISK} is a folder
# that has room for so many megabytes.  Namespaces make it, which takes no rights; where the machine allows none it is empty.
package SmallDisk;

use strict;
use warnings;

sub import
{
	my (undef, undef, $megabytes) = @_;
	return if defined $ENV{TWIN_SMALL_DISK};

	my $folder = "$ENV{TESTDIR}/small_$$";
	mkdir $folder or die "$folder: $!";
	# as root of a namespace for the mount, and in one within as whom one was: no server is started by root
	my @apart = ('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', 'mount -t tmpfs -o "size=$1m" none "$2" && shift 2 && exec "$@"', 'sh', $megabytes, $folder,
		'unshare', '--user', "--map-user=$>", '--map-group=' . ($) + 0));
	my $tried = fork // die "fork: $!";
	if ($tried == 0)
	{
		open STDERR, '>', '/dev/null' or die $!;
		exec @apart, 'true' or exit 1;
	}
	waitpid $tried, 0;
	$ENV{TWIN_SMALL_DISK} = $? == 0 ? $folder : '';
	exec @apart, $^X, (map { "-I$_" } @INC), $0 or die "unshare: $!" if $ENV{TWIN_SMALL_DISK};
	return;
}

1;

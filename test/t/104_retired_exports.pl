# What an export says of dropped partitions, forged by who has the log's folder and its manifest: an event that an application
# named as the log's own, another event, a set that is wider.
use strict;
use warnings;
use Digest::SHA qw(sha256 sha256_hex);
use PostgreSQL::Test::Utils;
use Test::More;
use TwinTest;

my $exports = "$ENV{TESTDIR}/exports_104";
mkdir $exports;
chmod 0755, $exports;
my $node = new_node('forged', conf => "twin_security.checkpoint_interval = 1s\ntwin_security.export_directory = '$exports'\n");
start_with($node, new_key());
sql($node, q{CREATE EXTENSION twin_security; SELECT twin.record_event('event_' || n) FROM generate_series(1, 50) n});
sub sealed { my ($id) = @_; $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM twin_internal.sealed WHERE record_id = $id") or die 'not sealed'; return sql($node, "SELECT first_leaf FROM twin_internal.sealed WHERE record_id = $id") }
my $victim = sealed(sql($node, q{SELECT twin.record_event('victim')}));
# the set of this one leaf, and an event that says it was dropped
my $set = pack('C Q>3 C2', 1, $victim, $victim, 1, 0, 1);
my $details = sprintf '{"rows": "1", "partition": "twin_internal.events_audit_2019_11", "first_leaf": "%d", "last_leaf": "%d", "leaves": "1", "leaf_set_sha256": "%s"}', $victim, $victim, sha256_hex($set);
my $claimed = sealed(sql($node, "SELECT twin.record_event('partition_dropped', details => '$details')"));
$node->poll_query_until('postgres', "SELECT max(size) > $claimed FROM twin_internal.checkpoints") or die 'nothing is signed';

my ($program) = run_command([ 'pg_config', '--bindir' ]);
sub verify { my ($out, $err) = run_command([ "$program/twin_verify", "$exports/$_[0]", '--key', "$exports/log.key" ]); return ($? >> 8) . "\n$out$err" }
sub slurp { my ($file) = @_; open(my $handle, '<:raw', $file) or die "$file: $!"; local $/; return scalar <$handle>; }
sub spew { my ($file, $bytes) = @_; open(my $handle, '>:raw', $file) or die "$file: $!"; print $handle $bytes; close $handle; return; }
sub leaf_of { my ($index) = @_; return pack('H*', substr(sql($node, "SELECT leaf FROM twin.audit_leaves($index, $index)"), 2)) }
spew("$exports/log.key", sql($node, 'SELECT twin.audit_public_key()') . "\n");

# Exports, and takes the victim's bytes out of it.
my $number = 0;
sub export
{
	my $name = 'e' . ++$number;
	sql($node, "SELECT twin.export_audit_log('$name')");
	my $folder = "$exports/$name";
	my $bytes = slurp("$folder/leaves-0000000000000000000.seg");
	my $at = 24;
	for (my $i = 0; $i < $victim; $i++) { my $length = unpack('N', substr($bytes, $at, 4)); $at += 36 + ($length == 0xffffffff ? 0 : $length) }
	my $length = unpack('N', substr($bytes, $at, 4));
	substr($bytes, $at, 36 + $length) = pack('N', 0xffffffff) . substr($bytes, $at + 4, 32);
	spew("$folder/leaves-0000000000000000000.seg", $bytes);
	return $name;
}

# What stands in dropped.bin: the event's leaf and its bytes, the set, and what else; and a manifest that fits.
sub forge
{
	my ($name, @sets) = @_;
	my $folder = "$exports/$name";
	my $file = 'TWINGONE' . pack('n2', 1, 0);
	for my $one (@sets)
	{
		my ($index, $event, $of, $path, $note) = @$one;
		$file .= pack('Q> N Q> N N', $index, length($event), length($of), length($path // ''), length($note // '')) . $event . $of . ($path // '') . ($note // '');
	}
	spew("$folder/dropped.bin", $file);
	my $manifest = slurp("$folder/manifest.json");
	for my $changed ('dropped.bin', 'leaves-0000000000000000000.seg')
	{
		my $bytes = slurp("$folder/$changed");
		my $line = sprintf '"name": "%s", "bytes": %d, "sha256": "%s"', $changed, length($bytes), sha256_hex($bytes);
		$manifest =~ s/"name": "\Q$changed\E", "bytes": \d+, "sha256": "[0-9a-f]+"/$line/ or die $changed;
	}
	spew("$folder/manifest.json", $manifest);
	return verify($name);
}

my $missing = qr/^1\n.*TAMPERED: leaves-\S+: the event of leaf $victim is missing: it was sealed, and is not in the log/s;
like(forge(export()), $missing, 'an event taken away is missing');
like(forge(export(), [ $claimed, leaf_of($claimed), $set ]), $missing, '... where an application says that it was dropped, too');
like(forge(export(), [ $claimed, leaf_of($claimed), $set ]), qr/dropped\.bin: set 0 of dropped leaves is not what its event tells of/, 'which is no word of the log');
# the same event without the flag that says whose it is: the log has no such leaf
my $cleaned = leaf_of($claimed);
substr($cleaned, 1, 2) = pack('n', unpack('n', substr($cleaned, 1, 2)) & ~1);
like(forge(export(), [ $claimed, $cleaned, $set ]), qr/^1\n.*dropped\.bin: set 0 of dropped leaves has an event that is not the one that was sealed/s, 'an event that the log does not have');
like(forge(export(), [ 1 << 40, $cleaned, $set ]), qr/^1\n.*set 0 of dropped leaves has an event that is not proven to be in the log/s, '... nor will ever have');
like(forge(export(), [ 1 << 40, $cleaned, $set, "\0" x 64, sql($node, 'SELECT twin.audit_checkpoint()') . "\n" ]), qr/^1\n.*is not proven to be in the log/s, '... by no proof');
like(forge(export(), [ $victim, $cleaned, $set ]), qr/^1\n.*set 0 of dropped leaves comes after its event/s, 'an event that was before');
like(forge(export(), [ $claimed, $cleaned, 'x' . $set ]), qr/^1\n.*set 0 of dropped leaves is none/s, 'a set that is none');
like(forge(export(), [ $claimed, $cleaned, pack('C Q>3 C2', 1, $victim - 1, $victim, 2, 0, 2) ]), qr/^1\n.*is not what its event tells of/s, 'a set that is wider');
my $name = export();
spew("$exports/$name/dropped.bin", substr(slurp("$exports/$name/dropped.bin"), 0, 11));
like(verify($name), qr/^1\n.*dropped\.bin: the file has 11 bytes/s, 'a file that was cut');
$name = export();
unlink "$exports/$name/dropped.bin";
like(verify($name), qr/^1\n.*dropped\.bin: the file is missing/s, 'and one that is gone');
$node->stop;
done_testing();

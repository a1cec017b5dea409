# gateway_capture.pl: of the server's log, the statements of one request as scripts of pgbench: NAME.plain, NAME.pipelined,
# and NAME.variables with the values, as options that end in zeros.
#	gateway_capture.pl NAME [KEY]	a value that is KEY becomes the variable "key", which the scripts choose
use strict;
use warnings;

my ($name, $key) = @ARGV;
my (@statements, @variables);
while (my $line = <STDIN>) {
	if ($line =~ /LOG:  execute [^:]+: (.*)/) {
		push @statements, $1;
	}
	elsif ($line =~ /DETAIL:  parameters: (.*)/) {
		my $values = $1;
		my $number = @statements;
		while ($values =~ /\$(\d+) = (NULL|'((?:[^']|'')*)')/g) {
			my ($place, $written, $value) = ($1, $2, $3);
			my $variable = $written eq 'NULL' ? 'NULL' : ":s${number}p$place";
			if (defined $value && defined $key && $value eq $key) {
				$variable = ':key';
			}
			elsif (defined $value) {
				$value =~ s/''/'/g;
				push @variables, '-D', "s${number}p$place=$value";
			}
			$statements[-1] =~ s/\$$place(?!\d)/$variable/;
		}
	}
}
die "gateway_capture.pl: a request was not understood:\n" . join("\n", @statements) . "\n"
	unless @statements == 4 && $statements[0] =~ /^BEGIN/ && $statements[1] =~ /begin_request/ && $statements[3] eq 'COMMIT';

sub write_file {
	my ($ending, $text) = @_;
	open my $file, '>', "$name.$ending" or die "$name.$ending: $!\n";
	print $file $text;
	close $file or die "$name.$ending: $!\n";
}
my $choose = defined $key ? "\\set key random(1, :keys)\n" : '';
my $all = join '', map { "$_;\n" } @statements;
write_file('plain', $choose . $all);
write_file('pipelined', "$choose\\startpipeline\n$all\\endpipeline\n");
write_file('variables', join "\0", @variables);

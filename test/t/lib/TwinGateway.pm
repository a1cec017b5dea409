# twin_gateway in front of a TwinTest node, and a client that sends exactly the bytes it is told to: header lines may be
# doubled, targets may be nonsense, sockets may be left open.
package TwinGateway;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use POSIX qw(WNOHANG);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinTest;

our @EXPORT = qw(new_twin start_again gateway_program new_gateway is_refused jwt_of claims_of wait_until escape);

# A server with the fixture of the client tests in it: (node, password of everybody).
sub new_twin
{
	my ($name, %options) = @_;
	my $node = new_node($name, conf => "twin_security.bcrypt_cost = 10\nmax_connections = 60\n" . ($options{conf} // ''));
	my $password = canary() . 'Xy';
	$node->{twin_keys} = [ new_key(), undef, JWT_SECRET_KEY => 'tests sign with this, and nobody else' ];
	start_again($node);
	$node->psql('postgres', file_bytes("$ENV{TWIN_SOURCE}/test/client/gateway/fixture.sql"), on_error_die => 1, extra_params => [ '-v', "password=$password" ]);
	return ($node, $password);
}

# Starts a server of new_twin() with its keys.
sub start_again { my ($node) = @_; return start_with($node, @{ $node->{twin_keys} }) }

sub gateway_program
{
	my $directory = `@{[ $ENV{PG_CONFIG} // 'pg_config' ]} --bindir`;
	chomp $directory;
	return $ENV{GATEWAY_PROGRAM} // "$directory/twin_gateway";
}

# Starts a gateway.  conf => settings over the tests' own (undef takes one away), env => variables, no_wait => 1 does not
# wait until it is ready.
sub new_gateway
{
	my ($node, %options) = @_;
	my $self = bless {
		node => $node,
		port => PostgreSQL::Test::Cluster::get_free_port(),
		admin_port => PostgreSQL::Test::Cluster::get_free_port(),
		directory => PostgreSQL::Test::Utils::tempdir('gateway'),
		env => $options{env} // {}
	}, 'TwinGateway';
	$self->{log} = "$self->{directory}/log";
	$self->configure(%{ $options{conf} // {} });
	$self->begin;
	$self->wait_ready unless $options{no_wait};
	return $self;
}

# Writes the configuration file.
sub configure
{
	my ($self, %conf) = @_;
	my $node = $self->{node};
	my %all = (
		'db-uri' => sprintf('postgresql:///postgres?host=%s&port=%s&user=twin_gateway', $node->host, $node->port),
		'db-schemas' => 'api',
		'db-anon-role' => 'twin_anonymous',
		'server-host' => '127.0.0.1',
		'server-port' => $self->{port},
		'admin-server-port' => $self->{admin_port},
		%conf);
	open my $file, '>', "$self->{directory}/conf" or die $!;
	print $file map { "$_ = \"$all{$_}\"\n" } grep { defined $all{$_} } sort keys %all;
	close $file;
	return;
}

sub begin
{
	my ($self) = @_;
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		delete @ENV{qw(ENCRYPTION_KEY JWT_SECRET_KEY)};
		%ENV = (%ENV, %{ $self->{env} });
		open STDERR, '>>', $self->{log} or die $!;
		open STDOUT, '>&', \*STDERR or die $!;
		exec gateway_program(), "$self->{directory}/conf" or POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	return;
}

# Calls until true, for so many seconds; false when it never was.
sub wait_until
{
	my ($seconds, $test) = @_;
	my $end = time + $seconds;
	while (time < $end)
	{
		return 1 if $test->();
		sleep 0.02;
	}
	return $test->() ? 1 : 0;
}

sub wait_ready
{
	my ($self, $seconds) = @_;
	my $ready = wait_until($seconds // 60, sub { my $answer = $self->admin('/ready'); $answer && $answer->{status} == 200 });
	die "the gateway is not ready:\n" . file_bytes($self->{log}) unless $ready;
	return;
}

sub signal { my ($self, $name) = @_; return kill $name, $self->{pid} }

sub is_running { my ($self) = @_; return $self->{pid} && waitpid($self->{pid}, WNOHANG) == 0 }

# Waits for its end; "exit N" or "signal N", undef when it does not come.
sub wait_end
{
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // 60);
	while (time < $end)
	{
		if (waitpid($self->{pid}, WNOHANG) == $self->{pid})
		{
			delete $self->{pid};
			return $? & 127 ? 'signal ' . ($? & 127) : 'exit ' . ($? >> 8);
		}
		sleep 0.02;
	}
	return undef;
}

sub stop { my ($self, $name) = @_; $self->signal($name // 'TERM'); return $self->wait_end }

sub DESTROY
{
	my ($self) = @_;
	return unless $self->{pid};
	local $?;
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

# ---- the log ----

sub log_text { my ($self) = @_; return file_bytes($self->{log}) }

# Its lines from a place on, decoded; one that is no JSON object dies.
sub log_lines
{
	my ($self, $from) = @_;
	return map { decode_json($_) } split /\n/, substr($self->log_text, $from // 0);
}

# The line of an answer: it may be written after the answer was.
sub log_of
{
	my ($self, $answer) = @_;
	my $id = $answer->header('X-Request-Id') // return {};
	my $line;
	wait_until(10, sub { ($line) = grep { ($_->{request_id} // '') eq $id } $self->log_lines; $line });
	return $line // {};
}

# ---- the client ----

sub connect_to
{
	my ($self, $port) = @_;
	return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port // $self->{port}, Proto => 'tcp');
}

sub escape { my ($text) = @_; $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge; return $text }

# The bytes of a request.  token, headers => [name, value, ...], cookies => {}, json, form => {}, body, keep => 1.
sub bytes_of
{
	my ($self, $method, $target, %with) = @_;
	my @lines = ("$method $target HTTP/1.1", $with{host} // "Host: 127.0.0.1:$self->{port}");
	my @headers = @{ $with{headers} // [] };
	my $body = $with{body};
	push @lines, "Authorization: Bearer $with{token}" if defined $with{token};
	push @lines, 'Cookie: ' . join('; ', map { "$_=$with{cookies}{$_}" } sort keys %{ $with{cookies} }) if $with{cookies};
	($body, @headers) = (encode_json($with{json}), 'Content-Type', 'application/json', @headers) if exists $with{json};
	($body, @headers) = (join('&', map { escape($_) . '=' . escape($with{form}{$_}) } sort keys %{ $with{form} }),
		'Content-Type', 'application/x-www-form-urlencoded', @headers) if $with{form};
	while (my ($name, $value) = splice @headers, 0, 2) { push @lines, "$name: $value" }
	push @lines, 'Content-Length: ' . length($body // '') if defined $body || $method =~ /^(?:POST|PUT|PATCH)$/;
	push @lines, 'Connection: close' unless $with{keep};
	return join("\r\n", @lines, '', '') . ($body // '');
}

# Sends a request and leaves it to finish() to read the answer.
sub start
{
	my ($self, $method, $target, %with) = @_;
	my $socket = $self->connect_to or return undef;
	local $SIG{PIPE} = 'IGNORE';
	print $socket $self->bytes_of($method, $target, %with);
	$socket->flush;
	return $socket;
}

# Reads to the end of the connection; undef when nothing came.  An answer cut short has cut => 1.
sub finish
{
	my ($socket, $seconds) = @_;
	my $end = time + ($seconds // 60);
	my $select = IO::Select->new($socket);
	my $bytes = '';
	while ((my $left = $end - time) > 0)
	{
		next unless $select->can_read($left);
		my $got = sysread $socket, $bytes, 65536, length $bytes;
		last unless $got;
	}
	close $socket;
	return length $bytes ? TwinGateway::Answer->read($bytes) : undef;
}

sub ask
{
	my ($self, $method, $target, %with) = @_;
	my $socket = $self->start($method, $target, %with) or return undef;
	return finish($socket, $with{seconds});
}

sub get { my ($self, $target, %with) = @_; return $self->ask('GET', $target, %with) }
sub post { my ($self, $target, %with) = @_; return $self->ask('POST', $target, %with) }
sub status { my ($self, @request) = @_; my $answer = $self->ask(@request); return $answer ? $answer->{status} : 'nothing' }

# Sends bytes as they are.
sub send_bytes
{
	my ($self, $bytes, $seconds) = @_;
	my $socket = $self->connect_to or return undef;
	local $SIG{PIPE} = 'IGNORE';
	print $socket $bytes;
	$socket->flush;
	return finish($socket, $seconds);
}

sub admin
{
	my ($self, $target) = @_;
	my $socket = $self->connect_to($self->{admin_port}) or return undef;
	print $socket "GET $target HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	return finish($socket, 20);
}

# A number of /metrics.
sub metric
{
	my ($self, $name) = @_;
	return $self->admin('/metrics')->{body} =~ /^\Q$name\E (\S+)$/m ? $1 : undef;
}

# ---- sessions ----

sub login
{
	my ($self, $username, $password, %more) = @_;
	return $self->post('/api/auth/login', json => { username => $username, password => $password, %{ delete $more{json} // {} } }, %more);
}

sub token { my ($self, @who) = @_; my $answer = $self->login(@who); return $answer->json->{access_token} // die "no login: $answer->{body}" }

# A token with these parts, signed by nobody unless a signature is given.
sub jwt_of
{
	my ($header, $claims, $sign) = @_;
	my $text = join '.', map { MIME::Base64::encode_base64url(encode_json($_)) } $header, $claims;
	return $text . '.' . ($sign ? MIME::Base64::encode_base64url($sign->($text)) : '');
}
sub claims_of { return decode_json(MIME::Base64::decode_base64url((split /\./, $_[0])[1])) }

# Passes for an error with status and code, in PostgREST's shape.
sub is_refused
{
	my ($answer, $status, $code, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $said = $answer ? eval { $answer->json } // {} : {};
	my $got = join ' ', $answer ? $answer->{status} : 'nothing', $said->{code} // 'no code', join ',', sort keys %$said;
	return is($got, "$status $code code,details,hint,message", $name) || diag($answer ? $answer->{raw} : 'no answer');
}

package TwinGateway::Answer;

use strict;
use warnings;

# Splits an answer; a body that is shorter than it says is cut.
sub read
{
	my ($class, $raw) = @_;
	my ($head, $body) = split /\r\n\r\n/, $raw, 2;
	my ($first, @lines) = split /\r\n/, $head;
	my ($status, $reason) = $first =~ m{^HTTP/1\.1 (\d{3}) (.*)$};
	my $self = bless {
		raw => $raw, status => $status // 0, reason => $reason, body => $body // '',
		headers => [ map { [ split /:\s*/, $_, 2 ] } @lines ]
	}, $class;
	my $length = $self->header('Content-Length');
	$self->{cut} = !defined $body || (defined $length && length $body < $length && $length > 0);
	return $self;
}

# All values of a header, or the only one, or undef.
sub all { my ($self, $name) = @_; return map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $self->{headers} } }
sub header { my ($self, $name) = @_; my @all = $self->all($name); return @all > 1 ? join(' AND ', @all) : $all[0] }
sub json { my ($self) = @_; return JSON::PP->new->utf8->allow_nonref->decode($self->{body}) }
sub code { my ($self) = @_; my $said = eval { $self->json }; return ref $said eq 'HASH' ? $said->{code} // '' : '' }
sub cookies { my ($self) = @_; return map { /^([^=]+)=([^;]*)/ ? ($1 => $2) : () } $self->all('Set-Cookie') }

1;

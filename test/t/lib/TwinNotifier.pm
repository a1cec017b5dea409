# twin_notifier beside a TwinTest node, and receivers on loopback that keep what they are told: HTTP (also over TLS), SMTP
# (also with STARTTLS) and syslog. A receiver is a process of its own; what it answers is said by a file that it reads each time.
package TwinNotifier;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use IO::Socket::SSL;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX qw(WNOHANG);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TwinTest;

our @EXPORT = qw(new_notifier notifier_program run_notifier new_receiver new_certificate wait_for);

my @children;

sub wait_for
{
	my ($what, $seconds) = @_;
	my $until = time + ($seconds // $PostgreSQL::Test::Utils::timeout_default);
	while (time < $until)
	{
		return 1 if $what->();
		sleep 0.05;
	}
	return 0;
}

# ---- the program ----

sub notifier_program
{
	my $directory = `@{[ $ENV{PG_CONFIG} // 'pg_config' ]} --bindir`;
	chomp $directory;
	return $ENV{NOTIFIER_PROGRAM} // "$directory/twin_notifier";
}

sub write_file
{
	my ($path, $text, $mode) = @_;
	open my $file, '>', "$path.new" or die $!;
	print $file ref $text ? JSON::PP->new->canonical->encode($text) : $text;
	close $file;
	chmod $mode // 0600, "$path.new";
	rename "$path.new", $path or die $!;
	return $path;
}

# Runs it to its end: (exit code, standard output, standard error).
sub run_notifier
{
	my ($arguments, %env) = @_;
	my ($out, $err);
	local %ENV = (%ENV, %env);
	IPC::Run::run([ notifier_program(), @$arguments ], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return ($? >> 8, $out, $err);
}

# A notifier that is not begun: its login, its configuration (channels), its log.
sub new_notifier
{
	my ($node, $channels, %options) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir('notifier');
	my $self = bless { node => $node, directory => $directory, file => "$directory/alert_config.json", log => "$directory/log", env => $options{env} // {}, user => 'teller' }, 'TwinNotifier';
	$self->configure($channels, %{ $options{conf} // {} });
	$self->begin unless $options{no_begin};
	return $self;
}

# Writes the configuration; impatient, so that tests are not kept waiting.
sub configure
{
	my ($self, $channels, %more) = @_;
	my %impatient = (first_delay => 1, last_delay => 1, timeout => 5);
	return write_file($self->{file}, { poll_interval => 1, channels => { map { $_ => { %impatient, %{ $channels->{$_} } } } keys %$channels }, %more });
}

sub environment
{
	my ($self) = @_;
	return (PGHOST => $self->{node}->host, PGPORT => $self->{node}->port, PGUSER => $self->{user}, PGDATABASE => 'postgres', %{ $self->{env} });
}

sub begin
{
	my ($self, @arguments) = @_;
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		delete @ENV{qw(ENCRYPTION_KEY JWT_SECRET_KEY)};
		%ENV = (%ENV, $self->environment);
		open STDERR, '>>', $self->{log} or die $!;
		exec(notifier_program(), '--config', $self->{file}, @arguments) or POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	push @children, $pid;
	return $pid;
}

# Ends it by a signal, and gives its exit code (-1 when a signal ended it, -2 when it goes on) and how long that took.
sub end
{
	my ($self, $signal) = @_;
	my $began = time;
	my $status;
	kill $signal // 'TERM', $self->{pid};
	my $ended = wait_for(sub { my $done = waitpid($self->{pid}, WNOHANG) == $self->{pid}; $status = $?; return $done }, 30);
	return wantarray ? (-2, time - $began) : -2 unless $ended;
	my $code = $status & 127 ? -1 : $status >> 8;
	return wantarray ? ($code, time - $began) : $code;
}

sub logged { my ($self, $pattern, $seconds) = @_; return wait_for(sub { file_bytes($self->{log}) =~ $pattern }, $seconds) }

# ---- receivers ----

# A certificate for 127.0.0.1, signed by itself: (certificate, key).
sub new_certificate
{
	my $directory = PostgreSQL::Test::Utils::tempdir('certificate');
	system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout $directory/key.pem -out $directory/crt.pem 2>/dev/null") == 0 or die 'no certificate';
	return ("$directory/crt.pem", "$directory/key.pem");
}

my %servers = (http => \&serve_http, smtp => \&serve_smtp, syslog_tcp => \&serve_stream);

# kind: http, smtp, syslog_tcp, syslog_udp, syslog_unix.  tls => [certificate, key].
sub new_receiver
{
	my ($kind, %options) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir('receiver');
	my $self = bless { kind => $kind, mode => "$directory/mode", kept => "$directory/kept", path => "/tmp/twin_$$" . int(rand 1e6) . '.sock', tls => $options{tls} }, 'TwinNotifier::Receiver';
	my $udp = $kind eq 'syslog_udp';
	my $socket = $kind eq 'syslog_unix' ? IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $self->{path})
		: IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => $udp ? 'udp' : 'tcp', $udp ? () : (Listen => 50, ReuseAddr => 1));
	die "no receiver: $!" unless $socket;
	$self->{port} = $socket->sockport unless $kind eq 'syslog_unix';
	$self->answer($options{answer} // 'ok');
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		$SIG{CHLD} = 'IGNORE';
		$SIG{TERM} = 'DEFAULT';
		if ($kind =~ /udp|unix/) { while (defined $socket->recv(my $datagram, 65536)) { $self->keep({ line => $datagram }) } POSIX::_exit(0); }
		while (my $client = $socket->accept)
		{
			next if fork // die $!;
			$servers{$kind}->($self, $client);
			POSIX::_exit(0);
		}
		POSIX::_exit(0);
	}
	$self->{pid} = $pid;
	push @children, $pid;
	return $self;
}

END
{
	my $status = $?;
	kill 'KILL', @children if @children;
	waitpid $_, 0 foreach @children;
	$? = $status;
}

# ---- HTTP ----

sub serve_http
{
	my ($self, $client) = @_;
	my ($head, $body) = ('', '');
	if ($self->{tls}) { IO::Socket::SSL->start_SSL($client, SSL_server => 1, SSL_cert_file => $self->{tls}[0], SSL_key_file => $self->{tls}[1]) or return; }
	while ($head !~ /\r\n\r\n/) { my $line = <$client> // return; $head .= $line; }
	my ($length) = $head =~ /^content-length: *(\d+)/im;
	read($client, $body, $length // 0);
	my ($first, @lines) = split /\r\n/, $head;
	$self->keep({ request => $first, headers => { map { /^([^:]+): *(.*)$/ ? (lc $1 => $2) : () } @lines }, body => $body });
	my $mode = $self->mode;
	if ($mode =~ /^kill (\d+)/) { kill 'KILL', $1; $self->answer('ok'); sleep 1; return }
	if ($mode =~ /^hang/) { sleep 60; return }
	sleep $1 if $mode =~ /^slow (\d+)/;
	if ($mode =~ /^raw (.*)/s) { print $client $1; return }
	if ($mode =~ /^flood/) { print $client "HTTP/1.1 200 OK\r\n\r\n"; print $client 'x' x 65536 or last foreach 1 .. 2000; return }
	my ($status, $more) = $mode =~ /^(\d{3}) ?(.*)/ ? ($1, $2) : (204, '');
	print $client "HTTP/1.1 $status Said\r\nContent-Length: 0\r\n" . ($more ? "$more\r\n" : '') . "Connection: close\r\n\r\n";
	close $client;
	return;
}

# ---- SMTP ----

sub serve_smtp
{
	my ($self, $client) = @_;
	my %mail = (to => []);
	my $mode = $self->mode;
	if ($mode =~ /^hang/) { sleep 60; return }
	my $say = sub { print $client "$_[0]\r\n" };
	$say->('220 sink ESMTP');
	while (defined(my $line = <$client>))
	{
		$line =~ s/\r?\n$//;
		if ($line =~ /^EHLO/i) { print $client "250-sink\r\n", $self->{tls} && !$mail{tls} && $mode !~ /^plain/ ? "250-STARTTLS\r\n" : '', "250 AUTH PLAIN\r\n" }
		elsif ($line =~ /^STARTTLS/i)
		{
			$say->('220 go');
			IO::Socket::SSL->start_SSL($client, SSL_server => 1, SSL_cert_file => $self->{tls}[0], SSL_key_file => $self->{tls}[1]) or return;
			$mail{tls} = 1;
		}
		elsif ($line =~ /^AUTH PLAIN ?(.*)/i)
		{
			my $answer = $1;
			if ($answer eq '') { $say->('334 '); $answer = <$client>; $answer =~ s/\r?\n$//; }
			$mail{auth} = $answer;
			$say->($mode =~ /^535/ ? '535 no' : '235 welcome');
		}
		elsif ($line =~ /^MAIL FROM:(.*)/i) { $mail{from} = $1; $say->('250 ok') }
		elsif ($line =~ /^RCPT TO:(.*)/i)
		{
			my $to = $1;
			if ($mode =~ /^refuse (\S+)/ && index($to, $1) >= 0) { $say->('550 nobody') }
			elsif ($mode =~ /^(4\d\d|55\d)/) { $say->("$1 no") }
			else { push @{ $mail{to} }, $to; $say->('250 ok') }
		}
		elsif ($line =~ /^DATA/i)
		{
			$say->('354 go');
			my $data = '';
			while (defined(my $more = <$client>)) { last if $more eq ".\r\n"; $data .= $more }
			$self->keep({ %mail, data => $data });
			$say->('250 taken');
		}
		elsif ($line =~ /^QUIT/i) { $say->('221 bye'); return }
		else { $say->('250 ok') }
	}
	return;
}

# ---- a stream of logs ----

sub serve_stream
{
	my ($self, $client) = @_;
	my $all = '';
	if ($self->{tls}) { IO::Socket::SSL->start_SSL($client, SSL_server => 1, SSL_cert_file => $self->{tls}[0], SSL_key_file => $self->{tls}[1]) or return; }
	while (sysread($client, my $some, 65536)) { $all .= $some }
	$self->keep({ line => $all });
	return;
}

package TwinNotifier::Receiver;

use strict;
use warnings;
use Fcntl qw(:flock);
use JSON::PP;

sub answer { my ($self, $mode) = @_; return TwinNotifier::write_file($self->{mode}, $mode, 0644) }
sub mode { my ($self) = @_; return TwinTest::file_bytes($self->{mode}) }

sub keep
{
	my ($self, $what) = @_;
	open my $file, '>>', $self->{kept} or die $!;
	flock($file, LOCK_EX) or die $!;
	syswrite $file, JSON::PP->new->latin1->encode({ at => Time::HiRes::time(), %$what }) . "\n";
	close $file;
	return;
}

# What it was told so far.
sub told { my ($self) = @_; return map { JSON::PP->new->latin1->decode($_) } split /\n/, TwinTest::file_bytes($self->{kept}) }

# What it was told, once that is so much.
sub told_after
{
	my ($self, $count, $seconds) = @_;
	TwinNotifier::wait_for(sub { my @told = $self->told; return @told >= $count }, $seconds);
	return $self->told;
}

sub forget { my ($self) = @_; unlink $self->{kept}; return }
sub end { my ($self) = @_; kill 'KILL', $self->{pid}; waitpid $self->{pid}, 0; return }

1;

#!/bin/bash
# Protects whoever runs this from keys that everybody can read: nothing that looks like a secret stands in the tree or in any commit.
#
# Looked for are base64 and hexadecimal keys, private keys in PEM, tokens, hashes of passwords, passwords in addresses, private
# members of a JWK, C2SP signing keys, what well-known services issue, values given to our own variables, and files that hold
# secrets by their name: in every file that git has or would take, and in every line and message of the history.
# test/published_keys lists what is known to be none. What is found is never printed whole; docs/runbook.md says what to do then.
set -u
cd "$(dirname "$0")/../.." || exit 2

# shellcheck disable=SC2016
perl -e '
	use strict;
	use warnings;

	# A digest before the name of a script is one of sql/extension/released.
	# A key of random bytes has letters of both cases and digits; a name or a path that long hardly ever has.
	my $mixed = qr{(?=[A-Za-z0-9+/_-]*[a-z])(?=[A-Za-z0-9+/_-]*[A-Z])(?=[A-Za-z0-9+/_-]*[0-9])};
	my @shapes = (
		[ "a base64 key of 32 bytes", qr{(?<![A-Za-z0-9+/_-])$mixed([A-Za-z0-9+/_-]{42}[AEIMQUYcgkosw048])=?(?![A-Za-z0-9+/_=-])} ],
		[ "a base64 key of 64 bytes", qr{(?<![A-Za-z0-9+/_-])$mixed([A-Za-z0-9+/_-]{85}[AQgw])(?:==)?(?![A-Za-z0-9+/_=-])} ],
		[ "a hexadecimal key", qr{(?<![0-9A-Za-z_-])(?=[0-9A-Fa-f]*[0-9])(?=[0-9A-Fa-f]*[A-Fa-f])((?:[0-9A-Fa-f]{16}){2,4}|[0-9A-Fa-f]{128})(?![0-9A-Za-z_-]|  [\w.-]+\.sql$)} ],
		[ "a token", qr{\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}\.([A-Za-z0-9_-]{8,})} ],
		[ "a bcrypt hash", qr{\$2[abxy]?\$\d\d\$([./A-Za-z0-9]{53})} ],
		[ "the password of a role", qr{SCRAM-SHA-256\$\d+:([A-Za-z0-9+/=]{16,})\$} ],
		[ "a password in an address", qr{[a-z][a-z0-9+.-]*://[^\s/:\@\x27"<>]{1,64}:([^\s/\@\x27"<>]{1,256})\@[\w\[]} ],
		[ "a private member of a JWK", qr{"(?:d|k|p|q|dp|dq|qi)"\s*:\s*"([A-Za-z0-9_-]{16,})"} ],
		[ "a signing key", qr{PRIVATE\+KEY\+[^+\s]+\+[0-9a-f]{8}\+([A-Za-z0-9+/=]{20,})} ],
		[ "what a service issues", qr{\b((?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{16,}|xox[abp]-[\w-]{16,}|[sr]k_live_\w{16,}|AIza[\w-]{30,})} ],
		[ "a secret of the environment", qr{\b(?:ENCRYPTION_KEY|JWT_SECRET_KEY)(?:_PREVIOUS)?\s*(?:=>?|:)\s*[\x27"]?([A-Za-z0-9+/_=.!%-]{16,})} ],
		[ "a private key in PEM", qr{-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\\n\W*([A-Za-z0-9+/]{16,})} ]);
	my $pem_begins = qr{-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\W*$};
	my $secret_file = qr{(?:^|/)(?:\.env|\.pgpass|\.netrc|id_(?:rsa|dsa|ecdsa|ed25519)|[^/]*\.(?:pem|key|p12|pfx|jks|kdbx))$};

	# ---- what is known ----

	my ($list, $failed) = ("test/published_keys", 0);
	my (%known, %needed);
	if (open my $file, "<", $list)
	{
		while (<$file>)
		{
			s/#.*//;
			foreach my $begin (split " ")
			{
				# shorter ones could be the beginning of anything; words may stand for passwords in addresses
				if ($begin !~ s/^word://) { length $begin == 16 or complain("$list:$.", "\"$begin\" has not 16 characters"); }
				$known{$begin} = "$list:$.";
			}
		}
	}

	sub complain { my ($where, $what) = @_; print "$where: $what\n"; $failed = 1; return; }

	# ---- looking ----

	my %told;
	sub look
	{
		my ($where, $line) = @_;
		foreach my $shape (@shapes)
		{
			my ($what, $pattern) = @$shape;
			while ($line =~ /$pattern/g)
			{
				my $value = $1;
				my $begin = $what =~ /address/ ? $value : substr $value, 0, 16;
				if ($known{$begin}) { $needed{$begin} = 1; next; }
				next if $told{$value}++;
				complain($where, "looks like $what: " . substr($value, 0, length $value > 12 ? 6 : 1) . "...");
			}
		}
		return;
	}

	# The lines of something, one after the other; a private key begins on one and goes on on the next.
	my $pem_at;
	sub look_on
	{
		my ($where, $line) = @_;
		if ($pem_at && $line =~ m{^\W*([A-Za-z0-9+/=]{40,})} && !$told{$1}++) { complain($pem_at, "looks like a private key in PEM"); }
		$pem_at = $line =~ $pem_begins ? $where : undef;
		look($where, $line);
		return;
	}

	sub git { open my $out, "-|", "git", "-c", "safe.directory=*", @_ or die "git: $!\n"; return $out; }

	my $has_git = -e ".git";
	my $files = $has_git ? git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
		: do { open my $find, "-|", "find", ".", "-type", "f", "-not", "-path", "./tmp_check/*", "-printf", "%P\\0" or die "find: $!\n"; $find };
	my @files = do { local $/ = "\0"; map { chomp; $_ } <$files> };
	close $files or complain(".", "git does not say which files there are");
	foreach my $name (@files)
	{
		complain($name, "has the name of a file with secrets") if $name =~ $secret_file;
		next if !$has_git && $name =~ m{\.(?:o|so|bc)$|(?:^|/)build/};
		open my $file, "<:raw", $name or next;
		undef $pem_at;
		while (<$file>) { look_on("$name:$.", $_); }
	}

	if ($has_git && system("git -c safe.directory=\x27*\x27 rev-parse -q --verify HEAD >/dev/null") == 0)
	{
		my $log = git("log", "--patch", "--unified=0", "--cc", "--text", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames",
			"--format=%x00%H%n%B", "HEAD", "--branches", "--tags");
		my ($commit, $name) = ("", "its message");
		while (<$log>)
		{
			if (/^\0([0-9a-f]{12})/) { ($commit, $name) = ($1, "its message"); undef $pem_at; next; }
			next if /^-/;
			if (m{^\+\+\+ "?b/(.*?)"?$})
			{
				$name = $1;
				complain("commit $commit", "$name has the name of a file with secrets") if $name =~ $secret_file && !$told{$name}++;
				undef $pem_at;
				next;
			}
			s/^[+ ]{1,2}// if $name ne "its message";
			look_on("commit $commit: $name", $_);
		}
		close $log or complain(".git", "the history could not be read");
		if (`git -c safe.directory=\x27*\x27 rev-parse --is-shallow-repository` =~ /false/)
		{
			complain($known{$_}, "\"$_\" is in no file and no commit: take it out") foreach grep { !$needed{$_} } sort keys %known;
		}
	}
	exit $failed;
'
status=$?
[ "$status" -eq 0 ] && exit 0
exit 1

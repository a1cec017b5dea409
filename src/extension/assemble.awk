# assemble.awk
#	Writes one part's SQL for the install script: copies it, and expands the
#	--@ lines from the rows of cipher/type_list.h.
#
#	awk -v part=src/extension/PART -v list=src/extension/cipher/type_list.h -f assemble.awk
#
#	--@each_type FILE		FILE once per base type (searchable.sql.in: the _eq type)
#	--@each_type_name		the base types' names as SQL strings, comma-separated
#	--@each_source FILE		FILE once per type whose values the encrypted type takes
#	--@each_operator FILE	FILE once per comparison of two encrypted values
#	--@each_mixed FILE		FILE once per comparison with a plain value
#	--@each_comparison FILE	FILE once per comparison of what values hold, with encrypted and with plain ones
#	--@each_transition FILE	FILE once per transition function of aggregate_list.txt, both types of a base type
#	--@each_aggregate FILE	FILE once per row of it, likewise
#	--@unless_text FILE		FILE for every base type but text
#	--@include FILE

BEGIN {
	read_types()
	n = split(part, path, "/")
	expand(part "/" path[n] ".sql")
}

function read_types(	line, fields)
{
	while ((getline line < list) > 0)
		if (line ~ /^ENCRYPTED_TYPE\(/)
		{
			sub(/^ENCRYPTED_TYPE\(/, "", line)
			split(line, fields, /, */)
			types++
			name[types] = fields[1]
			base[types] = fields[3]
			match(line, /".*"/)
			sources[types] = substr(line, RSTART + 1, RLENGTH - 2)
		}
	close(list)
	if (types == 0)
		fail("no types in " list)
}

function fail(message)
{
	print "assemble.awk: " message > "/dev/stderr"
	exit 1
}

# Reads a whole file first: awk knows one reader per file name, and templates nest.
function expand(file,	line, lines, count, i, words)
{
	while ((getline line < file) > 0)
		lines[++count] = line
	close(file)
	if (count == 0)
		fail("cannot read " file)
	for (i = 1; i <= count; i++)
		if (lines[i] ~ /^[ \t]*--@/)
		{
			sub(/^[ \t]*--@/, "", lines[i])
			split(lines[i], words, " ")
			directive(words[1], part "/" words[2])
		}
		else
			print substitute(lines[i])
}

function directive(word, file)
{
	if (word == "include")
		expand(file)
	else if (word == "each_type")
		each_type(file)
	else if (word == "each_type_name")
		each_type_name()
	else if (word == "each_source")
		each_source(file)
	else if (word == "each_operator")
		each_operator(file)
	else if (word == "each_mixed")
		each_mixed(file)
	else if (word == "each_comparison")
		each_comparison(file)
	else if (word == "each_transition" || word == "each_aggregate")
		each_aggregate(file, word == "each_transition")
	else if (word == "unless_text")
	{
		if (value["BASE"] != "text")
			expand(file)
	}
	else
		fail("unknown directive " word)
}

function each_type(file,	i)
{
	for (i = 1; i <= types; i++)
	{
		value["STORAGE"] = "encrypted_" name[i]
		value["TYPE"] = "encrypted_" name[i] (file ~ /searchable/ ? "_eq" : "")
		value["BASE"] = base[i]
		value["SOURCES"] = sources[i]
		value["DEFAULT_ORDER"] = value["TYPE"] ~ /_eq$/ ? "" : "DEFAULT"
		value["COLLATABLE"] = base[i] == "text" ? "true" : "false"
		value["TEXT_FUNCTION"] = base[i] == "text" ? "twin.decrypt" : "twin_internal." value["TYPE"] "_text"
		expand(file)
	}
}

function each_type_name(	i)
{
	for (i = 1; i <= types; i++)
		print "\t\t\t'" name[i] "'" (i < types ? "," : "")
}

function each_source(file,	i, count, all)
{
	count = split(value["BASE"] " " value["SOURCES"], all, " ")
	for (i = 1; i <= count; i++)
	{
		value["SOURCE"] = all[i]
		expand(file)
	}
}

function each_operator(file,	i, count, all)
{
	count = split("equal not_equal tag_less tag_less_or_equal tag_greater_or_equal tag_greater", all, " ")
	for (i = 1; i <= count; i++)
	{
		value["OPERATION"] = all[i]
		expand(file)
	}
}

function each_mixed(file,	encrypted, plain)
{
	encrypted = "twin." value["TYPE"]
	plain = "pg_catalog." value["BASE"]
	mixed(file, "eq", encrypted, plain, "equal_plain")
	mixed(file, "ne", encrypted, plain, "not_equal_plain")
	mixed(file, "eq", plain, encrypted, "plain_equal")
	mixed(file, "ne", plain, encrypted, "plain_not_equal")
}

function mixed(file, prefix, left, right, symbol)
{
	value["FUNCTION"] = prefix "_" value["TYPE"]
	value["LEFT"] = left
	value["RIGHT"] = right
	value["SYMBOL"] = symbol
	expand(file)
}

# Operations of order.c: sign, its mirror image, its negation where it has one, selectivity as the server's own.
function each_comparison(file,	i, count, rows, row)
{
	count = split("less < > >= scalarltsel;less_or_equal <= >= > scalarlesel;greater_or_equal >= <= < scalargesel;" \
		"greater > < <= scalargtsel;same == == - eqsel", rows, ";")
	for (i = 1; i <= count; i++)
	{
		split(rows[i], row, " ")
		value["OPERATION"] = row[1]
		value["SIGN"] = row[2]
		value["COMMUTATOR"] = row[3]
		value["NEGATOR"] = row[4] == "-" ? "" : "NEGATOR = " row[4] ", "
		value["RESTRICT"] = row[5]
		value["JOIN"] = row[5]
		sub(/sel$/, "joinsel", value["JOIN"])
		value["FUNCTION"] = value["TYPE"] "_" row[1]
		compared(file, "twin." value["TYPE"], "twin." value["TYPE"])
		compared(file, "twin." value["TYPE"], "pg_catalog." value["BASE"])
		compared(file, "pg_catalog." value["BASE"], "twin." value["TYPE"])
	}
}

function compared(file, left, right)
{
	value["LEFT"] = left
	value["RIGHT"] = right
	expand(file)
}

function each_aggregate(file, once,	line, lines, count, i, k, words, made)
{
	while ((getline line < (part "/aggregate_list.txt")) > 0)
		if (line !~ /^#/)
			lines[++count] = line
	close(part "/aggregate_list.txt")
	if (count == 0)
		fail("no aggregates")
	for (i = 1; i <= count; i++)
	{
		split(lines[i], words, " ")
		value["AGGREGATE"] = words[1]
		value["TRANSITION"] = words[4]
		match(lines[i], /STYPE.*/)
		value["OPTIONS"] = substr(lines[i], RSTART)
		match(value["OPTIONS"], /= [^,]+/)
		value["STATE"] = substr(value["OPTIONS"], RSTART + 2, RLENGTH - 2)
		if (once && (words[2] " " words[4]) in made)
			continue
		made[words[2] " " words[4]] = 1
		for (k = 0; k < 2; k++)
		{
			value["TYPE"] = "encrypted_" words[2] (k ? "_eq" : "")
			expand(file)
		}
	}
}

function substitute(line,	word, rest, out)
{
	out = ""
	while (match(line, /@[A-Z_]+@/))
	{
		word = substr(line, RSTART + 1, RLENGTH - 2)
		rest = substr(line, RSTART + RLENGTH)
		if (!(word in value))
			fail("unknown placeholder " word)
		out = out substr(line, 1, RSTART - 1) value[word]
		line = rest
	}
	return out line
}

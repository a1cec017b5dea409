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

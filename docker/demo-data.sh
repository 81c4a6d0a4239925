#!/bin/sh
# Writes the demo's samples to standard output: the one-line descriptions of the packages
# in ten sections of the machine's package index, as CSV with the columns id (package),
# text and label (section). Of equal descriptions the first package by name stays.
# Usage: docker/demo-data.sh > packages.csv
set -eu
export LC_ALL=C

# A fresh image has no package index. With APT_CONFIG set it is kept where that says, so that no
# root is needed.
if [ "$(apt-cache dumpavail 2>/dev/null | head -n 2000 | grep -c '^Package: ')" -lt 100 ]; then
	if [ "$(id -u)" -eq 0 ] || [ -n "${APT_CONFIG:-}" ]; then
		apt-get update -q >&2
	else
		sudo apt-get update -q >&2
	fi
fi

echo "id,text,label"
apt-cache dumpavail | awk '
	BEGIN {
		split("games sound graphics fonts mail database math science video editors", names, " ")
		for (i in names)
			wanted[names[i]] = 1
	}
	function flush_package() {
		if (package != "" && text != "" && section in wanted)
			print package "\t" text "\t" section
		package = text = section = ""
	}
	/^$/ { flush_package() }
	/^Package: / { package = substr($0, 10) }
	/^Section: / {
		section = substr($0, 10)
		sub(/^.*\//, "", section)
	}
	/^Description(-en)?: / {
		if (text == "") {
			text = $0
			sub(/^[^:]*: /, "", text)
			gsub(/\t/, " ", text)
		}
	}
	END { flush_package() }
' | sort -t "$(printf '\t')" -k1,1 | awk -F '\t' '
	function quoted(field) {
		if (field ~ /[",\r\n]/) {
			gsub(/"/, "\"\"", field)
			return "\"" field "\""
		}
		return field
	}
	!($2 in seen) && !($1 in packages) {
		seen[$2] = packages[$1] = 1
		print quoted($1) "," quoted($2) "," quoted($3)
	}
'

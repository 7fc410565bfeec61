#!/bin/bash
# Prints in which stage of its pipeline garret spends its processor time when it
# stores a directory, stores it again, restores it and checks the repository: a
# table as in PIPELINE.md. Needs perf; everything goes to a tmpfs.
#
#	bench/profile.sh DIRECTORY
set -euo pipefail
garret=$(realpath "${GARRET:-bin/garret}")
[ $# = 1 ] || { sed -n '2,6s/^#[ \t]*//p' "$0"; exit 2; }
command -v perf >/dev/null || { echo "perf is not installed (Debian: linux-perf)" >&2; exit 2; }
source=$(realpath "$1")
work=$(mktemp -d "${TMPFS:-/dev/shm}/garret-profile-XXXXXX")
trap 'rm -rf "$work"' EXIT
export GARRET_PASSPHRASE=benchmark XDG_CACHE_HOME="$work/cache" GARRET_REPO="$work/repo"

# stages classifies each sample by the innermost function of its stack that tells.
# A sample is 1/997 s of one processor.
stages='
function done() { if (stage == "" && any) stage = "other"; if (any) { count[stage]++; all++ }; stage = ""; any = 0 }
function is(name) { if (stage == "") stage = name }
/^[^ \t]/ || /^$/ { done(); next }
{ any = 1 }
/sha256|keys\/multibuffer/ { is("HMAC-SHA-256 of blobs") }
/argon2|keys\.warmHeap/ { is("key derivation") }
/garret\/chunking/ { is("chunking") }
/klauspost|garret\/store\/codec/ { is("compression, filter") }
/fips140\/aes/ { is("AES-GCM") }
/garret\/store\/parity/ { is("parity") }
/hash\/crc32/ { is("CRC32C") }
/runtime\.(gcBgMark|gcDrain|bgsweep|bgscavenge|gcAssist|gcStart|gcMark)/ { is("garbage collection") }
/garret\/store\/backend/ { is("repository: reading, writing, syncing files") }
/garret\/fs\/source/ { is("source: listing, stat, reading") }
/garret\/fs\/restore/ { is("restore: making, writing files") }
/garret\/index/ { is("index") }
/garret\/fs\/(tree|view|snapshot)/ { is("trees, comparing with the parent") }
/garret\/store/ { is("frames, cache, pipeline") }
/runtime\.(schedule|findRunnable|park_m|mcall|sysmon|mstart|goexit|usleep|futex)/ { is("scheduler") }
END { done(); for (s in count) printf "%s\t%.0f\n", s, count[s] * 100 / all; printf "total\t%.2f\n", all / 997 }
'

# profile runs a command and writes what share of its time each stage had.
profile() { # NAME COMMAND...
	local name=$1
	shift
	perf record -q -e cpu-clock -F 997 --call-graph fp -o "$work/perf" -- "$@" >/dev/null 2>&1
	perf script -i "$work/perf" -F comm,ip,sym 2>/dev/null | awk "$stages" >"$work/$name"
}

"$garret" init >/dev/null 2>&1
profile first "$garret" snapshot -q --root "$source" "$source"
profile unchanged "$garret" snapshot -q --root "$source" "$source"
mkdir "$work/out"
profile restore "$garret" restore -q latest "$work/out"
rm -rf "$work/out"
profile check "$garret" check -q --read-data

columns="first unchanged restore check"
echo '| percent of the processor time | snapshot | unchanged | restore | check |'
echo '|---|---|---|---|---|'
(cd "$work" && awk -F'\t' -v columns="$columns" '
	{ share[$1, FILENAME] = $2; most[$1] = most[$1] > $2 || $1 == "total" ? most[$1] : $2; seen[$1] = 1 }
	END {
		n = split(columns, column, " ")
		for (s in seen) if (s != "total" && most[s] >= 1) {
			line = "| " s " |"
			for (i = 1; i <= n; i++) line = line " " (share[s, column[i]] + 0 >= 1 ? share[s, column[i]] : "") " |"
			print most[s] "\t" line
		}
		line = "0\t| **seconds in all** |"
		for (i = 1; i <= n; i++) line = line " **" share["total", column[i]] "** |"
		print line
	}' $columns | sort -t"$(printf '\t')" -k1,1nr | cut -f2)

#!/bin/bash
# Prints a table of what repositories with different parameters take: see
# PARAMETERS.md. Each argument is a directory to store, or two versions of one,
# A:B. Everything goes to a tmpfs.
#
#	COMPRESSION="auto auto,zstd,1" FRAMES="512 1024" CHUNKS="128 512" bench/parameters.sh TREE OLD:NEW
set -euo pipefail
garret=$(realpath "${GARRET:-bin/garret}")
[ $# -gt 0 ] || { sed -n '2,7s/^#[ \t]*//p' "$0"; exit 2; }
work=$(mktemp -d "${TMPFS:-/dev/shm}/garret-parameters-XXXXXX")
trap 'rm -rf "$work"' EXIT
export GARRET_PASSPHRASE=benchmark XDG_CACHE_HOME="$work/cache"

stored() { du -sb --apparent-size "$work/repo" | cut -f1; }

# cpu runs a command and prints the seconds of processor time it took.
TIMEFORMAT='%U %S'
cpu() {
	{ time "$@" >/dev/null 2>"$work/messages"; } 2>&1 | awk '{printf "%.2f", $1 + $2}'
}

echo '| compression | frame, KiB | chunk, KiB | files | MB | cpu, s | added, MB |'
echo '|---|---|---|---|---|---|---|'
for compression in ${COMPRESSION:-auto}; do
	for frame in ${FRAMES:-512 1024}; do
		for chunk in ${CHUNKS:-128 512}; do
			for tree in "$@"; do
				old=${tree%%:*}
				"$garret" -r "$work/repo" init --compression "$compression" --frame-size "$frame" --chunk-size "$chunk" >/dev/null 2>&1
				seconds=$(cpu "$garret" -r "$work/repo" snapshot -q --root "$old" "$old")
				first=$(stored) added=
				if [ "$old" != "$tree" ]; then
					new=${tree#*:}
					"$garret" -r "$work/repo" snapshot -q --root "$new" "$new" >/dev/null
					added=$(awk "BEGIN {printf \"%.2f\", ($(stored) - $first) / 1e6}")
				fi
				echo "| $compression | $frame | $chunk | $(basename "$old") | $(awk "BEGIN {printf \"%.1f\", $first / 1e6}") | $seconds | $added |"
				rm -rf "$work/repo" "$work/cache"
			done
		done
	done
done

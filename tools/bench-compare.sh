#!/usr/bin/env bash
# Runs the micro-benchmarks of a revision and of the working tree in turn, and shows what changed.
#   bench-compare.sh REVISION [REGEXP]      ROUNDS=8 and TIME=200ms are the defaults
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:?BASE is missing; as: make bench-compare BASE=HEAD~1}
benchmarks=${2:-.}
rounds=${ROUNDS:-8}
time=${TIME:-200ms}
packages="msg beacon internal/zmtp internal/ipc internal/eventqueue node zre"

scratch=$(mktemp -d)
cleanup() {
	git worktree remove --force "$scratch/tree" 2>/dev/null || true
	rm -rf "$scratch"
}
trap cleanup EXIT
git worktree add --quiet --detach "$scratch/tree" "$base" || {
	echo "bench-compare: there is no revision $base" >&2
	exit 1
}
mkdir "$scratch/base" "$scratch/work"
for package in $packages; do
	name=${package//\//-}
	[ ! -d "$scratch/tree/$package" ] || (cd "$scratch/tree" && go test -c -o "$scratch/base/$name" "./$package")
	go test -c -o "$scratch/work/$name" "./$package"
done

# As root they run in a separate network namespace; otherwise they use only 127.0.0.1.
apart=()
if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
	apart=(unshare -n sh -c 'ip link set lo up && exec "$@"' sh)
fi
for round in $(seq "$rounds"); do
	echo "round $round of $rounds" >&2
	for side in base work; do
		for package in $packages; do
			program=$scratch/$side/${package//\//-}
			[ -x "$program" ] || continue
			echo "pkg: $package" >>"$scratch/$side.txt"
			(cd "$package" && "${apart[@]}" "$program" -test.run '^$' -test.bench "$benchmarks" -test.benchtime "$time" -test.benchmem \
				-test.timeout 10m | { grep '^Benchmark' || true; }) >>"$scratch/$side.txt"
		done
	done
done
go tool -modfile=tools/go.mod benchstat "$base=$scratch/base.txt" "work=$scratch/work.txt"

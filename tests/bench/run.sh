#!/bin/sh
# Runs a benchmark: builds, measures ours and the peer in the same run, prints the table.
# Usage: tests/bench/run.sh NAME [--json FILE] [arguments of the benchmark]
# Without NAME lists the benchmarks. Exits 77 where NAME needs FREEAL_DATA and it is not set.
set -eu
cd "$(dirname "$0")/../.."

if [ $# -eq 0 ]; then
	for file in tests/bench/bench_*.py; do
		name=${file#tests/bench/bench_}
		printf '%-18s %s\n' "${name%.py}" "$(sed -n '1s/^"""\([^.]*\).*/\1/p' "$file")"
	done
	exit 0
fi
name=$1
shift
bench=tests/bench/bench_$name.py
[ -f "$bench" ] || { echo "run.sh: no benchmark '$name'" >&2; exit 2; }
if grep -q '^NEEDS_DATA = True' "$bench" && [ -z "${FREEAL_DATA:-}" ]; then
	echo "run.sh: skipped, $name needs the data folder in FREEAL_DATA" >&2
	exit 77
fi

docker/install-deps.sh run build test >&2
[ "$name" != annotator ] || docker/install-deps.sh bench >&2
mkdir -p build
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release >build/configure.log 2>&1 || {
	cat build/configure.log >&2
	exit 1
}
ninja -C build --quiet >&2
if ! build/venv/bin/python -c 'import sklearn' 2>/dev/null; then
	python3 -m venv build/venv
	build/venv/bin/pip -q install numpy scipy scikit-learn >&2
fi
exec build/venv/bin/python "$bench" "$@"

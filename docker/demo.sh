#!/bin/sh
# The demo: installs packages, builds, labels the package index end to end without an API
# key and prints the result. The LLM's place is taken by freeal-mockllm, which labels by
# keywords. Everything it makes is kept in build/ and build/demo/.
# Usage: docker/demo.sh
set -eu
cd "$(dirname "$0")/.."
out=build/demo

docker/install-deps.sh run build
mkdir -p build
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF >build/configure.log 2>&1 || {
	cat build/configure.log >&2
	exit 1
}
ninja -C build --quiet

mkdir -p "$out"
rm -rf "$out/out" "$out/port"
docker/demo-data.sh >"$out/packages.csv"
echo "demo: $(($(wc -l <"$out/packages.csv") - 1)) package descriptions in $out/packages.csv"

build/bin/freeal-mockllm --listen 127.0.0.1:0 --port-file "$out/port" --mode offline \
	--task docker/demo-task.yaml >"$out/mockllm.log" 2>&1 &
mock=$!
trap 'kill "$mock" 2>/dev/null || true; wait "$mock" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
waited=0
while [ ! -s "$out/port" ]; do
	waited=$((waited + 1))
	if [ "$waited" -gt 100 ] || ! kill -0 "$mock" 2>/dev/null; then
		echo "demo: freeal-mockllm did not start:" >&2
		cat "$out/mockllm.log" >&2
		exit 1
	fi
	sleep 0.1
done

sed "s|http://127.0.0.1:8900|http://127.0.0.1:$(cat "$out/port")|" docker/demo-task.yaml >"$out/task.yaml"
build/bin/freeal run "$out/task.yaml" --input "$out/packages.csv" --out "$out/out"

echo
echo "demo: the first labels of $out/out/labels.jsonl:"
head -n 5 "$out/out/labels.jsonl"

#!/bin/sh
# Installs packages, builds and runs the tests that need neither Docker nor much time.
# Usage: tests/run.sh [--sanitize] [ctest arguments]
#	--sanitize	builds in build-asan/ with AddressSanitizer and UBSan
set -eu
cd "$(dirname "$0")/.."
build=build
sanitize=""
if [ "${1:-}" = --sanitize ]; then
	build=build-asan
	sanitize=address,undefined
	shift
fi

docker/install-deps.sh run build test
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON -DSANITIZE="$sanitize"
ninja -C "$build"
exec ctest --test-dir "$build" -LE 'docker|slow|bench|fault-all' --output-on-failure \
	-j "$(nproc)" "$@"

#!/bin/sh
# Installs packages, builds and runs the tests that need neither Docker nor much time.
# Usage: tests/run.sh [--sanitize | --tsan | --mpi] [ctest arguments]
#	--sanitize	builds in build-asan/ with AddressSanitizer and UBSan
#	--tsan		builds in build-tsan/ with ThreadSanitizer
#	--mpi		builds in build-mpi/ with MPI and runs the tests of label mpi alone
set -eu
cd "$(dirname "$0")/.."
build=build
sanitize=""
mpi=OFF
if [ "${1:-}" = --sanitize ]; then
	build=build-asan
	sanitize=address,undefined
	shift
elif [ "${1:-}" = --tsan ]; then
	build=build-tsan
	sanitize=thread
	export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp ignore_noninstrumented_modules=1 exitcode=66"
	shift
elif [ "${1:-}" = --mpi ]; then
	build=build-mpi
	mpi=ON
	shift
	docker/install-deps.sh mpi
	set -- -L mpi "$@"
fi

docker/install-deps.sh run build test
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON -DSANITIZE="$sanitize" \
	-DWITH_MPI="$mpi"
ninja -C "$build"
exec ctest --test-dir "$build" -LE 'docker|slow|bench' --output-on-failure \
	-j "$(nproc)" "$@"

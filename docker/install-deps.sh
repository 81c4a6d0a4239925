#!/bin/sh
# The one list of packages, for Debian 12 and Ubuntu 24.04. Installs the named sets:
#	run     what the programs need to run
#	build   what it takes to compile them
#	image   what the container image needs besides
#	base    what docker/base-image.sh needs where no registry answers
#	mpi     what a build with -DWITH_MPI=ON needs besides
#	test    what the tests and benchmarks need besides
#	bench   the web server that the benchmark "annotator" asks
# Does nothing where all are there. Usage: docker/install-deps.sh run|build|image|base|mpi|test|bench ...
set -eu

# A|B: one of them, the first that there is.
run="ca-certificates libcurl4 libdnnl2|libdnnl3 libjansson4 liblmdb0 libmicrohttpd12 libopenblas0-pthread
	libprotobuf-c1 libsodium23 libyaml-0-2 libzmq5 zlib1g"
build="cmake g++ gcc libc6-dev libcurl4-openssl-dev libdnnl-dev libjansson-dev liblmdb-dev
	libmicrohttpd-dev libopenblas-pthread-dev libprotobuf-c-dev libsodium-dev libyaml-dev
	libzmq3-dev ninja-build pkg-config protobuf-c-compiler protobuf-compiler zlib1g-dev"
image="tini"
base="debootstrap"
mpi="libopenmpi-dev openmpi-bin"
test="ca-certificates curl git libcmocka-dev procps python3 python3-venv sqlite3"
bench="libnginx-mod-http-echo nginx"

[ $# -gt 0 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
wanted=""
for set in "$@"; do
	case $set in
	run) wanted="$wanted $run" ;;
	build) wanted="$wanted $build" ;;
	image) wanted="$wanted $image" ;;
	base) wanted="$wanted $base" ;;
	mpi) wanted="$wanted $mpi" ;;
	test) wanted="$wanted $build $test" ;;
	bench) wanted="$wanted $bench" ;;
	*) echo "install-deps.sh: unknown set '$set': use run, build, image, base, mpi, test or bench" >&2; exit 2 ;;
	esac
done

# Ubuntu 24.04 calls some libraries NAMEt64; they provide NAME.
is_installed()
{
	for name in $(echo "$1" | tr '|' ' '); do
		dpkg-query -W -f '${db:Status-Abbrev}\n' "$name" "${name}t64" 2>/dev/null |
			grep -q '^ii ' && return
	done
	return 1
}

# The alternative that this system's index has; the first where it has none, so that apt says so.
chosen()
{
	for name in $(echo "$1" | tr '|' ' '); do
		apt-cache show "$name" >/dev/null 2>&1 && break
		name=${1%%|*}
	done
	echo "$name"
}

missing=""
for package in $wanted; do
	is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "install-deps.sh: these packages are missing, run as root:$missing" >&2
		exit 1
	}
	as_root="sudo"
fi

install()
{
	names=""
	for package in $missing; do
		names="$names $(chosen "$package")"
	done
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		-o Dpkg::Use-Pty=0 $names
}

# The index may be absent or older than what the mirrors hold.
$as_root apt-get update -q || echo "install-deps.sh: apt-get update failed, trying with what is there" >&2
install

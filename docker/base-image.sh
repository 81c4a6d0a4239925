#!/bin/sh
# Sees to the base image that docker/Dockerfile names: there already, pulled from the
# registry, or, where no registry answers, made with debootstrap from Debian's archive.
# Usage: docker/base-image.sh
set -eu
cd "$(dirname "$0")/.."
image=$(sed -n 's/^ARG BASE=//p' docker/Dockerfile)
suite=bookworm
mirror=${FREEAL_DEBIAN_MIRROR:-http://deb.debian.org/debian}

if docker image inspect "$image" >/dev/null 2>&1; then
	exit 0
fi
if timeout "${FREEAL_PULL_SECONDS:-60}" docker pull "$image"; then
	exit 0
fi
echo "base-image.sh: no registry answers; making $image with debootstrap" >&2
docker/install-deps.sh base >&2
[ "$(id -u)" -eq 0 ] || {
	echo "base-image.sh: debootstrap needs root; run this script as root" >&2
	exit 1
}
root=$(mktemp -d /var/tmp/freeal-base.XXXXXX)
trap 'rm -rf "$root"' EXIT
trap 'exit 130' INT TERM
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 || {
	tail -n 20 "$root.log" >&2
	rm -f "$root.log"
	exit 1
}
rm -f "$root.log"
# The updates that an image of a registry has, too.
cat >"$root/etc/apt/sources.list" <<-SOURCES
	deb $mirror $suite main
	deb $mirror $suite-updates main
	deb http://security.debian.org/debian-security $suite-security main
SOURCES
rm -rf "$root/var/cache/apt/archives"/*.deb "$root/var/lib/apt/lists"/*
tar -C "$root" -c . | docker import - "$image"

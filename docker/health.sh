#!/bin/sh
# A worker's health: its connection to the coordinator's bus is established. The kernel's
# table of this container says so; nothing is asked of the worker, whose loop may be busy.
# Usage: health.sh PORT
set -eu
port=$(printf '%04X' "$1")
# local address, remote address, state 01 (established)
grep -Eqs "^ *[0-9]+: [0-9A-F]+:[0-9A-F]{4} [0-9A-F]+:$port 01 " /proc/net/tcp /proc/net/tcp6

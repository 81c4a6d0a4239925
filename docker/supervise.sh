#!/bin/sh
# Runs a program and starts it again when it crashes: when a signal ends it (such as the
# kernel for want of memory), or when it ends with 1 (failed) or 4 (storage failed). Every
# other exit code is the program's answer and becomes that of this script. SIGTERM and
# SIGINT are passed on as SIGTERM, and the end of the program is waited for.
#
# A program that crashes within QUICK_S seconds of its start five times in a row is given
# up; the exit code is then that of its last crash.
#
# Where FREEAL_RESTART says that Docker restarts whatever ends (always, unless-stopped), a
# program that ended with an error is waited with instead, until this script is told to stop:
# ending would be a restart loop.
# Usage: supervise.sh NAME PROGRAM [ARGUMENTS]
set -u

CRASHES_MAX=5
QUICK_S=60
PAUSE_S_MAX=16

name=$1
shift
child=""
child_signal=TERM
stopping=""
signalled=""

say()
{
	echo "supervise: $*" >&2
}

# Seconds since the machine's start: no clock that somebody sets.
now()
{
	read -r seconds _ </proc/uptime
	echo "${seconds%.*}"
}

on_stop()
{
	stopping=1
	signalled=1
	[ -z "$child" ] || kill "-$child_signal" "$child" 2>/dev/null
}
trap on_stop TERM INT

# Starts $2... as the child, which the signal $1 ends. A signal that came before the child had
# its name is passed on here: on_stop could not.
child_start()
{
	child_signal=$1
	shift
	"$@" &
	child=$!
	[ -z "$stopping" ] || kill "-$child_signal" "$child" 2>/dev/null
}

# Waits for the child; the status is in $status. A trapped signal cuts `wait` short.
child_wait()
{
	wait "$child"
	status=$?
	while [ -n "$signalled" ]; do
		signalled=""
		wait "$child" 2>/dev/null
		again=$?
		# 127: the first wait had the child's own status.
		[ "$again" -eq 127 ] || status=$again
	done
	child=""
}

# Sleeps $1 seconds, or until this script is told to stop. KILL, because a copy of this shell
# that has not become `sleep` yet would take TERM for one of its own traps and forget it; what
# the shell says of that is nobody's concern.
nap()
{
	child_start KILL sleep "$1"
	wait "$child" 2>/dev/null
	wait "$child" 2>/dev/null
	child=""
	signalled=""
}

# Ends with the exit code $1, now or when it does not make Docker start everything again.
finish()
{
	case $1:${FREEAL_RESTART:-no} in
	0:*) ;;
	*:always | *:unless-stopped)
		[ -n "$stopping" ] || say "$name has ended with exit code $1; mend it and start it again"
		while [ -z "$stopping" ]; do
			nap 3600
		done
		;;
	esac
	exit "$1"
}

crashes=0
while :; do
	started=$(now)
	child_start TERM "$@"
	child_wait
	code=$status
	if [ "$code" -gt 128 ] && [ "$code" -ne 130 ]; then
		how="ended by signal $((code - 128))"
	elif [ "$code" -eq 1 ] || [ "$code" -eq 4 ]; then
		how="failed with exit code $code"
	else
		finish "$code"
	fi
	[ -z "$stopping" ] || exit "$code"

	[ $(($(now) - started)) -lt "$QUICK_S" ] || crashes=0
	crashes=$((crashes + 1))
	if [ "$crashes" -ge "$CRASHES_MAX" ]; then
		say "$name $how, $crashes times in a row; given up (exit code $code)"
		finish "$code"
	fi
	pause=$((1 << (crashes - 1)))
	[ "$pause" -le "$PAUSE_S_MAX" ] || pause=$PAUSE_S_MAX
	say "$name $how; starts again in $pause s ($crashes of at most $((CRASHES_MAX - 1)) times in a row)"
	nap "$pause"
	[ -z "$stopping" ] || exit 0
done

#!/bin/sh
# The image's entry point: a service's name, `setup`, `up`, or `cli` with a command of
# `freeal`. Anything else is run as it is.
#
# What works in ./project (mounted at /project) does so with its owner's user and group,
# so that results belong to whoever put the data there. Such a container starts as root
# with three capabilities (SETUID, SETGID and SETPCAP) and gives up all of them before the
# first program is run; or it is started with FREEAL_UID and FREEAL_GID at once.
set -eu
lib=/usr/local/lib/freeal
project=/project

fail()
{
	echo "freeal: $*" >&2
	exit 2
}

# Runs a command as the owner of ./project, without capabilities, in the place of this one.
as_owner()
{
	if [ "$(id -u)" -ne 0 ]; then
		[ "$(id -g)" -ne 0 ] || fail "FREEAL_UID is set; set FREEAL_GID, too (id -g shows it)"
		exec "$@"
	fi
	exec setpriv --reuid "$(stat -c %u $project)" --regid "$(stat -c %g $project)" \
		--groups 10001 --inh-caps=-all --bounding-set=-all --no-new-privs "$@"
}

[ $# -gt 0 ] || set -- cli --help
role=$1
shift
case $role in
coordinator)
	exec $lib/supervise.sh freeal-coordinator $lib/entry.sh coordinator-start "$@"
	;;
coordinator-start)
	if [ ! -s "${FREEAL_TASK:-}" ]; then
		fail "there is no task file. Put task.yaml and your data (*.csv, *.tsv or *.jsonl, also
as .gz) into ./project and start again. To have a task file written from your columns:
    docker compose run --rm cli init data.csv --output task.yaml"
	fi
	exec freeal-coordinator "$@"
	;;
annotator | selector | trainer | mockllm)
	exec $lib/supervise.sh "freeal-$role" "freeal-$role" "$@"
	;;
setup)
	exec $lib/setup.sh
	;;
demo-project)
	as_owner $lib/demo-project.sh $project
	;;
up)
	as_owner tini -- $lib/supervise.sh "freeal up" freeal up "$@"
	;;
cli)
	as_owner tini -- freeal "$@"
	;;
*)
	exec "$role" "$@"
	;;
esac

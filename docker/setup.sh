#!/bin/sh
# Before each start: makes what is missing (key pairs of the four roles in /keys, the HTTP
# token in /token) and copies the task file to /task, where the coordinator may read it
# without access to ./project. Started as root, to be able to act as one or the other.
set -eu
umask 077

as_service()
{
	setpriv --reuid 10001 --regid 10001 --clear-groups --inh-caps=-all --bounding-set=-all \
		--no-new-privs "$@"
}

as_owner()
{
	setpriv --reuid "${FREEAL_UID:-$(stat -c %u /project)}" \
		--regid "${FREEAL_GID:-$(stat -c %g /project)}" --clear-groups --inh-caps=-all \
		--bounding-set=-all --no-new-privs "$@"
}

# Standard input becomes the file $1 with the mode $2, complete or not at all.
publish='cat >"$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"'

as_service freeal keys /keys

as_service test -s /token/token ||
	od -A n -t x1 -N 32 /dev/urandom | tr -d ' \n' |
	as_service sh -c "$publish" sh /token/token 0640

# Without a task file the coordinator says what to do.
if as_owner test -e /project/task.yaml; then
	as_owner test -r /project/task.yaml || {
		echo "freeal: ./project/task.yaml can't be read by the owner of ./project, or FREEAL_UID" >&2
		exit 2
	}
	as_owner cat /project/task.yaml | as_service sh -c "$publish" sh /task/task.yaml 0600
else
	as_service rm -f /task/task.yaml
fi

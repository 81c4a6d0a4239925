/*
 * The audit of `freeal doctor`: lets the services' programs read what they have stored. They
 * must be stopped.
 */
#ifndef FREEAL_CLI_AUDIT_H
#define FREEAL_CLI_AUDIT_H

#include "cli/place.h"

/* Folders of single services, or copies of them; NULL: not given. */
struct audit_places {
	const char *project, *selector, *trainer;
	const char *acknowledged; /* of the coordinator's audit */
};

/* Audits the single folders given, or else all of the project at `place`. Returns the exit code:
 * that of the first program that could not do it, else 1 where something is not as it must be. */
int audit_places(const struct place *place, const struct audit_places *single);

#endif

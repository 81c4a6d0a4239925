/*
 * Which demonstrations a sample's prompt has: for people who want to see it.
 */
#ifndef FREEAL_COORDINATOR_SHOTS_H
#define FREEAL_COORDINATOR_SHOTS_H

#include "base/err.h"
#include "proto/project.pb-c.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

/*
 * JSON, to be freed by the caller: {"demonstrations": [{"text", "label"}, ...]} in the order of
 * the prompt, as RETRIEVE chose them for the sample in that round; empty where it has chosen none
 * (yet). ERR_NOT_FOUND: there is no such sample. On any thread.
 */
WARN_UNUSED enum err shots_make(struct store *store, const Freeal__Project *project, const char *id,
				size_t id_bytes, uint32_t round, char **ret_json);

#endif

/*
 * Where a trainer keeps final models: the last one that it made, which the coordinator
 * pulls, and the last one that it pulled from the coordinator, which another made.
 */
#ifndef FREEAL_TRAINER_MODEL_FOLDERS_H
#define FREEAL_TRAINER_MODEL_FOLDERS_H

#include "base/err.h"

#include <stdint.h>

struct model_folders {
	char made[4096], pulled[4096];
};

/* Below `dir`. */
enum err model_folders_set(struct model_folders *models, const char *dir,
			   struct err_msg *msg) WARN_UNUSED;
/* The folder that holds the model of that checksum; NULL: neither. */
const char *model_folders_find(const struct model_folders *models, uint64_t checksum);
/* Removes both. */
void model_folders_delete(const struct model_folders *models);

#endif

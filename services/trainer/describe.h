/*
 * What a checkpoint or a trained model is, for people: its kind and size, the memory that it
 * takes, and how long a pass over that many samples and the default trainings on them take here.
 */
#ifndef FREEAL_TRAINER_DESCRIBE_H
#define FREEAL_TRAINER_DESCRIBE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Prints a line per fact on `out`. Steps of a training are run to measure them. `ret_good`: it
 * can be trained here. Errors: it can't be used at all.
 */
enum err describe_folder(const char *folder, uint64_t sample_count, uint32_t thread_count,
			 FILE *out, bool *ret_good, struct err_msg *msg) WARN_UNUSED;

#endif

/*
 * A trained model of any type, and folders that hold one. The folder's description says which
 * type it is; a folder of Hugging Face's without one is an encoder with a classifier.
 */
#ifndef FREEAL_TRAINER_MODEL_H
#define FREEAL_TRAINER_MODEL_H

#include "base/err.h"
#include "trainer/progress.h"

#include <stddef.h>
#include <stdint.h>

struct model;

/*
 * `precision`: of an encoder, as in encoder_options.
 * ERR_NOT_FOUND: no model there; ERR_VERSION: written by another version; ERR_CORRUPT: damaged;
 * ERR_INVALID: none that we can read.
 */
enum err model_load(const char *folder, uint32_t thread_count, int precision,
		    struct model **ret_model, struct err_msg *msg) WARN_UNUSED;
void model_free(struct model *m);

size_t model_class_count(const struct model *m);
char **model_labels(const struct model *m); /* (class_count), borrowed */
uint64_t model_checksum(const struct model *m);

/* Class probabilities (count, class_count) of texts (UTF-8). ERR_CANCELLED. */
enum err model_predict(struct model *m, const char *const *texts, const size_t *sizes, size_t count,
		       const struct progress *progress, float *ret_probs,
		       struct err_msg *msg) WARN_UNUSED;

/* Which model a folder of ours holds, without reading its weights. Errors as model_load's. */
enum err model_folder_checksum(const char *folder, uint64_t *ret_checksum,
			       struct err_msg *msg) WARN_UNUSED;
/* That it is whole: reads all of it. Errors as model_load's. */
enum err model_folder_check(const char *folder, size_t *ret_class_count,
			    struct err_msg *msg) WARN_UNUSED;

#endif

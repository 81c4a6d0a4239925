/*
 * model.json: what a model's folder says about itself, for people and programs: format,
 * version, type, label names, the checksum that names the model, and what its type adds.
 */
#ifndef FREEAL_TRAINER_DESCRIPTION_H
#define FREEAL_TRAINER_DESCRIPTION_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define DESCRIPTION_NAME "model.json"

enum { DESCRIPTION_VERSION = 1 };

enum model_type {
	MODEL_NGRAM,
	MODEL_ENCODER,
};

struct description {
	enum model_type type;
	size_t label_count; /* at least 2 */
	char **labels;	    /* (label_count), owned */
	uint64_t checksum;
	uint32_t columns, bits; /* ngram; written, not read */
	uint32_t tokens;	/* encoder: longer texts are cut */
};

/*
 * ERR_NOT_FOUND: no such file; ERR_VERSION: written by another version; ERR_CORRUPT: damaged, or
 * no model that we know. description_done() the result.
 */
enum err description_read(const char *folder, struct description *ret,
			  struct err_msg *msg) WARN_UNUSED;
void description_done(struct description *d);

/* A new file in `folder`; on disk on ERR_OK. */
enum err description_write(const struct description *d, const char *folder,
			   struct err_msg *msg) WARN_UNUSED;

#endif

/*
 * The tensors of a checkpoint: what each family calls them, and where they lie in the
 * parameters. Inside the encoder's library; others use weights.h.
 */
#ifndef FREEAL_TRAINER_ENCODER_WEIGHTS_NAMES_H
#define FREEAL_TRAINER_ENCODER_WEIGHTS_NAMES_H

#include "trainer/encoder/parameters.h"

#include <stdbool.h>
#include <stddef.h>

#define WEIGHTS_NAME_BYTES 96

enum weights_part {
	WEIGHTS_BODY,
	WEIGHTS_HEAD_DENSE,
	WEIGHTS_HEAD_OUT,
};

struct weights_tensor {
	char name[WEIGHTS_NAME_BYTES];	   /* without prefix */
	char name_old[WEIGHTS_NAME_BYTES]; /* of LayerNorm in old files (gamma, beta); else "" */
	enum weights_part part;
	bool in_base; /* has the family's prefix in a model with a head */
	bool bias;
	size_t dims; /* 1 or 2 */
	size_t shape[2];
	size_t offset; /* of its floats in the parameters */
};

struct weights_names {
	struct weights_tensor *list; /* (count) in the parameters' order */
	size_t count;
};

/* Those of all parameters that have rows. */
enum err weights_names_init(struct weights_names *n, const struct parameters *p) WARN_UNUSED;
void weights_names_done(struct weights_names *n);

size_t weights_tensor_elements(const struct weights_tensor *t);

/* "bert." and so on. */
const char *weights_prefix(enum encoder_family family);
/* The name of the classifier's last matrix, whose rows are the classes. */
const char *weights_classifier(enum encoder_family family);
/* Such as "BertForSequenceClassification". */
const char *weights_architecture(enum encoder_family family);

#endif

/*
 * Weights between a Hugging Face checkpoint (model.safetensors) and the parameters.
 */
#ifndef FREEAL_TRAINER_ENCODER_WEIGHTS_H
#define FREEAL_TRAINER_ENCODER_WEIGHTS_H

#include "base/err.h"
#include "trainer/encoder/parameters.h"

#include <stdint.h>

/* What of the head was found in a file. */
struct weights_found {
	bool head_dense; /* BERT's pooler; the others' dense layer of a classifier */
	bool head_out;	 /* a classifier with as many classes as the parameters have */
};

/*
 * Fills `ret_weights` (p->size) from FOLDER/model.safetensors: F32, F16 or BF16, with or without
 * the prefix "bert." (or the family's), LayerNorm also as gamma and beta. What is missing of the
 * head is drawn from N(0, initializer_range) by `seed`, its biases are 0; anything else that is
 * missing or of another shape is ERR_INVALID, and the message names the tensor. Tensors that are
 * not needed (position_ids, an LM head) are left alone. Weights in another format (several files,
 * pytorch_model.bin) are ERR_INVALID, with how to convert them. After an error `ret_weights` may
 * be partly written.
 */
enum err weights_load(const char *folder, const struct parameters *p, uint64_t seed,
		      float *ret_weights, struct weights_found *ret_found,
		      struct err_msg *msg) WARN_UNUSED;

/* Classes of the classifier that FOLDER/model.safetensors holds; 0: none. */
enum err weights_class_count(const char *folder, const struct encoder_config *config,
			     size_t *ret_count, struct err_msg *msg) WARN_UNUSED;

/*
 * Writes a model folder that `AutoModelForSequenceClassification.from_pretrained` reads:
 * model.safetensors (F32, names of the family), config.json (that of `source` with
 * "architectures", "id2label", "label2id", "problem_type" and "dtype" set), tokenizer files of
 * `source`, and model.json (description.h), with the tokens at which texts are cut; 0: what the
 * model can do. `label_names`: p->class_count, at least 2. Written beside FOLDER, synced and
 * renamed. The checksum names the model: another one has another (it covers weights, labels and
 * tokenizer files).
 */
enum err weights_save(const char *source, const struct parameters *p, const float *weights,
		      const char *const *label_names, uint32_t tokens_max, const char *folder,
		      uint64_t *ret_checksum, struct err_msg *msg) WARN_UNUSED;

struct weights_labels {
	size_t count;
	char **names; /* (count) */
};

/* The label names and the checksum of a folder that weights_save wrote, without reading the
 * weights. A folder from elsewhere that has a classifier: its id2label, and a checksum of its
 * files, which are read. ERR_NOT_FOUND: no model; ERR_INVALID: of another kind; ERR_CORRUPT:
 * damaged, or files that don't belong together. */
enum err weights_labels_load(const char *folder, struct weights_labels *ret_labels,
			     uint64_t *ret_checksum, struct err_msg *msg) WARN_UNUSED;
void weights_labels_done(struct weights_labels *labels);

/* ERR_CORRUPT: a byte of the folder's files is not as weights_save wrote it. Reads them all. */
enum err weights_check(const char *folder, struct err_msg *msg) WARN_UNUSED;

#endif

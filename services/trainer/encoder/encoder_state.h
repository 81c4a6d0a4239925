/* What the files encoder*.c share. */
#ifndef FREEAL_TRAINER_ENCODER_ENCODER_STATE_H
#define FREEAL_TRAINER_ENCODER_ENCODER_STATE_H

#include "trainer/encoder/encoder.h"

#include "tokenizer/tokenizer.h"

/* Parameters with a network over them, which points to them: it stays where it is. */
struct encoder_network {
	struct parameters parameters;
	struct network *network; /* NULL: there is none */
};

struct encoder {
	char *folder;
	struct encoder_config config;
	struct tokenizer *tokenizer;
	struct team *team;
	enum precision precision;
	uint32_t tokens_max, frozen;
	struct encoder_network pass; /* for vectors of a start checkpoint, or a trained model */
};

struct encoder_data {
	struct rows texts, second;
	bool any_second;
	size_t cut;
};

/* Made for those limits and filled from the checkpoint. ERR_LIMIT: more memory than there is. */
enum err encoder_network_init(struct encoder_network *n, struct encoder *e, size_t class_count,
			      const struct network_limits *limits, uint64_t seed,
			      struct weights_found *ret_found, struct err_msg *msg) WARN_UNUSED;
void encoder_network_done(struct encoder_network *n);

/* Bytes of a network and, where it is for training, all that the training needs beside it. */
size_t encoder_bytes(const struct encoder *e, const struct parameters *p,
		     const struct network_limits *limits);
/* ERR_LIMIT: `bytes` are more than there are; `limits` say what for. */
enum err encoder_bytes_check(const struct encoder *e, size_t bytes,
			     const struct network_limits *limits, struct err_msg *msg) WARN_UNUSED;

#endif

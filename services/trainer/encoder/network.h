/*
 * The encoder with its classification head: forward and backward over packed batches.
 *
 * A batch's texts lie one behind the other without padding. Everything that a step needs is
 * allocated by network_new. The head works on sentence states, which are the last layer's states
 * of each text's first token, so that mixtures of them (mixup) go through it like texts.
 *
 * Post-LN blocks (Vaswani et al. 2017; Devlin et al. 2019), exact GELU. Results depend on the
 * arguments, the team's size and the engine.
 */
#ifndef FREEAL_TRAINER_ENCODER_NETWORK_H
#define FREEAL_TRAINER_ENCODER_NETWORK_H

#include "trainer/encoder/dropout.h"
#include "trainer/encoder/gemm.h"
#include "trainer/encoder/parameters.h"

#include <stdatomic.h>
#include <stdbool.h>

struct batch {
	size_t text_count, token_count;
	const uint32_t *ids;	 /* (token_count), special tokens included */
	const uint32_t *offsets; /* (text_count + 1) */
	const uint64_t *keys;	 /* (text_count) names each text to dropout; NULL without dropout */
	/* Sentence states are all that is wanted: the last layer makes no others, which saves
	 * most of it. What training and prediction set. */
	bool sentences_only;
};

struct network_limits {
	size_t tokens_max;	/* of a batch */
	size_t texts_max;	/* of a batch */
	size_t states_max;	/* rows that the head takes at once */
	size_t text_tokens_max; /* of a text */
	bool training;		/* gradients and what the backward pass needs */
	uint32_t frozen; /* the embeddings and the lowest layers 0 .. frozen-1 are not trained, and
			  * run without dropout; 0: all is trained */
};

struct network;

/* `p` and `team` are borrowed. The weights are 0. */
enum err network_new(const struct parameters *p, const struct network_limits *limits,
		     struct team *team, enum precision precision, struct network **ret_network,
		     struct err_msg *msg) WARN_UNUSED;
void network_free(struct network *n);
/* Bytes that network_new will take, within a few percent. */
size_t network_bytes(const struct parameters *p, const struct network_limits *limits,
		     size_t worker_count, enum precision precision);

const struct parameters *network_parameters(const struct network *n);
/* As they are kept: no more texts and no longer ones than tokens. */
const struct network_limits *network_limits(const struct network *n);
struct gemm *network_gemm(struct network *n);
struct team *network_team(struct network *n);
float *network_weights(struct network *n); /* (size); after a change call the next */
void network_weights_changed(struct network *n);
/* The bf16 copies of the weights from offset `ret_first` on, for whoever writes them together
 * with the weights instead of calling network_weights_changed; NULL with PRECISION_FP32. */
bf16 *network_half(struct network *n, size_t *ret_first);
/* Offset of the first parameter that is trained; all behind it are. */
size_t network_trained(const struct network *n);
float *network_gradients(struct network *n); /* (size); NULL without training */

/* Looked at before each layer, forward and backward: once it is set, what they make is garbage
 * that comes soon. Borrowed; NULL: none. */
void network_cancel(struct network *n, const atomic_bool *cancel);

/* `d` NULL: no dropout. In training the activations are kept for network_backward. */
void network_forward(struct network *n, const struct batch *b, const struct dropout_step *d);
/* The embeddings and the frozen layers alone, for network_frozen_states. */
void network_forward_frozen(struct network *n, const struct batch *b);
/* network_forward, but from the states that enter layer `frozen` (token_count, hidden); NULL:
 * from the texts. */
void network_forward_from(struct network *n, const struct batch *b, const float *states,
			  const struct dropout_step *d);
/* The states that enter layer `frozen`, of the last network_forward or
 * network_forward_frozen; NULL where that is 0. */
const float *network_frozen_states(const struct network *n);
/* The last layer's states (token_count, hidden) of the last forward; not of sentences_only. */
const float *network_states(const struct network *n);
/* ret (text_count, hidden): means over each text's tokens (not of sentences_only). */
void network_mean_pool(const struct network *n, const struct batch *b, float *ret);
/* ret (text_count, hidden): the states of the texts' first tokens. */
void network_sentences(const struct network *n, const struct batch *b, float *ret);

/* The head over `count` sentence states: ret (count, classes). `keys` (count) name the rows to
 * dropout. */
void network_head(struct network *n, const float *sentences, size_t count, const uint64_t *keys,
		  const struct dropout_step *d, float *ret_logits);
/* Adds the head's gradients for the last network_head; writes the sentence states' (count,
 * hidden). */
void network_head_backward(struct network *n, const float *dlogits, float *ret_dsentences);
/* Adds the encoder's gradients for the last forward, given those of the sentence states
 * (text_count, hidden). Once after each forward: what that kept is overwritten. */
void network_backward(struct network *n, const struct batch *b, const float *dsentences);
/* Sets the gradients to 0: those that the last batches have touched. */
void network_gradients_clear(struct network *n);
/* Says that whoever calls has done so. */
void network_gradients_cleared(struct network *n);
/* Rows of the word table whose gradients may be other than 0, ascending. */
const uint32_t *network_touched(const struct network *n, size_t *ret_count);
/* The gradients of these rows are written to by others, too: they count as touched. */
void network_touch(struct network *n, const uint32_t *ids, size_t count);

#endif

/*
 * What the files network*.c share: where the arrays of a network lie, and the pieces that
 * forward and backward are made of.
 *
 * T: tokens_max, H: hidden, I: intermediate of a layer. An operand is what a matrix product
 * takes: float or bf16, as the precision says. Where that is float, an operand is also the
 * residual stream; with bf16 the stream is float as well, but kept for one layer at a time.
 */
#ifndef FREEAL_TRAINER_ENCODER_NETWORK_STATE_H
#define FREEAL_TRAINER_ENCODER_NETWORK_STATE_H

#include "trainer/encoder/kernels.h"
#include "trainer/encoder/network.h"

/* One layer's arrays. In brackets: what backward writes there once it is done with the first. */
struct layer {
	void *input;	   /* operand (T, H) */
	float *qkv;	   /* (T, 3H) */
	float *log_sums;   /* (T, heads) */
	void *context;	   /* operand (T, H) */
	float *middle_sum; /* (T, H) what goes into the attention's LayerNorm */
	void *middle;	   /* operand (T, H) what comes out [gradient of the projection] */
	float *up;	   /* (T, max(I, 3H)) before GELU [operand: gradient of qkv] */
	void *gelu;	   /* operand (T, I) [operand: gradient of `up`] */
	float *out_sum;	   /* (T, H) what goes into the last LayerNorm [gradient of context] */
	struct norm_stats *middle_stats, *out_stats; /* (T) */
};

/* Sums over rows that each worker makes on its own: gradients of a layer's vectors. */
struct network_sums {
	size_t layer_offsets[PARAMETER_LAYER_COUNT]; /* vectors alone */
	size_t layer_size, size;
	size_t beta_offset; /* from the embeddings' gamma to their beta */
	float *worker;	    /* (workers, size); the embeddings' gamma and beta come last */
};

/* The last call of network_head. */
struct network_head {
	size_t count;
	bool dropping;
	struct dropout_step dropout;
	uint64_t *keys, *row_keys; /* (states_max) */
	float *in;		   /* (states_max, H) sentences after dropout */
	float *active;		   /* (states_max, H) after the activation */
	float *dropped;		   /* (states_max, H) after dropout [its gradient] */
};

struct network {
	const struct parameters *p;
	struct network_limits limits;
	struct team *team;
	struct gemm *gemm, *gemm_head;
	size_t worker_count;
	enum precision precision;
	size_t half_first; /* offset of half[0] */
	const atomic_bool *cancel;

	float *weights, *gradients; /* (p->size) */
	bf16 *half;		    /* (p->size - half_first); NULL: fp32 */
	float *block;		    /* all that follows */

	struct layer *layers;  /* (layers + 1) the last has an input alone */
	float *state, *middle; /* (T, H) bf16 alone: the residual stream of this layer */
	float *frozen_states;  /* (T, H) */
	float *residual;       /* (texts_max, H) sentences_only: the stream at first tokens */
	float *embedding_sum;  /* (T, H) what goes into the embeddings' LayerNorm */
	struct norm_stats *embedding_stats; /* (T) */
	/* Gradients of a layer's output, of what its LayerNorm got, of the branch (operand), and
	 * with bf16 of `gelu`. */
	float *dstate, *dmiddle; /* (T, H) */
	void *dbranch;		 /* operand (T, H) */
	float *dgelu;		 /* (T, I) */
	struct network_sums sums;
	float *attention_scratch; /* (workers, scratch_size) */
	uint64_t *attention_keys; /* (workers, text_tokens_max) */
	size_t scratch_size;
	uint64_t *touched_bits; /* (vocabulary / 64, rounded up) */
	uint32_t *touched;	/* (vocabulary) */
	size_t touched_count;

	/* The last forward. `batch` is the caller's, and there during a call alone. */
	const struct batch *batch;
	size_t text_count, token_count;
	bool compact; /* the last layer's rows are sentences, not tokens */
	bool dropping;
	struct dropout_step dropout;
	uint64_t *text_keys; /* (T) of a token's text */
	uint32_t *positions; /* (T) of a token in its text */
	uint64_t *row_keys;  /* (T) of the site that a kernel works on */
	struct network_head head;
};

/* One site's dropout in this step; `d` points to it, or is NULL where nothing is dropped. */
struct network_site {
	struct dropout dropout;
	const struct dropout *d;
};
void network_site_init(const struct network *n, size_t layer, enum dropout_site site,
		       struct network_site *ret_site);
/* Writes n->row_keys of these rows. `compact`: rows are sentences. */
void network_row_keys(struct network *n, const struct dropout *d, bool compact, size_t first,
		      size_t count);

bool network_cancelled(const struct network *n);

/* What a kernel that follows a product needs to know; the context of its epilogue. */
struct network_stage {
	struct network *n;
	struct layer *layer;
	size_t index; /* the layer's */
	bool compact;
	struct network_site site;
	const float *residual;
	float *ret;
	bf16 *ret_half;
};

typedef void network_rows_fn(void *context, size_t worker, size_t row_first, size_t row_count);
/* Shares the rows out over the team. */
void network_rows(const struct network *n, size_t rows, network_rows_fn *work, void *context);

/* An operand as what kernels write, one of them being NULL. */
float *network_operand_float(const struct network *n, void *operand);
bf16 *network_operand_half(const struct network *n, void *operand);
/* Row `row` of an operand of `columns` columns. */
void *network_operand_row(const struct network *n, void *operand, size_t row, size_t columns);

/* The float32 stream of an operand: itself, or `stream` with bf16. */
float *network_stream(const struct network *n, void *operand, float *stream);
/* The matrix at that offset of the weights, as an operand. */
const void *network_matrix(const struct network *n, size_t offset);
const float *network_vector(const struct network *n, size_t layer, enum parameter_layer which);
/* The worker's sums of a layer's vector. */
float *network_sum(const struct network *n, size_t worker, size_t layer,
		   enum parameter_layer which);
struct norm network_norm(const struct network *n, size_t layer, enum parameter_layer gamma,
			 enum parameter_layer beta);

typedef void network_heads_fn(void *context, size_t worker, size_t text, size_t head_first,
			      size_t head_count);
/* Shares the heads of all texts out over the team, by their cost. */
void network_heads(struct network *n, network_heads_fn *work, void *context);
/* A text's attention in the stage's layer; `row_keys` are the worker's. */
struct attention network_attention(const struct network_stage *s, size_t worker, size_t text);
/* That worker's scratch of kernel_attention. */
float *network_scratch(const struct network *n, size_t worker);

/* The embeddings' rows into layer 0's input. */
void network_embed(struct network *n);
/* Their backward, in two parts: rows of n->dstate into n->dmiddle, which is then added to the
 * tables. */
network_rows_fn network_embed_backward_rows;
void network_embed_scatter(struct network *n);

#endif

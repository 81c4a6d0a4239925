#include "trainer/encoder/network.h"

#include "math/block.h"
#include "trainer/encoder/network_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN_BYTES ((size_t)64)
#define TOKENS_MAX ((size_t)1 << 24) /* of a batch */
#define BITS 64u

/* Hands out pieces of a block; without one it only counts. */
struct carve {
	unsigned char *base;
	size_t used;
};

static void *carve_take(struct carve *c, size_t count, size_t size)
{
	void *taken = c->base ? c->base + c->used : NULL;
	c->used += (count * size + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
	return taken;
}

static float *carve_floats(struct carve *c, size_t count)
{
	return carve_take(c, count, sizeof(float));
}

static void *carve_operand(struct carve *c, const struct network *n, size_t columns)
{
	size_t size = n->precision == PRECISION_BF16 ? sizeof(bf16) : sizeof(float);
	return carve_take(c, n->limits.tokens_max * columns, size);
}

static struct norm_stats *carve_stats(struct carve *c, const struct network *n)
{
	return carve_take(c, n->limits.tokens_max, sizeof(struct norm_stats));
}

/* What a layer keeps for its backward pass. */
static struct layer plan_layer_kept(const struct network *n, struct carve *c)
{
	const struct encoder_config *config = &n->p->config;
	size_t rows = n->limits.tokens_max, hidden = config->hidden;
	size_t wide = config->intermediate > 3 * hidden ? config->intermediate : 3 * hidden;
	return (struct layer){
	    .input = carve_operand(c, n, hidden),
	    .qkv = carve_floats(c, rows * 3 * hidden),
	    .log_sums = carve_floats(c, rows * config->heads),
	    .context = carve_operand(c, n, hidden),
	    .middle_sum = carve_floats(c, rows * hidden),
	    .middle = carve_operand(c, n, hidden),
	    .up = carve_floats(c, rows * wide),
	    .gelu = carve_operand(c, n, config->intermediate),
	    .out_sum = carve_floats(c, rows * hidden),
	    .middle_stats = carve_stats(c, n),
	    .out_stats = carve_stats(c, n),
	};
}

/* What layers share that have no backward pass. */
static struct layer plan_layer_shared(const struct network *n, struct carve *c)
{
	const struct encoder_config *config = &n->p->config;
	size_t rows = n->limits.tokens_max, hidden = config->hidden;
	size_t wide = config->intermediate > 3 * hidden ? config->intermediate : 3 * hidden;
	struct layer shared = {
	    .input = carve_operand(c, n, hidden),
	    .qkv = carve_floats(c, rows * wide),
	    .context = carve_operand(c, n, hidden),
	    .middle_sum = carve_floats(c, rows * hidden),
	    .middle = carve_operand(c, n, hidden),
	    .gelu = carve_operand(c, n, config->intermediate),
	    .middle_stats = carve_stats(c, n),
	};
	shared.up = shared.qkv;
	shared.out_sum = shared.middle_sum;
	shared.out_stats = shared.middle_stats;
	return shared;
}

static void plan_layers(struct network *n, struct carve *c)
{
	size_t count = n->p->config.layers;
	size_t kept_first = n->limits.training ? n->limits.frozen : count;
	n->layers = carve_take(c, count + 1, sizeof(*n->layers));
	struct layer shared = {0};
	if (kept_first > 0)
		shared = plan_layer_shared(n, c);
	for (size_t i = 0; i < count; i++) {
		struct layer layer = i < kept_first ? shared : plan_layer_kept(n, c);
		if (c->base)
			n->layers[i] = layer;
	}
	struct layer last = shared;
	if (kept_first < count)
		last.input = carve_operand(c, n, n->p->config.hidden);
	if (c->base)
		n->layers[count] = last;
}

static void plan_gradients(struct network *n, struct carve *c)
{
	const struct encoder_config *config = &n->p->config;
	size_t states = n->limits.tokens_max * config->hidden;
	n->dstate = carve_floats(c, states);
	n->dmiddle = carve_floats(c, states);
	n->dbranch = carve_operand(c, n, config->hidden);
	if (n->precision == PRECISION_BF16)
		n->dgelu = carve_floats(c, n->limits.tokens_max * config->intermediate);
	n->sums.worker = carve_floats(c, n->worker_count * n->sums.size);
	size_t vocabulary = config->vocabulary;
	n->touched_bits = carve_take(c, (vocabulary + BITS - 1) / BITS, sizeof(uint64_t));
	n->touched = carve_take(c, vocabulary, sizeof(uint32_t));
}

static void plan(struct network *n, struct carve *c)
{
	const struct encoder_config *config = &n->p->config;
	const struct network_limits *limits = &n->limits;
	size_t tokens = limits->tokens_max, hidden = config->hidden;
	plan_layers(n, c);
	if (n->precision == PRECISION_BF16) {
		n->state = carve_floats(c, tokens * hidden);
		n->middle = carve_floats(c, tokens * hidden);
	}
	if (limits->frozen > 0)
		n->frozen_states = carve_floats(c, tokens * hidden);
	n->residual = carve_floats(c, limits->texts_max * hidden);
	n->embedding_sum = carve_floats(c, tokens * hidden);
	n->embedding_stats = carve_stats(c, n);
	n->scratch_size = kernel_attention_scratch(limits->text_tokens_max, hidden / config->heads);
	n->scratch_size = (n->scratch_size + 15) / 16 * 16;
	n->attention_scratch = carve_floats(c, n->worker_count * n->scratch_size);
	n->attention_keys =
	    carve_take(c, n->worker_count * limits->text_tokens_max, sizeof(uint64_t));
	n->text_keys = carve_take(c, tokens, sizeof(uint64_t));
	n->positions = carve_take(c, tokens, sizeof(uint32_t));
	n->row_keys = carve_take(c, tokens, sizeof(uint64_t));
	n->head.in = carve_floats(c, limits->states_max * hidden);
	n->head.active = carve_floats(c, limits->states_max * hidden);
	n->head.dropped = carve_floats(c, limits->states_max * hidden);
	n->head.keys = carve_take(c, limits->states_max, sizeof(uint64_t));
	n->head.row_keys = carve_take(c, limits->states_max, sizeof(uint64_t));
	if (limits->training)
		plan_gradients(n, c);
}

static void sums_plan(struct network_sums *sums, const struct parameters *p)
{
	*sums = (struct network_sums){0};
	for (enum parameter_layer i = 0; i < PARAMETER_LAYER_COUNT; i++) {
		const struct parameter *each = parameters_layer(p, 0, i);
		if (each->rows != 1)
			continue;
		sums->layer_offsets[i] = sums->layer_size;
		sums->layer_size += (each->columns + 15) / 16 * 16;
	}
	sums->beta_offset = ((size_t)p->config.hidden + 15) / 16 * 16;
	sums->size = p->config.layers * sums->layer_size + 2 * sums->beta_offset;
}

static void network_init(struct network *n, const struct parameters *p,
			 const struct network_limits *limits, size_t worker_count,
			 enum precision precision)
{
	assert(limits->tokens_max > 0 && limits->tokens_max <= TOKENS_MAX);
	assert(limits->texts_max > 0 && limits->frozen <= p->config.layers);
	assert(limits->text_tokens_max <= encoder_config_tokens_max(&p->config));
	*n = (struct network){
	    .p = p, .limits = *limits, .worker_count = worker_count, .precision = precision};
	/* A text has a token at least, and sentences take the place of tokens. */
	if (n->limits.texts_max > n->limits.tokens_max)
		n->limits.texts_max = n->limits.tokens_max;
	if (n->limits.text_tokens_max > n->limits.tokens_max)
		n->limits.text_tokens_max = n->limits.tokens_max;
	n->half_first = parameters_layer(p, 0, PARAMETER_QKV_WEIGHT)->offset;
	sums_plan(&n->sums, p);
}

size_t network_bytes(const struct parameters *p, const struct network_limits *limits,
		     size_t worker_count, enum precision precision)
{
	struct network n;
	network_init(&n, p, limits, worker_count, precision);
	struct carve c = {0};
	plan(&n, &c);
	size_t bytes = c.used + p->size * sizeof(float);
	if (limits->training)
		bytes += (p->size - parameters_trained(p, limits->frozen)) * sizeof(float);
	if (precision == PRECISION_BF16)
		bytes += (p->size - n.half_first) * sizeof(bf16);
	return bytes;
}

/* The arrays; ERR_NO_MEMORY leaves some for network_free. */
static enum err network_allocate(struct network *n)
{
	size_t size = n->p->size;
	n->weights = block_new(size);
	/* What is never written to, because it is frozen, takes no memory. */
	if (n->limits.training)
		n->gradients = n->limits.frozen > 0 ? calloc(size, sizeof(float)) : block_new(size);
	if (n->precision == PRECISION_BF16)
		n->half = (bf16 *)block_new((size - n->half_first + 1) / 2);
	struct carve count = {0};
	plan(n, &count);
	n->block = block_new((count.used + ALIGN_BYTES) / sizeof(float));
	if (!n->weights || !n->block || (n->limits.training && !n->gradients) ||
	    (n->precision == PRECISION_BF16 && !n->half))
		return ERR_NO_MEMORY;
	uintptr_t at = (uintptr_t)n->block % ALIGN_BYTES;
	struct carve c = {.base = (unsigned char *)n->block + (at ? ALIGN_BYTES - at : 0)};
	plan(n, &c);
	return ERR_OK;
}

enum err network_new(const struct parameters *p, const struct network_limits *limits,
		     struct team *team, enum precision precision, struct network **ret_network,
		     struct err_msg *msg)
{
	struct network *n = malloc(sizeof *n);
	if (!n)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the encoder");
	network_init(n, p, limits, team_size(team), precision);
	n->team = team;
	enum err err = gemm_new(team, precision, &n->gemm, msg);
	if (!err)
		err = gemm_new(team, PRECISION_FP32, &n->gemm_head, msg);
	if (!err && network_allocate(n))
		err = err_set(msg, ERR_NO_MEMORY, "no memory for the encoder: it needs %zu MiB",
			      network_bytes(p, limits, n->worker_count, precision) >> 20);
	if (err) {
		network_free(n);
		return err;
	}
	*ret_network = n;
	return ERR_OK;
}

void network_free(struct network *n)
{
	if (!n)
		return;
	gemm_free(n->gemm);
	gemm_free(n->gemm_head);
	free(n->weights);
	free(n->gradients);
	free(n->half);
	free(n->block);
	free(n);
}

const struct parameters *network_parameters(const struct network *n)
{
	return n->p;
}

const struct network_limits *network_limits(const struct network *n)
{
	return &n->limits;
}

void network_cancel(struct network *n, const atomic_bool *cancel)
{
	n->cancel = cancel;
}

struct gemm *network_gemm(struct network *n)
{
	return n->gemm;
}

struct team *network_team(struct network *n)
{
	return n->team;
}

float *network_weights(struct network *n)
{
	return n->weights;
}

static void weights_halve(void *context, size_t worker, size_t worker_count)
{
	struct network *n = context;
	size_t first, count;
	team_share(n->p->size - n->half_first, BITS, worker, worker_count, &first, &count);
	kernel_half(n->weights + n->half_first + first, count, n->half + first);
}

void network_weights_changed(struct network *n)
{
	if (n->half)
		team_run(n->team, weights_halve, n);
}

bf16 *network_half(struct network *n, size_t *ret_first)
{
	*ret_first = n->half_first;
	return n->half;
}

size_t network_trained(const struct network *n)
{
	return parameters_trained(n->p, n->limits.frozen);
}

float *network_gradients(struct network *n)
{
	return n->gradients;
}

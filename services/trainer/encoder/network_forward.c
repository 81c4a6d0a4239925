#include "trainer/encoder/network_state.h"

#include <assert.h>
#include <string.h>

/* The stage of a layer's rows; `compact` where they are sentences. */
static struct network_stage stage_of(struct network *n, size_t layer, bool compact)
{
	return (struct network_stage){
	    .n = n, .layer = &n->layers[layer], .index = layer, .compact = compact};
}

static void project(struct network_stage *s, const void *x, size_t rows, enum parameter_layer which,
		    float *ret, network_rows_fn *epilogue)
{
	struct network *n = s->n;
	const struct parameter *w = parameters_layer(n->p, s->index, which);
	gemm_run(n->gemm, &(struct gemm_call){.transpose_b = true,
					      .rows = rows,
					      .columns = w->rows,
					      .depth = w->columns,
					      .a = x,
					      .b = network_matrix(n, w->offset),
					      .stride_a = w->columns,
					      .stride_b = w->columns,
					      .stride_c = w->rows,
					      .c = ret,
					      .epilogue = epilogue,
					      .context = s});
}

static void qkv_rows(void *context, size_t worker, size_t row_first, size_t row_count)
{
	(void)worker;
	const struct network_stage *s = context;
	size_t columns = 3 * (size_t)s->n->p->config.hidden;
	kernel_bias(network_vector(s->n, s->index, PARAMETER_QKV_BIAS), row_count, columns,
		    s->layer->qkv + row_first * columns);
}

static void attend(void *context, size_t worker, size_t text, size_t head_first, size_t head_count)
{
	const struct network_stage *s = context;
	struct network *n = s->n;
	size_t first = n->batch->offsets[text];
	void *out = network_operand_row(n, s->layer->context, first, n->p->config.hidden);
	struct attention a = network_attention(s, worker, text);
	float *log_sums = s->layer->log_sums;
	kernel_attention(&a, head_first, head_count, network_scratch(n, worker),
			 network_operand_float(n, out), network_operand_half(n, out),
			 log_sums ? log_sums + first * a.heads : NULL);
}

/* The projection's rows, and what comes of them: dropout, residual, LayerNorm. */
static void residual_rows(const struct network_stage *s, const float *bias, const struct norm *norm,
			  float *sum, struct norm_stats *stats, size_t first, size_t count)
{
	size_t at = first * norm->columns;
	network_row_keys(s->n, s->site.d, s->compact, first, count);
	kernel_residual_norm(norm, bias, s->residual + at, count, s->site.d, s->n->row_keys + first,
			     sum + at, s->ret + at, s->ret_half ? s->ret_half + at : NULL,
			     stats + first);
}

static void middle_rows(void *context, size_t worker, size_t row_first, size_t row_count)
{
	(void)worker;
	const struct network_stage *s = context;
	struct norm norm =
	    network_norm(s->n, s->index, PARAMETER_ATTENTION_GAMMA, PARAMETER_ATTENTION_BETA);
	residual_rows(s, network_vector(s->n, s->index, PARAMETER_ATTENTION_OUT_BIAS), &norm,
		      s->layer->middle_sum, s->layer->middle_stats, row_first, row_count);
}

static void gelu_rows(void *context, size_t worker, size_t row_first, size_t row_count)
{
	(void)worker;
	const struct network_stage *s = context;
	size_t columns = s->n->p->config.intermediate;
	void *ret = network_operand_row(s->n, s->layer->gelu, row_first, columns);
	kernel_gelu(network_vector(s->n, s->index, PARAMETER_UP_BIAS), row_count, columns,
		    s->layer->up + row_first * columns, network_operand_float(s->n, ret),
		    network_operand_half(s->n, ret));
}

static void out_rows(void *context, size_t worker, size_t row_first, size_t row_count)
{
	(void)worker;
	const struct network_stage *s = context;
	struct norm norm = network_norm(s->n, s->index, PARAMETER_OUT_GAMMA, PARAMETER_OUT_BETA);
	residual_rows(s, network_vector(s->n, s->index, PARAMETER_DOWN_BIAS), &norm,
		      s->layer->out_sum, s->layer->out_stats, row_first, row_count);
}

/* Only the rows of first tokens go on: their contexts to the front, their stream to
 * n->residual. */
static void layer_compact(struct network *n, struct layer *layer)
{
	size_t hidden = n->p->config.hidden;
	size_t bytes = hidden * (n->precision == PRECISION_BF16 ? sizeof(bf16) : sizeof(float));
	const float *stream = network_stream(n, layer->input, n->state);
	for (size_t i = 0; i < n->text_count; i++) {
		size_t from = n->batch->offsets[i];
		memcpy(n->residual + i * hidden, stream + from * hidden, hidden * sizeof(float));
		if (from != i)
			memcpy(network_operand_row(n, layer->context, i, hidden),
			       network_operand_row(n, layer->context, from, hidden), bytes);
	}
}

static void layer_forward(struct network *n, size_t index, bool compact)
{
	struct layer *layer = &n->layers[index];
	void *out = layer[1].input;
	struct network_stage s = stage_of(n, index, compact);
	size_t rows = n->token_count;
	project(&s, layer->input, rows, PARAMETER_QKV_WEIGHT, layer->qkv, qkv_rows);
	network_site_init(n, index, DROPOUT_ATTENTION, &s.site);
	network_heads(n, attend, &s);

	s.residual = network_stream(n, layer->input, n->state);
	if (compact) {
		layer_compact(n, layer);
		rows = n->text_count;
		s.residual = n->residual;
	}
	network_site_init(n, index, DROPOUT_ATTENTION_OUT, &s.site);
	s.ret = network_stream(n, layer->middle, n->middle);
	s.ret_half = network_operand_half(n, layer->middle);
	project(&s, layer->context, rows, PARAMETER_ATTENTION_OUT_WEIGHT, layer->middle_sum,
		middle_rows);
	project(&s, layer->middle, rows, PARAMETER_UP_WEIGHT, layer->up, gelu_rows);

	network_site_init(n, index, DROPOUT_OUT, &s.site);
	s.residual = s.ret;
	s.ret = network_stream(n, out, n->state);
	s.ret_half = index + 1 < n->p->config.layers ? network_operand_half(n, out) : NULL;
	project(&s, layer->gelu, rows, PARAMETER_DOWN_WEIGHT, layer->out_sum, out_rows);
}

static void forward_begin(struct network *n, const struct batch *b, const struct dropout_step *d)
{
	const struct network_limits *limits = &n->limits;
	assert(b->text_count > 0 && b->text_count <= limits->texts_max);
	assert(b->token_count <= limits->tokens_max);
	assert(b->offsets[0] == 0 && b->offsets[b->text_count] == b->token_count);
	assert(!d || b->keys);
	n->batch = b;
	n->text_count = b->text_count;
	n->token_count = b->token_count;
	n->compact = b->sentences_only && limits->frozen < n->p->config.layers;
	n->dropping = d != NULL;
	if (d)
		n->dropout = *d;
	for (size_t i = 0; i < b->text_count; i++) {
		size_t tokens = b->offsets[i + 1] - b->offsets[i];
		assert(tokens > 0 && tokens <= limits->text_tokens_max);
		for (size_t j = 0; j < tokens; j++) {
			n->text_keys[b->offsets[i] + j] = b->keys ? b->keys[i] : 0;
			n->positions[b->offsets[i] + j] = (uint32_t)j;
		}
	}
}

static void frozen_states_keep(struct network *n)
{
	const float *states = network_stream(n, n->layers[n->limits.frozen].input, n->state);
	memcpy(n->frozen_states, states,
	       n->token_count * n->p->config.hidden * sizeof(*n->frozen_states));
}

static void layers_forward(struct network *n, size_t first)
{
	size_t count = n->p->config.layers;
	for (size_t i = first; i < count && !network_cancelled(n); i++) {
		if (i > 0 && i == n->limits.frozen)
			frozen_states_keep(n);
		layer_forward(n, i, n->compact && i + 1 == count);
	}
	if (count == n->limits.frozen)
		frozen_states_keep(n);
	n->batch = NULL;
}

void network_forward(struct network *n, const struct batch *b, const struct dropout_step *d)
{
	forward_begin(n, b, d);
	network_embed(n);
	layers_forward(n, 0);
}

void network_forward_frozen(struct network *n, const struct batch *b)
{
	size_t frozen = n->limits.frozen;
	assert(frozen > 0);
	forward_begin(n, b, NULL);
	network_embed(n);
	for (size_t i = 0; i < frozen && !network_cancelled(n); i++)
		layer_forward(n, i, false);
	frozen_states_keep(n);
	n->batch = NULL;
}

struct states_copy {
	struct network *n;
	const float *states;
};

static void states_copy_rows(void *context, size_t worker, size_t row_first, size_t row_count)
{
	(void)worker;
	const struct states_copy *copy = context;
	struct network *n = copy->n;
	void *input = n->layers[n->limits.frozen].input;
	size_t at = row_first * n->p->config.hidden;
	size_t count = row_count * n->p->config.hidden;
	bf16 *half = network_operand_half(n, input);
	memcpy(network_stream(n, input, n->state) + at, copy->states + at, count * sizeof(float));
	if (half)
		kernel_half(copy->states + at, count, half + at);
}

void network_forward_from(struct network *n, const struct batch *b, const float *states,
			  const struct dropout_step *d)
{
	if (!states) {
		network_forward(n, b, d);
		return;
	}
	assert(n->limits.frozen > 0);
	forward_begin(n, b, d);
	struct states_copy copy = {n, states};
	network_rows(n, n->token_count, states_copy_rows, &copy);
	layers_forward(n, n->limits.frozen);
}

const float *network_frozen_states(const struct network *n)
{
	return n->frozen_states;
}

static const float *last_states(const struct network *n)
{
	return network_stream(n, n->layers[n->p->config.layers].input, n->state);
}

const float *network_states(const struct network *n)
{
	assert(!n->compact);
	return last_states(n);
}

struct pool {
	const struct network *n;
	const struct batch *b;
	float *ret;
};

static void pool_texts(void *context, size_t worker, size_t text_first, size_t text_count)
{
	(void)worker;
	const struct pool *pool = context;
	const struct batch *b = pool->b;
	size_t hidden = pool->n->p->config.hidden;
	const float *states = network_states(pool->n);
	for (size_t i = text_first; i < text_first + text_count; i++) {
		float *mean = pool->ret + i * hidden;
		float scale = 1.0f / (float)(b->offsets[i + 1] - b->offsets[i]);
		memset(mean, 0, hidden * sizeof(*mean));
		for (size_t row = b->offsets[i]; row < b->offsets[i + 1]; row++)
			for (size_t j = 0; j < hidden; j++)
				mean[j] += states[row * hidden + j];
		for (size_t j = 0; j < hidden; j++)
			mean[j] *= scale;
	}
}

void network_mean_pool(const struct network *n, const struct batch *b, float *ret)
{
	struct pool pool = {n, b, ret};
	network_rows(n, b->text_count, pool_texts, &pool);
}

void network_sentences(const struct network *n, const struct batch *b, float *ret)
{
	size_t hidden = n->p->config.hidden;
	for (size_t i = 0; i < b->text_count; i++) {
		size_t row = n->compact ? i : b->offsets[i];
		memcpy(ret + i * hidden, last_states(n) + row * hidden, hidden * sizeof(*ret));
	}
}

/*
 * Each layer's backward pass takes n->dmiddle, the gradient of what its last LayerNorm got, and
 * n->dbranch, that of the product before; and ends with the same two of the layer below.
 */
#include "trainer/encoder/network_state.h"

#include <assert.h>
#include <string.h>

/* dx (rows, W's columns) = dy W, or dx + dy W. */
static void pull(struct network_stage *s, const void *dy, size_t rows, enum parameter_layer which,
		 bool accumulate, float *dx, network_rows_fn *epilogue)
{
	const struct parameter *w = parameters_layer(s->n->p, s->index, which);
	gemm_run(s->n->gemm, &(struct gemm_call){.accumulate = accumulate,
						 .rows = rows,
						 .columns = w->columns,
						 .depth = w->rows,
						 .a = dy,
						 .b = network_matrix(s->n, w->offset),
						 .stride_a = w->rows,
						 .stride_b = w->columns,
						 .stride_c = w->columns,
						 .c = dx,
						 .epilogue = epilogue,
						 .context = s});
}

/* W's gradient += dy^T x. */
static void weigh(const struct network_stage *s, const void *dy, const void *x, size_t rows,
		  enum parameter_layer which)
{
	const struct parameter *w = parameters_layer(s->n->p, s->index, which);
	gemm_run(s->n->gemm, &(struct gemm_call){.transpose_a = true,
						 .accumulate = true,
						 .rows = w->rows,
						 .columns = w->columns,
						 .depth = rows,
						 .a = dy,
						 .b = x,
						 .stride_a = w->rows,
						 .stride_b = w->columns,
						 .stride_c = w->columns,
						 .c = s->n->gradients + w->offset});
}

/* One of a layer's two LayerNorms with the dropout and the bias before it. */
struct norm_of {
	enum parameter_layer gamma, beta, bias;
	enum dropout_site site;
};

static void norm_rows(const struct network_stage *s, const struct norm_of *of, size_t worker,
		      const float *dy, const float *sum, const struct norm_stats *stats,
		      float *dsum, void *dbranch, size_t first, size_t count)
{
	struct network *n = s->n;
	struct norm norm = network_norm(n, s->index, of->gamma, of->beta);
	size_t at = first * norm.columns;
	struct network_site site;
	network_site_init(n, s->index, of->site, &site);
	network_row_keys(n, site.d, s->compact, first, count);
	void *branch = network_operand_row(n, dbranch, first, norm.columns);
	kernel_norm_backward(&norm, dy + at, sum + at, stats + first, count, site.d,
			     n->row_keys + first, network_sum(n, worker, s->index, of->gamma),
			     network_sum(n, worker, s->index, of->beta), dsum + at,
			     network_operand_float(n, branch), network_operand_half(n, branch),
			     network_sum(n, worker, s->index, of->bias));
}

/* n->dstate, the gradient of the layer's output, to n->dmiddle and n->dbranch. */
static void out_rows(void *context, size_t worker, size_t first, size_t count)
{
	static const struct norm_of of = {PARAMETER_OUT_GAMMA, PARAMETER_OUT_BETA,
					  PARAMETER_DOWN_BIAS, DROPOUT_OUT};
	const struct network_stage *s = context;
	struct network *n = s->n;
	norm_rows(s, &of, worker, n->dstate, s->layer->out_sum, s->layer->out_stats, n->dmiddle,
		  n->dbranch, first, count);
}

/* n->dmiddle to n->dstate and the projection's. */
static void middle_rows(void *context, size_t worker, size_t first, size_t count)
{
	static const struct norm_of of = {PARAMETER_ATTENTION_GAMMA, PARAMETER_ATTENTION_BETA,
					  PARAMETER_ATTENTION_OUT_BIAS, DROPOUT_ATTENTION_OUT};
	const struct network_stage *s = context;
	struct network *n = s->n;
	norm_rows(s, &of, worker, n->dmiddle, s->layer->middle_sum, s->layer->middle_stats,
		  n->dstate, s->layer->middle, first, count);
}

static float *dgelu_of(const struct network *n, const struct layer *layer)
{
	return network_stream(n, layer->gelu, n->dgelu);
}

static void gelu_rows(void *context, size_t worker, size_t first, size_t count)
{
	const struct network_stage *s = context;
	struct network *n = s->n;
	size_t columns = n->p->config.intermediate;
	void *ret = network_operand_row(n, s->layer->gelu, first, columns);
	kernel_gelu_backward(s->layer->up + first * columns,
			     dgelu_of(n, s->layer) + first * columns, count, columns,
			     network_operand_float(n, ret), network_operand_half(n, ret),
			     network_sum(n, worker, s->index, PARAMETER_UP_BIAS));
}

static void attend(void *context, size_t worker, size_t text, size_t head_first, size_t head_count)
{
	const struct network_stage *s = context;
	struct network *n = s->n;
	size_t hidden = n->p->config.hidden;
	size_t first = n->batch->offsets[text];
	void *dqkv = network_operand_row(n, s->layer->up, first, 3 * hidden);
	struct attention a = network_attention(s, worker, text);
	kernel_attention_backward(&a, s->layer->out_sum + first * hidden,
				  s->layer->log_sums + first * a.heads, head_first, head_count,
				  network_scratch(n, worker), network_operand_float(n, dqkv),
				  network_operand_half(n, dqkv));
}

/* The rows of qkv's gradient, which have just been read, to its bias; then what comes below. */
static void qkv_rows(void *context, size_t worker, size_t first, size_t count)
{
	const struct network_stage *s = context;
	struct network *n = s->n;
	size_t columns = 3 * (size_t)n->p->config.hidden;
	void *dqkv = network_operand_row(n, s->layer->up, first, columns);
	kernel_column_sums(network_operand_float(n, dqkv), network_operand_half(n, dqkv), count,
			   columns, network_sum(n, worker, s->index, PARAMETER_QKV_BIAS));
	if (s->index > n->limits.frozen) {
		struct network_stage below = {.n = n, .layer = s->layer - 1, .index = s->index - 1};
		out_rows(&below, worker, first, count);
	} else if (n->limits.frozen == 0) {
		network_embed_backward_rows(n, worker, first, count);
	}
}

struct spread {
	const struct network *n;
	float *x; /* (T, H) */
};

/* Rows of sentences to their first tokens, from the last to the first; the others are 0. */
static void spread_work(void *context, size_t worker, size_t worker_count)
{
	const struct spread *spread = context;
	const struct batch *b = spread->n->batch;
	size_t hidden = spread->n->p->config.hidden;
	size_t first, count;
	team_share(hidden, 16, worker, worker_count, &first, &count);
	float *x = spread->x + first;
	size_t bytes = count * sizeof(*x);
	for (size_t i = b->text_count; i-- > 0 && count > 0;) {
		size_t row = b->offsets[i];
		if (row != i)
			memcpy(x + row * hidden, x + i * hidden, bytes);
		for (row++; row < b->offsets[i + 1]; row++)
			memset(x + row * hidden, 0, bytes);
	}
}

static void rows_spread(struct network *n, float *x)
{
	struct spread spread = {n, x};
	team_run(n->team, spread_work, &spread);
}

static void layer_backward(struct network *n, size_t index, bool compact)
{
	struct network_stage s = {
	    .n = n, .layer = &n->layers[index], .index = index, .compact = compact};
	struct layer *layer = s.layer;
	size_t rows = compact ? n->text_count : n->token_count;
	weigh(&s, n->dbranch, layer->gelu, rows, PARAMETER_DOWN_WEIGHT);
	pull(&s, n->dbranch, rows, PARAMETER_DOWN_WEIGHT, false, dgelu_of(n, layer), gelu_rows);
	weigh(&s, layer->gelu, layer->middle, rows, PARAMETER_UP_WEIGHT);
	pull(&s, layer->gelu, rows, PARAMETER_UP_WEIGHT, true, n->dmiddle, middle_rows);
	weigh(&s, layer->middle, layer->context, rows, PARAMETER_ATTENTION_OUT_WEIGHT);
	pull(&s, layer->middle, rows, PARAMETER_ATTENTION_OUT_WEIGHT, false, layer->out_sum, NULL);
	if (compact) {
		rows_spread(n, layer->out_sum);
		rows_spread(n, n->dstate);
		s.compact = false;
	}
	network_site_init(n, index, DROPOUT_ATTENTION, &s.site);
	network_heads(n, attend, &s);
	weigh(&s, layer->up, layer->input, n->token_count, PARAMETER_QKV_WEIGHT);
	if (index == n->limits.frozen && index > 0)
		network_rows(n, n->token_count, qkv_rows, &s);
	else
		pull(&s, layer->up, n->token_count, PARAMETER_QKV_WEIGHT, true, n->dstate,
		     qkv_rows);
}

/* Adds the workers' sums of one vector, columns first .. first + count - 1, to its gradient. */
static void sums_add(struct network *n, size_t sum_offset, const struct parameter *vector,
		     size_t worker, size_t worker_count)
{
	size_t first, count;
	team_share(vector->columns, 16, worker, worker_count, &first, &count);
	float *restrict to = n->gradients + vector->offset + first;
	for (size_t i = 0; i < worker_count; i++) {
		float *restrict from = n->sums.worker + i * n->sums.size + sum_offset + first;
		for (size_t j = 0; j < count; j++)
			to[j] += from[j];
		memset(from, 0, count * sizeof(*from));
	}
}

static void sums_work(void *context, size_t worker, size_t worker_count)
{
	struct network *n = context;
	const struct network_sums *sums = &n->sums;
	const struct parameters *p = n->p;
	for (size_t l = n->limits.frozen; l < p->config.layers; l++)
		for (enum parameter_layer i = 0; i < PARAMETER_LAYER_COUNT; i++) {
			const struct parameter *vector = parameters_layer(p, l, i);
			if (vector->rows == 1)
				sums_add(n, l * sums->layer_size + sums->layer_offsets[i], vector,
					 worker, worker_count);
		}
	if (n->limits.frozen > 0)
		return;
	size_t at = p->config.layers * sums->layer_size;
	sums_add(n, at, parameters_single(p, PARAMETER_EMBED_GAMMA), worker, worker_count);
	sums_add(n, at + sums->beta_offset, parameters_single(p, PARAMETER_EMBED_BETA), worker,
		 worker_count);
}

void network_backward(struct network *n, const struct batch *b, const float *dsentences)
{
	size_t layers = n->p->config.layers;
	assert(n->limits.training);
	assert(b->text_count == n->text_count && b->token_count == n->token_count);
	if (n->limits.frozen == layers)
		return;
	n->batch = b;
	memcpy(n->dstate, dsentences, n->text_count * n->p->config.hidden * sizeof(*dsentences));
	if (!n->compact)
		rows_spread(n, n->dstate);
	struct network_stage top = {
	    .n = n, .layer = &n->layers[layers - 1], .index = layers - 1, .compact = n->compact};
	network_rows(n, n->compact ? n->text_count : n->token_count, out_rows, &top);
	for (size_t i = layers; i-- > n->limits.frozen && !network_cancelled(n);)
		layer_backward(n, i, n->compact && i + 1 == layers);
	if (n->limits.frozen == 0)
		network_embed_scatter(n);
	team_run(n->team, sums_work, n);
	n->batch = NULL;
}

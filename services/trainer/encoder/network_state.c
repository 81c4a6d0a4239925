#include "trainer/encoder/network_state.h"

void network_site_init(const struct network *n, size_t layer, enum dropout_site site,
		       struct network_site *ret_site)
{
	const struct encoder_config *c = &n->p->config;
	float rate = c->dropout;
	if (site == DROPOUT_ATTENTION)
		rate = c->dropout_attention;
	/* DistilBERT has none there. */
	if (site == DROPOUT_ATTENTION_OUT && c->family == ENCODER_DISTILBERT)
		rate = 0.0f;
	bool frozen = site == DROPOUT_EMBEDDING ? n->limits.frozen > 0 : layer < n->limits.frozen;
	*ret_site = (struct network_site){0};
	if (!n->dropping || frozen)
		return;
	ret_site->dropout = dropout_site_make(&n->dropout, (uint32_t)layer, site, rate);
	if (ret_site->dropout.threshold > 0)
		ret_site->d = &ret_site->dropout;
}

void network_row_keys(struct network *n, const struct dropout *d, bool compact, size_t first,
		      size_t count)
{
	if (!d)
		return;
	for (size_t i = first; i < first + count; i++)
		n->row_keys[i] = compact ? dropout_row_key(d, n->batch->keys[i], 0)
					 : dropout_row_key(d, n->text_keys[i], n->positions[i]);
}

bool network_cancelled(const struct network *n)
{
	return n->cancel && atomic_load_explicit(n->cancel, memory_order_relaxed);
}

struct rows_run {
	size_t rows;
	network_rows_fn *work;
	void *context;
};

static void rows_run_work(void *context, size_t worker, size_t worker_count)
{
	const struct rows_run *r = context;
	size_t first, count;
	team_share(r->rows, 1, worker, worker_count, &first, &count);
	if (count > 0)
		r->work(r->context, worker, first, count);
}

void network_rows(const struct network *n, size_t rows, network_rows_fn *work, void *context)
{
	struct rows_run r = {rows, work, context};
	team_run(n->team, rows_run_work, &r);
}

float *network_operand_float(const struct network *n, void *operand)
{
	return n->precision == PRECISION_FP32 ? operand : NULL;
}

bf16 *network_operand_half(const struct network *n, void *operand)
{
	return n->precision == PRECISION_BF16 ? operand : NULL;
}

void *network_operand_row(const struct network *n, void *operand, size_t row, size_t columns)
{
	size_t size = n->precision == PRECISION_BF16 ? sizeof(bf16) : sizeof(float);
	return (unsigned char *)operand + row * columns * size;
}

float *network_stream(const struct network *n, void *operand, float *stream)
{
	return n->precision == PRECISION_FP32 ? operand : stream;
}

const void *network_matrix(const struct network *n, size_t offset)
{
	if (n->precision == PRECISION_BF16)
		return n->half + (offset - n->half_first);
	return n->weights + offset;
}

const float *network_vector(const struct network *n, size_t layer, enum parameter_layer which)
{
	return n->weights + parameters_layer(n->p, layer, which)->offset;
}

float *network_sum(const struct network *n, size_t worker, size_t layer, enum parameter_layer which)
{
	const struct network_sums *s = &n->sums;
	return s->worker + worker * s->size + layer * s->layer_size + s->layer_offsets[which];
}

struct norm network_norm(const struct network *n, size_t layer, enum parameter_layer gamma,
			 enum parameter_layer beta)
{
	return (struct norm){.gamma = network_vector(n, layer, gamma),
			     .beta = network_vector(n, layer, beta),
			     .epsilon = n->p->config.epsilon,
			     .columns = n->p->config.hidden};
}

/* The kernel's own work for a token beside that of its keys: loading, storing, projections of
 * a row, in keys. */
enum { TOKEN_COST = 16 };

static uint64_t head_cost(const struct batch *b, size_t text)
{
	uint64_t tokens = b->offsets[text + 1] - b->offsets[text];
	return tokens * (tokens + TOKEN_COST);
}

struct heads_run {
	struct network *n;
	uint64_t cost; /* of all heads of all texts */
	network_heads_fn *work;
	void *context;
};

/* How many of the heads of a text, whose first begins at `cost_before`, begin before `bound`. */
static size_t heads_before(uint64_t bound, uint64_t cost_before, uint64_t cost, size_t heads)
{
	if (bound <= cost_before)
		return 0;
	uint64_t count = (bound - cost_before + cost - 1) / cost;
	return count < heads ? (size_t)count : heads;
}

static void heads_run_work(void *context, size_t worker, size_t worker_count)
{
	const struct heads_run *r = context;
	const struct batch *b = r->n->batch;
	size_t heads = r->n->p->config.heads;
	uint64_t lower = r->cost * worker / worker_count;
	uint64_t upper = r->cost * (worker + 1) / worker_count;
	uint64_t before = 0;
	for (size_t text = 0; text < b->text_count && before < upper; text++) {
		uint64_t cost = head_cost(b, text);
		size_t first = heads_before(lower, before, cost, heads);
		size_t end = heads_before(upper, before, cost, heads);
		if (first < end)
			r->work(r->context, worker, text, first, end - first);
		before += cost * heads;
	}
}

void network_heads(struct network *n, network_heads_fn *work, void *context)
{
	struct heads_run r = {.n = n, .work = work, .context = context};
	for (size_t text = 0; text < n->batch->text_count; text++)
		r.cost += head_cost(n->batch, text) * n->p->config.heads;
	team_run(n->team, heads_run_work, &r);
}

struct attention network_attention(const struct network_stage *s, size_t worker, size_t text)
{
	const struct network *n = s->n;
	const struct batch *b = n->batch;
	size_t first = b->offsets[text];
	size_t hidden = n->p->config.hidden;
	uint64_t *keys = n->attention_keys + worker * n->limits.text_tokens_max;
	struct attention a = {.tokens = b->offsets[text + 1] - first,
			      .heads = n->p->config.heads,
			      .head_columns = hidden / n->p->config.heads,
			      .qkv = s->layer->qkv + first * 3 * hidden,
			      .d = s->site.d,
			      .row_keys = keys};
	for (size_t i = 0; a.d && i < a.tokens; i++)
		keys[i] = dropout_row_key(a.d, b->keys[text], (uint32_t)i);
	return a;
}

float *network_scratch(const struct network *n, size_t worker)
{
	return n->attention_scratch + worker * n->scratch_size;
}

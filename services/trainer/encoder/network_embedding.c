/* The embeddings: word, position and, where the family has it, type 0. */
#include "trainer/encoder/network_state.h"

#include <assert.h>
#include <string.h>

static struct norm embedding_norm(const struct network *n)
{
	const struct parameters *p = n->p;
	return (struct norm){
	    .gamma = n->weights + parameters_single(p, PARAMETER_EMBED_GAMMA)->offset,
	    .beta = n->weights + parameters_single(p, PARAMETER_EMBED_BETA)->offset,
	    .epsilon = p->config.epsilon,
	    .columns = p->config.hidden};
}

static void embed_rows(void *context, size_t worker, size_t row_first, size_t row_count)
{
	(void)worker;
	struct network_stage *s = context;
	struct network *n = s->n;
	const struct parameters *p = n->p;
	size_t hidden = p->config.hidden;
	const float *words = n->weights + parameters_single(p, PARAMETER_WORD)->offset;
	const float *positions = n->weights + parameters_single(p, PARAMETER_POSITION)->offset;
	const float *type = n->weights + parameters_single(p, PARAMETER_TYPE)->offset;
	positions += p->config.position_first * hidden;
	for (size_t i = row_first; i < row_first + row_count; i++) {
		assert(n->batch->ids[i] < p->config.vocabulary);
		const float *word = words + n->batch->ids[i] * hidden;
		const float *position = positions + n->positions[i] * hidden;
		float *sum = n->embedding_sum + i * hidden;
		for (size_t j = 0; j < hidden; j++)
			sum[j] = word[j] + position[j];
		for (size_t j = 0; p->config.types > 0 && j < hidden; j++)
			sum[j] += type[j];
	}
	struct norm norm = embedding_norm(n);
	size_t at = row_first * hidden;
	network_row_keys(n, s->site.d, false, row_first, row_count);
	kernel_norm(&norm, n->embedding_sum + at, row_count, s->site.d, n->row_keys + row_first,
		    s->ret + at, s->ret_half ? s->ret_half + at : NULL,
		    n->embedding_stats + row_first);
}

void network_embed(struct network *n)
{
	struct network_stage s = {.n = n,
				  .ret = network_stream(n, n->layers[0].input, n->state),
				  .ret_half = network_operand_half(n, n->layers[0].input)};
	network_site_init(n, 0, DROPOUT_EMBEDDING, &s.site);
	network_rows(n, n->token_count, embed_rows, &s);
}

void network_embed_backward_rows(void *context, size_t worker, size_t row_first, size_t row_count)
{
	struct network *n = context;
	size_t hidden = n->p->config.hidden;
	size_t at = row_first * hidden;
	struct network_site site;
	network_site_init(n, 0, DROPOUT_EMBEDDING, &site);
	network_row_keys(n, site.d, false, row_first, row_count);
	if (site.d)
		kernel_dropout(row_count, hidden, site.d, n->row_keys + row_first, n->dstate + at);
	struct norm norm = embedding_norm(n);
	float *dgamma =
	    n->sums.worker + worker * n->sums.size + n->p->config.layers * n->sums.layer_size;
	kernel_norm_backward(&norm, n->dstate + at, n->embedding_sum + at,
			     n->embedding_stats + row_first, row_count, NULL, NULL, dgamma,
			     dgamma + n->sums.beta_offset, n->dmiddle + at, NULL, NULL, NULL);
}

/* Each worker adds its columns of all rows in the tokens' order, so that the sums don't depend
 * on the number of workers. */
static void scatter_work(void *context, size_t worker, size_t worker_count)
{
	struct network *n = context;
	const struct parameters *p = n->p;
	size_t hidden = p->config.hidden;
	float *words = n->gradients + parameters_single(p, PARAMETER_WORD)->offset;
	float *positions = n->gradients + parameters_single(p, PARAMETER_POSITION)->offset;
	float *type = n->gradients + parameters_single(p, PARAMETER_TYPE)->offset;
	positions += p->config.position_first * hidden;
	size_t first, count;
	team_share(hidden, 16, worker, worker_count, &first, &count);
	for (size_t i = 0; i < n->token_count; i++) {
		const float *restrict from = n->dmiddle + i * hidden + first;
		float *restrict word = words + n->batch->ids[i] * hidden + first;
		float *restrict position = positions + n->positions[i] * hidden + first;
		for (size_t j = 0; j < count; j++)
			word[j] += from[j];
		for (size_t j = 0; j < count; j++)
			position[j] += from[j];
		for (size_t j = 0; p->config.types > 0 && j < count; j++)
			type[first + j] += from[j];
	}
}

void network_touch(struct network *n, const uint32_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		n->touched_bits[ids[i] / 64] |= (uint64_t)1 << ids[i] % 64;
	n->touched_count = 0;
	for (size_t i = 0; i < ((size_t)n->p->config.vocabulary + 63) / 64; i++)
		for (uint64_t bits = n->touched_bits[i]; bits; bits &= bits - 1)
			n->touched[n->touched_count++] =
			    (uint32_t)(i * 64 + (size_t)__builtin_ctzll(bits));
}

void network_embed_scatter(struct network *n)
{
	network_touch(n, n->batch->ids, n->token_count);
	team_run(n->team, scatter_work, n);
}

const uint32_t *network_touched(const struct network *n, size_t *ret_count)
{
	*ret_count = n->touched_count;
	return n->touched;
}

static void clear_work(void *context, size_t worker, size_t worker_count)
{
	struct network *n = context;
	size_t hidden = n->p->config.hidden;
	const struct parameter *word = parameters_single(n->p, PARAMETER_WORD);
	size_t behind = word->offset + word->rows * hidden;
	size_t trained = network_trained(n);
	size_t from = behind > trained ? behind : trained;
	size_t first, count;
	team_share(n->p->size - from, 64, worker, worker_count, &first, &count);
	memset(n->gradients + from + first, 0, count * sizeof(float));
	team_share(n->touched_count, 1, worker, worker_count, &first, &count);
	for (size_t i = first; i < first + count; i++)
		memset(n->gradients + word->offset + n->touched[i] * hidden, 0,
		       hidden * sizeof(float));
}

void network_gradients_clear(struct network *n)
{
	team_run(n->team, clear_work, n);
	network_gradients_cleared(n);
}

void network_gradients_cleared(struct network *n)
{
	for (size_t i = 0; i < n->touched_count; i++)
		n->touched_bits[n->touched[i] / 64] = 0;
	n->touched_count = 0;
}

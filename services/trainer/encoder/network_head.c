/*
 * The classification heads, in float32 whatever the precision.
 *
 * BERT: dense, tanh, dropout, out. RoBERTa: dropout, dense, tanh, dropout, out. DistilBERT:
 * dense, ReLU, dropout, out.
 */
#include "trainer/encoder/network_state.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static const struct parameter *single(const struct network *n, enum parameter_single which)
{
	return parameters_single(n->p, which);
}

static void head_site(const struct network *n, enum dropout_site site,
		      struct network_site *ret_site)
{
	const struct encoder_config *c = &n->p->config;
	*ret_site = (struct network_site){0};
	bool is_there = site == DROPOUT_HEAD_OUT || c->family == ENCODER_ROBERTA;
	if (!n->head.dropping || !is_there)
		return;
	ret_site->dropout = dropout_site_make(&n->head.dropout, c->layers, site, c->dropout_head);
	if (ret_site->dropout.threshold > 0)
		ret_site->d = &ret_site->dropout;
}

/* x with dropout, in place. */
static void head_drop(struct network *n, enum dropout_site which, float *x)
{
	struct network_head *head = &n->head;
	struct network_site site;
	head_site(n, which, &site);
	if (!site.d)
		return;
	for (size_t i = 0; i < head->count; i++)
		head->row_keys[i] = dropout_row_key(site.d, head->keys[i], 0);
	kernel_dropout(head->count, n->p->config.hidden, site.d, head->row_keys, x);
}

static void active_rows(void *context, size_t worker, size_t row_first, size_t row_count)
{
	(void)worker;
	struct network *n = context;
	size_t hidden = n->p->config.hidden;
	float *x = n->head.active + row_first * hidden;
	size_t count = row_count * hidden;
	kernel_bias(n->weights + single(n, PARAMETER_HEAD_DENSE_BIAS)->offset, row_count, hidden,
		    x);
	if (n->p->config.family == ENCODER_DISTILBERT)
		for (size_t i = 0; i < count; i++)
			x[i] = x[i] > 0.0f ? x[i] : 0.0f;
	else
		for (size_t i = 0; i < count; i++)
			x[i] = tanhf(x[i]);
}

/* ret (count, W's rows) = x W^T. */
static void head_project(struct network *n, const float *x, enum parameter_single which, float *ret,
			 network_rows_fn *epilogue)
{
	const struct parameter *w = single(n, which);
	gemm_run(n->gemm_head, &(struct gemm_call){.transpose_b = true,
						   .rows = n->head.count,
						   .columns = w->rows,
						   .depth = w->columns,
						   .a = x,
						   .b = n->weights + w->offset,
						   .stride_a = w->columns,
						   .stride_b = w->columns,
						   .stride_c = w->rows,
						   .c = ret,
						   .epilogue = epilogue,
						   .context = n});
}

void network_head(struct network *n, const float *sentences, size_t count, const uint64_t *keys,
		  const struct dropout_step *d, float *ret_logits)
{
	struct network_head *head = &n->head;
	size_t floats = count * n->p->config.hidden;
	assert(count > 0 && count <= n->limits.states_max && n->p->class_count > 0);
	assert(!d || keys);
	head->count = count;
	head->dropping = d != NULL;
	if (d) {
		head->dropout = *d;
		memcpy(head->keys, keys, count * sizeof(*keys));
	}
	memcpy(head->in, sentences, floats * sizeof(float));
	head_drop(n, DROPOUT_HEAD_IN, head->in);
	head_project(n, head->in, PARAMETER_HEAD_DENSE_WEIGHT, head->active, active_rows);
	memcpy(head->dropped, head->active, floats * sizeof(float));
	head_drop(n, DROPOUT_HEAD_OUT, head->dropped);
	head_project(n, head->dropped, PARAMETER_HEAD_OUT_WEIGHT, ret_logits, NULL);
	kernel_bias(n->weights + single(n, PARAMETER_HEAD_OUT_BIAS)->offset, count,
		    n->p->class_count, ret_logits);
}

/* Adds the gradients of a matrix and its bias, and makes that of its input; one of the head's
 * two. */
static void head_pull(struct network *n, const float *dy, const float *x,
		      enum parameter_single weight, enum parameter_single bias, float *ret_dx)
{
	const struct parameter *w = single(n, weight);
	size_t count = n->head.count;
	kernel_column_sums(dy, NULL, count, w->rows, n->gradients + single(n, bias)->offset);
	gemm_run(n->gemm_head, &(struct gemm_call){.transpose_a = true,
						   .accumulate = true,
						   .rows = w->rows,
						   .columns = w->columns,
						   .depth = count,
						   .a = dy,
						   .b = x,
						   .stride_a = w->rows,
						   .stride_b = w->columns,
						   .stride_c = w->columns,
						   .c = n->gradients + w->offset});
	gemm_run(n->gemm_head, &(struct gemm_call){.rows = count,
						   .columns = w->columns,
						   .depth = w->rows,
						   .a = dy,
						   .b = n->weights + w->offset,
						   .stride_a = w->rows,
						   .stride_b = w->columns,
						   .stride_c = w->columns,
						   .c = ret_dx});
}

void network_head_backward(struct network *n, const float *dlogits, float *ret_dsentences)
{
	struct network_head *head = &n->head;
	size_t floats = head->count * n->p->config.hidden;
	assert(n->limits.training && head->count > 0);
	/* head_pull is done with `dropped` as an operand when it writes the gradient of it. */
	head_pull(n, dlogits, head->dropped, PARAMETER_HEAD_OUT_WEIGHT, PARAMETER_HEAD_OUT_BIAS,
		  head->dropped);
	head_drop(n, DROPOUT_HEAD_OUT, head->dropped);
	for (size_t i = 0; i < floats; i++) {
		float y = head->active[i];
		if (n->p->config.family == ENCODER_DISTILBERT)
			head->dropped[i] *= y > 0.0f;
		else
			head->dropped[i] *= 1.0f - y * y;
	}
	head_pull(n, head->dropped, head->in, PARAMETER_HEAD_DENSE_WEIGHT,
		  PARAMETER_HEAD_DENSE_BIAS, ret_dsentences);
	head_drop(n, DROPOUT_HEAD_IN, ret_dsentences);
	head->count = 0;
}

#include "trainer/encoder/gemm_engine.h"

#ifndef FREEAL_ONEDNN

const struct gemm_engine *gemm_onednn(enum precision precision)
{
	(void)precision;
	return NULL;
}

#else

#include <assert.h>
#include <dnnl.h>
#include <omp.h>
#include <stdlib.h>

/*
 * The primitives' sizes and strides are given at each call. This takes oneDNN to its packing
 * kernels, which need no primitive per shape (batches have all numbers of tokens) and were
 * measured within a few percent of those that do: 95 % of an AVX-512 processor's peak.
 */
enum { KINDS = 8 }; /* transpose_a, transpose_b, accumulate */

struct onednn {
	dnnl_data_type_t type;
	size_t worker_count;
	struct worker {
		dnnl_engine_t engine;
		dnnl_stream_t stream;
		dnnl_primitive_t products[KINDS];
	} * workers;
};

/* In version 3 descriptors are objects on the heap. */
#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t layout;

static dnnl_status_t layout_init(layout *l, const dnnl_dims_t sizes, dnnl_data_type_t type,
				 const dnnl_dims_t strides)
{
	return dnnl_memory_desc_create_with_strides(l, 2, sizes, type, strides);
}

static void layout_done(layout *l)
{
	(void)dnnl_memory_desc_destroy(*l);
}

static dnnl_status_t memory_new(dnnl_memory_t *m, const layout *l, dnnl_engine_t e, void *data)
{
	return dnnl_memory_create(m, *l, e, data);
}

static dnnl_status_t product_describe(dnnl_primitive_desc_t *d, dnnl_engine_t e, const layout *a,
				      const layout *b, const layout *c, dnnl_primitive_attr_t attr)
{
	return dnnl_matmul_primitive_desc_create(d, e, *a, *b, NULL, *c, attr);
}

static dnnl_status_t post_sum(dnnl_post_ops_t after)
{
	return dnnl_post_ops_append_sum(after, 1.0f, 0, dnnl_data_type_undef);
}

#else

typedef dnnl_memory_desc_t layout;

static dnnl_status_t layout_init(layout *l, const dnnl_dims_t sizes, dnnl_data_type_t type,
				 const dnnl_dims_t strides)
{
	return dnnl_memory_desc_init_by_strides(l, 2, sizes, type, strides);
}

static void layout_done(layout *l)
{
	(void)l;
}

static dnnl_status_t memory_new(dnnl_memory_t *m, const layout *l, dnnl_engine_t e, void *data)
{
	return dnnl_memory_create(m, l, e, data);
}

static dnnl_status_t product_describe(dnnl_primitive_desc_t *d, dnnl_engine_t e, const layout *a,
				      const layout *b, const layout *c, dnnl_primitive_attr_t attr)
{
	dnnl_matmul_desc_t product;
	dnnl_status_t status = dnnl_matmul_desc_init(&product, a, b, NULL, c);
	return status ? status : dnnl_primitive_desc_create(d, &product, attr, e, NULL);
}

static dnnl_status_t post_sum(dnnl_post_ops_t after)
{
	return dnnl_post_ops_append_sum(after, 1.0f);
}

#endif

static bool has(dnnl_cpu_isa_t isa)
{
	return (dnnl_get_effective_cpu_isa() & isa) == isa;
}

static const char *name_fp32(void)
{
	return "oneDNN fp32 (AVX-512)";
}

static const char *name_bf16(void)
{
	return "oneDNN bf16 (AVX512-BF16)";
}

static const char *name_amx(void)
{
	return "oneDNN bf16 (AMX)";
}

/* `rows` x `columns`, or lying in memory the other way round. */
static dnnl_status_t matrix_init(layout *l, dnnl_dim_t rows, dnnl_dim_t columns, dnnl_dim_t stride,
				 bool is_transposed, dnnl_data_type_t type)
{
	const dnnl_dims_t sizes = {rows, columns};
	const dnnl_dims_t strides = {is_transposed ? 1 : stride, is_transposed ? stride : 1};
	return layout_init(l, sizes, type, strides);
}

static dnnl_status_t product_new(dnnl_engine_t engine, dnnl_data_type_t type, bool transpose_a,
				 bool transpose_b, bool accumulate, dnnl_primitive_t *ret)
{
	const dnnl_dim_t later = DNNL_RUNTIME_DIM_VAL;
	layout a, b, c;
	dnnl_status_t status = matrix_init(&a, later, later, later, transpose_a, type);
	if (status)
		return status;
	status = matrix_init(&b, later, later, later, transpose_b, type);
	if (status)
		goto done_a;
	status = matrix_init(&c, later, later, later, false, dnnl_f32);
	if (status)
		goto done_b;

	dnnl_primitive_attr_t attr = NULL;
	dnnl_post_ops_t after = NULL;
	dnnl_primitive_desc_t description = NULL;
	status = dnnl_primitive_attr_create(&attr);
	if (!status)
		status = dnnl_post_ops_create(&after);
	if (!status && accumulate)
		status = post_sum(after);
	if (!status)
		status = dnnl_primitive_attr_set_post_ops(attr, after);
	if (!status)
		status = product_describe(&description, engine, &a, &b, &c, attr);
	if (!status)
		status = dnnl_primitive_create(ret, description);
	if (description)
		(void)dnnl_primitive_desc_destroy(description);
	if (after)
		(void)dnnl_post_ops_destroy(after);
	if (attr)
		(void)dnnl_primitive_attr_destroy(attr);
	layout_done(&c);
done_b:
	layout_done(&b);
done_a:
	layout_done(&a);
	return status;
}

static dnnl_status_t worker_init(struct worker *w, dnnl_data_type_t type)
{
	dnnl_status_t status = dnnl_engine_create(&w->engine, dnnl_cpu, 0);
	if (!status)
		status = dnnl_stream_create(&w->stream, w->engine, dnnl_stream_default_flags);
	for (int kind = 0; kind < KINDS && !status; kind++)
		status =
		    product_new(w->engine, type, kind & 1, kind & 2, kind & 4, &w->products[kind]);
	return status;
}

static void close_state(void *state)
{
	struct onednn *o = state;
	if (!o)
		return;
	for (size_t i = 0; i < o->worker_count; i++) {
		struct worker *w = &o->workers[i];
		for (int kind = 0; kind < KINDS; kind++)
			if (w->products[kind])
				(void)dnnl_primitive_destroy(w->products[kind]);
		if (w->stream)
			(void)dnnl_stream_destroy(w->stream);
		if (w->engine)
			(void)dnnl_engine_destroy(w->engine);
	}
	free(o->workers);
	free(o);
}

static enum err open_state(dnnl_data_type_t type, size_t worker_count, void **ret_state,
			   struct err_msg *msg)
{
	struct onednn *o = calloc(1, sizeof *o);
	struct worker *workers = calloc(worker_count, sizeof *workers);
	if (!o || !workers) {
		free(o);
		free(workers);
		return err_set(msg, ERR_NO_MEMORY, "no memory for %zu workers' products",
			       worker_count);
	}
	*o = (struct onednn){.type = type, .worker_count = worker_count, .workers = workers};
	/* A primitive is made for the number of threads that its maker would use. */
	int threads = omp_get_max_threads();
	omp_set_num_threads(1);
	dnnl_status_t status = dnnl_success;
	for (size_t i = 0; i < worker_count && !status; i++)
		status = worker_init(&workers[i], type);
	omp_set_num_threads(threads);
	if (status) {
		close_state(o);
		return err_set(msg, status == dnnl_out_of_memory ? ERR_NO_MEMORY : ERR_INVALID,
			       "oneDNN %d.%d can't set up its products (status %d)",
			       DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, (int)status);
	}
	*ret_state = o;
	return ERR_OK;
}

static enum err open_fp32(size_t worker_count, void **ret_state, struct err_msg *msg)
{
	return open_state(dnnl_f32, worker_count, ret_state, msg);
}

static enum err open_bf16(size_t worker_count, void **ret_state, struct err_msg *msg)
{
	return open_state(dnnl_bf16, worker_count, ret_state, msg);
}

static dnnl_memory_t matrix_new(dnnl_engine_t engine, const void *data, size_t rows, size_t columns,
				size_t stride, bool is_transposed, dnnl_data_type_t type)
{
	layout l;
	dnnl_memory_t matrix = NULL;
	dnnl_status_t status = matrix_init(&l, (dnnl_dim_t)rows, (dnnl_dim_t)columns,
					   (dnnl_dim_t)stride, is_transposed, type);
	if (!status) {
		status = memory_new(&matrix, &l, engine, (void *)(uintptr_t)data);
		layout_done(&l);
	}
	/* What can fail is memory for an object of some hundred bytes. */
	assert(status == dnnl_success);
	return matrix;
}

static void run(void *state, size_t worker, const struct gemm_call *call)
{
	struct onednn *o = state;
	const struct worker *w = &o->workers[worker];
	int kind = call->transpose_a | call->transpose_b << 1 | call->accumulate << 2;
	dnnl_memory_t a = matrix_new(w->engine, call->a, call->rows, call->depth, call->stride_a,
				     call->transpose_a, o->type);
	dnnl_memory_t b = matrix_new(w->engine, call->b, call->depth, call->columns, call->stride_b,
				     call->transpose_b, o->type);
	dnnl_memory_t c = matrix_new(w->engine, call->c, call->rows, call->columns, call->stride_c,
				     false, dnnl_f32);
	const dnnl_exec_arg_t args[] = {
	    {DNNL_ARG_SRC, a},
	    {DNNL_ARG_WEIGHTS, b},
	    {DNNL_ARG_DST, c},
	};
	omp_set_num_threads(1); /* of this thread */
	dnnl_status_t status = dnnl_primitive_execute(w->products[kind], w->stream, 3, args);
	assert(status == dnnl_success);
	(void)dnnl_memory_destroy(a);
	(void)dnnl_memory_destroy(b);
	(void)dnnl_memory_destroy(c);
}

/* OpenBLAS is as fast on processors without AVX-512. Without AVX512-BF16 oneDNN computes bf16
 * more slowly than fp32. AMX multiplies so fast that packing counts for more than the cache:
 * a step of RoBERTa-base took 5 % less time with four times the rows. */
const struct gemm_engine *gemm_onednn(enum precision precision)
{
	static const struct gemm_engine full = {
	    .precision = PRECISION_FP32,
	    .epilogue_rows = 256,
	    .name = name_fp32,
	    .open = open_fp32,
	    .close = close_state,
	    .run = run,
	};
	static const struct gemm_engine half = {
	    .precision = PRECISION_BF16,
	    .epilogue_rows = 256,
	    .name = name_bf16,
	    .open = open_bf16,
	    .close = close_state,
	    .run = run,
	};
	static const struct gemm_engine amx = {
	    .precision = PRECISION_BF16,
	    .epilogue_rows = 1024,
	    .name = name_amx,
	    .open = open_bf16,
	    .close = close_state,
	    .run = run,
	};
	if (precision == PRECISION_FP32)
		return has(dnnl_cpu_isa_avx512_core) ? &full : NULL;
	if (has(dnnl_cpu_isa_avx512_core_amx))
		return &amx;
	return has(dnnl_cpu_isa_avx512_core_bf16) ? &half : NULL;
}

#endif

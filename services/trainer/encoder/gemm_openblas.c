#include "trainer/encoder/gemm_engine.h"

#include <cblas.h>

static const char *name(void)
{
	return "OpenBLAS fp32";
}

static enum err open_state(size_t worker_count, void **ret_state, struct err_msg *msg)
{
	(void)worker_count, (void)msg;
	/* For the whole process: the workers are the threads. */
	openblas_set_num_threads(1);
	*ret_state = NULL;
	return ERR_OK;
}

static void close_state(void *state)
{
	(void)state;
}

static void run(void *state, size_t worker, const struct gemm_call *call)
{
	(void)state, (void)worker;
	cblas_sgemm(CblasRowMajor, call->transpose_a ? CblasTrans : CblasNoTrans,
		    call->transpose_b ? CblasTrans : CblasNoTrans, (int)call->rows,
		    (int)call->columns, (int)call->depth, 1.0f, call->a, (int)call->stride_a,
		    call->b, (int)call->stride_b, call->accumulate ? 1.0f : 0.0f, call->c,
		    (int)call->stride_c);
}

const struct gemm_engine *gemm_openblas(enum precision precision)
{
	static const struct gemm_engine engine = {
	    .precision = PRECISION_FP32,
	    .epilogue_rows = 256,
	    .name = name,
	    .open = open_state,
	    .close = close_state,
	    .run = run,
	};
	return precision == PRECISION_FP32 ? &engine : NULL;
}

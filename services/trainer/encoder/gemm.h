/*
 * Matrix products of the encoder, on a team of threads.
 *
 * Operands are float, or bfloat16 where the engine's precision is PRECISION_BF16; sums and
 * results are float. Each thread calls a single-threaded library kernel on rows of its own
 * (OpenBLAS's sgemm, or oneDNN where it was built in and the processor gains by it), so that
 * results depend on the team's size and the engine alone.
 */
#ifndef FREEAL_TRAINER_ENCODER_GEMM_H
#define FREEAL_TRAINER_ENCODER_GEMM_H

#include "base/err.h"
#include "math/team.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum precision {
	PRECISION_FP32,
	PRECISION_BF16,
};

typedef uint16_t bf16;

struct gemm;

/* BF16 where the processor multiplies it natively (AMX, AVX512-BF16) and oneDNN is built in. */
enum precision gemm_precision_best(void);
/* For logs and tables, such as "oneDNN bf16 (AMX)"; static. */
const char *gemm_engine_name(enum precision precision);

/* `team` is borrowed. ERR_INVALID: this build or processor can't do that precision. */
enum err gemm_new(struct team *team, enum precision precision, struct gemm **ret_gemm,
		  struct err_msg *msg) WARN_UNUSED;
void gemm_free(struct gemm *g);
enum precision gemm_precision(const struct gemm *g);

struct gemm_call {
	/* C (rows, columns) = op(A) op(B), or C + op(A) op(B): op(A) is (rows, depth), op(B) is
	 * (depth, columns). All row-major; strides in elements. A matrix that is transposed lies
	 * in memory as (depth, rows) or (columns, depth). */
	bool transpose_a, transpose_b, accumulate;
	size_t rows, columns, depth;
	const void *a, *b; /* float, or bf16 with PRECISION_BF16 */
	size_t stride_a, stride_b, stride_c;
	float *c;
	/* Called by the worker that has just made these rows of C, while they are in its cache;
	 * NULL: nothing more to do. Each row comes once, in any order. */
	void (*epilogue)(void *context, size_t worker, size_t row_first, size_t row_count);
	void *context;
};

/* Takes no memory but the library's own, of a bounded size: copies of blocks of A and B. */
void gemm_run(struct gemm *g, const struct gemm_call *call);

/* For measuring: from here on the calls are written to `calls`, as long as there is room, without
 * their epilogues; NULL stops it (read gemm_traced before). They may be run again while their
 * operands live; those that accumulate change C. */
void gemm_trace(struct gemm *g, struct gemm_call *calls, size_t calls_max);
size_t gemm_traced(const struct gemm *g);

#endif

#include "trainer/encoder/gemm_engine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { GRAIN = 8 }; /* rows or columns that the kernels take at once */

struct gemm {
	struct team *team;
	const struct gemm_engine *engine;
	void *state; /* the engine's */
	struct gemm_call *calls;
	size_t calls_max, calls_count;
};

static const struct gemm_engine *engine_best(enum precision precision)
{
	const struct gemm_engine *engine = gemm_onednn(precision);
	return engine ? engine : gemm_openblas(precision);
}

enum precision gemm_precision_best(void)
{
	return engine_best(PRECISION_BF16) ? PRECISION_BF16 : PRECISION_FP32;
}

const char *gemm_engine_name(enum precision precision)
{
	const struct gemm_engine *engine = engine_best(precision);
	return engine ? engine->name() : "none";
}

enum err gemm_new_engine(struct team *team, const struct gemm_engine *engine,
			 struct gemm **ret_gemm, struct err_msg *msg)
{
	struct gemm *g = calloc(1, sizeof *g);
	if (!g)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the products' engine");
	g->team = team;
	g->engine = engine;
	enum err err = engine->open(team_size(team), &g->state, msg);
	if (err) {
		free(g);
		return err;
	}
	*ret_gemm = g;
	return ERR_OK;
}

enum err gemm_new(struct team *team, enum precision precision, struct gemm **ret_gemm,
		  struct err_msg *msg)
{
	const struct gemm_engine *engine = engine_best(precision);
	if (!engine)
		return err_set(msg, ERR_INVALID,
			       "bfloat16 needs a processor with AVX512-BF16 or AMX and a build "
			       "with oneDNN: use float32");
	return gemm_new_engine(team, engine, ret_gemm, msg);
}

void gemm_free(struct gemm *g)
{
	if (!g)
		return;
	g->engine->close(g->state);
	free(g);
}

enum precision gemm_precision(const struct gemm *g)
{
	return g->engine->precision;
}

static const void *skip(const struct gemm *g, const void *matrix, size_t elements)
{
	size_t bytes = g->engine->precision == PRECISION_BF16 ? sizeof(bf16) : sizeof(float);
	return (const char *)matrix + elements * bytes;
}

static void run_part(const struct gemm *g, size_t worker, const struct gemm_call *call)
{
	if (!call->rows || !call->columns)
		return;
	if (call->depth) {
		g->engine->run(g->state, worker, call);
		return;
	}
	for (size_t row = 0; row < call->rows && !call->accumulate; row++)
		memset(call->c + row * call->stride_c, 0, call->columns * sizeof(float));
}

static void run_columns(const struct gemm *g, size_t worker, const struct gemm_call *call,
			size_t first, size_t count)
{
	struct gemm_call part = *call;
	part.columns = count;
	part.b = skip(g, call->b, call->transpose_b ? first * call->stride_b : first);
	part.c = call->c + first;
	run_part(g, worker, &part);
}

static void run_rows(const struct gemm *g, size_t worker, const struct gemm_call *call,
		     size_t first, size_t count)
{
	struct gemm_call part = *call;
	part.rows = count;
	part.a = skip(g, call->a, call->transpose_a ? first : first * call->stride_a);
	part.c = call->c + first * call->stride_c;
	run_part(g, worker, &part);
}

struct run {
	const struct gemm *g;
	const struct gemm_call *call;
};

static void work(void *context, size_t worker, size_t worker_count)
{
	const struct run *run = context;
	const struct gemm_call *call = run->call;
	size_t first, count;
	/* Each worker packs all of the matrix that isn't shared out: the shorter one. */
	if (!call->epilogue && call->columns > call->rows) {
		team_share(call->columns, GRAIN, worker, worker_count, &first, &count);
		if (count)
			run_columns(run->g, worker, call, first, count);
		return;
	}
	team_share(call->rows, GRAIN, worker, worker_count, &first, &count);
	if (!call->epilogue) {
		if (count)
			run_rows(run->g, worker, call, first, count);
		return;
	}
	size_t block_rows_max = run->g->engine->epilogue_rows;
	size_t block_count = (count + block_rows_max - 1) / block_rows_max;
	for (size_t i = 0; i < block_count; i++) {
		size_t block_first, block_rows;
		team_share(count, GRAIN, i, block_count, &block_first, &block_rows);
		run_rows(run->g, worker, call, first + block_first, block_rows);
		call->epilogue(call->context, worker, first + block_first, block_rows);
	}
}

void gemm_run(struct gemm *g, const struct gemm_call *call)
{
	if (g->calls_count < g->calls_max) {
		struct gemm_call *kept = &g->calls[g->calls_count++];
		*kept = *call;
		kept->epilogue = NULL;
		kept->context = NULL;
	}
	team_run(g->team, work, &(struct run){.g = g, .call = call});
}

void gemm_trace(struct gemm *g, struct gemm_call *calls, size_t calls_max)
{
	g->calls = calls;
	g->calls_max = calls ? calls_max : 0;
	g->calls_count = 0;
}

size_t gemm_traced(const struct gemm *g)
{
	return g->calls_count;
}

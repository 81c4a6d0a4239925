/*
 * What gemm.c asks of a library: single-threaded products, several at once.
 */
#ifndef FREEAL_TRAINER_ENCODER_GEMM_ENGINE_H
#define FREEAL_TRAINER_ENCODER_GEMM_ENGINE_H

#include "trainer/encoder/gemm.h"

struct gemm_engine {
	enum precision precision;
	/* Rows between two calls of an epilogue, about: with fewer, more of C is in the cache and B
	 * is packed more often. */
	size_t epilogue_rows;
	const char *(*name)(void);
	/* What workers 0 .. worker_count-1 need to run products at the same time. */
	enum err (*open)(size_t worker_count, void **ret_state, struct err_msg *msg);
	void (*close)(void *state);
	/* One product, whole and without its epilogue; rows, columns and depth are at least 1. */
	void (*run)(void *state, size_t worker, const struct gemm_call *call);
};

/* NULL: not built in, or not on this processor. */
const struct gemm_engine *gemm_openblas(enum precision precision);
const struct gemm_engine *gemm_onednn(enum precision precision);

/* gemm_new with an engine of the caller's choice. */
enum err gemm_new_engine(struct team *team, const struct gemm_engine *engine,
			 struct gemm **ret_gemm, struct err_msg *msg) WARN_UNUSED;

#endif

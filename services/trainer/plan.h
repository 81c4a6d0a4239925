/*
 * What the task file's `model` of type encoder asks of the encoder, as its options and
 * trainings; and whether this machine can do it.
 */
#ifndef FREEAL_TRAINER_PLAN_H
#define FREEAL_TRAINER_PLAN_H

#include "proto/project.pb-c.h"
#include "trainer/encoder/encoder.h"

#include <stdbool.h>

/* Bits of Model.views. */
enum { PLAN_VIEW_NGRAM = 1, PLAN_VIEW_VECTORS = 2, PLAN_VIEW_TUNED = 4 };

bool plan_is_encoder(const Freeal__Project *project);
/* Sentence vectors come from an encoder or an embeddings endpoint, not from n-grams. */
bool plan_has_vectors(const Freeal__Project *project);
struct encoder_options plan_options(const Freeal__Model *m, uint32_t thread_count);
/* The training of half of the samples, and the final one. Epochs grow on few samples (tune_epochs)
 * unless the task file says how many or the recipe is the paper's. */
struct tune_config plan_fold(const Freeal__Model *m, uint64_t seed);
struct tune_config plan_final(const Freeal__Model *m, uint64_t seed);

/*
 * Tries the checkpoint and compares what the final training takes with what there is. Anything
 * but ERR_OK: `msg` says to the user what is wrong and what to do. A project of another type
 * passes.
 */
enum err plan_check(const Freeal__Project *project, uint32_t thread_count,
		    struct err_msg *msg) WARN_UNUSED;

#endif

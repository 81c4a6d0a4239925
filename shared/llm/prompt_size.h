/*
 * How large a request may be at most, without writing it: for reservations. Bytes of the body,
 * whatever the server's dialect, in whatever ask of the sample; a request about several samples
 * is no larger than all of them together. Pure.
 */
#ifndef FREEAL_LLM_PROMPT_SIZE_H
#define FREEAL_LLM_PROMPT_SIZE_H

#include "proto/envelope.pb-c.h"
#include "proto/project.pb-c.h"

#include <stdint.h>

struct prompt_size {
	const Freeal__Project *project; /* borrowed */
	const Freeal__Llm *llm;
	uint64_t task;	      /* description, labels and names, once */
	uint64_t answer;      /* a demonstration's answer: the longest name */
	uint64_t fixed;	      /* of a request that labels */
	uint64_t around;      /* of the template around each text */
	uint64_t text_copies; /* of the text in it */
};

void prompt_size_init(struct prompt_size *s, const Freeal__Project *project,
		      const Freeal__Llm *llm);

/* `pool` may be NULL where the order has no demonstrations. */
uint64_t prompt_size_annotate(const struct prompt_size *s, const Freeal__AnnotateOrder *order,
			      const Freeal__Pool *pool);
uint64_t prompt_size_generate(const struct prompt_size *s, const Freeal__GenerateOrder *order);
uint64_t prompt_size_augment(const struct prompt_size *s, const Freeal__AugmentOrder *order);

/* The most tokens of an answer, what it may reason left out (price_bound adds that). */
uint32_t prompt_size_annotate_tokens(const struct prompt_size *s);
uint32_t prompt_size_generate_tokens(const struct prompt_size *s,
				     const Freeal__GenerateOrder *order);
/* A second view may be up to twice as long as the text. */
uint32_t prompt_size_augment_tokens(const struct prompt_size *s, const Freeal__AugmentOrder *order);

#endif

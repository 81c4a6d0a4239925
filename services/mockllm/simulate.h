/*
 * Answers drawn at random with an LLM's kind of errors: for tests of the mechanism,
 * never evidence of quality.
 *
 * File: JSONL, {"text", "gold", "rival", "margin"}: the right label, the label it
 * is taken for, and the standardised log odds between them.
 *	P(gold) = sigmoid(a + 1.5 margin + d (0.4 + 1.2 (2r - 1))), else the rival
 * where d is 1 with demonstrations, and r the share of them that is labelled right,
 * weighted by the cosine of hashed word counts to the text; a demonstration that is
 * not in the file counts as half right. `a` makes the zero-shot accuracy the wanted
 * one. 2 % of the answers are invalid. The draw is a hash of seed, text, demonstrations
 * and, but for the first, its number. Where a request may be answered by several labels, both
 * are named at a small |margin|: at the wanted share of the file's.
 */
#ifndef FREEAL_MOCKLLM_SIMULATE_H
#define FREEAL_MOCKLLM_SIMULATE_H

#include "mockllm/chat.h"
#include "mockllm/guess.h"

#include <stddef.h>
#include <stdint.h>

struct simulate;

/*
 * `accuracy`: share of all zero-shot answers that is right, counting invalid ones as wrong;
 * `unsure`: share of texts for which two labels are named where that is asked for.
 */
WARN_UNUSED enum err simulate_new(const char *path, double accuracy, double unsure, uint64_t seed,
				  struct simulate **ret_simulate, struct err_msg *msg);
void simulate_free(struct simulate *s);
/* ERR_INVALID for a text that is not in the file. */
WARN_UNUSED enum err simulate_guess(const struct simulate *s, const struct chat_request *request,
				    struct chat_text text, uint64_t draw, struct guess *ret_guess,
				    struct err_msg *msg);

/* The offset `a` at which the mean of sigmoid(a + 1.5 margin) is `share` (0 < share < 1). */
double simulate_offset(const double *margins, size_t count, double share);
/* P(gold) as above; `right` is r, ignored without demonstrations. */
double simulate_probability(double offset, double margin, int has_demonstrations, double right);

#endif

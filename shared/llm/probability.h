/*
 * How likely each label was to an LLM, from the log-probabilities of its answer's tokens. Pure.
 *
 * At each token of the label the server tells the likeliest alternatives. What was chosen is
 * followed; an alternative that goes on as a label's name or alias does (case and blanks and
 * quotes before it ignored) is that label's, with the probability of the path to it. An
 * alternative that may still become several labels is shared evenly among them, as nothing is
 * known of where they part; one that becomes none is left out, and the rest is scaled to 1.
 */
#ifndef FREEAL_LLM_PROBABILITY_H
#define FREEAL_LLM_PROBABILITY_H

#include "base/err.h"
#include "llm/answer.h"
#include "llm/reply.h"

#include <stdbool.h>

/*
 * Writes the project's n_labels probabilities, which add up to 1; `ret_seen` is what they added up
 * to before. `label` is where the label begins in the choice's content (struct answer). False: the
 * tokens don't say, or don't spell a label there; or there is no memory.
 */
bool probability_read(const struct answer_labels *l, const struct reply_choice *choice,
		      const char *label, float *ret_probabilities, double *ret_seen);

#endif

/*
 * A look at all samples of an input file before anything is asked: how many and how large they
 * are, and some of them to show.
 */
#ifndef FREEAL_CLI_SURVEY_H
#define FREEAL_CLI_SURVEY_H

#include "base/err.h"
#include "config/task.h"
#include "llm/prompt.h"

#include <stddef.h>
#include <stdint.h>

struct survey_counts {
	uint64_t samples;
	uint64_t augmented; /* of them bring a second view */
	uint64_t text_bytes;
	uint64_t text_bytes_max; /* of one */
};

struct survey {
	struct survey_counts counts;
	struct prompt_text *texts; /* the first samples; owned */
	size_t text_count;
	char *wanted_id; /* the sample that was looked for; NULL: it is not there */
	struct prompt_text wanted;
};

/*
 * Reads the whole input, which also checks it, and keeps the first `texts_max` texts. `wanted`
 * (NULL: none) is a sample's id, or else its number, counted from 1. ERR_INVALID as source_next.
 */
WARN_UNUSED enum err survey_new(const struct task *task, const char *input, size_t texts_max,
				const char *wanted, struct survey **ret_survey,
				struct err_msg *msg);
void survey_free(struct survey *s);

#endif

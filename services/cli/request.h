/*
 * Requests as the annotator would send them, with what can be known before: the task file's
 * examples as demonstrations, and words in the place of those that are not there yet.
 */
#ifndef FREEAL_CLI_REQUEST_H
#define FREEAL_CLI_REQUEST_H

#include "base/buf.h"
#include "base/limits.h"
#include "llm/prompt.h"
#include "proto/project.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct request_demonstrations {
	struct prompt_demonstration items[SHOTS_MAX];
	size_t count;
	char notes[SHOTS_MAX][64]; /* what stands in the place of missing ones */
};

/* As many as the round has shots: in round 0 the labels' examples in turn, as far as there are
 * any. `notes`: else texts that say what will stand there; without, empty ones. */
void request_demonstrations_take(const Freeal__Project *project, uint32_t round, bool notes,
				 struct request_demonstrations *ret);

/* Appends the first request that labels the texts (1 .. PROMPT_BATCH_MAX) in `round`, as its first
 * endpoint gets it. */
WARN_UNUSED enum err request_annotate_write(const Freeal__Project *project, uint32_t round,
					    const struct request_demonstrations *demonstrations,
					    const struct prompt_text *texts, size_t text_count,
					    bool pretty, struct buf *out);
/* And the one that has `count` demonstrations of a class written. */
WARN_UNUSED enum err request_generate_write(const Freeal__Project *project, uint32_t class_id,
					    uint32_t count, const struct prompt_text *styles,
					    size_t style_count, bool pretty, struct buf *out);

struct request_size {
	uint64_t messages;
	uint64_t bytes;		/* of their contents: what an LLM reads */
	uint64_t bytes_first;	/* of the first one's */
	uint64_t answer_tokens; /* what max_tokens allows */
};

/* Of a request's body. */
WARN_UNUSED enum err request_measure(const struct buf *body, struct request_size *ret_size);

#endif

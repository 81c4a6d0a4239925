/*
 * How far a run is, for people: one live block on a terminal, else a line when the
 * phase changes and every PROGRESS_LINE_MS as far as anything changes.
 *
 * `status` is the JSON of GET /v1/status; what it lacks is left out.
 */
#ifndef FREEAL_CLI_PROGRESS_H
#define FREEAL_CLI_PROGRESS_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PROGRESS_LINE_MS 5000
/* A kind of worker that is missing this long is spoken of. */
#define PROGRESS_MISSING_MS 15000

/* One line without an end, such as "round 0 annotate 10/40 (25 %), 5/s, 6 s left". */
void progress_line(const json_t *status, struct buf *out);
/* The block's lines, each with an end and at most `width` columns wide. */
void progress_block(const json_t *status, unsigned width, struct buf *out);
/* What a person has to do, where the run waits for one; nothing else. */
void progress_alarm(const json_t *status, struct buf *out);

/* 90 s as "1 min 30 s". */
void progress_time(double seconds, struct buf *out);

/* The display's state; starts as {.out = stderr, .terminal = ...}. */
struct progress {
	FILE *out;
	bool terminal;
	unsigned block_lines; /* of the block that stands on the terminal */
	uint64_t line_ms;     /* when the last line was printed */
	char phase[64];	      /* phase and round of the last line */
	char line[512];	      /* the last line, as far as it is compared */
	char alarm[512];      /* the alarm that was printed last */
	/* Kind of worker that is missing, and since when. */
	char missing[32];
	uint64_t missing_ms;
};

void progress_show(struct progress *p, const json_t *status, uint64_t now_ms);
/* Before other output: the block, if any, stays as it is. */
void progress_end(struct progress *p);

#endif

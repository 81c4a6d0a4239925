/*
 * The annotator's jobs at OpenAI's Batch API: asks of rounds with llm.batch_api are collected
 * into jobs instead of being sent one by one. Before a job is made, and when its id is known, the
 * coordinator stores a note, so that no question is paid twice whoever dies: another annotator is
 * given the note, looks the job up and fetches its answers. All on the loop's thread.
 */
#ifndef FREEAL_ANNOTATOR_BATCH_H
#define FREEAL_ANNOTATOR_BATCH_H

#include "annotator/ask.h"
#include "llm/client.h"
#include "proto/envelope.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct annotator;

/* Jobs of its own that an annotator has at a time. */
#define BATCH_JOBS_MAX 4u

/* Collects what waits in a queue whose LLM is asked by jobs. */
void batch_collect(struct annotator *a, uint32_t queue);
/* Leases that such a queue may hold. */
uint32_t batch_leases_max(void);
/* Does what is due; returns when it wants to be called next. */
uint64_t batch_pump(struct annotator *a);
/* The lease of a work that a job which was handed over covers: true where the job took it. */
bool batch_claim(struct annotator *a, struct ask *ask);
/* From the coordinator. */
void batch_note_take(struct annotator *a, const Freeal__BatchNote *note);
void batch_noted_take(struct annotator *a, const Freeal__BatchNoted *noted);
/* Another connection: what is not noted is told again. */
void batch_tell_again(struct annotator *a);
void batch_free(struct annotator *a);

/* For the client that the jobs have for themselves; `context` is the annotator. */
void batch_done(void *context, void *cookie, const struct client_reply *reply);

#endif

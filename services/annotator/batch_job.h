/*
 * A job at OpenAI's Batch API: its questions, a line each, and how far it is. Memory alone; what
 * is sent and when is batch.c's.
 */
#ifndef FREEAL_ANNOTATOR_BATCH_JOB_H
#define FREEAL_ANNOTATOR_BATCH_JOB_H

#include "annotator/ask.h"
#include "annotator/lane.h"
#include "base/buf.h"
#include "base/err.h"
#include "llm/batch_api.h"
#include "proto/envelope.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_LINES_MAX 1000u
#define BATCH_LINES_ADOPTED_MAX 2048u
#define BATCH_FILE_BYTES_MAX (48u << 20)
#define BATCH_TOKEN_BYTES 16

enum batch_state {
	BATCH_COLLECTS, /* questions */
	BATCH_NOTES,	/* the coordinator stores that it is about to be made */
	BATCH_UPLOADS,
	BATCH_CREATES,
	BATCH_FINDS, /* it may have been made: it is looked for by its token */
	BATCH_POLLS,
	BATCH_FETCHES,	      /* the answers */
	BATCH_FETCHES_ERRORS, /* and the other answers */
	BATCH_CLOSES,	      /* until its results and its end are stored */
};

struct batch_line {
	Freeal__WorkName name;
	struct key key;
	bool keyed;
	bool answered;
	struct ask *ask; /* owned; NULL: it was handed on, or its lease has not come */
};

struct batch_job {
	struct batch_job *next;
	enum batch_state state;
	struct lane *lane; /* held by the job, as by a call */
	uint8_t token[BATCH_TOKEN_BYTES];
	char word[2 * BATCH_TOKEN_BYTES + 1]; /* the token in its metadata */
	struct batch_object object;	      /* id "": it is not made, or not known to be */
	char file[BATCH_ID_BYTES_MAX];
	char after[BATCH_ID_BYTES_MAX]; /* BATCH_FINDS: the page */
	struct buf body;		/* of the upload */
	struct batch_line *lines;
	size_t line_count;
	size_t cursor;	/* where the next answer is looked for */
	bool adopted;	/* another annotator made it */
	bool noted;	/* the coordinator has stored what it was told last */
	bool flying;	/* a request is under way */
	uint32_t tries; /* of it, in a row */
	uint64_t due_ms;
	uint64_t poll_ms;
	uint64_t note_ms; /* when the note is sent again */
};

/* Empty, in BATCH_COLLECTS. NULL: no memory. */
struct batch_job *batch_job_new(struct lane *lane);
/* Another annotator's. ERR_INVALID: the note can't be used; ERR_NO_MEMORY. */
WARN_UNUSED enum err batch_job_adopt(struct lane *lane, const Freeal__BatchNote *note,
				     struct batch_job **ret_job);
/* And the asks in it. The lane stays its owner's to settle. */
void batch_job_free(struct batch_job *j);

/* Adds an ask with its request's body and takes it over. ERR_LIMIT: the job is full. */
WARN_UNUSED enum err batch_job_add(struct batch_job *j, struct ask *ask, bool keyed,
				   const void *body, size_t size);
/* No more are added: the upload is complete and has its token. ERR_IO: no random numbers. */
WARN_UNUSED enum err batch_job_seal(struct batch_job *j);

/* The line that an answer is to, once; NULL: none, or it is answered. */
struct batch_line *batch_job_find(struct batch_job *j, const char *custom_id, uint32_t *ret_ask_no);
/* Puts the ask of an adopted job's line into it. False: it has no such line open. */
bool batch_job_claim(struct batch_job *j, struct ask *ask);

/* Fills a note, which borrows from the job. `name_list` and `keys` have room for its lines. */
void batch_job_note(struct batch_job *j, bool over, Freeal__WorkName **name_list,
		    ProtobufCBinaryData *keys, Freeal__BatchNote *ret_note);

#endif

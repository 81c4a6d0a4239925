/*
 * Every limit of the project in one place: what is larger is refused, never cut
 * in silence.
 */
#ifndef FREEAL_BASE_LIMITS_H
#define FREEAL_BASE_LIMITS_H

/* Messages. */
#define FRAME_BYTES_MAX (8u << 20) /* one envelope on the bus */
#define CHUNK_BYTES_TARGET (1u << 20)
#define WORKS_PER_LEASE_MAX 256
#define RESULTS_PER_MESSAGE_MAX 256
#define SOCKET_HWM 1000

/* Text. */
#define SAMPLE_BYTES_MAX (1u << 20)
#define ID_BYTES_MAX 256
#define ANSWER_BYTES_MAX 4096	     /* kept of an LLM's answer */
#define REPLY_BYTES_MAX (1u << 20)   /* body of an LLM's HTTP response */
#define PROMPT_BYTES_MAX (16u << 20) /* body of an HTTP request to an LLM */
#define GENERATED_BYTES_MAX 4096     /* one demonstration written by an LLM */
#define RECORD_BYTES_MAX (8u << 20)  /* one record of an input file, all columns */
#define FIELD_COUNT_MAX 1024	     /* columns of an input file */
#define JSON_DEPTH_MAX 64
#define TASK_BYTES_MAX (4u << 20) /* a task file */
#define NAME_BYTES_MAX 256	  /* names of labels, columns, models; URLs have 4 times that */
#define DESCRIPTION_BYTES_MAX (16u << 10)
#define LABEL_ITEM_COUNT_MAX 1000 /* aliases, keywords or examples of one label */

/* Project. */
#define PROJECT_ID_BYTES 16
#define LABEL_COUNT_MAX 1000
#define ROUND_COUNT_MAX 100
#define ENDPOINT_COUNT_MAX 64 /* named ones of a task file */
#define POOL_MAX 10000
#define SHOTS_MAX 100

/* Kept replies. */
#define KEPT_REPLY_BYTES_MAX (64u << 10)   /* larger ones are not kept */
#define KEPT_RESULT_BYTES_MAX (256u << 10) /* that one result brings */
#define KEPT_ENTRY_BYTES 128u		   /* that a reply counts besides its body */
#define RECALL_KEYS_MAX 256

/* Work. */
#define WORK_ATTEMPTS_MAX 5 /* leases of one work before it counts as failed */
/* Annotators that may be lost with a sample in hand: in a batch, in a group of suspects, and
 * twice alone. Then it is set aside. */
#define WORK_LOSSES_MAX 4

/* Labels that one answer of an LLM may name. */
#define CANDIDATES_MAX 16

#endif

/*
 * The task file: what is being labelled, by which LLM, in which rounds.
 *
 * YAML with the keys below. Whatever is wrong in it is reported as
 * "FILE:LINE: what, what to do": unknown keys, wrong types, values out of
 * range, labels (or aliases) that clash, missing `labels` or `llm`, settings
 * that make no sense together, an API key (a file that is passed around holds none).
 */
#ifndef FREEAL_CONFIG_TASK_H
#define FREEAL_CONFIG_TASK_H

#include "base/err.h"
#include "text/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct task_strings {
	char **items;
	size_t count;
};

/* Names and aliases are unique over all labels, case ignored. */
struct task_label {
	char *name;
	char *description; /* "" where there is none */
	struct task_strings aliases;
	struct task_strings keywords;
	struct task_strings examples;
};

/* Column names, or numbers from 0; NULL for a column that is not used. */
struct task_input {
	char *text; /* "text" by default */
	char *id;
	char *gold;
	char *augmented;
};

/* A server and what it may take. Limits hold over all annotators together; 0: none. */
struct task_endpoint {
	char *name; /* of one under `endpoints`; NULL: llm's own */
	char *url;  /* http:// or https://, without a trailing slash */
	char *model;
	char *key_env;	      /* the environment variable with the key, or */
	char *key_file;	      /* a file with it, absolute; both NULL: no key is sent */
	char *api_version;    /* Azure's; NULL: OpenAI's protocol */
	double timeout_s;     /* of one request, default 60 */
	uint32_t concurrency; /* requests in flight; 0: up to 64 for each annotator */
	uint32_t requests_per_minute;
	uint64_t tokens_per_minute;
	bool priced;		       /* usd_per_million is given; else the three are 0 */
	double usd_per_million_in;     /* of prompt tokens */
	double usd_per_million_cached; /* of those that the server had in its cache */
	double usd_per_million_out;
};

/* As Freeal__AnswerForm. */
enum task_answer_form {
	TASK_ANSWER_TEXT,
	TASK_ANSWER_JSON,
	TASK_ANSWER_CHOICE,
};

/* Whom to ask, and how. Given under `llm`, overridden in a round. */
struct task_llm {
	struct task_endpoint own;      /* url and model; not used where `endpoints` has names */
	struct task_strings endpoints; /* names of those under `endpoints`; any of them is asked */
	double temperature;	       /* 0 .. 2, default 0 */
	uint32_t max_tokens;	       /* of an answer, default 20 */
	uint32_t retries;	       /* of one request, after network errors and 5xx, default 5 */
	uint32_t attempts; /* 1 .. 20 asks per sample while answers are unusable, default 1 */
	enum task_answer_form answers;
	bool logprobs;
	bool candidates;
	uint32_t samples;	   /* answers per sample, default 1 */
	bool reasoning;		   /* think in words first */
	uint32_t reasoning_tokens; /* on top of max_tokens where it reasons, default 1000 */
	char *effort;		   /* parameter reasoning_effort; NULL: not sent */
	uint32_t batch;		   /* samples per request, default 1 */
	bool batch_api;
};

/* Never to be exceeded; 0: no limit. */
struct task_budget {
	uint64_t nano_usd;
	uint64_t tokens;
	uint64_t requests;
};

/* Templates (text/prompt_template.h); NULL: freeal's own. */
struct task_prompt {
	char *system;
	char *user;
	char *generate_system;
	char *generate_user;
};

/* Sentence vectors from an LLM server; url NULL: none. */
struct task_embeddings {
	struct task_endpoint endpoint;
	uint32_t dimensions; /* 0: the model's own */
	uint32_t batch;	     /* texts per request, default 64 */
};

/* Second views written by an LLM. */
struct task_augment {
	bool on;
	struct task_llm llm; /* a copy of `llm` where nothing else is said */
	char *language;	     /* back-translation through it; NULL: a paraphrase */
};

enum task_model_type {
	TASK_MODEL_NGRAM,
	TASK_MODEL_ENCODER,
};

enum task_recipe {
	TASK_RECIPE_DEFAULT,
	TASK_RECIPE_PAPER,
};

enum task_precision {
	TASK_PRECISION_AUTO,
	TASK_PRECISION_FP32,
	TASK_PRECISION_BF16,
};

/* Whose out-of-fold probabilities an encoder's labels are judged by; bits. */
enum task_view {
	TASK_VIEW_NGRAM = 1,
	TASK_VIEW_VECTORS = 2, /* a linear model on frozen sentence vectors */
	TASK_VIEW_TUNED = 4,   /* the encoder, fine-tuned */
};

/* 0 is the recipe's own wherever a field says so. */
struct task_model {
	enum task_model_type type;
	enum task_recipe recipe;
	uint32_t folds;	 /* ngram: 2 .. 20, default 5; encoder: 2, its halves */
	uint32_t epochs; /* of the final training; or the recipe's own */
	/* Type encoder alone. */
	char *path;	 /* absolute; the checkpoint's folder, as trainers see it */
	uint32_t tokens; /* of a text; 0: 128, or what the checkpoint can do */
	uint32_t freeze; /* lowest layers that are not trained, default 0 */
	enum task_precision precision;
	uint32_t batch;	  /* default 32 */
	double rate;	  /* or the recipe's own */
	uint32_t views;	  /* enum task_view, default all */
	int mixup;	  /* 0: the recipe's own; 1: off; 2: on */
	int consistency;  /* the same */
	int second_views; /* 0: the recipe's own; 1: none; 2: noisy rows'; 3: all */
};

/* One round with everything resolved. */
struct task_round {
	struct task_llm llm;
	uint32_t shots; /* demonstrations per prompt, default 10; 0 is plain zero-shot */
	double relabel; /* share of the samples that is asked again, default 0.4; 1 in round 0 */
};

struct task_generate {
	uint32_t demonstrations; /* written by the LLM in all, default 100 */
	uint32_t style_samples;	 /* unlabelled samples shown for style per request, default 10 */
};

struct task {
	char *name;	   /* `task`, default "task" */
	char *description; /* "" where there is none */
	struct task_label *labels;
	size_t label_count; /* at least 2 */
	struct task_input input;
	struct task_endpoint *endpoints; /* named */
	size_t endpoint_count;
	struct task_llm llm;
	struct task_model model;
	struct task_round *rounds;
	size_t round_count; /* at least 1 */
	bool early_stop;    /* `rounds` is a number: later rounds may be left out */
	uint32_t pool;	    /* demonstrations chosen after each round, default 100 */
	struct task_generate generate;
	struct task_budget budget;
	bool cache;		  /* keep replies, default true */
	uint64_t cache_bytes_max; /* of kept replies, default 256 MiB */
	struct task_prompt prompt;
	struct task_embeddings embeddings;
	struct task_augment augment;
	uint64_t seed; /* default 1 */
};

/* ERR_INVALID for anything that its author has to mend, a missing file included. */
WARN_UNUSED enum err task_load(const char *path, struct task **ret_task, struct err_msg *msg);
/* The same from memory; `name` stands in messages. */
WARN_UNUSED enum err task_parse(const char *name, const void *data, size_t size,
				struct task **ret_task, struct err_msg *msg);
void task_free(struct task *t);
/* Leaves none. */
void task_strings_done(struct task_strings *s);

/* Borrowed from the task. */
struct source_columns task_columns(const struct task *t);
/* The label names in order: an array to free(), of strings borrowed from the task. */
const char **task_label_names(const struct task *t);

#endif

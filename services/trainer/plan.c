#include "trainer/plan.h"

#include <stdlib.h>
#include <string.h>

bool plan_is_encoder(const Freeal__Project *project)
{
	return project->model && strcmp(project->model->type, "encoder") == 0;
}

bool plan_has_vectors(const Freeal__Project *project)
{
	return project->embeddings || plan_is_encoder(project);
}

struct encoder_options plan_options(const Freeal__Model *m, uint32_t thread_count)
{
	int precision = strcmp(m->precision, "fp32") == 0   ? PRECISION_FP32
			: strcmp(m->precision, "bf16") == 0 ? PRECISION_BF16
							    : -1;
	return (struct encoder_options){.thread_count = thread_count,
					.precision = precision,
					.tokens_max = m->tokens,
					.frozen = m->freeze};
}

static void plan_apply(const Freeal__Model *m, uint64_t seed, struct tune_config *config)
{
	if (m->batch)
		config->batch_rows = m->batch;
	if (m->rate > 0)
		config->rate = m->rate;
	config->robust.seed = seed;
}

static bool plan_is_paper(const Freeal__Model *m)
{
	return strcmp(m->recipe, "paper") == 0;
}

struct tune_config plan_fold(const Freeal__Model *m, uint64_t seed)
{
	struct tune_config config = tune_config_fold();
	plan_apply(m, seed, &config);
	if (m->epochs || plan_is_paper(m))
		config.epochs = config.epochs_min;
	return config;
}

struct tune_config plan_final(const Freeal__Model *m, uint64_t seed)
{
	struct tune_config config = plan_is_paper(m) ? tune_config_paper() : tune_config_default();
	plan_apply(m, seed, &config);
	if (m->epochs)
		config.epochs = m->epochs;
	if (m->mixup)
		config.mixup = m->mixup == FREEAL__CHOICE__ON;
	if (m->consistency)
		config.consistency = m->consistency == FREEAL__CHOICE__ON;
	if (m->second_views)
		config.views = (enum tune_views)(TUNE_VIEWS_NONE + m->second_views - 1);
	return config;
}

static double gigabytes(size_t bytes)
{
	return (double)bytes / (1u << 30);
}

/* A vector of one text: the weights are all there and fit. */
static enum err weights_try(struct encoder *encoder, struct err_msg *msg)
{
	static const char *const text = "a text";
	size_t size = strlen(text);
	float *vector = malloc(encoder_dimensions(encoder) * sizeof *vector);
	enum err e = vector ? encoder_embed(encoder, &text, &size, 1, NULL, vector, msg)
			    : err_set(msg, ERR_NO_MEMORY, "no memory for a vector");
	free(vector);
	return e;
}

enum err plan_check(const Freeal__Project *project, uint32_t thread_count, struct err_msg *msg)
{
	if (!plan_is_encoder(project))
		return ERR_OK;
	const Freeal__Model *m = project->model;
	const struct encoder_options options = plan_options(m, thread_count);
	const struct tune_config config = plan_final(m, project->seed);
	struct encoder *encoder;
	struct encoder_needs needs;
	enum err e = encoder_open(m->path, &options, &encoder, msg);
	if (e)
		return e;
	e = encoder_needs(encoder, project->n_labels, &config, &needs, msg);
	if (!e && needs.predict_bytes <= needs.memory_bytes)
		e = weights_try(encoder, msg);
	encoder_free(encoder);
	if (!e && needs.train_bytes > needs.memory_bytes)
		e = err_set(msg, ERR_LIMIT,
			    "training %s takes %.1f GiB of memory, and there are %.1f; take a "
			    "smaller checkpoint, a smaller batch, fewer tokens, or freeze layers",
			    m->path, gigabytes(needs.train_bytes), gigabytes(needs.memory_bytes));
	return e;
}

#include "trainer/job.h"

#include "base/limits.h"
#include "wire/work.h"

#include <stdio.h>
#include <stdlib.h>

#define FOLD_COUNT_MAX 1000u
#define BLOCK_ROW_COUNT_MAX (1u << 20)

struct job *job_new(const Freeal__Work *work, const Freeal__Project *project)
{
	struct job *j = calloc(1, sizeof *j);
	if (!j)
		return NULL;
	j->state = JOB_WAITING;
	freeal__usage__init(&j->outcome.usage);
	j->work = frame_message_copy(&work->base);
	j->project = frame_message_copy(&project->base);
	if (!j->work || !j->project) {
		job_free(j);
		return NULL;
	}
	return j;
}

void job_free(struct job *j)
{
	if (!j)
		return;
	if (j->work)
		freeal__work__free_unpacked(j->work, NULL);
	if (j->project)
		freeal__project__free_unpacked(j->project, NULL);
	selection_free(j->selection);
	outbox_stream_free(j->outcome.stream);
	free(j->outcome.class_ids);
	free(j->outcome.probabilities);
	free(j);
}

bool job_is_light(const struct job *j)
{
	return j->work->order_case == FREEAL__WORK__ORDER_PREDICT;
}

bool job_named(const struct job *j, const Freeal__WorkName *name)
{
	return work_name_equal(j->work->name, name);
}

void job_log(const struct job *j, enum log_level level, const char *event, const char *reason)
{
	const Freeal__WorkName *n = j->work->name;
	log_write(level, event, "kind=%s round=%u item=%llu slot=%u attempt=%u%s%s",
		  work_kind_name(n->kind), n->round, (unsigned long long)n->item, n->slot,
		  j->work->attempt, reason ? " reason=" : "", reason ? reason : "");
}

static enum err block_check(struct job *j, uint64_t from, uint64_t to, uint64_t sample_count)
{
	if (from >= to || to > sample_count || to - from > BLOCK_ROW_COUNT_MAX)
		return err_set(&j->msg, ERR_INVALID,
			       "a block of samples %llu to %llu of %llu can't be",
			       (unsigned long long)from, (unsigned long long)to,
			       (unsigned long long)sample_count);
	return ERR_OK;
}

static enum err embed_need(struct job *j, const Freeal__EmbedOrder *order, struct supply_need *need)
{
	need->sample_count = order->sample_count;
	if (order->vocabulary_count == 0 || order->vocabulary_count > order->sample_count)
		return err_set(&j->msg, ERR_INVALID,
			       "a vocabulary of %llu samples of %llu can't be",
			       (unsigned long long)order->vocabulary_count,
			       (unsigned long long)order->sample_count);
	if (order->pool_version == 0)
		return block_check(j, order->from, order->to, order->sample_count);
	return order->n_texts > 0 ? ERR_OK
				  : err_set(&j->msg, ERR_INVALID, "no demonstrations to embed");
}

static enum err train_need(struct job *j, const Freeal__TrainOrder *order, struct supply_need *need)
{
	if (order->sample_count == 0 || order->sample_count > SIZE_MAX / 4096)
		return err_set(&j->msg, ERR_INVALID, "%llu samples can't be trained on",
			       (unsigned long long)order->sample_count);
	if (!order->final &&
	    (order->folds < 2 || order->folds > FOLD_COUNT_MAX || order->fold >= order->folds))
		return err_set(&j->msg, ERR_INVALID, "fold %u of %u can't be", order->fold,
			       order->folds);
	*need = (struct supply_need){.sample_count = order->sample_count,
				     .change_count = order->change_count};
	if (order->final)
		(void)snprintf(need->selection, sizeof need->selection, "selection/%u",
			       order->selection_round);
	return ERR_OK;
}

enum err job_need(struct job *j, struct supply_need *ret_need)
{
	*ret_need = (struct supply_need){0};
	if (j->project->n_labels < 2 || j->project->n_labels > LABEL_COUNT_MAX)
		return err_set(&j->msg, ERR_INVALID, "a project of %zu labels can't be trained",
			       j->project->n_labels);
	switch (j->work->order_case) {
	case FREEAL__WORK__ORDER_EMBED:
		return embed_need(j, j->work->embed, ret_need);
	case FREEAL__WORK__ORDER_TRAIN:
		return train_need(j, j->work->train, ret_need);
	case FREEAL__WORK__ORDER_PREDICT:
		ret_need->sample_count = j->work->predict->sample_count;
		ret_need->model = true;
		ret_need->model_checksum = j->work->predict->model_checksum;
		return block_check(j, j->work->predict->from, j->work->predict->to,
				   j->work->predict->sample_count);
	default:
		return err_set(&j->msg, ERR_INVALID, "a trainer can't do the work \"%s\"",
			       work_kind_name(j->work->name->kind));
	}
}

void job_report(struct job *j, struct worker *w, const char *error)
{
	struct job_outcome *o = &j->outcome;
	Freeal__Result result = FREEAL__RESULT__INIT;
	Freeal__EmbedResult embed = FREEAL__EMBED_RESULT__INIT;
	Freeal__TrainResult train = FREEAL__TRAIN_RESULT__INIT;
	Freeal__PredictResult predict = FREEAL__PREDICT_RESULT__INIT;
	result.name = j->work->name;
	result.attempt = j->work->attempt;
	if (o->usage.requests > 0)
		result.usage = &o->usage;
	if (error) {
		result.error = (char *)(error[0] ? error : "failed");
		result.missing = j->missing;
	} else if (j->work->order_case == FREEAL__WORK__ORDER_EMBED) {
		embed.dimensions = o->dimensions;
		result.body_case = FREEAL__RESULT__BODY_EMBED;
		result.embed = &embed;
	} else if (j->work->order_case == FREEAL__WORK__ORDER_TRAIN) {
		train.row_count = o->row_count;
		train.seconds = o->seconds;
		train.loss = o->loss;
		train.model_bytes = o->model_bytes;
		train.model_checksum = o->model_checksum;
		result.body_case = FREEAL__RESULT__BODY_TRAIN;
		result.train = &train;
	} else {
		predict.class_ids = o->class_ids;
		predict.probabilities = o->probabilities;
		predict.n_class_ids = predict.n_probabilities = o->predicted_count;
		result.body_case = FREEAL__RESULT__BODY_PREDICT;
		result.predict = &predict;
	}
	/* Late results are sent all the same; without memory the lease runs out. */
	err_ignore(worker_result(w, &result));
}
